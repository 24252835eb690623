//! What of the service something concerns, and whom: covered paths, and groups of subscribers.

use std::fmt;

use crate::{AccountId, TrunkId};

/// The most groups of one scope.
pub const GROUPS_MAX: usize = 1000;

/// A part of the service that every subscriber is promised access to (A22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoveredPath {
    /// The panel (P1).
    Panel,
    /// The web services take requests (P2).
    Api,
    /// Quick sends are dialled (P3).
    QuickSend,
    /// Campaigns run (P4).
    Campaign,
}

impl CoveredPath {
    /// Every path, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Panel, Self::Api, Self::QuickSend, Self::Campaign];

    /// Its place among [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word under which it is kept and shown to the operator.
    pub fn word(self) -> &'static str {
        match self {
            Self::Panel => "panel",
            Self::Api => "api",
            Self::QuickSend => "quick-send",
            Self::Campaign => "campaign",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|path| path.word() == word)
    }
}

/// Some of the covered paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Paths(u8);

impl Paths {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self(0b1111);

    /// These paths.
    pub fn of(paths: &[CoveredPath]) -> Self {
        Self(paths.iter().fold(0, |bits, path| bits | 1 << path.index()))
    }

    /// Whether it is one of them.
    pub fn contains(self, path: CoveredPath) -> bool {
        self.0 & 1 << path.index() != 0
    }

    /// These paths and one more.
    #[must_use]
    pub fn and(self, path: CoveredPath) -> Self {
        Self(self.0 | 1 << path.index())
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// The paths that are in both.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The paths, in order.
    pub fn iter(self) -> impl Iterator<Item = CoveredPath> {
        CoveredPath::ALL.into_iter().filter(move |path| self.contains(*path))
    }

    /// Reads `all`, or words of paths with commas between; `None` when one is no path.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "all" {
            return Some(Self::ALL);
        }
        let paths: Option<Vec<CoveredPath>> =
            text.split(',').map(|word| CoveredPath::parse(word.trim())).collect();
        Some(Self::of(&paths?))
    }
}

/// `all`, or the words with commas between; the inverse of [`Paths::parse`].
impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        for (place, path) in self.iter().enumerate() {
            write!(f, "{}{}", if place == 0 { "" } else { "," }, path.word())?;
        }
        Ok(())
    }
}

/// Subscribers who share a fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// All of them.
    Everyone,
    /// Those whose calls a regional server or shard carries.
    Shard(i64),
    /// Those whose calls leave by this trunk.
    Trunk(TrunkId),
    /// Those who call numbers with this prefix, written without its 0.
    Prefix(i64),
    /// A set that the operator keeps.
    Cohort(i64),
    /// One subscriber.
    Account(AccountId),
}

impl Group {
    /// Reads `everyone`, `account:7` and their like.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "everyone" {
            return Some(Self::Everyone);
        }
        let (kind, number) = text.split_once(':')?;
        let number: i64 = number.parse().ok().filter(|number| *number > 0)?;
        match kind {
            "shard" => Some(Self::Shard(number)),
            "trunk" => Some(Self::Trunk(TrunkId(number))),
            "prefix" => Some(Self::Prefix(number)),
            "cohort" => Some(Self::Cohort(number)),
            "account" => Some(Self::Account(AccountId(number))),
            _ => None,
        }
    }
}

/// The inverse of [`Group::parse`].
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Shard(number) => write!(f, "shard:{number}"),
            Self::Trunk(trunk) => write!(f, "trunk:{trunk}"),
            Self::Prefix(prefix) => write!(f, "prefix:{prefix}"),
            Self::Cohort(number) => write!(f, "cohort:{number}"),
            Self::Account(account) => write!(f, "account:{account}"),
        }
    }
}

/// Whom something concerns: who is in one of these groups.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Vec<Group>);

impl Scope {
    /// These groups; `None` when there are none or more than [`GROUPS_MAX`].
    pub fn new(mut groups: Vec<Group>) -> Option<Self> {
        groups.sort_unstable();
        groups.dedup();
        (1..=GROUPS_MAX).contains(&groups.len()).then_some(Self(groups))
    }

    /// Every subscriber.
    pub fn everyone() -> Self {
        Self(vec![Group::Everyone])
    }

    /// The groups, in order.
    pub fn groups(&self) -> &[Group] {
        &self.0
    }

    /// Whether it has all who are in this group.
    pub fn covers(&self, group: Group) -> bool {
        self.is_everyone() || self.0.binary_search(&group).is_ok()
    }

    /// Whether it has every subscriber.
    pub fn is_everyone(&self) -> bool {
        self.0.first() == Some(&Group::Everyone)
    }

    /// Reads groups with commas between; `None` when one is none.
    pub fn parse(text: &str) -> Option<Self> {
        let groups: Option<Vec<Group>> =
            text.split(',').map(|group| Group::parse(group.trim())).collect();
        Self::new(groups?)
    }
}

/// The inverse of [`Scope::parse`].
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, group) in self.0.iter().enumerate() {
            write!(f, "{}{group}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_paths_are_read_as_they_are_written() {
        for text in ["everyone", "shard:3,trunk:4,prefix:912,cohort:1,account:7"] {
            assert_eq!(Scope::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "account:", "account:0", "account:-1", "team:1", "everyone:1"] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
        for text in ["all", "panel,campaign", "quick-send"] {
            assert_eq!(Paths::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Paths::parse("panel,sms"), None);
        assert_eq!(Paths::parse("panel,api,quick-send,campaign"), Some(Paths::ALL));
    }

    #[test]
    fn everyone_is_in_every_group() {
        let one = Scope::parse("account:7").unwrap();
        assert!(Scope::everyone().covers(Group::Cohort(1)));
        assert!(one.covers(Group::Account(AccountId(7))) && !one.covers(Group::Everyone));
    }
}

//! Evidence that cannot be bent: legal facts in a chain of which each entry seals the one before
//! it (I17). Whoever keeps the seal of one entry anywhere else proves by it everything up to that
//! entry. Order is by number, and no time is earlier than the one before it.

use std::fmt::{self, Write as _};

use crate::Timestamp;

/// Hex digits of a seal or digest: SHA-256.
const HASH_DIGITS: usize = 64;

/// An entry of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1 without gaps.
    pub number: i64,
    /// When it was added, by the authority's clock.
    pub at: Timestamp,
    /// What kind of fact it is about, a word.
    pub kind: String,
    /// Which fact that is.
    pub subject: String,
    /// Who did it.
    pub actor: String,
    /// The hash of what the fact said, in lower-case hex digits.
    pub digest: String,
    /// The hash of all that and of the seal before, in lower-case hex digits.
    pub seal: String,
}

/// The last entry as far as somebody has seen it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 before the first.
    pub number: i64,
    /// Its seal; empty before the first.
    pub seal: String,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another number should follow.
    Number,
    /// It is earlier than the one before it.
    Time,
    /// Its seal is none over what it says and the seal before.
    Seal,
}

impl Head {
    /// Where a chain begins.
    pub fn start() -> Self {
        Self { number: 0, seal: String::new() }
    }

    /// Reads what [`Self`] is written as: number and seal with a colon between.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, seal) = text.trim().split_once(':')?;
        let number = number.parse().ok().filter(|number| *number >= 0)?;
        let is_hash = seal.len() == HASH_DIGITS && seal.bytes().all(|one| one.is_ascii_hexdigit());
        let fits = if number == 0 { seal.is_empty() } else { is_hash };
        fits.then(|| Self { number, seal: seal.to_ascii_lowercase() })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.seal)
    }
}

impl Entry {
    /// The text that its seal is the hash of: a line each, so that anybody can do it again.
    pub fn canonical(&self, before: &str) -> String {
        let Self { number, at, kind, subject, actor, digest, .. } = self;
        let mut text =
            format!("avanak chain 1\nbefore={before}\nnumber={number}\nat_us={}\n", at.0);
        for (name, value) in [("kind", kind), ("subject", subject), ("actor", actor)] {
            field(&mut text, name, Some(value));
        }
        field(&mut text, "digest", Some(digest));
        text
    }

    /// Where the chain stands with this entry.
    pub fn head(&self) -> Head {
        Head { number: self.number, seal: self.seal.clone() }
    }

    /// Whether it is the one to come after another, which had this head and time. `hash` is
    /// SHA-256 in lower-case hex digits.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn follows(
        &self,
        before: &Head,
        before_at: Timestamp,
        hash: impl Fn(&str) -> String,
    ) -> Result<(), Fault> {
        if before.number.checked_add(1) != Some(self.number) {
            return Err(Fault::Number);
        }
        if self.at < before_at {
            return Err(Fault::Time);
        }
        if self.seal != hash(&self.canonical(&before.seal)) {
            return Err(Fault::Seal);
        }
        Ok(())
    }
}

/// Adds a line `name=value`, or `name` alone for what is not there. A value's own line ends and
/// backslashes are escaped, so that no two contents have the same text.
pub fn field(text: &mut String, name: &str, value: Option<&str>) {
    text.push_str(name);
    if let Some(value) = value {
        text.push('=');
        for letter in value.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                plain => text.push(plain),
            }
        }
    }
    text.push('\n');
}

/// Bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String grows");
    }
    text
}

/// When an entry is added whose node's or authority's clock says `now`: never before the last one.
pub fn time_of(last: Timestamp, now: Timestamp) -> Timestamp {
    last.max(now)
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use proptest::prelude::*;

    use super::*;

    /// Stands for SHA-256: as long, and different for whatever these tests do to an entry.
    fn hash(text: &str) -> String {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        format!("{:064x}", hasher.finish())
    }

    fn chain(facts: &[(String, i64)]) -> Vec<Entry> {
        let (mut head, mut at) = (Head::start(), Timestamp(0));
        let mut entries = Vec::new();
        for (subject, clock) in facts {
            at = time_of(at, Timestamp(*clock));
            let mut entry = Entry {
                number: head.number + 1,
                at,
                kind: String::from("violation"),
                subject: subject.clone(),
                actor: String::from("avanak"),
                digest: hash(subject),
                seal: String::new(),
            };
            entry.seal = hash(&entry.canonical(&head.seal));
            head = entry.head();
            entries.push(entry);
        }
        entries
    }

    /// The place of the first entry that is not the one to come.
    fn broken(entries: &[Entry]) -> Option<(usize, Fault)> {
        let (mut head, mut at) = (Head::start(), Timestamp(0));
        for (place, entry) in entries.iter().enumerate() {
            if let Err(fault) = entry.follows(&head, at, hash) {
                return Some((place, fault));
            }
            (head, at) = (entry.head(), entry.at);
        }
        None
    }

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let entries = chain(&[("a".into(), 1)]);
        let head = entries[0].head();
        assert_eq!(Head::parse(&format!("{head}\n")), Some(head));
        assert_eq!(Head::parse("0:"), Some(Head::start()));
        for wrong in ["", "1:", "0:ab", "-1:", "1:xyz", "1", "x:0"] {
            assert_eq!(Head::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        /// Whatever the clocks say, a chain holds; and whatever is done to one of its entries
        /// breaks it there.
        #[test]
        fn what_is_bent_is_found(
            facts in prop::collection::vec((".{0,8}", 0..1_000_i64), 1..12),
            place in 0..12_usize,
            kind in 0..6_usize,
        ) {
            let entries = chain(&facts);
            prop_assert_eq!(broken(&entries), None);
            let place = place % entries.len();
            let mut bent = entries.clone();
            match kind {
                0 => bent[place].subject.push('x'),
                1 => bent[place].at = bent[place].at.plus_us(1),
                2 => bent[place].actor.push('\n'),
                3 => bent[place].digest = hash("another"),
                4 => bent[place].kind = String::from("claim"),
                _ => drop(bent.remove(place)),
            }
            // Without its last entry a chain holds: the head that was kept elsewhere tells.
            let is_end = kind == 5 && place + 1 == entries.len();
            prop_assert_eq!(broken(&bent).map(|(at, _)| at), (!is_end).then_some(place));
        }

        /// No two contents have one text.
        #[test]
        fn contents_are_told_apart(
            a in prop::option::of("[a=\\\\\n]{0,4}"),
            b in prop::option::of("[a=\\\\\n]{0,4}"),
            c in prop::option::of("[a=\\\\\n]{0,4}"),
            d in prop::option::of("[a=\\\\\n]{0,4}"),
        ) {
            let of = |one: &Option<String>, other: &Option<String>| {
                let mut text = String::new();
                field(&mut text, "a", one.as_deref());
                field(&mut text, "aa", other.as_deref());
                text
            };
            prop_assert_eq!(of(&a, &b) == of(&c, &d), (&a, &b) == (&c, &d));
        }
    }
}

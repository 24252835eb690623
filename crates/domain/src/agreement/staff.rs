//! Who executes the agreement and who oversees it (C03): experts and managers over time, the
//! deputies whom managers name for a while, and in what capacity somebody does something.

use std::fmt;

use crate::Timestamp;
use crate::calendar::span::Span;

/// Longest name of somebody, bytes.
pub const NAME_MAX: usize = 200;
/// The longest time of a deputy, microseconds: a year.
const DEPUTY_US_MAX: i64 = 366 * 86_400_000_000;

/// A part in carrying the agreement out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// An expert of support, who is accountable for what he has.
    Expert,
    /// The manager who oversees.
    Manager,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Expert, Self::Manager];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expert => "expert",
            Self::Manager => "manager",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// What somebody is, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Who.
    pub name: String,
    /// What.
    pub role: Role,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub until: Option<Timestamp>,
}

impl Post {
    /// Whether it was held at a moment.
    pub fn held(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// That a manager has a deputy for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deputyship {
    /// Whose deputy.
    pub manager: String,
    /// Who it is.
    pub deputy: String,
    /// When, as it was named.
    pub span: Span,
    /// When it was ended before that; before its start, it never was.
    pub ended_at: Option<Timestamp>,
}

impl Deputyship {
    /// When it really was or will be.
    pub fn time(&self) -> Option<Span> {
        let to = self.ended_at.map_or(self.span.to, |ended| self.span.to.min(ended));
        Span::new(self.span.from, to)
    }

    /// Whether it holds at a moment.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.time().is_some_and(|time| time.contains(at))
    }
}

/// In what capacity somebody does what needs a manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Who.
    pub name: String,
    /// Whose deputy, if not a manager himself.
    pub deputy_of: Option<String>,
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.deputy_of {
            None => f.write_str(&self.name),
            Some(manager) => write!(f, "{} (as deputy of {manager})", self.name),
        }
    }
}

/// Why somebody is not given a part, or does not have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A name is missing or too long.
    Name,
    /// That is what he is already.
    Has,
    /// He is not that.
    HasNot,
    /// It needs a manager, or the deputy of one within his time.
    NotManager,
    /// Nobody is the deputy of himself.
    Himself,
    /// The time has passed, ends before it begins, or is longer than a year.
    Time,
    /// The manager has a deputy in a part of that time.
    Overlap,
    /// It is over, or there is none of that number.
    Over,
}

/// What somebody is at a moment, in what needs a manager. `None`: nothing.
pub fn as_manager(
    posts: &[Post],
    deputies: &[Deputyship],
    name: &str,
    at: Timestamp,
) -> Option<Capacity> {
    let is_manager = |name: &str| {
        let of = |post: &Post| post.role == Role::Manager && post.name == name && post.held(at);
        posts.iter().any(of)
    };
    let capacity = |deputy_of| Some(Capacity { name: name.to_owned(), deputy_of });
    if is_manager(name) {
        return capacity(None);
    }
    // Who has left stands in for nobody, whatever he was named for.
    if !posts.iter().any(|post| post.name == name && post.held(at)) {
        return None;
    }
    let stands_in =
        |one: &&Deputyship| one.deputy == name && one.holds(at) && is_manager(&one.manager);
    deputies.iter().find(stands_in).and_then(|one| capacity(Some(one.manager.clone())))
}

/// Whether a manager may have this deputy, beside those that he has had and has.
///
/// # Errors
/// Why not.
pub fn may_stand_in(
    posts: &[Post],
    deputies: &[Deputyship],
    new: &Deputyship,
    now: Timestamp,
) -> Result<(), Refusal> {
    let is = |name: &str, role| {
        posts.iter().any(|post| post.name == name && post.role == role && post.held(now))
    };
    if !is(&new.manager, Role::Manager) {
        return Err(Refusal::NotManager);
    }
    if new.manager == new.deputy {
        return Err(Refusal::Himself);
    }
    if Role::ALL.into_iter().all(|role| !is(&new.deputy, role)) {
        return Err(Refusal::HasNot);
    }
    if new.span.from < now || new.span.length_us() > DEPUTY_US_MAX {
        return Err(Refusal::Time);
    }
    let same = deputies.iter().filter(|one| one.manager == new.manager);
    let mut times = same.filter_map(Deputyship::time);
    let overlaps = times.any(|time| time.within(new.span).is_some());
    if overlaps { Err(Refusal::Overlap) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn post(name: &str, role: Role, from: i64, until: Option<i64>) -> Post {
        let until = until.map(Timestamp);
        Post { name: name.to_owned(), role, from: Timestamp(from), until }
    }

    fn deputy(name: &str, from: i64, to: i64, ended: Option<i64>) -> Deputyship {
        Deputyship {
            manager: "Reza".to_owned(),
            deputy: name.to_owned(),
            span: Span::new(Timestamp(from), Timestamp(to)).unwrap(),
            ended_at: ended.map(Timestamp),
        }
    }

    fn posts() -> Vec<Post> {
        vec![
            post("Reza", Role::Manager, 0, Some(90)),
            post("Sara", Role::Expert, 0, None),
            post("Ali", Role::Expert, 0, Some(50)),
        ]
    }

    /// C03. Goal: a deputy may do what needs the manager within his time, and outside it not.
    #[test]
    fn a_deputy_stands_in_within_his_time() {
        let (posts, deputies) = (posts(), [deputy("Sara", 20, 40, None)]);
        let of = |name: &str, at| as_manager(&posts, &deputies, name, Timestamp(at));
        let told = |name: &str, at| of(name, at).map(|capacity| capacity.to_string());
        assert_eq!(told("Reza", 30), Some("Reza".to_owned()));
        assert_eq!(told("Reza", 90), None, "he is manager no more");
        assert_eq!(told("Sara", 20), Some("Sara (as deputy of Reza)".to_owned()));
        for at in [19, 40] {
            assert_eq!(told("Sara", at), None, "{at}");
        }
        assert_eq!(told("Ali", 30), None);
        let early = [deputy("Sara", 20, 40, Some(30))];
        let holds = |at| as_manager(&posts, &early, "Sara", Timestamp(at)).is_some();
        assert!(holds(29) && !holds(30));
        let gone = [deputy("Ali", 20, 80, None)];
        let holds = |at| as_manager(&posts, &gone, "Ali", Timestamp(at)).is_some();
        assert!(holds(49) && !holds(50), "he has left");
        // Whose manager is gone stands in for nobody.
        let late = [deputy("Sara", 80, 99, None)];
        assert_eq!(as_manager(&posts, &late, "Sara", Timestamp(95)), None);
    }

    #[test]
    fn a_deputy_is_named_by_a_manager_for_a_time_to_come() {
        let judge = |new: &Deputyship, now| {
            let there = [deputy("Sara", 40, 60, None), deputy("Sara", 70, 80, Some(65))];
            may_stand_in(&posts(), &there, new, Timestamp(now))
        };
        assert_eq!(judge(&deputy("Sara", 20, 40, None), 10), Ok(()));
        assert_eq!(judge(&deputy("Sara", 60, 80, None), 10), Ok(()), "that one never was");
        assert_eq!(judge(&deputy("Sara", 59, 61, None), 10), Err(Refusal::Overlap));
        assert_eq!(judge(&deputy("Sara", 20, 40, None), 21), Err(Refusal::Time));
        assert_eq!(
            judge(&deputy("Sara", 60, 60 + DEPUTY_US_MAX + 1, None), 10),
            Err(Refusal::Time)
        );
        assert_eq!(judge(&deputy("Reza", 20, 40, None), 10), Err(Refusal::Himself));
        assert_eq!(judge(&deputy("Ali", 60, 70, None), 55), Err(Refusal::HasNot));
        assert_eq!(judge(&deputy("Sara", 95, 99, None), 91), Err(Refusal::NotManager));
        let of_nobody = Deputyship { manager: "Ali".to_owned(), ..deputy("Sara", 20, 40, None) };
        assert_eq!(judge(&of_nobody, 10), Err(Refusal::NotManager));
    }

    proptest! {
        /// However deputies are named and ended, at no moment has a manager two.
        #[test]
        fn a_manager_never_has_two_deputies(
            asked in prop::collection::vec(
                (0..80_i64, 1..30_i64, prop::option::of(0..90_i64)), 1..20,
            ),
        ) {
            let mut named: Vec<Deputyship> = Vec::new();
            for (from, length, ended) in asked {
                let new = deputy("Sara", from, from + length, None);
                if may_stand_in(&posts(), &named, &new, Timestamp(0)).is_ok() {
                    named.push(Deputyship { ended_at: ended.map(Timestamp), ..new });
                }
            }
            for at in 0..120 {
                let holding = named.iter().filter(|one| one.holds(Timestamp(at))).count();
                prop_assert!(holding <= 1, "{at}");
            }
        }
    }
}

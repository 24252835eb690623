//! Message classes: what kind of message a call carries. Each has a [`Policy`] that says when, how
//! often and on what terms its messages may be called out. What a class obeys by its nature stands
//! here; what an operator may change is in the policy.

mod opening;
mod policy;

pub use opening::{Basis, Opening, Policies};
pub use policy::{Policy, PolicyRefusal, hours_text, read_windows};

use crate::opt_out::OptOutList;

/// What kind of message a call carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MessageClass {
    /// What somebody asks for this moment: a code, a confirmation, a secure call.
    OneTimeCode,
    /// What a customer tells people it deals with: what the vendor's methods send.
    #[default]
    Service,
    /// Whatever wants to sell. Regulation 3-357 bans it, so that it is off unless switched on.
    Advertising,
    /// A warning to the public.
    Emergency,
}

impl MessageClass {
    /// Every class.
    pub const ALL: [Self; 4] =
        [Self::OneTimeCode, Self::Service, Self::Advertising, Self::Emergency];

    /// The number under which it is kept.
    pub fn code(self) -> i64 {
        match self {
            Self::OneTimeCode => 1,
            Self::Service => 2,
            Self::Advertising => 3,
            Self::Emergency => 4,
        }
    }

    /// Reads a number made by [`Self::code`].
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    /// The word by which clients and the operator name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::OneTimeCode => "one_time_code",
            Self::Service => "service",
            Self::Advertising => "advertising",
            Self::Emergency => "emergency",
        }
    }

    /// Reads a word made by [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// Whether a number on such a list is not called with messages of this class. The national list
    /// is about advertising; a customer's own about what the customer sends of its own accord; and
    /// whoever the operator was told to leave alone gets warnings and nothing else.
    pub fn obeys(self, list: OptOutList) -> bool {
        match list {
            OptOutList::National => self == Self::Advertising,
            OptOutList::Operator => self != Self::Emergency,
            OptOutList::Account => matches!(self, Self::Service | Self::Advertising),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_are_read_back() {
        for class in MessageClass::ALL {
            assert_eq!(MessageClass::from_code(class.code()), Some(class));
            assert_eq!(MessageClass::from_word(class.word()), Some(class));
        }
        assert_eq!((MessageClass::from_code(0), MessageClass::from_word("ad")), (None, None));
    }

    #[test]
    fn each_list_keeps_away_what_it_is_about() {
        use OptOutList::{Account, National, Operator};
        let obeyed =
            |class: MessageClass| [National, Operator, Account].map(|list| class.obeys(list));
        assert_eq!(obeyed(MessageClass::Advertising), [true, true, true]);
        assert_eq!(obeyed(MessageClass::Service), [false, true, true]);
        assert_eq!(obeyed(MessageClass::OneTimeCode), [false, true, false]);
        assert_eq!(obeyed(MessageClass::Emergency), [false, false, false]);
    }
}

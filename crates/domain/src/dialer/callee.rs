//! Whom a call reaches.

use crate::{AccountId, Destination};

/// Who is called: never in two calls at once, whichever node of the platform places them. A short
/// number means another phone in each account, and a number that a sandbox plays with is not that
/// person's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Callee {
    /// A number of the telephone network, in national form.
    Number(String),
    /// A phone of an account, by its short number.
    Phone(AccountId, String),
    /// A number that a sandbox's account plays with.
    Played(AccountId, String),
}

impl Callee {
    /// Whom a call of this account, a sandbox's or not, reaches at this destination.
    pub fn of((account, sandbox): (AccountId, bool), destination: &Destination) -> Self {
        match destination {
            Destination::Number(number) if sandbox => {
                Self::Played(account, number.national().to_owned())
            }
            Destination::Number(number) => Self::Number(number.national().to_owned()),
            Destination::Extension(short) => Self::Phone(account, short.as_str().to_owned()),
        }
    }

    /// The same as one text, another for each callee.
    pub fn key(&self) -> String {
        match self {
            Self::Number(number) => number.clone(),
            Self::Phone(account, short) => format!("phone:{}:{short}", account.0),
            Self::Played(account, number) => format!("sandbox:{}:{number}", account.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However a number is written it is one person's; a phone and a sandbox's number are others in
    /// each account.
    #[test]
    fn one_key_for_each_callee() {
        let key = |account, sandbox, text: &str| {
            let destination = Destination::parse(text).unwrap();
            Callee::of((AccountId(account), sandbox), &destination).key()
        };
        assert_eq!(key(1, false, "09121234567"), key(2, false, "+989121234567"));
        let different = [
            key(1, false, "09121234567"),
            key(1, false, "09121234568"),
            key(1, true, "09121234567"),
            key(2, true, "09121234567"),
            key(1, false, "101"),
            key(2, false, "101"),
        ];
        let keys: std::collections::BTreeSet<&String> = different.iter().collect();
        assert_eq!(keys.len(), different.len(), "{different:?}");
    }
}

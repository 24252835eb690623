//! Opt-out: a person's wish not to be called, and the lists that keep it.

/// Whose list a number is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptOutList {
    /// The country's: no advertising.
    National,
    /// The operator's: nothing but warnings, from nobody.
    Operator,
    /// A customer's own: nothing that this customer sends of its own accord.
    Account,
}

impl OptOutList {
    /// Every list.
    pub const ALL: [Self; 3] = [Self::National, Self::Operator, Self::Account];

    /// The word under which it is kept and named.
    pub fn word(self) -> &'static str {
        match self {
            Self::National => "national",
            Self::Operator => "operator",
            Self::Account => "account",
        }
    }

    /// Reads a word made by [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.word() == word)
    }
}

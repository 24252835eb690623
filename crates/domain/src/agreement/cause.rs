//! Where an outage comes from (A21). Each counts against the platform, unless the version of the
//! agreement that holds when the month begins names its cause in a list; nothing is put on that
//! list afterwards.

use std::collections::BTreeSet;
use std::fmt;

/// Where an outage comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Something of ours. It always counts.
    Ours,
    /// A carrier of telephone calls.
    Carrier,
    /// The supply of power.
    Power,
    /// The national internet.
    Internet,
    /// What nobody could foresee or prevent.
    ForceMajeure,
    /// The customer's own equipment or line.
    CustomerEquipment,
    /// The customer asked for it.
    CustomerRequest,
    /// It was agreed on with the customer, without being planned maintenance.
    AgreedDowntime,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Ours,
        Self::Carrier,
        Self::Power,
        Self::Internet,
        Self::ForceMajeure,
        Self::CustomerEquipment,
        Self::CustomerRequest,
        Self::AgreedDowntime,
    ];

    /// The word under which it is kept and shown, and how a text of the agreement names it in
    /// Persian and in English.
    fn names(self) -> [&'static str; 3] {
        match self {
            Self::Ours => ["ours", "", ""],
            Self::Carrier => ["carrier", "قطعی اپراتور", "failure of a carrier"],
            Self::Power => ["power", "قطع برق", "power failure"],
            Self::Internet => ["internet", "قطع اینترنت کشور", "failure of the national internet"],
            Self::ForceMajeure => ["force-majeure", "فورس ماژور", "force majeure"],
            Self::CustomerEquipment => {
                ["customer-equipment", "تجهیزات مشترک", "equipment of the customer"]
            }
            Self::CustomerRequest => {
                ["customer-request", "درخواست مشترک", "request of the customer"]
            }
            Self::AgreedDowntime => ["agreed-downtime", "قطعی توافق شده", "agreed downtime"],
        }
    }

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        self.names()[0]
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }

    /// How a text in Persian names it that excludes it.
    pub fn in_persian(self) -> &'static str {
        self.names()[1]
    }

    /// How a text in English names it that excludes it.
    pub fn in_english(self) -> &'static str {
        self.names()[2]
    }
}

/// Causes whose outages do not count as downtime.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exclusions(BTreeSet<Cause>);

/// Nothing is excluded.
const NONE: &str = "none";

impl Exclusions {
    /// Reads words with commas between, or `none`. What is ours cannot be excluded.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == NONE {
            return Some(Self::default());
        }
        let causes = text.split(',').map(|word| Cause::parse(word.trim()));
        let causes: BTreeSet<Cause> = causes.collect::<Option<_>>()?;
        (!causes.contains(&Cause::Ours)).then_some(Self(causes))
    }

    /// Whether it is on the list.
    pub fn contains(&self, cause: Cause) -> bool {
        self.0.contains(&cause)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Cause> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Display for Exclusions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(NONE);
        }
        for (n, cause) in self.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{}", cause.word())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_is_written_and_never_has_what_is_ours() {
        assert_eq!(Exclusions::parse("none"), Some(Exclusions::default()));
        let some = Exclusions::parse(" force-majeure,carrier ").unwrap();
        assert_eq!(some.to_string(), "carrier,force-majeure");
        assert_eq!(Exclusions::parse(&some.to_string()), Some(some.clone()));
        assert!(some.contains(Cause::Carrier) && !some.contains(Cause::Power));
        for wrong in ["", "ours", "carrier,ours", "carrier,", "weather"] {
            assert_eq!(Exclusions::parse(wrong), None, "{wrong}");
        }
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.word()), Some(cause));
        }
    }
}

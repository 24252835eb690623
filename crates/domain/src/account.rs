//! A customer's account: who pays, and until when.

use crate::{AccountId, Rials, Timestamp};

/// The most that an account may be let owe, in rials.
pub const DEBT_LIMIT_MAX: Rials = Rials(1_000_000_000_000_000);

/// An account as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "permissions, each by itself")]
pub struct Account {
    /// Its identity.
    pub id: AccountId,
    /// The customer's name.
    pub name: String,
    /// The customer's own mobile, in national form.
    pub mobile: String,
    /// Money on the account, holds included.
    pub balance: Rials,
    /// The part of the balance that open holds have reserved.
    pub reserved: Rials,
    /// How far what is available may go below zero, not negative (avanak-api §3.2, `MaximumDebt`).
    pub debt_limit: Rials,
    /// When the subscription ends; `None` for a permanent panel.
    pub expires_at: Option<Timestamp>,
    /// When the operator switched the account off.
    pub disabled_at: Option<Timestamp>,
    /// Whether its messages are approved without being listened to.
    pub approves_own_messages: bool,
    /// Whether it may record callees.
    pub records_callees: bool,
    /// Whether it may let two people talk through us (MakeSecureCall).
    pub places_secure_calls: bool,
    /// Whether it may call whom a region of the operator's map has (CreateCampaignGIS), and so
    /// learn who lives there.
    pub calls_regions: bool,
    /// The account whose sandbox it is: then its money is play money and its calls reach nobody.
    pub sandbox_of: Option<AccountId>,
}

impl Account {
    /// Whether it is a sandbox.
    pub fn is_sandbox(&self) -> bool {
        self.sandbox_of.is_some()
    }

    /// What is there and not reserved; below zero what is owed.
    pub fn available(&self) -> Rials {
        Rials(self.balance.0.saturating_sub(self.reserved.0))
    }

    /// What may still be spent: what is available, and as much more as may be owed. Below zero when
    /// more is owed than may be, since the limit was lowered.
    pub fn spendable(&self) -> Rials {
        Rials(self.available().0.saturating_add(self.debt_limit.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            id: AccountId(1),
            name: String::from("A"),
            mobile: String::from("09120000001"),
            balance: Rials(1000),
            reserved: Rials(300),
            debt_limit: Rials(0),
            expires_at: None,
            disabled_at: None,
            approves_own_messages: true,
            records_callees: false,
            places_secure_calls: false,
            calls_regions: false,
            sandbox_of: None,
        }
    }

    #[test]
    fn holds_are_not_available() {
        assert_eq!(account().available(), Rials(700));
        assert_eq!(account().spendable(), Rials(700));
    }

    #[test]
    fn what_may_be_owed_may_be_spent() {
        let lent = Account { debt_limit: Rials(500), ..account() };
        assert_eq!((lent.available(), lent.spendable()), (Rials(700), Rials(1200)));
        let owing = Account { balance: Rials(-400), debt_limit: Rials(500), ..account() };
        assert_eq!((owing.available(), owing.spendable()), (Rials(-700), Rials(-200)));
    }
}

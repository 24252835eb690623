//! A customer's account and its web-service tokens: who may do anything at all.

use crate::{AccountId, Rials, Timestamp};

/// An account as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// When the subscription ends; `None` for a permanent panel.
    pub expires_at: Option<Timestamp>,
    /// When the operator switched the account off.
    pub disabled_at: Option<Timestamp>,
    /// Whether its messages are approved without being listened to.
    pub approves_own_messages: bool,
    /// Whether it may record callees.
    pub records_callees: bool,
}

impl Account {
    /// What may still be spent.
    pub fn available(&self) -> Rials {
        Rials(self.balance.0.saturating_sub(self.reserved.0))
    }
}

/// A web-service token as the rules see it; the secret itself is only stored hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenState {
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off.
    pub disabled_at: Option<Timestamp>,
}

/// Why a caller may not use the web services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessRefusal {
    /// No token was given, or there is none like it.
    WrongToken,
    /// The token is switched off.
    TokenDisabled,
    /// The token's time is over.
    TokenExpired,
    /// The account is switched off.
    AccountDisabled,
    /// The subscription is over.
    AccountExpired,
    /// The operator switched the web services off.
    SystemDisabled,
}

/// Judges a known token and its account at `now`. The token's own state is told first.
///
/// # Errors
/// The first reason that forbids access.
pub fn admit_caller(
    token: TokenState,
    account: &Account,
    now: Timestamp,
) -> Result<(), AccessRefusal> {
    let over = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
    if token.disabled_at.is_some() {
        return Err(AccessRefusal::TokenDisabled);
    }
    if over(token.expires_at) {
        return Err(AccessRefusal::TokenExpired);
    }
    if account.disabled_at.is_some() {
        return Err(AccessRefusal::AccountDisabled);
    }
    if over(account.expires_at) {
        return Err(AccessRefusal::AccountExpired);
    }
    Ok(())
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
            expires_at: None,
            disabled_at: None,
            approves_own_messages: true,
            records_callees: false,
        }
    }

    #[test]
    fn holds_are_not_available() {
        assert_eq!(account().available(), Rials(700));
    }

    #[test]
    fn the_first_reason_is_told() {
        let now = Timestamp(100);
        let open = TokenState { expires_at: None, disabled_at: None };
        let ended = TokenState { expires_at: Some(Timestamp(100)), disabled_at: None };
        let off = TokenState { expires_at: None, disabled_at: Some(Timestamp(1)) };
        let expired = Account { expires_at: Some(Timestamp(99)), ..account() };
        let disabled = Account { disabled_at: Some(Timestamp(1)), ..expired.clone() };
        assert_eq!(admit_caller(open, &account(), now), Ok(()));
        assert_eq!(admit_caller(ended, &account(), now), Err(AccessRefusal::TokenExpired));
        assert_eq!(admit_caller(off, &disabled, now), Err(AccessRefusal::TokenDisabled));
        assert_eq!(admit_caller(open, &disabled, now), Err(AccessRefusal::AccountDisabled));
        assert_eq!(admit_caller(open, &expired, now), Err(AccessRefusal::AccountExpired));
    }
}

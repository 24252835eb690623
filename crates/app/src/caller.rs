//! Who calls the web services. A token or password comes in as text and never goes on: not into a
//! log, not into an error, and into the store only as a hash.

use domain::access::{AccessRefusal, Arrival, TokenState, admit_caller};
use domain::{Account, TokenId, UserName};
use sha2::{Digest, Sha256};

use crate::password::{NOBODYS, Proof};
use crate::{App, Error, Result};

/// An authenticated caller, as of the moment of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose token or user name it is.
    pub account: Account,
    /// Which token; `None` for who came with a user name and password.
    pub token: Option<TokenId>,
}

/// Why a user name and password open nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// They are wrong, or the caller may not use the services.
    Access(AccessRefusal),
    /// Too many passwords wait to be proven; this one may come back in a moment.
    Busy,
}

/// Finds out who shows `token`, and whether a request that came like this is served.
///
/// # Errors
/// Refused with the first reason of [`AccessRefusal::ALL`] that applies.
pub async fn authenticate(
    app: &App,
    token: &str,
    arrival: &Arrival<'_>,
) -> Result<Caller, AccessRefusal> {
    if !app.settings().web_enabled {
        return Err(Error::Refused(AccessRefusal::SystemDisabled));
    }
    if token.is_empty() {
        return Err(Error::Refused(AccessRefusal::WrongToken));
    }
    let now = app.now();
    let mut reads = app.read().await?;
    let Some(holder) = store::account::find_by_token(&mut reads, &token_hash(token)).await? else {
        return Err(Error::Refused(AccessRefusal::WrongToken));
    };
    admit_caller(&holder.state, &holder.account, &holder.access, arrival, now)
        .map_err(Error::Refused)?;
    Ok(Caller { account: holder.account, token: Some(holder.token) })
}

/// Finds out who has this user name and password, and whether a request that came like this is
/// served. A user name in any case.
///
/// # Errors
/// Refused with the first reason of [`AccessRefusal::ALL`] that applies, or because of a crowd.
pub async fn authenticate_by_password(
    app: &App,
    user_name: &str,
    password: &str,
    arrival: &Arrival<'_>,
) -> Result<Caller, LoginRefusal> {
    let refused = |refusal| Err(Error::Refused(LoginRefusal::Access(refusal)));
    if !app.settings().web_enabled {
        return refused(AccessRefusal::SystemDisabled);
    }
    let holder = match UserName::parse(user_name) {
        Some(name) => store::account::find_by_user_name(&mut app.read().await?, &name).await?,
        None => return refused(AccessRefusal::WrongPassword),
    };
    let hash = holder.as_ref().map_or(NOBODYS, |holder| holder.password_hash.as_str());
    match (app.passwords().prove(hash, password).await?, holder) {
        (Proof::Busy, _) => Err(Error::Refused(LoginRefusal::Busy)),
        (Proof::Right, Some(holder)) => {
            let token = TokenState::default();
            admit_caller(&token, &holder.account, &holder.access, arrival, app.now())
                .map_err(|refusal| Error::Refused(LoginRefusal::Access(refusal)))?;
            Ok(Caller { account: holder.account, token: None })
        }
        (Proof::Right | Proof::Wrong, _) => refused(AccessRefusal::WrongPassword),
    }
}

/// What the store keeps of a token. Plain SHA-256 is enough: the secret has 160 random bits.
pub(crate) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

//! Who calls the web services. A token comes in as text and never goes on: not into a log, not
//! into an error, and into the store only as a hash.

use domain::access::{AccessRefusal, Arrival, admit_caller};
use domain::{Account, TokenId};
use sha2::{Digest, Sha256};

use crate::{App, Error, Result};

/// An authenticated caller, as of the moment of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose token it is.
    pub account: Account,
    /// Which token.
    pub token: TokenId,
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
    Ok(Caller { account: holder.account, token: holder.token })
}

/// What the store keeps of a token. Plain SHA-256 is enough: the secret has 160 random bits.
pub(crate) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

//! Who calls the web services. A token or password comes in as text and never goes on: not into a
//! log, not into an error, and into the store only as a hash.

use domain::access::{AccessRefusal, Arrival, TokenState, admit_caller};
use domain::{Account, Timestamp, TokenId, UserName};
use sha2::{Digest, Sha256};

use crate::limits::{Wait, Who};
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

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerRefusal {
    /// The credentials are wrong, or the caller may not use the services.
    Access(AccessRefusal),
    /// Too many passwords wait to be proven; this one may come back in a moment.
    Busy,
    /// This caller or address came too often, or was wrong too often; it may come again after so
    /// many seconds.
    TooOften {
        /// How long to wait.
        wait_s: u32,
    },
}

impl From<AccessRefusal> for CallerRefusal {
    fn from(refusal: AccessRefusal) -> Self {
        Self::Access(refusal)
    }
}

impl From<Wait> for CallerRefusal {
    fn from(Wait(wait_s): Wait) -> Self {
        Self::TooOften { wait_s }
    }
}

/// Longest text that is looked up as a token, in bytes; ours have 40.
const TOKEN_BYTES_MAX: usize = 128;

/// Counts the request of somebody who need not say who he is.
///
/// # Errors
/// His address came too often: after how many seconds it may come again.
pub fn come(app: &App, arrival: &Arrival<'_>) -> std::result::Result<(), u32> {
    app.limits().come_from(arrival.address, app.now()).map_err(|Wait(wait_s)| wait_s)
}

/// Finds out who shows `token`, and whether a request that came like this is served.
///
/// # Errors
/// Refused with the first reason of [`AccessRefusal::ALL`] that applies, or because it came too
/// often.
pub async fn authenticate(
    app: &App,
    token: &str,
    arrival: &Arrival<'_>,
) -> Result<Caller, CallerRefusal> {
    let now = app.now();
    app.limits().come_from(arrival.address, now).map_err(refused)?;
    if !app.settings().web_enabled {
        return Err(refused(AccessRefusal::SystemDisabled));
    }
    if token.len() > TOKEN_BYTES_MAX || token.chars().any(|letter| !is_readable(letter)) {
        return Err(wrong(app, arrival, now, AccessRefusal::UnreadableToken));
    }
    let mut reads = app.read().await?;
    let found = match token {
        "" => None,
        token => store::account::find_by_token(&mut reads, &token_hash(token)).await?,
    };
    drop(reads);
    let Some(holder) = found else {
        return Err(wrong(app, arrival, now, AccessRefusal::WrongToken));
    };
    admit_caller(&holder.state, &holder.account, &holder.access, arrival, now).map_err(refused)?;
    app.limits().come(Who::Token(holder.token), now).map_err(refused)?;
    if app.limits().is_to_be_noted(holder.token, now) {
        note_use(app, holder.token, now);
    }
    Ok(Caller { account: holder.account, token: Some(holder.token) })
}

/// Finds out who has this user name and password, and whether a request that came like this is
/// served. A user name in any case.
///
/// # Errors
/// Refused with the first reason of [`AccessRefusal::ALL`] that applies, because of a crowd, or
/// because it came too often.
pub async fn authenticate_by_password(
    app: &App,
    user_name: &str,
    password: &str,
    arrival: &Arrival<'_>,
) -> Result<Caller, CallerRefusal> {
    let now = app.now();
    app.limits().come_from(arrival.address, now).map_err(refused)?;
    if !app.settings().web_enabled {
        return Err(refused(AccessRefusal::SystemDisabled));
    }
    let holder = match UserName::parse(user_name) {
        Some(name) => store::account::find_by_user_name(&mut app.read().await?, &name).await?,
        None => return Err(wrong(app, arrival, now, AccessRefusal::WrongPassword)),
    };
    let hash = holder.as_ref().map_or(NOBODYS, |holder| holder.password_hash.as_str());
    if !app.passwords().is_proven(hash, password) {
        // Whoever was right before goes on, whatever his neighbours try.
        app.limits().may_try(arrival.address, now).map_err(refused)?;
    }
    match (app.passwords().prove(hash, password).await?, holder) {
        (Proof::Busy, _) => Err(refused(CallerRefusal::Busy)),
        (Proof::Right, Some(holder)) => {
            let token = TokenState::default();
            admit_caller(&token, &holder.account, &holder.access, arrival, app.now())
                .map_err(refused)?;
            app.limits().come(Who::Account(holder.account.id), now).map_err(refused)?;
            Ok(Caller { account: holder.account, token: None })
        }
        (Proof::Right | Proof::Wrong, _) => {
            Err(wrong(app, arrival, now, AccessRefusal::WrongPassword))
        }
    }
}

fn refused(why: impl Into<CallerRefusal>) -> Error<CallerRefusal> {
    Error::Refused(why.into())
}

/// Wrong credentials: told so, unless there were too many of them from there.
fn wrong(
    app: &App,
    arrival: &Arrival<'_>,
    now: Timestamp,
    refusal: AccessRefusal,
) -> Error<CallerRefusal> {
    match app.limits().was_wrong(arrival.address, now) {
        Ok(()) => refused(refusal),
        Err(wait) => refused(wait),
    }
}

/// Blanks and whatever can be seen: a copy of something that is none of ours, but might be.
fn is_readable(letter: char) -> bool {
    letter == ' ' || letter.is_ascii_graphic()
}

/// Notes that a token is in use. The caller does not wait for it, and a note that fails is made
/// again in a minute.
fn note_use(app: &App, token: TokenId, now: Timestamp) {
    let db = app.hot().clone();
    tokio::spawn(async move {
        if let Err(error) = noted(&db, token, now).await {
            tracing::warn!(token = token.0, %error, "that a token is in use could not be noted");
        }
    });
}

async fn noted(db: &store::Db, token: TokenId, now: Timestamp) -> store::Result<()> {
    let mut tx = db.begin().await?;
    store::token::touch(&mut tx, token, now).await?;
    tx.commit().await
}

/// What the store keeps of a token. Plain SHA-256 is enough: the secret has 160 random bits.
pub(crate) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

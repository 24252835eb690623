//! Remote help in a ticket: asked for by an expert, agreed on by both sides, run only while the
//! customer consents. What the customer declines or misses stays to be seen, as evidence.

use domain::agreement::remote_session::{Refusal, State, Step, TEXT_MAX, tool_name};
use domain::agreement::ticket::{Side, Step as Said};
use domain::{AccountId, EventKind, Timestamp};
use store::Tx;
pub use store::remote_session::{Kept, NewSession, Taken};

use crate::ticket::{self, NAME_MAX, Who};
use crate::{App, Error, Failure, Result, request};

/// Most sessions on a page.
pub const PAGE_MAX: u32 = 100;
/// The most sessions of a ticket that are not over.
const OPEN_MAX: i64 = 5;

/// Why nothing was asked for or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteSessionRefusal {
    /// The rules of remote help speak against it.
    Rule(Refusal),
    /// There is no such session, or it is another's.
    NoSuchSession,
    /// There is no such ticket, or it is over (T102).
    Ticket,
    /// The ticket has too many sessions that are not over.
    TooMany,
    /// A text is missing or too long.
    Text(&'static str),
}

/// Asks the customer of a ticket for a session with an expert. The customer is told.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn ask(
    app: &App,
    ticket: i64,
    expert: &str,
    purpose: &str,
) -> Result<i64, RemoteSessionRefusal> {
    said(expert, NAME_MAX, "expert")?;
    said(purpose, TEXT_MAX, "purpose")?;
    let now = app.now();
    app.write(async |tx| {
        let (ticket, of) = the_ticket(tx, ticket).await?;
        if store::remote_session::open(tx, of, ticket).await? >= OPEN_MAX {
            return Err(Error::Refused(RemoteSessionRefusal::TooMany));
        }
        let (expert, purpose) = (expert.trim().to_owned(), purpose.to_owned());
        let actor = expert.clone();
        let new = NewSession { ticket, account: of, expert, purpose: purpose.clone() };
        let first =
            Taken { step: None, side: Side::Staff, at: now, actor: actor.clone(), said: purpose };
        let id = store::remote_session::insert(tx, &new, &first).await?;
        let purpose = (&*new.purpose, now);
        ticket::say::<RemoteSessionRefusal>(tx, ticket, &actor, Said::Asked, purpose).await?;
        store::event::tell(tx, of, EventKind::RemoteSessionRequested, id, now).await?;
        Ok(id)
    })
    .await
}

/// The ticket in which a ticket goes on, and whose it is, if it is not over.
async fn the_ticket(tx: &mut Tx, id: i64) -> Result<(i64, AccountId), RemoteSessionRefusal> {
    let found = store::ticket::going_on(tx, id).await?;
    let found = found.filter(|kept| !kept.ticket.state().is_over());
    let found = found.ok_or(Error::Refused(RemoteSessionRefusal::Ticket))?;
    Ok((found.id, found.new.account))
}

/// Agrees on a time and a program; what was consented to before is not consented to any more.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn agree(
    app: &App,
    id: i64,
    who: Who<'_>,
    at: Timestamp,
    tool: &str,
) -> Result<Kept, RemoteSessionRefusal> {
    let tool = tool_name(tool).map_err(rule)?;
    change(app, id, who, Step::Agreed(at, tool), "").await
}

/// The customer consents to what is agreed on.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn consent(app: &App, account: AccountId, id: i64) -> Result<Kept, RemoteSessionRefusal> {
    change(app, id, Who::Customer(account), Step::Consented, "").await
}

/// The customer does not want it, and may say why.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn decline(
    app: &App,
    account: AccountId,
    id: i64,
    why: &str,
) -> Result<Kept, RemoteSessionRefusal> {
    if !why.is_empty() {
        said(why, TEXT_MAX, "reason")?;
    }
    change(app, id, Who::Customer(account), Step::Declined, why).await
}

/// The customer takes the consent back, also while it runs.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn withdraw(
    app: &App,
    account: AccountId,
    id: i64,
) -> Result<Kept, RemoteSessionRefusal> {
    change(app, id, Who::Customer(account), Step::Withdrawn, "").await
}

/// The expert begins.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn start(app: &App, id: i64, by: &str) -> Result<Kept, RemoteSessionRefusal> {
    change(app, id, Who::Staff(by), Step::Started, "").await
}

/// The expert ends it.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn end(app: &App, id: i64, by: &str) -> Result<Kept, RemoteSessionRefusal> {
    change(app, id, Who::Staff(by), Step::Ended, "").await
}

/// Notes what came of it.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn note(
    app: &App,
    id: i64,
    by: &str,
    outcome: &str,
) -> Result<Kept, RemoteSessionRefusal> {
    said(outcome, TEXT_MAX, "outcome")?;
    change(app, id, Who::Staff(by), Step::Noted, outcome).await
}

/// The customer was not there at the time that it had consented to.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn missed(
    app: &App,
    id: i64,
    by: &str,
    note: &str,
) -> Result<Kept, RemoteSessionRefusal> {
    said(note, TEXT_MAX, "note")?;
    change(app, id, Who::Staff(by), Step::Missed, note).await
}

/// It is not needed any more, for this reason.
///
/// # Errors
/// Refused as [`RemoteSessionRefusal`] says.
pub async fn cancel(app: &App, id: i64, by: &str, why: &str) -> Result<Kept, RemoteSessionRefusal> {
    said(why, TEXT_MAX, "reason")?;
    change(app, id, Who::Staff(by), Step::Cancelled, why).await
}

/// Gives a session that an expert has to another one, in the transaction in which the first leaves.
/// The customer is told, who has to consent anew. `false`: it is not his.
pub(crate) async fn give(
    tx: &mut Tx,
    id: i64,
    (from, to): (&str, &str),
    (by, now): (&str, Timestamp),
) -> Result<bool, RemoteSessionRefusal> {
    let found = store::remote_session::take(tx, id).await?;
    let mut kept = found.ok_or(Error::Refused(RemoteSessionRefusal::NoSuchSession))?;
    if kept.expert() != from {
        return Ok(false);
    }
    let at = now.max(kept.session.last_at());
    let next = Step::HandedTo(to.to_owned());
    kept.session.take(&next, false, at).map_err(rule)?;
    let (step, actor, said) = (Some(next), by.to_owned(), String::new());
    let is_agreed = kept.session.state == State::Agreed;
    let taken = Taken { step, side: Side::Staff, at, actor, said };
    store::remote_session::keep(tx, &mut kept, taken).await?;
    if is_agreed {
        let (of, kind) = (kept.new.account, EventKind::RemoteSessionAgreed);
        store::event::tell(tx, of, kind, kept.id, at).await?;
    }
    Ok(true)
}

/// The session of this number, of this account if one is given.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: Option<AccountId>,
    id: i64,
) -> std::result::Result<Option<Kept>, Failure> {
    let found = store::remote_session::find(&mut app.read().await?, id).await?;
    Ok(found.filter(|kept| account.is_none_or(|account| kept.new.account == account)))
}

/// The sessions of an account, or all of them, before a number: the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Kept>, Failure> {
    let limit = limit.min(PAGE_MAX);
    Ok(store::remote_session::list(&mut app.read().await?, account, before, limit).await?)
}

/// Changes a session by its rules, and keeps the step. None starts in a ticket that is over.
async fn change(
    app: &App,
    id: i64,
    who: Who<'_>,
    next: Step,
    text: &str,
) -> Result<Kept, RemoteSessionRefusal> {
    let (side, actor) = match who {
        Who::Customer(account) => (Side::Customer, format!("account {account}")),
        Who::Staff(name) => {
            said(name, NAME_MAX, "name")?;
            (Side::Staff, name.trim().to_owned())
        }
    };
    let now = app.now();
    let change = async |tx: &mut Tx| {
        let found = store::remote_session::take(tx, id).await?;
        let found = found.filter(|kept| match who {
            Who::Customer(account) => kept.new.account == account,
            Who::Staff(_) => true,
        });
        let mut kept = found.ok_or(Error::Refused(RemoteSessionRefusal::NoSuchSession))?;
        if next == Step::Started {
            the_ticket(tx, kept.new.ticket).await?;
        }
        // A time that we named alone binds nobody: who never consented has missed nothing.
        if next == Step::Missed && kept.session.state != State::Consented {
            return Err(rule(Refusal::WrongState));
        }
        let at = store::chain::now(tx, now).await?.max(kept.session.last_at());
        kept.session.take(&next, side == Side::Customer, at).map_err(rule)?;
        let is_named = side == Side::Staff && matches!(next, Step::Agreed(..));
        let step = Taken { step: Some(next), side, at, actor, said: text.to_owned() };
        store::remote_session::keep(tx, &mut kept, step).await?;
        if is_named {
            let (of, kind) = (kept.new.account, EventKind::RemoteSessionAgreed);
            store::event::tell(tx, of, kind, kept.id, at).await?;
        }
        Ok(kept)
    };
    request::write(app, |kept: &Kept| Some(kept.id), change).await
}

crate::error::refusals!(RemoteSessionRefusal);

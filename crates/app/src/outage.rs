//! What the operator or its monitoring saw: outages, and times in which everything worked.

mod attempts;

use domain::agreement::cause::Cause;
use domain::agreement::scope::{Group, Paths, Scope};
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
pub use store::outage::{Note, Outage, Revision, Traced};
use store::{Queries, Tx, chain};

pub use self::attempts::{LOOK_BACK_US, look_attempts};
use crate::availability::touch;
use crate::{App, Error, Failure, Result};

/// Longest cause, evidence, reason or name of a source, bytes.
pub const TEXT_MAX: usize = 4000;
/// The most outages that are shown.
pub const SHOWN_MAX: u32 = 10_000;
/// Two notes of one source with at most so much between are one, microseconds: monitoring is
/// silent when it missed three samples of 30 seconds.
pub const FRESH_US: i64 = 90_000_000;

/// Why nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageRefusal {
    /// It names no path.
    NoPath,
    /// It lies in the future, or ends before it begins.
    Time,
    /// A text is missing or too long.
    Text(&'static str),
    /// There is no outage of that number to which this can be done.
    NoSuchOutage,
    /// There is no such account.
    NoSuchAccount,
    /// Of this group everybody is, or only one.
    Group,
    /// It is in the group, or is not.
    Member,
}

/// An outage to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOutage {
    /// What was down.
    pub paths: Paths,
    /// For whom.
    pub scope: Scope,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub to: Option<Timestamp>,
    /// What broke.
    pub cause: String,
    /// What proves it.
    pub evidence: String,
    /// Who records it.
    pub author: String,
}

/// Records an outage. The answer is its number.
///
/// # Errors
/// Refused as [`OutageRefusal`] says.
pub async fn record(app: &App, new: NewOutage) -> Result<i64, OutageRefusal> {
    let now = app.now();
    let to = new.to.unwrap_or(now);
    if new.paths.is_empty() {
        return Err(Error::Refused(OutageRefusal::NoPath));
    }
    if new.from > now || to > now || (new.to.is_some() && to <= new.from) {
        return Err(Error::Refused(OutageRefusal::Time));
    }
    said(&new.cause, "cause")?;
    said(&new.evidence, "evidence")?;
    said(&new.author, "author")?;
    let NewOutage { paths, scope, from, to, cause, evidence, author } = new;
    let outage = Outage {
        id: 0,
        paths,
        scope,
        from,
        to,
        cause,
        evidence,
        recorded_at: now,
        reversed: None,
        measured: false,
        revisions: Vec::new(),
        causes: Vec::new(),
    };
    app.write(async |tx| {
        let recorded_at = chain::now(tx, now).await?;
        let outage = Outage { recorded_at, ..outage.clone() };
        let id = store::outage::insert(tx, &outage, &author).await?;
        changed(tx, id, None, "was recorded", now).await?;
        Ok(id)
    })
    .await
}

/// Ends an outage that lasts.
///
/// # Errors
/// Refused without a name, when there is none of that number that lasts and began before, or `to`
/// is to come.
pub async fn close(
    app: &App,
    id: i64,
    to: Option<Timestamp>,
    author: &str,
) -> Result<(), OutageRefusal> {
    said(author, "author")?;
    let now = app.now();
    let to = to.unwrap_or(now);
    if to > now {
        return Err(Error::Refused(OutageRefusal::Time));
    }
    app.write(async |tx| {
        let now = chain::now(tx, now).await?;
        // While it lasted it was all of the time until now.
        changed(tx, id, None, "was ended", now).await?;
        done(store::outage::close(tx, id, to, (now, author)).await?)
    })
    .await
}

/// Corrects the time of an outage. What it said before stays to be seen, and measurement changes it
/// no more.
///
/// # Errors
/// Refused without a reason or a name, when the time is none or to come, or there is none of that
/// number that stands.
pub async fn correct(
    app: &App,
    id: i64,
    time: Span,
    because: &str,
    author: &str,
) -> Result<(), OutageRefusal> {
    said(because, "reason")?;
    said(author, "author")?;
    let now = app.now();
    if time.to > now {
        return Err(Error::Refused(OutageRefusal::Time));
    }
    app.write(async |tx| {
        let now = chain::now(tx, now).await?;
        changed(tx, id, Some(time), "was corrected", now).await?;
        done(store::outage::correct(tx, id, time, now, (because, author)).await?)
    })
    .await
}

/// Notes where an outage came from. It counts all the same, unless the agreement that holds when
/// its month begins excludes that (A21). What was noted before stays to be seen.
///
/// # Errors
/// Refused without a reason or a name, or when there is none of that number that stands.
pub async fn trace(
    app: &App,
    id: i64,
    to: Cause,
    because: &str,
    author: &str,
) -> Result<(), OutageRefusal> {
    said(because, "reason")?;
    said(author, "author")?;
    let (because, author) = (because.to_owned(), author.to_owned());
    let traced = Traced { to, because, author, at: app.now() };
    app.write(async |tx| {
        let at = chain::now(tx, traced.at).await?;
        changed(tx, id, None, "was traced to its cause", at).await?;
        done(store::outage::trace(tx, id, &Traced { at, ..traced.clone() }).await?)
    })
    .await
}

/// Marks an outage as wrong, which stays to be seen.
///
/// # Errors
/// Refused without a reason or a name, or when there is none of that number that stands.
pub async fn reverse(app: &App, id: i64, because: &str, author: &str) -> Result<(), OutageRefusal> {
    said(because, "reason")?;
    said(author, "author")?;
    let now = app.now();
    app.write(async |tx| {
        let now = chain::now(tx, now).await?;
        changed(tx, id, None, "was reversed", now).await?;
        done(store::outage::reverse(tx, id, now, (because, author)).await?)
    })
    .await
}

/// Notes whose frozen months an outage touches that is changed: in the time that it says, and in
/// `also`, which it is to say.
async fn changed(
    tx: &mut Tx,
    id: i64,
    also: Option<Span>,
    how: &str,
    now: Timestamp,
) -> std::result::Result<(), Failure> {
    let Some(outage) = store::outage::find(tx, id).await? else { return Ok(()) };
    let said = Span { from: outage.from, to: outage.to.unwrap_or(now) };
    let because = format!("outage {id} {how}");
    for span in also.into_iter().chain([said]) {
        touch(tx, span, &outage.scope, &because, now).await?;
    }
    Ok(())
}

fn done(done: bool) -> Result<(), OutageRefusal> {
    if done { Ok(()) } else { Err(Error::Refused(OutageRefusal::NoSuchOutage)) }
}

/// Every outage that had a part of this time, by its start: at most [`SHOWN_MAX`].
///
/// # Errors
/// The database failed.
pub async fn list(app: &App, time: Span) -> std::result::Result<Vec<Outage>, Failure> {
    Ok(store::outage::within(&mut app.read().await?, time, SHOWN_MAX).await?)
}

/// The outages of this time that an account felt: those of everybody, and of the groups that it was
/// in.
///
/// # Errors
/// The database failed.
pub async fn felt_by(
    app: &App,
    account: AccountId,
    time: Span,
) -> std::result::Result<Vec<Outage>, Failure> {
    let mut reads = app.read().await?;
    let groups = Groups::of(&mut reads, Some(account), time).await?;
    let mut outages = store::outage::within(&mut reads, time, SHOWN_MAX).await?;
    outages.retain(|outage| groups.feel(&outage.scope));
    Ok(outages)
}

/// What sources noted to work in this time, as far as it says anything of an account.
///
/// # Errors
/// The database failed.
pub async fn worked_for(
    app: &App,
    account: AccountId,
    time: Span,
) -> std::result::Result<Vec<Note>, Failure> {
    let mut reads = app.read().await?;
    let groups = Groups::of(&mut reads, Some(account), time).await?;
    let mut notes = store::outage::working(&mut reads, time, SHOWN_MAX).await?;
    notes.retain(|note| groups.feel(&note.evidence.scope));
    Ok(notes)
}

/// The groups that an account was in for some of a time; the platform is in none.
pub(crate) struct Groups(Vec<Group>);

impl Groups {
    /// Those of who is in none: the platform.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) async fn of(
        reads: &mut impl Queries,
        account: Option<AccountId>,
        time: Span,
    ) -> std::result::Result<Self, Failure> {
        let Some(account) = account else { return Ok(Self::none()) };
        let members = store::outage::members(reads, time, account, account).await?;
        let own = std::iter::once(Group::Account(account));
        Ok(Self(own.chain(members.into_iter().map(|(_, group, _)| group)).collect()))
    }

    /// Those that an account was ever put into, and its own.
    pub(crate) fn ever(account: AccountId, groups: impl Iterator<Item = Group>) -> Self {
        Self(std::iter::once(Group::Account(account)).chain(groups).collect())
    }

    /// Whether what concerns a scope concerned the account.
    pub(crate) fn feel(&self, scope: &Scope) -> bool {
        scope.is_everyone() || self.0.iter().any(|group| scope.covers(*group))
    }
}

/// Notes that a source saw paths work.
///
/// # Errors
/// Refused as [`OutageRefusal`] says.
pub async fn saw_working(
    app: &App,
    source: &str,
    paths: Paths,
    scope: &Scope,
    span: Span,
) -> Result<(), OutageRefusal> {
    said(source, "source")?;
    if paths.is_empty() {
        return Err(Error::Refused(OutageRefusal::NoPath));
    }
    if span.to > app.now() {
        return Err(Error::Refused(OutageRefusal::Time));
    }
    let now = app.now();
    app.write(async |tx| {
        touch(tx, span, scope, &format!("{source} says that {paths} worked"), now).await?;
        Ok(store::outage::saw_working(tx, source, paths, scope, span, FRESH_US).await?)
    })
    .await
}

/// Puts an account into a group from a moment on.
///
/// # Errors
/// Refused without a name, when there is no such account, it is in the group, or nobody can be put
/// into it.
pub async fn join(
    app: &App,
    group: Group,
    account: AccountId,
    (from, author): (Timestamp, &str),
) -> Result<(), OutageRefusal> {
    said(author, "author")?;
    if matches!(group, Group::Everyone | Group::Account(_)) {
        return Err(Error::Refused(OutageRefusal::Group));
    }
    let now = app.now();
    let of = (group, account);
    app.write(async |tx| match store::outage::join(tx, of, from, author).await {
        Err(store::Error::Conflict(_)) => Err(Error::Refused(OutageRefusal::NoSuchAccount)),
        Ok(false) => Err(Error::Refused(OutageRefusal::Member)),
        joined => {
            joined?;
            moved(tx, of, from, now).await
        }
    })
    .await
}

/// Takes an account out of a group.
///
/// # Errors
/// Refused without a name, when it is not in it, or joined later.
pub async fn leave(
    app: &App,
    group: Group,
    account: AccountId,
    (to, author): (Timestamp, &str),
) -> Result<(), OutageRefusal> {
    said(author, "author")?;
    let now = app.now();
    app.write(async |tx| {
        if store::outage::leave(tx, (group, account), to, author).await? {
            moved(tx, (group, account), to, now).await
        } else {
            Err(Error::Refused(OutageRefusal::Member))
        }
    })
    .await
}

/// Notes the frozen months that another group of an account touches, from a moment on.
async fn moved(
    tx: &mut Tx,
    (group, account): (Group, AccountId),
    from: Timestamp,
    now: Timestamp,
) -> Result<(), OutageRefusal> {
    let (Some(span), Some(own)) = (Span::new(from, now), Scope::new(vec![Group::Account(account)]))
    else {
        return Ok(());
    };
    Ok(touch(tx, span, &own, &format!("who was in {group} was said later"), now).await?)
}

fn said(text: &str, what: &'static str) -> Result<(), OutageRefusal> {
    if text.trim().is_empty() || text.len() > TEXT_MAX {
        Err(Error::Refused(OutageRefusal::Text(what)))
    } else {
        Ok(())
    }
}

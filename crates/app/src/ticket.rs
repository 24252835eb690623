//! Tickets: opened by customers or by staff, answered by people, closed and opened again. Who ends
//! a turn of ours too late enters the miss in the same commit; what nobody ends [`look`] finds.

use domain::agreement::attachment;
use domain::agreement::ticket::{
    About, CLICK_US, Channel, DETAIL_MAX, DETAILS, OPEN_MAX, Refusal, SUBJECT_MAX, Side, Step,
    TEXT_MAX, TEXTS_MAX, Turn, ended, missed_at,
};
use domain::agreement::violation::Clause;
use domain::calendar::opening_hours::CalendarKind;
use domain::calendar::span::Span;
use domain::calendar::working_time::Timetable;
use domain::{AccountId, EventKind, Timestamp};
use sha2::{Digest as _, Sha256};
pub use store::ticket::{Attachment, Kept, NewTicket, Taken};
use store::{Queries, Tx, chain};

use crate::account::hex;
use crate::agreement::timetable;
use crate::violation::{MACHINE, NewViolation};
use crate::{App, Error, Failure, Result, request};

/// Most tickets on a page.
pub const PAGE_MAX: u32 = 100;
/// Longest name of somebody, bytes.
pub const NAME_MAX: usize = 200;
/// What is done at this moment may not be committed yet: a miss is entered so much later,
/// microseconds.
pub(crate) const SETTLED_US: i64 = 60_000_000;
/// Tickets that are looked at in one transaction.
const BATCH: u32 = 100;

/// Why nothing was opened or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketRefusal {
    /// The rules of tickets speak against it.
    Rule(Refusal),
    /// The file is not taken.
    File(attachment::Refusal),
    /// The files of the account's tickets would have more than
    /// [`attachment::ACCOUNT_BYTES_MAX`].
    NoRoom,
    /// There is no such ticket, or it is another's.
    NoSuchTicket,
    /// There is no such account.
    NoSuchAccount,
    /// What it is about is not there, or is another's.
    About,
    /// The account has [`OPEN_MAX`] tickets that are not closed.
    TooMany,
    /// Who is to have it has left.
    Gone,
    /// A text is missing or too long, or a detail is none that is asked for.
    Text(&'static str),
}

/// What is asked of the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// How it came.
    pub channel: Channel,
    /// What it is about, in a line; with a click it may be empty.
    pub subject: String,
    /// What is said; with a click it may be empty.
    pub text: String,
    /// What of ours it is about.
    pub about: Option<About>,
    /// Names and values of where it was asked.
    pub context: Vec<(String, String)>,
}

/// Who does something to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// Its customer, and nobody else's.
    Customer(AccountId),
    /// One of us, by name.
    Staff(&'a str),
}

/// A file to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A ticket as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The ticket.
    pub kept: Kept,
    /// By when we have to say something, while it is our turn.
    pub due: Option<Timestamp>,
    /// Whether the moon may still move that (T011).
    pub may_move: bool,
    /// Whether that moment has passed.
    pub overdue: bool,
}

impl Who<'_> {
    fn side(self) -> Side {
        match self {
            Self::Customer(_) => Side::Customer,
            Self::Staff(_) => Side::Staff,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Customer(account) => format!("account {account}"),
            Self::Staff(name) => name.trim().to_owned(),
        }
    }

    fn account(self) -> Option<AccountId> {
        match self {
            Self::Customer(account) => Some(account),
            Self::Staff(_) => None,
        }
    }
}

/// Opens a ticket of an account, as its customer or as one of us. A click that is repeated within
/// a minute opens nothing new (T090). The answer is its number, and whether it was there.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn open(
    app: &App,
    account: AccountId,
    who: Who<'_>,
    asked: &Asked,
) -> Result<(i64, bool), TicketRefusal> {
    judge(asked)?;
    named(who)?;
    let now = app.now();
    let open = async |tx: &mut Tx| {
        let now = chain::now(tx, now).await?;
        take_in(tx, account, who, asked, now).await
    };
    request::write(app, |(id, _)| Some(*id), open).await
}

/// Opens a ticket in the transaction of what it is opened for.
pub(crate) async fn take_in(
    tx: &mut Tx,
    account: AccountId,
    who: Who<'_>,
    asked: &Asked,
    now: Timestamp,
) -> Result<(i64, bool), TicketRefusal> {
    // Two clicks at once come one after the other.
    if !store::account::lock(tx, account).await? {
        return Err(Error::Refused(TicketRefusal::NoSuchAccount));
    }
    let new = NewTicket {
        account,
        channel: asked.channel,
        subject: asked.subject.trim().to_owned(),
        about: asked.about,
        context: asked.context.clone(),
        opened_at: now,
    };
    if asked.channel == Channel::Click {
        let since = now.plus_us(-CLICK_US);
        let last = store::ticket::last_since(tx, account, Channel::Click, since).await?;
        let same = last.filter(|last| {
            let first = NewTicket { opened_at: now, ..last.new.clone() };
            first == new && last.steps[0].said == asked.text && !last.ticket.state().is_over()
        });
        if let Some(same) = same {
            return Ok((same.id, true));
        }
    }
    if let Some(about) = asked.about
        && !is_of(tx, account, about).await?
    {
        return Err(Error::Refused(TicketRefusal::About));
    }
    if who.side() == Side::Customer && store::ticket::open(tx, account).await? >= OPEN_MAX {
        return Err(Error::Refused(TicketRefusal::TooMany));
    }
    let said = asked.text.clone();
    let first = Taken { step: None, side: who.side(), at: now, actor: who.name(), said };
    Ok((store::ticket::insert(tx, &new, &first).await?, false))
}

/// Whether what a ticket is about is the account's.
async fn is_of(reads: &mut impl Queries, account: AccountId, about: About) -> store::Result<bool> {
    Ok(match about {
        About::Message(id) => store::quick_send::find(reads, account, id).await?.is_some(),
        About::Call(call) => {
            store::quick_send::find(reads, account, call.quick_send).await?.is_some()
        }
        About::Campaign(id) => store::campaign::find(reads, account, id).await?.is_some(),
    })
}

/// The customer writes.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn write(
    app: &App,
    account: AccountId,
    id: i64,
    text: &str,
) -> Result<Kept, TicketRefusal> {
    said(text, TEXT_MAX, "text")?;
    change(app, id, Who::Customer(account), Step::Written, text).await
}

/// A person answers; the customer is told.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn answer(app: &App, id: i64, by: &str, text: &str) -> Result<Kept, TicketRefusal> {
    said(text, TEXT_MAX, "text")?;
    change(app, id, Who::Staff(by), Step::Answered, text).await
}

/// A person asks the customer for something; the customer is told, and the ticket waits.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn ask(app: &App, id: i64, by: &str, text: &str) -> Result<Kept, TicketRefusal> {
    said(text, TEXT_MAX, "text")?;
    change(app, id, Who::Staff(by), Step::Asked, text).await
}

/// Notes something that the customer does not see.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn note(app: &App, id: i64, by: &str, text: &str) -> Result<Kept, TicketRefusal> {
    said(text, TEXT_MAX, "text")?;
    change(app, id, Who::Staff(by), Step::Noted, text).await
}

/// Gives a ticket to an expert.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn assign(app: &App, id: i64, by: &str, to: &str) -> Result<Kept, TicketRefusal> {
    said(to, NAME_MAX, "expert")?;
    if crate::post::list(app).await?.has_left(to.trim(), app.now()) {
        return Err(Error::Refused(TicketRefusal::Gone));
    }
    change(app, id, Who::Staff(by), Step::Assigned(to.trim().to_owned()), "").await
}

/// Gives a ticket to an expert in the transaction in which another one leaves.
pub(crate) async fn give(
    tx: &mut Tx,
    id: i64,
    (by, to): (&str, &str),
    now: Timestamp,
) -> Result<(), TicketRefusal> {
    let who = Who::Staff(by);
    let mut kept = taken(tx, id, who).await?;
    let at = now.max(kept.ticket.last_at());
    let support = timetable(tx, CalendarKind::Support).await?;
    step(tx, &mut kept, (who, at, &support), Step::Assigned(to.to_owned()), "").await
}

/// Closes a ticket. A customer may say why; one of us has to, and the customer is told.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn close(app: &App, id: i64, who: Who<'_>, why: &str) -> Result<Kept, TicketRefusal> {
    if who.side() == Side::Staff || !why.is_empty() {
        said(why, TEXT_MAX, "reason")?;
    }
    change(app, id, who, Step::Closed, why).await
}

/// Opens a closed ticket again.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn reopen(app: &App, id: i64, who: Who<'_>, why: &str) -> Result<Kept, TicketRefusal> {
    said(why, TEXT_MAX, "reason")?;
    change(app, id, who, Step::Reopened, why).await
}

/// Lets a ticket go on in another one of the same account, which takes its clock along.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn merge(app: &App, id: i64, into: i64, by: &str) -> Result<Kept, TicketRefusal> {
    let who = Who::Staff(by);
    named(who)?;
    let now = app.now();
    let support = timetable(&mut app.read().await?, CalendarKind::Support).await?;
    app.write(async |tx| {
        // In the order of their numbers, so that two merges never wait for each other.
        let lower = taken(tx, id.min(into), who).await?;
        let higher = taken(tx, id.max(into), who).await?;
        let (mut from, mut to) = if id < into { (lower, higher) } else { (higher, lower) };
        if from.new.account != to.new.account {
            return Err(Error::Refused(TicketRefusal::NoSuchTicket));
        }
        let at = chain::now(tx, now).await?.max(from.ticket.last_at()).max(to.ticket.last_at());
        // What was missed already is entered here, and is not missed once more there.
        let turn = from.ticket.turn();
        let is_missed = turn.is_some_and(|turn| missed_at(turn, at, &support).is_some());
        let since = turn.map(|turn| if is_missed { at } else { turn.since });
        step(tx, &mut from, (who, at, &support), Step::Merged(into), "").await?;
        step(tx, &mut to, (who, at, &support), Step::Absorbed(id, since), "").await?;
        Ok(to)
    })
    .await
}

/// Adds a file, which is stored before the ticket names it: killed in between, it is stored again
/// under the same name when it is sent again. The answer names the ticket that has it now.
///
/// # Errors
/// Refused as [`TicketRefusal`] says.
pub async fn attach(
    app: &App,
    id: i64,
    who: Who<'_>,
    file: NewFile,
) -> Result<Attachment, TicketRefusal> {
    let refused = |refusal| Error::Refused(TicketRefusal::File(refusal));
    named(who)?;
    let name = attachment::file_name(&file.name).map_err(refused)?;
    let media_type = attachment::media_type(&file.bytes).map_err(refused)?.to_owned();
    let found = store::ticket::going_on(&mut app.read().await?, id).await?;
    let found = found.filter(|kept| may(kept, who));
    let found = found.ok_or(Error::Refused(TicketRefusal::NoSuchTicket))?;
    // Judged before anything is stored; the rules are asked again when it is.
    let mut tried = found.ticket.clone();
    let at = app.now().max(tried.last_at());
    tried.take(&Step::Attached, who.side(), at).map_err(rule)?;
    let id = found.id;
    let bytes = i64::try_from(file.bytes.len()).unwrap_or(i64::MAX);
    full(&mut app.read().await?, &found, bytes).await?;
    let blob = format!("ticket/{id}/{}", hex(&Sha256::digest(&file.bytes)));
    app.blobs().put(&blob, file.bytes).await?;
    let now = app.now();
    let support = timetable(&mut app.read().await?, CalendarKind::Support).await?;
    let attach = async |tx: &mut Tx| {
        let mut kept = going_on(tx, id, who).await?;
        // Two files at once are counted one after the other.
        store::account::lock(tx, kept.new.account).await?;
        full(tx, &kept, bytes).await?;
        let at = chain::now(tx, now).await?.max(kept.ticket.last_at());
        step(tx, &mut kept, (who, at, &support), Step::Attached, &name).await?;
        let (name, media_type, blob) = (name.clone(), media_type.clone(), blob.clone());
        let new = Attachment { id: 0, ticket: kept.id, name, media_type, bytes, blob };
        let id = store::ticket::insert_attachment(tx, &new).await?;
        Ok(Attachment { id, ..new })
    };
    request::write(app, |attached: &Attachment| Some(attached.ticket), attach).await
}

/// Whether a ticket and its account have room for a file of so many bytes.
async fn full(reads: &mut impl Queries, kept: &Kept, bytes: i64) -> Result<(), TicketRefusal> {
    if kept.attachments.len() >= attachment::COUNT_MAX {
        return Err(Error::Refused(TicketRefusal::File(attachment::Refusal::TooMany)));
    }
    let has = store::ticket::bytes_of_files(reads, kept.new.account).await?;
    if has.saturating_add(bytes) > attachment::ACCOUNT_BYTES_MAX {
        return Err(Error::Refused(TicketRefusal::NoRoom));
    }
    Ok(())
}

/// A file with its bytes, of this account's tickets if one is given.
///
/// # Errors
/// The database or the blob store failed, or has lost it.
pub async fn attachment(
    app: &App,
    account: Option<AccountId>,
    id: i64,
) -> std::result::Result<Option<(Attachment, Vec<u8>)>, Failure> {
    let found = store::ticket::find_attachment(&mut app.read().await?, id).await?;
    let found = found.filter(|(of, _)| account.is_none_or(|account| account == *of));
    let Some((_, file)) = found else { return Ok(None) };
    let bytes = app.blobs().get(&file.blob).await?;
    let bytes = bytes.ok_or_else(|| Failure::of(format!("reading attachment {id}: it is lost")))?;
    Ok(Some((file, bytes)))
}

/// The ticket of this number, of this account if one is given.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: Option<AccountId>,
    id: i64,
) -> std::result::Result<Option<Shown>, Failure> {
    let found = store::ticket::find(&mut app.read().await?, id).await?;
    let found = found.filter(|kept| account.is_none_or(|account| kept.new.account == account));
    let support = timetable(&mut app.read().await?, CalendarKind::Support).await?;
    Ok(found.map(|kept| shown(kept, app.now(), &support)))
}

/// The tickets of an account, or of everybody, before a number: the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Shown>, Failure> {
    let limit = limit.min(PAGE_MAX);
    let all = store::ticket::list(&mut app.read().await?, account, before, limit).await?;
    let support = timetable(&mut app.read().await?, CalendarKind::Support).await?;
    Ok(all.into_iter().map(|kept| shown(kept, app.now(), &support)).collect())
}

/// Enters the turns of ours that are missed and that nobody has ended. Looking again, or on two
/// nodes at once, enters nothing twice. The answer is how many were entered.
///
/// # Errors
/// The database failed.
pub async fn look(app: &App) -> std::result::Result<u64, Failure> {
    let support = timetable(&mut app.read().await?, CalendarKind::Support).await?;
    let (mut after, mut entered) = ((Timestamp(i64::MIN), 0), 0);
    loop {
        let open = store::ticket::our_turn(&mut app.read().await?, after, BATCH).await?;
        let Some(last) = open.last() else { return Ok(entered) };
        after = (last.ticket.turn().map_or(after.0, |turn| turn.since), last.id);
        let until = app.now().plus_us(-SETTLED_US);
        let of = |kept: &Kept| miss(kept, kept.ticket.turn()?, until, &support);
        let missed: Vec<_> = open.iter().filter_map(of).collect();
        entered += crate::violation::enter_all(app, &missed).await?;
    }
}

fn shown(kept: Kept, now: Timestamp, support: &Timetable) -> Shown {
    let turn = kept.ticket.turn();
    let due = turn.and_then(|turn| turn.due(support));
    let may_move = turn.is_some_and(|turn| support.due_may_move(turn.since, due, now));
    Shown { due, may_move, overdue: due.is_some_and(|due| due < now), kept }
}

/// The entry of a turn that was missed by `until`.
fn miss(kept: &Kept, turn: Turn, until: Timestamp, support: &Timetable) -> Option<NewViolation> {
    let due = missed_at(turn, until, support)?;
    let seconds = until.us_since(turn.since) / 1_000_000;
    Some(NewViolation {
        account: Some(kept.new.account),
        clause: Clause::Ticket,
        span: Span { from: due, to: until },
        evidence: vec![
            format!("ticket {}, turn {}", kept.id, turn.n),
            format!("no person had said anything for {seconds} s, past the next window's end"),
        ],
        reference: format!("ticket:{}:{}", kept.id, turn.n),
        actor: MACHINE.to_owned(),
    })
}

/// Changes a ticket by its rules, and keeps the step.
async fn change(
    app: &App,
    id: i64,
    who: Who<'_>,
    next: Step,
    text: &str,
) -> Result<Kept, TicketRefusal> {
    named(who)?;
    let now = app.now();
    let support = timetable(&mut app.read().await?, CalendarKind::Support).await?;
    let change = async |tx: &mut Tx| {
        // What a customer writes is said where the ticket goes on; what staff does is done to the
        // ticket that was named.
        let mut kept = match next {
            Step::Written => going_on(tx, id, who).await?,
            _ => taken(tx, id, who).await?,
        };
        let at = chain::now(tx, now).await?.max(kept.ticket.last_at());
        step(tx, &mut kept, (who, at, &support), next, text).await?;
        Ok(kept)
    };
    request::write(app, |kept: &Kept| Some(kept.id), change).await
}

/// The ticket of this number, to be changed by somebody who may.
async fn taken(tx: &mut Tx, id: i64, who: Who<'_>) -> Result<Kept, TicketRefusal> {
    let found = store::ticket::take(tx, id).await?;
    let found = found.filter(|kept| may(kept, who));
    found.ok_or(Error::Refused(TicketRefusal::NoSuchTicket))
}

/// The ticket in which this one goes on, to be changed by somebody who may.
async fn going_on(tx: &mut Tx, id: i64, who: Who<'_>) -> Result<Kept, TicketRefusal> {
    let mut kept = taken(tx, id, who).await?;
    while let Some(into) = kept.merged_into() {
        kept = taken(tx, into, who).await?;
    }
    Ok(kept)
}

fn may(kept: &Kept, who: Who<'_>) -> bool {
    who.account().is_none_or(|account| kept.new.account == account)
}

/// Says something in a ticket, or in the one in which it goes on, in the transaction of what is
/// said. A ticket in which nothing can be said any more is left as it is.
pub(crate) async fn say<R>(
    tx: &mut Tx,
    id: i64,
    by: &str,
    next: Step,
    (text, now): (&str, Timestamp),
) -> Result<(), R> {
    let mut kept = match going_on(tx, id, Who::Staff(by)).await {
        Ok(kept) => kept,
        Err(Error::Failed(failure)) => return Err(Error::Failed(failure)),
        Err(Error::Refused(_)) => return Ok(()),
    };
    let at = now.max(kept.ticket.last_at());
    let support = timetable(tx, CalendarKind::Support).await?;
    match step(tx, &mut kept, (Who::Staff(by), at, &support), next, text).await {
        Err(Error::Failed(failure)) => Err(Error::Failed(failure)),
        Ok(()) | Err(Error::Refused(_)) => Ok(()),
    }
}

/// Takes a step, enters a miss that it ends, and tells the customer of what we said.
async fn step(
    tx: &mut Tx,
    kept: &mut Kept,
    (who, at, support): (Who<'_>, Timestamp, &Timetable),
    next: Step,
    text: &str,
) -> Result<(), TicketRefusal> {
    let spoken: usize = kept.steps.iter().map(|taken| taken.said.len()).sum();
    if next != Step::Closed && spoken + text.len() > TEXTS_MAX {
        return Err(rule(Refusal::TooMany));
    }
    let before = kept.ticket.turn();
    kept.ticket.take(&next, who.side(), at).map_err(rule)?;
    if let Some(turn) = ended(before, kept.ticket.turn())
        && let Some(new) = miss(kept, turn, at, support)
    {
        crate::violation::enter_found::<TicketRefusal>(tx, at, &new).await?;
    }
    let kind = match (&next, who.side()) {
        (Step::Answered, _) => Some(EventKind::TicketAnswered),
        (Step::Asked, _) => Some(EventKind::TicketWaiting),
        (Step::Closed, Side::Staff) => Some(EventKind::TicketClosed),
        _ => None,
    };
    let (said, actor) = (text.to_owned(), who.name());
    let step = Taken { step: Some(next), side: who.side(), at, actor, said };
    store::ticket::keep(tx, kept, step).await?;
    if let Some(kind) = kind {
        store::event::tell(tx, kept.new.account, kind, kept.id, at).await?;
    }
    Ok(())
}

/// What is asked has to say something, but for a click, which says where it was made.
fn judge(asked: &Asked) -> Result<(), TicketRefusal> {
    let click = asked.channel == Channel::Click;
    if !click || !asked.subject.is_empty() {
        said(&asked.subject, SUBJECT_MAX, "subject")?;
    }
    if asked.subject.contains(['\n', '\r']) {
        return Err(Error::Refused(TicketRefusal::Text("subject")));
    }
    if !click || !asked.text.is_empty() {
        said(&asked.text, TEXT_MAX, "text")?;
    }
    let mut names: Vec<&str> = asked.context.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let known = names.iter().all(|name| DETAILS.contains(name));
    if !known || names.windows(2).any(|two| two[0] == two[1]) {
        return Err(Error::Refused(TicketRefusal::Text("context")));
    }
    for (_, value) in &asked.context {
        said(value, DETAIL_MAX, "context")?;
        if value.contains(['\n', '\r']) {
            return Err(Error::Refused(TicketRefusal::Text("context")));
        }
    }
    Ok(())
}

fn named(who: Who<'_>) -> Result<(), TicketRefusal> {
    match who {
        Who::Customer(_) => Ok(()),
        Who::Staff(name) => said(name, NAME_MAX, "name"),
    }
}

crate::error::refusals!(TicketRefusal);

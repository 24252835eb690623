//! The support line where this program is its switch: which expert is on duty at which phone, who
//! is served next, and how a customer is called back. What happens to a caller is noted by
//! [`crate::support_call`]; the switch itself is the node's.

use domain::agreement::callback::unstaffed;
use domain::agreement::support_call::{Attempt, State, Step};
use domain::agreement::violation::Clause;
use domain::calendar::opening_hours::CalendarKind;
use domain::calendar::span::Span;
use domain::calendar::working_time::Timetable;
use domain::quick_send::zone_of;
use domain::{
    Account, AccountId, Destination, MessageClass, MessageId, PhoneNumber, QuickSendId, Rials,
    Status, Timestamp, secure_call,
};
use store::hot::{AcceptRefusal, Played, Spoken};
pub use store::support_agent::Agent;

use crate::agreement::{Held, timetable};
use crate::dialing::{PhoneContact, ReadyJob};
use crate::ports::{SmsOut, Speaker};
use crate::quick_send::commit;
use crate::speech::{self, Script};
use crate::support_call::{
    Kept, SupportCallRefusal, goes_on, left_noting, register_noting, step_of,
};
use crate::ticket::{NAME_MAX, SETTLED_US};
use crate::violation::{MACHINE, NewViolation};
use crate::{App, Error, Failure, Result, prices};

/// Most experts on duty at a time.
pub const AGENTS_MAX: u32 = 1_000;
/// Callers and callbacks that are looked at for the next one: more than ever wait.
pub const QUEUE_MAX: u32 = 1_000;
/// Callers of a lost line that are taken up at a time.
const LOST_BATCH: u32 = 100;
/// Who tells what the switch does.
pub const SWITCH: &str = "switch";
/// What is noted of a caller whose line was lost: a callback that nobody asked for by a key.
pub const LINE_LOST: &str = "the line was lost";
/// How far back hours without an expert are looked for, microseconds.
const STAFFING_US: i64 = 3 * 24 * 3_600_000_000;
/// A callback that could not be started within this time is given back, milliseconds.
const START_WITHIN_MS: i64 = 2 * 60 * 1000;
/// How long a customer who is called back and an expert may talk, milliseconds.
const TALK_MS: u32 = 30 * 60 * 1000;
/// The scheduling class of a callback: behind codes, before campaigns.
const CLASS: u8 = 1;

/// Why duty was not begun or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DutyRefusal {
    /// The name is missing or too long.
    Name,
    /// There is no phone that registers with that name.
    NoSuchPhone,
    /// The phone is a sandbox's, which calls nobody.
    Sandbox,
    /// The expert is on duty already, or somebody else is at that phone or still talks there.
    OnDuty,
    /// The expert has left.
    Gone,
    /// The expert is not on duty.
    NotOnDuty,
}

/// An expert is on duty from now on, at the phone that registers with this name.
///
/// # Errors
/// Refused as [`DutyRefusal`] says.
pub async fn on_duty(app: &App, name: &str, username: &str) -> Result<(), DutyRefusal> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(Error::Refused(DutyRefusal::Name));
    }
    let phone = crate::phone::credentials(app, username).await?;
    let phone = phone.ok_or(Error::Refused(DutyRefusal::NoSuchPhone))?;
    let owner = store::account::find(&mut app.read().await?, phone.account).await?;
    if owner.is_some_and(|account| account.is_sandbox()) {
        return Err(Error::Refused(DutyRefusal::Sandbox));
    }
    let now = app.now();
    app.write(async |tx| {
        let at = store::chain::now(tx, now).await?;
        if crate::post::Staff::read(tx).await?.has_left(name, at) {
            return Err(Error::Refused(DutyRefusal::Gone));
        }
        match store::support_agent::begin(tx, name, phone.id, at).await {
            Ok(None) | Err(store::Error::Conflict(_)) => Err(Error::Refused(DutyRefusal::OnDuty)),
            begun => Ok(begun.map(|_| ())?),
        }
    })
    .await
}

/// An expert's duty ends. A conversation under way goes on.
///
/// # Errors
/// Refused as [`DutyRefusal`] says.
pub async fn off_duty(app: &App, name: &str) -> Result<(), DutyRefusal> {
    let now = app.now();
    app.write(async |tx| {
        if store::support_agent::end(tx, name.trim(), now).await? {
            Ok(())
        } else {
            Err(Error::Refused(DutyRefusal::NotOnDuty))
        }
    })
    .await
}

/// Who is on duty.
///
/// # Errors
/// The database failed.
pub async fn agents(app: &App) -> std::result::Result<Vec<Agent>, Failure> {
    Ok(store::support_agent::on_duty(&mut app.read().await?, AGENTS_MAX).await?)
}

/// Who calls: the account, and the number to call back, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Whose phone it is.
    pub account: Option<AccountId>,
    /// The number.
    pub number: Option<PhoneNumber>,
}

/// The owner of the phone that calls, who is called back at the number that the account has.
///
/// # Errors
/// The database failed.
pub async fn identity_of_phone(
    app: &App,
    username: &str,
) -> std::result::Result<Identity, Failure> {
    let Some(phone) = crate::phone::credentials(app, username).await? else {
        return Ok(Identity::default());
    };
    let owner = store::account::find(&mut app.read().await?, phone.account).await?;
    let number = owner.and_then(|account| PhoneNumber::parse(&account.mobile));
    Ok(Identity { account: Some(phone.account), number })
}

/// Who calls from this number, as the network tells it: the account that has it, if just one does.
///
/// # Errors
/// The database failed.
pub async fn identity_of_number(
    app: &App,
    number: Option<&str>,
) -> std::result::Result<Identity, Failure> {
    let Some(number) = number.and_then(PhoneNumber::parse) else {
        return Ok(Identity::default());
    };
    let owners = store::account::of_mobile(&mut app.read().await?, number.national(), 2).await?;
    let account = if let [only] = owners[..] { Some(only) } else { None };
    Ok(Identity { account, number: Some(number) })
}

/// A caller begins to wait on the line of this node. The answer is the call's number.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says: closed, above all.
pub async fn joined(app: &App, node: &str, identity: &Identity) -> Result<i64, SupportCallRefusal> {
    let number = identity.number.as_ref().map(PhoneNumber::national);
    crate::support_call::joined_at(app, identity.account, number, Some(node), SWITCH).await
}

/// The line at a moment.
#[derive(Debug, Clone)]
pub struct View {
    /// When that was.
    pub at: Timestamp,
    /// Whether it is answered.
    pub is_open: bool,
    /// Who waits and who is to be called back, in the order in which they came.
    pub in_order: Vec<Kept>,
    /// Who is on duty, the one who is free the longest first.
    pub agents: Vec<Agent>,
    /// After how long an offer to call back is made, microseconds, to who joins now.
    pub offer_after_us: i64,
    /// The hours of the line.
    pub hours: Timetable,
}

/// Reads the line.
///
/// # Errors
/// The database failed.
pub async fn view(app: &App) -> std::result::Result<View, Failure> {
    let mut reads = app.read().await?;
    let held = Held::read(&mut reads).await?;
    let at = app.now();
    let first = (Timestamp(i64::MIN), 0);
    Ok(View {
        at,
        is_open: held.support().is_open(at),
        in_order: store::support_call::open(&mut reads, first, QUEUE_MAX).await?,
        agents: store::support_agent::on_duty(&mut reads, AGENTS_MAX).await?,
        offer_after_us: held.at(at).draft.parameters.offer_after_us(),
        hours: held.support().clone(),
    })
}

/// Where an expert's phone is rung now. `None`: it is not registered.
///
/// # Errors
/// The database failed.
pub async fn contact(
    app: &App,
    agent: &Agent,
) -> std::result::Result<Option<PhoneContact>, Failure> {
    let (account, extension) = &agent.extension;
    crate::dialing::phone_contact(app, *account, extension, app.now()).await
}

/// Gives a call to an expert, for this node to ring: one who waits on the line, or one who is to
/// be called back. `false`: the expert has another one, or is gone, or the call was given to
/// somebody else; nothing has changed then.
///
/// # Errors
/// The database failed.
pub async fn claim(
    app: &App,
    agent: &Agent,
    call: &Kept,
    node: &str,
) -> std::result::Result<bool, Failure> {
    let held = Held::read(&mut app.read().await?).await?;
    let now = app.now();
    let claimed = app.write(async |tx| {
        if !store::support_agent::claim(tx, agent.id, call.id, node).await? {
            return Err(Error::Refused(SupportCallRefusal::Meanwhile));
        }
        if call.call.state == State::Waiting {
            return Ok(());
        }
        step_of(tx, call.id, (now, &held), Step::Dialing, &agent.name).await
    });
    match claimed.await {
        Ok(()) => Ok(true),
        Err(Error::Refused(_)) => Ok(false),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// An expert has a call no more, and rests for so long, microseconds.
///
/// # Errors
/// The database failed.
pub async fn release(
    app: &App,
    agent: i64,
    call: i64,
    rest_us: i64,
) -> std::result::Result<(), Failure> {
    let until = app.now().plus_us(rest_us);
    let released = app.write(async |tx| {
        Ok::<_, Error<std::convert::Infallible>>(
            store::support_agent::release(tx, agent, call, until).await?,
        )
    });
    released.await.map(|_| ()).map_err(crate::account::never_refused)
}

/// What a customer hears who is called back, before the expert is rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The name of its audio.
    pub blob: String,
    /// How long it plays, milliseconds.
    pub length_ms: u32,
}

/// Speaks a text of the switch, from the cache where it can.
///
/// # Errors
/// The speech engine failed, or does not speak it.
pub async fn speak(app: &App, text: &str) -> std::result::Result<Prompt, Failure> {
    let unspoken = || Failure::of(format!("speaking for the support line: {text}"));
    let script = Script::new(text, None, Speaker::default()).map_err(|_| unspoken())?;
    match speech::speak(app, &script).await {
        Ok(recording) => Ok(Prompt { blob: recording.blob, length_ms: recording.length_ms }),
        Err(Error::Refused(_)) => Err(unspoken()),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// Writes to who called the closed line where a request can be left (T126), unless the number is
/// on a list of those who want no such message. It is tried once: whoever wants it calls again.
///
/// # Errors
/// The database failed, or the service did not take it.
pub async fn write_link(
    app: &App,
    number: &PhoneNumber,
    text: &str,
) -> std::result::Result<(), Failure> {
    let number = number.national();
    let nobody = AccountId(0);
    let lists = store::opt_out::lists_of(&mut app.read().await?, number, nobody).await?;
    if lists.iter().any(|list| MessageClass::Service.obeys(*list)) {
        return Ok(());
    }
    let now = app.now();
    let out = SmsOut { name: domain::sms::name(now.0, now), again: false, number, text };
    match app.sms().send(out).await {
        Ok(_) => Ok(()),
        Err(failed) => Err(Failure::of(format!("sending an SMS of the line: {}", failed.why))),
    }
}

/// How the try to call somebody back stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// It is under way: not placed, ringing, or asking.
    UnderWay,
    /// The customer is there.
    Talking,
    /// Something came of it.
    Came(Attempt),
    /// The customer pressed the key, and the expert did not answer.
    NoExpert,
    /// Nothing came of it, and not for the customer's sake.
    Failed(&'static str),
}

/// The name under which the `n`-th try is sent: asking again sends it once.
fn reference(call: i64, n: u32) -> String {
    format!("support-call-{call}-{n}")
}

/// How often somebody took the callback, which numbers its tries: also those that were returned.
fn tries(call: &Kept) -> u32 {
    let dialed = call.steps.iter().filter(|taken| taken.step == Some(Step::Dialing)).count();
    u32::try_from(dialed).unwrap_or(u32::MAX)
}

/// Places the call to a customer whose callback this expert has, or looks at how it goes. The
/// customer hears the prompt, presses a key, and is joined with the expert; it is a send of the
/// account whose phone the expert has, dialled, charged and recovered like any other.
///
/// # Errors
/// The database failed.
pub async fn call_back(
    app: &App,
    agent: &Agent,
    call: &Kept,
    prompt: &Prompt,
) -> std::result::Result<Try, Failure> {
    let reference = reference(call.id, tries(call));
    let account = agent.extension.0;
    let mut reads = app.read().await?;
    let sent = store::quick_send::find_by_reference(&mut reads, account, &reference).await?;
    let Some(id) = sent else {
        drop(reads);
        return place(app, agent, call, prompt, &reference).await;
    };
    let gone = || Failure::of(format!("reading send {id} of a callback: it is not there"));
    let send = store::quick_send::find(&mut reads, account, id).await?.ok_or_else(gone)?;
    let store::quick_send::State::Ended(ended) = send.state else {
        let joined = app.live().get(id) == Some(Status::Answered);
        return Ok(if joined { Try::Talking } else { Try::UnderWay });
    };
    Ok(came_of(&ended))
}

/// What a try that is over came to. Only what is the customer's is told as an attempt.
fn came_of(ended: &store::quick_send::Ended) -> Try {
    use domain::Disposition as D;
    let facts = &ended.facts;
    if facts.heard_ms > 0 {
        return Try::Came(Attempt::Connected);
    }
    if facts.answered_at.is_some() {
        return match facts.vote {
            None => Try::Came(Attempt::Voicemail),
            // Who pressed the key and did not wait.
            Some(_) if facts.cause == CALLEE_HUNG_UP => Try::Came(Attempt::NoAnswer),
            Some(_) => Try::NoExpert,
        };
    }
    match ended.disposition {
        D::NoAnswer | D::Busy | D::Rejected | D::Unreachable | D::InvalidNumber => {
            Try::Came(Attempt::NoAnswer)
        }
        D::AnsweringMachine => Try::Came(Attempt::Voicemail),
        D::Delivered
        | D::HeardInPart
        | D::NetworkFailure
        | D::Expired
        | D::Cancelled
        | D::OptedOut => Try::Failed("the customer was not rung"),
    }
}

/// How an outcome says that the callee ended the call.
const CALLEE_HUNG_UP: &str = "callee_hung_up";

/// What came of a try is noted, and its expert is free after a rest, unless somebody else has noted
/// it since it was looked at.
///
/// # Errors
/// The database failed.
pub async fn conclude(
    app: &App,
    agent: &Agent,
    seen: &Kept,
    step: Step,
    (note, rest_us): (&str, i64),
) -> std::result::Result<(), Failure> {
    match goes_on(app, seen, step, (&agent.name, note)).await {
        Ok(_) => release(app, agent.id, seen.id, rest_us).await,
        Err(Error::Refused(_)) => Ok(()),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// The customer of a callback answered.
///
/// # Errors
/// The database failed.
pub async fn is_there(app: &App, agent: &Agent, seen: &Kept) -> std::result::Result<(), Failure> {
    match goes_on(app, seen, Step::Talking, (&agent.name, "")).await {
        Ok(_) | Err(Error::Refused(_)) => Ok(()),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// Ends this turn of duty: a phone that is not answered is rung for nobody else.
///
/// # Errors
/// The database failed.
pub async fn end_turn(app: &App, duty: i64) -> std::result::Result<(), Failure> {
    let now = app.now();
    let ended = app.write(async |tx| {
        Ok::<_, Error<std::convert::Infallible>>(
            store::support_agent::end_turn(tx, duty, now).await?,
        )
    });
    ended.await.map(|_| ()).map_err(crate::account::never_refused)
}

async fn place(
    app: &App,
    agent: &Agent,
    call: &Kept,
    prompt: &Prompt,
    reference: &str,
) -> std::result::Result<Try, Failure> {
    let now = app.now();
    let account = store::account::find(&mut app.read().await?, agent.extension.0).await?;
    let first = call.number.as_deref().and_then(Destination::parse);
    let Some((account, first)) = account.zip(first) else {
        return Ok(Try::Failed("the phone's account or the number is gone"));
    };
    let second = Destination::Extension(agent.extension.1.clone());
    let Some(job) = job(app, &account, (first, second), prompt, now).await? else {
        return Ok(Try::Failed("the account of the expert's phone cannot pay for it"));
    };
    let played = Played::Spoken(Spoken {
        blob: prompt.blob.clone(),
        price: Rials::ZERO,
        note: String::new(),
        hidden: true,
    });
    match commit(app, job, played, (Some(reference), None)).await? {
        Ok(_) => Ok(Try::UnderWay),
        Err(AcceptRefusal::InsufficientCredit | AcceptRefusal::AccountGone) => {
            Ok(Try::Failed("the account of the expert's phone cannot pay for it"))
        }
    }
}

async fn job(
    app: &App,
    account: &Account,
    (first, second): (Destination, Destination),
    prompt: &Prompt,
    now: Timestamp,
) -> std::result::Result<Option<ReadyJob>, Failure> {
    let tariff = prices::in_force(app, now).await?;
    let zones = [zone_of(&first), zone_of(&second)];
    let Some((hold, talk_ms)) = secure_call::longest(account, &tariff, TALK_MS, zones) else {
        return Ok(None);
    };
    Ok(Some(ReadyJob {
        quick_send: QuickSendId(0),
        account: account.id,
        sandbox: account.is_sandbox(),
        class: CLASS,
        // The callee asked for it: it has the hours of the line, and no list bars it.
        message_class: MessageClass::OneTimeCode,
        opt_out_key: None,
        due_at: now,
        destination: first,
        second: Some(second),
        message: MessageId(0),
        blob: prompt.blob.clone(),
        clip_ms: talk_ms,
        // A person presses a key before anybody else is rung (T121).
        vote: true,
        record_ms: None,
        server: None,
        trunks_failed: 0,
        tariff: tariff.id,
        zone: zones[0],
        hold: hold.price,
        accepted_at: now,
        expires_at: now.plus_ms(START_WITHIN_MS),
        pace: None,
        withdrawn: false,
    }))
}

/// Takes up the callers whose line was lost, by the end of another node, or of this one where it
/// `began` just now: who sent a number is called back and keeps the place, the others are gone
/// (T127). Experts who had them are free. The answer is how many callers that were.
///
/// # Errors
/// The database failed.
pub async fn take_up_lost(app: &App, node: &str, began: bool) -> std::result::Result<u64, Failure> {
    let mut lost = 0;
    loop {
        let now = app.now();
        let mut reads = app.read().await?;
        let lines = (node, began);
        let ids = store::support_call::on_lost_lines(&mut reads, lines, now, LOST_BATCH).await?;
        drop(reads);
        for id in &ids {
            lost += 1;
            take_up(app, *id).await?;
        }
        if ids.len() < LOST_BATCH as usize {
            break;
        }
    }
    let now = app.now();
    let freed = app.write(async |tx| {
        Ok::<_, Error<std::convert::Infallible>>(
            store::support_agent::release_lost(tx, (node, began), now).await?,
        )
    });
    freed.await.map_err(crate::account::never_refused)?;
    Ok(lost)
}

async fn take_up(app: &App, id: i64) -> std::result::Result<(), Failure> {
    let unless_done = |done: Result<Kept, SupportCallRefusal>| match done {
        Ok(_) => Ok(true),
        Err(Error::Refused(_)) => Ok(false),
        Err(Error::Failed(failure)) => Err(failure),
    };
    let lost = (SWITCH, LINE_LOST);
    if !unless_done(register_noting(app, id, None, lost).await)? {
        // No number was sent, or something else happened meanwhile.
        unless_done(left_noting(app, id, lost).await)?;
    }
    Ok(())
}

/// Enters the hours of the line in which nobody was on duty, once for each time (C14, T125).
/// Before anybody ever was, the line is not this program's. The answer is how many were entered.
///
/// # Errors
/// The database failed.
pub async fn look_at_staffing(app: &App) -> std::result::Result<u64, Failure> {
    let until = app.now().plus_us(-SETTLED_US);
    let mut reads = app.read().await?;
    let hours = timetable(&mut reads, CalendarKind::Support).await?;
    let Some(within) = Span::new(until.plus_us(-STAFFING_US), until) else { return Ok(0) };
    let Some((first, staffed)) = store::support_agent::staffed(&mut reads, within).await? else {
        return Ok(0);
    };
    drop(reads);
    let Some(within) = Span::new(within.from.max(first), within.to) else { return Ok(0) };
    let alone = unstaffed(within, &hours, staffed);
    // What goes on is entered when it is over; what began before is there already.
    let over = alone.into_iter().filter(|span| span.to < within.to && span.from > within.from);
    let missed: Vec<NewViolation> = over.filter_map(|span| entry(span, &hours)).collect();
    crate::violation::enter_all(app, &missed).await
}

/// The entry of a time without an expert. Hours that were made after it began miss nothing.
fn entry(span: Span, hours: &Timetable) -> Option<NewViolation> {
    let known = hours.due(span.from, |known| {
        known.next_open(span.from).filter(|open| open.from == span.from).map(|open| open.to)
    })?;
    let span = Span::new(span.from, span.to.min(known))?;
    let minutes = span.to.us_since(span.from) / 60_000_000;
    Some(NewViolation {
        account: None,
        clause: Clause::Staffing,
        span,
        evidence: vec![format!("no expert was on duty for {minutes} min")],
        reference: format!("unstaffed:{}", span.from.0),
        actor: MACHINE.to_owned(),
    })
}

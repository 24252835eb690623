//! What a committee has before it when it decides a claim (T153): how the line went around the
//! event, who was on duty, the hours and the agreement of that time, what was not kept, and what
//! the month pays back by itself.

use domain::agreement::support_call::SupportCall;
use domain::agreement::violation::Clause;
use domain::calendar::day::Day;
use domain::calendar::month::PersianMonth;
use domain::calendar::opening_hours::DayType;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
use store::Queries;
use store::support_agent::Duty;

use super::Shown;
use super::handlers::{Handled, by_records};
use crate::agreement::{self, Held};
use crate::statement::{self, Told};
use crate::{App, Failure, credit, support_call, violation};

/// The most calls to the line, and turns of duty, that are looked at: more than ever are on a day.
pub const LINE_MAX: u32 = 2_000;
/// The most credits of an account that are looked at.
const CREDITS_MAX: u32 = 1_000;
/// What support promises; an availability claim has its statement.
const CLAUSES: [Clause; 4] =
    [Clause::Staffing, Clause::CallbackOffer, Clause::Callback, Clause::Ticket];

/// What a committee has before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// The time that is looked at: the day of the event and those beside it, since who comes in the
    /// evening may be called back in the next hours of the line.
    pub time: Span,
    /// Who was on the line, in the order in which they came.
    pub line: Vec<Queued>,
    /// Whether more were there than are looked at.
    pub is_cut: bool,
    /// Who was on duty.
    pub duty: Vec<Duty>,
    /// The days of that time, with the hours of the desk as they were on each.
    pub days: Vec<OpenDay>,
    /// The version of the agreement that held when it happened.
    pub agreement: agreement::Kept,
    /// What of support was not kept in that time, by the ledger of violations: of the account and
    /// of the platform.
    pub entries: Vec<violation::Kept>,
    /// The credits of the month of the event (A27).
    pub credits: Vec<credit::Kept>,
    /// The maintenance of that month.
    pub maintenance: Vec<Told>,
    /// Who handled what of the case, by the records: they do not decide it (A29).
    pub handled: Vec<Handled>,
}

/// A call to the line, and how many were before it when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The call, with everything that happened to it.
    pub call: support_call::Kept,
    /// How many waited or were to be called back when it came.
    pub ahead: u32,
}

/// A day of the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDay {
    /// Which.
    pub day: Day,
    /// What kind of day it was.
    pub day_type: DayType,
    /// The version of the hours.
    pub hours: u32,
    /// When the line and the desk were open.
    pub open: Vec<Span>,
}

/// What a committee has before it for a claim.
///
/// # Errors
/// The database failed.
pub async fn grounds(app: &App, shown: &Shown) -> std::result::Result<Grounds, Failure> {
    let (account, event_at) = (shown.kept.account, shown.kept.event_at);
    let day = Day::of(event_at);
    let time = Span { from: day.plus(-1).start(), to: day.next().end() };
    let month = PersianMonth::of(event_at);
    let mut reads = app.read().await?;
    let held = Held::read(&mut reads).await?;
    let number = held.at(event_at).number;
    let all = agreement::all(&mut reads).await?;
    let found = all.into_iter().find(|kept| kept.version.number == number);
    let agreement = found.ok_or_else(|| Failure::of("finding the agreement of a claim"))?;
    let calls = store::support_call::joined_within(&mut reads, time, LINE_MAX).await?;
    let duty = store::support_agent::duty(&mut reads, time, LINE_MAX).await?;
    let entries = not_kept(&mut reads, account, time).await?;
    let credits = store::credit::list(&mut reads, Some(account), None, CREDITS_MAX).await?;
    let handled = by_records(&mut reads, &shown.kept).await?;
    drop(reads);
    let days = [-1, 0, 1].map(|more| open_day(&held, day.plus(more)));
    Ok(Grounds {
        time,
        is_cut: calls.len() >= LINE_MAX as usize,
        line: queued(calls),
        duty,
        days: days.into(),
        agreement,
        entries,
        credits: credits.into_iter().filter(|kept| kept.new.key.month == month).collect(),
        maintenance: statement::all_maintenance(app, account, month).await?,
        handled,
    })
}

fn open_day(held: &Held, day: Day) -> OpenDay {
    let support = held.support();
    let (day_type, hours) = (support.day_type(day), support.version_on(day).number());
    OpenDay { day, day_type, hours, open: support.open_on(day).collect() }
}

/// The calls in order, each with how many others were there when it came.
fn queued(calls: Vec<support_call::Kept>) -> Vec<Queued> {
    let there: Vec<(Timestamp, Timestamp)> =
        calls.iter().map(|kept| (kept.call.joined_at, over_at(&kept.call))).collect();
    let ahead = |n: usize| {
        let came = there[n].0;
        let others = there[..n].iter().filter(|(_, over)| *over > came).count();
        u32::try_from(others).unwrap_or(u32::MAX)
    };
    calls.into_iter().enumerate().map(|(n, call)| Queued { call, ahead: ahead(n) }).collect()
}

/// When nothing was owed to a caller any more.
fn over_at(call: &SupportCall) -> Timestamp {
    if call.state.is_over() { call.last_at() } else { Timestamp(i64::MAX) }
}

/// What of support was not kept within a time, by number.
async fn not_kept(
    reads: &mut impl Queries,
    account: AccountId,
    time: Span,
) -> std::result::Result<Vec<violation::Kept>, Failure> {
    let mut found = Vec::new();
    for clause in CLAUSES {
        for whose in [Some(account), None] {
            found.extend(store::violation::within(reads, whose, clause, time).await?);
        }
    }
    found.sort_by_key(|kept| kept.id);
    Ok(found)
}

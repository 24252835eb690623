//! The manager's board: every clock of the desk that runs, from wherever it is kept.

use domain::Timestamp;
use domain::agreement::board::{Entry, Subject, Urgency, act_by, in_order, notices};
use domain::agreement::callback::{OfferVerdict, offer_at, offer_verdict};
use domain::agreement::claim::State as Claim;
use domain::agreement::error_report::Metric;
use domain::agreement::maintenance::State as Maintenance;
use domain::agreement::statement::evidence_days_after;
use domain::agreement::support_call::State as Call;
use domain::agreement::ticket::Turn;
use domain::agreement::violation::Status;
use domain::calendar::month::PersianMonth;
use domain::calendar::opening_hours::CalendarKind;
use domain::calendar::span::Span;
use domain::calendar::working_time::Timetable;
use store::Reader;
use store::month_statement::TouchedMonth;

use crate::agreement::{Held, timetable};
use crate::availability::undecided;
use crate::error_report::Judge;
use crate::support_call::Kept;
use crate::{App, Failure};

/// Rows that are read at a time.
const BATCH: u32 = 200;
/// How far ahead a maintenance is shown, microseconds: 90 days.
const AHEAD_US: i64 = 90 * 86_400_000_000;

/// Every clock that runs, by when it is due.
///
/// # Errors
/// The database failed.
pub async fn show(app: &App) -> Result<Vec<Entry>, Failure> {
    let now = app.now();
    let mut reads = app.read().await?;
    let support = timetable(&mut reads, CalendarKind::Support).await?;
    let mut entries = Vec::new();
    tickets(&mut reads, now, &support, &mut entries).await?;
    reports(&mut reads, now, &mut entries).await?;
    callbacks(&mut reads, now, &support, &mut entries).await?;
    months(&mut reads, now, &mut entries).await?;
    touched(&mut reads, now, &mut entries).await?;
    claims(&mut reads, now, &mut entries).await?;
    maintenance(&mut reads, now, &mut entries).await?;
    disputes(&mut reads, &mut entries).await?;
    payouts(&mut reads, &mut entries).await?;
    for entry in &mut entries {
        entry.act_by = entry.due.map(|due| act_by(due, &support));
        let act_by = entry.act_by.unwrap_or(now);
        // Whether the desk is open on the days between may not be known yet, either.
        entry.may_move |= support.due_may_move(act_by, entry.due, now);
    }
    Ok(in_order(entries))
}

/// What of the board has to be told at once, by the names of its alerts.
pub(crate) async fn alerts(app: &App) -> Result<Vec<(String, String)>, Failure> {
    let told = notices(&show(app).await?);
    Ok(told.into_iter().map(|(of, text)| (format!("desk:{}", of.word()), text)).collect())
}

async fn tickets(
    reads: &mut Reader,
    now: Timestamp,
    support: &Timetable,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let mut after = (Timestamp(i64::MIN), 0);
    loop {
        let page = store::ticket::waiting(reads, after, BATCH).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.since, last.id);
        entries.extend(page.into_iter().map(|one| {
            let due = Turn { n: 0, since: one.since }.due(support);
            let (account, subject) = (Some(one.account), Subject::Ticket);
            let urgency = in_hours(one.since, due, now, support);
            let (id, holder, since) = (one.id, one.holder, one.since);
            let may_move = support.due_may_move(since, due, now);
            Entry { subject, id, account, holder, since, due, may_move, act_by: None, urgency }
        }));
    }
}

/// How urgent something is that is done in the hours of the desk.
fn in_hours(
    since: Timestamp,
    due: Option<Timestamp>,
    now: Timestamp,
    support: &Timetable,
) -> Urgency {
    let left = due.map(|due| if due < now { -1 } else { support.open_us(now, due) });
    Urgency::of_time(left, due.map_or(0, |due| support.open_us(since, due)))
}

async fn reports(
    reads: &mut Reader,
    now: Timestamp,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let judge = Judge::read(reads).await?;
    let mut after = 0;
    loop {
        let page = store::error_report::running(reads, after, BATCH).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for kept in &page {
            // What was missed and is done since waits for nobody.
            for clock in judge.clocks(&kept.report, now).into_iter().filter(|one| !one.is_over) {
                let Some(urgency) = Urgency::of_clock(clock.state, clock.is_urgent) else {
                    continue;
                };
                let subject = match clock.metric {
                    Metric::Triage => Subject::Triage,
                    Metric::Fix => Subject::Fix,
                    Metric::Delivery => Subject::Delivery,
                };
                entries.push(Entry {
                    subject,
                    id: kept.id,
                    account: kept.new.account,
                    holder: kept.report.holder.clone(),
                    since: kept.report.reported_at,
                    due: clock.due,
                    may_move: clock.may_move,
                    act_by: None,
                    urgency,
                });
            }
        }
    }
}

async fn callbacks(
    reads: &mut Reader,
    now: Timestamp,
    support: &Timetable,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let held = Held::read(reads).await?;
    let mut after = (Timestamp(i64::MIN), 0);
    loop {
        let page = store::support_call::open(reads, after, BATCH).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.call.joined_at, last.id);
        for kept in &page {
            entries.extend(caller(kept, now, &held));
            let Some(owed) = kept.call.owed() else { continue };
            let due = owed.due(support);
            let missed = kept.call.missed_at(now, support).is_some();
            let soon = in_hours(owed.since, due, now, support);
            // An expert who calls back now is in time.
            let urgency = match (missed, soon) {
                (true, _) => Urgency::Missed,
                (false, Urgency::Missed) => Urgency::Soon,
                (false, soon) => soon,
            };
            entries.push(Entry {
                subject: Subject::Callback,
                id: kept.id,
                account: kept.account,
                holder: kept.holder().map(str::to_owned),
                since: owed.since,
                due,
                may_move: support.due_may_move(owed.since, due, now),
                act_by: None,
                urgency,
            });
        }
    }
}

/// Somebody who waits on the line: what is due is the offer to be called back, while it has not
/// come. An expert is promised to nobody by a time, so that who was offered just waits.
fn caller(kept: &Kept, now: Timestamp, held: &Held) -> Option<Entry> {
    let call = &kept.call;
    let joined_at = Some(call.joined_at).filter(|_| call.state == Call::Waiting)?;
    let after_us = held.at(joined_at).draft.parameters.offer_after_us();
    let due = offer_at(joined_at, after_us, held.support());
    let is_missed = due
        .is_some_and(|due| offer_verdict(due, call.offered_at, None, now) == OfferVerdict::Missed);
    Some(Entry {
        subject: Subject::Caller,
        id: kept.id,
        account: kept.account,
        holder: None,
        since: joined_at,
        due: due.filter(|_| call.offered_at.is_none()),
        may_move: false,
        act_by: None,
        urgency: if is_missed { Urgency::Missed } else { Urgency::Running },
    })
}

/// Frozen months whose time for evidence runs out.
async fn months(
    reads: &mut Reader,
    now: Timestamp,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    for one in undecided(reads, now).await? {
        let left = one.until.us_since(now);
        entries.push(Entry {
            subject: Subject::Evidence,
            id: digits(one.month),
            account: None,
            holder: None,
            since: one.since,
            due: Some(one.until),
            may_move: one.may_move,
            act_by: None,
            urgency: Urgency::of_time(Some(left), one.until.us_since(one.since)),
        });
    }
    Ok(())
}

/// The number of a month on the board: its digits.
fn digits(month: PersianMonth) -> i64 {
    let digits: String = month.to_string().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Frozen months that something touched since: a line for each, by who waits longest.
async fn touched(
    reads: &mut Reader,
    now: Timestamp,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let months = store::month_statement::touched_months(reads).await?;
    if months.is_empty() {
        return Ok(());
    }
    let held = Held::read(reads).await?;
    for TouchedMonth { month, since, .. } in months {
        let parameters = &held.at(month.start()).draft.parameters;
        let due = evidence_days_after(since, parameters, held.business());
        let left = due.map(|due| due.us_since(now));
        entries.push(Entry {
            subject: Subject::Review,
            id: digits(month),
            account: None,
            holder: None,
            since,
            due,
            may_move: held.business().due_may_move(since, due, now),
            act_by: None,
            urgency: Urgency::of_time(left, due.map_or(0, |due| due.us_since(since))),
        });
    }
    Ok(())
}

async fn claims(
    reads: &mut Reader,
    now: Timestamp,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let page = store::claim::untold(reads, after, BATCH).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for kept in page {
            let shown = crate::claim::shown(reads, kept, now).await?;
            let (kept, Some(since)) = (shown.kept, shown.since) else { continue };
            let left = shown.due.map(|due| due.us_since(now));
            let all = shown.due.map_or(0, |due| due.us_since(since));
            let waits = kept.claim.state() == Claim::EvidenceAsked;
            entries.push(Entry {
                subject: Subject::Claim,
                id: kept.id,
                account: Some(kept.account),
                // Nobody has one that only its customer has touched.
                holder: kept
                    .steps
                    .last()
                    .filter(|_| kept.claim.state() != Claim::Filed)
                    .map(|step| step.actor.clone()),
                since,
                due: shown.due,
                may_move: shown.may_move,
                act_by: None,
                urgency: if waits { Urgency::Paused } else { Urgency::of_time(left, all) },
            });
        }
    }
}

/// Maintenance that is not told yet as it has to be.
async fn maintenance(
    reads: &mut Reader,
    now: Timestamp,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let held = Held::read(reads).await?;
    let ahead = Span { from: now, to: now.plus_us(AHEAD_US) };
    for kept in store::maintenance::within(reads, ahead).await? {
        let Some(plan) = kept.maintenance.plan() else { continue };
        let lead_us = held.at(plan.span.from).draft.parameters.lead_us();
        if kept.maintenance.state(now, lead_us) != Maintenance::Announced {
            continue;
        }
        let since = kept.maintenance.versions.last().map_or(now, |version| version.saved_at);
        let due = plan.span.from.plus_us(-lead_us);
        let urgency = Urgency::of_time(Some(due.us_since(now)), due.us_since(since));
        entries.push(Entry {
            subject: Subject::Notice,
            id: kept.id,
            account: None,
            holder: Some(kept.author),
            since,
            due: Some(due),
            may_move: false,
            act_by: None,
            urgency,
        });
    }
    Ok(())
}

/// Credits of which the committee is to decide how they are paid.
async fn payouts(reads: &mut Reader, entries: &mut Vec<Entry>) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let page = store::credit::with_committee(reads, after, BATCH).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.credit;
        entries.extend(page.into_iter().map(|one| Entry {
            subject: Subject::Payout,
            id: one.credit,
            account: Some(one.account),
            holder: None,
            since: one.since,
            due: None,
            may_move: false,
            act_by: None,
            urgency: Urgency::Running,
        }));
    }
}

async fn disputes(reads: &mut Reader, entries: &mut Vec<Entry>) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let page = store::violation::disputed(reads, after, BATCH).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for kept in &page {
            let disputed = kept.steps.iter().rev().find(|step| step.status == Status::Disputed);
            let Some(since) = disputed.map(|step| step.at) else { continue };
            entries.push(Entry {
                subject: Subject::Dispute,
                id: kept.id,
                account: kept.account,
                holder: None,
                since,
                due: None,
                may_move: false,
                act_by: None,
                urgency: Urgency::Running,
            });
        }
    }
}

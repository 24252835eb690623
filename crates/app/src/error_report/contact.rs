//! Tries to reach the customer of a report, and the pause that they prove.

use domain::Timestamp;
use domain::agreement::contact::{self, Attempt, Channel, Outcome};
use domain::agreement::error_report::{Refusal, Step, TEXT_MAX};
use domain::agreement::violation::Clause;
use domain::calendar::opening_hours::CalendarKind;
use domain::calendar::span::Span;
use store::Tx;
use store::error_report::Kept;

use super::{ErrorReportRefusal, change, rule, said, step, taken};
use crate::agreement::timetable;
use crate::ticket::{NAME_MAX, Who};
use crate::violation::{MACHINE, NewViolation};
use crate::{App, Error, Result};

/// Keeps a try to reach the customer. Who was reached is waited for no longer.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn contacted(
    app: &App,
    id: i64,
    by: &str,
    (channel, address): (Channel, &str),
    (outcome, note): (Outcome, &str),
) -> Result<Kept, ErrorReportRefusal> {
    let who = Who::Staff(by);
    said(by, NAME_MAX, "name")?;
    said(address, contact::TEXT_MAX, "address")?;
    if !note.is_empty() {
        said(note, contact::TEXT_MAX, "note")?;
    }
    let now = app.now();
    app.write(async |tx| {
        let mut kept = taken(tx, id, who).await?;
        if kept.new.account.is_none() {
            return Err(Error::Refused(ErrorReportRefusal::NoCustomer));
        }
        if kept.contacts.len() >= contact::ATTEMPTS_MAX {
            return Err(rule(Refusal::TooMany));
        }
        let at = store::chain::now(tx, now).await?.max(kept.report.last_at());
        let (actor, address) = (by.trim().to_owned(), address.to_owned());
        let attempt = Attempt { at, actor, channel, address, outcome, note: note.to_owned() };
        store::error_report::insert_contact(tx, id, &attempt).await?;
        kept.contacts.push(attempt);
        if outcome == Outcome::Reached && kept.report.paused_since.is_some() {
            step(tx, &mut kept, (who, at), Step::Resumed, "").await?;
        }
        Ok(kept)
    })
    .await
}

/// Lets the clocks of a report stand, since its customer cannot be reached: the tries prove it
/// (C20), and are entered as what the customer did not keep.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn pause(app: &App, id: i64, by: &str) -> Result<Kept, ErrorReportRefusal> {
    change(app, id, Who::Staff(by), Step::Paused, "").await
}

/// Lets them run again, for this reason.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn resume(app: &App, id: i64, by: &str, why: &str) -> Result<Kept, ErrorReportRefusal> {
    said(why, TEXT_MAX, "reason")?;
    change(app, id, Who::Staff(by), Step::Resumed, why).await
}

/// Enters that a customer cannot be reached, as the tries prove.
pub(super) async fn prove(
    tx: &mut Tx,
    kept: &Kept,
    at: Timestamp,
) -> Result<(), ErrorReportRefusal> {
    let account = kept.new.account.ok_or(Error::Refused(ErrorReportRefusal::NoCustomer))?;
    let support = timetable(tx, CalendarKind::Support).await?;
    // Tries that proved an earlier pause prove no further one.
    let resumed = kept.steps.iter().filter(|taken| taken.step == Some(Step::Resumed));
    let since = resumed.map(|taken| taken.at).max();
    let since = since.map_or(kept.report.reported_at, |at| at.max(kept.report.reported_at));
    let tries = contact::unreachable(&kept.contacts, since, at, &support);
    let tries = tries.ok_or(Error::Refused(ErrorReportRefusal::NoEvidence))?;
    let first = tries.iter().min().copied().unwrap_or(at);
    let new = NewViolation {
        account: Some(account),
        clause: Clause::Reachable,
        span: Span { from: first, to: at },
        evidence: vec![format!("error report {}: {} tries to reach", kept.id, tries.len())],
        reference: format!("report:{}:unreachable:{}", kept.id, kept.steps.len()),
        actor: MACHINE.to_owned(),
    };
    crate::violation::enter_found::<ErrorReportRefusal>(tx, at, &new).await?;
    Ok(())
}

//! Reports of what is known already: they are fixed, or announced and delivered, with the report
//! that they are the same as, and each customer is told (T097).

use domain::Timestamp;
use domain::agreement::error_report::{Finding, State, Step};
use store::Tx;

use super::{
    ErrorReportRefusal, TWIN_COMMITTED, TWIN_DELIVERED, TWIN_FIXED, TWIN_NOT_VERIFIED,
    TWIN_PROPOSED, TWIN_VERIFIED, step, taken,
};
use crate::ticket::Who;
use crate::{Error, Result};

/// What is found of a report that is the same as another one, which has to be a fault of ours that
/// is being fixed or worked on; and the date that was announced for that work. The other one is
/// kept from being fixed meanwhile, for then its duplicate would never be.
pub(super) async fn of(
    tx: &mut Tx,
    finding: &Finding,
) -> Result<(Finding, Option<Timestamp>), ErrorReportRefusal> {
    let refused = || Error::Refused(ErrorReportRefusal::Original);
    let number = finding.original().ok_or_else(refused)?;
    let original = store::error_report::take(tx, number).await?.ok_or_else(refused)?;
    let report = &original.report;
    match (report.state, &report.finding) {
        (State::Fixing, Some(Finding::Minor)) => Ok((Finding::DuplicateOf(number), None)),
        (State::Structural | State::Committed, Some(Finding::Structural)) => {
            let date = report.commitments.last().map(|date| date.due);
            Ok((Finding::SameWorkAs(number), date))
        }
        _ => Err(refused()),
    }
}

/// Takes the step of a report in those that are the same, as far as it is theirs, too. Each
/// customer agrees to another date for itself, and takes what was delivered for itself.
pub(super) async fn follow(
    tx: &mut Tx,
    id: i64,
    (who, at): (Who<'_>, Timestamp),
    next: &Step,
) -> Result<(), ErrorReportRefusal> {
    let (states, text): (&[State], _) = match next {
        Step::Fixed => (&[State::Fixing], TWIN_FIXED),
        Step::Verified => (&[State::Fixed], TWIN_VERIFIED),
        Step::NotVerified(_) => (&[State::Fixed], TWIN_NOT_VERIFIED),
        Step::Committed(_) => (&[State::Structural, State::Committed], TWIN_COMMITTED),
        Step::Proposed(_) => (&[State::Committed], TWIN_PROPOSED),
        Step::Delivered(_) => (&[State::Committed], TWIN_DELIVERED),
        _ => return Ok(()),
    };
    // What is kept of these steps is what was said.
    let next = match next {
        Step::NotVerified(_) => Step::NotVerified(text.to_owned()),
        Step::Delivered(_) => Step::Delivered(text.to_owned()),
        next => next.clone(),
    };
    let mut twins = Vec::new();
    for state in states {
        twins.extend(store::error_report::duplicates(tx, id, *state).await?);
    }
    for twin in twins {
        let mut twin = taken(tx, twin, who).await?;
        // A date of its own may be later: dates never come nearer.
        let own = twin.report.commitments.last().map(|date| date.due);
        if let Step::Committed(due) | Step::Proposed(due) = &next
            && own.is_some_and(|own| own >= *due)
        {
            continue;
        }
        let at = at.max(twin.report.last_at());
        step(tx, &mut twin, (who, at), next.clone(), text).await?;
    }
    Ok(())
}

//! What a month missed of the promises of speed, in the ledger of violations.

use domain::agreement::violation::Clause;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;

use super::{Promises, month as judge};
use crate::violation::{MACHINE, NewViolation, enter_all};
use crate::{App, Error, Failure};

/// Enters what a month that is over missed of the promises of speed (C24, C25), once for each:
/// entries of the platform, which everybody reads. The answer is how many were entered.
///
/// # Errors
/// The database failed.
pub(crate) async fn enter_missed(
    app: &App,
    month: PersianMonth,
) -> std::result::Result<u64, Failure> {
    let judged = match judge(app, month).await {
        Ok(judged) => judged,
        Err(Error::Failed(failure)) => return Err(failure),
        Err(Error::Refused(_)) => return Ok(0),
    };
    let missed = [delivery(month, &judged), capacity(month, &judged)];
    enter_all(app, &missed.into_iter().flatten().collect::<Vec<_>>()).await
}

fn delivery(month: PersianMonth, judged: &Promises) -> Option<NewViolation> {
    let (delivery, promised) = (&judged.delivery, judged.promised);
    let limit_us = promised.mean_us;
    let latency = delivery.attributable.filter(|_| delivery.met(limit_us) == Some(false))?;
    let excluded: usize = delivery.excluded.values().sum();
    let mut evidence = vec![
        format!("month {month}, judged by version {} of the agreement", judged.agreement),
        format!(
            "{} quick sends, {} us on average, below {limit_us} us promised",
            latency.count,
            latency.mean_us()
        ),
        format!("{excluded} excluded"),
    ];
    if !delivery.is_representative(promised.excluded_percent) {
        evidence.push("not representative: too many are excluded".to_owned());
    }
    Some(entry(month, Clause::Delivery, evidence))
}

fn capacity(month: PersianMonth, judged: &Promises) -> Option<NewViolation> {
    if judged.capacity_met() != Some(false) {
        return None;
    }
    let (capacity, starts) = (&judged.capacity, judged.starts_min);
    let evidence = vec![
        format!("month {month}, judged by version {} of the agreement", judged.agreement),
        format!("{} minutes in which {starts} calls could start", capacity.qualifying),
        format!("{} tests of the load", judged.tests.len()),
    ];
    Some(entry(month, Clause::Capacity, evidence))
}

fn entry(month: PersianMonth, clause: Clause, evidence: Vec<String>) -> NewViolation {
    NewViolation {
        account: None,
        clause,
        span: Span { from: month.start(), to: month.end() },
        evidence,
        reference: format!("{}:{month}", clause.word()),
        actor: MACHINE.to_owned(),
    }
}

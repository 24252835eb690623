//! The delivery of one account's quick sends: shown beside that of the platform, which decides
//! (A16), with everything that it is made of.

use domain::agreement::delivery::{AbnormalPeriod, Delivery, Exclusion, Sample};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, QuickSendId, Timestamp};
use store::promise::Timed;

use super::{PAGE, Parts, PromiseRefusal, Promises, SENDS_MAX, Survey, judged, overload};
use crate::outage::Groups;
use crate::{App, Failure, Result};

/// What the quick sends of an account came to in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDelivery {
    /// Without the samples of declared periods.
    pub delivery: Delivery,
    /// The same with those samples.
    pub with_declared: Delivery,
    /// Below this the mean of the platform has to stay, microseconds.
    pub mean_limit_us: i64,
    /// The declared periods.
    pub declared: Vec<AbnormalPeriod>,
    /// By which version of the agreement.
    pub agreement: u32,
    /// As of when.
    pub judged_at: Timestamp,
    /// As of when it is known in which minutes all customers together gave more than is promised to
    /// be carried.
    pub overload_judged_at: Timestamp,
    /// What the figures are the sums of: its days, and how long its sends took.
    pub parts: Parts,
}

/// A quick send as a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSample {
    /// Which.
    pub id: QuickSendId,
    /// What it says of the delivery.
    pub sample: Sample,
    /// Why it does not count; that of a declared period, too.
    pub exclusion: Option<Exclusion>,
}

/// Judges an account's part of a month, or as much of it as has passed. Reads every send of the
/// account in it.
///
/// # Errors
/// Refused before it has begun, when it is too long ago, or while the platform's month is judged
/// and never was before.
pub async fn of_account(
    app: &App,
    account: AccountId,
    month: PersianMonth,
) -> Result<AccountDelivery, PromiseRefusal> {
    let platform = judged(app, month).await?;
    let now = app.now();
    let time = Span { from: month.start(), to: month.end() };
    let mut survey = begin(app, account, time).await?;
    let mut place = (time.from, QuickSendId(0));
    loop {
        let page = page(app, account, time, (place, PAGE)).await?;
        let Some(last) = page.last() else { break };
        place = (last.accepted_at, last.id);
        for send in &page {
            survey.take(send);
        }
        if survey.samples.len() > SENDS_MAX {
            return Err(Failure::of("judging a month of more sends than fit").into());
        }
    }
    survey.exclude_overload(&platform.parts.overloaded);
    let Promises { declared, mean_limit_us, agreement, judged_at, .. } = &*platform;
    Ok(AccountDelivery {
        delivery: Delivery::of(&survey.samples, declared, now),
        with_declared: Delivery::of(&survey.samples, &[], now),
        mean_limit_us: *mean_limit_us,
        agreement: *agreement,
        judged_at: now,
        overload_judged_at: *judged_at,
        parts: Parts::of(&mut survey.samples, declared, Vec::new(), now),
        declared: declared.clone(),
    })
}

/// The samples that such figures are made of, in order after a place: at most `limit`.
///
/// # Errors
/// As [`of_account`].
pub async fn samples(
    app: &App,
    account: AccountId,
    month: PersianMonth,
    after: Option<(Timestamp, QuickSendId)>,
    limit: u32,
) -> Result<Vec<KeptSample>, PromiseRefusal> {
    let platform = judged(app, month).await?;
    let time = Span { from: month.start(), to: month.end() };
    let survey = begin(app, account, time).await?;
    let place = after.unwrap_or((time.from, QuickSendId(0)));
    let sends = page(app, account, time, (place, limit)).await?;
    let kept = |send: &Timed| {
        let mut sample = survey.sample(send);
        overload(&mut sample, &platform.parts.overloaded);
        let is_declared = |period: &AbnormalPeriod| period.span.contains(sample.accepted_at);
        let declared = platform.declared.iter().any(is_declared).then_some(Exclusion::Declared);
        KeptSample { id: send.id, exclusion: sample.exclusion.or(declared), sample }
    };
    Ok(sends.iter().map(kept).collect())
}

async fn begin(app: &App, account: AccountId, time: Span) -> std::result::Result<Survey, Failure> {
    let mut reads = app.read().await?;
    let groups = Groups::of(&mut reads, Some(account), time).await?;
    Survey::begin(&mut reads, time, &groups).await
}

async fn page(
    app: &App,
    account: AccountId,
    time: Span,
    (after, limit): ((Timestamp, QuickSendId), u32),
) -> std::result::Result<Vec<Timed>, Failure> {
    let mut reads = app.read().await?;
    Ok(store::promise::of_account(&mut reads, account, time, after, limit).await?)
}

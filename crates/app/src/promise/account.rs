//! The delivery of one account's quick sends: shown beside that of the platform, which decides
//! (A16), with everything that it is made of. A small month is gone through for each who asks; a
//! large one once an hour, one at a time, and meanwhile what was judged before is told.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use domain::agreement::delivery::{AbnormalPeriod, Delivery, Exclusion, Promised, Sample};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, QuickSendId, Timestamp};
use store::promise::Timed;

use tokio::sync::Mutex;

use super::parts::FRESH_US;
use super::survey::{Rules, Survey, overload};
use super::{PAGE, Parts, PromiseRefusal, Promises, judged};
use crate::outage::Groups;
use crate::{App, Error, Failure, Result};

/// The most months of accounts that are kept as they were judged.
const KEPT_MAX: usize = 256;

/// What the quick sends of an account came to in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDelivery {
    /// Without the samples of declared periods.
    pub delivery: Delivery,
    /// The same with those samples.
    pub with_declared: Delivery,
    /// What the agreement promises of the platform's.
    pub promised: Promised,
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

/// Months of accounts with many sends, as they were judged last.
#[derive(Default)]
pub(crate) struct Deliveries {
    kept: std::sync::Mutex<BTreeMap<(AccountId, PersianMonth), Arc<AccountDelivery>>>,
    /// Held by whom one is judged for.
    judging: Mutex<()>,
}

impl Deliveries {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<(AccountId, PersianMonth), Arc<AccountDelivery>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was judged, in the place of what was judged longest ago.
    fn keep(&self, of: (AccountId, PersianMonth), judged: &Arc<AccountDelivery>) {
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX && !kept.contains_key(&of) {
            let oldest = kept.iter().min_by_key(|(_, one)| one.judged_at).map(|(of, _)| *of);
            oldest.map(|oldest| kept.remove(&oldest));
        }
        kept.insert(of, Arc::clone(judged));
    }
}

/// Judges an account's part of a month, or as much of it as has passed. When that has more sends
/// than are gone through for everybody who asks, it is told as it was within the last hour.
///
/// # Errors
/// Refused before it has begun, when it is too long ago, or while another month is judged and this
/// one never was before.
pub async fn of_account(
    app: &App,
    account: AccountId,
    month: PersianMonth,
) -> Result<Arc<AccountDelivery>, PromiseRefusal> {
    let platform = judged(app, month).await?;
    let now = app.now();
    let (kept, of) = (app.deliveries(), (account, month));
    let is_fresh =
        |one: &Arc<AccountDelivery>| (0..FRESH_US).contains(&now.us_since(one.judged_at));
    let known = || kept.kept().get(&of).map(Arc::clone);
    let before = known();
    if let Some(one) = before.clone().filter(is_fresh) {
        return Ok(one);
    }
    let time = Span { from: month.start(), to: month.end() };
    let rules = begin(app, account, time).await?;
    let mut survey =
        Survey::knowing(rules, platform.parts.overloaded.clone(), &platform.declared, now);
    let at_once = app.settings().sends_judged_at_once.min(PAGE);
    let first = page(app, account, time, ((time.from, QuickSendId(0)), at_once)).await?;
    let is_small = first.len() < at_once as usize;
    if is_small {
        for send in &first {
            survey.take(send);
        }
        return Ok(Arc::new(told(&platform, survey, now)));
    }
    let Ok(_judging) = kept.judging.try_lock() else {
        return before.ok_or(Error::Refused(PromiseRefusal::Busy));
    };
    // It may have been judged between the two looks.
    if let Some(one) = known().filter(is_fresh) {
        return Ok(one);
    }
    read_all(app, account, time, (&mut survey, first)).await?;
    let judged = Arc::new(told(&platform, survey, now));
    kept.keep(of, &judged);
    Ok(judged)
}

/// Reads every send of an account in a time, of which the first are read already.
async fn read_all(
    app: &App,
    account: AccountId,
    time: Span,
    (survey, first): (&mut Survey, Vec<Timed>),
) -> std::result::Result<(), Failure> {
    let mut sends = first;
    while let Some(last) = sends.last() {
        let place = (last.accepted_at, last.id);
        for send in &sends {
            survey.take(send);
        }
        sends = page(app, account, time, (place, PAGE)).await?;
    }
    Ok(())
}

/// What sends came to, with what is known of the platform's month.
fn told(platform: &Promises, survey: Survey, now: Timestamp) -> AccountDelivery {
    let Promises { promised, agreement, judged_at, .. } = platform;
    let ([delivery, with_declared], parts, declared) = survey.delivered();
    AccountDelivery {
        delivery,
        with_declared,
        promised: *promised,
        agreement: *agreement,
        judged_at: now,
        overload_judged_at: *judged_at,
        parts,
        declared,
    }
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
    let rules = begin(app, account, time).await?;
    let place = after.unwrap_or((time.from, QuickSendId(0)));
    let sends = page(app, account, time, (place, limit)).await?;
    let kept = |send: &Timed| {
        let mut sample = rules.sample(send);
        overload(&mut sample, &platform.parts.overloaded);
        KeptSample { id: send.id, exclusion: sample.exclusion_with(&platform.declared), sample }
    };
    Ok(sends.iter().map(kept).collect())
}

async fn begin(app: &App, account: AccountId, time: Span) -> std::result::Result<Rules, Failure> {
    let mut reads = app.read().await?;
    let groups = Groups::of(&mut reads, Some(account), time).await?;
    Rules::read(&mut reads, time, &groups).await
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

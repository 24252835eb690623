//! The two promises of speed, judged by what was really sent: how soon quick sends are delivered,
//! and how many calls a minute can start.

mod account;
mod minutes;
mod missed;
mod parts;
mod survey;

use domain::Timestamp;
use domain::agreement::capacity::Capacity;
use domain::agreement::delivery::{
    AbnormalPeriod, Delivery, Promised, Undeclarable, Withdrawn, may_be_declared,
};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use store::capacity_test::{CapacityTest, End};

pub(crate) use self::account::Deliveries;
pub use self::account::{AccountDelivery, KeptSample, of_account, samples};
pub(crate) use self::missed::enter_missed;
pub(crate) use self::parts::Judged;
pub use self::parts::{Part, Parts, judged};

use self::survey::{Rules, Survey};
use crate::agreement::at as agreement_at;
use crate::outage::Groups;
use crate::{App, Error, Result};

/// Longest reason or author of a declared period, bytes.
const TEXT_MAX: usize = 2000;
/// Sends that are read at once.
const PAGE: u32 = 5_000;
const MINUTE_US: i64 = 60_000_000;

/// Why a period was not declared, or a month not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseRefusal {
    /// The month has not begun.
    NotBegun,
    /// It lies in the future.
    Future,
    /// It is longer than the longest month.
    Long,
    /// There is no declared period of that number that stands.
    NoSuchPeriod,
    /// A reason or a name is missing, or too long.
    Text,
    /// The month is too long ago to be judged for everybody who asks.
    LongAgo,
    /// Another month is judged just now, and this one never was.
    Busy,
}

/// What a month came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promises {
    /// The delivery of quick sends, without the samples of declared periods.
    pub delivery: Delivery,
    /// The same with those samples.
    pub with_declared: Delivery,
    /// What the agreement promises of the delivery.
    pub promised: Promised,
    /// The declared periods, also those that were taken back, which take no samples.
    pub declared: Vec<AbnormalPeriod>,
    /// The capacity of the platform, as customers' demand shows it.
    pub capacity: Capacity,
    /// The tests of the load in order. The last one that called anybody and ended counts
    /// where demand says nothing.
    pub tests: Vec<CapacityTest>,
    /// What a qualifying minute has to start.
    pub starts_min: u64,
    /// By which version of the agreement.
    pub agreement: u32,
    /// When it was judged.
    pub judged_at: Timestamp,
    /// What the figures are the sums of.
    pub parts: Parts,
}

impl Promises {
    /// Whether the capacity was there, as far as demand or a test of the load tells. A test that
    /// called nobody tells nothing: it may have had nobody to call it, or no carrier.
    pub fn capacity_met(&self) -> Option<bool> {
        let called = |end: &End| end.minute_from.is_some();
        let ended = self.tests.iter().rev().find_map(|test| test.end.filter(called));
        self.capacity.met_or_tested(ended.map(|end| end.minute), self.starts_min)
    }
}

/// Declares a time not to have been normal, which has begun and is at most a month (A15, T198). The
/// answer is its number.
///
/// # Errors
/// Refused when it lies in the future, is too long, or nobody says why.
pub async fn declare(
    app: &App,
    span: Span,
    reason: &str,
    author: &str,
) -> Result<i64, PromiseRefusal> {
    said(&[reason, author])?;
    let now = app.now();
    may_be_declared(span, now).map_err(|why| {
        Error::Refused(match why {
            Undeclarable::Future => PromiseRefusal::Future,
            Undeclarable::Long => PromiseRefusal::Long,
        })
    })?;
    let (reason, author) = (reason.to_owned(), author.to_owned());
    let period = AbnormalPeriod { id: 0, span, reason, author, declared_at: now, withdrawn: None };
    app.write(async |tx| {
        let declared_at = store::chain::now(tx, now).await?;
        let period = AbnormalPeriod { declared_at, ..period.clone() };
        Ok(store::promise::declare(tx, &period).await?)
    })
    .await
}

/// Takes back that a time was not normal. It stays to be seen with who said so and why, and its
/// samples count again: what a frozen month missed by them is entered. Asked for again, what was
/// not entered then is.
///
/// # Errors
/// Refused when none of that number stands, or nobody says why.
pub async fn withdraw(app: &App, id: i64, because: &str, by: &str) -> Result<(), PromiseRefusal> {
    said(&[because, by])?;
    let now = app.now();
    let (by, because) = (by.to_owned(), because.to_owned());
    let withdrawn = Withdrawn { at: now, by, because };
    let done = app.write(async |tx| {
        let at = store::chain::now(tx, now).await?;
        let withdrawn = Withdrawn { at, ..withdrawn.clone() };
        Ok::<_, Error<PromiseRefusal>>(store::promise::withdraw(tx, id, &withdrawn).await?)
    });
    let done = done.await?;
    let mut reads = app.read().await?;
    let period = store::promise::period(&mut reads, id).await?;
    let Some(period) = period else { return Err(Error::Refused(PromiseRefusal::NoSuchPeriod)) };
    let frozen = store::month_statement::platform_months(&mut reads).await?;
    drop(reads);
    let mut month = PersianMonth::of(period.span.from);
    while month.start() < period.span.to {
        if frozen.contains(&month) {
            enter_missed(app, month).await?;
        }
        month = month.next();
    }
    if done { Ok(()) } else { Err(Error::Refused(PromiseRefusal::NoSuchPeriod)) }
}

fn said(texts: &[&str]) -> Result<(), PromiseRefusal> {
    let is_said = |text: &&str| crate::error::is_said(text, TEXT_MAX);
    if texts.iter().all(is_said) { Ok(()) } else { Err(Error::Refused(PromiseRefusal::Text)) }
}

/// Judges a month, or as much of it as has passed. Reads every send since it began, a page at a
/// time; what is kept of them meanwhile is bounded, however many there are.
///
/// # Errors
/// Refused before it has begun.
pub async fn month(app: &App, month: PersianMonth) -> Result<Promises, PromiseRefusal> {
    let now = app.now();
    let time = Span::new(month.start(), month.end().min(now));
    let time = time.ok_or(Error::Refused(PromiseRefusal::NotBegun))?;
    let mut reads = app.read().await?;
    let agreement = agreement_at(&mut reads, month.start()).await?;
    let starts_min = agreement.draft.parameters.starts_per_minute();
    let declared = store::promise::declared(&mut reads, time).await?;
    let rules = Rules::read(&mut reads, time, &Groups::none()).await?;
    let tests = store::capacity_test::of_month(&mut reads, month).await?;
    let mut seconds = Vec::with_capacity(tests.len());
    for test in &tests {
        seconds.push(parts::seconds(&mut reads, test).await?);
    }
    drop(reads);
    let mut survey = Survey::counting(rules, starts_min, declared, now);
    survey.read(app).await?;
    let minutes = survey.minutes();
    let capacity = Capacity::of(minutes.iter().map(|(_, minute)| *minute), starts_min);
    let qualifying = minutes.into_iter().filter(|(_, one)| one.startable >= starts_min);
    let qualifying = qualifying.collect();
    let ([delivery, with_declared], parts, declared) = survey.delivered();
    Ok(Promises {
        delivery,
        with_declared,
        promised: agreement.draft.parameters.delivery(),
        capacity,
        tests,
        starts_min,
        agreement: agreement.number,
        judged_at: now,
        parts: Parts { minutes: qualifying, seconds, ..parts },
        declared,
    })
}

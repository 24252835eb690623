//! The two promises of speed, judged by what was really sent: how soon quick sends are delivered,
//! and how many calls a minute can start.

mod account;
mod missed;
mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::agreement::capacity::{Capacity, Minute};
use domain::agreement::delivery::{AbnormalPeriod, Delivery, Exclusion, Sample};
use domain::agreement::scope::CoveredPath;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::calendar::working_time::Timetable;
use domain::class::MessageClass;
use domain::dialer::disposition::OUTSIDE_HOURS;
use domain::{Disposition, QuickSendId, Timestamp};
use store::Queries;
use store::capacity_test::{CapacityTest, End};
use store::promise::Timed;

pub(crate) use self::account::Deliveries;
pub use self::account::{AccountDelivery, KeptSample, of_account, samples};
pub(crate) use self::missed::enter_missed;
pub(crate) use self::parts::Judged;
pub use self::parts::{Part, Parts, judged};

use crate::agreement::at as agreement_at;
use crate::outage::Groups;
use crate::{App, Error, Failure, Result};

/// Longest reason or author of a declared period, bytes.
const TEXT_MAX: usize = 2000;
/// Sends that are read at once.
const PAGE: u32 = 5_000;
/// The most sends of one month that are judged.
const SENDS_MAX: usize = 5_000_000;
/// Sends that were taken so long before the month may have waited into it, microseconds.
const WAITING_US: i64 = 2 * 86_400_000_000;
const MINUTE_US: i64 = 60_000_000;

/// Why a period was not declared, or a month not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseRefusal {
    /// The month has not begun.
    NotBegun,
    /// It lies in the future.
    Future,
    /// A reason or a name is missing, or too long.
    Text,
    /// The month is too long ago to be judged for everybody who asks.
    LongAgo,
    /// Another month is judged just now, and this one never was.
    Busy,
    /// It has more sends than are judged.
    TooMany,
}

/// What a month came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promises {
    /// The delivery of quick sends, without the samples of declared periods.
    pub delivery: Delivery,
    /// The same with those samples.
    pub with_declared: Delivery,
    /// Below this the mean has to stay, microseconds.
    pub mean_limit_us: i64,
    /// The declared periods.
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

/// Declares a time not to have been normal.
///
/// # Errors
/// Refused when it lies in the future, or nobody says why.
pub async fn declare(
    app: &App,
    span: Span,
    reason: &str,
    author: &str,
) -> Result<(), PromiseRefusal> {
    let said = |text: &str| !text.trim().is_empty() && text.len() <= TEXT_MAX;
    if !said(reason) || !said(author) {
        return Err(Error::Refused(PromiseRefusal::Text));
    }
    let now = app.now();
    if span.from > now {
        return Err(Error::Refused(PromiseRefusal::Future));
    }
    let (reason, author) = (reason.to_owned(), author.to_owned());
    let period = AbnormalPeriod { span, reason, author, declared_at: now };
    app.write(async |tx| Ok(store::promise::declare(tx, &period).await?)).await
}

/// Judges a month, or as much of it as has passed. Reads every send since it began.
///
/// # Errors
/// Refused before it has begun.
pub async fn month(app: &App, month: PersianMonth) -> Result<Promises, PromiseRefusal> {
    let now = app.now();
    let time = Span::new(month.start(), month.end().min(now));
    let time = time.ok_or(Error::Refused(PromiseRefusal::NotBegun))?;
    let mut reads = app.read().await?;
    let agreement = agreement_at(&mut reads, month.start()).await?;
    let declared = store::promise::declared(&mut reads, time).await?;
    let mut survey = Survey::begin(&mut reads, time, &Groups::none()).await?;
    let tests = store::capacity_test::of_month(&mut reads, month).await?;
    let mut seconds = Vec::with_capacity(tests.len());
    for test in &tests {
        seconds.push(parts::seconds(&mut reads, test).await?);
    }
    drop(reads);
    survey.read(app).await?;
    let starts_min = agreement.draft.parameters.starts_per_minute();
    let overloaded = survey.overloaded(starts_min);
    survey.exclude_overload(&overloaded);
    let qualifying = survey.minutes.judged().filter(|(_, one)| one.startable >= starts_min);
    let qualifying = qualifying.collect();
    Ok(Promises {
        delivery: Delivery::of(&survey.samples, &declared, now),
        with_declared: Delivery::of(&survey.samples, &[], now),
        mean_limit_us: agreement.draft.parameters.mean_limit_us(),
        capacity: Capacity::of(survey.minutes.judged().map(|(_, minute)| minute), starts_min),
        tests,
        starts_min,
        agreement: agreement.number,
        judged_at: now,
        parts: Parts {
            seconds,
            overloaded,
            ..Parts::of(&mut survey.samples, &declared, qualifying, now)
        },
        declared,
    })
}

/// A month's sends, as they are read.
struct Survey {
    time: Span,
    hours: Vec<(MessageClass, Timestamp, Timetable)>,
    windows: Vec<Span>,
    samples: Vec<Sample>,
    minutes: Minutes,
}

impl Survey {
    /// By what sends of a time are judged whose customer is in these groups, and no sends yet.
    async fn begin(
        reads: &mut impl Queries,
        time: Span,
        groups: &Groups,
    ) -> std::result::Result<Self, Failure> {
        let policies = store::class::all(reads).await?;
        let maintenance = crate::availability::windows(reads, time).await?;
        let holidays = Arc::new(crate::holiday::read(reads).await?);
        let hours = policies.into_iter().filter_map(|policy| {
            let timetable = Timetable::new(vec![policy.hours], Arc::clone(&holidays))?;
            Some((policy.class, policy.effective_from, timetable))
        });
        let theirs = maintenance.into_iter().filter(|window| {
            window.paths.contains(CoveredPath::QuickSend) && groups.feel(&window.scope)
        });
        Ok(Self {
            time,
            hours: hours.collect(),
            windows: theirs.map(|window| window.span).collect(),
            samples: Vec::new(),
            minutes: Minutes::new(time),
        })
    }

    /// Reads all sends that began in the month or waited into it, the newest first.
    async fn read(&mut self, app: &App) -> Result<(), PromiseRefusal> {
        let oldest = self.time.from.plus_us(-WAITING_US);
        let mut before = QuickSendId(i64::MAX);
        loop {
            let mut reads = app.read().await?;
            let page = store::promise::page(&mut reads, before, PAGE).await?;
            drop(reads);
            let Some(last) = page.last() else { return Ok(()) };
            before = last.id;
            for send in &page {
                self.take(send);
            }
            if self.samples.len() > SENDS_MAX {
                return Err(Error::Refused(PromiseRefusal::TooMany));
            }
            // Numbers rise with time, but for those that were taken at the same moment.
            if page.iter().all(|send| send.accepted_at < oldest) {
                return Ok(());
            }
        }
    }

    fn take(&mut self, send: &Timed) {
        let sample = self.sample(send);
        let held =
            matches!(sample.exclusion, Some(Exclusion::OutsideHours | Exclusion::CustomersOwn));
        self.minutes.take(send, held);
        if !send.of_campaign && self.time.contains(send.accepted_at) {
            self.samples.push(sample);
        }
    }

    /// What a send says of the delivery, but for what others did in its minute.
    fn sample(&self, send: &Timed) -> Sample {
        let ended_at = send.ended.as_ref().map(|(.., at)| *at);
        let reached_at = send.ringing_at.or(send.answered_at).or(ended_at);
        let heard = send.answered_at.zip(send.first_audio_at);
        let (accepted_at, exclusion) = (send.accepted_at, self.exclusion(send));
        Sample { accepted_at, reached_at, heard, exclusion }
    }

    /// Why a send says nothing of the normal state (A15).
    fn exclusion(&self, send: &Timed) -> Option<Exclusion> {
        let ended = send.ended.as_ref();
        if ended.is_some_and(|(_, cause, _)| cause == OUTSIDE_HOURS) || self.was_held(send) {
            return Some(Exclusion::OutsideHours);
        }
        let withdrawn =
            |how: Disposition| matches!(how, Disposition::Cancelled | Disposition::OptedOut);
        if ended.is_some_and(|(how, ..)| withdrawn(*how)) {
            return Some(Exclusion::CustomersOwn);
        }
        let in_window = self.windows.iter().any(|window| window.contains(send.accepted_at));
        in_window.then_some(Exclusion::Maintenance)
    }

    /// Whether it was given while its class may not call, and waited for that.
    fn was_held(&self, send: &Timed) -> bool {
        let of_class = self
            .hours
            .iter()
            .filter(|(class, from, _)| *class == send.class && *from <= send.accepted_at);
        let Some((.., hours)) = of_class.max_by_key(|(_, from, _)| *from) else { return false };
        let Some(open) = hours.next_open(send.accepted_at) else { return false };
        let closed = open.from > send.accepted_at;
        closed && send.started_at.is_none_or(|started| started >= open.from)
    }

    /// The minutes, by their number, in which more was given than is promised to be carried in one.
    fn overloaded(&self, starts_min: u64) -> BTreeSet<i64> {
        let mut offered: BTreeMap<i64, u64> = BTreeMap::new();
        for sample in &self.samples {
            *offered.entry(minute(sample)).or_insert(0) += 1;
        }
        offered.retain(|_, count| *count > starts_min);
        offered.into_keys().collect()
    }

    fn exclude_overload(&mut self, overloaded: &BTreeSet<i64>) {
        for sample in &mut self.samples {
            overload(sample, overloaded);
        }
    }
}

/// The number of the minute in which it was given.
fn minute(sample: &Sample) -> i64 {
    sample.accepted_at.0.div_euclid(MINUTE_US)
}

/// A sample of such a minute says nothing of the normal state.
fn overload(sample: &mut Sample, overloaded: &BTreeSet<i64>) {
    if sample.exclusion.is_none() && overloaded.contains(&minute(sample)) {
        sample.exclusion = Some(Exclusion::Overload);
    }
}

/// The whole minutes of a month: what waited at the beginning of each, and what was started in it.
struct Minutes {
    from: Timestamp,
    /// How many sends more wait at the beginning of this minute than of the one before.
    waiting: Vec<i64>,
    starts: Vec<u64>,
}

impl Minutes {
    fn new(time: Span) -> Self {
        let count = usize::try_from(time.length_us() / MINUTE_US).expect("a month is short");
        Self { from: time.from, waiting: vec![0; count + 1], starts: vec![0; count] }
    }

    /// The first minute that begins at this moment or later; the last one is none.
    fn next(&self, at: Timestamp) -> usize {
        let minutes = (at.us_since(self.from).max(0) + MINUTE_US - 1) / MINUTE_US;
        usize::try_from(minutes).unwrap_or(usize::MAX).min(self.starts.len())
    }

    /// Counts a send; one that was held could not be started.
    fn take(&mut self, send: &Timed, held: bool) {
        if let Some(started) = send.started_at.filter(|started| *started >= self.from) {
            let minute = usize::try_from(started.us_since(self.from) / MINUTE_US);
            if let Some(starts) = minute.ok().and_then(|minute| self.starts.get_mut(minute)) {
                *starts += 1;
            }
        }
        let ended = send.ended.as_ref().map(|(.., at)| *at);
        let left = send.started_at.or(ended).unwrap_or(Timestamp(i64::MAX));
        // What starts just when a minute begins waited for it.
        let (from, to) = (self.next(send.accepted_at), self.next(left.plus_us(1)));
        if !held && from < to {
            self.waiting[from] += 1;
            self.waiting[to] -= 1;
        }
    }

    /// Each of them with its moment.
    fn judged(&self) -> impl Iterator<Item = (Timestamp, Minute)> {
        let running = self.waiting.iter().scan(0_i64, |waiting, change| {
            *waiting += change;
            u64::try_from(*waiting).ok()
        });
        let minutes = running.zip(&self.starts);
        (0..).zip(minutes).map(|(n, (startable, starts))| {
            (self.from.plus_us(n * MINUTE_US), Minute { startable, starts: *starts })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::calendar::holiday::Holidays;
    use domain::class::Policy;

    /// Noon of a Sunday.
    const NOON: Timestamp = Timestamp(1_795_336_200_000_000);

    fn second(n: i64) -> Timestamp {
        NOON.plus_us(n * 1_000_000)
    }

    /// An hour from noon on, in which services may call until 13:00 less ten minutes.
    fn survey() -> Survey {
        let hours = Policy::read_hours("07:00-12:50,13:00-23:00", "none").unwrap();
        let timetable = Timetable::new(vec![hours], Holidays::default()).unwrap();
        let time = Span::new(second(0), second(3600)).unwrap();
        Survey {
            time,
            hours: vec![(MessageClass::Service, Timestamp(0), timetable)],
            windows: vec![Span::new(second(1000), second(1100)).unwrap()],
            samples: Vec::new(),
            minutes: Minutes::new(time),
        }
    }

    /// Taken at this second, rung two seconds later, heard a second after its answer.
    fn send(accepted: i64) -> Timed {
        Timed {
            id: QuickSendId(accepted),
            class: MessageClass::Service,
            of_campaign: false,
            accepted_at: second(accepted),
            started_at: Some(second(accepted + 1)),
            ended: Some((Disposition::Delivered, "bye".to_owned(), second(accepted + 60))),
            ringing_at: Some(second(accepted + 2)),
            answered_at: Some(second(accepted + 30)),
            first_audio_at: Some(second(accepted + 31)),
        }
    }

    fn judged(survey: &Survey) -> Delivery {
        Delivery::of(&survey.samples, &[], second(3600))
    }

    #[test]
    fn sends_count_by_what_we_answer_for() {
        let mut survey = survey();
        let never = Timed {
            started_at: None,
            ended: Some((Disposition::Expired, "expired".to_owned(), second(207))),
            ringing_at: None,
            answered_at: None,
            first_audio_at: None,
            ..send(200)
        };
        let busy = Timed {
            ended: Some((Disposition::Busy, "busy".to_owned(), second(305))),
            ringing_at: None,
            answered_at: None,
            first_audio_at: None,
            ..send(300)
        };
        let campaign = Timed { of_campaign: true, ..send(400) };
        let before = send(-1);
        for send in [&send(100), &never, &busy, &campaign, &before] {
            survey.take(send);
        }
        let us: Vec<i64> =
            survey.samples.iter().map(|sample| sample.attributable_us(second(3600))).collect();
        assert_eq!(us, [3_000_000, 7_000_000, 5_000_000]);
        assert_eq!(judged(&survey).raw.unwrap().mean_us(), 31_000_000);
    }

    /// T193, A15.
    #[test]
    fn what_is_not_the_normal_state_is_excluded_with_its_reason() {
        let mut survey = survey();
        let closed = 3000 + 60;
        let held = Timed { started_at: Some(second(3600)), ..send(closed) };
        let allowed = send(closed);
        let cause = (Disposition::Expired, OUTSIDE_HOURS.to_owned(), second(3599));
        let over = Timed { started_at: None, ended: Some(cause), ..send(10) };
        let withdrawn = (Disposition::Cancelled, "cancelled".to_owned(), second(20));
        let withdrawn = Timed { started_at: None, ended: Some(withdrawn), ..send(10) };
        for send in [&held, &allowed, &over, &withdrawn, &send(1050), &send(1100)] {
            survey.take(send);
        }
        let excluded = judged(&survey).excluded;
        let expected = [
            (Exclusion::OutsideHours, 2),
            (Exclusion::CustomersOwn, 1),
            (Exclusion::Maintenance, 1),
        ];
        assert_eq!(excluded, BTreeMap::from(expected));
        assert_eq!(judged(&survey).attributable.unwrap().count, 2);
    }

    #[test]
    fn more_than_is_promised_in_a_minute_is_overload() {
        let mut survey = survey();
        for _ in 0..4 {
            survey.take(&send(60));
        }
        survey.take(&send(120));
        survey.exclude_overload(&survey.overloaded(4));
        assert_eq!(judged(&survey).excluded, BTreeMap::new());
        survey.exclude_overload(&survey.overloaded(3));
        assert_eq!(judged(&survey).excluded, BTreeMap::from([(Exclusion::Overload, 4)]));
    }

    /// T195: what waits when a minute begins, campaigns too, is what it could have started.
    #[test]
    fn a_minute_is_judged_by_what_waited_at_its_beginning() {
        let mut survey = survey();
        let started = |accepted, started| Timed {
            of_campaign: true,
            started_at: Some(second(started)),
            ..send(accepted)
        };
        // Two wait from the month before; one starts in the first minute, one in the third.
        let open = Timed { started_at: None, ended: None, ..send(3590) };
        let held = Timed { started_at: Some(second(3600)), ..send(3060) };
        for send in [&started(-5, 59), &started(-5, 120), &started(60, 61), &open, &held] {
            survey.take(send);
        }
        let minutes: Vec<(u64, u64)> =
            survey.minutes.judged().map(|(_, one)| (one.startable, one.starts)).collect();
        assert_eq!(minutes.len(), 60);
        // The one that was taken just when the second minute began could have started in it.
        assert_eq!(minutes[..4], [(2, 1), (2, 1), (1, 1), (0, 0)]);
        assert_eq!(minutes[4..], [(0, 0); 56]);
        let capacity = Capacity::of(survey.minutes.judged().map(|(_, minute)| minute), 2);
        assert_eq!((capacity.qualifying, capacity.missed), (2, 2));
    }
}

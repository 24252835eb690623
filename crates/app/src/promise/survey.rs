//! A month's sends as they are gone through: each becomes a sample of the delivery and a wait in
//! line, and is forgotten. What is kept is bounded by the time they are of and by the pace at
//! which they came, and not by how many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::agreement::capacity::Minute;
use domain::agreement::delivery::{AbnormalPeriod, Delivery, Exclusion, Sample};
use domain::agreement::scope::CoveredPath;
use domain::calendar::span::Span;
use domain::calendar::working_time::Timetable;
use domain::class::MessageClass;
use domain::dialer::disposition::OUTSIDE_HOURS;
use domain::{CampaignId, Disposition, QuickSendId, Timestamp};
use store::Queries;
use store::promise::Timed;

use super::minutes::{Minutes, Until};
use super::parts::Sums;
use super::{MINUTE_US, PAGE, Parts};
use crate::outage::Groups;
use crate::{App, Failure};

/// Sends that were taken so long before the month may have waited into it, microseconds.
const WAITING_US: i64 = 2 * 86_400_000_000;
/// Sends come in the order of their numbers, in which those of a minute are near each other: after
/// so many minutes no more of one are waited for.
const NEAR_MINUTES: i64 = 10;
/// The most paced campaigns that are known of a month.
const PACES_MAX: u32 = 100_000;

/// By what sends of a time are judged.
pub(super) struct Rules {
    pub(super) time: Span,
    pub(super) hours: Vec<(MessageClass, Timestamp, Timetable)>,
    pub(super) windows: Vec<Span>,
    pub(super) paces: BTreeMap<CampaignId, u32>,
    /// Below this the mean of the deliveries has to stay, microseconds.
    pub(super) mean_us: i64,
}

impl Rules {
    /// By what sends of a time are judged whose customer is in these groups.
    pub(super) async fn read(
        reads: &mut impl Queries,
        time: Span,
        groups: &Groups,
    ) -> std::result::Result<Self, Failure> {
        let agreement = crate::agreement::at(reads, time.from).await?;
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
            paces: store::promise::paces(reads, time.from, PACES_MAX).await?.into_iter().collect(),
            mean_us: agreement.draft.parameters.delivery().mean_us,
        })
    }

    /// What a send says of the delivery, but for what others did in its minute.
    pub(super) fn sample(&self, send: &Timed) -> Sample {
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
        let withdrawn = |how: Disposition| match how {
            Disposition::OptedOut => true,
            Disposition::Cancelled => !self.was_late(send),
            _ => false,
        };
        if ended.is_some_and(|(how, ..)| withdrawn(*how)) {
            return Some(Exclusion::CustomersOwn);
        }
        let in_window = self.windows.iter().any(|window| window.contains(send.accepted_at));
        in_window.then_some(Exclusion::Maintenance)
    }

    /// Whether it had reached nobody for as long as the mean may be when its customer took it back.
    /// That is not the customer's own doing: it enters with its age, as what was never tried does
    /// (A16), and what is worst does not drop out. Who thinks better of it sooner than that says
    /// nothing of us, good or bad.
    fn was_late(&self, send: &Timed) -> bool {
        let reached = send.ringing_at.or(send.answered_at);
        let age_us = send.ended.as_ref().map_or(0, |(.., at)| at.us_since(send.accepted_at));
        reached.is_none() && age_us >= self.mean_us
    }

    /// The hours of its class, as they were when it was given.
    fn hours_of(&self, send: &Timed) -> Option<&Timetable> {
        let of_class = self
            .hours
            .iter()
            .filter(|(class, from, _)| *class == send.class && *from <= send.accepted_at);
        of_class.max_by_key(|(_, from, _)| *from).map(|(.., hours)| hours)
    }

    /// Whether it was given while its class may not call, and waited for that.
    fn was_held(&self, send: &Timed) -> bool {
        let open = self.hours_of(send).and_then(|hours| hours.next_open(send.accepted_at));
        let Some(open) = open else { return false };
        let closed = open.from > send.accepted_at;
        closed && send.started_at.is_none_or(|started| started >= open.from)
    }

    /// Counts when a send could have been started: from when it was taken until it left the line,
    /// in the hours of its class. Who opted out was never to be called.
    fn count_wait(&self, send: &Timed, minutes: &mut Minutes) {
        let ended = send.ended.as_ref().map(|(how, _, at)| (*how, *at));
        let until = match (send.started_at, ended) {
            (Some(started), _) => Until::Gone(started),
            (None, Some((Disposition::OptedOut, _))) => return,
            (None, Some((Disposition::Cancelled, at))) => Until::TakenBack(at),
            (None, Some((_, at))) => Until::Gone(at),
            // It waits still, as far as that was looked at.
            (None, None) => Until::Gone(self.time.to),
        };
        if !minutes.is_there(send.accepted_at, until) {
            return;
        }
        let (Until::Gone(left) | Until::Closed(left) | Until::TakenBack(left)) = until;
        let hours = self.hours_of(send);
        // An account with a document calls at any hour.
        let any_hour = send.started_at.is_some_and(|at| hours.is_some_and(|one| !one.is_open(at)));
        let Some(hours) = hours.filter(|_| !any_hour) else {
            return minutes.wait(send.campaign, send.accepted_at, until);
        };
        let mut from = send.accepted_at;
        while let Some(open) = hours.next_open(from).filter(|open| open.from <= left) {
            let came = open.from.max(from);
            if open.to >= left {
                return minutes.wait(send.campaign, came, until);
            }
            minutes.wait(send.campaign, came, Until::Closed(open.to));
            from = open.to;
        }
    }
}

/// In which minutes more was given than is promised to be carried in one.
enum Load {
    /// That is known.
    Known(BTreeSet<i64>),
    /// It is counted: more than so many in a minute are.
    Counted { most: u64, over: BTreeSet<i64>, open: BTreeMap<i64, Vec<Sample>> },
}

/// A month's sends, as they are gone through.
pub(super) struct Survey {
    rules: Rules,
    minutes: Minutes,
    load: Load,
    sums: Sums,
}

impl Survey {
    /// Counts in which minutes more than so many were given.
    pub(super) fn counting(
        rules: Rules,
        most: u64,
        declared: Vec<AbnormalPeriod>,
        now: Timestamp,
    ) -> Self {
        let load = Load::Counted { most, over: BTreeSet::new(), open: BTreeMap::new() };
        Self::new(rules, load, declared, now)
    }

    /// Knows in which minutes more was given than is promised to be carried.
    pub(super) fn knowing(
        rules: Rules,
        overloaded: BTreeSet<i64>,
        declared: &[AbnormalPeriod],
        now: Timestamp,
    ) -> Self {
        Self::new(rules, Load::Known(overloaded), declared.to_vec(), now)
    }

    fn new(rules: Rules, load: Load, declared: Vec<AbnormalPeriod>, now: Timestamp) -> Self {
        let minutes = Minutes::new(rules.time, rules.paces.clone());
        Self { rules, minutes, load, sums: Sums::new(declared, now) }
    }

    /// Reads all sends that began in the month or waited into it, the newest first.
    pub(super) async fn read(&mut self, app: &App) -> std::result::Result<(), Failure> {
        let oldest = self.rules.time.from.plus_us(-WAITING_US);
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
            self.settle(minute(last.accepted_at) + NEAR_MINUTES);
            // Numbers rise with time, but for those that were taken at the same moment.
            if page.iter().all(|send| send.accepted_at < oldest) {
                return Ok(());
            }
        }
    }

    /// Goes through a send.
    pub(super) fn take(&mut self, send: &Timed) {
        self.rules.count_wait(send, &mut self.minutes);
        if let Some(started) = send.started_at {
            self.minutes.start(started);
        }
        if send.campaign.is_some() || !self.rules.time.contains(send.accepted_at) {
            return;
        }
        let mut sample = self.rules.sample(send);
        let minute = minute(send.accepted_at);
        match &mut self.load {
            Load::Known(overloaded) => {
                overload(&mut sample, overloaded);
                self.sums.add(&sample);
            }
            Load::Counted { most, over, open } => {
                let of_minute = open.entry(minute).or_default();
                of_minute.push(sample);
                if over.contains(&minute) || of_minute.len() as u64 > *most {
                    over.insert(minute);
                    for sample in open.remove(&minute).iter_mut().flatten() {
                        overload(sample, over);
                        self.sums.add(sample);
                    }
                }
            }
        }
    }

    /// Sums up the minutes after this one, of which no more will come.
    fn settle(&mut self, after: i64) {
        if let Load::Counted { open, .. } = &mut self.load {
            for sample in open.split_off(&after.saturating_add(1)).into_values().flatten() {
                self.sums.add(&sample);
            }
        }
    }

    /// The minutes of the month.
    pub(super) fn minutes(&self) -> Vec<(Timestamp, Minute)> {
        self.minutes.judged()
    }

    /// What the delivery came to without the samples of declared periods and with them, what that
    /// is the sum of, and those periods.
    pub(super) fn delivered(mut self) -> ([Delivery; 2], Parts, Vec<AbnormalPeriod>) {
        self.settle(i64::MIN);
        let total = self.sums.total();
        let (parts, declared) = self.sums.into_parts();
        let overloaded = match self.load {
            Load::Known(overloaded) => overloaded,
            Load::Counted { over, .. } => over,
        };
        (total, Parts { overloaded, ..parts }, declared)
    }
}

/// The number of a minute.
fn minute(at: Timestamp) -> i64 {
    at.0.div_euclid(MINUTE_US)
}

/// A sample of such a minute says nothing of the normal state.
pub(super) fn overload(sample: &mut Sample, overloaded: &BTreeSet<i64>) {
    if sample.exclusion.is_none() && overloaded.contains(&minute(sample.accepted_at)) {
        sample.exclusion = Some(Exclusion::Overload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::agreement::capacity::Capacity;
    use domain::calendar::holiday::Holidays;
    use domain::class::Policy;

    /// A campaign of ten calls a minute.
    const PACED: CampaignId = CampaignId(9);
    /// Noon of a Sunday.
    const NOON: Timestamp = Timestamp(1_795_336_200_000_000);

    fn second(n: i64) -> Timestamp {
        NOON.plus_us(n * 1_000_000)
    }

    /// An hour from noon on, in which services may call until 13:00 less ten minutes.
    fn survey() -> Survey {
        survey_with(1000)
    }

    /// Such an hour, in a minute of which so many sends are promised to be carried.
    fn survey_with(most: u64) -> Survey {
        let hours = Policy::read_hours("07:00-12:50,13:00-23:00", "none").unwrap();
        let timetable = Timetable::new(vec![hours], Holidays::default()).unwrap();
        let time = Span::new(second(0), second(3600)).unwrap();
        let rules = Rules {
            time,
            hours: vec![(MessageClass::Service, Timestamp(0), timetable)],
            windows: vec![Span::new(second(1000), second(1100)).unwrap()],
            paces: BTreeMap::from([(PACED, 10)]),
            mean_us: 15_000_000,
        };
        Survey::counting(rules, most, Vec::new(), second(3600))
    }

    /// Taken at this second, rung two seconds later, heard a second after its answer.
    fn send(accepted: i64) -> Timed {
        Timed {
            id: QuickSendId(accepted),
            class: MessageClass::Service,
            campaign: None,
            accepted_at: second(accepted),
            started_at: Some(second(accepted + 1)),
            ended: Some((Disposition::Delivered, "bye".to_owned(), second(accepted + 60))),
            ringing_at: Some(second(accepted + 2)),
            answered_at: Some(second(accepted + 30)),
            first_audio_at: Some(second(accepted + 31)),
        }
    }

    fn judged(survey: Survey) -> Delivery {
        let ([delivery, _], ..) = survey.delivered();
        delivery
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
        let campaign = Timed { campaign: Some(CampaignId(1)), ..send(400) };
        let before = send(-1);
        for send in [&send(100), &never, &busy, &campaign, &before] {
            survey.take(send);
        }
        let ([delivery, _], parts, _) = survey.delivered();
        assert_eq!(parts.distribution, BTreeMap::from([(3, 1), (5, 1), (7, 1)]));
        assert_eq!(delivery.attributable.unwrap().mean_us(), 5_000_000);
        assert_eq!(delivery.raw.unwrap().mean_us(), 31_000_000);
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
        let delivery = judged(survey);
        let expected = [
            (Exclusion::OutsideHours, 2),
            (Exclusion::CustomersOwn, 1),
            (Exclusion::Maintenance, 1),
        ];
        assert_eq!(delivery.excluded, BTreeMap::from(expected));
        assert_eq!(delivery.attributable.unwrap().count, 2);
    }

    /// A16: who takes a send back since nobody was called for so long has waited for it; who does
    /// so at once, or once it rang, or whose callee wants no calls, has not.
    #[test]
    fn what_a_customer_gave_up_waiting_for_counts_with_its_age() {
        let mut survey = survey();
        let given_up = |how, age: i64, ringing_at| Timed {
            started_at: None,
            ended: Some((how, "cancelled".to_owned(), second(100 + age))),
            ringing_at,
            answered_at: None,
            first_audio_at: None,
            ..send(100)
        };
        let tried = |send: Timed| Timed { started_at: Some(second(101)), ..send };
        for send in [
            given_up(Disposition::Cancelled, 14, None),
            given_up(Disposition::Cancelled, 15, None),
            given_up(Disposition::Cancelled, 3000, None),
            given_up(Disposition::OptedOut, 3000, None),
            tried(given_up(Disposition::Cancelled, 45, None)),
            tried(given_up(Disposition::Cancelled, 45, Some(second(102)))),
        ] {
            survey.take(&send);
        }
        let ([delivery, _], parts, _) = survey.delivered();
        assert_eq!(parts.distribution, BTreeMap::from([(15, 1), (45, 1), (3000, 1)]));
        assert_eq!(delivery.excluded, BTreeMap::from([(Exclusion::CustomersOwn, 3)]));
    }

    #[test]
    fn more_than_is_promised_in_a_minute_is_overload() {
        for (most, excluded) in [(4, None), (3, Some(4))] {
            let mut survey = survey_with(most);
            for _ in 0..4 {
                survey.take(&send(60));
            }
            survey.take(&send(120));
            let expected = excluded.map(|count| (Exclusion::Overload, count));
            let ([delivery, _], parts, _) = survey.delivered();
            assert_eq!(delivery.excluded, expected.into_iter().collect());
            assert_eq!(parts.overloaded.len(), usize::from(excluded.is_some()));
        }
    }

    /// Goal: a month of very many sends is judged, and no more of them are kept at a time than came
    /// in a few minutes.
    #[test]
    fn very_many_sends_are_forgotten_as_they_are_gone_through() {
        let mut survey = survey();
        let mut most = 0;
        for second in (0..3600_i64).rev() {
            for _ in 0..15 {
                survey.take(&send(second));
            }
            survey.settle(minute(super::tests::second(second)) + NEAR_MINUTES);
            let Load::Counted { open, .. } = &survey.load else { panic!("it is counted") };
            most = most.max(open.values().map(Vec::len).sum());
        }
        assert!(most <= 12 * 60 * 15, "{most} of {} were kept", 3600 * 15);
        let delivery = judged(survey);
        let all = delivery.attributable.unwrap().count + delivery.excluded.values().sum::<usize>();
        assert_eq!(all, 3600 * 15);
    }

    /// T195: what waits when a minute begins, campaigns too, is what it could have started.
    #[test]
    fn a_minute_is_judged_by_what_waited_at_its_beginning() {
        let mut survey = survey();
        let started = |accepted, started| Timed {
            campaign: Some(CampaignId(1)),
            started_at: Some(second(started)),
            ..send(accepted)
        };
        // Two wait from the month before; one starts in the first minute, one in the third.
        let open = Timed { started_at: None, ended: None, ..send(3590) };
        for send in [&started(-5, 59), &started(-5, 120), &started(60, 61), &open] {
            survey.take(send);
        }
        let minutes = minutes(&survey);
        assert_eq!(minutes.len(), 60);
        // The one that was taken just when the second minute began could have started in it.
        assert_eq!(minutes[..4], [(2, 1), (2, 1), (1, 1), (0, 0)]);
        assert_eq!(minutes[4..], [(0, 0); 56]);
        let judged = survey.minutes().into_iter().map(|(_, minute)| minute);
        let capacity = Capacity::of(judged, 2);
        assert_eq!((capacity.qualifying, capacity.missed), (2, 2));
    }

    fn minutes(survey: &Survey) -> Vec<(u64, u64)> {
        survey.minutes().iter().map(|(_, one)| (one.startable, one.starts)).collect()
    }

    /// A17, T193: what was given outside hours could be started from when they begin, and not while
    /// they are interrupted; what was taken back could until then.
    #[test]
    fn a_send_is_held_only_until_its_hours_begin() {
        let startable = |send: Timed| -> Vec<usize> {
            let mut survey = survey();
            survey.take(&send);
            let minutes = minutes(&survey);
            (0..60).filter(|minute| minutes[*minute].0 == 1).collect()
        };
        let waits = |accepted| Timed { started_at: None, ended: None, ..send(accepted) };
        // The hours are interrupted from 12:50 to 13:00, which is the end of the hour.
        assert_eq!(startable(waits(45 * 60)), (45..50).collect::<Vec<_>>());
        assert_eq!(startable(waits(50 * 60)), []);
        let mut longer = survey();
        longer.rules.time.to = second(2 * 3600);
        longer.minutes = Minutes::new(longer.rules.time, BTreeMap::new());
        longer.take(&Timed { started_at: Some(second(63 * 60 + 5)), ..send(52 * 60) });
        let open: Vec<usize> = (0..120).filter(|n| minutes(&longer)[*n].0 == 1).collect();
        assert_eq!(open, [60, 61, 62, 63], "held until 13:00, and waiting from then on");
        let ended = |how, at| Timed {
            started_at: None,
            ended: Some((how, String::new(), second(at))),
            ..send(5 * 60)
        };
        // Taken back within the ninth minute: it could have been started in all before it.
        assert_eq!(startable(ended(Disposition::Cancelled, 8 * 60 + 30)), [5, 6, 7]);
        assert_eq!(startable(ended(Disposition::Expired, 8 * 60 + 30)), [5, 6, 7, 8]);
        assert_eq!(startable(ended(Disposition::OptedOut, 8 * 60 + 30)), []);
        // Who has a document calls outside the hours, and waits there, too.
        let any_hour = Timed { started_at: Some(second(55 * 60)), ..send(48 * 60) };
        assert_eq!(startable(any_hour), (48..=55).collect::<Vec<_>>());
    }

    /// T197: what a customer throttles could not be started, and does not hide what others have
    /// waiting.
    #[test]
    fn what_a_customer_throttles_could_not_be_started() {
        let mut survey = survey();
        let waits = |campaign, from, to| Timed {
            campaign: Some(campaign),
            started_at: Some(second(to)),
            ..send(from)
        };
        for _ in 0..50 {
            survey.take(&waits(PACED, 60, 179));
            survey.take(&waits(CampaignId(1), 120, 239));
        }
        let startable: Vec<u64> = minutes(&survey)[..5].iter().map(|one| one.0).collect();
        assert_eq!(startable, [0, 10, 60, 50, 0]);
    }
}

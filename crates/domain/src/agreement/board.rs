//! The manager's board: every clock that runs, who holds it, and how urgent it is (C03, T105).
//! Nothing is left out because something else is nearer.

use std::collections::BTreeMap;

use super::clock::State as Clock;
use crate::calendar::day::Day;
use crate::calendar::working_time::Timetable;
use crate::{AccountId, Timestamp};

/// Days before a deadline in which the desk opens at least once.
const DAYS_BACK: i32 = 30;

/// What a clock is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A ticket where it is our turn (A10).
    Ticket,
    /// The result of a reported error (N10).
    Triage,
    /// The fix of one, or a date for it (N11).
    Fix,
    /// What was announced for one (N12).
    Delivery,
    /// A callback (A12).
    Callback,
    /// A caller who waits on the line: until the offer to be called back, and then for an expert
    /// (C14, C15).
    Caller,
    /// A claim that is to be decided, and the decision told (A28).
    Claim,
    /// A frozen month that nothing decides but evidence: then its low figures stand.
    Evidence,
    /// A frozen month that something touched since: somebody has to look at it, and to sign what
    /// changes. It has as many days as its evidence had.
    Review,
    /// The notice of a maintenance (N4).
    Notice,
    /// A violation that is disputed; nobody has said by when.
    Dispute,
    /// What is owed to a customer who gets no invoice any more: the committee decides how it is
    /// paid, and nobody has said by when (A26).
    Payout,
}

/// How urgent it is; the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// It is missed.
    Missed,
    /// A quarter of its time is left, or less.
    Soon,
    /// It runs.
    Running,
    /// It stands.
    Paused,
}

/// A clock on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is of.
    pub subject: Subject,
    /// The number of that; of a month its digits, as 140509.
    pub id: i64,
    /// Whose it is; `None` when it concerns the platform, or nobody knows.
    pub account: Option<AccountId>,
    /// Who has it.
    pub holder: Option<String>,
    /// Since when it runs.
    pub since: Timestamp,
    /// When it is due.
    pub due: Option<Timestamp>,
    /// Whether the moon may still move that, or by when somebody can act (T011).
    pub may_move: bool,
    /// By when somebody at the desk can still act: before `due` when it is closed then (T020).
    pub act_by: Option<Timestamp>,
    /// How urgent it is.
    pub urgency: Urgency,
}

impl Subject {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Ticket,
        Self::Triage,
        Self::Fix,
        Self::Delivery,
        Self::Callback,
        Self::Caller,
        Self::Claim,
        Self::Evidence,
        Self::Review,
        Self::Notice,
        Self::Dispute,
        Self::Payout,
    ];

    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Triage => "triage",
            Self::Fix => "fix",
            Self::Delivery => "delivery",
            Self::Callback => "callback",
            Self::Caller => "caller",
            Self::Claim => "claim",
            Self::Evidence => "evidence",
            Self::Review => "review",
            Self::Notice => "notice",
            Self::Dispute => "dispute",
            Self::Payout => "payout",
        }
    }
}

impl Urgency {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Soon => "due soon",
            Self::Running => "running",
            Self::Paused => "paused",
        }
    }

    /// That of a clock with events of its own; `None` when it runs no more.
    pub fn of_clock(state: Clock, is_urgent: bool) -> Option<Self> {
        match state {
            Clock::Missed => Some(Self::Missed),
            Clock::Running if is_urgent => Some(Self::Soon),
            Clock::Running => Some(Self::Running),
            Clock::Paused => Some(Self::Paused),
            Clock::Met | Clock::Cancelled => None,
        }
    }

    /// That of something that is due after so much time, of which so much is left; without a
    /// deadline it just runs.
    pub fn of_time(left_us: Option<i64>, all_us: i64) -> Self {
        match left_us {
            Some(left) if left < 0 => Self::Missed,
            Some(left) if left.saturating_mul(4) <= all_us => Self::Soon,
            _ => Self::Running,
        }
    }
}

/// By when somebody at the desk can still act before something is due.
pub fn act_by(due: Timestamp, support: &Timetable) -> Timestamp {
    let day = Day::of(due.plus_us(-1));
    let before = (0..DAYS_BACK).filter_map(|back| {
        let open = support.open_on(day.plus(-back)).filter(|span| span.from < due);
        open.map(|span| span.to.min(due)).max()
    });
    before.max().unwrap_or(due)
}

/// The clocks as the board shows them: by when they are due, and those without a deadline last.
pub fn in_order(mut entries: Vec<Entry>) -> Vec<Entry> {
    let key = |entry: &Entry| {
        let due = entry.due.unwrap_or(Timestamp(i64::MAX));
        (due, entry.subject, entry.id)
    };
    entries.sort_by_key(key);
    entries
}

/// What has to be told of the board at once: what is missed or due soon, a line for each subject.
pub fn notices(entries: &[Entry]) -> BTreeMap<Subject, String> {
    let mut urgent: BTreeMap<Subject, Vec<&Entry>> = BTreeMap::new();
    let close = |entry: &&Entry| matches!(entry.urgency, Urgency::Missed | Urgency::Soon);
    for entry in entries.iter().filter(close) {
        urgent.entry(entry.subject).or_default().push(entry);
    }
    let told = |(subject, entries): (Subject, Vec<&Entry>)| {
        let missed = entries.iter().filter(|entry| entry.urgency == Urgency::Missed).count();
        let soon = entries.len() - missed;
        let first = entries[0].id;
        (subject, format!("{missed} missed, {soon} due soon, the first of them {first}"))
    };
    urgent.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::date_time::Written;
    use crate::calendar::day::due_text;
    use crate::calendar::holiday::Holidays;
    use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

    fn support() -> Timetable {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Support);
        Timetable::new(vec![hours], Holidays::shipped()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let written = Written::parse(text).unwrap();
        written.at_second(written.second().unwrap()).unwrap()
    }

    fn entry(id: i64, due: Option<i64>, urgency: Urgency) -> Entry {
        Entry {
            subject: Subject::Ticket,
            id,
            account: None,
            holder: None,
            since: Timestamp(0),
            due: due.map(Timestamp),
            may_move: false,
            act_by: None,
            urgency,
        }
    }

    /// T020, T023: what is due while the desk is closed has to be done before it closes.
    #[test]
    fn what_is_due_at_night_is_done_in_the_evening() {
        let by = |text| due_text(act_by(at(text), &support()));
        assert_eq!(by("1405/09/06 23:50"), "1405/09/06 22:00");
        assert_eq!(by("1405/09/08 14:20"), "1405/09/08 14:00");
        assert_eq!(by("1405/09/08 13:00"), "1405/09/08 13:00");
        assert_eq!(by("1405/09/08 00:00"), "1405/09/07 24:00");
        assert_eq!(by("1405/09/08 08:30"), "1405/09/07 24:00");
    }

    /// T105.
    #[test]
    fn every_clock_is_shown_by_when_it_is_due() {
        let all = vec![
            entry(1, None, Urgency::Running),
            entry(2, Some(9), Urgency::Soon),
            entry(3, Some(5), Urgency::Missed),
            entry(4, Some(9), Urgency::Running),
        ];
        let ids: Vec<i64> = in_order(all.clone()).iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [3, 2, 4, 1]);
        let told = notices(&in_order(all));
        assert_eq!(told[&Subject::Ticket], "1 missed, 1 due soon, the first of them 3");
        assert_eq!(told.len(), 1);
        for (left, all, urgency) in [
            (Some(-1), 100, Urgency::Missed),
            (Some(0), 100, Urgency::Soon),
            (Some(25), 100, Urgency::Soon),
            (Some(26), 100, Urgency::Running),
            (None, 0, Urgency::Running),
        ] {
            assert_eq!(Urgency::of_time(left, all), urgency, "{left:?}");
        }
        let of = Urgency::of_clock;
        assert_eq!(of(Clock::Paused, true), Some(Urgency::Paused));
        assert_eq!((of(Clock::Running, true), of(Clock::Met, true)), (Some(Urgency::Soon), None));
    }

    proptest! {
        /// Nobody is told to act after something is due, or while the desk is closed.
        #[test]
        fn to_act_is_possible(minute in 0_i64..600_000) {
            let support = support();
            let due = at("1405/01/01 00:00").plus_us(minute * 60_000_000);
            let by = act_by(due, &support);
            prop_assert!(by <= due);
            prop_assert!(support.is_open(by.plus_us(-1)));
            prop_assert_eq!(support.open_us(by, due), 0);
        }
    }
}

//! A year of the agreement: outages of some and of all, maintenance told in time and too late,
//! monitors that fall silent, an invoice that is not paid. What the platform says of each month is
//! compared, to the microsecond and the rial, with a reckoning minute by minute that shares nothing
//! with it but the script.

use std::ops::Range;

use app::{App, availability, credit, invoice, maintenance, outage, subscription, violation};
use domain::agreement::availability::{Totals, Verdict, Window};
use domain::agreement::scope::{CoveredPath, Group, Paths, Scope};
use domain::agreement::violation::Clause;
use domain::billing::subscription::{Plan, State};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};

use crate::money::{hour, publish_now};
use crate::violation::month;
use crate::world::World;

const MONTHS: u16 = 12;
const MINUTE_US: i64 = 60_000_000;
const HOUR: usize = 60;
const DAY: usize = 24 * HOUR;
/// Months are frozen, and invoices made, early on this day of the next one, counted from 0.
const CLOSING: usize = 3 * DAY + 30;
/// Evidence of the month before comes too late from here on.
const LATE: usize = 24 * DAY;
/// When the unpaid invoice is found to be overdue, and when it is paid after all.
const OVERDUE: usize = 12 * DAY;
const PAID_LATE: usize = 19 * DAY + 12 * HOUR;
/// The month whose invoice the last customer does not pay in time, from 0.
const UNPAID: usize = 4;
/// A price of which every part that is paid back is whole.
const PRICE: i64 = 1_000_000;

/// Which paths, by their place among [`CoveredPath::ALL`].
type Some4 = [bool; 4];

/// What happens in a month; minutes from its start.
#[derive(Default)]
struct Script {
    silent: Vec<Range<usize>>,
    outages: Vec<Outage>,
    maintenance: Vec<Maintenance>,
}

struct Outage {
    paths: Some4,
    /// A customer's place, or everybody.
    whom: Option<usize>,
    time: Range<usize>,
}

struct Maintenance {
    paths: Some4,
    time: Range<usize>,
    told_at: usize,
}

/// Splitmix64: the same seed is the same year.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) % most as u64).unwrap()
    }

    fn paths(&mut self) -> Some4 {
        let bits = 1 + self.below(15);
        [0, 1, 2, 3].map(|path| bits & 1 << path != 0)
    }

    /// Some time within the days of every month.
    fn time(&mut self, shortest: usize, longest: usize) -> Range<usize> {
        let from = self.below(28 * DAY);
        from..from + shortest + self.below(longest - shortest)
    }

    fn script(&mut self) -> Script {
        let mut script = Script::default();
        for _ in 0..self.below(3) {
            script.silent.push(self.time(10, 5 * HOUR));
        }
        for _ in 0..self.below(5) {
            let (paths, whom) = (self.paths(), self.below(5));
            let whom = (whom < CUSTOMERS).then_some(whom);
            script.outages.push(Outage { paths, whom, time: self.time(3, 6 * HOUR) });
        }
        for _ in 0..self.below(3) {
            let from = 4 * DAY + self.below(24 * DAY);
            let time = from..from + HOUR + self.below(3 * HOUR);
            // In time, and more than two days before; or just too late.
            let lead = if self.below(3) > 0 { 48 * HOUR } else { 48 * HOUR - 1 - self.below(HOUR) };
            let told_at = from - lead;
            let paths = self.paths();
            script.outages.push(Outage { paths, whom: None, time: time.clone() });
            script.maintenance.push(Maintenance { paths, time, told_at });
        }
        script.maintenance.sort_by_key(|one| one.told_at);
        script
    }
}

/// How many customers there are: one with all paths, one with the API alone, one who is late once.
const CUSTOMERS: usize = 3;

fn has_path(customer: usize, path: usize) -> bool {
    customer != 1 || path == CoveredPath::Api.index()
}

fn paths_of(some: Some4) -> Paths {
    let named = CoveredPath::ALL.into_iter().filter(|path| some[path.index()]);
    named.fold(Paths::NONE, Paths::and)
}

/// What a month comes to by the reckoning: minutes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Minutes {
    not_covered: i64,
    down: i64,
    unknown: i64,
    planned: i64,
    up: i64,
}

impl Minutes {
    /// `customer`: whose month; `None` is the platform, which only what concerns all touches.
    fn of(script: &Script, customer: Option<usize>, length: usize, unpaid: &Range<usize>) -> Self {
        let mut all = Self::default();
        for minute in 0..length {
            if customer == Some(CUSTOMERS - 1) && unpaid.contains(&minute) {
                all.not_covered += 1;
                continue;
            }
            let (mut bad_outside, mut blind_outside, mut bad_or_blind) = (false, false, false);
            let blind = script.silent.iter().any(|time| time.contains(&minute));
            for path in 0..4 {
                if customer.is_some_and(|customer| !has_path(customer, path)) {
                    continue;
                }
                let bad = script.outages.iter().any(|one| {
                    let theirs = one.whom.is_none() || one.whom == customer;
                    theirs && one.paths[path] && one.time.contains(&minute)
                });
                let told = script.maintenance.iter().any(|one| {
                    let in_time = one.told_at + 48 * HOUR <= one.time.start;
                    in_time && one.paths[path] && one.time.contains(&minute)
                });
                bad_outside |= bad && !told;
                blind_outside |= !bad && blind && !told;
                bad_or_blind |= bad || blind;
            }
            if bad_outside {
                all.down += 1;
            } else if blind_outside {
                all.unknown += 1;
            } else if bad_or_blind {
                all.planned += 1;
            } else {
                all.up += 1;
            }
        }
        all
    }

    fn totals(self) -> Totals {
        Totals {
            not_covered_us: self.not_covered * MINUTE_US,
            planned_us: self.planned * MINUTE_US,
            down_us: self.down * MINUTE_US,
            unknown_us: self.unknown * MINUTE_US,
            up_us: self.up * MINUTE_US,
        }
    }

    /// What was missed, and of how much, is more than 99.58 %.
    fn is_enough(self, missed: i64) -> bool {
        let base = self.down + self.unknown + self.up;
        (base - missed) * 10_000 > base * 9_958
    }

    fn verdict(self) -> Verdict {
        match (self.is_enough(self.down + self.unknown), self.is_enough(self.down)) {
            (true, _) => Verdict::Met,
            (false, true) => Verdict::Undetermined,
            (false, false) => Verdict::Breached,
        }
    }

    /// What it pays back, and whether only when no evidence came in time.
    fn pays(self) -> Option<(i64, bool)> {
        let (missed, late) = match self.verdict() {
            Verdict::Met => return None,
            Verdict::Breached => (self.down, false),
            Verdict::Undetermined => (self.down + self.unknown, true),
        };
        let base = self.down + self.unknown + self.up;
        let quarter = (base - missed) * 100 < base * 99;
        Some((if quarter { PRICE / 4 } else { PRICE / 10 }, late))
    }
}

/// The platform with its customers, and what was reckoned of each month.
struct Year {
    world: World,
    customers: [(AccountId, i64); CUSTOMERS],
    scripts: Vec<Script>,
    reckoned: Vec<[Minutes; CUSTOMERS]>,
}

fn minute(month: PersianMonth, minute: usize) -> Timestamp {
    month.start().plus_us(i64::try_from(minute).unwrap() * MINUTE_US)
}

fn span(month: PersianMonth, time: &Range<usize>) -> Span {
    Span::new(minute(month, time.start), minute(month, time.end)).unwrap()
}

fn length(month: PersianMonth) -> usize {
    usize::try_from(month.end().us_since(month.start()) / MINUTE_US).unwrap()
}

impl Year {
    async fn new() -> Self {
        let world = World::new().await;
        let app = &world.app;
        maintenance::add_channel(app, "bale").await.unwrap();
        publish_now(app).await;
        let mut customers = [(AccountId(0), 0); CUSTOMERS];
        for (place, customer) in customers.iter_mut().enumerate() {
            let account = world.customer(0).await.0.account.id;
            let paths = [0, 1, 2, 3].map(|path| has_path(place, path));
            let plan = Plan {
                name: format!("plan {place}"),
                paths: paths_of(paths),
                months: 1,
                price: Rials(PRICE),
                tax_bp: 1000,
                due_days: 7,
                grace_days: 30,
            };
            let plan = subscription::add_plan(app, &plan).await.unwrap();
            let first = month("1405-10");
            let id = subscription::start(app, account, plan, first, "Sara").await.unwrap();
            *customer = (account, id);
        }
        Self { world, customers, scripts: Vec::new(), reckoned: Vec::new() }
    }

    fn app(&self) -> &App {
        &self.world.app
    }

    fn go_to(&self, at: Timestamp) {
        let ms = at.us_since(self.world.app.now()) / 1000;
        assert!(ms >= 0, "{at:?} is in the past");
        self.world.clock.advance_ms(ms);
    }

    /// The days before the first month, in which nothing fails: they are frozen first.
    async fn begin(&self) {
        let first = month("1405-09");
        self.go_to(first.end());
        let (everyone, all) = (Scope::everyone(), span(first, &(0..length(first))));
        outage::saw_working(self.app(), "m", Paths::ALL, &everyone, all).await.unwrap();
    }

    /// Tells of the maintenance that is to be told of between two minutes of a month.
    async fn tell(&self, place: usize, month: PersianMonth, between: Range<usize>) {
        let due = self.scripts[place].maintenance.iter();
        for one in due.filter(|one| between.contains(&one.told_at)) {
            self.go_to(minute(month, one.told_at));
            let paths = paths_of(one.paths);
            let (scope, span) = (Scope::everyone(), span(month, &one.time));
            let plan = Some(Window { paths, scope, span });
            let plan = maintenance::NewPlan { plan, author: "Reza".to_owned(), confirmed: true };
            let id = maintenance::announce(self.app(), "disks", None, plan).await.unwrap().id;
            maintenance::tell(self.app(), id, None, "page", "قطعی").await.unwrap();
            maintenance::tell(self.app(), id, Some("bale"), "post", "قطعی").await.unwrap();
        }
    }

    /// What monitors saw of a month, told at its end, in an order of no meaning.
    async fn evidence(&self, place: usize, month: PersianMonth) {
        self.go_to(month.end());
        let script = &self.scripts[place];
        for one in &script.outages {
            let group =
                |customer: usize| Scope::new(vec![Group::Account(self.customers[customer].0)]);
            let new = outage::NewOutage {
                paths: paths_of(one.paths),
                scope: one.whom.and_then(group).unwrap_or_else(Scope::everyone),
                from: minute(month, one.time.start),
                to: Some(minute(month, one.time.end)),
                cause: "power".to_owned(),
                evidence: "monitor 3".to_owned(),
            };
            outage::record(self.app(), new).await.unwrap();
        }
        let blind = |minute: &usize| script.silent.iter().any(|time| time.contains(minute));
        let mut from = 0;
        while let Some(start) = (from..length(month)).find(|minute| !blind(minute)) {
            from = (start..length(month)).find(blind).unwrap_or(length(month));
            let (everyone, seen) = (Scope::everyone(), span(month, &(start..from)));
            outage::saw_working(self.app(), "m", Paths::ALL, &everyone, seen).await.unwrap();
        }
    }

    /// Pays what is open, but for the invoice that is left for later.
    async fn pay(&self, leave: bool) {
        for (place, (account, _)) in self.customers.iter().enumerate() {
            let newest = invoice::list(self.app(), *account, None, 1).await.unwrap().pop();
            let Some(open) = newest.filter(|one| one.paid.is_none()) else { continue };
            if !leave || place != CUSTOMERS - 1 {
                let reference = format!("bank {}", open.id);
                invoice::pay(self.app(), open.id, (&reference, None), "Sara").await.unwrap();
            }
        }
    }

    /// A month, with the closing of the one before.
    async fn live_through(&mut self, place: usize, month: PersianMonth) {
        let leaves = place == UNPAID;
        self.tell(place, month, 0..CLOSING).await;
        self.go_to(minute(month, CLOSING));
        hour(self.app()).await;
        if place > 0 {
            self.check_frozen(place - 1).await;
        }
        self.tell(place, month, CLOSING..5 * DAY).await;
        self.go_to(minute(month, 5 * DAY));
        self.pay(leaves).await;
        self.tell(place, month, 5 * DAY..OVERDUE).await;
        self.go_to(minute(month, OVERDUE));
        hour(self.app()).await;
        self.tell(place, month, OVERDUE..PAID_LATE).await;
        self.go_to(minute(month, PAID_LATE));
        self.pay(false).await;
        self.tell(place, month, PAID_LATE..LATE).await;
        self.go_to(minute(month, LATE));
        hour(self.app()).await;
        self.tell(place, month, LATE..length(month)).await;
        self.evidence(place, month).await;
        let unpaid = if leaves { OVERDUE..PAID_LATE } else { 0..0 };
        let of =
            |customer| Minutes::of(&self.scripts[place], Some(customer), length(month), &unpaid);
        self.reckoned.push([0, 1, 2].map(of));
    }

    /// The statements of a month are what was reckoned, for each customer and the platform.
    async fn check_frozen(&self, place: usize) {
        let month = nth(place);
        let everybody = Minutes::of(&self.scripts[place], None, length(month), &(0..0));
        let accounts = self.customers.iter().map(|(account, _)| Some(*account));
        let expected = self.reckoned[place].iter().chain([&everybody]);
        for (account, expected) in accounts.chain([None]).zip(expected) {
            let shown = availability::month(self.app(), account, month).await.unwrap();
            let late = minute(month.next(), LATE);
            assert!(shown.evidence_until < late, "{month}: {:?}", shown.evidence_until);
            let [frozen] = shown.written.as_slice() else { panic!("{month} of {account:?}") };
            assert_eq!(frozen.totals, expected.totals(), "{month} of {account:?}");
            assert_eq!(frozen.verdict, Some(expected.verdict()), "{month} of {account:?}");
        }
    }

    /// Each invoice takes off what the months before it pay back, before tax, and every credit came
    /// from a month that was reckoned to pay it.
    async fn check_money(&self) {
        for (customer, (account, id)) in self.customers.iter().enumerate() {
            let pays = |place: usize| self.reckoned[place][customer].pays();
            let mut owed = Vec::new();
            for place in 0..usize::from(MONTHS) {
                let of =
                    |place: usize, late| pays(place).filter(|one| one.1 == late).map(|one| one.0);
                let before = place.checked_sub(1).and_then(|place| of(place, false));
                let earlier = place.checked_sub(2).and_then(|place| of(place, true));
                owed.push(before.unwrap_or(0) + earlier.unwrap_or(0));
            }
            let mut invoices = invoice::list(self.app(), *account, None, 100).await.unwrap();
            invoices.reverse();
            let told: Vec<i64> = invoices.iter().map(|one| one.amounts.discount.0).collect();
            assert_eq!(told, owed, "of customer {customer}");
            for one in &invoices {
                let net = PRICE - one.amounts.discount.0;
                assert_eq!((one.amounts.total.0, one.paid.is_some()), (net + net / 10, true));
            }
            let kept = credit::list(self.app(), Some(*account), None, 100).await.unwrap();
            let mut credits: Vec<_> =
                kept.iter().map(|one| (one.new.key.month, one.credit.amount().0)).collect();
            credits.sort_unstable();
            // The last month is not frozen yet, and of the one before it the evidence counts.
            let closed =
                (0..usize::from(MONTHS) - 1).filter_map(|place| Some((place, pays(place)?)));
            let expected: Vec<_> =
                closed.map(|(place, (amount, _))| (nth(place), amount)).collect();
            assert_eq!(credits, expected, "of customer {customer}");
            let state = subscription::find(self.app(), *id).await.unwrap().unwrap().state();
            assert_eq!(state, State::Active);
        }
    }

    /// What was not kept is in the ledger: of each breached month, and of the invoice.
    async fn check_ledger(&self) {
        for (customer, (account, _)) in self.customers.iter().enumerate() {
            let entries = violation::list(self.app(), Some(*account), None, 100).await.unwrap();
            let own = entries.iter().filter(|one| one.account == Some(*account));
            let count = |clause| own.clone().filter(|one| one.violation.clause() == clause).count();
            let breached = |place: &usize| self.reckoned[*place][customer].pays().is_some();
            let months = (0..usize::from(MONTHS) - 1).filter(breached).count();
            assert_eq!(count(Clause::Availability), months, "of customer {customer}");
            assert_eq!(count(Clause::Payment), usize::from(customer == CUSTOMERS - 1));
        }
    }
}

fn nth(place: usize) -> PersianMonth {
    month("1405-10").plus(u16::try_from(place).unwrap())
}

/// Three years, told apart by their seeds. I01, I03, I07, I18, decision 9.
#[tokio::test]
async fn a_year_is_what_a_naive_reckoning_says() {
    for seed in 1..=3 {
        let mut year = Year::new().await;
        let mut dice = Dice(seed);
        year.scripts = (0..MONTHS).map(|_| dice.script()).collect();
        year.begin().await;
        for place in 0..usize::from(MONTHS) {
            year.live_through(place, nth(place)).await;
        }
        year.check_money().await;
        year.check_ledger().await;
        let all = year.reckoned.iter().flatten();
        let verdicts = Verdict::ALL.map(|one| all.clone().filter(|of| of.verdict() == one).count());
        assert!(verdicts.iter().all(|count| *count > 0), "seed {seed}: {verdicts:?}");
    }
}

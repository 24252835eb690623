//! A year of the agreement: outages of some and of all, maintenance told in time and too late,
//! monitors that fall silent, an invoice that is not paid, a plan that gets dearer at once and
//! cheaper with the next month, tickets that wait, claims that are granted and refused. What the
//! platform says of each month is compared, to the microsecond and
//! the rial, with a reckoning minute by minute that shares nothing with it but the script.

mod reckoning;
mod script;

use std::collections::BTreeMap;
use std::ops::Range;

use app::claim::{self, Asked, ClaimRefusal, DISCOUNT};
use app::ticket::{self, Who};
use app::{
    App, Caller, availability, credit, invoice, maintenance, outage, subscription, violation,
};
use domain::agreement::availability::{Verdict, Window};
use domain::agreement::claim::{Decision, Outcome, Refusal, Track};
use domain::agreement::scope::{CoveredPath, Group, Paths, Scope};
use domain::agreement::ticket::Channel;
use domain::agreement::violation::Clause;
use domain::billing::plan_change::When;
use domain::billing::subscription::{Plan, State};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};

use self::reckoning::{Minutes, NotTaken, is_missed, taken};
use self::script::{Claim, Dice, Outage, Script, Some4, Ticket};
use crate::claim::committee;
use crate::engines::on_both_engines;
use crate::money::{hour, publish_now};
use crate::refusal;
use crate::violation::month;
use crate::world::World;

const MONTHS: u16 = 12;
pub const MINUTE_US: i64 = 60_000_000;
pub const HOUR: usize = 60;
pub const DAY: usize = 24 * HOUR;
/// Months are frozen, and invoices made, early on this day of the next one, counted from 0.
const CLOSING: usize = 3 * DAY + 30;
/// Evidence of the month before comes too late from here on.
const LATE: usize = 24 * DAY;
/// When the unpaid invoice is found to be overdue, and when it is paid after all.
const OVERDUE: usize = 12 * DAY;
const PAID_LATE: usize = 19 * DAY + 12 * HOUR;
/// The month whose invoice the last customer does not pay in time, from 0.
const UNPAID: usize = 4;
pub const PRICE: i64 = 1_000_000;
/// What all paths cost the customer who has them for a while, to the odd rial.
pub const DEAR: i64 = 1_777_777;

/// How many customers there are: one with all paths, one with the API alone, one who is late once.
pub const CUSTOMERS: usize = 3;
/// The customer with the API alone, who takes all paths for a while.
pub const CHANGES: usize = 1;
/// The month and minute in which that is decided, and holds.
pub const UPGRADE: (usize, usize) = (1, 12 * DAY + 7 * HOUR + 21);
/// When it is decided to have the API alone again: from the next month on.
pub const DOWNGRADE: (usize, usize) = (6, 9 * DAY + 11);

/// Whether a customer has the dear plan at a minute of a month.
pub fn is_dear(customer: usize, now: (usize, usize)) -> bool {
    customer == CHANGES && now >= UPGRADE && now.0 <= DOWNGRADE.0
}

pub fn has_path(customer: usize, now: (usize, usize), path: usize) -> bool {
    customer != CHANGES || is_dear(customer, now) || path == CoveredPath::Api.index()
}

fn paths_of(some: Some4) -> Paths {
    let named = CoveredPath::ALL.into_iter().filter(|path| some[path.index()]);
    named.fold(Paths::NONE, Paths::and)
}

/// The platform with its customers, and what was reckoned of each month.
struct Year<'a> {
    world: &'a World,
    customers: Vec<(Caller, i64)>,
    /// What each has at first, and what the one who changes has for a while.
    plans: Vec<i64>,
    scripts: Vec<Script>,
    reckoned: Vec<[Minutes; CUSTOMERS]>,
    /// What claims were granted in each month, of whom.
    granted: Vec<(usize, usize, i64)>,
}

/// What happens at a minute of a month.
#[derive(Clone, Copy)]
enum Act {
    /// What the server does each hour, and the month before is looked at.
    Close,
    Hour,
    /// Pays what is open; `true` leaves one invoice for later.
    Pay(bool),
    /// Another plan, of this place.
    Change(usize, When),
    /// Tells of a maintenance of this place.
    Tell(usize),
    Ask(usize),
    Answer(usize),
    /// A claim of this place in the script of this month.
    File(usize, usize),
    Decide(usize, usize),
}

pub fn minute(month: PersianMonth, minute: usize) -> Timestamp {
    month.start().plus_us(i64::try_from(minute).unwrap() * MINUTE_US)
}

fn span(month: PersianMonth, time: &Range<usize>) -> Span {
    Span::new(minute(month, time.start), minute(month, time.end)).unwrap()
}

fn length(month: PersianMonth) -> usize {
    usize::try_from(month.end().us_since(month.start()) / MINUTE_US).unwrap()
}

impl<'a> Year<'a> {
    async fn new(world: &'a World) -> Self {
        let app = &world.app;
        maintenance::add_channel(app, "bale").await.unwrap();
        publish_now(app).await;
        let (mut customers, mut plans) = (Vec::new(), Vec::new());
        let plan = |place: usize, now, price| Plan {
            name: format!("plan {place} at {price}"),
            paths: paths_of([0, 1, 2, 3].map(|path| has_path(place, now, path))),
            months: 1,
            price: Rials(price),
            tax_bp: 1000,
            due_days: 7,
            grace_days: 30,
        };
        for place in 0..CUSTOMERS {
            let caller = world.customer(0).await.0;
            let account = caller.account.id;
            let taken = subscription::add_plan(app, &plan(place, (0, 0), PRICE)).await.unwrap();
            let first = month("1405-10");
            let id = subscription::start(app, account, taken, first, "Sara").await.unwrap();
            customers.push((caller, id));
            plans.push(taken);
        }
        plans.push(subscription::add_plan(app, &plan(CHANGES, UPGRADE, DEAR)).await.unwrap());
        let (scripts, reckoned, granted) = (Vec::new(), Vec::new(), Vec::new());
        Self { world, customers, plans, scripts, reckoned, granted }
    }

    fn account(&self, customer: usize) -> AccountId {
        self.customers[customer].0.account.id
    }

    fn app(&self) -> &'a App {
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

    async fn tell(&self, place: usize, which: usize) {
        let (month, one) = (nth(place), &self.scripts[place].maintenance[which]);
        let paths = paths_of(one.paths);
        let (scope, span) = (Scope::everyone(), span(month, &one.time));
        let plan = Some(Window { paths, scope, span });
        let plan = maintenance::NewPlan { plan, author: "Reza".to_owned(), confirmed: true };
        let id = maintenance::announce(self.app(), "disks", None, plan).await.unwrap().id;
        maintenance::tell(self.app(), id, None, "page", "قطعی").await.unwrap();
        maintenance::tell(self.app(), id, Some("bale"), "post", "قطعی").await.unwrap();
    }

    async fn ask(&self, ticket: &Ticket) -> i64 {
        let account = self.account(ticket.customer);
        let (subject, text) = ("s".to_owned(), "t".to_owned());
        let channel = Channel::Form;
        let asked = ticket::Asked { channel, subject, text, about: None, context: Vec::new() };
        ticket::open(self.app(), account, Who::Customer(account), &asked).await.unwrap().0
    }

    /// Files a claim, if it is taken.
    async fn file(&self, of: usize, claim: &Claim) -> Option<i64> {
        let (track, statement) = (Track::Support, "Nobody answered.".to_owned());
        let event_at = minute(nth(of), claim.event_at);
        let asked = Asked { track, event_at, statement };
        let filed = claim::file(self.app(), &self.customers[claim.customer].0, &asked).await;
        match taken(claim, &unpaid(of)) {
            Ok(()) => Some(filed.unwrap()),
            Err(why) => {
                let rule = match why {
                    NotTaken::Unpaid => Refusal::Unpaid,
                    NotTaken::Late => Refusal::Late(2),
                };
                assert_eq!(refusal(filed), ClaimRefusal::Rule(rule));
                None
            }
        }
    }

    /// Decides a claim and pays what it grants with the next invoice.
    async fn decide(&mut self, place: usize, claim: (usize, usize), id: i64) {
        let (app, claim) = (self.app(), &self.scripts[claim.0].claims[claim.1]);
        let members = committee("t1 t2 o1");
        claim::complete(app, id, &[], "Sara").await.unwrap();
        claim::assign(app, id, &members, "Sara").await.unwrap();
        let grants = claim.granted > 0;
        let decision = Decision {
            outcome: if grants { Outcome::Accepted } else { Outcome::Rejected },
            amount: grants.then_some(Rials(claim.granted)),
            method: grants.then(|| DISCOUNT.to_owned()),
            reasons: "it was seen".to_owned(),
            votes: members.iter().map(|one| (one.name.clone(), true)).collect(),
            at: Timestamp(0),
        };
        claim::decide(app, id, decision, "Sara").await.unwrap();
        claim::announce(app, id, "Sara").await.unwrap();
        claim::settle(app, id, "as decided", "Sara").await.unwrap();
        self.granted.push((place, claim.customer, claim.granted));
    }

    /// What monitors saw of a month, told at its end, in an order of no meaning.
    async fn evidence(&self, place: usize, month: PersianMonth) {
        self.go_to(month.end());
        let script = &self.scripts[place];
        for one in &script.outages {
            let group = |customer: usize| Scope::new(vec![Group::Account(self.account(customer))]);
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
        for place in 0..CUSTOMERS {
            let newest =
                invoice::list(self.app(), self.account(place), None, 1).await.unwrap().pop();
            let Some(open) = newest.filter(|one| one.paid.is_none()) else { continue };
            if !leave || place != CUSTOMERS - 1 {
                let reference = format!("bank {}", open.id);
                invoice::pay(self.app(), open.id, (&reference, None), "Sara").await.unwrap();
            }
        }
    }

    async fn change_plan(&self, plan: usize, when: When) {
        let (id, plan) = (self.customers[CHANGES].1, self.plans[plan]);
        let account = Some(self.account(CHANGES));
        subscription::offer_plan(self.app(), plan, true).await.unwrap();
        subscription::change_plan(self.app(), account, id, (plan, when), "itself").await.unwrap();
    }

    /// What happens in a month, in order.
    fn acts(&self, place: usize) -> Vec<(usize, Act)> {
        let mut acts = vec![
            (CLOSING, Act::Close),
            (5 * DAY, Act::Pay(place == UNPAID)),
            (OVERDUE, Act::Hour),
            (PAID_LATE, Act::Pay(false)),
            (LATE, Act::Hour),
        ];
        for (at, plan, when) in
            [(UPGRADE, CUSTOMERS, When::Now), (DOWNGRADE, CHANGES, When::NextPeriod)]
        {
            if at.0 == place {
                acts.push((at.1, Act::Change(plan, when)));
            }
        }
        let script = &self.scripts[place];
        let told = script.maintenance.iter().enumerate();
        acts.extend(told.map(|(which, one)| (one.told_at, Act::Tell(which))));
        for (which, one) in script.tickets.iter().enumerate() {
            acts.push((one.asked_at, Act::Ask(which)));
            acts.push((one.asked_at + one.answered_after, Act::Answer(which)));
        }
        for (of, script) in self.scripts.iter().enumerate().take(place + 1) {
            for (which, one) in script.claims.iter().enumerate() {
                if of + one.months_later == place {
                    acts.push((one.filed_at, Act::File(of, which)));
                    acts.push((one.filed_at + 2 * DAY, Act::Decide(of, which)));
                }
            }
        }
        acts.sort_by_key(|(at, _)| *at);
        acts
    }

    /// A month, with the closing of the one before.
    async fn live_through(&mut self, place: usize, month: PersianMonth) {
        let (mut tickets, mut claims) = (BTreeMap::new(), BTreeMap::new());
        for (at, act) in self.acts(place) {
            self.go_to(minute(month, at));
            match act {
                Act::Close => {
                    self.hour().await;
                    if place > 0 {
                        self.check_frozen(place - 1).await;
                    }
                }
                Act::Hour => self.hour().await,
                Act::Pay(leave) => self.pay(leave).await,
                Act::Change(plan, when) => self.change_plan(plan, when).await,
                Act::Tell(which) => self.tell(place, which).await,
                Act::Ask(which) => {
                    let id = self.ask(&self.scripts[place].tickets[which]).await;
                    tickets.insert(which, id);
                }
                Act::Answer(which) => {
                    let id = tickets[&which];
                    ticket::answer(self.app(), id, "Ali", "It is so.").await.unwrap();
                }
                Act::File(of, which) => {
                    let filed = self.file(of, &self.scripts[of].claims[which]).await;
                    claims.extend(filed.map(|id| ((of, which), id)));
                }
                Act::Decide(of, which) => {
                    if let Some(id) = claims.get(&(of, which)) {
                        self.decide(place, (of, which), *id).await;
                    }
                }
            }
        }
        self.evidence(place, month).await;
        let of = |customer| {
            let of = (place, length(month));
            Minutes::of(&self.scripts[place], Some(customer), of, &unpaid(place))
        };
        self.reckoned.push([0, 1, 2].map(of));
    }

    async fn hour(&self) {
        hour(self.app()).await;
        ticket::look(self.app()).await.unwrap();
    }

    /// The statements of a month are what was reckoned, for each customer and the platform.
    async fn check_frozen(&self, place: usize) {
        let month = nth(place);
        let of = (place, length(month));
        let everybody = Minutes::of(&self.scripts[place], None, of, &(0..0));
        let accounts = (0..CUSTOMERS).map(|customer| Some(self.account(customer)));
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
        for customer in 0..CUSTOMERS {
            let (account, id) = (self.account(customer), self.customers[customer].1);
            let grants = |place: usize| {
                let all = self.granted.iter().filter(|one| (one.0, one.1) == (place, customer));
                all.map(|one| one.2).sum::<i64>()
            };
            let pays = |place: usize| self.reckoned[place][customer].pays();
            let mut owed = Vec::new();
            for place in 0..usize::from(MONTHS) {
                let of =
                    |place: usize, late| pays(place).filter(|one| one.1 == late).map(|one| one.0);
                let before = place.checked_sub(1).and_then(|place| of(place, false));
                let earlier = place.checked_sub(2).and_then(|place| of(place, true));
                let claims = place.checked_sub(1).map_or(0, grants);
                owed.push(before.unwrap_or(0) + earlier.unwrap_or(0) + claims);
            }
            let mut invoices = invoice::list(self.app(), account, None, 100).await.unwrap();
            invoices.reverse();
            let told: Vec<i64> = invoices.iter().map(|one| one.amounts.discount.0).collect();
            assert_eq!(told, owed, "of customer {customer}");
            for (place, one) in invoices.iter().enumerate() {
                let net = billed(customer, place) - one.amounts.discount.0;
                assert_eq!((one.amounts.total.0, one.paid.is_some()), (net + net / 10, true));
            }
            let kept = credit::list(self.app(), Some(account), None, 100).await.unwrap();
            let (of_months, of_claims): (Vec<_>, Vec<_>) =
                kept.iter().partition(|one| one.new.key.track == Track::Availability);
            let claims: i64 = of_claims.iter().map(|one| one.credit.amount().0).sum();
            assert_eq!(claims, (0..usize::from(MONTHS)).map(grants).sum::<i64>());
            let mut credits: Vec<_> =
                of_months.iter().map(|one| (one.new.key.month, one.credit.amount().0)).collect();
            credits.sort_unstable();
            // The last month is not frozen yet, and of the one before it the evidence counts.
            let closed =
                (0..usize::from(MONTHS) - 1).filter_map(|place| Some((place, pays(place)?)));
            let expected: Vec<_> =
                closed.map(|(place, (amount, _))| (nth(place), amount)).collect();
            assert_eq!(credits, expected, "of customer {customer}");
            let state = subscription::find(self.app(), id).await.unwrap().unwrap().state();
            assert_eq!(state, State::Active);
        }
    }

    /// What was not kept is in the ledger: of each breached month, the invoice, and each ticket
    /// that waited too long.
    async fn check_ledger(&self) {
        for customer in 0..CUSTOMERS {
            let account = self.account(customer);
            let entries = violation::list(self.app(), Some(account), None, 1000).await.unwrap();
            let own = entries.iter().filter(|one| one.account == Some(account));
            let count = |clause| own.clone().filter(|one| one.violation.clause() == clause).count();
            let breached = |place: &usize| self.reckoned[*place][customer].pays().is_some();
            let months = (0..usize::from(MONTHS) - 1).filter(breached).count();
            assert_eq!(count(Clause::Availability), months, "of customer {customer}");
            assert_eq!(count(Clause::Payment), usize::from(customer == CUSTOMERS - 1));
            let tickets = self.scripts.iter().enumerate().flat_map(|(place, script)| {
                let own = script.tickets.iter().filter(|one| one.customer == customer);
                own.filter(move |one| is_missed(nth(place), one))
            });
            assert_eq!(count(Clause::Ticket), tickets.count(), "of customer {customer}");
        }
    }
}

fn nth(place: usize) -> PersianMonth {
    month("1405-10").plus(u16::try_from(place).unwrap())
}

/// What the invoice of a month asks for: its plan, and after the plan got dearer the rest of the
/// month in which it did, without a part of a rial.
fn billed(customer: usize, place: usize) -> i64 {
    let price = if is_dear(customer, (place, 0)) { DEAR } else { PRICE };
    if customer != CHANGES || place != UPGRADE.0 + 1 {
        return price;
    }
    let whole = length(nth(UPGRADE.0));
    let whole_and_left = [whole, whole - UPGRADE.1].map(|minutes| i64::try_from(minutes).unwrap());
    price + (DEAR - PRICE) * whole_and_left[1] / whole_and_left[0]
}

/// When the last customer had not paid, of a month.
fn unpaid(place: usize) -> Range<usize> {
    if place == UNPAID { OVERDUE..PAID_LATE } else { 0..0 }
}

/// A year of this seed. I01, I03, I07, I08, I18, decision 9.
async fn a_year(world: &World, seed: u64) {
    let mut year = Year::new(world).await;
    let mut dice = Dice(seed);
    year.scripts = (0..MONTHS).map(|_| dice.script()).collect();
    // The same path is away before the customer who changes has it, and afterwards.
    for time in [UPGRADE.1 - 3 * HOUR..UPGRADE.1 - HOUR, UPGRADE.1 + HOUR..UPGRADE.1 + 6 * HOUR] {
        let (paths, whom) = ([false, false, false, true], Some(CHANGES));
        year.scripts[UPGRADE.0].outages.push(Outage { paths, whom, time });
    }
    year.begin().await;
    for place in 0..usize::from(MONTHS) {
        year.live_through(place, nth(place)).await;
    }
    year.check_money().await;
    year.check_ledger().await;
    let changed = year.reckoned[UPGRADE.0][CHANGES];
    assert_eq!(changed.verdict(), Verdict::Breached, "seed {seed}");
    let all = year.reckoned.iter().flatten();
    let verdicts = Verdict::ALL.map(|one| all.clone().filter(|of| of.verdict() == one).count());
    assert!(verdicts.iter().all(|count| *count > 0), "seed {seed}: {verdicts:?}");
    let scripts = year.scripts.iter().enumerate();
    let tickets = scripts.clone().flat_map(|(place, script)| {
        script.tickets.iter().map(move |one| is_missed(nth(place), one))
    });
    let missed = tickets.clone().filter(|missed| *missed).count();
    assert!((1..tickets.count()).contains(&missed), "seed {seed}: {missed} tickets");
    let granted = year.granted.iter().filter(|one| one.2 > 0).count();
    assert!((1..year.granted.len()).contains(&granted), "seed {seed}: {granted} claims");
}

/// Three years, told apart by their seeds.
async fn the_first_year_is_what_a_naive_reckoning_says(world: &World) {
    a_year(world, 1).await;
}

async fn the_second_year_is_what_a_naive_reckoning_says(world: &World) {
    a_year(world, 2).await;
}

async fn the_third_year_is_what_a_naive_reckoning_says(world: &World) {
    a_year(world, 3).await;
}

on_both_engines!(
    the_first_year_is_what_a_naive_reckoning_says,
    the_second_year_is_what_a_naive_reckoning_says,
    the_third_year_is_what_a_naive_reckoning_says,
);

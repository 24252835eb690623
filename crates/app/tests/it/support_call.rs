//! Calls to the support line: the offer, the order, the tries, and what a miss becomes.

use std::collections::BTreeMap;

use app::support_call::{self, Kept, SupportCallRefusal};
use app::{App, ticket, violation};
use domain::agreement::support_call::{Attempt, Refusal, State};
use domain::agreement::violation::Clause;

use crate::engines::on_both_engines;
use crate::refusal;
use crate::violation::go_to;
use crate::world::World;

async fn entered(app: &App) -> Vec<(Clause, String)> {
    let all = violation::list(app, None, None, 100).await.unwrap();
    let shown = |kept: violation::Kept| (kept.violation.clause(), kept.reference);
    all.into_iter().rev().map(shown).collect()
}

async fn joined(app: &App, caller: &str) -> i64 {
    support_call::joined(app, None, Some(caller), "switch").await.unwrap()
}

/// T110, T111, T126: an offer is made after 80 seconds; one that comes late, or never, is entered.
#[tokio::test]
async fn an_offer_that_comes_late_is_entered() {
    let world = World::new().await;
    let app = &world.app;
    let in_time = joined(app, "09121234567").await;
    let (late, never) = (joined(app, "").await, joined(app, "").await);
    let answered = joined(app, "").await;
    world.clock.advance_ms(79_000);
    support_call::answered(app, answered, "Sara").await.unwrap();
    world.clock.advance_ms(3_000);
    support_call::offered(app, in_time, "switch").await.unwrap();
    world.clock.advance_ms(1_000);
    support_call::offered(app, late, "switch").await.unwrap();
    assert_eq!(entered(app).await, [(Clause::CallbackOffer, format!("call:{late}:offer"))]);
    world.clock.advance_ms(59_000);
    assert_eq!(support_call::look(app).await.unwrap(), 0);
    world.clock.advance_ms(1_000);
    assert_eq!(support_call::look(app).await.unwrap(), 1);
    support_call::left(app, never, "switch").await.unwrap();
    support_call::left(app, in_time, "switch").await.unwrap();
    assert_eq!(entered(app).await.len(), 2, "each once");
    let again = support_call::left(app, never, "switch").await;
    assert_eq!(refusal(again), SupportCallRefusal::Rule(Refusal::WrongState));
    go_to(&world, "1405/09/01 14:10");
    let closed = support_call::joined(app, None, None, "switch").await;
    assert_eq!(refusal(closed), SupportCallRefusal::Rule(Refusal::Closed));
}

/// T112, T113, T115, T119, T120: who registers keeps the place, once for each number, and gets a
/// ticket.
#[tokio::test]
async fn callers_are_called_back_in_the_order_in_which_they_came() {
    let world = World::new().await;
    let app = &world.app;
    let (customer, _) = world.customer(0).await;
    let account = customer.account.id;
    let first = support_call::joined(app, Some(account), Some("+989121234567"), "switch").await;
    let first = first.unwrap();
    world.clock.advance_ms(1_000);
    let (second, hidden) = (joined(app, "09121234568").await, joined(app, "").await);
    let register = async |id, number| support_call::register(app, id, number, "switch").await;
    let kept = register(second, None).await.unwrap();
    assert_eq!((kept.number.as_deref(), kept.ticket), (Some("09121234568"), None));
    let number = SupportCallRefusal::Rule(Refusal::Number);
    assert_eq!(refusal(register(hidden, None).await), number);
    assert_eq!(refusal(register(hidden, Some("110")).await), number);
    let twice = register(hidden, Some("۰۹۱۲۱۲۳۴۵۶۸")).await.unwrap();
    assert_eq!(twice.call.state, State::Doubled);
    let kept = register(first, None).await.unwrap();
    let made = ticket::find(app, Some(account), kept.ticket.unwrap()).await.unwrap().unwrap();
    assert!(made.kept.steps[0].said.contains("09121234567"));

    let next = async || support_call::next(app, "Sara").await.unwrap().map(|kept: Kept| kept.id);
    assert_eq!((next().await, next().await, next().await), (Some(first), Some(second), None));
    let attempted = async |id, attempt| {
        support_call::attempted(app, id, attempt, "Sara", "").await.unwrap().call.state
    };
    assert_eq!(attempted(first, Attempt::NoAnswer).await, State::Registered);
    assert_eq!(attempted(second, Attempt::Connected).await, State::Connected);
    assert_eq!(next().await, None, "it is too soon");
    world.clock.advance_ms(600_000);
    assert_eq!(next().await, Some(first));
    assert_eq!(attempted(first, Attempt::WrongNumber).await, State::WrongNumber);
    assert_eq!(entered(app).await, []);
    // The number is free again.
    let again = joined(app, "09121234568").await;
    assert_eq!(register(again, None).await.unwrap().call.state, State::Registered);
    let gone = support_call::withdrawn(app, again, "Sara", "wrote that it is solved").await;
    assert_eq!(gone.unwrap().call.state, State::Withdrawn);
}

/// T121, T129: what is not made by its time is entered once, for each try; who cannot be reached
/// has not kept a duty.
#[tokio::test]
async fn callbacks_that_are_missed_are_entered() {
    let world = World::new().await;
    let app = &world.app;
    let (customer, _) = world.customer(0).await;
    let account = Some(customer.account.id);
    let id = support_call::joined(app, account, Some("09121234567"), "switch").await.unwrap();
    support_call::register(app, id, None, "switch").await.unwrap();
    let next = async || support_call::next(app, "Sara").await.unwrap().map(|kept| kept.id);
    let failed =
        async || support_call::attempted(app, id, Attempt::NoAnswer, "Sara", "").await.unwrap();
    go_to(&world, "1405/09/01 14:02");
    let look = async || support_call::look(app).await.unwrap();
    assert_eq!((look().await, look().await), (1, 0));
    go_to(&world, "1405/09/01 14:50");
    next().await.unwrap();
    failed().await;
    world.clock.advance_ms(600_000);
    next().await.unwrap();
    failed().await;
    go_to(&world, "1405/09/02 00:00:01");
    assert_eq!(next().await, None, "nobody is called back at night");
    go_to(&world, "1405/09/02 08:30");
    next().await.unwrap();
    assert_eq!(failed().await.call.state, State::Unreachable);
    let expected = [
        (Clause::Callback, format!("call:{id}:callback:1")),
        (Clause::Callback, format!("call:{id}:callback:3")),
        (Clause::Reachable, format!("call:{id}:unreachable")),
    ];
    assert_eq!(entered(app).await, expected);
    assert_eq!(next().await, None);
}

/// Goal: a try that was begun within the hours counts also when it is noted after them, and who
/// talks with a customer is not disturbed by another expert.
#[tokio::test]
async fn a_callback_is_the_experts_who_makes_it() {
    let world = World::new().await;
    let app = &world.app;
    let (one, two) = (joined(app, "09121234567").await, joined(app, "09121234568").await);
    for id in [one, two] {
        support_call::register(app, id, None, "switch").await.unwrap();
    }
    let next = async |who| support_call::next(app, who).await.unwrap().map(|kept: Kept| kept.id);
    assert_eq!(next("Sara").await, Some(one));
    support_call::talking(app, one, "Sara").await.unwrap();
    world.clock.advance_ms(15 * 60_000);
    assert_eq!((next("Ali").await, next("Ali").await), (Some(two), None), "Sara still talks");
    let connected = support_call::attempted(app, one, Attempt::Connected, "Sara", "").await;
    assert_eq!(connected.unwrap().call.state, State::Connected);
    go_to(&world, "1405/09/01 13:59:30");
    assert_eq!(next("Ali").await, Some(two), "nothing was said of it for ten minutes");
    go_to(&world, "1405/09/01 14:02");
    let noted = support_call::attempted(app, two, Attempt::NoAnswer, "Ali", "").await.unwrap();
    assert_eq!(noted.call.failed_at.len(), 1);
    go_to(&world, "1405/09/01 14:20");
    assert_eq!(next("Ali").await, None, "the line is closed");
}

/// A caller as a naive list has it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Naive {
    Waits,
    /// At which number, from when on, after how many tries.
    Owed(u64, i64, u32),
    /// An expert calls that number since then.
    Called(u64, i64, u32),
    Gone,
}

/// The line, and a list of who called it in the order in which they came.
struct Line<'a> {
    world: &'a World,
    dice: u64,
    callers: Vec<(i64, Naive)>,
    seconds: i64,
}

impl Line<'_> {
    fn below(&mut self, most: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.dice >> 33) % most
    }

    /// The place of some caller of whom this holds.
    fn some(&mut self, holds: impl Fn(Naive) -> bool) -> Option<usize> {
        let places: Vec<usize> =
            (0..self.callers.len()).filter(|place| holds(self.callers[*place].1)).collect();
        let count = u64::try_from(places.len()).unwrap();
        (count > 0).then(|| places[usize::try_from(self.below(count)).unwrap()])
    }

    /// Who is to be called back at a number.
    fn owed_at(&self, number: u64) -> usize {
        let at = |one: &&(i64, Naive)| match one.1 {
            Naive::Owed(of, ..) | Naive::Called(of, ..) => of == number,
            Naive::Waits | Naive::Gone => false,
        };
        self.callers.iter().filter(at).count()
    }

    async fn register(&mut self) {
        let Some(place) = self.some(|one| one == Naive::Waits) else { return };
        let number = self.below(5);
        let text = format!("0912000000{number}");
        let id = self.callers[place].0;
        let app = &self.world.app;
        let kept = support_call::register(app, id, Some(&text), "switch").await.unwrap();
        let doubled = self.owed_at(number) > 0;
        let expected = if doubled { State::Doubled } else { State::Registered };
        assert_eq!(kept.call.state, expected, "{number} of {:?}", self.callers);
        self.callers[place].1 =
            if doubled { Naive::Gone } else { Naive::Owed(number, self.seconds, 0) };
    }

    /// An expert takes whoever came first of those who may be called now.
    async fn next(&mut self) {
        let now = self.seconds;
        let callable = |one: &&mut (i64, Naive)| match one.1 {
            Naive::Owed(_, from, _) => from <= now,
            // Of whom nothing was said for ten minutes.
            Naive::Called(_, since, _) => since + 600 <= now,
            Naive::Waits | Naive::Gone => false,
        };
        let first = self.callers.iter_mut().find(callable);
        let taken = support_call::next(&self.world.app, "Sara").await.unwrap();
        assert_eq!(taken.map(|kept| kept.id), first.as_ref().map(|one| one.0), "{first:?}");
        if let Some(one) = first
            && let Naive::Owed(number, _, tries) | Naive::Called(number, _, tries) = one.1
        {
            one.1 = Naive::Called(number, now, tries);
        }
    }

    async fn attempt(&mut self) {
        let Some(place) = self.some(|one| matches!(one, Naive::Called(..))) else { return };
        let (id, Naive::Called(number, _, tries)) = self.callers[place] else { return };
        let attempt = Attempt::ALL[usize::try_from(self.below(4)).unwrap()];
        support_call::attempted(&self.world.app, id, attempt, "Sara", "").await.unwrap();
        let failed = matches!(attempt, Attempt::NoAnswer | Attempt::Voicemail);
        self.callers[place].1 = if failed && tries < 2 {
            Naive::Owed(number, self.seconds + 600, tries + 1)
        } else {
            Naive::Gone
        };
    }

    async fn step(&mut self) {
        let seconds = i64::try_from(self.below(150)).unwrap();
        self.world.clock.advance_ms(seconds * 1000);
        self.seconds += seconds;
        let app = &self.world.app;
        match self.below(6) {
            0 | 1 => self.callers.push((joined(app, "").await, Naive::Waits)),
            2 => self.register().await,
            3 => self.next().await,
            4 => self.attempt().await,
            _ => {
                let Some(place) = self.some(|one| one == Naive::Waits) else { return };
                support_call::left(app, self.callers[place].0, "switch").await.unwrap();
                self.callers[place].1 = Naive::Gone;
            }
        }
    }
}

/// I13, I14, T119, T120: whatever callers and experts do, nobody who came later is called back
/// before who came earlier and could be, and no number has two callbacks.
async fn the_line_is_a_list_in_the_order_of_coming(world: &World) {
    // The longest window of a day: from the end of the break to midnight.
    go_to(world, "1405/09/01 14:45");
    let mut line = Line { world, dice: 7, callers: Vec::new(), seconds: 0 };
    for _ in 0..400 {
        line.step().await;
        let mut owed: BTreeMap<String, usize> = BTreeMap::new();
        for kept in support_call::list(&world.app, None, 1_000).await.unwrap() {
            if kept.call.state.is_owed() {
                *owed.entry(kept.number.unwrap()).or_insert(0) += 1;
            }
        }
        assert!(owed.values().all(|count| *count == 1), "{owed:?}");
        let known: usize = (0..5).map(|number| line.owed_at(number)).sum();
        assert_eq!(owed.len(), known);
    }
    assert!(line.seconds < 9 * 3_600, "the line closes");
    let called = line.callers.iter().filter(|one| one.1 == Naive::Gone).count();
    assert!(called > 50, "{called}");
}

on_both_engines!(the_line_is_a_list_in_the_order_of_coming);

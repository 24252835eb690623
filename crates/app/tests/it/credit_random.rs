//! What is owed for months, whatever happens to it: ten thousand moves in a real database, of which
//! many are broken off in the middle (I08, I09, T158).

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use app::credit::{self, Step};
use app::{Error, invoice, subscription};
use domain::agreement::claim::Track;
use domain::agreement::credit::{CreditKey, State};
use domain::agreement::scope::Paths;
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Rials};
use store::Queries as _;
use store::credit::NewCredit;

use crate::engines::on_postgres;
use crate::money::plan;
use crate::violation::{go_to, month};
use crate::world::World;

/// What each month of a subscription costs.
const PRICE: i64 = 1_000;
const MONTHS: [&str; 4] = ["1405-09", "1405-10", "1405-11", "1405-12"];

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Lets something go on for so many turns, and drops it then, as a process that dies does. `None`:
/// it was dropped.
async fn for_turns<T>(work: impl Future<Output = T>, turns: usize) -> Option<T> {
    let (mut work, mut left) = (pin!(work), turns);
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

struct Books<'a> {
    world: &'a World,
    dice: Dice,
    subscriptions: Vec<(AccountId, i64)>,
    /// What was proposed, which is there once.
    keys: BTreeMap<CreditKey, i64>,
    broken_off: usize,
    done: usize,
}

impl Books<'_> {
    async fn propose(&mut self) {
        let (account, subscription) = self.subscriptions[self.dice.below(4)];
        let key = CreditKey {
            account,
            subscription,
            month: month(MONTHS[self.dice.below(4)]),
            paths: Paths::ALL,
            track: [Track::Support, Track::Other][self.dice.below(2)],
            revision: u32::try_from(self.dice.below(8)).unwrap(),
        };
        let amount = Rials(i64::try_from(self.dice.below(3_000)).unwrap() + 1);
        let at = self.world.app.now();
        let new = NewCredit {
            key,
            amount,
            computed: amount,
            basis: None,
            proposed_at: at,
            owed_from: at,
        };
        let insert = async {
            let mut tx = self.world.db.begin().await.unwrap();
            let made = store::credit::insert(&mut tx, &new).await.unwrap();
            tx.commit().await.unwrap();
            made
        };
        // Who is broken off proposes again, as a close that was killed does (I09).
        let turns = self.dice.below(6);
        let broken = for_turns(insert, turns).await.is_none();
        self.broken_off += usize::from(broken);
        let mut tx = self.world.db.begin().await.unwrap();
        let again = store::credit::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        assert!(broken || again.is_none(), "{key:?} is there twice");
        *self.keys.entry(key).or_insert(0) += 1;
    }

    /// A move, or an invoice, of which one in four is broken off; whatever is refused changes
    /// nothing.
    async fn step(&mut self) {
        let app = &self.world.app;
        let credits = i64::try_from(self.keys.len()).unwrap();
        let id = i64::try_from(self.dice.below(self.keys.len().max(1))).unwrap() + 1;
        let turns = if self.dice.below(4) == 0 { self.dice.below(12) } else { usize::MAX };
        let choice = self.dice.below(10);
        let (_, subscription) = self.subscriptions[self.dice.below(4)];
        let of = month(MONTHS[self.dice.below(4)]);
        let invoice = i64::try_from(self.dice.below(24)).unwrap() + 1;
        let work = async {
            let change = async |step| match credit::change(app, id, step, "Sara", "drawn").await {
                Ok(_) => true,
                Err(Error::Refused(_)) => false,
                Err(Error::Failed(failure)) => panic!("{}", failure.chain()),
            };
            match choice {
                0..=2 => change(Step::Post).await,
                3 => change(Step::Hold).await,
                4 => change(Step::Waive).await,
                5 => change(Step::Reverse).await,
                6 => change(Step::PayOut).await,
                7 => invoice::issue(app, subscription, of).await.is_ok(),
                _ => invoice::void(app, invoice, "Sara", "drawn").await.is_ok(),
            }
        };
        assert!(credits > 0);
        match for_turns(work, turns).await {
            None => self.broken_off += 1,
            Some(done) => self.done += usize::from(done),
        }
    }

    /// Each book has what its credits say, and each thing that is owed stands once.
    async fn check(&self) {
        let mut reads = self.world.db.read().await.unwrap();
        let sql = "SELECT COUNT(*) AS keys FROM (
                       SELECT 1 AS one FROM credit
                       GROUP BY account_id, subscription_id, month, paths, track, revision
                       HAVING COUNT(*) > 1) doubled";
        let doubled: i64 = reads.query_one(sql, &[]).await.unwrap().get("keys").unwrap();
        assert_eq!(doubled, 0);
        let sql = "SELECT COALESCE(debit, '') AS debit, COALESCE(credit, '') AS credit,
                          CAST(SUM(amount_rials) AS BIGINT) AS amount
                   FROM credit_move WHERE amount_rials IS NOT NULL GROUP BY debit, credit";
        let mut books: BTreeMap<String, i64> = BTreeMap::new();
        for row in reads.query(sql, &[]).await.unwrap() {
            let amount = row.get::<i64>("amount").unwrap();
            let (debit, credit): (String, String) =
                (row.get("debit").unwrap(), row.get("credit").unwrap());
            *books.entry(debit).or_insert(0) -= amount;
            *books.entry(credit).or_insert(0) += amount;
        }
        drop(reads);
        assert_eq!(books.values().sum::<i64>(), 0);
        let mut known = BTreeSet::new();
        for (account, _) in &self.subscriptions {
            let all = credit::list(&self.world.app, Some(*account), None, 10_000).await.unwrap();
            let left: i64 = all.iter().map(|kept| kept.credit.left().0).sum();
            let owed = books.get(&format!("owed:{account}")).copied().unwrap_or(0);
            assert!(owed >= 0, "{account} owes us {owed}");
            assert_eq!(owed, left, "account {account}");
            for kept in &all {
                assert!(known.insert(kept.new.key));
                let lines: i64 = kept.credit.lines().iter().map(|line| line.amount.0).sum();
                assert!(lines + kept.credit.left().0 <= kept.credit.amount().0);
            }
        }
        assert_eq!(known, self.keys.keys().copied().collect());
    }
}

async fn whatever_happens(world: &World, moves: usize) {
    let app = &world.app;
    let offered = subscription::add_plan(app, &plan("all", 1, PRICE)).await.unwrap();
    let mut subscriptions = Vec::new();
    for _ in 0..4 {
        let account = world.customer(0).await.0.account.id;
        let first: PersianMonth = month(MONTHS[0]);
        let id = subscription::start(app, account, offered, first, "Sara").await.unwrap();
        subscriptions.push((account, id));
    }
    go_to(world, "1405/12/20 12:00");
    let mut books = Books {
        world,
        dice: Dice(158),
        subscriptions,
        keys: BTreeMap::new(),
        broken_off: 0,
        done: 0,
    };
    for n in 0..moves {
        if n % 8 == 0 {
            books.propose().await;
        } else {
            books.step().await;
        }
        if n % 500 == 499 {
            books.check().await;
        }
    }
    books.check().await;
    let audit = world.db.audit().await.unwrap();
    assert!(audit.is_clean(), "{audit:?}");
    assert!(books.broken_off > moves / 50, "{} were broken off", books.broken_off);
    assert!(books.done > moves / 50, "{} were done", books.done);
    let mut states = BTreeSet::new();
    for (account, _) in &books.subscriptions {
        let all = credit::list(app, Some(*account), None, 10_000).await.unwrap();
        states.extend(all.iter().map(|kept| kept.credit.state()));
    }
    for state in [State::Waived, State::Posted, State::Closed, State::Reversed] {
        assert!(states.contains(&state), "nothing came to {state:?}");
    }
}

/// I08, I09, T158. Goal: after ten thousand random moves, of which many are broken off, each book
/// has what its credits say, nobody owes us anything, and nothing is owed twice.
#[tokio::test]
async fn books_of_credits_balance_whatever_is_broken_off() {
    whatever_happens(&World::new().await, 10_000).await;
}

#[tokio::test]
async fn books_of_credits_balance_whatever_is_broken_off_on_postgres() {
    on_postgres(async |world| whatever_happens(world, 1_500).await).await;
}

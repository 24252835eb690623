//! Random stories: whatever happens in whatever order, everything adds up.

use domain::{AccountId, AttemptId, QuickSendId, Rials, Timestamp};
use store::entry::{EntryKind, NewEntry, Posted};
use store::hot::{Accept, EXPIRED, Failed, Leased, NOT_SENT, NodeStamp, PutBack};

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, leased, stamp};

/// A small generator (splitmix64), so that a seed is a story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

struct Story {
    dice: Dice,
    elements: Vec<Accept>,
    node: NodeStamp,
    sends: Vec<QuickSendId>,
    attempts: Vec<AttemptId>,
}

impl Story {
    async fn step(&mut self, world: &World) {
        match self.dice.roll(12) {
            0..=4 => self.accept(world).await,
            5 | 6 => self.lease(world).await,
            7 | 8 => self.settle(world).await,
            9 => self.put_back(world).await,
            10 => {
                let now = NOW.plus_ms(i64::try_from(self.dice.roll(1_200_000)).unwrap());
                let sends = self.some_sends().into_iter().map(|send| (send, EXPIRED)).collect();
                world.db.expire(sends, now).await.unwrap();
            }
            _ => self.node = world.node("a").await,
        }
    }

    async fn accept(&mut self, world: &World) {
        let mut batch = Vec::new();
        for _ in 0..=self.dice.roll(4) {
            let which = usize::try_from(self.dice.roll(self.elements.len() as u64)).unwrap();
            let mut element = self.elements[which].clone();
            element.hold = Rials(i64::try_from(self.dice.roll(900)).unwrap());
            if self.dice.roll(3) == 0 {
                element.client_reference = Some(self.dice.roll(30).to_string());
            }
            batch.push(if self.dice.roll(2) == 0 { leased(element, self.node) } else { element });
        }
        for accepted in world.db.accept(batch).await.unwrap().into_iter().flatten() {
            self.sends.push(accepted.quick_send);
            if accepted.leased {
                self.attempts.push(AttemptId { quick_send: accepted.quick_send, n: 1 });
            }
        }
    }

    async fn lease(&mut self, world: &World) {
        let wanted =
            self.some_sends().into_iter().map(|send| (send, stamp(self.node, NOW))).collect();
        let leases = world.db.lease(wanted).await.unwrap();
        self.attempts.extend(leases.into_iter().filter_map(Leased::attempt));
    }

    async fn settle(&mut self, world: &World) {
        let mut batch = Vec::new();
        for attempt in self.some_attempts() {
            batch.push(delivered(attempt, i64::try_from(self.dice.roll(1_000)).unwrap()));
        }
        world.db.settle(batch).await.unwrap();
    }

    async fn put_back(&mut self, world: &World) {
        let mut batch = Vec::new();
        for attempt in self.some_attempts() {
            let cause = if self.dice.roll(2) == 0 { NOT_SENT } else { "failed" };
            let failure = Failed { cause: cause.to_owned(), ..Failed::default() };
            batch.push(PutBack { attempt, ended_at: NOW, due_at: NOW, failure, ladder: None });
        }
        world.db.put_back(batch).await.unwrap();
    }

    fn some_sends(&mut self) -> Vec<QuickSendId> {
        let dice = &mut self.dice;
        self.sends.iter().copied().filter(|_| dice.roll(5) == 0).collect()
    }

    fn some_attempts(&mut self) -> Vec<AttemptId> {
        let dice = &mut self.dice;
        self.attempts.iter().copied().filter(|_| dice.roll(5) == 0).collect()
    }
}

/// What a customer reads line by line comes to what the account has.
async fn the_statement_is_the_balance(world: &World, account: AccountId) {
    let mut reads = world.db.read().await.unwrap();
    let ever = (Timestamp(0), Timestamp(i64::MAX));
    let lines = store::entry::statement(&mut reads, account, ever.0, ever.1, 10_000).await.unwrap();
    drop(reads);
    assert!(lines.len() > 1, "calls were charged");
    let sum: i64 = lines.iter().map(|line| line.amount.0).sum();
    assert_eq!(sum, world.funds(account).await.0);
}

both_engines! {
    /// Every sum is right after any sequence of verbs.
    async fn everything_adds_up(world) {
        for seed in 0..6 {
            let node = world.node("a").await;
            let elements = vec![world.send().await, world.send().await];
            let mut story =
                Story { dice: Dice(seed), elements, node, sends: vec![], attempts: vec![] };
            for step in 0..60 {
                story.step(world).await;
                if step % 10 == 0 {
                    let audit = world.db.audit().await.unwrap();
                    assert_eq!(audit.violations, [], "seed {seed}, step {step}");
                }
            }
            assert!(story.sends.len() > 20 && story.attempts.len() > 10, "seed {seed}");
            for element in &story.elements {
                the_statement_is_the_balance(world, element.account).await;
            }
        }
    }

    /// Whatever is held, charged, credited, lent and lent no more, in whatever order: what an
    /// account may spend never goes further below zero than its limit, or than it was already when
    /// the limit was lowered; and lowering it changes no hold and no charge.
    async fn no_debt_goes_beyond_its_limit(world) {
        let mut deepest = 0;
        for seed in 0..6 {
            let node = world.node("a").await;
            let element = world.send().await;
            let account = element.account;
            let mut story = Story {
                dice: Dice(1_000 + seed),
                elements: vec![element],
                node,
                sends: vec![],
                attempts: vec![],
            };
            spend(world, account, -9_500).await;
            let mut lowest = 0;
            for step in 0..60 {
                if step % 8 == 0 {
                    let limit = i64::try_from(story.dice.roll(4_000)).unwrap();
                    let before = world.funds(account).await;
                    lend(world, account, limit).await;
                    assert_eq!(world.funds(account).await, before, "seed {seed}, step {step}");
                    lowest = (-limit).min(before.0 - before.1);
                }
                story.step(world).await;
                let (balance, reserved) = world.funds(account).await;
                let left = balance - reserved;
                assert!(left >= lowest, "seed {seed}, step {step}: {left} below {lowest}");
                deepest = left.min(deepest);
            }
            assert_eq!(world.db.audit().await.unwrap().violations, [], "seed {seed}");
        }
        assert!(deepest < -1_000, "the limits were used: {deepest}");
    }

    /// An audit that never finds anything proves nothing: each of these is found.
    async fn the_audit_sees_what_is_wrong(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        world.accept(&element).await;
        let called = world.accept(&leased(element.clone(), node)).await;
        let ended = world.accept(&leased(element, node)).await;
        let ended = AttemptId { quick_send: ended.quick_send, n: 1 };
        world.db.settle(vec![delivered(ended, 100)]).await.unwrap();
        let wrongs = [
            "UPDATE account SET balance_rials = balance_rials + 1",
            "UPDATE account SET reserved_rials = reserved_rials + 1",
            "UPDATE entry SET amount_rials = amount_rials - 1",
            "UPDATE outcome SET charge_rials = charge_rials + 1",
            "UPDATE outcome SET release_rials = release_rials + 1",
            "UPDATE attempt SET n = 2",
            "DELETE FROM ready",
            "DELETE FROM attempt",
            "DELETE FROM outcome",
            "INSERT INTO ready (quick_send_id, class, due_at_us) VALUES (9999, 0, 0)",
            "INSERT INTO ready (quick_send_id, class, due_at_us)
             SELECT quick_send_id, 0, 0 FROM attempt",
            "UPDATE account SET balance_rials = 0",
            "UPDATE account SET balance_rials = -1, debt_limit_rials = 0",
        ];
        assert!(called.leased);
        for wrong in wrongs {
            let mut tx = world.db.begin().await.unwrap();
            tx.execute(wrong, &[]).await.unwrap();
            tx.commit().await.unwrap();
            assert!(!world.db.audit().await.unwrap().is_clean(), "{wrong}");
            restore(world).await;
            assert!(world.db.audit().await.unwrap().is_clean(), "{wrong}");
        }
    }
}

/// Posts an entry.
async fn spend(world: &World, account: AccountId, rials: i64) {
    let mut tx = world.db.begin().await.unwrap();
    let entry = NewEntry {
        account,
        kind: EntryKind::Speech,
        amount: Rials(rials),
        at: NOW,
        reference: None,
        note: String::new(),
    };
    assert_eq!(store::entry::post(&mut tx, &entry).await.unwrap(), Posted::Done);
    tx.commit().await.unwrap();
}

/// Sets how far the account may owe.
async fn lend(world: &World, account: AccountId, limit: i64) {
    let mut tx = world.db.begin().await.unwrap();
    assert!(store::account::set_debt_limit(&mut tx, account, Rials(limit)).await.unwrap());
    tx.commit().await.unwrap();
}

/// Starts over with an empty set of sends.
async fn restore(world: &World) {
    let mut tx = world.db.begin().await.unwrap();
    for sql in [
        "DELETE FROM ready",
        "DELETE FROM attempt",
        "DELETE FROM outcome",
        "DELETE FROM quick_send",
        "DELETE FROM entry",
        "UPDATE account SET balance_rials = 0, reserved_rials = 0",
    ] {
        tx.execute(sql, &[]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let node = world.node("a").await;
    let element = world.send().await;
    world.accept(&element).await;
    world.accept(&leased(element.clone(), node)).await;
    let ended = world.accept(&leased(element, node)).await;
    let ended = AttemptId { quick_send: ended.quick_send, n: 1 };
    world.db.settle(vec![delivered(ended, 100)]).await.unwrap();
}

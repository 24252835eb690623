//! Campaigns: from a list of numbers to counted results. The audit at the end of each story
//! compares every count with its rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::calendar::calling_window::CallingWindow;
use domain::campaign::admission::{CallPrices, Plan, Zones};
use domain::campaign::numbers::CompactNumber;
use domain::campaign::{PauseReason, Schedule, State};
use domain::{
    AccountId, AttemptId, CampaignId, Disposition, EventKind, MessageClass, MessageId, QuickSendId,
    Rials, TariffId, Timestamp,
};
use store::campaign::{self, Campaign, NewCampaign, Snapshot};
use store::hot::{EXPIRED, FeedOrder, Import, NodeStamp, Settle, fold, step_in, withdraw};
use store::recipient::{self, Recipient, Standing};

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, stamp};

const CLASS: u8 = 2;
const RUNNING: State = State::Running;
const PAUSED: State = State::Paused(PauseReason::Asked);

fn plan(max_tries: u32) -> Plan {
    Plan {
        title: String::from("c"),
        schedule: Schedule {
            starts_at: NOW,
            ends_at: NOW.plus_ms(86_400_000),
            daily: CallingWindow::ALWAYS,
        },
        max_tries,
        minutes_between_tries: 10,
        vote: true,
        record_ms: None,
        server: None,
        priority: 0,
        max_cost: None,
        class: MessageClass::Service,
        opt_out_key: None,
        calls_per_minute: None,
    }
}

pub fn numbers(range: std::ops::Range<u32>) -> Vec<CompactNumber> {
    range.map(|n| CompactNumber::parse(&format!("0912{n:07}")).unwrap()).collect()
}

/// A campaign in a world.
pub struct Called<'a> {
    pub world: &'a World,
    account: AccountId,
    pub id: CampaignId,
}

impl<'a> Called<'a> {
    /// One that runs, with that many mobiles.
    async fn running(world: &'a World, mobiles: u32, max_tries: u32) -> Self {
        let account = world.account(1_000_000).await;
        let message = world.message(account).await;
        let called = Self::of(world, account, message, max_tries).await;
        assert!(called.import(0, numbers(0..mobiles)).await);
        called.start(State::Draft, max_tries).await;
        called
    }

    /// A draft without numbers.
    pub async fn of(
        world: &'a World,
        account: AccountId,
        message: MessageId,
        max_tries: u32,
    ) -> Self {
        let mut tx = world.db.begin().await.unwrap();
        let new = NewCampaign { account, message, plan: plan(max_tries), created_at: NOW };
        let id = campaign::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        Self { world, account, id }
    }

    pub async fn start(&self, from: State, max_tries: u32) {
        let holds = CallPrices { internal: Rials(300), external: Rials(450) };
        let snapshot = Snapshot { tariff: Some(TariffId(1)), clip_ms: 10_000, holds };
        let mut tx = self.world.db.begin().await.unwrap();
        let plan = plan(max_tries);
        assert!(campaign::start(&mut tx, self.id, from, &plan, &snapshot, NOW).await.unwrap());
        tx.commit().await.unwrap();
    }

    pub async fn import(&self, before: u32, numbers: Vec<CompactNumber>) -> bool {
        let (account, campaign) = (self.account, self.id);
        let import = Import { account, campaign, before, numbers, values: Vec::new() };
        self.world.db.import(import).await.unwrap()
    }

    async fn now(&self) -> Campaign {
        let mut reader = self.world.db.read().await.unwrap();
        campaign::find(&mut reader, self.account, self.id).await.unwrap().unwrap()
    }

    pub async fn feed(&self, room: u32, now: Timestamp) -> u32 {
        let expires_at = now.plus_ms(3_600_000);
        let mut tx = self.world.db.begin().await.unwrap();
        let (_, locked) = campaign::lock(&mut tx, self.account, self.id).await.unwrap().unwrap();
        let slots = locked.slots(now);
        let order = FeedOrder { room, now, expires_at, class: CLASS, opt_out_key: None, slots };
        let stepped = step_in(&mut tx, &locked, order).await.unwrap();
        tx.commit().await.unwrap();
        stepped.map_or(0, |(_, count)| count)
    }

    /// Moves it to another state, and takes its line away.
    pub async fn leave(&self, from: State, to: State, now: Timestamp) -> u32 {
        let mut tx = self.world.db.begin().await.unwrap();
        campaign::lock(&mut tx, self.account, self.id).await.unwrap();
        assert!(campaign::set_state(&mut tx, self.id, from, to).await.unwrap());
        let moved = campaign::find(&mut tx, self.account, self.id).await.unwrap().unwrap();
        let count = withdraw(&mut tx, &moved, CLASS, now).await.unwrap();
        tx.commit().await.unwrap();
        count
    }

    /// Sets its pace.
    async fn pace(&self, per_minute: Option<u32>, now: Timestamp) {
        let mut tx = self.world.db.begin().await.unwrap();
        campaign::set_pace(&mut tx, self.id, per_minute, now).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Calls everybody in line, and ends all calls like this.
    pub async fn call(&self, node: NodeStamp, disposition: Disposition, at: Timestamp) -> usize {
        let mut ends = Vec::new();
        for job in self.world.ready().await {
            let attempt = self.world.lease(node, job.quick_send).await;
            ends.push(ended(attempt, disposition, at));
        }
        let count = ends.len();
        self.world.db.settle(ends).await.unwrap();
        count
    }

    pub async fn results(&self) -> Vec<(Disposition, u32)> {
        let mut reader = self.world.db.read().await.unwrap();
        let found = campaign::progress(&mut reader, self.account, self.id).await.unwrap();
        found.unwrap().1.into_iter().collect()
    }

    async fn recipients(&self) -> Vec<Recipient> {
        let mut reader = self.world.db.read().await.unwrap();
        recipient::page(&mut reader, self.account, self.id, 0, 1_000).await.unwrap()
    }

    /// (in line or called, to be called again, what is held, what was charged)
    async fn counts(&self) -> (u32, u32, i64, i64) {
        let now = self.now().await;
        (now.open, now.retrying, now.held.0, now.charged.0)
    }
}

fn ended(attempt: AttemptId, disposition: Disposition, at: Timestamp) -> Settle {
    let charge = if disposition == Disposition::Delivered { 450 } else { 0 };
    let mut end = Settle { disposition, ended_at: at, ..delivered(attempt, charge) };
    end.facts.cause = String::from("failed");
    end
}

both_engines! {
    /// A campaign with a pace steps into the line at its pace: each is due when its turn is, those
    /// who are called again before the others, and all nodes give turns away from one row.
    async fn a_paced_campaign_is_due_one_after_the_other(world) {
        let called = Called::running(world, 40, 3).await;
        let node = world.node("a").await;
        called.pace(Some(30), NOW).await;
        let paced = called.now().await;
        assert_eq!((paced.plan.calls_per_minute, paced.pace_due), (Some(30), Timestamp(0)));
        assert_eq!(called.feed(2, NOW).await, 2);
        assert_eq!(called.feed(2, NOW).await, 2, "another node goes on where the first one was");
        let at = |seconds: i64| NOW.plus_ms(seconds * 1_000);
        let due: Vec<_> = world.ready().await.iter().map(|job| job.due_at).collect();
        assert_eq!(due, [at(0), at(2), at(4), at(6)]);
        assert!(world.ready().await.iter().all(|job| {
            job.pace.is_some_and(|pace| pace.campaign == called.id && pace.per_minute == 30)
        }));
        let later = at(1_000);
        called.call(node, Disposition::Busy, at(7)).await;
        let again = called.now().await.retrying;
        assert_eq!((again, called.feed(6, later).await), (4, 6));
        let jobs = world.ready().await;
        let due: Vec<_> = jobs.iter().map(|job| job.due_at.us_since(later) / 1_000_000).collect();
        assert_eq!(due, [0, 2, 4, 6, 8, 10], "nothing is made up for");
        assert_eq!(called.now().await.pace_due, later.plus_ms(12_000));
        called.pace(Some(60), later).await;
        assert_eq!(called.now().await.pace_due, later.plus_ms(1_000), "no longer than it asks");
        called.pace(None, later).await;
        assert_eq!(called.feed(3, later).await, 3);
        let free = world.ready().await.into_iter().filter(|job| job.pace.is_none()).count();
        assert_eq!(free, 9, "of those in line, too");
        assert_eq!(called.leave(RUNNING, PAUSED, later).await, 9);
    }

    /// A list is taken in a batch at a time; a batch that comes twice is refused.
    async fn a_list_becomes_recipients(world) {
        let called = Called::running(world, 3, 1).await;
        let landline = vec![CompactNumber::parse("02112345678").unwrap()];
        assert!(!called.import(0, landline.clone()).await, "that place is taken");
        assert!(called.import(3, landline.clone()).await);
        assert_eq!(called.now().await.recipients, Zones { internal: 1, external: 3 });
        let mut reader = world.db.read().await.unwrap();
        let all = [numbers(0..3), landline].concat();
        assert_eq!(campaign::numbers(&mut reader, called.id, 0, 9).await.unwrap(), all);
        assert_eq!(campaign::numbers(&mut reader, called.id, 2, 1).await.unwrap(), all[2..3]);
        let seen = called.recipients().await;
        assert!(seen.iter().all(|one| one.standing == Standing::Uncalled), "{seen:?}");
        assert_eq!((seen[3].id.n, seen[3].number.as_str()), (4, "02112345678"));
        called.leave(RUNNING, State::Cancelled, NOW).await;
        assert!(!called.import(4, numbers(9..10)).await, "it takes no more");
    }

    /// Recipients step in a block at a time, and each end is counted once.
    async fn the_way_of_a_recipient(world) {
        let called = Called::running(world, 5, 2).await;
        let node = world.node("a").await;
        assert_eq!(called.feed(3, NOW).await, 3);
        assert_eq!(called.counts().await, (3, 0, 1_350, 0));
        assert_eq!(world.funds(called.account).await, (1_000_000, 1_350));
        let ready = world.ready().await;
        let first = &ready[0];
        assert_eq!((ready.len(), first.class, first.vote), (3, CLASS, true));
        assert_eq!(first.hold, Rials(450));
        assert_eq!(first.destination.as_str(), "09120000000");
        assert_eq!(first.expires_at, NOW.plus_ms(3_600_000));

        let attempts: Vec<_> = ready.iter().map(|job| job.quick_send).collect();
        let attempts = [
            world.lease(node, attempts[0]).await,
            world.lease(node, attempts[1]).await,
            world.lease(node, attempts[2]).await,
        ];
        assert_eq!(called.recipients().await[0].standing, Standing::Calling);
        let ends = vec![
            ended(attempts[0], Disposition::Delivered, NOW),
            ended(attempts[1], Disposition::Busy, NOW),
            ended(attempts[1], Disposition::Busy, NOW),
            ended(attempts[2], Disposition::Rejected, NOW),
        ];
        world.db.settle(ends.clone()).await.unwrap();
        world.db.settle(ends).await.unwrap();
        assert_eq!(called.counts().await, (0, 1, 0, 450));
        let once = [(Disposition::Delivered, 1), (Disposition::Rejected, 1)];
        assert_eq!(called.results().await, once);
        let again = NOW.plus_ms(600_000);
        assert_eq!(called.recipients().await[1].standing, Standing::Retrying { due_at: again });

        assert_eq!(called.feed(9, again.plus_ms(-1)).await, 2, "only those who were not called");
        assert_eq!(called.call(node, Disposition::NoAnswer, NOW).await, 2);
        assert_eq!(called.feed(9, again).await, 3, "all three are due");
        assert_eq!(called.call(node, Disposition::Busy, again).await, 3);
        assert_eq!(called.counts().await, (0, 0, 0, 450));
        let all = [(Disposition::Delivered, 1), (Disposition::Busy, 3), (Disposition::Rejected, 1)];
        assert_eq!(called.results().await, all);
        let seen = called.recipients().await;
        assert_eq!((seen[1].tries, seen[1].charge), (2, Rials(0)));
        assert_eq!(seen[1].standing, Standing::Ended(Disposition::Busy));
        assert_eq!((seen[0].tries, seen[0].charge, seen[0].vote), (1, Rials(450), Some(3)));
        assert_eq!(called.feed(9, again.plus_ms(9_000_000)).await, 0, "nobody is left");
    }

    /// Whoever stood in line when the hours ended is called in the next ones, as if never in line.
    async fn who_was_not_called_in_time_is_called_later(world) {
        let called = Called::running(world, 2, 1).await;
        let node = world.node("a").await;
        called.feed(2, NOW).await;
        let (late, sends) = (NOW.plus_ms(3_600_000), world.ready().await);
        let ids = sends.iter().map(|job| (job.quick_send, EXPIRED)).collect();
        assert_eq!(world.db.expire(ids, late).await.unwrap(), [true, true]);
        assert_eq!(called.counts().await, (0, 2, 0, 0));
        assert_eq!(called.feed(2, late).await, 2);
        called.call(node, Disposition::Delivered, late).await;
        assert_eq!(called.results().await, [(Disposition::Delivered, 2)]);
        assert_eq!(called.recipients().await[0].tries, 1);
    }

    /// Each call of a campaign is told when it ends, also the ones that step out of the line; how
    /// they stepped in is not.
    async fn ends_are_told(world) {
        let called = Called::running(world, 4, 1).await;
        crate::event::want(world, called.account).await;
        let node = world.node("a").await;
        assert_eq!(called.feed(2, NOW).await, 2);
        assert_eq!(called.call(node, Disposition::Delivered, NOW).await, 2);
        assert_eq!(called.feed(2, NOW).await, 2);
        assert_eq!(called.leave(RUNNING, State::Cancelled, NOW).await, 2);
        let told = crate::event::events(world, called.account).await;
        let ended = EventKind::MessageEnded;
        assert!(told.iter().all(|event| event.kind == ended), "{told:?}");
        let numbers: Vec<i64> = told.iter().map(|event| event.id.n).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        let subjects: std::collections::BTreeSet<i64> =
            told.iter().map(|event| event.subject).collect();
        assert_eq!(subjects.len(), 4);
        world.accept(&world.send().await).await;
        let element = crate::world::send(called.account, world.message(called.account).await);
        world.accept(&element).await;
        let last = crate::event::events(world, called.account).await.pop().unwrap();
        assert_eq!((last.id.n, last.kind), (5, EventKind::MessageAccepted));
    }

    /// A pause empties the line and gives the holds back; a call that is up goes on; resumed, it
    /// calls everybody who is left, once.
    async fn a_pause_and_going_on(world) {
        let called = Called::running(world, 4, 1).await;
        let node = world.node("a").await;
        called.feed(3, NOW).await;
        let live = world.lease(node, world.ready().await[1].quick_send).await;
        assert_eq!(called.leave(RUNNING, PAUSED, NOW.plus_ms(1)).await, 2);
        assert_eq!(world.ready().await, []);
        assert_eq!(called.counts().await, (1, 2, 450, 0));
        assert_eq!(world.funds(called.account).await, (1_000_000, 450));
        let end = ended(live, Disposition::Delivered, NOW);
        world.db.settle(vec![end]).await.unwrap();

        called.start(PAUSED, 1).await;
        assert_eq!(called.feed(9, NOW.plus_ms(2)).await, 3);
        called.call(node, Disposition::Delivered, NOW).await;
        assert_eq!(called.results().await, [(Disposition::Delivered, 4)]);
        assert_eq!(called.counts().await, (0, 0, 0, 1_800));
    }

    /// Given up: who stood in line ends as cancelled, who waited for another try with what his last
    /// call came to, and a call that is up is counted when it ends.
    async fn a_campaign_that_is_given_up(world) {
        let called = Called::running(world, 6, 3).await;
        let node = world.node("a").await;
        called.feed(2, NOW).await;
        called.call(node, Disposition::Unreachable, NOW).await;
        called.feed(3, NOW).await;
        let live = world.lease(node, world.ready().await[0].quick_send).await;
        assert_eq!(called.leave(RUNNING, State::Cancelled, NOW.plus_ms(1)).await, 2);
        assert_eq!(called.counts().await, (1, 2, 450, 0));
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(fold(&mut tx, called.id, NOW).await.unwrap(), 2);
        assert_eq!(fold(&mut tx, called.id, NOW).await.unwrap(), 0);
        tx.commit().await.unwrap();
        world.db.settle(vec![ended(live, Disposition::Busy, NOW)]).await.unwrap();
        let expected = [
            (Disposition::Busy, 1),
            (Disposition::Unreachable, 2),
            (Disposition::Cancelled, 2),
        ];
        assert_eq!(called.results().await, expected);
        assert_eq!((called.counts().await, called.now().await.uncalled()), ((0, 0, 0, 0), 1));
    }

    /// What a node has to look after, and what an owner sees.
    async fn campaigns_are_found(world) {
        let one = Called::running(world, 1, 1).await;
        let two = Called::running(world, 1, 1).await;
        let mut reader = world.db.read().await.unwrap();
        let at_work = campaign::at_work(&mut reader, 9).await.unwrap();
        assert_eq!(at_work.iter().map(|one| one.id).collect::<Vec<_>>(), [one.id, two.id]);
        assert_eq!(campaign::owner(&mut reader, two.id).await.unwrap(), Some(two.account));
        assert_eq!(campaign::find(&mut reader, one.account, two.id).await.unwrap(), None);
        let own = campaign::list(&mut reader, Some(one.account), None, 9).await.unwrap();
        assert_eq!(own.iter().map(|one| one.id).collect::<Vec<_>>(), [one.id]);
        let all = campaign::list(&mut reader, None, None, 9).await.unwrap();
        assert_eq!(all.iter().map(|one| one.id).collect::<Vec<_>>(), [two.id, one.id]);
        let older = campaign::list(&mut reader, None, Some(two.id), 9).await.unwrap();
        assert_eq!(older, own);
        let strangers = recipient::page(&mut reader, one.account, two.id, 0, 9).await.unwrap();
        assert_eq!(strangers, []);
        drop(reader);
        one.leave(RUNNING, State::Stopped, NOW).await;
        let mut reader = world.db.read().await.unwrap();
        assert_eq!(campaign::at_work(&mut reader, 9).await.unwrap().len(), 1);
    }

    /// One number is called for 450, another waits in line; each is found in every way, by its own
    /// account only.
    async fn recipients_are_found_in_every_way(world) {
        let called = Called::running(world, 3, 1).await;
        let stranger = world.account(0).await;
        let node = world.node("a").await;
        assert_eq!(called.feed(1, NOW).await, 1);
        called.call(node, Disposition::Delivered, NOW.plus_ms(9_000)).await;
        let later = NOW.plus_ms(60_000);
        assert_eq!(called.feed(1, later).await, 1);
        let told = called.recipients().await;
        let (own, call) = (called.account, told[0].send.unwrap());
        let mut reads = world.db.read().await.unwrap();
        let found = recipient::find(&mut reads, own, told[1].id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&told[1]));
        assert_eq!(recipient::find(&mut reads, stranger, told[1].id).await.unwrap(), None);
        let of_call = recipient::of_send(&mut reads, own, call).await.unwrap();
        assert_eq!(of_call, Some(told[0].id));
        assert_eq!(recipient::of_send(&mut reads, stranger, call).await.unwrap(), None);
        let all = (NOW, later.plus_us(1));
        let sent = recipient::sent(&mut reads, own, all, 0, 9).await.unwrap();
        assert_eq!(sent, told[..2]);
        let after = recipient::sent(&mut reads, own, all, told[0].id.pack(), 9).await.unwrap();
        assert_eq!(after, told[1..2]);
        assert_eq!(recipient::sent(&mut reads, own, (NOW, later), 0, 9).await.unwrap(), told[..1]);
        assert_eq!(recipient::sent(&mut reads, stranger, all, 0, 9).await.unwrap(), []);
        assert_eq!(campaign::cost(&mut reads, own, all).await.unwrap(), Rials(450));
        let second = (later, later.plus_us(1));
        assert_eq!(campaign::cost(&mut reads, own, second).await.unwrap(), Rials(0));
        assert_eq!(campaign::cost(&mut reads, stranger, all).await.unwrap(), Rials(0));
    }

    /// By the message they play, and by their first day, with the results of each.
    async fn campaigns_are_found_by_message_and_day(world) {
        let called = Called::running(world, 2, 1).await;
        let other = Called::running(world, 1, 1).await;
        let node = world.node("a").await;
        called.feed(1, NOW).await;
        called.call(node, Disposition::Busy, NOW).await;
        let message = called.now().await.message;
        let (own, id) = (called.account, called.id);
        let mut reads = world.db.read().await.unwrap();
        assert_eq!(campaign::playing(&mut reads, own, message, id, 9).await.unwrap(), [id]);
        let next = CampaignId(id.0 + 1);
        assert_eq!(campaign::playing(&mut reads, own, message, next, 9).await.unwrap(), []);
        let stranger = other.account;
        assert_eq!(campaign::playing(&mut reads, stranger, message, id, 9).await.unwrap(), []);
        let day = (NOW, NOW.plus_us(1));
        let found = campaign::starting(&mut reads, own, day, 9).await.unwrap();
        let [(one, results, _)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((one.id, results.get(&Disposition::Busy)), (id, Some(&1)));
        let before = (NOW.plus_us(-9), NOW);
        assert_eq!(campaign::starting(&mut reads, own, before, 9).await.unwrap(), []);
        assert_eq!(campaign::starting(&mut reads, own, day, 0).await.unwrap(), []);
    }

    /// Feeding, calling, expiring, pausing and going on all at once: nobody is lost, nobody is in
    /// two calls, and the counts are those of the rows.
    async fn everything_at_once(world) {
        const RECIPIENTS: u32 = 120;
        let called = Called::running(world, RECIPIENTS, 2).await;
        let node = world.node("a").await;
        let over = Arc::new(AtomicBool::new(false));
        let dial = |seed: usize| {
            let (db, over) = (world.db.clone(), over.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !over.load(Ordering::SeqCst) {
                    let ready = db.load_ready(Timestamp(i64::MIN), QuickSendId(0), 20).await;
                    for job in ready.unwrap() {
                        let element = (job.quick_send, stamp(node, NOW));
                        let leased = db.lease(vec![element]).await.unwrap()[0];
                        let Some(attempt) = leased.attempt() else { continue };
                        calls += 1;
                        let busy = (calls + seed).is_multiple_of(3);
                        let end = if busy { Disposition::Busy } else { Disposition::Delivered };
                        db.settle(vec![ended(attempt, end, NOW)]).await.unwrap();
                    }
                    tokio::task::yield_now().await;
                }
            })
        };
        let dialling = [dial(0), dial(1)];
        let mut at = NOW;
        loop {
            // A try is due ten minutes after the last one; two rounds of pauses fit in between.
            at = at.plus_ms(120_000);
            called.feed(15, at).await;
            if at.0 % 7 == 0 {
                called.leave(RUNNING, PAUSED, at).await;
                called.start(PAUSED, 2).await;
            }
            let mut reader = world.db.read().await.unwrap();
            let found = campaign::progress(&mut reader, called.account, called.id).await.unwrap();
            let (now, results, _) = found.unwrap();
            drop(reader);
            let ended: u32 = results.values().sum();
            assert_eq!(now.open + now.retrying + ended, now.cursor, "{results:?}");
            if now.cursor == RECIPIENTS && now.open == 0 && now.retrying == 0 {
                break;
            }
        }
        over.store(true, Ordering::SeqCst);
        for one in dialling {
            one.await.unwrap();
        }
        let ended: u32 = called.results().await.iter().map(|(_, count)| count).sum();
        assert_eq!(ended, RECIPIENTS);
        let seen = called.recipients().await;
        assert!(seen.iter().all(|one| (1..=2).contains(&one.tries)), "{seen:?}");
    }
}

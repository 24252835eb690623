//! Who opted out is not called, whatever waits already, and it costs nobody anything.

use std::collections::BTreeSet;

use domain::class::Basis;
use domain::judge::CallSpan;
use domain::opt_out::OptOutList;
use domain::{AccountId, Destination, Disposition, MessageClass, QuickSendId, Rials, Timestamp};
use store::hot::{Accept, Bar, DailyCap, Facts, LeaseStamp, Leased, NodeStamp, Permit, Settle};
use store::opt_out::{self, ListId};
use store::quick_send::State;

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, leased, stamp};

const NUMBER: &str = "09121234567";

fn national() -> ListId {
    ListId { list: OptOutList::National, account: AccountId(0) }
}

async fn add(world: &World, of: ListId, number: &str) -> bool {
    let mut tx = world.db.begin().await.unwrap();
    let version = opt_out::begin_change(&mut tx).await.unwrap();
    let added = opt_out::add(&mut tx, of, number, "test", (NOW, version)).await.unwrap();
    tx.commit().await.unwrap();
    added
}

async fn remove(world: &World, of: ListId, number: &str) -> bool {
    let mut tx = world.db.begin().await.unwrap();
    let version = opt_out::begin_change(&mut tx).await.unwrap();
    let removed = opt_out::remove(&mut tx, of, number, (NOW, version)).await.unwrap();
    tx.commit().await.unwrap();
    removed
}

/// A lease of a send to the usual number, as a message of this class by this account.
fn as_class(node: NodeStamp, account: AccountId, class: MessageClass) -> LeaseStamp {
    let usual = stamp(node, NOW);
    LeaseStamp { permit: Permit { account, class, ..usual.permit }, ..usual }
}

async fn lease(world: &World, send: QuickSendId, stamp: LeaseStamp) -> Leased {
    world.db.lease(vec![(send, stamp)]).await.unwrap()[0]
}

async fn forget(world: &World, before: Timestamp, most: u32) -> u64 {
    let mut tx = world.db.begin().await.unwrap();
    let forgotten = store::class::forget_daily_calls(&mut tx, before, most).await.unwrap();
    tx.commit().await.unwrap();
    forgotten
}

both_engines! {
    /// A send that waits for somebody who has opted out since ends as that, and its hold with it.
    async fn who_opted_out_is_not_called(world) {
        let element = world.send().await;
        let (account, node) = (element.account, world.node("a").await);
        let sends = [world.accept(&element).await, world.accept(&element).await];
        let own = ListId { list: OptOutList::Account, account };
        assert!(add(world, own, NUMBER).await);
        assert!(!add(world, own, NUMBER).await, "it is there already");
        let service = || as_class(node, account, MessageClass::Service);
        let barred = lease(world, sends[0].quick_send, service()).await;
        assert_eq!(barred, Leased::Barred(Bar::OptedOut));
        assert_eq!(lease(world, sends[0].quick_send, service()).await, Leased::Gone);
        let State::Ended(ended) = world.state(account, sends[0].quick_send).await else {
            panic!("not ended")
        };
        assert_eq!((ended.disposition, ended.charge), (Disposition::OptedOut, Rials(0)));
        assert_eq!((ended.attempt.n, ended.facts.cause.as_str()), (0, "opted_out"));
        assert_eq!(world.funds(account).await, (10_000, 450));
        assert!(remove(world, own, NUMBER).await);
        assert!(!remove(world, own, NUMBER).await, "it is not there any more");
        let called = lease(world, sends[1].quick_send, service()).await;
        assert!(called.attempt().is_some(), "who wants to be called again is called");
        assert!(world.db.audit().await.unwrap().is_clean());
    }

    /// Each list keeps away what it is about, and from whom.
    async fn a_list_is_about_its_classes_and_its_account(world) {
        let element = world.send().await;
        let (account, node) = (element.account, world.node("a").await);
        let stranger = ListId { list: OptOutList::Account, account: AccountId(account.0 + 1) };
        assert!(add(world, national(), NUMBER).await && add(world, stranger, NUMBER).await);
        let mut told = Vec::new();
        for class in [MessageClass::Service, MessageClass::Advertising] {
            let send = world.accept(&element).await.quick_send;
            let leased = lease(world, send, as_class(node, account, class)).await;
            told.push(leased.attempt().is_some());
        }
        assert_eq!(told, [true, false]);
        let operator = ListId { list: OptOutList::Operator, account: AccountId(0) };
        assert!(add(world, operator, NUMBER).await);
        for (class, called) in [
            (MessageClass::OneTimeCode, false),
            (MessageClass::Service, false),
            (MessageClass::Emergency, true),
        ] {
            let send = world.accept(&element).await.quick_send;
            let leased = lease(world, send, as_class(node, account, class)).await;
            assert_eq!(leased.attempt().is_some(), called, "{class:?}");
        }
    }

    /// A send with room to be dialled at once is not, and the lease that follows ends it.
    async fn room_does_not_help_who_opted_out(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let own = ListId { list: OptOutList::Account, account: element.account };
        assert!(add(world, own, NUMBER).await);
        let lease = as_class(node, element.account, MessageClass::Service);
        let at_once = Accept { lease: Some(lease.clone()), ..element.clone() };
        let accepted = world.accept(&at_once).await;
        assert!(!accepted.leased);
        let barred = world.db.lease(vec![(accepted.quick_send, lease)]).await.unwrap()[0];
        assert_eq!(barred, Leased::Barred(Bar::OptedOut));
        let other = Destination::parse("09127654321").unwrap();
        let other = leased(Accept { destination: other, ..element }, node);
        assert!(world.accept(&other).await.leased, "others are called");
    }

    /// A batch has no more calls to a number than the cap allows, also when sends go back.
    async fn a_cap_counts_sends(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let cap = Some(DailyCap { day: NOW, most: 2 });
        let stamp = || {
            let usual = as_class(node, element.account, MessageClass::Service);
            LeaseStamp { permit: Permit { cap, basis: Basis::Hours, ..usual.permit }, ..usual }
        };
        let mut sends = Vec::new();
        for _ in 0..4 {
            sends.push(world.accept(&element).await.quick_send);
        }
        let one = |send: QuickSendId| (send, stamp());
        let batch = vec![one(sends[0]), one(sends[0]), one(QuickSendId(777)), one(sends[1])];
        let told = world.db.lease(batch).await.unwrap();
        let attempts: Vec<_> = told.iter().filter_map(|leased| leased.attempt()).collect();
        assert_eq!(attempts.len(), 2, "what was not there is not counted: {told:?}");
        let unsent = store::hot::PutBack {
            attempt: attempts[1],
            ended_at: NOW,
            due_at: NOW,
            failure: store::hot::Failed::default(),
            ladder: None,
        };
        world.db.put_back(vec![unsent]).await.unwrap();
        let again = lease(world, sends[1], stamp()).await;
        assert!(again.attempt().is_some(), "another attempt of a send is none of another send");
        assert_eq!(lease(world, sends[2], stamp()).await, Leased::Barred(Bar::Capped));
        let other_day = Some(DailyCap { day: NOW.plus_ms(86_400_000), most: 2 });
        let permit = Permit { cap: other_day, ..stamp().permit };
        let tomorrow = LeaseStamp { permit, ..stamp() };
        assert!(lease(world, sends[3], tomorrow).await.attempt().is_some());
        assert!(world.db.audit().await.unwrap().is_clean());
    }

    /// The counts of old days are forgotten, the oldest first and a bounded number; others stay.
    async fn old_counts_are_forgotten(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let on_day = |day: i64| {
            let cap = Some(DailyCap { day: NOW.plus_ms(day * 86_400_000), most: 1 });
            let usual = as_class(node, element.account, MessageClass::Service);
            LeaseStamp { permit: Permit { cap, ..usual.permit }, ..usual }
        };
        let mut called = Vec::new();
        let days = [0, 1, 2];
        for day in days {
            let send = world.accept(&element).await.quick_send;
            called.push(lease(world, send, on_day(day)).await.attempt().is_some());
        }
        let today = NOW.plus_ms(2 * 86_400_000);
        assert_eq!(forget(world, NOW, 10).await, 0, "none is older");
        assert_eq!(forget(world, today, 1).await, 1, "no more than asked for");
        assert_eq!(forget(world, NOW.plus_ms(1), 10).await, 0, "it was the oldest");
        assert_eq!(forget(world, today, 10).await, 1);
        for day in days {
            let send = world.accept(&element).await.quick_send;
            called.push(lease(world, send, on_day(day)).await.attempt().is_some());
        }
        assert_eq!(called, [true, true, true, true, true, false]);
    }

    /// Lists are read in their order, and what ever was of a number is kept.
    async fn lists_are_read_and_remembered(world) {
        for number in ["09120000003", "09120000001", "09120000002"] {
            assert!(add(world, national(), number).await);
        }
        assert!(remove(world, national(), "09120000001").await);
        assert!(add(world, national(), "09120000001").await);
        assert!(remove(world, national(), "09120000002").await);
        let mut reads = world.db.read().await.unwrap();
        let page = opt_out::list(&mut reads, national(), "", 10).await.unwrap();
        let numbers: Vec<_> = page.iter().map(|one| one.number.as_str()).collect();
        assert_eq!(numbers, ["09120000001", "09120000003"]);
        let rest = opt_out::list(&mut reads, national(), "09120000001", 10).await.unwrap();
        assert_eq!(rest.len(), 1);
        let history = opt_out::history(&mut reads, "09120000001").await.unwrap();
        let versions: Vec<_> = history
            .iter()
            .map(|one| (one.added.1, one.removed.map(|(_, version)| version)))
            .collect();
        assert_eq!(versions, [(2, Some(4)), (5, None)]);
    }
}

/// The log as the judge reads it, with the lists of each row.
async fn log(world: &World) -> Vec<(domain::judge::Fact, usize)> {
    let mut reads = world.db.read().await.unwrap();
    let page = store::decision::page(&mut reads, 0, Timestamp(0), 100).await.unwrap();
    let (Some((first, _)), Some((last, _))) = (page.first(), page.last()) else {
        return Vec::new();
    };
    let listed = store::decision::listed(&mut reads, (*first, *last)).await.unwrap();
    page.iter().map(|(row, fact)| (fact.clone(), listed.get(row).map_or(0, Vec::len))).collect()
}

both_engines! {
    /// Whatever is recorded or barred is in the log, in the same commit, with what became of it.
    async fn the_log_has_what_was_decided(world) {
        let element = world.send().await;
        let (account, node) = (element.account, world.node("a").await);
        let at_once = world.accept(&leased(element.clone(), node)).await;
        let attempt = domain::AttemptId { quick_send: at_once.quick_send, n: 1 };
        let waits = world.accept(&element).await.quick_send;
        let log_of_open = log(world).await;
        assert_eq!(log_of_open[0].0.call, CallSpan::Open(NOW));
        let facts = Facts { invite_at: Some(NOW.plus_ms(5)), ..delivered(attempt, 1).facts };
        world.db.settle(vec![Settle { facts, ..delivered(attempt, 1) }]).await.unwrap();
        assert!(add(world, ListId { list: OptOutList::Account, account }, NUMBER).await);
        lease(world, waits, as_class(node, account, MessageClass::Service)).await;
        let log = log(world).await;
        let [(called, lists), (barred, _)] = log.as_slice() else { panic!("{log:?}") };
        assert_eq!((called.n, called.barred.as_deref(), called.lists), (1, None, Some(0)));
        assert_eq!((called.basis.as_deref(), *lists), (Some("hours"), 1));
        assert!(matches!(called.call, CallSpan::Closed(from, _) if from == NOW.plus_ms(5)));
        assert_eq!((barred.n, barred.lists), (0, Some(1)));
        assert_eq!(barred.barred.as_deref(), Some("opted_out"));
        let mut reads = world.db.read().await.unwrap();
        assert_eq!(store::decision::unlogged(&mut reads, Timestamp(0)).await.unwrap(), []);
    }

    /// Goal: whoever takes a row out of the log is found out.
    async fn a_call_without_its_row_is_found(world) {
        let node = world.node("a").await;
        let kept = world.accept(&leased(world.send().await, node)).await.quick_send;
        let lost = world.accept(&leased(world.send().await, node)).await.quick_send;
        let mut tx = world.db.begin().await.unwrap();
        let sql = "DELETE FROM decision WHERE id = (SELECT MAX(id) FROM decision)";
        tx.execute(sql, &[]).await.unwrap();
        tx.commit().await.unwrap();
        let mut reads = world.db.read().await.unwrap();
        let found = store::decision::unlogged(&mut reads, Timestamp(0)).await.unwrap();
        assert_eq!(found, [(None, lost, 1)]);
        assert_ne!(kept, lost);
    }
}

both_engines! {
    /// Goal: what the lease would say of numbers is told of all of them at once, in their order,
    /// and whether a number is in somebody's call.
    async fn what_bars_numbers_is_told_beforehand(world) {
        let element = world.send().await;
        let (account, node) = (element.account, world.node("a").await);
        let class = MessageClass::Advertising;
        let usual = as_class(node, account, class);
        let cap = Some(DailyCap { day: NOW, most: 2 });
        let stamp = LeaseStamp { permit: Permit { cap, ..usual.permit }, ..usual };
        let send = world.accept(&element).await.quick_send;
        assert!(lease(world, send, stamp).await.attempt().is_some());
        let numbers = ["02188888888", NUMBER, "09121234568", "09121234569"].map(String::from);
        assert!(add(world, national(), &numbers[2]).await);
        let own = ListId { list: OptOutList::Account, account };
        assert!(add(world, own, &numbers[3]).await);
        let other = world.send().await;
        assert_ne!(other.account, account);
        let mut reads = world.db.read().await.unwrap();
        let mut heeded = async |account, class, day| {
            opt_out::heeded(&mut reads, &numbers, account, (class, day)).await.unwrap()
        };
        let all = [(false, 0), (false, 1), (true, 0), (true, 0)];
        assert_eq!(heeded(account, class, NOW).await, all);
        let theirs = [(false, 0), (false, 1), (true, 0), (false, 0)];
        assert_eq!(heeded(other.account, class, NOW).await, theirs);
        let service = [(false, 0), (false, 0), (false, 0), (true, 0)];
        assert_eq!(heeded(account, MessageClass::Service, NOW).await, service);
        assert_eq!(heeded(account, class, NOW.plus_ms(1)).await[1], (false, 0));
        assert_eq!(opt_out::heeded(&mut reads, &[], account, (class, NOW)).await.unwrap(), []);
        // As many as may be, and some: each is told in its place.
        for count in [100, 101, 9_999, opt_out::HEEDED_MAX] {
            let mut many: Vec<String> = (0..count).map(|n| format!("0935{n:07}")).collect();
            let places = [0, 99, count / 2, count - 1];
            for place in places {
                many[place].clone_from(&numbers[2]);
            }
            let heeded = opt_out::heeded(&mut reads, &many, account, (class, NOW)).await.unwrap();
            let listed = heeded.iter().enumerate().filter(|(_, (listed, _))| *listed);
            let listed: BTreeSet<usize> = listed.map(|(place, _)| place).collect();
            assert_eq!((heeded.len(), listed), (count, places.into_iter().collect()));
        }

        let destination = Destination::parse(NUMBER).unwrap();
        let mut called = async |account, of_all, without| {
            let whose = (account, of_all);
            store::quick_send::is_called(&mut reads, &destination, whose, without).await.unwrap()
        };
        assert!(called(other.account, true, QuickSendId(0)).await);
        assert!(!called(other.account, false, QuickSendId(0)).await);
        assert!(called(account, false, QuickSendId(0)).await);
        assert!(!called(account, true, send).await, "its own call is none");
    }
}

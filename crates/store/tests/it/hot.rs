//! Accept, lease, settle, expire: one after the other.

use domain::{
    AccountId, Approval, AttemptId, Destination, Disposition, MessageId, Rials, Status, Timestamp,
};
use store::hot::{
    Accept, AcceptRefusal, Accepted, EXPIRED, Facts, Failed, NodeStamp, Played, PutBack, Settle,
    SettleResult, Spoken,
};
use store::ladder::Ladder;
use store::quick_send::{self, QuickSend, State};

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, ladder, leased, send, spoken, stamp};

async fn found(world: &World, element: &Accept, accepted: Accepted) -> QuickSend {
    let mut reader = world.db.read().await.unwrap();
    quick_send::find(&mut reader, element.account, accepted.quick_send).await.unwrap().unwrap()
}

/// The spoken element with another price.
fn priced(element: Accept, rials: i64) -> Accept {
    let Played::Spoken(speech) = element.played else { panic!("not spoken") };
    let speech = Spoken { price: Rials(rials), ..speech };
    Accept { played: Played::Spoken(speech), ..element }
}

both_engines! {
    /// Who is rung second in a secure call is known to whoever dials it, shows it or recovers it.
    async fn a_send_with_two_legs(world) {
        let second = Destination::parse("02112345678");
        let element = Accept { second: second.clone(), ..world.send().await };
        let node = world.node("a").await;
        let accepted = world.accept(&element).await;
        assert_eq!(world.ready().await[0].second, second);
        assert_eq!(found(world, &element, accepted).await.second, second);
        world.lease(node, accepted.quick_send).await;
        let next = store::hot::NodeStamp { epoch: node.epoch + 1, ..node };
        assert_eq!(world.db.open_attempts(next).await.unwrap()[0].second, second);
    }

    /// A send is accepted, called and paid for; its owner can follow it.
    async fn the_way_of_a_send(world) {
        let element = Accept { vote: true, class: 2, ..world.send().await };
        let node = world.node("a").await;
        let accepted = world.accept(&element).await;
        assert_eq!((accepted.leased, accepted.repeated), (false, false));
        assert!(accepted.quick_send.0 > 0);
        assert_eq!(world.funds(element.account).await, (10_000, 450));
        let seen = found(world, &element, accepted).await;
        assert_eq!(seen.state, State::Ready { due_at: NOW, attempts: 0 });
        assert_eq!(seen.destination, element.destination);

        let ready = world.ready().await;
        assert_eq!(ready.len(), 1);
        let job = &ready[0];
        assert_eq!((job.quick_send, job.class, job.due_at), (accepted.quick_send, 2, NOW));
        assert_eq!((job.blob.as_str(), job.vote, job.hold), ("abc.wav", true, Rials(450)));

        assert_eq!((&job.second, &seen.second), (&None, &None));
        let attempt = world.lease(node, accepted.quick_send).await;
        assert_eq!(attempt.n, 1);
        assert_eq!(world.ready().await, []);
        assert_eq!(world.try_lease(node, accepted.quick_send).await, None);
        let seen = found(world, &element, accepted).await;
        assert_eq!(seen.state.status(), Status::Calling);

        let end = delivered(attempt, 315);
        assert_eq!(world.db.settle(vec![end.clone()]).await.unwrap(), [SettleResult::Settled]);
        assert_eq!(world.funds(element.account).await, (9_685, 0));
        let State::Ended(ended) = found(world, &element, accepted).await.state else {
            panic!("not ended")
        };
        assert_eq!((ended.attempt, ended.charge), (attempt, Rials(315)));
        assert_eq!(ended.disposition, Disposition::Delivered);
        assert_eq!((ended.facts, ended.ended_at), (end.facts, end.ended_at));
        assert_eq!((ended.trunk.as_deref(), ended.started_at), (Some("sandbox"), Some(NOW)));
    }

    /// Settling again moves no money, in the same batch or later.
    async fn settling_is_idempotent(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let accepted = world.accept(&leased(element.clone(), node)).await;
        assert!(accepted.leased);
        let attempt = domain::AttemptId { quick_send: accepted.quick_send, n: 1 };
        let unknown = domain::AttemptId { n: 2, ..attempt };
        let ends = vec![delivered(attempt, 225), delivered(attempt, 100), delivered(unknown, 1)];
        let expected =
            [SettleResult::Settled, SettleResult::AlreadySettled, SettleResult::Unknown];
        assert_eq!(world.db.settle(ends).await.unwrap(), expected);
        let again = world.db.settle(vec![delivered(attempt, 100)]).await.unwrap();
        assert_eq!(again, [SettleResult::AlreadySettled]);
        assert_eq!(world.funds(element.account).await, (9_775, 0));
    }

    /// Nobody pays more than was held, and nobody is paid for being called.
    async fn charges_stay_in_their_hold(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let first = world.accept(&element).await;
        let second = world.accept(&element).await;
        let greedy = delivered(world.lease(node, first.quick_send).await, 451);
        let odd = delivered(world.lease(node, second.quick_send).await, -5);
        world.db.settle(vec![greedy, odd]).await.unwrap();
        assert_eq!(world.funds(element.account).await, (9_550, 0));
    }

    /// Unanswered calls without facts leave nulls and a full release.
    async fn a_call_that_failed(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let accepted = world.accept(&element).await;
        let attempt = world.lease(node, accepted.quick_send).await;
        let end = store::hot::Settle {
            disposition: Disposition::NetworkFailure,
            facts: Facts { cause: String::from("no response"), ..Facts::default() },
            ..delivered(attempt, 0)
        };
        world.db.settle(vec![end.clone()]).await.unwrap();
        let State::Ended(ended) = found(world, &element, accepted).await.state else {
            panic!("not ended")
        };
        assert_eq!(ended.facts, end.facts);
        assert_eq!(world.funds(element.account).await, (10_000, 0));
    }

    /// What may be owed may be held and spent; above a lowered limit nothing is held any more, and
    /// what was held stays.
    async fn a_debt_has_its_limit(world) {
        let account = world.account(500).await;
        let element = send(account, world.message(account).await);
        let lend = async |limit| {
            let mut tx = world.db.begin().await.unwrap();
            let found = store::account::set_debt_limit(&mut tx, account, Rials(limit)).await;
            tx.commit().await.unwrap();
            found.unwrap()
        };
        let batch = || vec![element.clone(), element.clone(), element.clone()];
        let accepted = |batch: Vec<Result<Accepted, AcceptRefusal>>| {
            batch.iter().filter(|one| one.is_ok()).count()
        };
        assert!(lend(400).await);
        // 900 rials pay for two calls of 450.
        assert_eq!(accepted(world.db.accept(batch()).await.unwrap()), 2);
        assert_eq!(world.funds(account).await, (500, 900));
        let speech = spoken(account);
        assert_eq!(world.try_accept(&speech).await, Err(AcceptRefusal::InsufficientCredit));
        assert!(lend(100).await);
        let refused = world.try_accept(&element).await;
        assert_eq!(refused, Err(AcceptRefusal::InsufficientCredit));
        assert_eq!((world.funds(account).await, world.ready().await.len()), ((500, 900), 2));
        let node = world.node("a").await;
        for job in world.ready().await {
            let attempt = world.lease(node, job.quick_send).await;
            world.db.settle(vec![delivered(attempt, 450)]).await.unwrap();
        }
        assert_eq!(world.funds(account).await, (-400, 0));
        assert!(lend(879).await);
        assert_eq!(world.try_accept(&speech).await, Err(AcceptRefusal::InsufficientCredit));
        assert!(lend(880).await);
        assert!(world.try_accept(&speech).await.is_ok());
        assert_eq!(world.funds(account).await, (-430, 450));
    }

    /// The hold is what decides, one element after the other, also inside a batch.
    async fn nobody_is_overdrawn(world) {
        let account = world.account(1_000).await;
        let message = world.message(account).await;
        let batch = vec![send(account, message); 3];
        let answers = world.db.accept(batch).await.unwrap();
        assert!(answers[0].is_ok() && answers[1].is_ok());
        assert_eq!(answers[2], Err(AcceptRefusal::InsufficientCredit));
        assert_eq!(world.funds(account).await, (1_000, 900));
        let small = Accept { hold: Rials(100), ..send(account, message) };
        assert!(world.try_accept(&small).await.is_ok());
        assert_eq!(
            world.try_accept(&Accept { hold: Rials(1), ..small }).await,
            Err(AcceptRefusal::InsufficientCredit)
        );
        let huge = Accept { hold: Rials(i64::MAX), ..send(account, message) };
        assert_eq!(world.try_accept(&huge).await, Err(AcceptRefusal::InsufficientCredit));
    }

    /// Speech is a message, a charge and a send, or nothing; in a batch each counts for the next.
    async fn speech_is_sent_and_paid_for_at_once(world) {
        // Twice 30 + 450, and a send without speech; nothing is left for a third speech.
        let account = world.account(1_430).await;
        let kept = world.message(account).await;
        let node = world.node("a").await;
        let named = Accept { client_reference: Some(String::from("n")), ..spoken(account) };
        let batch = vec![
            named.clone(),
            send(account, kept),
            named.clone(),
            leased(spoken(account), node),
            spoken(account),
        ];
        let answers = world.db.accept(batch).await.unwrap();
        let [first, plain, again, second] = [0, 1, 2, 3].map(|place| answers[place].unwrap());
        assert_eq!(answers[4], Err(AcceptRefusal::InsufficientCredit));
        assert_eq!((again.quick_send, again.message), (first.quick_send, first.message));
        assert!(again.repeated && second.leased && plain.message == kept);
        assert_eq!(world.accept(&named).await, again);
        assert_eq!(world.funds(account).await, (1_370, 1_350));

        let mut reader = world.db.read().await.unwrap();
        let kept = store::message::list(&mut reader, account, None, 9).await.unwrap();
        let ids: Vec<_> = kept.iter().map(|message| message.id).collect();
        assert_eq!(ids, [second.message, first.message, plain.message]);
        assert_eq!((kept[0].blob.as_str(), kept[0].length_ms), ("new.wav", 10_000));
        assert_eq!((kept[0].approval, kept[0].title.as_str()), (Approval::Approved, ""));
        let seen = quick_send::find(&mut reader, account, second.quick_send).await.unwrap();
        assert_eq!(seen.unwrap().message, second.message);
        let until = NOW.plus_ms(1);
        let lines =
            store::entry::statement(&mut reader, account, NOW, until, 9).await.unwrap();
        let speech: Vec<_> = lines.iter().filter(|line| line.kind == "speech").collect();
        assert_eq!(speech.len(), 2);
        assert_eq!((speech[0].amount, speech[0].note.as_str()), (Rials(-30), "3 s of speech"));
    }

    /// Speech that costs nothing is no line of the statement, and none can earn money.
    async fn speech_that_costs_nothing(world) {
        let account = world.account(450).await;
        let free = priced(spoken(account), 0);
        world.accept(&free).await;
        assert_eq!(world.funds(account).await, (450, 450));
        let earning = world.db.accept_one(priced(spoken(account), -1)).await;
        assert!(matches!(earning, Err(store::Error::Conflict(_))));
        let huge = priced(spoken(account), i64::MAX);
        assert_eq!(world.try_accept(&huge).await, Err(AcceptRefusal::InsufficientCredit));
    }

    /// An account that is gone or off is told apart from one without credit.
    async fn accounts_that_may_not(world) {
        let element = world.send().await;
        let nobody = Accept { account: AccountId(999), ..element.clone() };
        assert_eq!(world.try_accept(&nobody).await, Err(AcceptRefusal::AccountGone));
        let mut tx = world.db.begin().await.unwrap();
        store::account::set_disabled(&mut tx, element.account, Some(NOW)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(world.try_accept(&element).await, Err(AcceptRefusal::AccountGone));
    }

    /// An impossible element is refused, and its neighbours in other calls are not harmed.
    async fn an_impossible_element(world) {
        let element = world.send().await;
        let bad = Accept { played: Played::Kept(MessageId(999)), ..element.clone() };
        let negative = Accept { hold: Rials(-1), ..element.clone() };
        let (good, bad, negative) = tokio::join!(
            world.db.accept_one(element.clone()),
            world.db.accept_one(bad),
            world.db.accept_one(negative),
        );
        assert!(good.unwrap().is_ok());
        assert!(matches!(bad, Err(store::Error::Conflict(_))));
        assert!(matches!(negative, Err(store::Error::Conflict(_))));
        assert_eq!(world.funds(element.account).await, (10_000, 450));
        assert_eq!(world.ready().await.len(), 1);
    }

    /// A client reference names one send of the account, whoever repeats it and when.
    async fn references_are_kept_once(world) {
        let reference = Some(String::from("order-1"));
        let element = Accept { client_reference: reference.clone(), ..world.send().await };
        let batch = vec![element.clone(), element.clone()];
        let answers = world.db.accept(batch).await.unwrap();
        let (first, second) = (answers[0].unwrap(), answers[1].unwrap());
        assert!(!first.repeated && second.repeated);
        assert_eq!(first.quick_send, second.quick_send);
        let third = world.accept(&element).await;
        assert_eq!(third, second);
        assert_eq!(world.funds(element.account).await, (10_000, 450));
        let other = Accept { client_reference: reference, ..world.send().await };
        assert!(!world.accept(&other).await.repeated);
    }

    /// A send is found by its reference, its owner by the send, and a number's sends are counted.
    async fn sends_are_found_otherwise(world) {
        let element =
            Accept { client_reference: Some(String::from("r")), ..world.send().await };
        let first = world.accept(&element).await.quick_send;
        let again = Accept { client_reference: None, at: NOW.plus_ms(1), ..element.clone() };
        world.accept(&again).await;
        let mut reader = world.db.read().await.unwrap();
        let account = element.account;
        let found = quick_send::find_by_reference(&mut reader, account, "r").await.unwrap();
        assert_eq!(found, Some(first));
        let found = quick_send::find_by_reference(&mut reader, account, "s").await.unwrap();
        assert_eq!(found, None);
        assert_eq!(quick_send::owner(&mut reader, first).await.unwrap(), Some(account));
        let nobody = domain::QuickSendId(999);
        assert_eq!(quick_send::owner(&mut reader, nobody).await.unwrap(), None);
        let other = domain::Destination::parse("09350000000").unwrap();
        let cases = [
            (&element.destination, NOW, 10, 2),
            (&element.destination, NOW, 1, 1),
            (&element.destination, NOW.plus_ms(1), 10, 1),
            (&other, NOW, 10, 0),
        ];
        for (destination, since, limit, expected) in cases {
            let count = quick_send::count_since(&mut reader, account, destination, since, limit);
            assert_eq!(count.await.unwrap(), expected);
        }
    }

    /// A refused reference is free again.
    async fn a_refused_reference_is_free(world) {
        let account = world.account(450).await;
        let message = world.message(account).await;
        let element =
            Accept { client_reference: Some(String::from("x")), ..send(account, message) };
        let dear = Accept { hold: Rials(451), ..element.clone() };
        let answers = world.db.accept(vec![dear, element]).await.unwrap();
        assert_eq!(answers[0], Err(AcceptRefusal::InsufficientCredit));
        assert!(!answers[1].unwrap().repeated);
    }

    /// A node that was replaced, or whose lease ended, gets nothing; the send waits for others.
    async fn stale_nodes_lease_nothing(world) {
        let element = world.send().await;
        let old = world.node("a").await;
        let new = world.node("a").await;
        assert_eq!((old.node, new.epoch), (new.node, old.epoch + 1));
        assert!(!world.accept(&leased(element.clone(), old)).await.leased);
        let late = Accept { at: NOW.plus_ms(3_600_000), ..element.clone() };
        assert!(!world.accept(&leased(late, new)).await.leased);
        let nobody = NodeStamp { node: domain::NodeId(99), epoch: 1 };
        assert!(!world.accept(&leased(element, nobody)).await.leased);
        let ready = world.ready().await;
        assert_eq!(ready.len(), 3);
        assert_eq!(world.try_lease(old, ready[0].quick_send).await, None);
        assert_eq!(world.ready().await.len(), 3);
        world.lease(new, ready[0].quick_send).await;
        assert_eq!(world.db.renew(old, NOW, NOW).await.unwrap(), None);
        assert!(world.db.renew(new, NOW, NOW).await.unwrap().is_some());
        assert_eq!(world.try_lease(new, ready[1].quick_send).await, None);
    }

    /// A batch may name a send twice, or one that is not there: one attempt, and nothing else.
    async fn a_send_is_leased_once(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let accepted = world.accept(&element).await;
        let wanted = |id| (id, stamp(node, NOW));
        let elements = vec![
            wanted(accepted.quick_send),
            wanted(domain::QuickSendId(12_345)),
            wanted(accepted.quick_send),
        ];
        let leases = world.db.lease(elements).await.unwrap();
        let leased = leases.iter().map(|lease| lease.attempt().is_some());
        assert_eq!(leased.collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(world.db.lease(Vec::new()).await.unwrap(), []);
    }

    /// The queue is read in pieces that neither overlap nor leave gaps.
    async fn the_queue_is_read_by_range(world) {
        let element = world.send().await;
        let due = [5, 3, 3, 3, 1];
        for at in due {
            world.accept(&Accept { at: Timestamp(at), ..element.clone() }).await;
        }
        let (mut seen, mut after) = (Vec::new(), (Timestamp(0), domain::QuickSendId(0)));
        loop {
            let piece = world.db.load_ready(after.0, after.1, 2).await.unwrap();
            let Some(last) = piece.last() else { break };
            after = (last.due_at, last.quick_send);
            seen.extend(piece.iter().map(|job| job.due_at.0));
        }
        assert_eq!(seen, [1, 3, 3, 3, 5]);
    }

    /// What was not called in time ends, and its hold with it; what is being called does not.
    async fn sends_expire(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let accepted = world.accept(&element).await;
        let late = accepted.quick_send;
        let called = world.accept(&element).await.quick_send;
        world.lease(node, called).await;
        let later = Accept { expires_at: NOW.plus_ms(900_000), ..element.clone() };
        let in_time = world.accept(&later).await.quick_send;
        let now = element.expires_at;
        let sends = vec![late, called, in_time, late, domain::QuickSendId(777)];
        let sends = sends.into_iter().map(|send| (send, EXPIRED)).collect();
        let expired = world.db.expire(sends, now).await.unwrap();
        assert_eq!(expired, [true, false, false, false, false]);
        assert_eq!(world.funds(element.account).await, (10_000, 900));
        let State::Ended(ended) = found(world, &element, accepted).await.state else {
            panic!("not ended")
        };
        assert_eq!((ended.disposition, ended.attempt.n), (Disposition::Expired, 0));
        assert_eq!((ended.charge, ended.ended_at), (Rials(0), now));
    }
}

both_engines! {
    /// Each attempt's story is kept with its outcome, once; the oldest are forgotten first, and
    /// young ones not at all.
    async fn stories_of_attempts(world) {
        let node = world.node("a").await;
        let element = world.send().await;
        let send = world.accept(&element).await.quick_send;
        let first = world.lease(node, send).await;
        let failed = PutBack {
            attempt: first,
            ended_at: NOW,
            due_at: NOW,
            failure: Failed { cause: String::from("failed"), ..Failed::default() },
            ladder: Some(ladder(1)),
        };
        assert_eq!(world.db.put_back(vec![failed.clone()]).await.unwrap(), [true]);
        let second = world.lease(node, send).await;
        let other = world.lease(node, world.accept(&element).await.quick_send).await;
        let untold = world.lease(node, world.accept(&element).await.quick_send).await;
        let no_story = Settle { ladder: None, ..delivered(untold, 0) };
        let no_server = Ladder { server: None, ..ladder(9) };
        let anonymous = Settle { ladder: Some(no_server.clone()), ..delivered(other, 0) };
        let ends = vec![delivered(second, 0), anonymous, no_story, delivered(second, 0)];
        world.db.settle(ends.clone()).await.unwrap();
        // What is settled or put back again changes nothing.
        world.db.settle(ends).await.unwrap();
        assert_eq!(world.db.put_back(vec![failed]).await.unwrap(), [false]);
        let told = [(first, ladder(1)), (second, ladder(2))];
        assert_eq!(stories(world, first).await, told);
        assert_eq!(stories(world, other).await, [(other, no_server)]);
        assert_eq!(stories(world, untold).await, []);

        assert_eq!(forget(world, ladder(1).began_at, 10).await, 0, "none is older");
        assert_eq!(forget(world, ladder(2).began_at, 1).await, 1, "only the first one");
        assert_eq!(stories(world, first).await, told[1..]);
        assert_eq!(forget(world, NOW.plus_ms(1_000), 1).await, 1, "no more than asked for");
        assert_eq!(forget(world, NOW.plus_ms(1_000), 10).await, 1);
        assert_eq!(forget(world, NOW.plus_ms(1_000), 10).await, 0);
        // The outcomes stay.
        let state = world.state(element.account, send).await;
        assert!(matches!(state, State::Ended(_)), "{state:?}");
    }
}

async fn stories(world: &World, attempt: AttemptId) -> Vec<(AttemptId, Ladder)> {
    let mut reader = world.db.read().await.unwrap();
    store::ladder::of_send(&mut reader, attempt.quick_send).await.unwrap()
}

async fn forget(world: &World, before: Timestamp, most: u32) -> u64 {
    let mut tx = world.db.begin().await.unwrap();
    let forgotten = store::ladder::forget(&mut tx, before, most).await.unwrap();
    tx.commit().await.unwrap();
    forgotten
}

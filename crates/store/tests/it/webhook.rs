//! Addresses that events are posted to: whose they are, and each event's way there.

use domain::{AccountId, EventId, EventKind, Timestamp, WebhookId};
use store::event;
use store::webhook::{
    self, Delivery, NewWebhook, Try, Webhook, advance, behind, claim, deliveries, due, note, tried,
};

use crate::engines::both_engines;
use crate::event::want;
use crate::world::{NOW, World};

/// Another claim's end.
const UNTIL: Timestamp = Timestamp(NOW.0 + 20_000_000);

fn new(account: AccountId, kinds: Option<&str>) -> NewWebhook {
    NewWebhook {
        account,
        url: String::from("https://a.example/x"),
        kinds: kinds.map(str::to_owned),
        secret: vec![1, 2, 3],
        created_at: NOW,
    }
}

async fn insert(world: &World, account: AccountId, kinds: Option<&str>) -> WebhookId {
    let mut tx = world.db.begin().await.unwrap();
    let id = webhook::insert(&mut tx, &new(account, kinds), 3).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    id
}

async fn find(world: &World, account: AccountId, id: WebhookId) -> Option<Webhook> {
    webhook::find(&mut world.db.read().await.unwrap(), account, id).await.unwrap()
}

/// Tells that a campaign finished, so many times.
async fn happen(world: &World, account: AccountId, times: i64) {
    let mut tx = world.db.begin().await.unwrap();
    for subject in 0..times {
        let kind = EventKind::CampaignFinished;
        event::tell(&mut tx, account, kind, subject, NOW).await.unwrap().unwrap();
    }
    tx.commit().await.unwrap();
}

/// Lets events go on to an address.
async fn on(world: &World, account: AccountId, id: WebhookId, open_max: u32) -> usize {
    let seen = find(world, account, id).await.unwrap();
    let mut tx = world.db.begin().await.unwrap();
    let count = advance(&mut tx, &seen, open_max, 100, NOW).await.unwrap();
    assert_eq!(advance(&mut tx, &seen, open_max, 100, NOW).await.unwrap(), 0, "it was seen before");
    tx.commit().await.unwrap();
    count
}

async fn all_due(world: &World, each: u32) -> Vec<Delivery> {
    due(&mut world.db.read().await.unwrap(), NOW, (each, 100), 100).await.unwrap()
}

async fn claimed(world: &World, one: &Delivery) -> bool {
    let mut tx = world.db.begin().await.unwrap();
    let won = claim(&mut tx, one, UNTIL).await.unwrap();
    tx.commit().await.unwrap();
    won
}

fn answered(n: u32, status: u16) -> Try {
    Try { n, at: NOW, took_ms: 7, answer: Ok(status) }
}

/// Writes down a try at a claimed delivery.
async fn write(world: &World, one: &Delivery, came: &Try, next: Option<Timestamp>) {
    let mut tx = world.db.begin().await.unwrap();
    tried(&mut tx, one, UNTIL, came, next).await.unwrap();
    tx.commit().await.unwrap();
}

/// An account whose events are wanted.
async fn listener(world: &World) -> AccountId {
    let account = world.account(0).await;
    want(world, account).await;
    account
}

both_engines! {
    /// An account has a bounded number of addresses, and sees only its own.
    async fn addresses_belong_to_accounts(world) {
        let (account, stranger) = (listener(world).await, world.account(0).await);
        let first = insert(world, account, None).await;
        for _ in 0..2 {
            insert(world, account, Some("message.ended,webhook.test")).await;
        }
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(webhook::insert(&mut tx, &new(account, None), 3).await.unwrap(), None);
        assert_eq!(webhook::insert(&mut tx, &new(AccountId(99), None), 3).await.unwrap(), None);
        let ids = |list: Vec<Webhook>| list.into_iter().map(|one| one.id).collect::<Vec<_>>();
        let mine = webhook::list(&mut tx, account).await.unwrap();
        assert_eq!(mine[0].kinds, None);
        assert_eq!(mine[1].kinds, Some(vec![EventKind::MessageEnded, EventKind::WebhookTest]));
        assert_eq!((ids(mine).len(), ids(webhook::list(&mut tx, stranger).await.unwrap()).len()),
                   (3, 0));
        assert!(!webhook::delete(&mut tx, stranger, first, NOW).await.unwrap());
        assert!(webhook::delete(&mut tx, account, first, NOW).await.unwrap());
        assert!(!webhook::delete(&mut tx, account, first, NOW).await.unwrap());
        assert!(webhook::insert(&mut tx, &new(account, None), 3).await.unwrap().is_some());
        tx.commit().await.unwrap();
        assert!(find(world, account, first).await.is_none());
    }

    /// The secret before the last one is kept for a while.
    async fn secrets_rotate(world) {
        let account = listener(world).await;
        let id = insert(world, account, None).await;
        let mut tx = world.db.begin().await.unwrap();
        assert!(webhook::rotate(&mut tx, account, id, &[9], UNTIL).await.unwrap());
        assert!(!webhook::rotate(&mut tx, AccountId(99), id, &[8], UNTIL).await.unwrap());
        tx.commit().await.unwrap();
        let found = find(world, account, id).await.unwrap();
        assert_eq!((found.secret, found.former), (vec![9], Some((vec![1, 2, 3], UNTIL))));
    }

    /// Events go to who wants them, from when he asked on, no more at a time than there is room.
    async fn events_get_their_ways(world) {
        let account = listener(world).await;
        happen(world, account, 1).await;
        let all = insert(world, account, None).await;
        let few = insert(world, account, Some("message.ended")).await;
        happen(world, account, 5).await;
        let mut reader = world.db.read().await.unwrap();
        let waiting = behind(&mut reader, WebhookId(0), 9).await.unwrap();
        assert_eq!(waiting.iter().map(|one| one.id).collect::<Vec<_>>(), [all, few]);
        assert_eq!(on(world, account, all, 3).await, 3);
        assert_eq!(on(world, account, all, 3).await, 0);
        assert_eq!(on(world, account, few, 3).await, 3);
        assert_eq!(on(world, account, few, 3).await, 2);
        let events: Vec<i64> = all_due(world, 9).await.iter().map(|one| one.event.n).collect();
        assert_eq!(events, [2, 3, 4]);
        assert_eq!(all_due(world, 2).await.len(), 2);
        let waiting = behind(&mut reader, WebhookId(0), 9).await.unwrap();
        assert_eq!(waiting.iter().map(|one| one.id).collect::<Vec<_>>(), [all]);
    }

    /// A delivery is made by one, tried until it arrives, and tried once more when that is asked.
    async fn the_way_of_a_delivery(world) {
        let account = listener(world).await;
        let id = insert(world, account, None).await;
        happen(world, account, 1).await;
        on(world, account, id, 9).await;
        let first = all_due(world, 9).await[0];
        assert_eq!((claimed(world, &first).await, claimed(world, &first).await), (true, false));
        assert_eq!(all_due(world, 9).await, []);
        write(world, &first, &answered(1, 500), Some(NOW)).await;
        let second = all_due(world, 9).await[0];
        assert_eq!((second.tries, second.delivered_at), (1, None));
        assert!(claimed(world, &second).await);
        write(world, &second, &answered(2, 204), None).await;
        assert_eq!(all_due(world, 9).await, []);
        let mut tx = world.db.begin().await.unwrap();
        webhook::replay(&mut tx, id, second.event, NOW).await.unwrap();
        tx.commit().await.unwrap();
        let third = all_due(world, 9).await[0];
        assert!(claimed(world, &third).await);
        let late = Try { answer: Err(String::from("connecting")), ..answered(3, 0) };
        write(world, &third, &late, None).await;
        let mut reader = world.db.read().await.unwrap();
        let list = deliveries(&mut reader, id, i64::MAX, 9).await.unwrap();
        assert_eq!(list, [Delivery { tries: 3, next_try_at: None, delivered_at: Some(NOW),
                                     ..first }]);
        assert_eq!(deliveries(&mut reader, id, first.event.n, 9).await.unwrap(), []);
        let log = webhook::tries(&mut reader, id, first.event, 9).await.unwrap();
        assert_eq!(log, [answered(1, 500), answered(2, 204), late]);
    }

    /// However many processes look at once, each delivery is made by one.
    async fn two_processes_never_make_the_same_delivery(world) {
        let account = listener(world).await;
        let id = insert(world, account, None).await;
        happen(world, account, 20).await;
        on(world, account, id, 99).await;
        let others = [world.db.clone(), world.other_process().await, world.other_process().await];
        let workers: Vec<_> = others.into_iter().map(|db| {
            tokio::spawn(async move {
                let found = due(&mut db.read().await.unwrap(), NOW, (99, 99), 99).await.unwrap();
                let mut won = 0;
                for one in found {
                    let mut tx = db.begin().await.unwrap();
                    won += usize::from(claim(&mut tx, &one, UNTIL).await.unwrap());
                    tx.commit().await.unwrap();
                }
                won
            })
        }).collect();
        let mut won = 0;
        for worker in workers {
            won += worker.await.unwrap();
        }
        assert_eq!(won, 20);
    }

    /// An address that is off gets nothing; on again, all that it missed, and nothing twice.
    async fn off_and_on(world) {
        let account = listener(world).await;
        let id = insert(world, account, None).await;
        happen(world, account, 3).await;
        on(world, account, id, 9).await;
        let ways = all_due(world, 9).await;
        assert!(claimed(world, &ways[1]).await);
        write(world, &ways[1], &answered(1, 200), None).await;
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(note(&mut tx, id, false, NOW).await.unwrap(), Some(NOW));
        assert_eq!(note(&mut tx, id, false, UNTIL).await.unwrap(), Some(NOW));
        assert_eq!(note(&mut tx, id, true, UNTIL).await.unwrap(), None);
        assert_eq!(note(&mut tx, id, false, UNTIL).await.unwrap(), Some(UNTIL));
        assert!(!webhook::enable(&mut tx, account, id).await.unwrap());
        assert!(webhook::disable(&mut tx, id, "why", NOW).await.unwrap());
        assert!(!webhook::disable(&mut tx, id, "why", NOW).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(all_due(world, 9).await, []);
        let off = find(world, account, id).await.unwrap();
        assert_eq!(off.disabled, Some((NOW, String::from("why"))));
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(behind(&mut tx, WebhookId(0), 9).await.unwrap().len(), 0);
        assert_eq!(advance(&mut tx, &off, 9, 9, NOW).await.unwrap(), 0);
        assert!(webhook::enable(&mut tx, account, id).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(on(world, account, id, 9).await, 3);
        let again: Vec<i64> = all_due(world, 9).await.iter().map(|one| one.event.n).collect();
        assert_eq!(again, [1, 3]);
    }

    /// What was before an address is not posted to it because it was asked for once; nor is an
    /// event passed over that comes next.
    async fn off_goes_back_no_further_than_the_address(world) {
        let account = listener(world).await;
        let mut tx = world.db.begin().await.unwrap();
        let early = NOW.plus_ms(-3_600_000);
        let kind = EventKind::CampaignFinished;
        let before = event::tell(&mut tx, account, kind, 1, early).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        happen(world, account, 1).await;
        let id = insert(world, account, None).await;
        happen(world, account, 3).await;
        let off = async |replayed| {
            let mut tx = world.db.begin().await.unwrap();
            webhook::replay(&mut tx, id, replayed, NOW).await.unwrap();
            assert!(webhook::disable(&mut tx, id, "why", NOW).await.unwrap());
            assert!(webhook::enable(&mut tx, account, id).await.unwrap());
            tx.commit().await.unwrap();
            find(world, account, id).await.unwrap().cursor
        };
        assert_eq!(off(EventId { n: 5, ..before }).await, 2);
        assert_eq!(on(world, account, id, 9).await, 3);
        assert_eq!(off(before).await, 2);
    }

    /// One account takes no more than its part, and what is deleted takes none.
    async fn due_is_shared(world) {
        let (many, few) = (listener(world).await, listener(world).await);
        let (one, two) = (insert(world, many, None).await, insert(world, many, None).await);
        let other = insert(world, few, None).await;
        happen(world, many, 5).await;
        happen(world, few, 1).await;
        for (account, id) in [(many, one), (many, two), (few, other)] {
            on(world, account, id, 9).await;
        }
        let mut reader = world.db.read().await.unwrap();
        let shared = due(&mut reader, NOW, (3, 4), 100).await.unwrap();
        let of = |id| shared.iter().filter(|way| way.webhook == id).count();
        assert_eq!((of(one) + of(two), of(other), of(one) <= 3), (4, 1, true));
        let mut tx = world.db.begin().await.unwrap();
        let event = shared.iter().find(|way| way.webhook == other).unwrap().event;
        assert!(webhook::delete(&mut tx, few, other, NOW).await.unwrap());
        webhook::replay(&mut tx, other, event, NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert!(all_due(world, 9).await.iter().all(|way| way.webhook != other));
    }

    /// A test is for the address that it tests; what is deleted gets nothing.
    async fn tests_and_deleted_addresses(world) {
        let account = listener(world).await;
        let (tested, other) = (insert(world, account, Some("message.ended")).await,
                               insert(world, account, None).await);
        let mut tx = world.db.begin().await.unwrap();
        event::tell(&mut tx, account, EventKind::WebhookTest, tested.0, NOW).await.unwrap();
        tx.commit().await.unwrap();
        on(world, account, tested, 9).await;
        on(world, account, other, 9).await;
        let due = all_due(world, 9).await;
        assert_eq!(due.iter().map(|one| one.webhook).collect::<Vec<_>>(), [tested]);
        let mut tx = world.db.begin().await.unwrap();
        assert!(webhook::delete(&mut tx, account, tested, NOW).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(all_due(world, 9).await, []);
        assert!(!claimed(world, &due[0]).await);
    }
}

//! Exports: who is at one, what becomes of it, and the lines that go into it.

use domain::export::{State, Style};
use domain::{AccountId, Disposition, QuickSendId, Rials, Timestamp};
use store::entry::{EntryKind, NewEntry, post};
use store::export::{
    Export, NewExport, Place, What, Written, claim, expired, failed, find, forget, insert, list,
    next, over, ready, renew, sent,
};
use store::hot::Accept;
use store::ledger::lines;

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered};

const UNTIL: Timestamp = Timestamp(NOW.0 + 30_000_000);
const LATER: Timestamp = Timestamp(NOW.0 + 40_000_000);

fn new(account: AccountId) -> NewExport {
    let style = Style { bom: true, jalali: false };
    NewExport { account, what: What::Messages(Timestamp(5), NOW), style, created_at: NOW }
}

async fn made(world: &World, account: AccountId, max: u32) -> Option<Export> {
    let mut tx = world.db.begin().await.unwrap();
    let id = insert(&mut tx, &new(account), max).await.unwrap();
    let made = match id {
        Some(id) => find(&mut tx, account, id).await.unwrap(),
        None => None,
    };
    tx.commit().await.unwrap();
    made
}

async fn next_at(world: &World, now: Timestamp) -> Option<Export> {
    next(&mut world.db.read().await.unwrap(), now).await.unwrap()
}

async fn claimed(world: &World, seen: &Export, until: Timestamp) -> Option<Export> {
    let mut tx = world.db.begin().await.unwrap();
    let claimed = claim(&mut tx, seen, until).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

both_engines! {
    /// An export is written by one at a time; what a process that died was at is taken by another,
    /// and the one taken for dead makes nothing ready.
    async fn the_way_of_an_export(world) {
        let account = world.account(0).await;
        let first = made(world, account, 2).await.unwrap();
        assert_eq!((first.what, first.style.bom), (What::Messages(Timestamp(5), NOW), true));
        let second = made(world, account, 2).await.unwrap();
        assert_eq!(made(world, account, 2).await, None, "two are open");
        let neighbour = world.account(0).await;
        let theirs = made(world, neighbour, 2).await.unwrap();
        let seen = next_at(world, NOW).await.unwrap();
        assert_eq!(seen, first);
        let mine = claimed(world, &seen, UNTIL).await.unwrap();
        assert_eq!(claimed(world, &seen, UNTIL).await, None);
        assert_eq!(next_at(world, NOW).await.map(|next| next.id), Some(theirs.id), "fair");
        assert_eq!(next_at(world, LATER).await.map(|next| next.id), Some(first.id));
        let taken = claimed(world, &next_at(world, LATER).await.unwrap(), LATER.plus_ms(9)).await;
        let taken = taken.unwrap();
        assert_eq!(taken.tries, 2);
        let written = Written { blob: String::from("export/1-2"), rows: 7, bytes: 70 };
        let mut tx = world.db.begin().await.unwrap();
        assert!(!renew(&mut tx, &mine, LATER).await.unwrap());
        assert!(!ready(&mut tx, &mine, &written, (NOW, LATER)).await.unwrap());
        assert!(renew(&mut tx, &taken, LATER).await.unwrap());
        assert!(ready(&mut tx, &taken, &written, (NOW, LATER)).await.unwrap());
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        let done = find(&mut reader, account, first.id).await.unwrap().unwrap();
        assert_eq!((done.state, done.rows, done.bytes), (State::Ready, 7, 70));
        assert_eq!(find(&mut reader, neighbour, first.id).await.unwrap(), None);
        let all = list(&mut reader, account, domain::ExportId(i64::MAX), 10).await.unwrap();
        assert_eq!(all.iter().map(|one| one.id).collect::<Vec<_>>(), [second.id, first.id]);
        assert_eq!(over(&mut reader, NOW, 10).await.unwrap(), []);
        assert_eq!(over(&mut reader, LATER, 10).await.unwrap(), [done]);
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(forget(&mut tx, LATER, 10).await.unwrap(), 0, "its file is there");
        expired(&mut tx, first.id).await.unwrap();
        assert_eq!(forget(&mut tx, NOW, 10).await.unwrap(), 0);
        assert_eq!(forget(&mut tx, LATER, 10).await.unwrap(), 1);
        tx.commit().await.unwrap();
    }

    /// What failed waits and is tried again, until it is given up.
    async fn what_failed_is_tried_again(world) {
        let account = world.account(0).await;
        let one = made(world, account, 2).await.unwrap();
        let first = claimed(world, &one, UNTIL).await.unwrap();
        let mut tx = world.db.begin().await.unwrap();
        failed(&mut tx, &first, ("no disk", NOW), Some(UNTIL)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(next_at(world, NOW).await, None);
        let again = next_at(world, UNTIL).await.unwrap();
        assert_eq!((again.state, again.error.as_deref()), (State::Waiting, Some("no disk")));
        let second = claimed(world, &again, LATER).await.unwrap();
        let mut tx = world.db.begin().await.unwrap();
        failed(&mut tx, &second, ("no disk", NOW), None).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(next_at(world, Timestamp(i64::MAX)).await, None);
        let mut reader = world.db.read().await.unwrap();
        let given_up = find(&mut reader, account, one.id).await.unwrap().unwrap();
        assert_eq!((given_up.state, given_up.ended_at), (State::Failed, Some(NOW)));
    }

    /// The lines of a statement, read in parts of any size, are all that moved the balance, once.
    async fn lines_are_read_in_parts(world) {
        let first = world.send().await;
        let account = first.account;
        let node = world.node("a").await;
        for ms in [0, 0, 1] {
            let element = Accept { at: NOW.plus_ms(ms), ..first.clone() };
            let send = world.accept(&element).await.quick_send;
            let attempt = world.lease(node, send).await;
            world.db.settle(vec![delivered(attempt, 225)]).await.unwrap();
        }
        world.accept(&Accept { at: NOW.plus_ms(1), ..first.clone() }).await;
        let mut tx = world.db.begin().await.unwrap();
        let entry = NewEntry {
            account,
            kind: EntryKind::Credit,
            amount: Rials(1_000),
            at: NOW,
            reference: None,
            note: String::from("=1+1"),
        };
        post(&mut tx, &entry).await.unwrap();
        tx.commit().await.unwrap();
        let to = NOW.plus_ms(1_000_000);
        let mut reader = world.db.read().await.unwrap();
        for limit in [1, 2, 100] {
            let (mut after, mut found) = (Place { at: NOW, source: -1, n: 0 }, Vec::new());
            loop {
                let page = lines(&mut reader, account, after, to, limit).await.unwrap();
                let Some(last) = page.last() else { break };
                after = last.place;
                found.extend(page);
            }
            let sum: i64 = found.iter().map(|line| line.amount.0).sum();
            assert_eq!((found.len(), sum), (5, world.funds(account).await.0), "{limit}");
            assert!(found.is_sorted_by_key(|line| line.place));
            let (mut after, mut sends) = ((Timestamp(0), QuickSendId(0)), Vec::new());
            loop {
                let page = sent(&mut reader, account, after, to, limit).await.unwrap();
                let Some(last) = page.last() else { break };
                after = (last.accepted_at, last.id);
                sends.extend(page);
            }
            assert_eq!(sends.len(), 4, "{limit}");
            let end = sends[0].end.as_ref().unwrap();
            assert_eq!((end.disposition, end.charge), (Disposition::Delivered, Rials(225)));
            assert_eq!((&sends[3].end, sends[3].is_open), (&None, false));
            let none = sent(&mut reader, account, (Timestamp(0), QuickSendId(0)), NOW, limit).await;
            assert_eq!(none.unwrap(), []);
        }
    }
}

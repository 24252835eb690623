//! The ledger adds up: from any moment to any other, page by page.

use domain::{AccountId, AttemptId, Rials, Timestamp};
use store::ledger::{self, Line};
use store::refund::Refund;
use store::{Db, Tx};

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, leased};

async fn write(db: &Db, body: impl AsyncFnOnce(&mut Tx)) {
    let mut tx = db.begin().await.unwrap();
    body(&mut tx).await;
    tx.commit().await.unwrap();
}

/// All lines from a moment until before another, in pages of `limit`; each page is checked against
/// the sums that it brings.
async fn walked(
    world: &World,
    account: AccountId,
    time: (Timestamp, Timestamp),
    limit: u32,
) -> Vec<Line> {
    let (mut lines, mut after, mut balance) = (Vec::<Line>::new(), None, None);
    loop {
        let mut reads = world.db.read().await.unwrap();
        let page = ledger::page(&mut reads, account, time, after, limit).await.unwrap().unwrap();
        assert_eq!(page.before, balance.unwrap_or(page.opening), "each page goes on");
        let sum: i64 = page.lines.iter().map(|line| line.amount.0).sum();
        balance = Some(Rials(page.before.0 + sum));
        let Some(last) = page.lines.last() else {
            assert_eq!(balance, Some(page.closing), "all lines lead to the end");
            return lines;
        };
        assert!(page.lines.len() <= limit as usize);
        after = Some(last.place);
        lines.extend(page.lines);
    }
}

/// An account with lines of each kind, several of them at the same moment.
async fn with_lines(world: &World) -> AccountId {
    let node = world.node("a").await;
    let element = world.send().await;
    let account = element.account;
    let mut sends = Vec::new();
    for charge in [450, 225, 0, 90] {
        let mut another = leased(element.clone(), node);
        another.client_reference = None;
        let send = world.accept(&another).await.quick_send;
        let attempt = AttemptId { quick_send: send, n: 1 };
        world.db.settle(vec![delivered(attempt, charge)]).await.unwrap();
        sends.push(send);
    }
    for (place, at) in [(0, 7), (1, 7), (2, 40)] {
        let entry = store::entry::NewEntry {
            account,
            kind: store::entry::EntryKind::Speech,
            amount: Rials(-10 - place),
            at: NOW.plus_ms(at),
            reference: None,
            note: String::from("speech"),
        };
        write(&world.db, async |tx| {
            assert_eq!(store::entry::post(tx, &entry).await.unwrap(), store::entry::Posted::Done);
        })
        .await;
    }
    let given = Refund {
        id: 0,
        account,
        quick_send: sends[0],
        amount: Rials(100),
        at: NOW.plus_ms(7),
        reference: String::from("r1"),
        actor: String::from("Sara"),
        reason: String::from("cut off"),
    };
    write(&world.db, async |tx| {
        store::refund::lock(tx, given.quick_send).await.unwrap();
        store::refund::insert(tx, &given).await.unwrap();
    })
    .await;
    account
}

both_engines! {
    async fn a_ledger_adds_up_from_any_moment_to_any_other(world) {
        let account = with_lines(world).await;
        let ever = (Timestamp(0), Timestamp(i64::MAX));
        let all = walked(world, account, ever, 100).await;
        let mut kinds: Vec<&str> = all.iter().map(|line| &*line.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds, ["call", "credit", "refund", "speech"]);
        let calls = all.iter().filter(|line| line.kind == "call").count();
        assert_eq!(calls, 3, "what cost nothing is none");
        let call = all.iter().find(|line| line.kind == "call").unwrap();
        assert!(call.quick_send.is_some() && call.heard_ms.is_some() && call.campaign.is_none());
        let (balance, _) = world.funds(account).await;
        assert_eq!(all.iter().map(|line| line.amount.0).sum::<i64>(), balance);
        for limit in 1..=4 {
            assert_eq!(walked(world, account, ever, limit).await, all, "{limit} a page");
        }
        // Each moment at which something stands, the one before it and the one after it.
        let mut moments: Vec<Timestamp> = all
            .iter()
            .flat_map(|line| [-1, 0, 1].map(|us| line.place.at.plus_us(us)))
            .chain([Timestamp(0), Timestamp(i64::MAX)])
            .collect();
        moments.sort_unstable();
        moments.dedup();
        for (place, &from) in moments.iter().enumerate() {
            for &to in &moments[place..] {
                let lines = walked(world, account, (from, to), 2).await;
                let within = all.iter().filter(|line| from <= line.place.at && line.place.at < to);
                assert_eq!(lines, within.cloned().collect::<Vec<_>>());
                let before = all.iter().filter(|line| line.place.at < from);
                let mut reads = world.db.read().await.unwrap();
                let page = ledger::page(&mut reads, account, (from, to), None, 1).await;
                let page = page.unwrap().unwrap();
                assert_eq!(page.opening.0, before.map(|line| line.amount.0).sum::<i64>());
                assert_eq!(page.balance, Rials(balance));
            }
        }
        let mut reads = world.db.read().await.unwrap();
        let nobody = ledger::page(&mut reads, AccountId(99), ever, None, 9).await.unwrap();
        assert_eq!(nobody, None);
    }
}

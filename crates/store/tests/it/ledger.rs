//! The ledger adds up: from any moment to any other, page by page.

use domain::{AccountId, AttemptId, Rials, Timestamp};
use store::hot::Settle;
use store::ledger::{self, Line, PAGE, Start};
use store::refund::Refund;
use store::{Db, Kind, Queries as _, Tx};

use crate::engines::{both_engines, say};
use crate::world::{NOW, World, delivered, leased, send};

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
    let (mut lines, mut start) = (Vec::<Line>::new(), Start::First);
    loop {
        let mut reads = world.db.read().await.unwrap();
        let page = ledger::page(&mut reads, account, time, start, limit).await.unwrap().unwrap();
        let Some(last) = page.lines.last() else {
            assert_eq!(page.after(), page.closing, "all lines lead to the end");
            return lines;
        };
        assert!(page.lines.len() <= limit as usize);
        let (opening, before) = (page.opening, page.after());
        start = Start::Behind { place: last.place, opening, before };
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

/// Calls of a long ledger.
const CALLS: i64 = 3_000;

/// An account with so many calls that cost something, one each millisecond, beside another that has
/// as many in the same time.
async fn long_ledger(world: &World) -> AccountId {
    let node = world.node("a").await;
    let mut accounts = Vec::new();
    for _ in 0..2 {
        let account = world.account(10_000_000).await;
        let message = world.message(account).await;
        let sends = (0..CALLS).map(|_| leased(send(account, message), node)).collect();
        let accepted = world.db.accept(sends).await.unwrap();
        let ends = accepted.into_iter().zip(0..).map(|(accepted, ms)| Settle {
            ended_at: NOW.plus_ms(ms),
            ..delivered(AttemptId { quick_send: accepted.unwrap().quick_send, n: 1 }, 1)
        });
        world.db.settle(ends.collect()).await.unwrap();
        accounts.push(account);
    }
    if world.db.kind() == Kind::Postgres {
        say(&world.url, "ANALYZE").await.unwrap();
    }
    accounts[0]
}

/// How many rows a step of a plan of PostgreSQL has read, or thrown away.
fn rows_of(step: &str) -> f64 {
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].parse::<f64>().unwrap()
    };
    let after = |what: &str| step.split_once(what).map_or(0.0, |(_, text)| number(text));
    let loops = if step.contains("loops=") { after("loops=") } else { 1.0 };
    after("actual rows=") * loops + after("Rows Removed by Filter: ")
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
                let page = ledger::page(&mut reads, account, (from, to), Start::First, 1).await;
                let page = page.unwrap().unwrap();
                assert_eq!(page.opening.0, before.map(|line| line.amount.0).sum::<i64>());
                assert_eq!(page.balance, Rials(balance));
            }
        }
        let mut reads = world.db.read().await.unwrap();
        let nobody = ledger::page(&mut reads, AccountId(99), ever, Start::First, 9).await.unwrap();
        assert_eq!(nobody, None);
    }

    /// However long a ledger is, a page in its middle reads its own lines.
    async fn a_page_reads_no_more_than_a_page(world) {
        let account = long_ledger(world).await;
        let (limit, to) = (20_i64, NOW.plus_ms(CALLS));
        let values = [account.0, to.0, NOW.plus_ms(CALLS / 2).0, 1, 0, limit, i64::MAX];
        let values = values.map(store::Value::from);
        let mut reads = world.db.read().await.unwrap();
        assert_eq!(reads.query(PAGE, &values).await.unwrap().len(), 20);
        let asked = match world.db.kind() {
            Kind::Sqlite => "EXPLAIN QUERY PLAN ",
            Kind::Postgres => "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ",
        };
        let plan = reads.query([asked, PAGE].concat().leak(), &values).await.unwrap();
        match world.db.kind() {
            Kind::Sqlite => {
                let plan: Vec<String> = plan.iter().map(|row| row.get("detail").unwrap()).collect();
                for table in ["entry", "outcome", "sms", "refund", "quick_send", "q", "a"] {
                    let scan = format!("SCAN {table}");
                    let scans = plan.iter().any(|step| step.split(" USING").next() == Some(&scan));
                    assert!(!scans, "{table} is gone through: {plan:#?}");
                }
                let uses = |index| plan.iter().filter(|step| step.contains(index)).count();
                assert_eq!([uses("outcome_charged"), uses("sms_charged")], [3, 3], "{plan:#?}");
            }
            Kind::Postgres => {
                let plan: Vec<String> =
                    plan.iter().map(|row| row.get("QUERY PLAN").unwrap()).collect();
                for step in &plan {
                    assert!(rows_of(step) <= 4.0 * 20.0, "{step} of {plan:#?}");
                }
                assert!(plan.iter().any(|step| step.contains("outcome_charged")), "{plan:#?}");
            }
        }
    }
}

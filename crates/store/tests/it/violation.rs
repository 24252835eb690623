//! What the store keeps of schedules of compensation and of violations, on both engines.

use domain::agreement::availability::{Totals, Verdict};
use domain::agreement::compensation::{Draft, Schedule};
use domain::agreement::violation::{Clause, Status, Violation};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
use store::month_statement::{self, MonthStatement};
use store::violation::Step;
use store::{Db, Error, Tx, compensation, violation};

use crate::engines::both_engines;
use crate::world::NOW;

const DRAFT: &str = "shape = multiple-of-excess\nborder = lower\ncap_bp = 5000\n\
                     least_rials = 10\nreview_hours = 24\ntimes_hundredths = 300\n";

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> T) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await;
    tx.commit().await.unwrap();
    value
}

fn aban() -> PersianMonth {
    PersianMonth::new(1405, 8).unwrap()
}

fn step(status: Status) -> Step {
    Step { status, at: NOW, actor: "Reza".to_owned(), reason: String::new() }
}

fn entry(clause: Clause, from: Timestamp) -> Violation {
    let span = Span::new(from, from.plus_us(60_000_000)).unwrap();
    Violation::new(clause, 1, span, vec!["log 7".to_owned(), "log 8".to_owned()]).unwrap()
}

async fn enter(db: &Db, account: Option<i64>, reference: &str, entry: &Violation) -> Option<i64> {
    let account = account.map(AccountId);
    let first = step(Status::Recorded);
    let insert =
        async |tx: &mut Tx| violation::insert(tx, account, reference, entry, &first).await.unwrap();
    write(db, insert).await
}

both_engines! {
    /// A draft is read as it was written, published once, and each place is taken once.
    async fn a_draft_is_published_once(world) {
        let draft = Draft::parse(DRAFT, "Maryam").unwrap();
        let drafted =
            async |tx: &mut Tx| compensation::insert(tx, &draft, NOW).await.unwrap();
        let (one, two) = (write(&world.db, drafted).await, write(&world.db, drafted).await);
        let schedule =
            Schedule::kept(draft.clone(), "Reza".to_owned(), aban(), NOW.plus_us(1));
        let publish = async |number, place| {
            let mut tx = world.db.begin().await.unwrap();
            let done = compensation::publish(&mut tx, number, &schedule, place).await;
            if done.is_ok() {
                tx.commit().await.unwrap();
            }
            done
        };
        assert!(publish(one, 0).await.unwrap());
        assert!(!publish(one, 1).await.unwrap());
        assert!(matches!(publish(two, 0).await, Err(Error::Conflict(_))));
        let listed = compensation::list(&mut world.db.read().await.unwrap()).await.unwrap();
        assert_eq!((listed[0].number, &listed[0].draft), (one, &draft));
        assert_eq!(listed[0].published, Some((schedule, 0)));
        assert_eq!((listed[1].number, &listed[1].published), (two, &None));
    }

    /// An entry is kept once under its reference, each of its places is taken once, and what it is
    /// shows in its account's ledger, in the platform's and in no other's.
    async fn an_entry_is_kept_once_and_only_goes_on(world) {
        let late = entry(Clause::Payment, NOW);
        let id = enter(&world.db, Some(7), "invoice:1", &late).await.unwrap();
        assert_eq!(enter(&world.db, Some(8), "invoice:1", &late).await, None);
        let ours = enter(&world.db, None, "month:1", &entry(Clause::Capacity, NOW)).await.unwrap();
        let theirs = enter(&world.db, Some(8), "invoice:2", &late).await.unwrap();
        let add = async |place| {
            let mut tx = world.db.begin().await.unwrap();
            let done = violation::insert_step(&mut tx, id, place, &step(Status::Notified)).await;
            if done.is_ok() {
                tx.commit().await.unwrap();
            }
            done
        };
        assert!(matches!(add(0).await, Err(Error::Conflict(_))));
        add(1).await.unwrap();
        assert!(matches!(add(1).await, Err(Error::Conflict(_))));
        let mut reads = world.db.read().await.unwrap();
        let kept = violation::find(&mut reads, id).await.unwrap().unwrap();
        assert_eq!(kept.violation.history(), [Status::Recorded, Status::Notified]);
        assert_eq!(kept.violation.evidence(), late.evidence());
        assert_eq!(violation::under(&mut reads, "invoice:1").await.unwrap().unwrap(), kept);
        let of = violation::of_account(&mut reads, AccountId(7), None, 10).await.unwrap();
        let ids: Vec<i64> = of.iter().map(|kept| kept.id).collect();
        assert_eq!(ids, [ours, id]);
        let next = violation::of_account(&mut reads, AccountId(7), Some(ours), 10).await.unwrap();
        assert_eq!(next, std::slice::from_ref(&kept));
        let everybody = violation::all(&mut reads, None, 1).await.unwrap();
        assert_eq!(everybody[0].id, theirs);
        let hour = Span::new(NOW, NOW.plus_us(1)).unwrap();
        let within = violation::within(&mut reads, Some(AccountId(7)), Clause::Payment, hour);
        assert_eq!(within.await.unwrap(), [kept]);
        drop(reads);
        write(&world.db, async |tx| {
            violation::insert_step(tx, theirs, 1, &step(Status::Reversed)).await.unwrap();
        })
        .await;
        let mut reads = world.db.read().await.unwrap();
        let counts = violation::standing(&mut reads, hour).await.unwrap();
        assert_eq!(counts, [(Clause::Capacity, 1), (Clause::Payment, 1)]);
    }

    /// Months that are not met and stand in no entry are found, by their last revision.
    async fn months_without_an_entry_are_found(world) {
        let statement = |account: Option<i64>, revision, verdict| MonthStatement {
            account: account.map(AccountId),
            month: aban(),
            revision,
            digest: vec![9; 32],
            agreement: 1,
            totals: Totals { down_us: 5, ..Totals::default() },
            verdict: Some(verdict),
            made_at: NOW,
            signed: None,
        };
        let (met, breached) = (Verdict::Met, Verdict::Breached);
        write(&world.db, async |tx| {
            month_statement::keep_inputs(tx, &[9; 32], "x").await.unwrap();
            for (account, revision, verdict) in [
                (None, 0, breached),
                (Some(1), 0, breached),
                (Some(1), 1, met),
                (Some(2), 0, met),
                (Some(2), 1, Verdict::Undetermined),
                (Some(3), 0, breached),
                (Some(4), 0, breached),
            ] {
                let statement = statement(account, revision, verdict);
                assert!(month_statement::insert(tx, &statement).await.unwrap());
            }
        })
        .await;
        let entered = entry(Clause::Availability, aban().start());
        enter(&world.db, Some(3), "availability:3", &entered).await.unwrap();
        let wrong = enter(&world.db, Some(4), "availability:4", &entered).await.unwrap();
        write(&world.db, async |tx| {
            violation::insert_step(tx, wrong, 1, &step(Status::Reversed)).await.unwrap();
        })
        .await;
        let mut reads = world.db.read().await.unwrap();
        let mut found = async |after, limit| {
            let found = month_statement::not_followed(&mut reads, aban(), AccountId(after), limit);
            let found = found.await.unwrap();
            found.iter().map(|one| (one.number().0, one.revision)).collect::<Vec<_>>()
        };
        assert_eq!(found(-1, 10).await, [(0, 0), (2, 1), (4, 0)]);
        assert_eq!(found(0, 1).await, [(2, 1)]);
    }
}

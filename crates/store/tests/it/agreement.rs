//! What the store keeps of the agreement, on both engines: nothing is changed but by its own verb.

use domain::agreement::availability::{Totals, Verdict, Window};
use domain::agreement::delivery::{AbnormalPeriod, Withdrawn};
use domain::agreement::maintenance::{Channel, Maintenance, Proof, Version};
use domain::agreement::scope::{Group, Paths, Scope};
use domain::agreement::version;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, QuickSendId, Timestamp};
use store::maintenance::Notice;
use store::month_statement::{self, MonthStatement};
use store::outage::Outage;
use store::{Db, Error, Tx, agreement, maintenance, outage, promise};

use crate::engines::both_engines;
use crate::world::NOW;

const MINUTE_US: i64 = 60_000_000;

fn minute(n: i64) -> Timestamp {
    NOW.plus_us(n * MINUTE_US)
}

fn span(from: i64, to: i64) -> Span {
    Span::new(minute(from), minute(to)).unwrap()
}

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> T) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await;
    tx.commit().await.unwrap();
    value
}

fn aban() -> PersianMonth {
    PersianMonth::new(1405, 8).unwrap()
}

fn statement(revision: u32, down_us: i64) -> MonthStatement {
    MonthStatement {
        account: Some(AccountId(7)),
        month: aban(),
        revision,
        digest: vec![9; 32],
        agreement: 1,
        totals: Totals { down_us, up_us: 5, ..Totals::default() },
        verdict: Some(Verdict::Breached),
        made_at: NOW,
        signed: (revision > 0).then(|| ("late evidence".to_owned(), "Maryam".to_owned())),
    }
}

both_engines! {
    /// A version is read as it was published, once under its number, and withdrawn once.
    async fn versions_are_kept_as_they_were_published(world) {
        let mut draft = version::Version::first().draft;
        draft.parameters.set("report.fix_days", "2").unwrap();
        draft.body_en.clear();
        draft.effective_from = minute(60);
        let version =
            version::Version { number: 2, draft, published_at: NOW, withdrawn_at: None };
        let kept = agreement::Kept { version, checksum: vec![7; 32] };
        write(&world.db, async |tx| agreement::insert(tx, &kept).await.unwrap()).await;
        let mut tx = world.db.begin().await.unwrap();
        assert!(matches!(agreement::insert(&mut tx, &kept).await, Err(Error::Conflict(_))));
        drop(tx);
        let listed = agreement::list(&mut world.db.read().await.unwrap()).await.unwrap();
        assert_eq!(listed, [kept]);
        for (number, withdrawn) in [(3, false), (2, true), (2, false)] {
            let done = write(&world.db, async |tx| {
                agreement::withdraw(tx, number, minute(1)).await.unwrap()
            });
            assert_eq!(done.await, withdrawn, "{number}");
        }
    }

    /// A maintenance is read with all its versions and proofs, by its number and by its time.
    async fn maintenance_is_kept_with_all_its_versions(world) {
        let plan = |from, to| Window {
            paths: Paths::parse("api,campaign").unwrap(),
            scope: Scope::parse("cohort:1,account:7").unwrap(),
            span: span(from, to),
        };
        let versions = vec![
            Version { saved_at: NOW, plan: Some(plan(100, 110)) },
            Version { saved_at: minute(1), plan: Some(plan(200, 210)) },
            Version { saved_at: minute(2), plan: None },
        ];
        let proof = Proof {
            version: 1,
            channel: Channel::Social,
            paths: Paths::ALL,
            published_at: minute(1),
            withdrawn_at: None,
        };
        let notice = Notice {
            id: 0,
            place: "bale".to_owned(),
            reference: "post/7".to_owned(),
            content_hash: vec![1, 2],
        };
        let (id, number) = write(&world.db, async |tx| {
            let id = maintenance::insert(tx, "new disks", Some("they are old")).await.unwrap();
            for (place, version) in versions.iter().enumerate() {
                let saved = maintenance::insert_version(tx, id, place, "Reza", version).await;
                saved.unwrap();
            }
            (id, maintenance::insert_notice(tx, id, &proof, &notice).await.unwrap())
        })
        .await;
        let mut twice = world.db.begin().await.unwrap();
        let again = maintenance::insert_version(&mut twice, id, 2, "Ali", &versions[2]).await;
        assert!(matches!(again, Err(Error::Conflict(_))));
        drop(twice);
        write(&world.db, async |tx| {
            assert!(maintenance::withdraw_notice(tx, number, minute(5)).await.unwrap());
            assert!(!maintenance::withdraw_notice(tx, number, minute(6)).await.unwrap());
            assert!(maintenance::verify(tx, id, minute(7)).await.unwrap());
            assert!(!maintenance::verify(tx, id, minute(8)).await.unwrap());
            assert!(maintenance::insert_channel(tx, "bale", NOW).await.unwrap());
            assert!(!maintenance::insert_channel(tx, "bale", NOW).await.unwrap());
        })
        .await;
        let proofs = vec![Proof { withdrawn_at: Some(minute(5)), ..proof }];
        let expected = maintenance::Kept {
            id,
            title: "new disks".to_owned(),
            essential_because: Some("they are old".to_owned()),
            author: "Reza".to_owned(),
            maintenance: Maintenance { versions, proofs, verified_at: Some(minute(7)) },
            notices: vec![Notice { id: number, ..notice }],
        };
        let mut reads = world.db.read().await.unwrap();
        let found = maintenance::find(&mut reads, id).await.unwrap().unwrap();
        assert_eq!(found, expected);
        for (time, count) in [(span(105, 106), 1), (span(209, 300), 1), (span(110, 200), 0)] {
            let within = maintenance::within(&mut reads, time).await.unwrap();
            assert_eq!(within, vec![expected.clone(); count], "{time:?}");
        }
        assert_eq!(maintenance::find(&mut reads, id + 1).await.unwrap(), None);
        assert_eq!(maintenance::channels(&mut reads).await.unwrap(), ["bale"]);
    }

    /// An outage ends once, is reversed once, and is found by every moment that it lasted.
    async fn outages_end_once_and_stay_when_reversed(world) {
        let lasting = Outage {
            id: 0,
            paths: Paths::ALL,
            scope: Scope::everyone(),
            from: minute(10),
            to: None,
            cause: "power".to_owned(),
            evidence: "log".to_owned(),
            recorded_at: minute(11),
            reversed: None,
            measured: false,
            revisions: Vec::new(),
            causes: Vec::new(),
        };
        let insert = async |tx: &mut Tx| outage::insert(tx, &lasting, "Zahra").await.unwrap();
        let id = write(&world.db, insert).await;
        let found = async |time: Span| {
            let mut reads = world.db.read().await.unwrap();
            outage::within(&mut reads, time, 10).await.unwrap()
        };
        assert_eq!(found(span(9, 10)).await, []);
        assert_eq!(found(span(900, 901)).await, [Outage { id, ..lasting.clone() }]);
        write(&world.db, async |tx| {
            assert!(!outage::close(tx, id, minute(10), (minute(39), "Zahra")).await.unwrap());
            assert!(outage::close(tx, id, minute(20), (minute(39), "Zahra")).await.unwrap());
            assert!(!outage::close(tx, id, minute(30), (minute(39), "Zahra")).await.unwrap());
            assert!(outage::reverse(tx, id, minute(40), ("a test", "Zahra")).await.unwrap());
            assert!(!outage::reverse(tx, id, minute(41), ("again", "Zahra")).await.unwrap());
        })
        .await;
        assert_eq!(found(span(20, 30)).await, []);
        let reversed = Some((minute(40), "a test".to_owned()));
        let ended = Outage { id, to: Some(minute(20)), reversed, ..lasting };
        assert_eq!(found(span(19, 30)).await, [ended]);
    }

    /// Notes of one source that follow each other closely are one; others are not joined.
    async fn what_worked_without_a_gap_is_one_note(world) {
        let note = async |source: &str, from, to| {
            write(&world.db, async |tx| {
                let (paths, scope) = (Paths::ALL, Scope::everyone());
                let saw =
                    outage::saw_working(tx, source, paths, &scope, span(from, to), MINUTE_US);
                saw.await.unwrap();
            })
            .await;
        };
        note("a", 0, 5).await;
        note("a", 6, 9).await;
        note("a", 7, 8).await;
        note("b", 9, 10).await;
        note("a", 11, 12).await;
        let mut reads = world.db.read().await.unwrap();
        let seen = outage::working(&mut reads, span(0, 100), 10).await.unwrap();
        let spans: Vec<Span> = seen.iter().map(|seen| seen.evidence.span).collect();
        assert_eq!(seen[2].source, "b");
        // A note inside another is kept beside it: it does no harm.
        assert_eq!(spans, [span(0, 9), span(7, 8), span(9, 10), span(11, 12)]);
        assert_eq!(outage::working(&mut reads, span(12, 100), 10).await.unwrap(), []);
    }

    /// An account is in a group once at a time, and again later.
    async fn members_come_and_go(world) {
        let account = world.account(0).await;
        let group = Group::Cohort(3);
        write(&world.db, async |tx| {
            assert!(outage::join(tx, (group, account), minute(1), "Zahra").await.unwrap());
            assert!(!outage::join(tx, (group, account), minute(2), "Zahra").await.unwrap());
            assert!(!outage::leave(tx, (group, account), minute(1), "Zahra").await.unwrap());
            assert!(outage::leave(tx, (group, account), minute(5), "Zahra").await.unwrap());
            assert!(!outage::join(tx, (group, account), minute(4), "Zahra").await.unwrap());
            assert!(outage::join(tx, (group, account), minute(5), "Zahra").await.unwrap());
        })
        .await;
        let mut tx = world.db.begin().await.unwrap();
        let stranger = outage::join(&mut tx, (group, AccountId(99)), minute(1), "Zahra").await;
        assert!(matches!(stranger, Err(Error::Conflict(_))));
        drop(tx);
        let mut reads = world.db.read().await.unwrap();
        let members = outage::members(&mut reads, span(0, 9), account, account).await.unwrap();
        let last = Span { from: minute(5), to: Timestamp(i64::MAX) };
        assert_eq!(members, [(account, group, span(1, 5)), (account, group, last)]);
        let early = outage::members(&mut reads, span(0, 1), account, account).await.unwrap();
        assert_eq!(early, []);
    }

    /// T061: a month is written down once, whoever tries again; a revision stands beside it.
    async fn a_statement_is_never_changed(world) {
        let write_down = async |statement: &MonthStatement| {
            write(&world.db, async |tx| {
                month_statement::keep_inputs(tx, &statement.digest, "inputs").await.unwrap();
                month_statement::insert(tx, statement).await.unwrap()
            })
            .await
        };
        assert!(write_down(&statement(0, 1)).await);
        assert!(!write_down(&statement(0, 2)).await);
        assert!(write_down(&statement(1, 3)).await);
        let platform = MonthStatement { account: None, verdict: None, ..statement(0, 1) };
        assert!(write_down(&platform).await);
        let mut reads = world.db.read().await.unwrap();
        let mut of = async |account| {
            month_statement::of_month(&mut reads, account, aban()).await.unwrap()
        };
        assert_eq!(of(Some(AccountId(7))).await, [statement(0, 1), statement(1, 3)]);
        assert_eq!(of(None).await, [platform]);
        assert_eq!(of(Some(AccountId(8))).await, []);
        let kept = month_statement::inputs(&mut reads, &[9; 32]).await.unwrap();
        assert_eq!(kept.as_deref(), Some("inputs"));
        assert_eq!(month_statement::inputs(&mut reads, &[8; 32]).await.unwrap(), None);
    }

    /// Sends come with their times, the newest first; a declared period is found by its time.
    async fn sends_come_with_their_times(world) {
        let first = world.send().await;
        let sends = [world.accept(&first).await.quick_send, world.accept(&first).await.quick_send];
        let mut reads = world.db.read().await.unwrap();
        let all = promise::page(&mut reads, QuickSendId(i64::MAX), 9).await.unwrap();
        let ids: Vec<QuickSendId> = all.iter().map(|send| send.id).collect();
        assert_eq!(ids, [sends[1], sends[0]]);
        assert_eq!((all[0].accepted_at, all[0].campaign), (first.at, None));
        assert_eq!((all[0].started_at, &all[0].ended), (None, &None));
        let older = promise::page(&mut reads, sends[1], 9).await.unwrap();
        assert_eq!(older, all[1..]);
        drop(reads);
        let mut period = AbnormalPeriod {
            id: 0,
            span: span(5, 9),
            reason: "a war".to_owned(),
            author: "Maryam".to_owned(),
            declared_at: minute(20),
            withdrawn: None,
        };
        period.id = write(&world.db, async |tx| promise::declare(tx, &period).await.unwrap()).await;
        let mut reads = world.db.read().await.unwrap();
        let mut declared = async |time| promise::declared(&mut reads, time).await.unwrap();
        assert_eq!(declared(span(8, 30)).await, std::slice::from_ref(&period));
        assert_eq!(declared(span(9, 30)).await, []);
        let withdrawn = Withdrawn {
            at: minute(30),
            by: "Sara".to_owned(),
            because: "it was peace".to_owned(),
        };
        let withdraw = async || {
            let withdraw = async |tx: &mut Tx| promise::withdraw(tx, period.id, &withdrawn).await;
            write(&world.db, async |tx| withdraw(tx).await.unwrap()).await
        };
        assert_eq!((withdraw().await, withdraw().await), (true, false), "once");
        let taken_back = AbnormalPeriod { withdrawn: Some(withdrawn.clone()), ..period.clone() };
        let mut reads = world.db.read().await.unwrap();
        assert_eq!(promise::period(&mut reads, period.id).await.unwrap(), Some(taken_back));
        assert_eq!(promise::period(&mut reads, period.id + 1).await.unwrap(), None);
    }

    /// Accounts come in pages by their number.
    async fn lifetimes_come_in_pages(world) {
        let first = world.account(0).await;
        let second = world.account(0).await;
        let mut reads = world.db.read().await.unwrap();
        let mut page = async |after, limit| {
            let page = month_statement::lifetimes(&mut reads, after, limit).await.unwrap();
            page.into_iter().map(|lifetime| lifetime.account).collect::<Vec<_>>()
        };
        assert_eq!(page(AccountId(0), 1).await, [first]);
        assert_eq!(page(first, 9).await, [second]);
    }
}

//! What the store keeps of reported errors and of remote sessions, on both engines.

use domain::agreement::contact::{Attempt, Channel, Outcome};
use domain::agreement::error_report::{Finding, Source, State, Step, Whose};
use domain::agreement::remote_session::Step as Session;
use domain::agreement::ticket::{Channel as Way, Side};
use domain::{AccountId, Timestamp};
use store::account::NewAccount;
use store::error_report::{self, Kept, NewReport, Taken};
use store::ticket::{self, NewTicket};
use store::{Db, Tx, remote_session};

use crate::engines::both_engines;
use crate::world::{NOW, new_account};

const HOUR_US: i64 = 3_600_000_000;

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> T) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await;
    tx.commit().await.unwrap();
    value
}

fn taken(step: Option<Step>, at: Timestamp) -> Taken {
    let said = "because".to_owned();
    Taken { step, side: Side::Staff, at, actor: "Sara".to_owned(), said }
}

fn new(account: Option<AccountId>) -> NewReport {
    NewReport {
        account,
        ticket: None,
        source: Source::Probe,
        title: "گزارش خالی".to_owned(),
        description: "two\nlines".to_owned(),
        reported_at: NOW,
    }
}

async fn make(db: &Db, new: &NewReport) -> i64 {
    let first = taken(None, NOW);
    write(db, async |tx| error_report::insert(tx, new, &first).await.unwrap()).await
}

async fn go(db: &Db, id: i64, step: Step, hours: i64) -> Kept {
    let at = NOW.plus_us(hours * HOUR_US);
    write(db, async |tx| {
        let mut kept = error_report::take(tx, id).await.unwrap().unwrap();
        kept.report.take(&step, at).unwrap();
        error_report::keep(tx, &mut kept, taken(Some(step), at)).await.unwrap();
        kept
    })
    .await
}

both_engines! {
    /// Whatever happened to a report is read as it happened.
    async fn a_report_is_read_as_it_was_kept(world) {
        let account = world.account(0).await;
        let made = new(Some(account));
        let id = make(&world.db, &made).await;
        let later = |hours: i64| NOW.plus_us(hours * HOUR_US);
        let because = || "because".to_owned();
        for (n, step) in [
            Step::Assigned("Sara".to_owned()),
            Step::Paused,
            Step::Resumed,
            Step::Asked(later(20)),
            Step::Provided,
            Step::Found(Finding::Structural),
            Step::Committed(later(100)),
            Step::Proposed(later(200)),
            Step::Agreed,
            Step::Delivered(because()),
            Step::Rejected(because()),
            Step::Delivered(because()),
            Step::Accepted,
            Step::Reopened,
            Step::Found(Finding::Minor),
            Step::Fixed,
            Step::NotVerified(because()),
            Step::Fixed,
            Step::Verified,
            Step::Reopened,
            Step::Found(Finding::NotOurs(Whose::ThirdParty, because())),
        ].into_iter().enumerate() {
            let kept = go(&world.db, id, step, i64::try_from(n).unwrap()).await;
            let read = error_report::find(&mut world.db.read().await.unwrap(), id).await.unwrap();
            assert_eq!(read, Some(kept));
        }
        let attempt = Attempt {
            at: later(30),
            actor: "Sara".to_owned(),
            channel: Channel::Messenger,
            address: "@me".to_owned(),
            outcome: Outcome::Off,
            note: String::new(),
        };
        write(&world.db, async |tx| {
            error_report::insert_contact(tx, id, &attempt).await.unwrap();
        })
        .await;
        let kept = error_report::find(&mut world.db.read().await.unwrap(), id).await;
        let kept = kept.unwrap().unwrap();
        assert_eq!((kept.new, kept.contacts), (made, vec![attempt]));
        assert_eq!((kept.report.state, kept.report.cycle), (State::Answered, 3));
    }

    /// Lists go on where the page before ended; those of which a clock runs, and duplicates, are
    /// found.
    async fn reports_are_listed_page_by_page(world) {
        let account = world.account(0).await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(make(&world.db, &new(Some(account))).await);
        }
        let mut tx = world.db.begin().await.unwrap();
        let played = NewAccount { sandbox_of: Some(account), ..new_account(0) };
        let sandbox = store::account::create(&mut tx, &played).await.unwrap();
        tx.commit().await.unwrap();
        make(&world.db, &new(Some(sandbox))).await;
        let platform = make(&world.db, &new(None)).await;
        go(&world.db, ids[0], Step::Found(Finding::Question), 1).await;
        go(&world.db, ids[1], Step::Found(Finding::Minor), 1).await;
        go(&world.db, ids[2], Step::Found(Finding::DuplicateOf(ids[1])), 1).await;
        let mut reads = world.db.read().await.unwrap();
        let numbers = |all: Vec<Kept>| all.iter().map(|kept| kept.id).collect::<Vec<_>>();
        let page = error_report::list(&mut reads, Some(account), None, 2).await.unwrap();
        assert_eq!(numbers(page), [ids[3], ids[2]]);
        let page = error_report::list(&mut reads, Some(account), Some(ids[2]), 9).await.unwrap();
        assert_eq!(numbers(page), [ids[1], ids[0]]);
        let all = error_report::list(&mut reads, None, None, 1).await.unwrap();
        assert_eq!(numbers(all), [platform]);
        let page = error_report::running(&mut reads, 0, 2).await.unwrap();
        assert_eq!(numbers(page), [ids[1], ids[2]]);
        let page = error_report::running(&mut reads, ids[2], 9).await.unwrap();
        assert_eq!(numbers(page), [ids[3], platform]);
        assert_eq!(error_report::open(&mut reads, account).await.unwrap(), 3);
        let same = error_report::duplicates(&mut reads, ids[1], State::Fixing).await.unwrap();
        assert_eq!(same, [ids[2]]);
        let fixed = error_report::duplicates(&mut reads, ids[1], State::Fixed).await.unwrap();
        assert_eq!(fixed, Vec::<i64>::new());
        let whole = go(&world.db, ids[1], Step::Fixed, 2).await;
        assert_eq!(error_report::open(&mut reads, account).await.unwrap(), 2);
        let page = error_report::running(&mut reads, 0, 1).await.unwrap();
        assert_eq!(numbers(page.clone()), [ids[1]], "until somebody made sure of it");
        assert_eq!((&page[0].report, page[0].steps.len()), (&whole.report, 0));
    }

    /// A session is read as it happened, and each account has its own.
    async fn a_session_is_read_as_it_was_kept(world) {
        let account = world.account(0).await;
        let opened = NewTicket {
            account,
            channel: Way::Form,
            subject: "s".to_owned(),
            about: None,
            context: Vec::new(),
            opened_at: NOW,
        };
        let first = ticket::Taken {
            step: None,
            side: Side::Customer,
            at: NOW,
            actor: "a".to_owned(),
            said: "t".to_owned(),
        };
        let ticket =
            write(&world.db, async |tx| ticket::insert(tx, &opened, &first).await.unwrap()).await;
        let step = |step, side, n: i64| remote_session::Taken {
            step,
            side,
            at: NOW.plus_us(n),
            actor: "Sara".to_owned(),
            said: String::new(),
        };
        let new = remote_session::NewSession {
            ticket,
            account,
            expert: "Sara".to_owned(),
            purpose: "to see it".to_owned(),
        };
        let first = step(None, Side::Staff, 0);
        let ask =
            async |tx: &mut Tx| remote_session::insert(tx, &new, &first).await.unwrap();
        let (id, other) = (write(&world.db, ask).await, write(&world.db, ask).await);
        let agreed = Session::Agreed(NOW.plus_us(9), "AnyDesk".to_owned());
        for (n, (what, side)) in [
            (agreed, Side::Customer),
            (Session::Consented, Side::Customer),
            (Session::Withdrawn, Side::Customer),
            (Session::Consented, Side::Customer),
            (Session::Started, Side::Staff),
            (Session::Ended, Side::Staff),
            (Session::Noted, Side::Staff),
        ].into_iter().enumerate() {
            let n = i64::try_from(n).unwrap() + 1;
            let kept = write(&world.db, async |tx| {
                let mut kept = remote_session::take(tx, id).await.unwrap().unwrap();
                let customer = side == Side::Customer;
                kept.session.take(&what, customer, NOW.plus_us(n)).unwrap();
                remote_session::keep(tx, &mut kept, step(Some(what), side, n)).await.unwrap();
                kept
            })
            .await;
            let read = remote_session::find(&mut world.db.read().await.unwrap(), id).await;
            assert_eq!(read.unwrap(), Some(kept));
        }
        let mut reads = world.db.read().await.unwrap();
        assert_eq!(remote_session::open(&mut reads, account, ticket).await.unwrap(), 1);
        let page = remote_session::list(&mut reads, Some(account), None, 1).await.unwrap();
        assert_eq!(page.iter().map(|kept| kept.id).collect::<Vec<_>>(), [other]);
        let page = remote_session::list(&mut reads, Some(account), Some(other), 9).await.unwrap();
        assert_eq!(page.iter().map(|kept| kept.id).collect::<Vec<_>>(), [id]);
        let all = remote_session::list(&mut reads, None, None, 9).await.unwrap();
        assert_eq!(all.len(), 2);
        let theirs = remote_session::list(&mut reads, Some(AccountId(77)), None, 9).await;
        assert_eq!(theirs.unwrap(), []);
    }
}

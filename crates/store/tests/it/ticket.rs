//! What the store keeps of tickets and of calls to the support line, on both engines.

use domain::agreement::callback::Policy;
use domain::agreement::support_call::{Attempt, Step as Happened};
use domain::agreement::ticket::{About, Channel, Side, State, Step};
use domain::{AccountId, QuickSendId, Timestamp};
use store::account::NewAccount;
use store::support_call;
use store::ticket::{self, Attachment, Kept, NewTicket, Taken};
use store::{Db, Error, Tx};

use crate::engines::both_engines;
use crate::world::{NOW, new_account};

pub async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> T) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await;
    tx.commit().await.unwrap();
    value
}

fn new(account: AccountId, opened_at: Timestamp) -> NewTicket {
    let context = [("locale", "fa"), ("page", "/a = b")];
    let context = context.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    NewTicket {
        account,
        channel: Channel::Click,
        subject: "قطعی".to_owned(),
        about: Some(About::Message(QuickSendId(7))),
        context,
        opened_at,
    }
}

fn taken(step: Option<Step>, side: Side, at: Timestamp) -> Taken {
    Taken { step, side, at, actor: "Sara".to_owned(), said: "two\nlines".to_owned() }
}

async fn open(db: &Db, new: &NewTicket) -> i64 {
    let first = taken(None, Side::Customer, new.opened_at);
    write(db, async |tx| ticket::insert(tx, new, &first).await.unwrap()).await
}

async fn go(db: &Db, id: i64, step: Step, side: Side, at: Timestamp) -> Kept {
    write(db, async |tx| {
        let mut kept = ticket::take(tx, id).await.unwrap().unwrap();
        kept.ticket.take(&step, side, at).unwrap();
        ticket::keep(tx, &mut kept, taken(Some(step), side, at)).await.unwrap();
        kept
    })
    .await
}

both_engines! {
    /// Whatever was done to a ticket is read as it was done, and its files with it.
    async fn a_ticket_is_read_as_it_was_kept(world) {
        let account = world.account(0).await;
        let opened = new(account, NOW);
        let id = open(&world.db, &opened).await;
        let other = open(&world.db, &opened).await;
        let at = |n: i64| NOW.plus_us(n);
        for (n, (step, side)) in [
            (Step::Assigned("Sara".to_owned()), Side::Staff),
            (Step::Noted, Side::Staff),
            (Step::Asked, Side::Staff),
            (Step::Attached, Side::Customer),
            (Step::Absorbed(other, Some(at(1))), Side::Staff),
            (Step::Answered, Side::Staff),
            (Step::Written, Side::Customer),
            (Step::Closed, Side::Customer),
            (Step::Reopened, Side::Staff),
        ].into_iter().enumerate() {
            let at = at(i64::try_from(n).unwrap() + 2);
            let kept = go(&world.db, id, step, side, at).await;
            let read = ticket::find(&mut world.db.read().await.unwrap(), id).await.unwrap();
            assert_eq!(read, Some(kept));
        }
        go(&world.db, other, Step::Merged(id), Side::Staff, at(1)).await;
        let file = Attachment {
            id: 0,
            ticket: id,
            name: "عکس.png".to_owned(),
            media_type: "image/png".to_owned(),
            bytes: 5,
            blob: "ticket/1/ab".to_owned(),
        };
        let attached =
            write(&world.db, async |tx| ticket::insert_attachment(tx, &file).await.unwrap()).await;
        let mut reads = world.db.read().await.unwrap();
        let kept = ticket::find(&mut reads, id).await.unwrap().unwrap();
        assert_eq!((kept.new, kept.ticket.state()), (opened, State::Open));
        assert_eq!(kept.attachments, [Attachment { id: attached, ..file.clone() }]);
        let found = ticket::find_attachment(&mut reads, attached).await.unwrap();
        assert_eq!(found, Some((account, Attachment { id: attached, ..file })));
        assert_eq!(ticket::find_attachment(&mut reads, 99).await.unwrap(), None);
        assert_eq!(ticket::open(&mut reads, account).await.unwrap(), 1);
        assert_eq!(ticket::bytes_of_files(&mut reads, account).await.unwrap(), 5);
        let stranger = world.account(0).await;
        assert_eq!(ticket::bytes_of_files(&mut reads, stranger).await.unwrap(), 0);
        for named in [id, other] {
            let found = ticket::going_on(&mut reads, named).await.unwrap().unwrap();
            assert_eq!((found.id, found.steps.len()), (id, 10));
        }
        assert_eq!(ticket::going_on(&mut reads, 99).await.unwrap(), None);
        let listed = ticket::list(&mut reads, Some(account), None, 9).await.unwrap();
        let bare = |kept: &Kept| kept.steps.is_empty() && kept.attachments.is_empty();
        assert!(listed.iter().all(bare));
        assert_eq!(listed[1].ticket, kept.ticket, "it stands where it does");
    }

    /// Nobody works for sandboxes: it is never our turn there.
    async fn it_is_never_our_turn_in_a_sandbox(world) {
        let account = world.account(0).await;
        let mut tx = world.db.begin().await.unwrap();
        let played = NewAccount { sandbox_of: Some(account), ..new_account(0) };
        let sandbox = store::account::create(&mut tx, &played).await.unwrap();
        tx.commit().await.unwrap();
        let id = open(&world.db, &new(account, NOW)).await;
        open(&world.db, &new(sandbox, NOW)).await;
        let mut reads = world.db.read().await.unwrap();
        let start = (Timestamp(i64::MIN), 0);
        let ours = ticket::our_turn(&mut reads, start, 9).await.unwrap();
        assert_eq!(ours.iter().map(|kept| kept.id).collect::<Vec<_>>(), [id]);
        let ours = ticket::waiting(&mut reads, start, 9).await.unwrap();
        assert_eq!(ours.iter().map(|one| one.id).collect::<Vec<_>>(), [id]);
        assert_eq!(ticket::list(&mut reads, None, None, 9).await.unwrap().len(), 2);
    }

    /// Lists go on where the page before ended, and each account has its own.
    async fn tickets_are_listed_page_by_page(world) {
        let (one, two) = (world.account(0).await, world.account(0).await);
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(open(&world.db, &new(one, NOW.plus_us(n / 2))).await);
        }
        let theirs = open(&world.db, &new(two, NOW)).await;
        go(&world.db, ids[1], Step::Answered, Side::Staff, NOW.plus_us(9)).await;
        let mut reads = world.db.read().await.unwrap();
        let numbers = |all: Vec<Kept>| all.iter().map(|kept| kept.id).collect::<Vec<_>>();
        let page = ticket::list(&mut reads, Some(one), None, 2).await.unwrap();
        assert_eq!(numbers(page), [ids[4], ids[3]]);
        let page = ticket::list(&mut reads, Some(one), Some(ids[3]), 9).await.unwrap();
        assert_eq!(numbers(page), [ids[2], ids[1], ids[0]]);
        let all = ticket::list(&mut reads, None, None, 1).await.unwrap();
        assert_eq!(numbers(all), [theirs]);
        let (mut after, mut waiting) = ((Timestamp(i64::MIN), 0), Vec::new());
        loop {
            let page = ticket::our_turn(&mut reads, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = (last.ticket.turn().unwrap().since, last.id);
            waiting.extend(numbers(page));
        }
        assert_eq!(waiting, [ids[0], theirs, ids[2], ids[3], ids[4]]);
        let last = ticket::last_since(&mut reads, one, Channel::Click, NOW.plus_us(2)).await;
        assert_eq!(last.unwrap().map(|kept| kept.id), Some(ids[4]));
        let none = ticket::last_since(&mut reads, one, Channel::Click, NOW.plus_us(3)).await;
        assert_eq!(none.unwrap(), None);
    }

    /// Of two who change a ticket at once, one comes after the other and sees what it did.
    async fn who_changes_a_ticket_at_once_comes_after(world) {
        let account = world.account(0).await;
        let id = open(&world.db, &new(account, NOW)).await;
        let other = world.other_process().await;
        let note = async |db: &Db, count: i64| {
            for _ in 0..count {
                go(db, id, Step::Noted, Side::Staff, NOW).await;
            }
        };
        tokio::join!(note(&world.db, 10), note(&other, 10));
        let kept = ticket::find(&mut world.db.read().await.unwrap(), id).await.unwrap().unwrap();
        assert_eq!(kept.steps.len(), 21);
        other.close().await;
    }

    /// A call is read as it happened, and a number is called back once at a time.
    async fn a_number_is_called_back_once_at_a_time(world) {
        let account = world.account(0).await;
        let happened = |step, n: i64| support_call::Taken {
            step,
            at: NOW.plus_us(n),
            actor: "switch".to_owned(),
            note: String::new(),
        };
        let begin = async || {
            let first = happened(None, 0);
            write(&world.db, async |tx| {
                let first = (&first, Policy::of_the_agreement());
                support_call::insert(tx, Some(account), Some("0912"), None, first).await.unwrap()
            })
            .await
        };
        let (one, two) = (begin().await, begin().await);
        let go = async |id, step: Happened, n| {
            let mut tx = world.db.begin().await.unwrap();
            let mut kept = support_call::take(&mut tx, id).await.unwrap().unwrap();
            kept.call.take(&step, NOW.plus_us(n)).unwrap();
            kept.number = Some("09121234567".to_owned());
            support_call::keep(&mut tx, &mut kept, happened(Some(step), n)).await?;
            tx.commit().await.unwrap();
            Ok(kept)
        };
        go(one, Happened::Offered, 1).await.unwrap();
        go(one, Happened::Registered, 2).await.unwrap();
        let twice = go(two, Happened::Registered, 3).await;
        assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
        let owed = async || {
            let mut reads = world.db.read().await.unwrap();
            support_call::owed_to(&mut reads, "09121234567").await.unwrap()
        };
        assert_eq!(owed().await, Some(one));
        let kept = go(two, Happened::Doubled(one), 3).await.unwrap();
        let mut reads = world.db.read().await.unwrap();
        assert_eq!(support_call::find(&mut reads, two).await.unwrap(), Some(kept));
        go(one, Happened::Dialing, 4).await.unwrap();
        assert_eq!(owed().await, Some(one));
        let open = support_call::open(&mut reads, (Timestamp(i64::MIN), 0), 9).await.unwrap();
        assert_eq!(open.iter().map(|kept| kept.id).collect::<Vec<_>>(), [one]);
        let kept = go(one, Happened::Attempted(Attempt::Voicemail), 5).await.unwrap();
        assert_eq!(kept.call.failed_at, [NOW.plus_us(5)]);
        let kept = go(one, Happened::Withdrawn, 6).await.unwrap();
        assert_eq!(support_call::find(&mut reads, one).await.unwrap(), Some(kept));
        assert_eq!(owed().await, None);
        let listed = support_call::list(&mut reads, None, 9).await.unwrap();
        assert_eq!(listed.iter().map(|kept| kept.id).collect::<Vec<_>>(), [two, one]);
        assert_eq!(listed[1].call.joined_at, NOW);
    }
}

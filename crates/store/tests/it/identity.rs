//! Cases of identity, on both engines: one at a time, steps that only go on, and what is forgotten.

use domain::agreement::identity::{By, CompanyId, NationalCode, State, Step};
use domain::calendar::day::Day;
use domain::{AccountId, PhoneNumber, Timestamp};
use store::identity::{self, Company, Document, Kept, NewCase, Person, Taken};
use store::{Db, Error, Tx};

use crate::engines::both_engines;
use crate::world::NOW;

fn person(with_company: bool) -> Person {
    let company = Company {
        id: CompanyId::parse("10380284790").unwrap(),
        name: "شرکت نمونه".to_owned(),
        role: "مدیر".to_owned(),
    };
    Person {
        code: NationalCode::parse("0499370899").unwrap(),
        first_name: "علی".to_owned(),
        last_name: "کریمی".to_owned(),
        born: Day::jalali(1370, 2, 31).unwrap(),
        mobile: PhoneNumber::parse("09121234567").unwrap(),
        company: with_company.then_some(company),
    }
}

fn taken(step: Option<Step>, by: By, at: Timestamp) -> Taken {
    Taken { step, by, at, actor: "Reza".to_owned(), said: "x".to_owned() }
}

async fn begin(db: &Db, account: AccountId, with_company: bool) -> Result<i64, Error> {
    begin_asked(db, account, with_company, "registry").await
}

async fn begin_asked(
    db: &Db,
    account: AccountId,
    with_company: bool,
    asked: &str,
) -> Result<i64, Error> {
    let new = NewCase { account, person: person(with_company), asked: asked.to_owned() };
    let mut tx = db.begin().await.unwrap();
    let id = identity::insert(&mut tx, &new, &taken(None, By::Customer, NOW)).await?;
    tx.commit().await.unwrap();
    Ok(id)
}

/// Takes a step; the registry is to be asked at this moment.
async fn step(db: &Db, id: i64, next: Step, by: By, ask_at: Option<Timestamp>) {
    let mut tx = db.begin().await.unwrap();
    let mut kept = identity::take(&mut tx, id).await.unwrap().unwrap();
    kept.identity.take(next, by, NOW).unwrap();
    identity::keep(&mut tx, &mut kept, taken(Some(next), by, NOW), ask_at).await.unwrap();
    tx.commit().await.unwrap();
}

async fn due(db: &Db, now: Timestamp) -> Vec<Kept> {
    let mut tx = db.begin().await.unwrap();
    let due = identity::take_due(&mut tx, now, now.plus_us(10), 5).await.unwrap();
    tx.commit().await.unwrap();
    due
}

async fn found(db: &Db, id: i64) -> Kept {
    identity::find(&mut db.read().await.unwrap(), id).await.unwrap().unwrap()
}

both_engines! {
    /// An account has one case at a time; what it states and every step are read as they were kept.
    async fn a_case_is_read_as_it_was_kept(world) {
        let db = &world.db;
        let (one, other) = (world.account(0).await, world.account(0).await);
        let first = begin(db, one, true).await.unwrap();
        assert!(matches!(begin(db, one, false).await, Err(Error::Conflict(_))));
        let second = begin(db, other, false).await.unwrap();
        let kept = found(db, first).await;
        assert_eq!((kept.account, &kept.person), (one, &Some(person(true))));
        assert_eq!(found(db, second).await.person, Some(person(false)));
        step(db, first, Step::Submitted, By::Customer, None).await;
        step(db, first, Step::Silent, By::Machine, None).await;
        let until = NOW.plus_us(5);
        step(db, first, Step::Verified(Some(until)), By::Staff, None).await;
        let kept = found(db, first).await;
        assert_eq!(kept.identity.until(), Some(until));
        assert_eq!(kept.identity.state(NOW), State::Verified);
        assert_eq!(kept.steps[3], taken(Some(Step::Verified(Some(until))), By::Staff, NOW));
        let third = begin(db, one, false).await.unwrap();
        let mut reads = db.read().await.unwrap();
        let mine = identity::list(&mut reads, Some(one), false, None, 9).await.unwrap();
        assert_eq!(mine.iter().map(|kept| kept.id).collect::<Vec<_>>(), [third, first]);
        let rest = identity::list(&mut reads, Some(one), false, Some(third), 9).await.unwrap();
        assert_eq!(rest.len(), 1);
        let all = identity::list(&mut reads, None, false, None, 2).await.unwrap();
        assert_eq!(all.iter().map(|kept| kept.id).collect::<Vec<_>>(), [third, second]);
        assert_eq!(identity::list(&mut reads, None, true, None, 9).await.unwrap(), []);
        assert_eq!(identity::begun_since(&mut reads, one, NOW).await.unwrap(), 2);
        assert_eq!(identity::begun_since(&mut reads, one, NOW.plus_us(1)).await.unwrap(), 0);
        drop(reads);
        step(db, second, Step::Submitted, By::Customer, None).await;
        step(db, second, Step::Silent, By::Machine, None).await;
        let mut reads = db.read().await.unwrap();
        let waiting = identity::list(&mut reads, None, true, None, 9).await.unwrap();
        assert_eq!(waiting.iter().map(|kept| kept.id).collect::<Vec<_>>(), [second]);
    }

    /// Who an owner is, is proven while a case is verified and in time; a number is to be proven
    /// while its case is open, asks for that and has no such proof. Another's says nothing.
    async fn who_is_proven_and_whose_number_is_not_yet(world) {
        let db = &world.db;
        let (one, other) = (world.account(0).await, world.account(0).await);
        let id = begin_asked(db, one, false, "mobile,registry").await.unwrap();
        let document = begin_asked(db, other, false, "registry").await.unwrap();
        let proven = async |account, at| {
            identity::was_proven(&mut db.read().await.unwrap(), account, at).await.unwrap()
        };
        let open = async |account, number: &str| {
            let number = PhoneNumber::parse(number).unwrap();
            let mut reads = db.read().await.unwrap();
            identity::is_to_be_proven(&mut reads, account, &number).await.unwrap()
        };
        assert!(open(one, "+989121234567").await && !open(one, "09121234568").await);
        assert!(!open(other, "09121234567").await, "its case does not ask for it");
        assert!(!proven(one, NOW).await);
        step(db, id, Step::MobileProven, By::Customer, None).await;
        assert!(!open(one, "09121234567").await, "it is proven");
        step(db, id, Step::Submitted, By::Customer, None).await;
        step(db, document, Step::Withdrawn, By::Customer, None).await;
        begin_asked(db, other, false, "document,mobile").await.unwrap();
        step(db, id, Step::Silent, By::Machine, None).await;
        let until = NOW.plus_us(5);
        step(db, id, Step::Verified(Some(until)), By::Staff, None).await;
        assert!(proven(one, NOW.plus_us(4)).await && !proven(one, until).await);
        assert!(!proven(other, NOW).await && open(other, "09121234567").await);
        begin(db, one, false).await.unwrap();
        assert!(proven(one, NOW).await, "while it is proven anew");
        step(db, id, Step::Revoked, By::Staff, None).await;
        assert!(!proven(one, NOW).await);
    }

    /// The registry is asked of each by one process at a time, as long as it is to be asked.
    async fn the_registry_is_asked_by_one_process(world) {
        let (one, other) = (&world.db, &world.other_process().await);
        let id = begin(one, world.account(0).await, false).await.unwrap();
        assert_eq!(due(one, NOW).await, []);
        step(one, id, Step::Submitted, By::Customer, Some(NOW)).await;
        assert_eq!(due(one, NOW).await[0].tries, 1);
        assert_eq!(due(other, NOW.plus_us(9)).await, []);
        assert_eq!(due(other, NOW.plus_us(10)).await[0].tries, 2);
        let mut tx = one.begin().await.unwrap();
        identity::ask_at(&mut tx, id, NOW.plus_us(50)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(due(one, NOW.plus_us(49)).await, []);
        step(one, id, Step::Differs, By::Machine, None).await;
        assert_eq!(due(one, NOW.plus_us(99)).await, []);
        let mut tx = one.begin().await.unwrap();
        identity::ask_at(&mut tx, id, NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(due(one, NOW.plus_us(99)).await, [], "nobody waits for it any more");
    }

    /// I19: who it was is removed, and what was done stays.
    async fn what_is_forgotten_says_nobody(world) {
        let db = &world.db;
        let id = begin(db, world.account(0).await, true).await.unwrap();
        let new = Document {
            id: 0,
            name: "کارت.png".to_owned(),
            media_type: "image/png".to_owned(),
            bytes: 7,
            blob: "identity/1/a".to_owned(),
        };
        let mut tx = db.begin().await.unwrap();
        let document = identity::insert_document(&mut tx, id, &new).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(found(db, id).await.documents, [Document { id: document, ..new }]);
        step(db, id, Step::Withdrawn, By::Customer, None).await;
        step(db, id, Step::Forgotten, By::Staff, None).await;
        let forget = async |tx: &mut Tx| {
            identity::forget(tx, id).await.unwrap();
            identity::delete_document(tx, document).await.unwrap();
        };
        let mut tx = db.begin().await.unwrap();
        forget(&mut tx).await;
        tx.commit().await.unwrap();
        let kept = found(db, id).await;
        assert_eq!((&kept.person, kept.documents.len(), kept.steps.len()), (&None, 0, 3));
        assert!(kept.identity.is_forgotten());
    }
}

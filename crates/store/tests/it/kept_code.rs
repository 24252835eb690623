//! One-time codes that the platform keeps, and how fast calls for them follow each other.

use domain::kept_code::{State, Velocity};
use domain::{AccountId, CodeId, Destination, Timestamp};
use store::hot::Played;
use store::kept_code::{
    KeptCode, NewCode, decide, delete, find, find_by_reference, forget, give_back, insert,
    not_said, replace_older, say_again, silence, sounds_left, spend, try_one,
};

use crate::engines::both_engines;
use crate::world::{NOW, World, spoken};

const END: Timestamp = Timestamp(NOW.0 + 600_000_000);

fn code(account: AccountId, reference: &str) -> NewCode {
    NewCode {
        account,
        reference: reference.to_owned(),
        destination: Destination::parse("09121234567").unwrap(),
        salt: vec![1],
        hash: vec![2],
        blob: format!("{reference}.wav"),
        clip_ms: 7_000,
        own_words: reference == "c",
        created_at: NOW,
        expires_at: END,
    }
}

async fn kept(world: &World, new: &NewCode) -> Option<CodeId> {
    let mut tx = world.db.begin().await.unwrap();
    let id = insert(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn found(world: &World, account: AccountId, id: CodeId) -> Option<KeptCode> {
    find(&mut world.db.read().await.unwrap(), account, id).await.unwrap()
}

both_engines! {
    /// So many at once, then one whenever its time has come; each name by itself.
    async fn velocity_is_bounded(world) {
        let velocity = Velocity { count: 3, within_ms: 30_000 };
        let mut tx = world.db.begin().await.unwrap();
        for _ in 0..3 {
            assert_eq!(spend(&mut tx, "a", velocity, NOW).await.unwrap(), None);
        }
        let next = NOW.plus_ms(10_000);
        assert_eq!(spend(&mut tx, "a", velocity, NOW).await.unwrap(), Some(next));
        assert_eq!(spend(&mut tx, "b", velocity, NOW).await.unwrap(), None);
        let early = next.plus_us(-1);
        assert_eq!(spend(&mut tx, "a", velocity, early).await.unwrap(), Some(next));
        assert_eq!(spend(&mut tx, "a", velocity, next).await.unwrap(), None);
        assert!(spend(&mut tx, "a", velocity, next).await.unwrap().is_some());
        let later = NOW.plus_ms(3_600_000);
        for _ in 0..3 {
            assert_eq!(spend(&mut tx, "a", velocity, later).await.unwrap(), None);
        }
        tx.commit().await.unwrap();
    }

    /// What is given back can be taken again, and no more than that.
    async fn velocity_is_given_back(world) {
        let velocity = Velocity { count: 2, within_ms: 20_000 };
        let mut tx = world.db.begin().await.unwrap();
        give_back(&mut tx, "a", velocity, NOW).await.unwrap();
        for _ in 0..2 {
            assert_eq!(spend(&mut tx, "a", velocity, NOW).await.unwrap(), None);
        }
        assert!(spend(&mut tx, "a", velocity, NOW).await.unwrap().is_some());
        give_back(&mut tx, "a", velocity, NOW).await.unwrap();
        assert_eq!(spend(&mut tx, "a", velocity, NOW).await.unwrap(), None);
        let next = NOW.plus_ms(10_000);
        assert_eq!(spend(&mut tx, "a", velocity, NOW).await.unwrap(), Some(next));
        for _ in 0..3 {
            give_back(&mut tx, "a", velocity, NOW).await.unwrap();
        }
        for _ in 0..2 {
            assert_eq!(spend(&mut tx, "a", velocity, NOW).await.unwrap(), None);
        }
        assert_eq!(spend(&mut tx, "a", velocity, NOW).await.unwrap(), Some(next));
        tx.commit().await.unwrap();
    }

    /// A code is kept once under its reference; once spoken it replaces those that wait.
    async fn a_newer_code_takes_the_place(world) {
        let (account, other) = (world.account(0).await, world.account(0).await);
        let first = kept(world, &code(account, "a")).await.unwrap();
        assert_eq!(kept(world, &code(account, "a")).await, None);
        assert_eq!(found(world, account, first).await.unwrap().state, State::Pending);
        kept(world, &code(other, "a")).await.unwrap();
        let elsewhere = Destination::parse("09121234568").unwrap();
        kept(world, &NewCode { destination: elsewhere, ..code(account, "b") }).await.unwrap();
        assert_eq!(found(world, account, first).await.unwrap().state, State::Pending);
        let second = kept(world, &code(account, "c")).await.unwrap();
        assert_eq!(found(world, account, first).await.unwrap().state, State::Pending);
        let mut tx = world.db.begin().await.unwrap();
        replace_older(&mut tx, &code(account, "a"), first).await.unwrap();
        replace_older(&mut tx, &code(account, "c"), second).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(found(world, account, second).await.unwrap().state, State::Pending);
        assert_eq!(found(world, account, first).await.unwrap().state, State::Replaced);
        assert!(found(world, other, second).await.is_none());
        let mut reader = world.db.read().await.unwrap();
        let same = find_by_reference(&mut reader, account, "c").await.unwrap().unwrap();
        assert_eq!((same.id, same.clip_ms, same.own_words), (second, 7_000, true));
        assert!(!found(world, account, first).await.unwrap().own_words);
        assert_eq!(same.destination.as_str(), "09121234567");
        let mut tx = world.db.begin().await.unwrap();
        delete(&mut tx, other, second).await.unwrap();
        delete(&mut tx, account, first).await.unwrap();
        tx.commit().await.unwrap();
        assert!(found(world, account, first).await.is_none());
        assert!(found(world, account, second).await.is_some());
    }

    /// Tries are counted while they may be made, and no longer.
    async fn tries_are_bounded(world) {
        let (account, other) = (world.account(0).await, world.account(0).await);
        let id = kept(world, &code(account, "a")).await.unwrap();
        let mut tx = world.db.begin().await.unwrap();
        assert!(!try_one(&mut tx, other, id, 2, NOW).await.unwrap());
        assert!(!try_one(&mut tx, account, id, 2, END).await.unwrap());
        assert!(try_one(&mut tx, account, id, 2, NOW).await.unwrap());
        assert!(try_one(&mut tx, account, id, 2, NOW).await.unwrap());
        assert!(!try_one(&mut tx, account, id, 2, NOW).await.unwrap());
        decide(&mut tx, id, State::Exhausted, NOW).await.unwrap();
        decide(&mut tx, id, State::Approved, NOW).await.unwrap();
        assert!(!try_one(&mut tx, account, id, 9, NOW).await.unwrap());
        tx.commit().await.unwrap();
        let after = found(world, account, id).await.unwrap();
        assert_eq!((after.state, after.checks), (State::Exhausted, 2));
    }

    /// A code is said again by one of those who ask at once.
    async fn it_is_said_again(world) {
        let account = world.account(0).await;
        let id = kept(world, &code(account, "a")).await.unwrap();
        let seen = found(world, account, id).await.unwrap();
        let later = NOW.plus_ms(60_000);
        let mut tx = world.db.begin().await.unwrap();
        assert!(!say_again(&mut tx, &seen, END).await.unwrap());
        assert!(say_again(&mut tx, &seen, later).await.unwrap());
        assert!(!say_again(&mut tx, &seen, later).await.unwrap());
        tx.commit().await.unwrap();
        let after = found(world, account, id).await.unwrap();
        assert_eq!((after.sends, after.sent_at), (2, later));
        let mut tx = world.db.begin().await.unwrap();
        not_said(&mut tx, &seen).await.unwrap();
        not_said(&mut tx, &seen).await.unwrap();
        tx.commit().await.unwrap();
        let after = found(world, account, id).await.unwrap();
        assert_eq!((after.sends, after.sent_at), (1, NOW));
    }

    /// Sounds go when nobody can hear them any more, codes long after.
    async fn what_is_old_is_forgotten(world) {
        let account = world.account(0).await;
        let id = kept(world, &code(account, "a")).await.unwrap();
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(sounds_left(&mut tx, END, 9).await.unwrap(), []);
        let after = END.plus_us(1);
        assert_eq!(sounds_left(&mut tx, after, 9).await.unwrap(), [(id, String::from("a.wav"))]);
        assert_eq!(forget(&mut tx, after, after, 9).await.unwrap(), 0, "its sound is there");
        silence(&mut tx, id).await.unwrap();
        assert_eq!(sounds_left(&mut tx, after, 9).await.unwrap(), []);
        assert_eq!(forget(&mut tx, END, after, 9).await.unwrap(), 0);
        assert_eq!(forget(&mut tx, after, after, 9).await.unwrap(), 1);
        tx.commit().await.unwrap();
    }

    /// Speech that is hidden becomes a message that nobody finds, and that its send plays.
    async fn hidden_speech(world) {
        let account = world.account(10_000).await;
        let mut element = spoken(account);
        if let Played::Spoken(spoken) = &mut element.played {
            spoken.hidden = true;
        }
        let accepted = world.accept(&element).await;
        let mut reader = world.db.read().await.unwrap();
        let message = store::message::find(&mut reader, account, accepted.message).await.unwrap();
        assert_eq!(message, None);
        assert_eq!(world.ready().await[0].blob, "new.wav");
    }
}

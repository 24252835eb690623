//! Templates, and campaigns that say something to each recipient alone.

use domain::campaign::State;
use domain::dialer::disposition::NOT_SPOKEN;
use domain::{Disposition, MessageId, RecipientId, Rials};
use store::hot::Import;
use store::template::{self, NewTemplate, Personal};
use store::{campaign, message};

use crate::campaign::{Called, numbers};
use crate::engines::both_engines;
use crate::world::{NOW, World};

/// A template of the account.
async fn made(world: &World, account: domain::AccountId) -> MessageId {
    let new = NewTemplate {
        account,
        title: String::from("بدهی"),
        written: String::from("{clip 1} {amount:rial debt}"),
        voice: Some(String::from("female")),
        longest_ms: 20_000,
        created_at: NOW,
    };
    let mut tx = world.db.begin().await.unwrap();
    let id = template::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let kept = template::Kept { id, new };
    let mut reader = world.db.read().await.unwrap();
    assert_eq!(template::find(&mut reader, account, id).await.unwrap(), Some(kept));
    id
}

impl Called<'_> {
    async fn spoken(&self, n: u32, sound: Option<(&str, u32)>) {
        let mut tx = self.world.db.begin().await.unwrap();
        let recipient = RecipientId { campaign: self.id, n };
        template::set_sound(&mut tx, recipient, sound).await.unwrap();
        tx.commit().await.unwrap();
    }
}

both_engines! {
    /// Goal: who looks for a message finds no template, and who looks for a template no message.
    async fn a_template_is_no_message(world) {
        let (account, other) = (world.account(0).await, world.account(0).await);
        let plain = world.message(account).await;
        let id = made(world, account).await;
        let mut reader = world.db.read().await.unwrap();
        assert!(message::find(&mut reader, account, id).await.unwrap().is_none());
        assert!(message::find_of_any(&mut reader, id).await.unwrap().is_none());
        let listed = message::list(&mut reader, account, None, 9).await.unwrap();
        assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [plain]);
        assert!(template::find(&mut reader, account, plain).await.unwrap().is_none());
        assert!(template::find(&mut reader, other, id).await.unwrap().is_none());
        let listed = template::list(&mut reader, account, None, 9).await.unwrap();
        assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [id]);
        assert!(template::list(&mut reader, other, None, 9).await.unwrap().is_empty());
        assert!(template::list(&mut reader, account, Some(id), 9).await.unwrap().is_empty());
        let sound = template::sound(&mut reader, account, plain).await.unwrap();
        assert_eq!(sound.map(|(_, ms)| ms), Some(10_000));
        assert!(template::sound(&mut reader, other, plain).await.unwrap().is_none());
        assert!(template::sound(&mut reader, account, id).await.unwrap().is_none());
    }

    /// Goal: a template that was deleted is found by the campaigns that play it, and by no other.
    async fn a_deleted_template_is_found_by_what_was_begun(world) {
        let (account, other) = (world.account(0).await, world.account(0).await);
        let plain = world.message(account).await;
        let id = made(world, account).await;
        let mut tx = world.db.begin().await.unwrap();
        for (whose, which) in [(other, id), (account, plain)] {
            assert!(!template::delete(&mut tx, whose, which, NOW).await.unwrap());
        }
        assert!(template::delete(&mut tx, account, id, NOW).await.unwrap());
        assert!(!template::delete(&mut tx, account, id, NOW).await.unwrap());
        tx.commit().await.unwrap();
        let mut reader = world.db.read().await.unwrap();
        assert_eq!(template::find(&mut reader, account, id).await.unwrap(), None);
        assert!(template::list(&mut reader, account, None, 9).await.unwrap().is_empty());
        let begun = template::begun(&mut reader, account, id).await.unwrap();
        assert_eq!(begun.map(|kept| kept.id), Some(id));
        assert_eq!(template::begun(&mut reader, other, id).await.unwrap(), None);
        assert!(message::find(&mut reader, account, plain).await.unwrap().is_some());
    }

    /// Goal: nobody steps into the line before what is said to it alone was spoken; what is played
    /// and how long is its own, what is held the campaign's. What cannot be spoken ends without a
    /// charge, and is not called again.
    async fn recipients_step_in_as_they_are_spoken_to(world) {
        let account = world.account(1_000_000).await;
        let id = made(world, account).await;
        let called = Called::of(world, account, id, 3).await;
        let values = ["100", "200", "300", "400"].map(str::to_owned).to_vec();
        let import = Import {
            account,
            campaign: called.id,
            before: 0,
            numbers: numbers(0..4),
            values,
        };
        assert!(world.db.import(import).await.unwrap());
        called.start(State::Draft, 3).await;
        assert_eq!(called.feed(10, NOW).await, 0, "nobody was spoken to");
        let mut reader = world.db.read().await.unwrap();
        let personal = Personal { campaign: called.id, account, template: id, cursor: 0 };
        assert_eq!(template::calling(&mut reader, 9).await.unwrap(), [personal]);
        let waiting = template::unspoken(&mut reader, called.id, (0, 3), 9).await.unwrap();
        let recipient = |n| RecipientId { campaign: called.id, n };
        let expected = [(1, "100"), (2, "200"), (3, "300")];
        let expected = expected.map(|(n, given)| (recipient(n), given.to_owned()));
        assert!(waiting.into_iter().eq(expected));
        drop(reader);

        called.spoken(1, Some(("message/a.wav+speech/b.wav", 7_000))).await;
        called.spoken(1, Some(("later", 1))).await;
        called.spoken(2, None).await;
        called.spoken(4, Some(("speech/d.wav", 4_000))).await;
        assert_eq!(called.feed(10, NOW).await, 2, "the third was not spoken to");
        let jobs = world.ready().await;
        let heard: Vec<_> = jobs.iter().map(|job| (&*job.blob, job.clip_ms, job.hold)).collect();
        let own = ("message/a.wav+speech/b.wav", 7_000, Rials(450));
        assert_eq!(heard, [own, ("", 10_000, Rials(450))]);
        assert_eq!(world.funds(account).await, (1_000_000, 900));

        let ended = world.db.expire(vec![(jobs[1].quick_send, NOT_SPOKEN)], NOW).await.unwrap();
        assert_eq!(ended, [true]);
        assert_eq!(called.results().await, [(Disposition::Cancelled, 1)]);
        assert_eq!(world.funds(account).await, (1_000_000, 450));
        let node = world.node("a").await;
        assert_eq!(called.call(node, Disposition::NoAnswer, NOW).await, 1);
        let later = NOW.plus_ms(700_000);
        assert_eq!(called.feed(10, later).await, 1, "only who was not reached is called again");
        assert_eq!(world.ready().await[0].blob, "message/a.wav+speech/b.wav");

        let mut reader = world.db.read().await.unwrap();
        let said = template::said(&mut reader, account, recipient(2)).await.unwrap().unwrap();
        assert_eq!((&*said.given, said.sound.as_deref(), said.template), ("200", Some(""), id));
        let other = world.account(0).await;
        assert!(template::said(&mut reader, other, recipient(2)).await.unwrap().is_none());
        let found = campaign::find(&mut reader, account, called.id).await.unwrap().unwrap();
        assert!(found.is_personal);
    }
}

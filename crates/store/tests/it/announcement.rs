//! The outbox of announcements and who was shown them, on both engines.

use domain::Timestamp;
use domain::agreement::maintenance::Channel;
use domain::announcement::{Audience, Text};
use store::announcement::{self, NewAnnouncement};
use store::{Db, Tx};

use crate::engines::both_engines;
use crate::world::NOW;

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> store::Result<T>) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    value
}

fn news(n: u32) -> NewAnnouncement {
    NewAnnouncement {
        text: Text::new(&format!("خبر {n}"), "متن").unwrap(),
        author: "Reza".to_owned(),
        audience: Audience::Public,
        maintenance: None,
        made_at: NOW,
        until: NOW.plus_us(100),
    }
}

/// All that this process tells in a place from now on, and for 10 µs nobody else does.
async fn take(db: &Db, place: &str, now: Timestamp) -> Vec<(i64, u32)> {
    let until = now.plus_us(10);
    let next =
        async |tx: &mut Tx| announcement::take_due(tx, (place, Audience::Public), now, until).await;
    let mut taken = Vec::new();
    while let Some((one, way)) = write(db, next).await {
        taken.push((one.id, way.tries));
    }
    taken
}

both_engines! {
    /// Each place is told by one process at a time, until it confirmed; what was taken back is told
    /// nowhere, and proofs stay when the place shows it no more (T086).
    async fn each_place_is_told_until_it_confirms(world) {
        let (one, other) = (&world.db, &world.other_process().await);
        let places = [("panel".to_owned(), Some(Channel::FirstPage)), ("mail".to_owned(), None)];
        let mut ids = Vec::new();
        for n in 0..2 {
            let insert = async |tx: &mut Tx| announcement::insert(tx, &news(n), &places).await;
            ids.push(write(one, insert).await);
        }
        let (first, second) = (ids[0], ids[1]);
        assert_eq!(take(one, "mail", NOW.plus_us(-1)).await, []);
        assert_eq!(take(one, "mail", NOW).await, [(first, 1), (second, 1)]);
        assert_eq!(take(other, "mail", NOW.plus_us(9)).await, []);
        assert_eq!(take(other, "mail", NOW.plus_us(10)).await, [(first, 2), (second, 2)]);
        let ways = announcement::deliveries(&mut one.read().await.unwrap(), first).await.unwrap();
        let mail = ways.iter().find(|way| way.channel == "mail").unwrap().clone();
        let gone = async || {
            write(one, async |tx| announcement::gone(tx, &mail, "Reza", NOW.plus_us(40)).await)
                .await
        };
        assert!(!gone().await, "it was not told there yet");
        let failed = async |tx: &mut Tx| {
            announcement::failed(tx, &mail, "full", Some(NOW.plus_us(30)), None).await
        };
        let remember = async |now: i64| {
            let (now, until) = (NOW.plus_us(now), NOW.plus_us(29));
            let keep = async |tx: &mut Tx| {
                announcement::remember(tx, &mail, "+a", now, until).await
            };
            write(one, keep).await
        };
        assert!(remember(20).await);
        assert!(!remember(100).await, "it is over");
        assert_eq!(take(other, "mail", NOW.plus_us(28)).await, [(second, 3)]);
        write(one, failed).await;
        let ways = announcement::deliveries(&mut one.read().await.unwrap(), first).await.unwrap();
        assert_eq!(ways[0].reference.as_deref(), Some("+a"), "a try that fails keeps it");
        let told = async |at: i64| {
            let note = async |tx: &mut Tx| {
                announcement::delivered(tx, &mail, "<1@a>", &[7], NOW.plus_us(at)).await
            };
            write(one, note).await
        };
        assert!(told(31).await);
        assert!(!remember(32).await, "it is told");
        assert!(!told(32).await);
        assert!(write(one, async |tx| announcement::withdraw(tx, second, "R", NOW).await).await);
        assert!(!write(one, async |tx| announcement::withdraw(tx, second, "R", NOW).await).await);
        assert_eq!(take(one, "mail", NOW.plus_us(99)).await, []);
        assert_eq!(take(one, "panel", NOW).await, [(first, 1)]);
        assert_eq!(take(one, "panel", NOW.plus_us(100)).await, [], "it is over");
        assert!(gone().await);
        assert!(!gone().await);
        let mut reads = one.read().await.unwrap();
        let ways = announcement::deliveries(&mut reads, first).await.unwrap();
        let mail = &ways[0];
        assert_eq!((mail.reference.as_deref(), mail.tries), (Some("<1@a>"), 2));
        assert_eq!(mail.delivered_at.zip(mail.gone_at), Some((NOW.plus_us(31), NOW.plus_us(40))));
        assert_eq!((mail.content_hash.as_deref(), &mail.error), (Some(&[7][..]), &None));
        let standing = announcement::standing(&mut reads, NOW.plus_us(99), 9).await.unwrap();
        assert_eq!(standing.iter().map(|one| one.id).collect::<Vec<_>>(), [first]);
        assert_eq!(announcement::standing(&mut reads, NOW.plus_us(100), 9).await.unwrap(), []);
        let all = announcement::list(&mut reads, None, None, 1).await.unwrap();
        assert_eq!((all[0].id, all[0].withdrawn_at), (second, Some(NOW)));
        let rest = announcement::list(&mut reads, None, Some(second), 9).await.unwrap();
        assert_eq!((rest.len(), &rest[0].new), (1, &news(0)));
    }

    /// An account was first shown something when that was first noted, and others were not.
    async fn who_was_shown_something_stays(world) {
        let db = &world.db;
        let (one, other) = (world.account(0).await, world.account(0).await);
        let id = write(db, async |tx| announcement::insert(tx, &news(1), &[]).await).await;
        for (account, at) in [(other, 5), (one, 7), (one, 9)] {
            let view = async |tx: &mut Tx| {
                announcement::view(tx, id, account, NOW.plus_us(at)).await
            };
            write(db, view).await;
        }
        let mut reads = db.read().await.unwrap();
        let views = announcement::views(&mut reads, id, domain::AccountId(0), 9).await.unwrap();
        assert_eq!(views, [(one, NOW.plus_us(7)), (other, NOW.plus_us(5))]);
        let rest = announcement::views(&mut reads, id, one, 9).await.unwrap();
        assert_eq!(rest, [(other, NOW.plus_us(5))]);
        let viewed = announcement::viewed_at(&mut reads, id, one).await.unwrap();
        assert_eq!(viewed, Some(NOW.plus_us(7)));
        assert_eq!(announcement::viewed_at(&mut reads, id + 1, one).await.unwrap(), None);
    }
}

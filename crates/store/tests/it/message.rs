//! The gallery of messages, page by page.

use domain::message::{Decision, Reason};
use domain::{Approval, MessageId};
use store::message::{
    GalleryPage, NewMessage, can_be_wanted, decide, delete, find, find_of_any, gallery, insert,
    waiting, want_heard,
};

use crate::engines::both_engines;
use crate::world::{NOW, new_message};

const ALL: GalleryPage =
    GalleryPage { skip: 0, limit: 10, passing_only: false, oldest_first: false };

both_engines! {
    /// A page has its messages in the order that was asked for, and tells how many there are;
    /// those without a title and those of others are in no gallery.
    async fn a_gallery_has_pages(world) {
        let account = world.account(0).await;
        let mut tx = world.db.begin().await.unwrap();
        let mut ids = Vec::new();
        for n in 0..4 {
            let new = NewMessage { persistent: n == 1, ..new_message(account) };
            ids.push(insert(&mut tx, &new).await.unwrap());
        }
        let untitled = NewMessage { title: String::new(), ..new_message(account) };
        insert(&mut tx, &untitled).await.unwrap();
        tx.commit().await.unwrap();
        let stranger = world.account(0).await;
        world.message(stranger).await;
        for (page, expected, count) in [
            (ALL, vec![3, 2, 1, 0], 4),
            (GalleryPage { oldest_first: true, ..ALL }, vec![0, 1, 2, 3], 4),
            (GalleryPage { skip: 1, limit: 2, ..ALL }, vec![2, 1], 4),
            (GalleryPage { passing_only: true, ..ALL }, vec![3, 2, 0], 3),
            (GalleryPage { passing_only: true, oldest_first: true, skip: 2, ..ALL }, vec![3], 3),
        ] {
            let mut reader = world.db.read().await.unwrap();
            let (found, all) = gallery(&mut reader, account, page).await.unwrap();
            let places = |id| ids.iter().position(|known| *known == id).unwrap();
            let seen: Vec<usize> = found.iter().map(|message| places(message.id)).collect();
            assert_eq!((seen, all), (expected, count), "{page:?}");
        }
    }

    /// What waits is found over all accounts, the oldest first, until it is decided or deleted; why
    /// it was refused stays with it until it is approved.
    async fn what_waits_is_decided(world) {
        let (one, other) = (world.account(0).await, world.account(0).await);
        let mut tx = world.db.begin().await.unwrap();
        let mut ids = Vec::new();
        for (account, approval) in [
            (one, Approval::Waiting),
            (other, Approval::WaitingByPhone),
            (one, Approval::Approved),
            (other, Approval::Waiting),
        ] {
            let new = NewMessage { approval, ..new_message(account) };
            ids.push(insert(&mut tx, &new).await.unwrap());
        }
        let listed = waiting(&mut tx, MessageId(0), 10).await.unwrap();
        let listed: Vec<MessageId> = listed.iter().map(|message| message.id).collect();
        assert_eq!(listed, [ids[0], ids[1], ids[3]]);
        let next = waiting(&mut tx, ids[0], 1).await.unwrap();
        assert_eq!(next[0].id, ids[1]);
        // What its account approved by itself waits once it is wanted, until staff has decided.
        want_heard(&mut tx, other, ids[2], NOW).await.unwrap();
        assert_eq!(waiting(&mut tx, MessageId(0), 10).await.unwrap().len(), 3, "not theirs");
        assert!(!can_be_wanted(&mut tx, other, ids[2]).await.unwrap(), "not theirs");
        for (id, is_new) in [(ids[0], false), (ids[2], true), (ids[2], false)] {
            assert_eq!(can_be_wanted(&mut tx, one, id).await.unwrap(), is_new);
            want_heard(&mut tx, one, id, NOW).await.unwrap();
        }
        let listed = waiting(&mut tx, ids[0], 10).await.unwrap();
        let listed: Vec<MessageId> = listed.iter().map(|message| message.id).collect();
        assert_eq!(listed, ids[1..]);
        assert!(decide(&mut tx, ids[2], &Decision::Approve, NOW).await.unwrap());
        let refuse = Decision::Refuse(Reason::new("بی‌نام است").unwrap());
        assert!(decide(&mut tx, ids[0], &refuse, NOW).await.unwrap());
        assert!(delete(&mut tx, other, ids[1], NOW).await.unwrap());
        assert!(!decide(&mut tx, ids[1], &refuse, NOW).await.unwrap());
        assert_eq!(waiting(&mut tx, MessageId(0), 10).await.unwrap().len(), 1);
        let refused = find(&mut tx, one, ids[0]).await.unwrap().unwrap();
        assert_eq!(refused.approval, Approval::Rejected);
        assert_eq!(refused.refused_because.as_deref(), Some("بی‌نام است"));
        assert!(decide(&mut tx, ids[0], &Decision::AskByPhone, NOW).await.unwrap());
        let asked = find(&mut tx, one, ids[0]).await.unwrap().unwrap();
        assert_eq!((asked.approval, asked.decided_at), (Approval::WaitingByPhone, None));
        let listed = waiting(&mut tx, MessageId(0), 10).await.unwrap();
        assert_eq!(listed[0].id, ids[0], "it waits again");
        assert!(decide(&mut tx, ids[0], &Decision::Approve, NOW).await.unwrap());
        let approved = find_of_any(&mut tx, ids[0]).await.unwrap().unwrap();
        assert_eq!((approved.approval, approved.refused_because), (Approval::Approved, None));
        tx.commit().await.unwrap();
    }
}

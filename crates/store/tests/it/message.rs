//! The gallery of messages, page by page.

use store::message::{GalleryPage, NewMessage, gallery, insert};

use crate::engines::both_engines;
use crate::world::new_message;

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
}

//! The map of numbers changes as a whole, whoever reads or writes it meanwhile.

use domain::Timestamp;
use domain::campaign::numbers::CompactNumber;
use domain::map::{Position, Region};
use store::map::{self, Placed};

use crate::engines::both_engines;
use crate::world::{NOW, World};

const ALL: &str = "-90,-180;-90,180;90,180;90,-180";

/// Numbers on a diagonal from the middle of the earth, each a microdegree further than the last.
fn diagonal(count: i64) -> Vec<Placed> {
    let place = |n: i64| Placed {
        number: CompactNumber::parse(&format!("0912{n:07}")).unwrap(),
        position: Position::new(n, -n).unwrap(),
    };
    (0..count).map(place).collect()
}

async fn begin(world: &World) -> i64 {
    let mut tx = world.db.begin().await.unwrap();
    let id = map::begin(&mut tx, NOW).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn add(world: &World, id: i64, numbers: &[Placed]) -> bool {
    let mut tx = world.db.begin().await.unwrap();
    let added = map::add(&mut tx, id, numbers).await.unwrap();
    tx.commit().await.unwrap();
    added
}

async fn put_in_force(world: &World, id: i64, now: Timestamp) -> bool {
    let mut tx = world.db.begin().await.unwrap();
    let done = map::put_in_force(&mut tx, id, now).await.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn tidy(world: &World, last: i64) {
    loop {
        let mut tx = world.db.begin().await.unwrap();
        let more = map::tidy(&mut tx, last, 3).await.unwrap();
        tx.commit().await.unwrap();
        if !more {
            return;
        }
    }
}

async fn within(world: &World, id: i64, region: &str, page: u32) -> Vec<Placed> {
    let region = Region::parse(region).unwrap();
    let mut reads = world.db.read().await.unwrap();
    let mut found: Vec<Placed> = Vec::new();
    loop {
        let after = found.last().copied();
        let next = map::around(&mut reads, id, &region, after, page).await.unwrap();
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}

async fn current(world: &World) -> Option<map::Map> {
    map::current(&mut world.db.read().await.unwrap()).await.unwrap()
}

both_engines! {
    /// What is filled in is seen when it is in force and not before; what came before stays until
    /// the next import, for whoever reads it still.
    async fn a_map_comes_in_force_as_a_whole(world) {
        assert_eq!(current(world).await, None);
        let (first, numbers) = (begin(world).await, diagonal(8));
        assert!(add(world, first, &numbers[..5]).await);
        assert!(add(world, first, &numbers[5..]).await);
        assert_eq!(current(world).await, None, "it is not in force");
        assert!(put_in_force(world, first, NOW).await);
        assert!(!put_in_force(world, first, NOW).await, "it is already");
        assert!(!add(world, first, &diagonal(9)[8..]).await, "it takes no more");
        let is = |id, at, numbers| Some(map::Map { id, in_force_at: at, numbers });
        assert_eq!(current(world).await, is(first, NOW, 8));

        let second = begin(world).await;
        tidy(world, second - 1).await;
        assert!(add(world, second, &numbers[..2]).await);
        assert_eq!(within(world, first, ALL, 100).await, numbers, "the first is there still");
        // The clock was set back meanwhile: the one that was begun later counts.
        let earlier = Timestamp(NOW.0 - 1);
        assert!(put_in_force(world, second, earlier).await);
        assert_eq!(current(world).await, is(second, earlier, 2));
        assert_eq!(within(world, first, ALL, 100).await, numbers);

        let third = begin(world).await;
        tidy(world, third - 1).await;
        assert_eq!(within(world, first, ALL, 100).await, []);
        assert_eq!(within(world, second, ALL, 100).await, numbers[..2]);
    }

    /// Of two imports at the same time the later one counts, and the other is told.
    async fn a_later_import_takes_over(world) {
        let (numbers, one, other) = (diagonal(4), begin(world).await, begin(world).await);
        assert!(!add(world, one, &numbers).await);
        assert!(!put_in_force(world, one, NOW).await);
        assert!(add(world, other, &numbers).await);
        tidy(world, other - 1).await;
        assert!(put_in_force(world, other, NOW).await);
        assert_eq!(current(world).await.map(|map| (map.id, map.numbers)), Some((other, 4)));
    }

    /// What lies around a region is found a page at a time, in one order, each number once.
    async fn numbers_are_found_around_a_region(world) {
        let (id, mut numbers) = (begin(world).await, diagonal(20));
        // Many in one place, as in one house.
        let house = Position::new(7, -7).unwrap();
        numbers[8].position = house;
        numbers[9].position = house;
        assert!(add(world, id, &numbers).await);
        assert!(put_in_force(world, id, NOW).await);
        let box_of_five = "0.000005,-0.000012;0.000012,-0.000012;0.000012,-0.000007";
        let expected = &numbers[7..=12];
        for page in [1, 2, 100] {
            assert_eq!(within(world, id, box_of_five, page).await, expected, "{page}");
        }
        assert_eq!(within(world, id, "1,1;1,2;2,2", 100).await, []);
    }
}

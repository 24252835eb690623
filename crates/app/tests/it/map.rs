//! The map of numbers: an operator's file, and campaigns of those whom a region has.

use std::io::{Error as IoError, Read};
use std::sync::Arc;

use app::account::{Permission, set_permission};
use app::campaign::{self, CreateRefusal, NewCampaign, Open, Recipients};
use app::map::{self, BadRow, ImportRefusal, Imported, Unreadable};
use app::{Caller, Error};
use domain::MessageId;
use domain::map::Region;

use crate::campaign::new_campaign;
use crate::refusal;
use crate::world::World;

/// Tehran's Azadi square and three places around it; somebody in Shiraz.
const MAP: &str = "number,latitude,longitude\n\
                   09121234567,35.699739,51.338097\n\
                   ۰۹۱۲۱۲۳۴۵۶۸,۳۵٫۷۰,۵۱٫۳۴\n\
                   02112345678,35.71,51.34\n\
                   09121234569,35.70,51.36\n\
                   09171234567,29.6,52.5\n";
const AZADI: &str = "35.69,51.33; 35.69,51.35; 35.705,51.35; 35.705,51.33";

fn file(text: &str) -> Open {
    let bytes: Arc<[u8]> = text.as_bytes().into();
    Box::new(move || Ok(Box::new(std::io::Cursor::new(Arc::clone(&bytes)))))
}

async fn import(world: &World, text: &str) -> Imported {
    map::import(&world.app, &file(text)).await.unwrap()
}

async fn permit(world: &World, caller: &Caller) {
    set_permission(&world.app, caller.account.id, Permission::Regions, true).await.unwrap();
}

/// A campaign of those in a region, and of whoever is written besides.
fn of_region(message: MessageId, region: &str, besides: &str) -> NewCampaign {
    let region = Region::parse(region).unwrap();
    let numbers = Some(Recipients::Within { region, besides: besides.to_owned() });
    NewCampaign { numbers, ..new_campaign(message) }
}

async fn called(world: &World, caller: &Caller, new: NewCampaign) -> Vec<String> {
    let caller = world.refreshed(caller).await;
    let made = campaign::create(&world.app, &caller, new).await.unwrap();
    let account = caller.account.id;
    let found = campaign::recipients(&world.app, account, made.id, 0, 99).await.unwrap().unwrap();
    let mut numbers: Vec<String> = found.into_iter().map(|one| one.stored.number).collect();
    assert_eq!(numbers.len(), made.added.accepted as usize);
    numbers.sort();
    numbers
}

/// Who is within is called, and nobody else; what is written besides is called, too, each once.
#[tokio::test]
async fn a_campaign_calls_who_is_within_a_region() {
    let world = World::new().await;
    let (caller, _) = world.customer(100_000).await;
    let message = world.message(&caller, 4000).await.id;
    let refused = campaign::create(&world.app, &caller, of_region(message, AZADI, "")).await;
    assert_eq!(refusal(refused), CreateRefusal::NoRegion, "there is no map");
    let imported = import(&world, MAP).await;
    assert_eq!((imported.numbers, imported.bad), (5, 0));
    let refused = campaign::create(&world.app, &caller, of_region(message, AZADI, "")).await;
    assert_eq!(refusal(refused), CreateRefusal::NoRegion, "there is none without permission");
    permit(&world, &caller).await;
    let caller = world.refreshed(&caller).await;

    let azadi = ["09121234567", "09121234568"];
    assert_eq!(called(&world, &caller, of_region(message, AZADI, "")).await, azadi);
    let besides = "09121234568, 09121234500, nobody";
    let made = called(&world, &caller, of_region(message, AZADI, besides)).await;
    assert_eq!(made, ["09121234500", "09121234567", "09121234568"]);
    let all = "-90,-180;-90,180;90,180;90,-180";
    assert_eq!(called(&world, &caller, of_region(message, all, "")).await.len(), 5);
    let sea = of_region(message, "0,0;0,1;1,1", "09121234500");
    let refused = campaign::create(&world.app, &caller, sea).await;
    assert_eq!(refusal(refused), CreateRefusal::NoRegion, "nobody is there");
    // What is judged of a list is judged of a region.
    let wrong = of_region(MessageId(99), AZADI, "");
    let refused = campaign::create(&world.app, &caller, wrong).await;
    assert_eq!(refusal(refused), CreateRefusal::WrongMessage);
    let (poor, _) = world.customer(0).await;
    permit(&world, &poor).await;
    let poor = world.refreshed(&poor).await;
    let message = world.message(&poor, 4000).await.id;
    let refused = campaign::create(&world.app, &poor, of_region(message, AZADI, "")).await;
    assert_eq!(refusal(refused), CreateRefusal::InsufficientCredit);
}

/// A new map is in force as a whole or not at all, and bad rows are told by their place.
#[tokio::test]
async fn a_map_is_replaced_by_a_good_file_alone() {
    let world = World::new().await;
    let (caller, _) = world.customer(100_000).await;
    let message = world.message(&caller, 4000).await.id;
    permit(&world, &caller).await;
    import(&world, MAP).await;
    let is_as_it_was = async || {
        assert_eq!(map::current(&world.app).await.unwrap().unwrap().numbers, 5);
        assert_eq!(called(&world, &caller, of_region(message, AZADI, "")).await.len(), 2);
    };
    let refused = async |text: &str| refusal(map::import(&world.app, &file(text)).await);
    assert_eq!(refused("").await, ImportRefusal::Empty);
    assert_eq!(refused("number,latitude,longitude\nx,y,z\n").await, ImportRefusal::Empty);
    let open = "09121234567,35.7,51.34\n\"09121234568,35.7,51.34\n";
    assert_eq!(refused(open).await, ImportRefusal::Unreadable(Unreadable::OpenQuote(2)));
    is_as_it_was().await;
    let breaks: Open = Box::new(|| Ok(Box::new(Broken { left: 200_000 })));
    let failed = map::import(&world.app, &breaks).await;
    assert!(matches!(failed, Err(Error::Failed(_))), "{failed:?}");
    is_as_it_was().await;

    let next = "09121234567;35.7;51.34\n09121234567;1;1\n123;1;1\n09121234568;95;1\n";
    let imported = import(&world, next).await;
    assert_eq!((imported.numbers, imported.bad), (1, 3));
    let told: Vec<_> = imported.bad_rows.iter().map(|told| (told.row, told.why)).collect();
    assert_eq!(told, [(2, BadRow::Twice), (3, BadRow::NoNumber), (4, BadRow::NoPosition)]);
    assert_eq!(called(&world, &caller, of_region(message, AZADI, "")).await, ["09121234567"]);

    map::remove(&world.app).await.unwrap();
    assert_eq!(map::current(&world.app).await.unwrap().unwrap().numbers, 0);
    let refused = campaign::create(&world.app, &caller, of_region(message, AZADI, "")).await;
    assert_eq!(refusal(refused), CreateRefusal::NoRegion, "nobody is on the map any more");
    import(&world, next).await;
    assert_eq!(called(&world, &caller, of_region(message, AZADI, "")).await, ["09121234567"]);
}

/// A file that cannot be read to its end: its rows are good until then.
struct Broken {
    left: usize,
}

impl Read for Broken {
    fn read(&mut self, part: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            return Err(IoError::other("the disk is gone"));
        }
        let mut written = 0;
        while written + 32 <= part.len() && self.left > 0 {
            self.left = self.left.saturating_sub(32);
            let row = format!("0935{:07},35.7000000,51.3400\n", self.left);
            part[written..written + row.len()].copy_from_slice(row.as_bytes());
            written += row.len();
        }
        Ok(written)
    }
}

/// A map of many pages is looked through to its end.
#[tokio::test]
async fn a_region_of_many_is_found_whole() {
    let world = World::new().await;
    let (caller, _) = world.customer(100_000_000).await;
    let message = world.message(&caller, 4000).await.id;
    let row = |n: u32| format!("0912{n:07},35.{:06},51.{:06}\n", 700_000 + n % 100, 300_000 + n);
    let text: String = (0..5_000).map(row).collect();
    assert_eq!(import(&world, &text).await.numbers, 5_000);
    permit(&world, &caller).await;
    let region = Region::parse("35.70001,51.3;35.70001,51.4;35.70002,51.4;35.70002,51.3").unwrap();
    let numbers = Some(Recipients::Within { region, besides: String::new() });
    let new = NewCampaign { numbers, ..new_campaign(message) };
    let made = campaign::create(&world.app, &world.refreshed(&caller).await, new).await.unwrap();
    assert_eq!(made.added.accepted, 550, "eleven of each hundred rows");
}

/// Of many who ask for regions at once some are told to come again; the others are served.
#[tokio::test]
async fn regions_do_not_gather() {
    let world = World::new().await;
    let (caller, _) = world.customer(100_000_000_000).await;
    let message = world.message(&caller, 4000).await.id;
    permit(&world, &caller).await;
    // The first one asks for so much that the others come while it is looked through.
    let row = |n: u32| format!("0935{n:07},36.{:06},52.{:06}\n", n % 100, 300_000 + n);
    let far: String = (0..20_000).map(row).collect();
    import(&world, &format!("{MAP}{far}")).await;
    let caller = world.refreshed(&caller).await;
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (app, caller) = (world.app.clone(), caller.clone());
        let region = if n == 0 { "35.9,52;35.9,53;36.1,53;36.1,52" } else { AZADI };
        let new = of_region(message, region, "");
        asked.spawn(async move { campaign::create(&app, &caller, new).await });
    }
    let made = asked.join_all().await;
    let (made, failed): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert!(made.len() >= 8, "{}", made.len());
    assert!(!failed.is_empty());
    for failed in failed {
        assert!(matches!(failed, Err(Error::Failed(_))), "{failed:?}");
    }
    assert_eq!(called(&world, &caller, of_region(message, AZADI, "")).await.len(), 2);
}

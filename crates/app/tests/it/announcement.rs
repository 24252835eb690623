//! What everybody is told: its way to each place, what that proves of a maintenance, and who was
//! shown it.

use app::Settings;
use app::announcement::{self, AnnouncementRefusal, Job, Place, Untold};
use app::maintenance::{self, MaintenanceRefusal, NewPlan};
use domain::AccountId;
use domain::agreement::availability::Window;
use domain::agreement::maintenance::{Channel, LEAD_US, State};
use domain::agreement::scope::{Paths, Scope};
use domain::announcement::{Audience, Refusal};
use domain::calendar::span::Span;

use crate::refusal;
use crate::violation::{at, go_to, span};
use crate::world::World;

/// A platform that tells things on its first page, in Bale and by mail.
async fn world() -> World {
    let place =
        |name: &str, proves| Place { name: name.to_owned(), audience: Audience::Public, proves };
    let (social, mail) = (place("bale", Some(Channel::Social)), place("mail", None));
    let places = vec![Place::first_page(), social, mail];
    World::with(Settings { places, ..Settings::default() }).await
}

fn plan(span: Span) -> NewPlan {
    let (paths, scope) = (Paths::ALL, Scope::everyone());
    let plan = Some(Window { paths, scope, span });
    NewPlan { plan, author: "Reza".to_owned(), confirmed: false }
}

async fn next(world: &World, place: &str) -> Job {
    announcement::due(&world.app, place).await.unwrap().unwrap()
}

async fn told(world: &World, place: &str, reference: &str) {
    let job = next(world, place).await;
    announcement::delivered(&world.app, &job, reference).await.unwrap();
}

async fn state(world: &World) -> State {
    let time = span("1405/10/01 00:00", "1405/11/01 00:00");
    maintenance::list(&world.app, time).await.unwrap()[0].1
}

fn night() -> Span {
    span("1405/10/20 02:00", "1405/10/20 04:00")
}

/// T070, T072: a notice is complete when both places confirmed it, as of when the later one did.
#[tokio::test]
async fn a_notice_is_complete_when_both_places_confirmed_it() {
    for (confirmed_at, expected) in
        [("1405/10/18 02:00", State::Noticed), ("1405/10/18 02:01", State::Announced)]
    {
        let world = world().await;
        go_to(&world, "1405/10/18 00:00");
        maintenance::announce(&world.app, "disks", None, plan(night())).await.unwrap();
        told(&world, "panel", "/#announcement-1").await;
        told(&world, "mail", "<1@a>").await;
        assert_eq!(state(&world).await, State::Announced);
        go_to(&world, confirmed_at);
        told(&world, "bale", "@avanak/42").await;
        assert_eq!(state(&world).await, expected, "{confirmed_at}");
    }
}

/// T086: what a network shows no more keeps its id, hash and time, and is flagged; the notice stays
/// what it was. T080: what is taken off the first page does not.
#[tokio::test]
async fn a_deleted_post_is_flagged_and_stays_a_proof() {
    let world = world().await;
    let app = &world.app;
    go_to(&world, "1405/10/17 02:00");
    maintenance::announce(app, "disks", None, plan(night())).await.unwrap();
    let gone = async |place: &str, by: &str| announcement::gone(app, 1, place, by).await;
    assert_eq!(refusal(gone("bale", "Reza").await), AnnouncementRefusal::NotThere);
    for (place, reference) in [("panel", "/#announcement-1"), ("bale", "@avanak/42")] {
        told(&world, place, reference).await;
    }
    let proven = announcement::find_for(app, AccountId(1), 1).await.unwrap().unwrap().ways;
    go_to(&world, "1405/10/19 00:00");
    gone("bale", "Reza").await.unwrap();
    for (place, by, why) in [
        ("bale", "Reza", AnnouncementRefusal::NotThere),
        ("panel", "Reza", AnnouncementRefusal::NotThere),
        ("nowhere", "Reza", AnnouncementRefusal::NotThere),
        ("bale", " ", AnnouncementRefusal::Author),
    ] {
        assert_eq!(refusal(gone(place, by).await), why, "{place}");
    }
    let ways = announcement::find_for(app, AccountId(1), 1).await.unwrap().unwrap().ways;
    for (before, after) in proven.iter().zip(&ways) {
        let is_gone = after.channel == "bale";
        assert_eq!(after.gone_at, is_gone.then(|| at("1405/10/19 00:00")), "{}", after.channel);
        assert_eq!(
            (&before.reference, before.delivered_at),
            (&after.reference, after.delivered_at)
        );
        assert_eq!(before.content_hash, after.content_hash);
    }
    let kept = maintenance::list(app, night()).await.unwrap().remove(0).0;
    let flagged = kept.maintenance.proofs.iter().map(|proof| (proof.channel, proof.withdrawn_at));
    let expected = [(Channel::FirstPage, None), (Channel::Social, Some(at("1405/10/19 00:00")))];
    assert_eq!(flagged.collect::<Vec<_>>(), expected);
    assert_eq!(state(&world).await, State::Noticed);
    announcement::withdraw(app, 1, "Reza").await.unwrap();
    assert_eq!(state(&world).await, State::Announced);
}

/// T087: a subscriber who never looks is told "not viewed", and the notice is what it is.
#[tokio::test]
async fn who_never_looks_is_noted_and_changes_nothing() {
    let world = world().await;
    let app = &world.app;
    let (one, other) = (world.customer(0).await.0.account.id, world.customer(0).await.0.account.id);
    go_to(&world, "1405/10/17 02:00");
    maintenance::announce(app, "disks", None, plan(night())).await.unwrap();
    told(&world, "panel", "/#announcement-1").await;
    told(&world, "bale", "@avanak/42").await;
    let viewed = announcement::view(app, one, 1).await.unwrap().viewed_at;
    assert_eq!(viewed, Some(app.now()));
    go_to(&world, "1405/10/20 03:00");
    assert_eq!(announcement::view(app, one, 1).await.unwrap().viewed_at, viewed);
    let unknown = refusal(announcement::view(app, one, 9).await);
    assert_eq!(unknown, AnnouncementRefusal::NoSuchAnnouncement);
    let listed = announcement::list_for(app, other, None, 9).await.unwrap();
    assert_eq!((listed.len(), listed[0].viewed_at), (1, None));
    let views = announcement::views(app, 1, AccountId(0), 9).await.unwrap();
    assert_eq!(views, viewed.map(|at| (one, at)).into_iter().collect::<Vec<_>>());
    assert_eq!(state(&world).await, State::InProgress);
}

/// What is changed is told anew in place of what was told; what is taken back while it is looked
/// for on the first page proves nothing.
#[tokio::test]
async fn what_is_taken_back_meanwhile_proves_nothing() {
    let world = world().await;
    let app = &world.app;
    go_to(&world, "1405/10/17 02:00");
    let saved = maintenance::announce(app, "disks", None, plan(night())).await.unwrap();
    let looked = next(&world, "panel").await;
    maintenance::change(app, saved.id, plan(span("1405/10/20 02:00", "1405/10/20 05:00")))
        .await
        .unwrap();
    announcement::delivered(app, &looked, "/#announcement-1").await.unwrap();
    told(&world, "bale", "@avanak/42").await;
    let kept = maintenance::list(app, night()).await.unwrap().remove(0).0;
    let proofs = kept.maintenance.proofs.iter().map(|proof| (proof.version, proof.channel));
    assert_eq!(proofs.collect::<Vec<_>>(), [(1, Channel::Social)]);
    let standing = announcement::standing(app).await.unwrap();
    assert_eq!(standing.len(), 1);
    assert!(standing[0].new.text.title.starts_with("تغییر"), "{standing:?}");
    told(&world, "panel", "/#announcement-2").await;
    assert_eq!(state(&world).await, State::Noticed);
    let cancel = NewPlan { plan: None, ..plan(night()) };
    maintenance::change(app, saved.id, cancel).await.unwrap();
    let standing = announcement::standing(app).await.unwrap();
    assert!(standing[0].new.text.title.starts_with("لغو"), "{standing:?}");
}

/// What fails is tried again after a pause, no sooner than the place asks, while it is worth it.
#[tokio::test]
async fn what_fails_is_told_later() {
    let world = world().await;
    let app = &world.app;
    let until = app.now().plus_ms(100_000);
    let announce =
        async |until, by: &str| announcement::announce(app, ("خبر", "متن"), until, by).await;
    assert_eq!(refusal(announce(until, "").await), AnnouncementRefusal::Author);
    let over = refusal(announce(app.now(), "Reza").await);
    assert_eq!(over, AnnouncementRefusal::Rule(Refusal::Time));
    announce(until, "Reza").await.unwrap();
    let due = async || announcement::due(app, "bale").await.unwrap().is_some();
    let untold = |why: &str, pause_ms| Untold { pause_ms, ..Untold::because(why) };
    let job = next(&world, "bale").await;
    assert!(!due().await, "another server told it meanwhile");
    announcement::failed(app, &job, &untold("slow down", Some(30_000))).await.unwrap();
    world.clock.advance_ms(29_999);
    assert!(!due().await);
    world.clock.advance_ms(1);
    let job = next(&world, "bale").await;
    assert_eq!(job.delivery.tries, 2);
    announcement::failed(app, &job, &untold(&"ب".repeat(600), Some(80_000))).await.unwrap();
    world.clock.advance_ms(1_000_000);
    assert!(!due().await, "it is worth telling no more");
    let ways = announcement::list(app, None, 1).await.unwrap().remove(0).1;
    let error = ways.iter().find(|way| way.channel == "bale").unwrap().error.clone();
    assert_eq!(error, Some("ب".repeat(250)));
}

/// T080: taking back the notice of a maintenance that was changed takes the older version off the
/// first page, too, and with it what it proved for the hours that both have.
#[tokio::test]
async fn what_is_taken_back_proves_no_older_version() {
    let world = world().await;
    let app = &world.app;
    go_to(&world, "1405/10/15 02:00");
    let saved = maintenance::announce(app, "disks", None, plan(night())).await.unwrap();
    told(&world, "panel", "/#announcement-1").await;
    told(&world, "bale", "@avanak/42").await;
    let longer = plan(span("1405/10/20 02:00", "1405/10/20 04:30"));
    maintenance::change(app, saved.id, longer).await.unwrap();
    let planned = async || {
        let kept = maintenance::list(app, night()).await.unwrap().remove(0).0;
        kept.maintenance.valid(LEAD_US)
    };
    assert_eq!(planned().await.len(), 1);
    announcement::withdraw(app, 2, "Reza").await.unwrap();
    assert_eq!(planned().await, []);
}

/// What is over, taken back, or may be shown already is told no more.
#[tokio::test]
async fn what_is_not_worth_telling_is_not_told() {
    let world = world().await;
    let app = &world.app;
    let until = app.now().plus_ms(10_000_000);
    for title in ["over", "back", "unclear"] {
        let until = if title == "over" { app.now().plus_ms(1_000) } else { until };
        announcement::announce(app, (title, "متن"), until, "Reza").await.unwrap();
    }
    world.clock.advance_ms(1_000);
    let back = next(&world, "bale").await;
    assert_eq!(back.announcement.new.text.title, "back");
    assert!(announcement::remember(app, &back, "+a@b").await.unwrap());
    announcement::withdraw(app, 2, "Reza").await.unwrap();
    assert!(!announcement::remember(app, &back, "+a@b").await.unwrap());
    let unclear = next(&world, "bale").await;
    let memory = Some("1".to_owned());
    let untold = Untold { memory, ..Untold::because("no answer in time") };
    announcement::failed(app, &unclear, &untold).await.unwrap();
    world.clock.advance_ms(5_000);
    let unclear = next(&world, "bale").await;
    assert_eq!(unclear.delivery.reference.as_deref(), Some("1"));
    let untold = Untold { is_final: true, ..untold };
    announcement::failed(app, &unclear, &untold).await.unwrap();
    world.clock.advance_ms(4_000_000);
    assert_eq!(announcement::due(app, "bale").await.unwrap(), None);
}

/// What a network shows without a name is told, and proves nothing.
#[tokio::test]
async fn what_has_no_name_is_told_once_and_proves_nothing() {
    let world = world().await;
    go_to(&world, "1405/10/15 02:00");
    maintenance::announce(&world.app, "disks", None, plan(night())).await.unwrap();
    told(&world, "panel", "/#announcement-1").await;
    told(&world, "bale", "").await;
    world.clock.advance_ms(4_000_000);
    assert_eq!(announcement::due(&world.app, "bale").await.unwrap(), None);
    assert_eq!(state(&world).await, State::Announced);
}

/// However much else is told, a maintenance stands on the first page.
#[tokio::test]
async fn a_maintenance_stands_before_all_news() {
    let world = world().await;
    let app = &world.app;
    go_to(&world, "1405/10/17 02:00");
    for title in ["two\nlines", "\u{FFFF}"] {
        let no = maintenance::announce(app, title, None, plan(night())).await;
        assert_eq!(refusal(no), MaintenanceRefusal::Text("title"));
    }
    maintenance::announce(app, "disks", None, plan(night())).await.unwrap();
    for _ in 0..51 {
        let until = app.now().plus_ms(1_000_000);
        announcement::announce(app, ("خبر", "متن"), until, "Reza").await.unwrap();
    }
    let standing = announcement::standing(app).await.unwrap();
    assert_eq!((standing.len(), standing[0].new.maintenance), (50, Some((1, 0))));
}

//! Trunks as the operator changes them, and as nodes see them.

use app::trunk::{self, Source, TrunkRefusal};
use domain::{AccountId, Trunk};

use crate::refusal;
use crate::world::World;

fn described(name: &str) -> Trunk {
    Trunk { name: name.to_owned(), address: String::from("192.0.2.10"), ..Trunk::default() }
}

/// The names of the trunks that a node uses.
async fn used(world: &World, node: &str) -> Vec<String> {
    let used = trunk::used_by(&world.app, node).await.unwrap();
    used.into_iter().map(|used| used.trunk.name).collect()
}

#[tokio::test]
async fn a_trunk_is_added_changed_switched_and_removed_and_each_is_seen() {
    let world = World::new().await;
    let app = &world.app;
    let mut seen = vec![trunk::changes(app).await.unwrap()];
    trunk::add(app, described("north")).await.unwrap();
    seen.push(trunk::changes(app).await.unwrap());
    trunk::set(app, Trunk { max_cps: 7, ..described("north") }).await.unwrap();
    seen.push(trunk::changes(app).await.unwrap());
    trunk::switch(app, "north", false).await.unwrap();
    seen.push(trunk::changes(app).await.unwrap());
    let one = trunk::used_by(app, "any").await.unwrap().remove(0);
    assert_eq!((one.trunk.max_cps, one.disabled_at.is_some()), (7, true));
    trunk::switch(app, "north", true).await.unwrap();
    assert_eq!(trunk::used_by(app, "any").await.unwrap()[0].disabled_at, None);
    trunk::remove(app, "north").await.unwrap();
    seen.push(trunk::changes(app).await.unwrap());
    assert!(seen.is_sorted_by(|before, after| before < after), "{seen:?}");
    assert_eq!(used(&world, "any").await, [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let world = World::new().await;
    let app = &world.app;
    trunk::add(app, described("north")).await.unwrap();
    let again = trunk::add(app, described("north")).await;
    assert_eq!(refusal(again), TrunkRefusal::NameTaken);
    let nonsense = trunk::add(app, Trunk { max_cps: 0, ..described("x") }).await;
    assert!(matches!(refusal(nonsense), TrunkRefusal::Fault(_)));
    let nonsense = trunk::set(app, Trunk { weight: 0, ..described("north") }).await;
    assert!(matches!(refusal(nonsense), TrunkRefusal::Fault(_)));
    assert_eq!(refusal(trunk::remove(app, "x").await), TrunkRefusal::NoSuchTrunk);
    assert_eq!(refusal(trunk::switch(app, "x", true).await), TrunkRefusal::NoSuchTrunk);
    assert_eq!(refusal(trunk::set(app, described("x")).await), TrunkRefusal::NoSuchTrunk);
}

#[tokio::test]
async fn a_file_is_copied_for_its_node_alone_and_changed_only_there() {
    let world = World::new().await;
    let app = &world.app;
    trunk::add(app, described("hand")).await.unwrap();
    trunk::sync_file(app, "a", &[described("one"), described("two")]).await.unwrap();
    assert_eq!(used(&world, "a").await, ["hand", "one", "two"]);
    assert_eq!(used(&world, "b").await, ["hand"]);
    let in_file = TrunkRefusal::InFile(String::from("a"));
    assert_eq!(refusal(trunk::remove(app, "one").await), in_file);
    assert_eq!(refusal(trunk::switch(app, "one", false).await), in_file);
    assert_eq!(refusal(trunk::add(app, described("one")).await), TrunkRefusal::NameTaken);
    let before = trunk::changes(app).await.unwrap();
    trunk::sync_file(app, "a", &[described("one"), described("two")]).await.unwrap();
    assert_eq!(trunk::changes(app).await.unwrap(), before, "nothing was changed");
    trunk::sync_file(app, "a", &[Trunk { priority: 9, ..described("two") }]).await.unwrap();
    let listed = trunk::list(app).await.unwrap();
    let two = listed.iter().find(|(kept, _)| kept.trunk.name == "two").unwrap();
    assert_eq!((two.0.trunk.priority, &two.0.source), (9, &Source::File(String::from("a"))));
    assert_eq!(used(&world, "a").await, ["hand", "two"]);
    let clash = trunk::sync_file(app, "a", &[described("hand")]).await;
    assert_eq!(refusal(clash), TrunkRefusal::NameTaken);
}

#[tokio::test]
async fn an_account_shows_a_number_of_its_own_only_where_it_was_allowed() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    trunk::add(app, described("north")).await.unwrap();
    trunk::show_number(app, "north", account, Some("02188888888")).await.unwrap();
    let shown = async || trunk::used_by(app, "any").await.unwrap().remove(0).caller_ids;
    assert_eq!(shown().await, [(account, String::from("02188888888"))].into());
    let show = async |name, account, number| trunk::show_number(app, name, account, number).await;
    let nobody = show("north", AccountId(99), Some("1")).await;
    assert_eq!(refusal(nobody), TrunkRefusal::NoSuchAccount);
    assert_eq!(refusal(show("x", account, Some("1")).await), TrunkRefusal::NoSuchTrunk);
    assert!(matches!(refusal(show("north", account, Some("a b")).await), TrunkRefusal::Fault(_)));
    show("north", account, None).await.unwrap();
    assert_eq!(shown().await, [].into());
    // The carrier lets these be shown, and no others.
    let may_show = vec![String::from("02188888888"), String::from("02199999999")];
    let listed = Trunk { may_show, ..described("north") };
    trunk::set(app, listed.clone()).await.unwrap();
    assert_eq!(trunk::used_by(app, "any").await.unwrap().remove(0).trunk, listed);
    assert_eq!(refusal(show("north", account, Some("1")).await), TrunkRefusal::NotShown);
    show("north", account, Some("02199999999")).await.unwrap();
    assert_eq!(shown().await, [(account, String::from("02199999999"))].into());
    trunk::set(app, described("north")).await.unwrap();
    show("north", account, Some("1")).await.unwrap();
    trunk::remove(app, "north").await.unwrap();
}

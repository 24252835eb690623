//! Experts on duty and callers on lines: an expert has one call at a time, whoever asks; only lines
//! that are lost are taken up.

use domain::agreement::callback::Policy;
use domain::calendar::span::Span;
use domain::{Extension, Timestamp};
use store::phone::NewPhone;
use store::support_call::Taken;
use store::{Error, phone, support_agent, support_call};

use crate::engines::both_engines;
use crate::ticket::write;
use crate::world::{NOW, World};

async fn desk_phone(world: &World, extension: &str) -> domain::PhoneId {
    let new = NewPhone {
        account: world.account(0).await,
        extension: Extension::parse(extension).unwrap(),
        username: format!("desk-{extension}"),
        ha1_md5: String::new(),
        ha1_sha256: String::new(),
        fixed_contact: None,
    };
    write(&world.db, async |tx| phone::insert(tx, &new).await.unwrap()).await
}

async fn caller(world: &World, node: Option<&str>, n: i64) -> i64 {
    let at = NOW.plus_us(n);
    let first = Taken { step: None, at, actor: "switch".to_owned(), note: String::new() };
    write(&world.db, async |tx| {
        let first = (&first, Policy::of_the_agreement());
        support_call::insert(tx, None, Some("09121234567"), node, first).await.unwrap()
    })
    .await
}

both_engines! {
    /// One duty at a time for each expert and phone; one call at a time for each expert.
    async fn an_expert_has_one_call(world) {
        let (one, two) = (desk_phone(world, "100").await, desk_phone(world, "101").await);
        let sara = write(&world.db, async |tx| {
            support_agent::begin(tx, "Sara", one, NOW).await.unwrap().unwrap()
        })
        .await;
        for (name, phone) in [("Sara", two), ("Reza", one)] {
            let mut tx = world.db.begin().await.unwrap();
            let twice = support_agent::begin(&mut tx, name, phone, NOW).await;
            assert!(matches!(twice, Err(Error::Conflict(_))), "{name}: {twice:?}");
        }
        let (first, second) =
            (caller(world, Some("a"), 1).await, caller(world, Some("b"), 2).await);
        let claim = async |call, node: &str| {
            write(&world.db, async |tx| {
                support_agent::claim(tx, sara, call, node).await.unwrap()
            })
            .await
        };
        assert!(claim(first, "a").await && !claim(second, "b").await);
        let until = NOW.plus_us(50);
        let release = async |call| {
            write(&world.db, async |tx| {
                support_agent::release(tx, sara, call, until).await.unwrap()
            })
            .await
        };
        assert!(!release(second).await && release(first).await);
        let on_duty = async || {
            support_agent::on_duty(&mut world.db.read().await.unwrap(), 9).await.unwrap()
        };
        let agent = on_duty().await.remove(0);
        assert_eq!((agent.name.as_str(), agent.username.as_str()), ("Sara", "desk-100"));
        assert!(!agent.is_free(NOW) && agent.is_free(until), "first a rest");
        assert!(claim(second, "b").await);
        // Duty ends with a call under way: it is there until that ends, and takes no other.
        let ended = write(&world.db, async |tx| {
            support_agent::end(tx, "Sara", until).await.unwrap()
        });
        assert!(ended.await);
        assert!(!on_duty().await[0].is_free(Timestamp(i64::MAX)));
        assert!(release(second).await);
        assert!(on_duty().await.is_empty() && !claim(first, "a").await);
        let within = Span { from: NOW.plus_us(10), to: NOW.plus_us(100) };
        let mut reads = world.db.read().await.unwrap();
        let staffed = support_agent::staffed(&mut reads, within).await.unwrap();
        assert_eq!(staffed, Some((NOW, vec![Span { from: NOW.plus_us(10), to: until }])));
    }

    /// Lines of a node that is gone are lost, and this node's own only when it begins.
    async fn only_lost_lines_are_taken_up(world) {
        for (name, until) in [("own", NOW), ("gone", NOW), ("there", NOW.plus_us(1_000))] {
            world.db.take_node(name, NOW, until).await.unwrap();
        }
        let mut ids = Vec::new();
        for (n, node) in [Some("own"), Some("gone"), Some("there"), None].into_iter().enumerate() {
            ids.push(caller(world, node, i64::try_from(n).unwrap()).await);
        }
        let phone = desk_phone(world, "100").await;
        let sara = write(&world.db, async |tx| {
            let sara = support_agent::begin(tx, "Sara", phone, NOW).await.unwrap().unwrap();
            assert!(support_agent::claim(tx, sara, ids[0], "own").await.unwrap());
            sara
        })
        .await;
        let later = NOW.plus_us(500);
        let lost = async |began| {
            let mut reads = world.db.read().await.unwrap();
            support_call::on_lost_lines(&mut reads, ("own", began), later, 9).await.unwrap()
        };
        assert_eq!(lost(false).await, [ids[1]]);
        assert_eq!(lost(true).await, [ids[0], ids[1]]);
        let freed = async |began| {
            write(&world.db, async |tx| {
                support_agent::release_lost(tx, ("own", began), later).await.unwrap()
            })
            .await
        };
        assert_eq!((freed(false).await, freed(true).await), (0, 1));
        let claimed = write(&world.db, async |tx| {
            support_agent::claim(tx, sara, ids[1], "own").await.unwrap()
        });
        assert!(claimed.await, "free again");
    }
}

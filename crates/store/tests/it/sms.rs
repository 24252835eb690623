//! Follow-ups by SMS, from the commit that ends a call to the money for what was sent.

use domain::campaign::State as CampaignState;
use domain::sms::FollowUp;
use domain::{AccountId, Disposition, Rials};
use store::campaign;
use store::hot::{Accept, EXPIRED, Settle};
use store::sms::{self, Due, NewFollowUp, State, Taken};

use crate::campaign::{Called, numbers};
use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, send};

async fn kept(world: &World, account: AccountId, after: &str) -> i64 {
    let follow_up = FollowUp::new("متن", &[after.to_owned()]).unwrap();
    let new = NewFollowUp { account, follow_up, price: Rials(900), created_at: NOW };
    let mut tx = world.db.begin().await.unwrap();
    let id = sms::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn due(world: &World) -> Vec<Due> {
    let mut reader = world.db.read().await.unwrap();
    sms::due(&mut reader, NOW.plus_ms(1_000), 100).await.unwrap()
}

both_engines! {
    /// Goal: what is written follows the end that it was meant for, once, and mobiles only.
    async fn an_sms_follows_the_end_of_a_call(world) {
        let account = world.account(100_000).await;
        let message = world.message(account).await;
        let heard = Some(kept(world, account, "heard").await);
        let node = world.node("a").await;
        let mobile = Accept { follow_up: heard, ..send(account, message) };
        let landline = "02112345678";
        let landline = domain::Destination::parse(landline).unwrap();
        let landline = Accept { destination: landline, ..mobile.clone() };
        let plain = send(account, message);
        let mut ends = Vec::new();
        for element in [&mobile, &landline, &plain, &mobile] {
            let accepted = world.accept(element).await;
            ends.push(delivered(world.lease(node, accepted.quick_send).await, 450));
        }
        let last = ends.len() - 1;
        ends[last] = Settle { disposition: Disposition::Busy, ..ends[last].clone() };
        world.db.settle(ends.clone()).await.unwrap();
        world.db.settle(ends).await.unwrap();
        let waiting = due(world).await;
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        let Due { number, text, price, tries, .. } = &waiting[0];
        assert_eq!((&**number, &**text, *price, *tries), ("09121234567", "متن", Rials(900), 0));

        let late = Accept { follow_up: Some(kept(world, account, "expired").await), ..plain };
        let late = world.accept(&late).await.quick_send;
        let at = NOW.plus_ms(600_000);
        assert_eq!(world.db.expire(vec![(late, EXPIRED)], at).await.unwrap(), [true]);
        let mut reader = world.db.read().await.unwrap();
        let listed = sms::list(&mut reader, account, None, 9).await.unwrap();
        assert_eq!(listed.iter().map(|one| one.send).collect::<Vec<_>>()[0], late);
        assert_eq!(listed.len(), 2);
        let other = world.account(0).await;
        assert!(sms::find(&mut reader, other, listed[0].id).await.unwrap().is_none());
        assert!(sms::list(&mut reader, other, None, 9).await.unwrap().is_empty());
    }

    /// Goal: a price is reserved once however often it is tried, charged for what was sent, and
    /// released for what was not; nobody else sends what is being sent.
    async fn money_follows_what_was_sent(world) {
        let account = world.account(450 + 450 + 900 + 900).await;
        let message = world.message(account).await;
        let node = world.node("a").await;
        let follow_up = Some(kept(world, account, "heard").await);
        for _ in 0..2 {
            let element = Accept { follow_up, ..send(account, message) };
            let attempt = world.lease(node, world.accept(&element).await.quick_send).await;
            world.db.settle(vec![delivered(attempt, 450)]).await.unwrap();
        }
        let waiting = due(world).await;
        let (now, until) = (NOW.plus_ms(2_000), NOW.plus_ms(60_000));
        let take = async |one: &Due, now, until| {
            let mut tx = world.db.begin().await.unwrap();
            let taken = sms::take(&mut tx, one, now, until).await.unwrap();
            tx.commit().await.unwrap();
            taken
        };
        assert_eq!(take(&waiting[0], now, until).await, Taken::Ours);
        assert_eq!(take(&waiting[0], now, until).await, Taken::Gone, "it is being sent");
        assert_eq!(world.funds(account).await, (1_800, 900));
        assert_eq!(take(&waiting[0], until, until.plus_ms(9)).await, Taken::Ours, "it was lost");
        assert_eq!(world.funds(account).await, (1_800, 900), "its price is reserved already");
        let mut tx = world.db.begin().await.unwrap();
        assert!(sms::sent(&mut tx, &waiting[0], ("kavenegar", "8792343"), now).await.unwrap());
        assert!(!sms::sent(&mut tx, &waiting[0], ("kavenegar", "8792343"), now).await.unwrap());
        sms::failed(&mut tx, &waiting[0], "late", now).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(world.funds(account).await, (900, 0));

        assert_eq!(take(&waiting[1], now, until).await, Taken::Ours);
        let mut tx = world.db.begin().await.unwrap();
        sms::put_off(&mut tx, &waiting[1], until, Some("418 credit")).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.db.begin().await.unwrap();
        sms::failed(&mut tx, &waiting[1], "411 number", until).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(world.funds(account).await, (900, 0));
        let mut reader = world.db.read().await.unwrap();
        let shown = sms::list(&mut reader, account, None, 9).await.unwrap();
        let told: Vec<_> = shown
            .iter()
            .map(|one| (one.state, one.tries, one.charge.0, one.problem.as_deref()))
            .collect();
        let failed = (State::Failed, 1, 0, Some("411 number"));
        assert_eq!(told, [failed, (State::Sent, 2, 900, None)]);
        assert_eq!(shown[1].provider_id.as_deref(), Some("8792343"));
        let (from, to) = (NOW.plus_ms(-1), NOW.plus_ms(9_000));
        let statement = store::entry::statement(&mut reader, account, from, to, 9).await.unwrap();
        let written: Vec<_> = statement.iter().filter(|line| line.kind == "sms").collect();
        assert_eq!(written.iter().map(|line| line.amount.0).collect::<Vec<_>>(), [-900]);
    }

    /// Goal: who cannot pay is told so, and nothing is reserved.
    async fn what_cannot_be_paid_is_not_sent(world) {
        let account = world.account(450).await;
        let message = world.message(account).await;
        let node = world.node("a").await;
        let follow_up = Some(kept(world, account, "heard").await);
        let element = Accept { follow_up, ..send(account, message) };
        let attempt = world.lease(node, world.accept(&element).await.quick_send).await;
        world.db.settle(vec![delivered(attempt, 450)]).await.unwrap();
        let waiting = due(world).await;
        let mut tx = world.db.begin().await.unwrap();
        let taken = sms::take(&mut tx, &waiting[0], NOW.plus_ms(9), NOW.plus_ms(99)).await.unwrap();
        assert_eq!(taken, Taken::InsufficientCredit);
        drop(tx);
        assert_eq!(world.funds(account).await, (0, 0));
    }

    /// Goal: of a campaign only the last call of a recipient is followed, and who waited for
    /// another one when it ended is not forgotten.
    async fn only_the_last_call_of_a_recipient_is_followed(world) {
        let account = world.account(1_000_000).await;
        let message = world.message(account).await;
        let called = Called::of(world, account, message, 2).await;
        let follow_up = kept(world, account, "unreached").await;
        let mut tx = world.db.begin().await.unwrap();
        campaign::set_follow_up(&mut tx, called.id, follow_up).await.unwrap();
        tx.commit().await.unwrap();
        assert!(called.import(0, numbers(0..3)).await);
        called.start(CampaignState::Draft, 2).await;
        let node = world.node("a").await;
        assert_eq!(called.feed(2, NOW).await, 2);
        assert_eq!(called.call(node, Disposition::NoAnswer, NOW).await, 2);
        assert!(due(world).await.is_empty(), "both are called again");
        let later = NOW.plus_ms(600_000);
        assert_eq!(called.feed(1, later).await, 1);
        assert_eq!(called.call(node, Disposition::Busy, NOW).await, 1);
        assert_eq!(due(world).await.len(), 1, "its last call came to nothing");

        called.leave(CampaignState::Running, CampaignState::Finished, NOW).await;
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(store::hot::fold(&mut tx, called.id, NOW).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(due(world).await.len(), 2, "one was never called, and nothing follows that");
        let mut reader = world.db.read().await.unwrap();
        let shown = sms::of_campaign(&mut reader, account, called.id).await.unwrap().unwrap();
        let counts = sms::counts(&mut reader, shown.id).await.unwrap();
        assert_eq!((&*shown.text, shown.price, counts), ("متن", Rials(900), vec![(State::Due, 2)]));
        assert!(shown.after.contains(&Disposition::Busy));
        let other = world.account(0).await;
        assert!(sms::of_campaign(&mut reader, other, called.id).await.unwrap().is_none());
    }

    /// Goal: a campaign that had written beyond its ceiling before SMS counted below it is let be
    /// with what was decided then, its calls that were open included, and with nothing more.
    async fn a_campaign_of_before_is_held_to_what_came_after(world) {
        let account = world.account(1_000_000).await;
        let message = world.message(account).await;
        let called = Called::of(world, account, message, 1).await;
        let follow_up = kept(world, account, "unreached").await;
        let mut tx = world.db.begin().await.unwrap();
        campaign::set_follow_up(&mut tx, called.id, follow_up).await.unwrap();
        tx.commit().await.unwrap();
        assert!(called.import(0, numbers(0..4)).await);
        called.start(CampaignState::Draft, 1).await;
        let node = world.node("a").await;
        let unreached = async |count: u32| {
            assert_eq!(called.feed(count, NOW).await, count);
            called.call(node, Disposition::NoAnswer, NOW).await;
        };
        let is_clean = async || world.db.audit().await.unwrap().is_clean();
        unreached(2).await;
        assert_eq!(called.feed(1, NOW).await, 1);
        let say = async |sql: &'static str| {
            let mut tx = world.db.begin().await.unwrap();
            tx.execute(sql, &[]).await.unwrap();
            tx.commit().await.unwrap();
        };
        say("UPDATE campaign SET max_cost_rials = 1000").await;
        assert!(!is_clean().await, "two SMS of 900 rials");
        let migration = include_str!("../../migrations/V64__ceiling.sql");
        let update = migration.find("UPDATE campaign").expect("it notes what there was");
        say(migration[update..].trim_end().trim_end_matches(';')).await;
        assert!(is_clean().await);
        assert_eq!(called.call(node, Disposition::NoAnswer, NOW).await, 1);
        assert_eq!(due(world).await.len(), 3);
        assert!(is_clean().await, "its call was open");
        unreached(1).await;
        assert!(!is_clean().await, "a fourth was decided afterwards");
        say("UPDATE campaign SET max_cost_rials = 4000").await;
    }
}

//! SendOCV: its bytes and codes, and what the customer's address is told.

use app::dialing::{CallRecord, ReadyJob};
use app::{Settings, verification};
use domain::Disposition;
use domain::calendar::calling_window::CallingWindow;

use crate::client::{post, router};
use crate::v1_calls;
use crate::world::World;

const NUMBER: (&str, &str) = ("Number", "09121234567");
const URL: (&str, &str) = ("CallbackURL", "http://mysite.example/ocv?Number=09120000000");

/// Ends the call of a job in which this key was pressed.
async fn end(world: &World, job: &ReadyJob, vote: Option<u8>) {
    let attempt = v1_calls::begin(world, job).await;
    let record = CallRecord { heard_ms: job.clip_ms, vote, ..CallRecord::default() };
    v1_calls::end(world, (job, attempt), Disposition::Delivered, record).await;
}

#[tokio::test]
async fn a_key_is_asked_for_and_the_customer_is_told_once() {
    let world = World::new().await;
    let (caller, token) =
        world.customer_like(10_000, |new| new.approves_own_messages = false).await;
    let secret = verification::new_secret(&world.app, caller.account.id).await.unwrap().unwrap();
    let router = router(&world);
    let made = post(&router, &token, "SendOCV", &[NUMBER, URL]).await;
    let code = made.json()["Code"].as_u64().unwrap();
    assert!((1..=9).contains(&code));
    assert_eq!(made.text(), format!("{{\"Result\":0,\"Code\":{code},\"SendId\":1}}"));
    let (job, _) = world.dialer.next().await;
    assert_eq!((job.class, job.vote), (0, true));
    assert_eq!(verification::due(&world.app).await.unwrap(), [], "the call has not ended");
    end(&world, &job, u8::try_from(code).ok()).await;
    let due = verification::due(&world.app).await.unwrap();
    let [callback] = &due[..] else { panic!("{due:?}") };
    let query =
        format!("Number=09120000000&SendId=1&Number=09121234567&Code={code}&Vote={code}&Result=1");
    assert_eq!(callback.query, query);
    assert_eq!(callback.signature.as_ref().unwrap().len(), 64);
    assert!(!secret.is_empty() && !callback.query.contains(&secret));
    assert_eq!(verification::due(&world.app).await.unwrap(), [], "somebody is telling it");
    verification::told(&world.app, callback, Ok(200)).await.unwrap();
    world.clock.advance_ms(7 * 86_400_000);
    assert_eq!(verification::due(&world.app).await.unwrap(), []);
}

/// A customer's site that is down is called again, more and more rarely, and then no more.
#[tokio::test]
async fn a_callback_that_fails_is_made_again_and_given_up_after_a_day() {
    let world = World::new().await;
    let (_, token) = world.customer(10_000).await;
    post(&router(&world), &token, "SendOCV", &[NUMBER, URL]).await;
    let (job, _) = world.dialer.next().await;
    end(&world, &job, None).await;
    let mut tried = 0;
    for _ in 0..10 {
        for callback in verification::due(&world.app).await.unwrap() {
            assert!(callback.query.ends_with("Vote=-1&Result=0") && callback.signature.is_none());
            tried += 1;
            let down = Err(String::from("connection refused"));
            verification::told(&world.app, &callback, down).await.unwrap();
            assert_eq!(verification::due(&world.app).await.unwrap(), [], "not at once");
        }
        world.clock.advance_ms(86_400_000);
    }
    assert_eq!(tried, 8);
}

/// A process that dies while it tells somebody leaves it to the next one.
#[tokio::test]
async fn a_callback_that_nobody_finished_is_made_again() {
    let world = World::new().await;
    let (_, token) = world.customer(10_000).await;
    post(&router(&world), &token, "SendOCV", &[NUMBER, URL]).await;
    let (job, _) = world.dialer.next().await;
    end(&world, &job, None).await;
    assert_eq!(verification::due(&world.app).await.unwrap().len(), 1);
    world.clock.advance_ms(60_000);
    assert_eq!(verification::due(&world.app).await.unwrap().len(), 1);
}

#[tokio::test]
async fn each_refusal_has_its_code() {
    let world = World::new().await;
    let (_, token) = world.customer(20).await;
    let router = router(&world);
    let cases = [
        (-8, vec![NUMBER]),
        (-8, vec![NUMBER, ("CallbackURL", "ftp://mysite.example/")]),
        (-2, vec![URL]),
        (-2, vec![URL, NUMBER, ("ServerID", "99")]),
        (-3, vec![URL, NUMBER]),
    ];
    for (expected, form) in cases {
        let answered = post(&router, &token, "SendOCV", &form).await.json();
        let told = (&answered["Result"], &answered["Code"], &answered["SendId"]);
        assert_eq!(told, (&expected.into(), &0.into(), &0.into()), "{form:?}");
    }
    let off = Settings { quick_send_enabled: false, ..Settings::default() };
    let night =
        Settings { window: CallingWindow::parse("22:00-23:00").unwrap(), ..Settings::default() };
    for (settings, code) in [(off, -25), (night, -6)] {
        let world = World::with(settings).await;
        let (_, token) = world.customer(10_000).await;
        let router = crate::client::router(&world);
        let answered = post(&router, &token, "SendOCV", &[NUMBER, URL]).await.json();
        assert_eq!(answered["Result"], code);
    }
}

//! The delivery of one account's sends, told to whoever asks and as often as he asks (A16).

use app::promise::{self, AccountDelivery, PromiseRefusal};
use app::{Caller, Settings, quick_send};
use domain::Disposition;
use domain::agreement::delivery::{Delivery, Sample};
use domain::agreement::violation::Clause;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;

use crate::calls::call_all;
use crate::quick_send::new_send;
use crate::world::World;

/// What the samples of an account come to, gone through one by one.
async fn naive(world: &World, caller: &Caller, month: PersianMonth) -> Delivery {
    let (mut samples, mut after): (Vec<Sample>, _) = (Vec::new(), None);
    loop {
        let page = promise::samples(&world.app, caller.account.id, month, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.sample.accepted_at, last.id));
        samples.extend(page.iter().map(|kept| kept.sample));
    }
    Delivery::of(&samples, &[], world.app.now())
}

fn count(told: &AccountDelivery) -> usize {
    told.delivery.attributable.map_or(0, |of| of.count)
}

/// A16. Goal: whoever asks for the delivery of few sends is told of this moment; that of many is
/// gone through once an hour, however often it is asked for, and is what all of them come to.
#[tokio::test]
async fn many_sends_are_gone_through_once_an_hour() {
    let settings = Settings { sends_judged_at_once: 3, ..Settings::default() };
    let world = World::with(settings).await;
    let (caller, _) = world.customer(10_000_000).await;
    let message = world.message(&caller, 4_000).await.id;
    let month = PersianMonth::of(world.app.now());
    let send = async |n: u32| {
        world.clock.advance_ms(1_000);
        let new = new_send(message, &format!("0912123{n:04}"));
        quick_send::submit(&world.app, &caller, new).await.unwrap();
    };
    let told = async || promise::of_account(&world.app, caller.account.id, month).await.unwrap();
    for n in 1..3 {
        send(n).await;
        let told = told().await;
        assert_eq!((count(&told), told.judged_at), (n as usize, world.app.now()));
        assert_eq!(told.delivery, naive(&world, &caller, month).await);
    }
    for n in 3..8 {
        send(n).await;
    }
    let first = told().await;
    assert_eq!(count(&first), 7);
    assert_eq!(first.delivery, naive(&world, &caller, month).await);
    for n in 8..10 {
        send(n).await;
        assert_eq!(told().await, first, "within the hour it is told as it was");
    }
    world.clock.advance_ms(3_600_000);
    let next = told().await;
    assert_eq!((count(&next), next.judged_at), (9, world.app.now()));
    assert_eq!(next.delivery, naive(&world, &caller, month).await);
    // Another's month is its own.
    let (other, _) = world.customer(0).await;
    let theirs = promise::of_account(&world.app, other.account.id, month).await.unwrap();
    assert_eq!(count(&theirs), 0);
}

/// C24. Goal: a month in which quick sends took longer than promised stands in the ledger once it
/// is frozen; one in which they did not does not.
#[tokio::test]
async fn a_slow_month_is_entered() {
    for (waited_ms, missed) in [(10_000, 0), (20_000, 1)] {
        let world = World::new().await;
        let (caller, _) = world.customer(10_000_000).await;
        let message = world.message(&caller, 4_000).await.id;
        let month = PersianMonth::of(world.app.now());
        let until = world.app.now().plus_ms(9_000_000_000);
        let node = app::dialing::take_node(&world.app, "a", until).await.unwrap();
        let new = new_send(message, "09121230001");
        quick_send::submit(&world.app, &caller, new).await.unwrap();
        world.clock.advance_ms(waited_ms);
        let called = call_all(&world, node, |_| Disposition::Delivered).await;
        assert_eq!(called, 1);
        let over = month.end().plus_us(4 * 24 * 3_600_000_000);
        world.clock.advance_ms(over.us_since(world.app.now()) / 1000);
        app::availability::freeze(&world.app, month).await.unwrap();
        let all = app::violation::list(&world.app, None, None, 10).await.unwrap();
        let slow = all.iter().filter(|kept| kept.violation.clause() == Clause::Delivery);
        assert_eq!(slow.count(), missed, "{waited_ms} ms: {all:?}");
    }
}

/// A15, T198. Goal: a time that was declared not to be normal is no decades and can be taken back,
/// with a name and a reason that stay to be seen; what a frozen month missed is entered then.
#[tokio::test]
async fn a_declared_period_is_taken_back() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(10_000_000).await;
    let message = world.message(&caller, 4_000).await.id;
    let (month, begun) = (PersianMonth::of(app.now()), app.now());
    let until = begun.plus_ms(9_000_000_000);
    let node = app::dialing::take_node(app, "a", until).await.unwrap();
    quick_send::submit(app, &caller, new_send(message, "09121230001")).await.unwrap();
    world.clock.advance_ms(20_000);
    call_all(&world, node, |_| Disposition::Delivered).await;
    let span = |days: i64| Span::new(begun, begun.plus_us(days * 86_400_000_000)).unwrap();
    let long = promise::declare(app, span(32), "a war", "Maryam").await;
    assert!(matches!(long, Err(app::Error::Refused(PromiseRefusal::Long))));
    let id = promise::declare(app, span(1), "a war", "Maryam").await.unwrap();
    let over = month.end().plus_us(4 * 24 * 3_600_000_000);
    world.clock.advance_ms(over.us_since(app.now()) / 1000);
    app::availability::freeze(app, month).await.unwrap();
    let entered = async || {
        let all = app::violation::list(app, None, None, 10).await.unwrap();
        all.iter().filter(|kept| kept.violation.clause() == Clause::Delivery).count()
    };
    assert_eq!(entered().await, 0);
    let nobody = promise::withdraw(app, id, " ", "Sara").await;
    assert!(matches!(nobody, Err(app::Error::Refused(PromiseRefusal::Text))));
    promise::withdraw(app, id, "it was peace", "Sara").await.unwrap();
    assert_eq!(entered().await, 1);
    let judged = promise::month(app, month).await.unwrap();
    assert_eq!(judged.delivery, judged.with_declared);
    let withdrawn = judged.declared[0].withdrawn.clone().unwrap();
    let (by, because) = (&*withdrawn.by, &*withdrawn.because);
    assert_eq!((by, because, withdrawn.at), ("Sara", "it was peace", app.now()));
    let again = promise::withdraw(app, id, "it was peace", "Sara").await;
    assert!(matches!(again, Err(app::Error::Refused(PromiseRefusal::NoSuchPeriod))));
    assert_eq!(entered().await, 1, "once");
    let kept = app::chain::list(app, Some("abnormal-period"), None, 9).await.unwrap();
    let actors: Vec<&str> = kept.iter().map(|one| &*one.entry.actor).collect();
    assert_eq!(actors, ["Sara", "Maryam"]);
}

//! The audit of the books that runs by itself.

use app::alert;
use app::ledger_audit::{last, run_due};

use crate::world::World;

const HOUR_MS: i64 = 3_600_000;

/// Goal: the books are audited once a day, by whichever node is first; what does not add up is an
/// alert until an audit finds it mended.
#[tokio::test]
async fn the_books_are_audited_once_a_day_and_what_is_wrong_is_told() {
    let world = World::new().await;
    let app = &world.app;
    world.customer(10_000).await;
    let alerts = async || {
        let holding = alert::look(app).await.unwrap();
        holding.into_iter().filter(|name| name == "ledger").count()
    };
    // Two nodes at once; it is noon, and this day had none.
    let (one, other) = tokio::join!(run_due(app), run_due(app));
    let ended: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!((ended.len(), ended[0].violations, &*ended[0].detail), (1, 0, ""));
    assert_eq!(last(app).await.unwrap().as_ref(), ended.first());
    assert_eq!((run_due(app).await.unwrap(), alerts().await), (None, 0));

    let bend = async |sql: &'static str| {
        let mut tx = world.db.begin().await.unwrap();
        tx.execute(sql, &[]).await.unwrap();
        tx.commit().await.unwrap();
    };
    bend("UPDATE account SET balance_rials = balance_rials + 7").await;
    world.clock.advance_ms(14 * HOUR_MS);
    assert_eq!(run_due(app).await.unwrap(), None, "at two in the morning it is not due");
    world.clock.advance_ms(HOUR_MS);
    let found = run_due(app).await.unwrap().unwrap();
    assert!(found.violations > 0 && found.detail.contains("10000 was expected, 10007 found"));
    assert_eq!(alerts().await, 1);
    let told = alert::since(app, world.app.now()).await.unwrap();
    assert!(
        told.iter().any(|alert| alert.name == "ledger"
            && alert.detail
                == format!("{} things do not add up: {}", found.violations, found.detail)),
        "{told:?}"
    );

    bend("UPDATE account SET balance_rials = balance_rials - 7").await;
    assert_eq!(alerts().await, 1, "nobody has looked yet");
    world.clock.advance_ms(24 * HOUR_MS);
    assert_eq!(run_due(app).await.unwrap().unwrap().violations, 0);
    assert_eq!(alerts().await, 0);
}

/// Goal: an audit that was lost with its node is begun anew by another one, after some hours.
#[tokio::test]
async fn an_audit_that_was_lost_is_begun_anew() {
    let world = World::new().await;
    let app = &world.app;
    let day = domain::calendar::day::Day::of(app.now()).start();
    let mut tx = world.db.begin().await.unwrap();
    let lost = app.now().plus_ms(-6 * HOUR_MS);
    assert!(store::ledger_audit::claim(&mut tx, day, app.now(), lost).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(run_due(app).await.unwrap(), None, "its node is at it");
    world.clock.advance_ms(6 * HOUR_MS + 1);
    assert_eq!(run_due(app).await.unwrap().unwrap().violations, 0);
    assert_eq!(run_due(app).await.unwrap(), None);
}

//! The database goes away while calls are up, or somebody else holds it: requests fail clearly,
//! calls go on, and everything is settled once it is back.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::database::Database;
use crate::far_end::FarEnd;
use crate::platform::{
    Answer, Customer, Options, Platform, config, eventually, now, rising_tone, v1_post_once,
};

/// What the customer starts with.
const CREDIT: i64 = 1_000_000;
/// One pulse of 5 s at 45 rials a second.
const PULSE: i64 = 225;
/// Calls that are up when the database goes.
const CALLS: usize = 20;
/// The code of a send that failed on our side.
const FAILED: i64 = -20;

/// A platform with calls up that are being heard.
struct World {
    far_end: FarEnd,
    platform: Platform,
    customer: Customer,
    message: i64,
    accepted: Vec<i64>,
    failed: usize,
}

impl World {
    fn start(database: String) -> Self {
        let far_end = FarEnd::start(200);
        let trunk = format!(
            "[[trunk]]\nname = 'far'\naddress = '{}'\nmax_channels = 200\nmax_cps = 100\n\
             [support]\nphone = '021-9100'\n",
            far_end.address
        );
        let platform =
            Platform::start(Options { config: config(&trunk), database, ..Options::default() });
        let customer = platform.customer(CREDIT);
        let message = platform.upload(&customer, &rising_tone(4_500));
        let mut world =
            Self { far_end, platform, customer, message, accepted: Vec::new(), failed: 0 };
        for _ in 0..CALLS {
            assert!(world.send(), "the database is there");
        }
        for send in &world.accepted {
            world.platform.wait_for_answer(&world.customer, *send);
        }
        world
    }

    /// Sends to a fresh number; whether it was accepted. A failure has its code and a reference
    /// that leads to the log.
    fn send(&mut self) -> bool {
        let number = format!("0912{:07}", self.accepted.len() + self.failed);
        let answer = self.platform.try_send(&self.customer, self.message, &number);
        let id = answer.json()["QuickSendID"].as_i64().unwrap();
        if id > 0 {
            self.accepted.push(id);
            return true;
        }
        assert_eq!(id, FAILED);
        let reference = answer.field("x-reference").expect("a failure has a reference");
        assert!(self.platform.log().contains(reference), "the reference is in the log");
        self.failed += 1;
        false
    }

    /// The customer clicks, each time the same click.
    fn click(&self) -> Answer {
        let click = json!({ "channel": "click", "context": { "page": "/reports" } });
        let (http, token) = (self.platform.http(), &self.customer.token);
        v1_post_once(http, token, "/v1/tickets", "click", &click).unwrap()
    }

    /// T091: a click that cannot be written down is told whom to call, and when to try again.
    fn a_click_is_told_whom_to_call(&self) {
        let answer = self.click();
        let told = answer.json();
        assert_eq!((&told["status"], &told["code"]), (&json!(503), &json!("desk_away")), "{told}");
        assert_eq!(told["support"]["phone"], "021-9100");
        assert!(told["support"]["said_fa"].as_str().unwrap().contains("۰۲۱-۹۱۰۰"), "{told}");
        assert_eq!(answer.field("retry-after"), Some("30"));
    }

    /// The same click makes one ticket once the database is back.
    fn a_click_is_taken_once(&self) {
        eventually("a click is taken", || {
            let told = self.click().json();
            (told["object"] == "ticket").then_some(())
        });
        assert_eq!(self.click().field("idempotency-replayed"), Some("true"));
        let listed = self.platform.cli(&["ticket", "list", "--json"]);
        assert_eq!(listed["tickets"].as_array().unwrap().len(), 1, "{listed}");
    }

    fn live(&self) -> u32 {
        self.far_end.seen().values().map(|seen| seen.live).sum()
    }

    /// The calls that were up play to their ends.
    fn calls_go_on(&self) {
        eventually("the calls end by themselves", || (self.live() == 0).then_some(()));
        let answered: u32 = self.far_end.seen().values().map(|seen| seen.answered).sum();
        assert!(answered as usize >= CALLS, "{answered}");
    }

    /// The database is back: everything is settled, nobody was called twice, and it goes on.
    fn recovers(mut self) {
        eventually("a send is accepted again", || self.send().then_some(()));
        for send in &self.accepted {
            let story = self.platform.story_of_ended(&self.customer, *send);
            assert_eq!(story["reason"], 10, "{story}");
            assert_eq!(story["charged_rials"], PULSE, "{story}");
        }
        eventually("it is ready", || {
            self.platform.get("/readyz").starts_with("HTTP/1.1 200").then_some(())
        });
        let balance = self.platform.settled_balance(&self.customer);
        let seen = self.far_end.seen();
        assert!(seen.values().all(|seen| seen.started == 1), "nobody was called twice: {seen:?}");
        // A send that failed may have been committed all the same; then it was called, and paid.
        let charged = i64::try_from(seen.len()).unwrap() * PULSE;
        assert_eq!(CREDIT - balance, charged, "everyone who was called is paid for, once");
        assert!(seen.len() >= self.accepted.len(), "everyone who was promised was called");
    }
}

#[test]
fn a_lost_postgres_fails_requests_and_spares_calls() {
    let Some(database) = Database::fresh("outage") else { return };
    let mut world = World::start(database.url.clone());
    database.lose();
    while world.failed < 3 {
        world.send();
    }
    world.a_click_is_told_whom_to_call();
    world.calls_go_on();
    let ready = world.platform.get("/readyz");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(world.platform.get("/healthz").starts_with("HTTP/1.1 200"), "the process lives");
    database.give_back();
    world.a_click_is_taken_once();
    world.recovers();
}

#[test]
fn a_sqlite_that_another_holds_fails_requests_and_spares_calls() {
    let mut world = World::start(String::new());
    let other = Connection::open(world.platform.data_dir().join("avanak.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held_until = now() + Duration::from_secs(10);
    // Each waits for as long as SQLite is told to, and then fails.
    while now() < held_until {
        assert!(!world.send(), "nothing can be promised while another writes");
    }
    world.a_click_is_told_whom_to_call();
    world.calls_go_on();
    let (first, after) = (world.accepted[0], world.platform.figure("avanak_calls_unsettled"));
    assert!(after > 0.0, "what cannot be settled waits: {after}");
    assert_eq!(world.platform.story(first)["charged_rials"], 0, "nothing is settled yet");
    other.execute_batch("ROLLBACK").unwrap();
    world.a_click_is_taken_once();
    world.recovers();
}

//! The story of a call as support reads it, from the database of a running program: whole, without
//! the number, and honest about a kill.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::database::Database;
use crate::platform::{Options, Platform, config, eventually, rising_tone};

const CREDIT: i64 = 1_000_000;

/// The steps of the send's only attempt, in words.
fn steps(story: &Value) -> Vec<String> {
    let attempts = story["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{story}");
    let steps = attempts[0]["steps"].as_array().unwrap();
    let times: Vec<f64> = steps.iter().map(|step| step["at_ms"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{story}");
    steps.iter().map(|step| step["event"].as_str().unwrap().to_owned()).collect()
}

/// Goal: each message of the signalling and each turn of an answered call, in order.
fn whole_story(database: String) {
    let options = Options { config: config(""), database, ..Options::default() };
    let platform = Platform::start(options);
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(3_500));
    let sends = ["09121234567", "09990000486"].map(|to| platform.send(&customer, message, to));
    let [heard, busy] = sends.map(|send| platform.story_of_ended(&customer, send));
    let expected = [
        "leased",
        "sent INVITE 1",
        "received 180 to INVITE 1",
        "received 200 to INVITE 1",
        "sent ACK 1",
        "answered",
        "codec PCMA",
        "first audio",
        "clip played to its end",
        "we hung up",
        "end",
    ];
    let told = steps(&heard);
    let told: Vec<&str> = told.iter().map(|step| &**step).collect();
    let expected_only: Vec<&str> =
        told.iter().filter(|step| expected.contains(*step)).copied().collect();
    assert_eq!(expected_only, expected, "{heard}");
    assert!(told.iter().any(|step| step.starts_with("sent BYE ")), "{heard}");
    let attempt = &heard["attempts"][0];
    assert_eq!((&attempt["reason"], &attempt["sip_code"]), (&10.into(), &200.into()));
    assert_eq!(attempt["charged_rials"], heard["charged_rials"]);
    assert!(attempt["server"].as_str().unwrap().starts_with("127.0.0.1:"), "{heard}");

    let told = steps(&busy);
    for step in ["received 486 to INVITE 1", "Q.850 cause 17", "end"] {
        assert!(told.iter().any(|told| told == step), "no {step}: {busy}");
    }
    for (send, number) in sends.iter().zip(["09121234567", "09990000486"]) {
        let shown = platform.run(&["quick-send", "show", &send.to_string()]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("attempt 1 by sandbox, 127.0.0.1:"), "{shown}");
        assert!(shown.contains(" ms  sent INVITE 1"), "{shown}");
        assert!(!shown.contains(&number[4..9]), "{shown}");
    }
}

#[test]
fn the_whole_story_of_a_call_is_kept_on_sqlite() {
    whole_story(String::new());
}

#[test]
fn the_whole_story_of_a_call_is_kept_on_postgres() {
    if let Some(database) = Database::fresh("stories") {
        whole_story(database.url);
    }
}

/// Goal: after kill -9 the attempt says that it was recovered, and how far it had got.
#[test]
fn a_call_that_a_kill_cut_off_says_so() {
    let mut platform = Platform::start(Options { config: config(""), ..Options::default() });
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(60_000));
    let [ringing, heard] =
        ["09990000180", "09121234567"].map(|to| platform.send(&customer, message, to));
    platform.wait_for_answer(&customer, heard);
    eventually("it rings", || (platform.state(&customer, ringing)["reason"] == 2).then_some(()));
    platform.kill();
    platform.restart();
    for (send, how_far) in [(ringing, "ringing"), (heard, "answered")] {
        let story = platform.story_of_ended(&customer, send);
        let told: BTreeSet<String> = steps(&story).into_iter().collect();
        let recovered = format!("recovered after a kill: {how_far}");
        assert!(told.contains(&recovered) && told.contains("leased"), "{story}");
        assert_eq!(story["attempts"][0]["cause"], "process_lost", "{story}");
    }
}

//! Secure calls against the sandbox: two callees hear each other, what they talk is paid for and
//! nothing else, and a kill in the middle loses neither the call nor the money.

use serde_json::Value;

use crate::platform::{Customer, Platform, correlation, eventually, rising_tone};

/// A number of the sandbox that answers after a second and listens.
const LISTENER: &str = "09121234567";
/// One that answers after a second and talks for a minute.
const TALKER: &str = "09990000303";
/// One that is busy.
const BUSY: &str = "09990000486";

/// A customer who may place secure calls, with music to wait with.
fn customer(platform: &Platform, credit: i64) -> (Customer, i64) {
    let customer = platform.customer(credit);
    let account = customer.account.to_string();
    let permit = ["account", "secure-calls", "--account", &account, "--permitted", "true"];
    assert!(platform.run(&permit).status.success());
    let music = platform.upload(&customer, &rising_tone(4_000));
    (customer, music)
}

fn make(platform: &Platform, customer: &Customer, first: &str, second: &str, music: i64) -> Value {
    let music = music.to_string();
    let numbers = [("srcNumber", first), ("dstNumber", second), ("holdMessageId", &*music)];
    platform.call(customer, "MakeSecureCall", &numbers)
}

fn made(platform: &Platform, customer: &Customer, second: &str, music: i64) -> i64 {
    let made = make(platform, customer, LISTENER, second, music);
    made.as_i64().filter(|id| *id > 0).unwrap_or_else(|| panic!("{made}"))
}

#[test]
fn two_people_talk_as_long_as_the_balance_pays_for() {
    let platform = Platform::with_sandbox();
    // A second costs 1000 rials on each side, a pulse 10 000 on both.
    let prices = ["--pulse-seconds", "5", "--internal", "1000", "--external", "1000", "--tts", "0"];
    platform.cli(&[&["tariff", "add", "--json"][..], &prices].concat());
    let (customer, music) = customer(&platform, 10_000);
    let call = made(&platform, &customer, TALKER, music);
    let story = platform.story_of_ended(&customer, call);
    assert_eq!(
        (&story["reason"], &story["charged_rials"]),
        (&10.into(), &10_000.into()),
        "{story}"
    );
    assert_eq!(platform.state(&customer, call)["duration"], 5, "seconds");
    assert_eq!(platform.settled_balance(&customer), 0);
    let heard = platform.heard(call);
    let (likeness, from) = correlation(&platform.clip(&customer, music)[..8_000], &heard);
    assert!(likeness > 0.9, "the music: {likeness} at {from}");
    let last = &heard[heard.len() - 24_000..heard.len() - 8_000];
    let talks = last.chunks_exact(1_600).all(|part| part.iter().any(|one| one.abs() > 300));
    assert!(talks, "the other one is heard to the end");
    let refused = make(&platform, &customer, LISTENER, TALKER, music);
    assert_eq!(refused, -3, "less than the minimum is left");
}

#[test]
fn whoever_cannot_be_joined_costs_nothing() {
    let platform = Platform::with_sandbox();
    let (customer, music) = customer(&platform, 50_000);
    let call = made(&platform, &customer, BUSY, music);
    let story = platform.story_of_ended(&customer, call);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&11.into(), &0.into()), "{story}");
    assert_eq!(platform.settled_balance(&customer), 50_000);
}

#[test]
fn every_refusal_has_its_code() {
    let platform = Platform::with_sandbox();
    let stranger = platform.customer(50_000);
    let own = platform.upload(&stranger, &rising_tone(4_000));
    assert_eq!(make(&platform, &stranger, LISTENER, TALKER, own), -5, "no permission");
    let (customer, music) = customer(&platform, 50_000);
    assert_eq!(make(&platform, &customer, "12", TALKER, music), -100);
    assert_eq!(make(&platform, &customer, LISTENER, "", music), -100);
    assert_eq!(make(&platform, &customer, LISTENER, "+989121234567", music), -101);
    assert_eq!(make(&platform, &customer, LISTENER, TALKER, own), -8, "another's message");
    let (poor, music) = self::customer(&platform, 9_999);
    assert_eq!(make(&platform, &poor, LISTENER, TALKER, music), -3);
}

#[test]
fn a_conversation_that_a_kill_cut_off_is_paid_for_as_far_as_it_was_recorded() {
    let mut platform = Platform::with_sandbox();
    let (customer, music) = customer(&platform, 1_000_000);
    let call = made(&platform, &customer, TALKER, music);
    platform.wait_for_answer(&customer, call);
    eventually("two more seconds were said", || {
        (platform.figure("avanak_engine_total{event=\"rtp_received\"}") > 150.0).then_some(())
    });
    platform.kill();
    platform.restart();
    let story = platform.story_of_ended(&customer, call);
    assert_eq!(story["attempts"].as_array().unwrap().len(), 1, "nobody is called again: {story}");
    let charged = story["charged_rials"].as_i64().unwrap();
    assert!(story["reason"] == 10 && charged % 450 == 0 && charged > 0, "{story}");
    assert_eq!(platform.settled_balance(&customer), 1_000_000 - charged);
}

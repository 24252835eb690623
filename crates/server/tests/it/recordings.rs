//! Recordings of callees against the sandbox: they are there however the call ends, and their
//! failure is not the call's.

use serde_json::Value;

use crate::platform::{Customer, Options, Platform, config, eventually, rising_tone};

/// The sandbox's number that answers after a second and talks for a minute.
const TALKER: &str = "09990000303";
/// The price of one pulse of 5 s.
const PULSE: i64 = 225;

/// A customer who may record, with a message of four seconds.
fn customer(platform: &Platform) -> (Customer, i64) {
    let customer = platform.customer(100_000);
    let account = customer.account.to_string();
    let permit = ["account", "recording", "--account", &account, "--permitted", "true"];
    assert!(platform.run(&permit).status.success());
    let message = platform.upload(&customer, &rising_tone(4_000));
    (customer, message)
}

fn send(platform: &Platform, customer: &Customer, message: i64, seconds: &str) -> Value {
    let message = message.to_string();
    let parameters = [
        ("MessageID", &*message),
        ("Number", TALKER),
        ("RecordVoice", "true"),
        ("RecordVoiceDuration", seconds),
    ];
    platform.call(customer, "QuickSend", &parameters)
}

fn sent(platform: &Platform, customer: &Customer, message: i64, seconds: &str) -> i64 {
    let sent = send(platform, customer, message, seconds);
    sent["QuickSendID"].as_i64().filter(|id| *id > 0).unwrap_or_else(|| panic!("{sent}"))
}

/// The recording's samples; `None` while there is none.
fn download(platform: &Platform, customer: &Customer, send: i64) -> Option<Vec<i16>> {
    let answer = platform.ask(customer, "DownloadRecord", &[("QuickSendID", &send.to_string())]);
    if answer.field("content-type").is_some_and(|kind| kind.trim() == "audio/x-wav") {
        return Some(media::wav::read(&answer.body).unwrap());
    }
    assert_eq!(answer.body, b"null");
    None
}

/// Whether somebody talks all the time.
fn is_talk(samples: &[i16]) -> bool {
    samples.chunks_exact(1_600).all(|part| part.iter().any(|sample| sample.abs() > 500))
}

#[test]
fn a_callee_is_recorded_after_the_message_for_whom_it_is_permitted() {
    let platform = Platform::with_sandbox();
    let stranger = platform.customer(100_000);
    let own = platform.upload(&stranger, &rising_tone(4_000));
    assert_eq!(send(&platform, &stranger, own, "2")["QuickSendID"], -72, "no permission");
    let (customer, message) = customer(&platform);
    assert_eq!(send(&platform, &customer, message, "301")["QuickSendID"], -71, "too long");
    let send = sent(&platform, &customer, message, "2");
    let story = platform.story_of_ended(&customer, send);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &PULSE.into()), "{story}");
    let samples = eventually("the recording is there", || download(&platform, &customer, send));
    let ms = samples.len() / 8;
    assert!((1_900..=2_000).contains(&ms), "{ms} ms");
    assert!(is_talk(&samples));
    assert_eq!(download(&platform, &stranger, send), None, "it is its customer's alone");
    let left = std::fs::read_dir(platform.data_dir().join("recordings")).unwrap().count();
    assert_eq!(left, 0, "nothing is left on the way");
}

#[test]
fn what_was_recorded_before_a_kill_is_kept_by_the_next_start() {
    let mut platform = Platform::with_sandbox();
    let (customer, message) = customer(&platform);
    let send = sent(&platform, &customer, message, "60");
    let spool = platform.data_dir().join("recordings");
    eventually("two seconds are on disk", || {
        let bytes: u64 = std::fs::read_dir(&spool)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        (bytes >= 32_000).then_some(())
    });
    assert_eq!(download(&platform, &customer, send), None, "not before it is over");
    platform.kill();
    platform.restart();
    let samples = eventually("the recording is there", || download(&platform, &customer, send));
    assert!(samples.len() >= 16_000 && is_talk(&samples), "{} samples", samples.len());
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0);
}

#[test]
fn what_was_recorded_when_the_program_is_told_to_stop_is_kept() {
    let config = config("").replace("drain_seconds = 20", "drain_seconds = 1");
    let options = Options { config, ..Options::default() };
    let mut platform = Platform::start(options);
    let (customer, message) = customer(&platform);
    let send = sent(&platform, &customer, message, "60");
    let spool = platform.data_dir().join("recordings");
    eventually("the recording has begun", || {
        let mut entries = std::fs::read_dir(&spool).unwrap();
        entries.next()?.unwrap().metadata().unwrap().len().checked_sub(16_000)
    });
    platform.terminate();
    assert!(platform.ended().success());
    platform.restart();
    let samples = eventually("the recording is there", || download(&platform, &customer, send));
    assert!(samples.len() >= 8_000 && is_talk(&samples), "{} samples", samples.len());
}

#[test]
fn a_recording_that_cannot_be_written_fails_alone() {
    let platform = Platform::with_sandbox();
    let (customer, message) = customer(&platform);
    std::fs::remove_dir(platform.data_dir().join("recordings")).unwrap();
    let send = sent(&platform, &customer, message, "2");
    let story = platform.story_of_ended(&customer, send);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &PULSE.into()), "{story}");
    eventually("the failure is told", || {
        platform.log().contains("a recording failed").then_some(())
    });
    assert_eq!(download(&platform, &customer, send), None);
}

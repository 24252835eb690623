//! The whole product against its sandbox carrier: what each magic number of docs/SANDBOX.md means
//! to a customer, and that the phone hears the uploaded message and nothing else.

use serde_json::Value;

use crate::platform::{Customer, Options, Platform, config, rising_tone, similarity};

/// One pulse of 5 s at 45 rials a second: the price of the clip, and of a part of it.
const PULSE: i64 = 225;
/// What the customer starts with.
const CREDIT: i64 = 100_000;
/// How long a phone may ring, milliseconds: longer than the sandbox's usual numbers take, even when
/// three of its answers in a row are lost.
const RING_TIMEOUT_MS: i64 = 5_000;

/// What a call to a magic number comes to.
struct Expected {
    number: &'static str,
    vote: bool,
    reason: i64,
    charge: i64,
    /// The key that was pressed, or -1.
    key: i64,
    /// The final SIP code of the INVITE.
    sip_code: Option<i64>,
}

const fn charged(number: &'static str, reason: i64) -> Expected {
    Expected { number, vote: false, reason, charge: PULSE, key: -1, sip_code: Some(200) }
}

const fn free(number: &'static str, reason: i64, sip_code: Option<i64>) -> Expected {
    Expected { number, vote: false, reason, charge: 0, key: -1, sip_code }
}

const NUMBERS: &[Expected] = &[
    charged("09121234567", 10),
    charged("02188776655", 10),
    charged("09990000002", 11),
    charged("09990000010", 10),
    charged("09990000183", 10),
    charged("09990000200", 10),
    charged("09990000401", 10),
    charged("09990000407", 10),
    Expected { vote: true, key: 7, ..charged("09990000117", 10) },
    Expected { vote: true, key: 0, ..charged("09990000110", 10) },
    // The key is two tones in the sound.
    Expected { vote: true, key: 3, ..charged("09990000123", 10) },
    // Without Vote=true a key means nothing.
    charged("09990000115", 10),
    // Vote=true, and nobody presses anything.
    Expected { vote: true, ..charged("09121234568", 10) },
    // Who answers is nobody's business unless the operator says so.
    charged("09990000301", 10),
    charged("09990000302", 10),
    charged("09990000303", 10),
    free("09990000020", 20, None),
    free("09990000180", 20, None),
    free("09990000486", 21, Some(486)),
    free("09990000603", 22, Some(603)),
    free("09990000480", 23, Some(480)),
    free("09990000404", 24, Some(404)),
    free("09990000503", 30, Some(503)),
];

fn platform() -> Platform {
    let text = format!("[sandbox]\nrecord = true\n[calls]\nring_timeout_ms = {RING_TIMEOUT_MS}\n");
    Platform::start(Options { config: config(&text), ..Options::default() })
}

fn send(platform: &Platform, customer: &Customer, message: i64, expected: &Expected) -> i64 {
    let message = message.to_string();
    let vote = expected.vote.to_string();
    let parameters = [("MessageID", &*message), ("Number", expected.number), ("Vote", &*vote)];
    let sent = platform.call(customer, "QuickSend", &parameters);
    let id = sent["QuickSendID"].as_i64().unwrap();
    assert!(id > 0, "{}: {sent}", expected.number);
    id
}

/// When a step of the ladder happened, in milliseconds since the send was accepted.
pub fn at_ms(story: &Value, step: &str) -> f64 {
    let ladder = story["ladder"].as_array().unwrap();
    let found = ladder.iter().find(|rung| rung["event"] == step);
    found.unwrap_or_else(|| panic!("no {step}: {story}"))["at_ms"].as_f64().unwrap()
}

fn has_step(story: &Value, step: &str) -> bool {
    story["ladder"].as_array().unwrap().iter().any(|rung| rung["event"] == step)
}

#[test]
fn every_magic_number_ends_as_it_says_and_costs_what_it_should() {
    let platform = platform();
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let sends: Vec<i64> =
        NUMBERS.iter().map(|expected| send(&platform, &customer, message, expected)).collect();
    let mut charged = 0;
    for (expected, send) in NUMBERS.iter().zip(sends) {
        let story = platform.story_of_ended(&customer, send);
        let state = platform.state(&customer, send);
        let of = expected.number;
        assert_eq!(story["reason"], expected.reason, "{of}: {story}");
        assert_eq!(story["charged_rials"], expected.charge, "{of}: {story}");
        assert_eq!(story["sip_code"].as_i64(), expected.sip_code, "{of}: {story}");
        assert_eq!(state["vote"], expected.key, "{of}: {state}");
        assert_eq!(state["reason"], expected.reason, "{of}: {state}");
        let answered = expected.sip_code == Some(200);
        assert_eq!(has_step(&story, "answered"), answered, "{of}: {story}");
        assert_eq!(has_step(&story, "first audio"), answered, "{of}: {story}");
        charged += expected.charge;
    }
    assert_eq!(platform.settled_balance(&customer), CREDIT - charged);
}

#[test]
fn an_answered_phone_hears_exactly_the_message_from_its_first_sample() {
    let platform = platform();
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let clip = platform.clip(&customer, message);
    for number in ["09121234567", "09990000183", "09990000200"] {
        let expected = charged(number, 10);
        let (story, heard) = heard_on_time(&platform, &customer, message, &expected);
        assert_eq!(story["reason"], 10, "{number}: {story}");
        assert!(heard.len() >= clip.len(), "{number}: heard {} of {}", heard.len(), clip.len());
        // The drain is at most a second of silence, which A-law writes as ±8.
        let (message, rest) = heard.split_at(clip.len());
        assert!(rest.len() <= 8_000, "{number}: {} samples after the message", rest.len());
        assert!(rest.iter().all(|sample| sample.abs() <= 16), "{number}: not silence at the end");
        let alike = similarity(&clip, message);
        assert!(alike > 0.98, "{number}: something else was heard: {alike}");
        assert!(at_ms(&story, "first audio") >= at_ms(&story, "answered"), "{story}");
    }
}

/// A call's story and what its phone heard. On a machine that is too busy to send on time, frames
/// are moved back and the phone hears pauses: such a call is placed again.
fn heard_on_time(
    platform: &Platform,
    customer: &Customer,
    message: i64,
    expected: &Expected,
) -> (Value, Vec<i16>) {
    const LATE: &str = "avanak_engine_total{event=\"rtp_late_frames\"}";
    const SENT: &str = "avanak_datagrams_sent_total";
    for _ in 0..10 {
        let (late, sent) = (platform.figure(LATE), platform.figure(SENT));
        let send = send(platform, customer, message, expected);
        let story = platform.story_of_ended(customer, send);
        let heard = platform.heard(send);
        // Figures are published once a second.
        let frames = story["clip_seconds"].as_f64().unwrap() * 50.0;
        crate::platform::eventually("the figures have counted the call", || {
            (platform.figure(SENT) >= sent + frames).then_some(())
        });
        if platform.figure(LATE) <= late {
            return (story, heard);
        }
    }
    panic!("the machine is never quiet enough to send on time");
}

#[test]
fn early_media_is_not_an_answer() {
    let platform = platform();
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let expected = charged("09990000183", 10);
    let send = send(&platform, &customer, message, &expected);
    // The tone runs for two seconds before the answer; until then the customer sees ringing.
    let mut early = 0;
    crate::platform::eventually("it is answered after its early media", || {
        let reason = platform.state(&customer, send)["reason"].as_i64()?;
        early += i32::from(reason == 2);
        (reason == 3).then_some(())
    });
    assert!(early > 0, "early media counted as something else than ringing");
    let story = platform.story_of_ended(&customer, send);
    let rang_ms = at_ms(&story, "answered") - at_ms(&story, "INVITE");
    assert!((1_900.0..2_500.0).contains(&rang_ms), "{story}");
    assert_eq!(story["charged_rials"], PULSE, "{story}");
    assert_eq!(story["played_seconds"], story["clip_seconds"], "{story}");
}

#[test]
fn a_phone_rings_exactly_as_long_as_it_may() {
    let text = "[calls]\nring_timeout_ms = 1500\n";
    let platform = Platform::start(Options { config: config(text), ..Options::default() });
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(4_000));
    // The second one would be answered after 20 s.
    let sends = ["09990000180", "09990000020"]
        .map(|number| send(&platform, &customer, message, &free(number, 20, None)));
    for send in sends {
        let story = platform.story_of_ended(&customer, send);
        assert_eq!((&story["reason"], &story["charged_rials"]), (&20.into(), &0.into()));
        let rang_ms = at_ms(&story, "end") - at_ms(&story, "INVITE");
        assert!((1_450.0..2_500.0).contains(&rang_ms), "{story}");
    }
    assert_eq!(platform.settled_balance(&customer), CREDIT);
}

#[test]
fn a_machine_is_hung_up_on_and_a_person_is_not_when_the_operator_says_so() {
    let text = "[detection]\nmachines = \"hang_up\"\n";
    let platform = Platform::start(Options { config: config(text), ..Options::default() });
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(6_000));
    let sends = [("09990000301", 25), ("09990000302", 10)]
        .map(|(to, reason)| (reason, send(&platform, &customer, message, &charged(to, reason))));
    for (reason, send) in sends {
        let story = platform.story_of_ended(&customer, send);
        assert_eq!(story["reason"], reason, "{story}");
        let state = platform.state(&customer, send);
        assert_eq!(state["reason"], reason, "{state}");
    }
}

#[test]
fn a_machine_gets_the_message_after_its_beep_when_the_operator_says_so() {
    let text = "[sandbox]\nrecord = true\n[detection]\nmachines = \"leave_message\"\n";
    let platform = Platform::start(Options { config: config(text), ..Options::default() });
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let clip = platform.clip(&customer, message);
    let send = send(&platform, &customer, message, &charged("09990000301", 10));
    let story = platform.story_of_ended(&customer, send);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &PULSE.into()), "{story}");
    // The machine's beep is over 4.2 s after its answer; we hear of it a moment later.
    let heard = platform.heard(send);
    let begins = (4_200..4_700).map(|ms| ms * 8).find(|at| {
        let after = heard.get(*at..at + clip.len());
        after.is_some_and(|after| similarity(&clip, after) > 0.98)
    });
    assert!(begins.is_some(), "the whole message is not there: {} samples", heard.len());
}

#[test]
fn a_tenth_of_the_audio_lost_on_the_way_changes_neither_the_call_nor_its_price() {
    let platform = platform();
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(10_000));
    let clip = platform.clip(&customer, message);
    let expected = charged("09990000010", 10);
    let sends = [(); 4].map(|()| send(&platform, &customer, message, &expected));
    let (mut packets, mut lost) = (0, 0);
    for send in sends {
        let story = platform.story_of_ended(&customer, send);
        assert_eq!(story["reason"], 10, "{story}");
        assert_eq!(story["played_seconds"], story["clip_seconds"], "{story}");
        assert_eq!(story["charged_rials"], 2 * PULSE, "{story}");
        let heard = platform.heard(send);
        // A packet that never came is a gap of 20 ms in a tone that has none.
        let gaps = clip.chunks_exact(160).zip(heard.chunks_exact(160)).skip(1);
        let gap = |heard: &[i16]| heard.iter().all(|sample| sample.abs() <= 16);
        packets += gaps.len();
        lost += gaps.filter(|(_, heard)| gap(heard)).count();
    }
    let per_cent = lost * 100 / packets;
    assert!((5..=16).contains(&per_cent), "{lost} of {packets} packets were lost");
    assert_eq!(platform.settled_balance(&customer), CREDIT - 4 * 2 * PULSE);
}

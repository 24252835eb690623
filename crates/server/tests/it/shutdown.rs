//! SIGTERM in the middle of calls: they live to their ends, or are handed to the next start; what
//! was accepted is kept, and nothing new is accepted.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::far_end::FarEnd;
use crate::platform::{Options, PATIENCE, Platform, config, eventually, request, rising_tone};

/// What the customer starts with.
const CREDIT: i64 = 100_000;
/// One pulse of 5 s at 45 rials a second.
const PULSE: i64 = 225;

/// A platform whose calls all go to `far_end`, at most `max_channels` at a time.
fn platform(far_end: &FarEnd, max_channels: u32, drain_seconds: u32) -> Platform {
    let trunk = format!(
        "[[trunk]]\nname = 'far'\naddress = '{}'\nmax_channels = {max_channels}\n",
        far_end.address
    );
    let drain = format!("drain_seconds = {drain_seconds}");
    let config = config(&trunk).replace("drain_seconds = 20", &drain);
    Platform::start(Options { config, ..Options::default() })
}

fn live(far_end: &FarEnd) -> u32 {
    far_end.seen().values().map(|seen| seen.live).sum()
}

#[test]
fn calls_that_are_up_live_to_their_ends_and_what_waits_is_called_after_the_next_start() {
    let far_end = FarEnd::start(10);
    let mut platform = platform(&far_end, 2, 20);
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let sends: Vec<i64> =
        (0..4).map(|n| platform.send(&customer, message, &format!("0912000000{n}"))).collect();
    platform.wait_for_answer(&customer, sends[0]);
    platform.wait_for_answer(&customer, sends[1]);
    let mut kept_alive = TcpStream::connect(platform.http()).unwrap();
    kept_alive.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(kept_alive, "GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    kept_alive.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200", "it is ready, and the connection stays open");

    platform.terminate();
    // A client's connection is refused, so that it, or the balancer before it, goes elsewhere.
    eventually("no new request is taken", || {
        TcpStream::connect(platform.http()).is_err().then_some(())
    });
    assert_eq!(live(&far_end), 2, "the calls go on");
    kept_alive.read_to_end(&mut Vec::new()).expect("an idle connection is closed in good order");
    let (message_text, http) = (message.to_string(), platform.http());
    let parameters = [("MessageID", &*message_text), ("Number", "09120000009")];
    request(http, &customer.token, "QuickSend", &parameters).expect_err("nothing is accepted");
    assert_eq!(platform.ended().code(), Some(0));
    assert_eq!(live(&far_end), 0, "the calls were ended, not left");
    for send in &sends[..2] {
        let story = platform.story(*send);
        assert_eq!(story["reason"], 10, "{story}");
        assert_eq!(story["played_seconds"], story["clip_seconds"], "{story}");
        assert_eq!(story["charged_rials"], PULSE, "{story}");
    }
    let started = far_end.seen().len();
    assert_eq!(started, 2, "no call was begun while the others ended");

    platform.restart();
    for send in &sends {
        assert_eq!(platform.story_of_ended(&customer, *send)["reason"], 10);
    }
    let seen = far_end.seen();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen.values().all(|seen| seen.started == 1), "nobody was called twice: {seen:?}");
    assert_eq!(platform.settled_balance(&customer), CREDIT - 4 * PULSE);
}

#[test]
fn a_call_longer_than_the_drain_is_hung_up_and_settled_by_the_next_start() {
    let far_end = FarEnd::start(10);
    let mut platform = platform(&far_end, 2, 1);
    let customer = platform.customer(CREDIT);
    let message = platform.upload(&customer, &rising_tone(30_000));
    let send = platform.send(&customer, message, "09121234567");
    platform.wait_for_answer(&customer, send);

    platform.terminate();
    assert_eq!(platform.ended().code(), Some(0));
    assert!(platform.log().contains("calls are still alive"), "the operator is told");
    assert_eq!(live(&far_end), 1, "the phone is still listening");
    assert_eq!(platform.story(send)["charged_rials"], 0, "nothing is settled yet");

    platform.restart();
    eventually("the next start hangs up", || (live(&far_end) == 0).then_some(()));
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 11, "{story}");
    assert_eq!(story["charged_rials"], PULSE, "what was heard until the stop: {story}");
    assert_eq!(far_end.seen()["09121234567"].started, 1, "nobody was called twice");
    assert_eq!(platform.settled_balance(&customer), CREDIT - PULSE);
}

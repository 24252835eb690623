//! The registrar's side of digest authentication.

use std::time::{Duration, Instant};

use sip::digest::{Algorithm, Server, Verdict, ha1};
use sip::message::{Message, parse};
use sip::{Limits, Request};

use crate::pair::epoch;

const REALM: &str = "phones";

fn register(authorization: &str) -> Request {
    let text = format!(
        "REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n\
         From: <sip:u@pbx.example>;tag=1\r\nTo: <sip:u@pbx.example>\r\nCall-ID: 1\r\n\
         CSeq: 1 REGISTER\r\n{authorization}\r\n"
    );
    match parse(text.as_bytes(), &Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Known answers come from an endpoint of ours; see `scenarios`. Here the answer is computed by
/// hand with a second implementation of the formula over the crate's `ha1`.
fn answer(challenge: &str, user: &str, password: &str, nc: u32) -> String {
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let algorithm = if challenge.contains("SHA-256") { Algorithm::Sha256 } else { Algorithm::Md5 };
    // ha1(a, b, c) is H(a:b:c): two colons inside one part give every hash that is needed.
    let ha2_parts = ("REGISTER", "sip:pbx.example");
    let h1 = ha1(algorithm, user, REALM, password);
    let nc = format!("{nc:08x}");
    let ha2 = h2(algorithm, ha2_parts);
    let response = ha1(algorithm, &h1, nonce, &format!("{nc}:c0:auth:{ha2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{REALM}\", nonce=\"{nonce}\", \
         uri=\"sip:pbx.example\", response=\"{response}\", algorithm={}, qop=auth, nc={nc}, \
         cnonce=\"c0\"\r\n",
        algorithm.name()
    )
}

/// H(method:uri) where the URI holds a colon of its own.
fn h2(algorithm: Algorithm, (method, uri): (&str, &str)) -> String {
    let (scheme, rest) = uri.split_once(':').unwrap();
    ha1(algorithm, method, scheme, rest)
}

fn check(server: &mut Server, now: Instant, authorization: &str) -> Verdict {
    server.check(now, &register(authorization), |user, algorithm| {
        (user == "u").then(|| ha1(algorithm, "u", REALM, "p"))
    })
}

fn accepted() -> Verdict {
    Verdict::Accepted { username: "u".into() }
}

/// Goal: both algorithms are offered, strongest first, and accepted once per count.
#[test]
fn accepts_and_refuses_replays() {
    let now = epoch();
    let mut server = Server::new(REALM, [1; 32]);
    assert_eq!(check(&mut server, now, ""), Verdict::Challenge { stale: false });
    let challenges = server.challenges(now, false);
    assert!(challenges[0].contains("SHA-256") && challenges[1].contains("MD5"));
    for challenge in &challenges {
        let challenge = challenge.replace("never", "");
        let fresh = server.challenges(now, false);
        let nonce_of = |text: &str| text.split('"').nth(3).unwrap().to_string();
        assert_ne!(nonce_of(&fresh[0]), nonce_of(&challenge), "nonces are never reused");
        let index = usize::from(challenge.contains("MD5"));
        let first = answer(&fresh[index], "u", "p", 1);
        assert_eq!(check(&mut server, now, &first), accepted());
        assert_eq!(check(&mut server, now, &first), Verdict::Challenge { stale: true });
        let second = answer(&fresh[index], "u", "p", 2);
        assert_eq!(check(&mut server, now, &second), accepted());
    }
}

/// Goal: wrong users, passwords, nonces, realms and times each get their verdict.
#[test]
fn verdicts() {
    let now = epoch();
    let mut server = Server::new(REALM, [1; 32]);
    let challenge = server.challenges(now, false).remove(0);
    let wrong = |user: &str| Verdict::Wrong { username: user.into() };
    assert_eq!(check(&mut server, now, &answer(&challenge, "u", "x", 1)), wrong("u"));
    assert_eq!(check(&mut server, now, &answer(&challenge, "v", "p", 1)), wrong("v"));
    let good = answer(&challenge, "u", "p", 1);
    let again = Verdict::Challenge { stale: false };
    assert_eq!(check(&mut server, now, &good.replace("phones", "other")), again);
    assert_eq!(check(&mut server, now, &good.replace("sip:pbx.example", "sip:evil")), again);
    let forged = Server::new(REALM, [2; 32]).challenges(now, false).remove(0);
    assert_eq!(check(&mut server, now, &answer(&forged, "u", "p", 1)), again);
    let late = now + Duration::from_secs(301);
    assert_eq!(check(&mut server, late, &good), Verdict::Challenge { stale: true });
    assert_eq!(check(&mut server, now, &good), accepted());
    assert!(server.challenges(now, true)[0].contains("stale=true"));
}

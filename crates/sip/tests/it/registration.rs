//! Our registration with a registrar: when it is asked, and what its answers do.

use std::time::Duration;

use sip::registration::{Registration, Standing};
use sip::{Failure, Headers, Name, Response, Uri};

use crate::pair::epoch;

fn contact() -> Uri {
    "sip:us@192.0.2.1:5060".parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "what is heard may also be a failure")]
fn response(code: u16, fields: &[(Name, &str)]) -> Result<Response, Failure> {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.push(*name, value.as_bytes());
    }
    Ok(Response { code, reason: Vec::new(), headers, body: Vec::new() })
}

const CSEQ: (Name, &str) = (Name::CSeq, "2 REGISTER");

/// Goal: it is refreshed at half to three quarters of what the registrar gave to our contact, with
/// the next number.
#[test]
fn refreshed_before_it_runs_out() {
    let others = "<sip:them@192.0.2.9>;expires=7, <sip:us@192.0.2.1:5060>;expires=600";
    let cases = [
        (response(200, &[CSEQ, (Name::Contact, others), (Name::Expires, "9")]), 0, 600, 300_000),
        (response(200, &[CSEQ, (Name::Contact, others)]), 999, 600, 449_400),
        (response(200, &[CSEQ, (Name::Expires, "100")]), 500, 100, 62_500),
        (response(200, &[CSEQ]), 0, 3600, 1_800_000),
    ];
    for (answer, jitter, expires_s, after_ms) in cases {
        let now = epoch();
        let mut registration = Registration::new(now, 3600);
        let ask = registration.ask(now).unwrap();
        assert_eq!((ask.cseq, ask.expires_s), (1, 3600));
        assert_eq!((registration.ask(now), registration.next_timeout()), (None, None));
        registration.heard(now, &answer, &contact(), jitter);
        assert_eq!(registration.standing(), Standing::Registered { expires_s });
        let due = now + Duration::from_millis(after_ms);
        assert_eq!(registration.next_timeout(), Some(due));
        assert_eq!(registration.ask(now + Duration::from_millis(after_ms - 1)), None);
        assert_eq!(registration.ask(due).unwrap().cseq, 3, "the one with credentials was 2");
    }
}

/// Goal: a registrar that wants longer registrations is asked for them at once; one that asks for
/// nonsense is a failure like any other.
#[test]
fn interval_too_brief() {
    let now = epoch();
    let mut registration = Registration::new(now, 60);
    registration.ask(now).unwrap();
    registration.heard(now, &response(423, &[CSEQ, (Name::MinExpires, "900")]), &contact(), 0);
    assert_eq!(registration.ask(now).unwrap().expires_s, 900);
    for nonsense in ["900", "0", "4000000000", "soon"] {
        let answer = response(423, &[CSEQ, (Name::MinExpires, nonsense)]);
        registration.heard(now, &answer, &contact(), 0);
        let Standing::Refused { code: Some(423), .. } = registration.standing() else { panic!() };
        assert_eq!(registration.ask(now), None);
    }
}

/// Goal: failures are followed by longer and longer waits, up to half an hour, whatever they are;
/// Retry-After is heeded; a success starts anew.
#[test]
fn backing_off() {
    let mut now = epoch();
    let mut registration = Registration::new(now, 3600);
    let mut fail = |registration: &mut Registration, answer, jitter| {
        registration.ask(now).expect("it is due");
        registration.heard(now, &answer, &contact(), jitter);
        let wait = registration.next_timeout().unwrap() - now;
        now += wait;
        wait.as_secs()
    };
    let timeout = || Err(Failure::Timeout);
    let waits: Vec<u64> = (0..9).map(|_| fail(&mut registration, timeout(), 999)).collect();
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
    assert_eq!(fail(&mut registration, response(403, &[CSEQ]), 0), 900, "half of it, by chance");
    let busy = response(503, &[CSEQ, (Name::RetryAfter, "1200")]);
    assert_eq!(fail(&mut registration, busy, 0), 1200);
    let rude = response(503, &[CSEQ, (Name::RetryAfter, "999999")]);
    assert_eq!(fail(&mut registration, rude, 0), 1800);
    fail(&mut registration, response(200, &[CSEQ]), 0);
    assert_eq!(fail(&mut registration, timeout(), 999), 30);
    assert!(matches!(registration.standing(), Standing::Refused { code: None, retry_s: 30 }));
    let leave = registration.leave();
    assert_eq!((leave.expires_s, registration.next_timeout()), (0, None));
}

//! Our registration with a registrar (RFC 3261 §10.2): when to send which REGISTER, and what its
//! answer means.
//!
//! Knows time, numbers and answers; the REGISTER itself is its owner's affair, and so is chance:
//! `jitter` is a number of 0 to 999 that spreads what many clients would do at once.

use std::time::{Duration, Instant};

use crate::endpoint::Failure;
use crate::message::{CSeq, Name, NameAddr, Response, Uri, header};

/// How long the first retry waits, and the most that any does (RFC 5626 §4.5).
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(30));
/// The longest expiry that a registrar may ask of us with 423, seconds.
const LONGEST_S: u32 = 24 * 60 * 60;
/// What a REGISTER without an answer may have used: one, and its repeats with credentials.
const TRIES: u32 = 4;

/// Where a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was heard yet.
    Asking,
    /// The registrar sends calls to us.
    Registered {
        /// How long it will, if we say nothing more, seconds.
        expires_s: u32,
    },
    /// It does not.
    Refused {
        /// What it answered; `None` when nothing came.
        code: Option<u16>,
        /// When it is asked again, seconds.
        retry_s: u32,
    },
}

/// The REGISTER to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Its sequence number.
    pub cseq: u32,
    /// Its Expires, seconds; 0 takes the registration back.
    pub expires_s: u32,
}

/// One registration, over its whole life.
#[derive(Debug, Clone)]
pub struct Registration {
    wanted_s: u32,
    cseq: u32,
    /// When the next REGISTER is due; `None` while one is under way.
    due_at: Option<Instant>,
    failures: u32,
    standing: Standing,
}

impl Registration {
    /// A registration that is to be made now, for `wanted_s` seconds at a time.
    pub fn new(now: Instant, wanted_s: u32) -> Self {
        Self { wanted_s, cseq: 1, due_at: Some(now), failures: 0, standing: Standing::Asking }
    }

    /// When [`Registration::ask`] has something to send.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due_at
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The REGISTER that is due, if one is. [`Registration::heard`] is told what came of it.
    pub fn ask(&mut self, now: Instant) -> Option<Ask> {
        self.due_at.take_if(|at| *at <= now)?;
        Some(Ask { cseq: self.cseq, expires_s: self.wanted_s })
    }

    /// The REGISTER that takes it back.
    pub fn leave(&mut self) -> Ask {
        self.due_at = None;
        Ask { cseq: self.cseq, expires_s: 0 }
    }

    /// What came of the REGISTER: `contact` is the one it carried.
    pub fn heard(
        &mut self,
        now: Instant,
        result: &Result<Response, Failure>,
        contact: &Uri,
        jitter: u16,
    ) {
        let jitter = u32::from(jitter.min(999));
        let answered = result.as_ref().ok();
        let used = answered.and_then(|response| response.headers.get(Name::CSeq));
        let used = used.and_then(|value| CSeq::parse(value).ok()).map(|cseq| cseq.number);
        self.cseq = used.map_or(self.cseq.saturating_add(TRIES), |used| used.saturating_add(1));
        match answered {
            Some(response) if (200..300).contains(&response.code) => {
                let expires_s = granted(response, contact).unwrap_or(self.wanted_s);
                self.failures = 0;
                self.standing = Standing::Registered { expires_s };
                // At half to three quarters of its time: a lost refresh can be repeated.
                let share = 500 + jitter / 4;
                let wait_ms = u64::from(expires_s.max(1)) * u64::from(share);
                self.due_at = Some(now + Duration::from_millis(wait_ms));
            }
            Some(response) if self.may_ask_longer(response) => self.due_at = Some(now),
            _ => self.refused(now, answered, jitter),
        }
    }

    /// 423: the registrar wants to be asked for more (RFC 3261 §10.2.8).
    fn may_ask_longer(&mut self, response: &Response) -> bool {
        let least = response.headers.get(Name::MinExpires).and_then(header::number::<u32>);
        match least {
            Some(least) if response.code == 423 && least > self.wanted_s && least <= LONGEST_S => {
                self.wanted_s = least;
                true
            }
            _ => false,
        }
    }

    /// Twice as long after each failure, half to all of it (RFC 5626 §4.5).
    fn refused(&mut self, now: Instant, answered: Option<&Response>, jitter: u32) {
        let (base, most) = BACK_OFF;
        let longest = base.saturating_mul(1 << self.failures.min(6)).min(most);
        self.failures = self.failures.saturating_add(1);
        let asked = answered.and_then(|response| header::retry_after_seconds(&response.headers));
        let asked = Duration::from_secs(asked.unwrap_or(0).into()).min(most);
        let wait = (longest / 2 + longest / 2 * jitter / 999).max(asked);
        let code = answered.map(|response| response.code);
        let retry_s = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        self.standing = Standing::Refused { code, retry_s };
        self.due_at = Some(now + wait);
    }
}

/// The seconds that the registrar gives to our contact (§10.2.4): that of its own entry, else of
/// the whole response.
fn granted(response: &Response, contact: &Uri) -> Option<u32> {
    let is_ours = |found: &NameAddr| {
        found.uri.user() == contact.user()
            && found.uri.host().eq_ignore_ascii_case(contact.host())
            && found.uri.port() == contact.port()
    };
    let entries = response.headers.elements(Name::Contact);
    let ours = entries
        .filter_map(|value| NameAddr::parse(value, Name::Contact).ok())
        .find(|found| is_ours(found));
    let own = ours.and_then(|found| found.param("expires").and_then(header::number));
    own.or_else(|| response.headers.get(Name::Expires).and_then(header::number))
}

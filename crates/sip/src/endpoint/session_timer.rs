//! Session timers (RFC 4028): a call that nobody refreshes is a call that nobody knows of any
//! more, and is hung up.

use std::time::{Duration, Instant};

use super::compose::SUPPORTED;
use super::leg::{Granted, Leg, Outcome, SessionTimer, State};
use super::table::Due;
use super::{Endpoint, Extensions, LegId, Outputs, Party, Reason, Timer};
use crate::digest::Answers;
use crate::limits::{MAX_SESSION_S, MIN_SESSION_S};
use crate::message::{Headers, Name, Writer, header};

/// Q.850 cause 102, recovery on timer expiry.
pub(super) const EXPIRED: Reason = Reason { q850: 102 };

/// The most that a call is hung up before its session expires (§10), in seconds.
const MARGIN_S: u32 = 32;

/// A refresh that failed is tried again while there is at least this much time.
const RETRY: Duration = Duration::from_secs(20);

/// Whether a list field names an extension.
pub(super) fn names(headers: &Headers, field: Name, extension: &[u8]) -> bool {
    headers.elements(field).any(|element| element.eq_ignore_ascii_case(extension))
}

/// The extensions of a Require field that we do not understand.
pub(super) fn not_understood(headers: &Headers) -> impl Iterator<Item = &[u8]> {
    let known = |name: &&[u8]| SUPPORTED.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    headers.elements(Name::Require).filter(move |name| !known(name))
}

/// The seconds of a Session-Expires or Min-SE field.
fn seconds(headers: &Headers, field: Name) -> Option<u32> {
    let value = headers.get(field)?;
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    header::number(header::trim(&value[..end]))
}

/// The Min-SE of a 422 that we can keep to.
pub(super) fn min_se(headers: &Headers) -> Option<u32> {
    seconds(headers, Name::MinSe).filter(|s| (MIN_SESSION_S..=MAX_SESSION_S).contains(s))
}

/// Who refreshes by the Session-Expires field: whether it is the one that sent the request.
fn refresher_is_uac(headers: &Headers) -> Option<bool> {
    let refresher = header::param(params(headers.get(Name::SessionExpires)?), "refresher")?;
    if refresher.eq_ignore_ascii_case(b"uac") {
        return Some(true);
    }
    refresher.eq_ignore_ascii_case(b"uas").then_some(false)
}

fn params(value: &[u8]) -> &[u8] {
    &value[memchr::memchr(b';', value).unwrap_or(value.len())..]
}

impl Extensions {
    fn min_s(&self) -> u32 {
        self.min_se_s.clamp(MIN_SESSION_S, MAX_SESSION_S)
    }

    /// The interval to ask for when the peer wants at least `min_se_s`.
    fn interval_s(&self, min_se_s: u32) -> Option<u32> {
        let wanted = self.session_expires_s?.clamp(self.min_s(), MAX_SESSION_S);
        Some(wanted.max(min_se_s))
    }

    /// What to say of the session timer in the 200 to a peer's INVITE or UPDATE (§9).
    ///
    /// # Errors
    /// The Min-SE of the 422 to refuse it with.
    pub(super) fn grant(
        &self,
        headers: &Headers,
        before: Option<&SessionTimer>,
    ) -> Result<Option<Granted>, u32> {
        let supported = names(headers, Name::Supported, b"timer");
        let min_s = self.min_s();
        let floor = seconds(headers, Name::MinSe).unwrap_or(0).clamp(min_s, MAX_SESSION_S);
        let (interval_s, by_peer) = match seconds(headers, Name::SessionExpires) {
            // A proxy put it there on behalf of a caller that would not know what a 422 is.
            Some(asked) if asked < min_s && supported => return Err(min_s),
            Some(asked) => {
                let ours = self.session_expires_s.unwrap_or(MAX_SESSION_S);
                (asked.min(ours).max(floor), refresher_is_uac(headers).unwrap_or(supported))
            }
            None => {
                let kept = before.map(|timer| timer.interval_s);
                let Some(interval_s) = kept.or(self.interval_s(floor)) else { return Ok(None) };
                (interval_s.max(floor), supported && before.is_none_or(|timer| !timer.ours))
            }
        };
        Ok(Some(Granted { interval_s, by_peer: by_peer && supported, supported }))
    }
}

/// Writes the fields of a 200 of ours (§9).
pub(super) fn write_granted(writer: &mut Writer, granted: Granted) {
    if granted.supported && granted.by_peer {
        writer.field(Name::Require, b"timer");
    }
    writer.raw(&[b"Session-Expires: "]);
    writer.number(u64::from(granted.interval_s));
    let refresher: &[u8] = if granted.by_peer { b"uac" } else { b"uas" };
    writer.raw(&[b";refresher=", refresher, b"\r\n"]);
}

impl Endpoint {
    /// Writes the fields of an INVITE of ours (§7.1). Who refreshes is left to the peer.
    pub(super) fn ask_for_session(extensions: &Extensions, min_se_s: u32, writer: &mut Writer) {
        let Some(interval_s) = extensions.interval_s(min_se_s) else { return };
        writer.numeric(Name::SessionExpires, u64::from(interval_s));
        let min_s = extensions.min_s().max(min_se_s);
        if min_s > MIN_SESSION_S {
            writer.numeric(Name::MinSe, u64::from(min_s));
        }
    }

    /// Writes the fields of a re-INVITE or UPDATE of ours (§7.4): the roles stay as they are.
    pub(super) fn keep_session(extensions: &Extensions, leg: &Leg, writer: &mut Writer) {
        let Some(timer) = &leg.timer else { return };
        writer.raw(&[b"Session-Expires: "]);
        writer.number(u64::from(timer.interval_s));
        let refresher: &[u8] = if timer.ours { b"uac" } else { b"uas" };
        writer.raw(&[b";refresher=", refresher, b"\r\n"]);
        let min_s = extensions.min_s();
        if min_s > MIN_SESSION_S {
            writer.numeric(Name::MinSe, u64::from(min_s));
        }
    }

    /// Takes what a 2xx to a request of ours says of the session timer (§7.2). A peer that says
    /// nothing does not know of it, and is refreshed by us.
    pub(super) fn session_answered(&mut self, now: Instant, id: LegId, headers: &Headers) {
        let Some(leg) = self.legs.get(&id) else { return };
        let asked = match leg.timer {
            Some(timer) => Some(timer.interval_s),
            None => self.config.extensions.interval_s(0),
        };
        match seconds(headers, Name::SessionExpires) {
            Some(said) => {
                let interval_s = said.clamp(MIN_SESSION_S, MAX_SESSION_S);
                let ours = refresher_is_uac(headers).unwrap_or(true);
                self.start_session(now, id, interval_s, ours);
            }
            None => {
                if let Some(interval_s) = asked {
                    self.start_session(now, id, interval_s, true);
                }
            }
        }
    }

    /// Starts the interval, the first time or anew.
    pub(super) fn start_session(&mut self, now: Instant, id: LegId, interval_s: u32, ours: bool) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if let Some(before) = leg.timer.take() {
            self.timers.cancel(before.armed);
        }
        let margin_s = MARGIN_S.min(interval_s / 3);
        let ends_at = now + Duration::from_secs(u64::from(interval_s - margin_s));
        let due = if ours { now + Duration::from_secs(u64::from(interval_s / 2)) } else { ends_at };
        let armed = self.timers.set(due, Due::Session(id));
        leg.timer = Some(SessionTimer { interval_s, ours, ends_at, armed });
    }

    /// Half the interval is over and we refresh, or all of it and nobody has.
    pub(super) fn session_due(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(timer) = &mut leg.timer else { return };
        if !matches!(leg.state, State::Up) {
            leg.timer = None;
            return;
        }
        if !timer.ours || timer.ends_at <= now {
            leg.timer = None;
            self.trace_timer(id, Timer::Session, out);
            return self.session_over(now, id, out);
        }
        timer.armed = self.timers.set(timer.ends_at, Due::Session(id));
        // An offer that is under way refreshes the session, too.
        if leg.change.is_none() {
            self.begin_refresh(now, id, out);
        }
    }

    /// A refresh was refused, but the peer still knows the call: it is tried again later.
    pub(super) fn refresh_refused(&mut self, now: Instant, id: LegId) {
        let Some(timer) = self.legs.get_mut(&id).and_then(|leg| leg.timer.as_mut()) else { return };
        let left = timer.ends_at.saturating_duration_since(now);
        if timer.ours && left >= RETRY {
            self.timers.cancel(timer.armed);
            timer.armed = self.timers.set(now + left / 2, Due::Session(id));
        }
    }

    /// Nobody refreshed the session, or the peer does not know it any more (§10).
    pub(super) fn session_over(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        self.counters.sessions_expired += 1;
        let outcome = Outcome::Ended(Party::Us, Some(EXPIRED.q850));
        self.bye(now, id, outcome, Some(EXPIRED), Answers::default(), out);
    }
}

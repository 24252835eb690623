//! Refusals: those of which nothing is kept, because nobody has proven who asked, and those of
//! calls that the owner looked at.

use std::sync::Arc;
use std::time::Instant;

use super::compose::ReplyHead;
use super::leg::Outcome;
use super::session_timer::not_understood;
use super::table::ServerTransaction;
use super::{Endpoint, LegId, Outputs};
use crate::message::{Headers, Name, Request};
use crate::token::Token;
use crate::transport::Hop;

impl Endpoint {
    /// Answers a request without keeping anything: a repeat gets the same response because its
    /// tag depends on the request alone (§8.2.7).
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        request: &Request,
        source: Hop,
        code: u16,
        extra: &[(Name, &[u8])],
        out: &mut Outputs,
    ) {
        let head = ReplyHead::new(request, source, self.stateless_tag(request));
        let mut writer = self.composer.response(&head, code, "");
        for (name, value) in extra {
            writer.field(*name, value);
        }
        match code {
            405 => writer.field(Name::Allow, self.composer.allow),
            415 => writer.field(Name::Accept, b"application/sdp"),
            _ => {}
        }
        if code == 420 {
            for name in not_understood(&request.headers) {
                writer.field(Name::Unsupported, name);
            }
        }
        let datagram: Arc<[u8]> = writer.finish(b"").into();
        if self.traces {
            self.trace_reply(self.leg_of(request), head.asked, code, out);
        }
        self.transmit_unkept(now, source, head.destination, &datagram, out);
    }

    /// The tag of every answer to a request of which nothing is kept.
    pub(super) fn stateless_tag(&self, request: &Request) -> Token {
        let get = |name| request.headers.get(name).unwrap_or_default();
        self.tokens.stateless_tag(&[get(Name::CallId), get(Name::From)])
    }

    /// There is no room to keep a request.
    pub(super) fn refuse_full(
        &mut self,
        now: Instant,
        request: &Request,
        source: Hop,
        out: &mut Outputs,
    ) {
        self.counters.refused_full += 1;
        self.retry_later(now, request, source, out);
    }

    /// 503 with Retry-After, stateless: a flood costs no memory.
    pub(super) fn retry_later(
        &mut self,
        now: Instant,
        request: &Request,
        source: Hop,
        out: &mut Outputs,
    ) {
        let wait = self.config.limits.retry_after_seconds.to_string();
        self.refuse(now, request, source, 503, &[(Name::RetryAfter, wait.as_bytes())], out);
    }

    /// 422: the caller may ask for a longer session interval (RFC 4028 §9).
    pub(super) fn refuse_interval(
        &mut self,
        now: Instant,
        request: &Request,
        source: Hop,
        min_s: u32,
        out: &mut Outputs,
    ) {
        let min_s = min_s.to_string();
        self.refuse(now, request, source, 422, &[(Name::MinSe, min_s.as_bytes())], out);
    }

    /// See [`Endpoint::reject`].
    pub(super) fn refuse_call(
        &mut self,
        now: Instant,
        id: LegId,
        (code, phrase): (u16, &str),
        extra: &Headers,
        out: &mut Outputs,
    ) {
        let waiting = self.ringing(id).filter(|_| (300..700).contains(&code));
        let Some((key, _)) = waiting else { return };
        let Some(transaction) = self.servers.get(&key) else { return };
        let mut writer = self.composer.response(&transaction.head, code, phrase);
        writer.fields(extra);
        let bytes = writer.finish(b"");
        self.respond(now, key, code, bytes, out);
        self.finish(now, id, Outcome::Refused, out);
    }

    /// See [`Endpoint::turn_away`].
    pub(super) fn forget_call(
        &mut self,
        now: Instant,
        id: LegId,
        code: u16,
        extra: &Headers,
        out: &mut Outputs,
    ) {
        let Some((key, _)) = self.ringing(id).filter(|_| (300..700).contains(&code)) else {
            return;
        };
        if self.servers.get(&key).is_some_and(|transaction| transaction.datagram.is_some()) {
            return self.refuse_call(now, id, (code, ""), extra, out);
        }
        self.counters.turned_away += 1;
        if let Some(ServerTransaction { mut head, .. }) = self.forget_server(key).map(|kept| *kept)
        {
            let origin = self.legs.get(&id).map(|leg| Arc::clone(&leg.dialog.origin));
            if let Some(origin) = origin {
                let parts: [&[u8]; 2] = [&origin.call_id, &origin.remote];
                head.tag = head.tag.map(|_| self.tokens.stateless_tag(&parts));
            }
            let mut writer = self.composer.response(&head, code, "");
            writer.fields(extra);
            let datagram = writer.finish(b"").into();
            self.transmit_unkept(now, head.source, head.destination, &datagram, out);
        }
        self.finish(now, id, Outcome::Refused, out);
    }
}

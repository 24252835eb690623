//! Requests of peers that are no calls, and what they get.

use std::time::Instant;

use media::telephone_event::Key;
use sip::{Headers, LegId, Method, Name, Reply, Request};

use super::Engine;
use crate::call::Wires;
use crate::leg;

/// Methods we take outside of a call (RFC 3261 §20.5).
const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, REGISTER, UPDATE";

impl Engine {
    /// INFO within a call (RFC 6086): a key, where it tells one.
    fn reply_to_info(&mut self, now: Instant, leg: LegId, request: &Request) -> Reply {
        let reply = |code| Reply { code, ..Reply::default() };
        if request.body.is_empty() {
            return reply(200);
        }
        if !leg::tells_keys(request) {
            let mut reply = reply(415);
            reply.headers.push(Name::Accept, leg::KEY_BODIES.join(", ").as_bytes());
            return reply;
        }
        let Some(key) = Key::in_info(&request.body) else { return reply(400) };
        self.touch_leg(now, leg, |call, wires| call.key_in_info(now, key, wires));
        reply(200)
    }

    /// What a request gets, within a call on `leg` or outside of any.
    pub(super) fn reply_to(
        &mut self,
        now: Instant,
        leg: Option<LegId>,
        request: &Request,
        peer: sip::Hop,
    ) -> Reply {
        if let (Method::Info, Some(leg)) = (&request.method, leg) {
            return self.reply_to_info(now, leg, request);
        }
        let code = match request.method {
            Method::Register => {
                let Wires { events, counters, .. } = &mut self.wires;
                return self.registrar.register(now, request, peer, events, counters);
            }
            // Capabilities (RFC 3261 §11.2); phones also ping with it.
            Method::Options => 200,
            _ => 405,
        };
        let mut headers = Headers::new();
        headers.push(Name::Allow, ALLOW);
        if code == 200 {
            headers.push(Name::Accept, b"application/sdp");
        }
        Reply { code, headers, ..Reply::default() }
    }
}

//! Our registrations with trunks: which there are, and which REGISTER of them is under way. When
//! to send one is [`sip::registration`]'s affair.

use std::collections::BTreeMap;
use std::time::Instant;

use sip::registration::{Ask, Registration, Standing};
use sip::{Endpoint, Failure, Headers, Method, Name, NameAddr, OutOfDialog, RequestId, Response};

use crate::derive;
use crate::io::{Event, TrunkRegistration};

/// All registrations.
pub(crate) struct Enrolments {
    secret: [u8; 32],
    by_trunk: BTreeMap<String, Enrolment>,
    under_way: BTreeMap<RequestId, Asked>,
    /// How many random numbers were drawn.
    drawn: u32,
}

struct Enrolment {
    spec: TrunkRegistration,
    call_id: String,
    registration: Registration,
}

/// A REGISTER that waits for its answer.
struct Asked {
    trunk: String,
    /// It takes a registration back: nobody waits for more.
    leaving: bool,
}

impl Enrolments {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self { secret, by_trunk: BTreeMap::new(), under_way: BTreeMap::new(), drawn: 0 }
    }

    /// How many registrations there are, those that are being taken back included.
    pub(crate) fn len(&self) -> usize {
        self.by_trunk.len() + self.under_way.values().filter(|asked| asked.leaving).count()
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.by_trunk.values().filter_map(|one| one.registration.next_timeout()).min()
    }

    /// Replaces the registrations. One that stays as it is goes on; one that is gone or changed is
    /// taken back.
    pub(crate) fn set(
        &mut self,
        now: Instant,
        specs: &[TrunkRegistration],
        sip: &mut Endpoint,
        out: &mut sip::Outputs,
        events: &mut Vec<Event>,
    ) {
        let mut before = std::mem::take(&mut self.by_trunk);
        for spec in specs {
            let known = before.remove(&spec.trunk);
            let (kept, changed) = match known {
                Some(one) if one.spec == *spec => (Some(one), None),
                other => (None, other),
            };
            if let Some(mut changed) = changed {
                self.leave(now, &mut changed, sip, out, events);
            }
            let one = kept.unwrap_or_else(|| Enrolment {
                spec: spec.clone(),
                call_id: self.draw_name(),
                registration: Registration::new(now, spec.expires_s),
            });
            self.by_trunk.insert(spec.trunk.clone(), one);
        }
        for mut gone in before.into_values() {
            self.leave(now, &mut gone, sip, out, events);
        }
        self.expire(now, sip, out, events);
    }

    /// Takes a registration back, if the registrar may have it.
    fn leave(
        &mut self,
        now: Instant,
        one: &mut Enrolment,
        sip: &mut Endpoint,
        out: &mut sip::Outputs,
        events: &mut Vec<Event>,
    ) {
        self.under_way.retain(|_, asked| asked.trunk != one.spec.trunk);
        let registered = matches!(one.registration.standing(), Standing::Registered { .. });
        let ask = one.registration.leave();
        let request = registered.then(|| request(one, ask, sip)).flatten();
        let trunk = one.spec.trunk.clone();
        match request.map(|request| sip.request(now, request, out)) {
            Some(Ok(id)) => {
                self.under_way.insert(id, Asked { trunk, leaving: true });
            }
            _ => events.push(Event::TrunkLeft { trunk }),
        }
    }

    /// Sends what is due.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        sip: &mut Endpoint,
        out: &mut sip::Outputs,
        events: &mut Vec<Event>,
    ) {
        while self.next_timeout().is_some_and(|at| at <= now) {
            let jitter = self.draw();
            let due = self.by_trunk.values_mut().find_map(|one| {
                let ask = one.registration.ask(now)?;
                Some((one, ask))
            });
            let Some((one, ask)) = due else { return };
            let begun = request(one, ask, sip).map(|request| sip.request(now, request, out));
            if let Some(Ok(id)) = begun {
                let trunk = one.spec.trunk.clone();
                self.under_way.insert(id, Asked { trunk, leaving: false });
            } else {
                // No room, or a URI that is none: the same as a registrar that is not there.
                one.heard(now, &Err(Failure::Transport), jitter, sip, events);
            }
        }
    }

    /// The answer to a request of ours, if it was one of these.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        id: RequestId,
        result: &Result<Response, Failure>,
        sip: &Endpoint,
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(asked) = self.under_way.remove(&id) else { return false };
        let jitter = self.draw();
        if asked.leaving {
            events.push(Event::TrunkLeft { trunk: asked.trunk });
        } else if let Some(one) = self.by_trunk.get_mut(&asked.trunk) {
            one.heard(now, result, jitter, sip, events);
        }
        true
    }

    /// A number of 0 to 999.
    fn draw(&mut self) -> u16 {
        self.drawn = self.drawn.wrapping_add(1);
        let drawn = derive::subkey(&self.secret, self.drawn.to_be_bytes());
        u16::from_be_bytes([drawn[0], drawn[1]]) % 1_000
    }

    /// A Call-ID that nobody guesses.
    fn draw_name(&mut self) -> String {
        self.drawn = self.drawn.wrapping_add(1);
        derive::hex(&derive::subkey(&self.secret, self.drawn.to_be_bytes())[..16])
    }
}

impl Enrolment {
    fn heard(
        &mut self,
        now: Instant,
        result: &Result<Response, Failure>,
        jitter: u16,
        sip: &Endpoint,
        events: &mut Vec<Event>,
    ) {
        let before = self.registration.standing();
        self.registration.heard(now, result, &contact(&self.spec, sip), jitter);
        let standing = self.registration.standing();
        if standing != before || matches!(standing, Standing::Refused { .. }) {
            let trunk = self.spec.trunk.clone();
            events.push(Event::TrunkRegistration { trunk, standing });
        }
    }
}

/// Where the registrar is to send calls for us.
fn contact(spec: &TrunkRegistration, sip: &Endpoint) -> sip::Uri {
    let registrar = spec.registrar.parse::<sip::Uri>();
    let transport = registrar.ok().and_then(|uri| uri.transport()).unwrap_or_default();
    sip.own_uri(&spec.username, sip::Hop { transport, address: spec.address })
}

/// The REGISTER (RFC 3261 §10.2). `None` when a URI is unusable.
fn request(one: &Enrolment, ask: Ask, sip: &Endpoint) -> Option<OutOfDialog> {
    let spec = &one.spec;
    let address = NameAddr::new(spec.address_of_record.parse().ok()?);
    let mut headers = Headers::new();
    let contact = [b"<", contact(spec, sip).as_bytes(), b">"].concat();
    headers.push(Name::Contact, &contact);
    headers.push(Name::Expires, ask.expires_s.to_string().as_bytes());
    Some(OutOfDialog {
        method: Method::Register,
        destination: spec.address,
        uri: spec.registrar.parse().ok()?,
        from: address.clone(),
        to: address,
        call_id: Some(one.call_id.clone()),
        cseq: ask.cseq,
        headers,
        body: Vec::new(),
        credentials: spec.credentials.clone(),
    })
}

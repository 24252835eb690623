//! The registrar for phones (RFC 3261 §10.3): who may register, and where each phone is.
//!
//! A phone is called at the address its REGISTER came from, not at the one its Contact names:
//! behind NAT only the first is reachable (RFC 5626 names the reason, RFC 3581 the habit). The
//! Contact is still what stands in the Request-URI.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::digest::{Algorithm, Server, Verdict};
use sip::message::header;
use sip::{Headers, Hop, Name, NameAddr, Reply, Request, Transport};

use crate::counters::Counters;
use crate::derive::hex;
use crate::io::{Event, PhoneCredential};
use crate::limits::{
    DEFAULT_REGISTRATION_S, MAX_CONTACT_BYTES, MAX_CONTACTS_PER_PHONE, MAX_REGISTRATION_S,
    MIN_REGISTRATION_S,
};

/// All phones.
pub(crate) struct Registrar {
    digest: Server,
    phones: BTreeMap<String, Phone>,
    /// When the first contact of a phone runs out.
    expiries: BTreeSet<(Instant, String)>,
}

struct Phone {
    ha1_md5: [u8; 16],
    ha1_sha256: [u8; 32],
    /// The most recently registered last.
    contacts: Vec<Contact>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Contact {
    uri: String,
    /// Where its REGISTER came from.
    peer: Hop,
    expires_at: Instant,
    call_id: Vec<u8>,
    cseq: u32,
}

/// What a REGISTER asks for.
enum Wish {
    /// No Contact: only tell what is there.
    Query,
    /// `Contact: *` with `Expires: 0`.
    RemoveAll,
    /// Each URI with its expiry in seconds, 0 to remove it.
    Bind(Vec<(String, u32)>),
}

impl Registrar {
    pub(crate) fn new(realm: &str, secret: [u8; 32], digests: &[Algorithm]) -> Self {
        Self {
            digest: Server::new(realm, secret).offering(digests),
            phones: BTreeMap::new(),
            expiries: BTreeSet::new(),
        }
    }

    /// Replaces the phones; gives back how many were over the limit. A phone that stays keeps
    /// its contacts; one without any takes the restored binding.
    pub(crate) fn set_phones(
        &mut self,
        now: Instant,
        phones: &[PhoneCredential],
        most: usize,
        events: &mut Vec<Event>,
    ) -> usize {
        let mut before = std::mem::take(&mut self.phones);
        for credential in phones.iter().take(most) {
            let known = before.remove(&credential.username);
            let mut contacts = known.map(|phone| phone.contacts).unwrap_or_default();
            if contacts.is_empty() {
                contacts.extend(restored(now, credential));
            }
            let (ha1_md5, ha1_sha256) = (credential.ha1_md5, credential.ha1_sha256);
            let phone = Phone { ha1_md5, ha1_sha256, contacts };
            self.phones.insert(credential.username.clone(), phone);
        }
        let gone = before.into_iter().filter(|(_, phone)| !phone.contacts.is_empty());
        events.extend(gone.map(|(username, _)| Event::PhoneGone { username }));
        self.expiries = self
            .phones
            .iter()
            .filter_map(|(username, phone)| Some((phone.first_expiry()?, username.clone())))
            .collect();
        phones.len().saturating_sub(most)
    }

    /// Where a phone is reached: the contact that registered last.
    pub(crate) fn registration(&self, username: &str) -> Option<(&str, SocketAddr)> {
        let contact = self.phones.get(username)?.contacts.last()?;
        Some((&contact.uri, contact.peer.address))
    }

    /// Whether there is such a phone, registered or not.
    pub(crate) fn knows(&self, username: &str) -> bool {
        self.phones.contains_key(username)
    }

    /// When [`Registrar::expire`] has something to do.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Forgets contacts whose time is over.
    pub(crate) fn expire(&mut self, now: Instant, events: &mut Vec<Event>) {
        while let Some((at, username)) = self.expiries.first()
            && *at <= now
        {
            let username = username.clone();
            self.change(now, &username, events, |contacts| {
                contacts.retain(|contact| contact.expires_at > now);
            });
        }
    }

    /// Changes a phone's contacts, keeps the expiries in step, and tells where the phone is now
    /// to be called when that is not as it was.
    fn change(
        &mut self,
        now: Instant,
        username: &str,
        events: &mut Vec<Event>,
        what: impl FnOnce(&mut Vec<Contact>),
    ) {
        let Some(phone) = self.phones.get_mut(username) else { return };
        if let Some(before) = phone.first_expiry() {
            self.expiries.remove(&(before, username.to_owned()));
        }
        let latest = phone.contacts.last().cloned();
        what(&mut phone.contacts);
        if let Some(after) = phone.first_expiry() {
            self.expiries.insert((after, username.to_owned()));
        }
        if phone.contacts.last() != latest.as_ref() {
            events.push(whereabouts(now, username, phone.contacts.last()));
        }
    }

    /// Answers one REGISTER (RFC 3261 §10.3, steps 3 to 8).
    pub(crate) fn register(
        &mut self,
        now: Instant,
        request: &Request,
        peer: Hop,
        events: &mut Vec<Event>,
        counters: &mut Counters,
    ) -> Reply {
        let username = match self.authenticate(now, request, counters) {
            Ok(username) => username,
            Err(reply) => return reply,
        };
        let applied = wish_of(request)
            .and_then(|wish| self.apply(now, &username, request, peer, wish, events));
        match applied {
            Ok(reply) => {
                counters.registrations_accepted += 1;
                reply
            }
            Err(reply) => {
                counters.registrations_refused += 1;
                reply
            }
        }
    }

    fn verdict(&mut self, now: Instant, request: &Request) -> Verdict {
        let phones = &self.phones;
        self.digest.check(now, request, |username, algorithm| {
            let phone = phones.get(username)?;
            Some(match algorithm {
                Algorithm::Md5 => hex(&phone.ha1_md5),
                Algorithm::Sha256 => hex(&phone.ha1_sha256),
            })
        })
    }

    /// The phone that calls, or what it is refused with: 407 as a proxy would ask (RFC 3261
    /// §22.3), or 403 for a wrong password.
    pub(crate) fn caller(
        &mut self,
        now: Instant,
        request: &Request,
    ) -> Result<String, (u16, Headers)> {
        match self.verdict(now, request) {
            Verdict::Accepted { username } => Ok(username),
            Verdict::Wrong { .. } => Err((403, Headers::new())),
            Verdict::Challenge { stale } => {
                let mut headers = Headers::new();
                for challenge in self.digest.challenges(now, stale) {
                    headers.push(Name::ProxyAuthenticate, challenge.as_bytes());
                }
                Err((407, headers))
            }
        }
    }

    /// The user who sent a request, if it is the one whose address is to be bound.
    fn authenticate(
        &mut self,
        now: Instant,
        request: &Request,
        counters: &mut Counters,
    ) -> Result<String, Reply> {
        match self.verdict(now, request) {
            Verdict::Accepted { username } if is_address_of(request, &username) => Ok(username),
            Verdict::Accepted { .. } | Verdict::Wrong { .. } => {
                counters.registrations_denied += 1;
                Err(refusal(403))
            }
            Verdict::Challenge { stale } => {
                counters.registrations_challenged += 1;
                let mut reply = refusal(401);
                for challenge in self.digest.challenges(now, stale) {
                    reply.headers.push(Name::WwwAuthenticate, challenge.as_bytes());
                }
                Err(reply)
            }
        }
    }

    fn apply(
        &mut self,
        now: Instant,
        username: &str,
        request: &Request,
        peer: Hop,
        wish: Wish,
        events: &mut Vec<Event>,
    ) -> Result<Reply, Reply> {
        let call_id = request.headers.get(Name::CallId).unwrap_or_default().to_vec();
        let cseq =
            request.headers.get(Name::CSeq).and_then(|value| header::CSeq::parse(value).ok());
        let cseq = cseq.ok_or_else(|| refusal(400))?.number;
        let stored = self.phones.get(username).map_or(&[][..], |phone| &phone.contacts);
        // Older than what we have from the same phone: it was overtaken (§10.3 step 7).
        if stored.iter().any(|contact| contact.call_id == call_id && cseq <= contact.cseq) {
            return Err(refusal(500));
        }
        self.change(now, username, events, |contacts| match wish {
            Wish::Query => {}
            Wish::RemoveAll => contacts.clear(),
            Wish::Bind(wishes) => {
                for (uri, expires_s) in wishes {
                    contacts.retain(|contact| contact.uri != uri);
                    if expires_s == 0 {
                        continue;
                    }
                    if contacts.len() >= MAX_CONTACTS_PER_PHONE {
                        // A phone that moves leaves contacts behind; the oldest is one of them.
                        contacts.remove(0);
                    }
                    let expires_at = now + Duration::from_secs(expires_s.into());
                    let call_id = call_id.clone();
                    contacts.push(Contact { uri, peer, expires_at, call_id, cseq });
                }
            }
        });
        Ok(self.bindings(now, username))
    }

    /// The 200 with every contact and the seconds it has left (§10.3 step 8).
    fn bindings(&self, now: Instant, username: &str) -> Reply {
        let mut headers = Headers::new();
        for contact in self.phones.get(username).map_or(&[][..], |phone| &phone.contacts) {
            let left = contact.expires_at.saturating_duration_since(now);
            let value = format!("<{}>;expires={}", contact.uri, left.as_secs());
            headers.push(Name::Contact, value.as_bytes());
        }
        Reply { code: 200, headers, keep: true, ..Reply::default() }
    }
}

impl Phone {
    fn first_expiry(&self) -> Option<Instant> {
        self.contacts.iter().map(|contact| contact.expires_at).min()
    }
}

/// Where a phone is to be called from now on.
fn whereabouts(now: Instant, username: &str, latest: Option<&Contact>) -> Event {
    let username = username.to_owned();
    let Some(contact) = latest else { return Event::PhoneGone { username } };
    let left = contact.expires_at.saturating_duration_since(now).as_secs();
    Event::PhoneRegistered {
        username,
        contact_uri: reached_by(contact),
        address: contact.peer.address,
        expires_s: u32::try_from(left).unwrap_or(MAX_REGISTRATION_S),
    }
}

/// The Contact URI with the transport by which the phone is reached. Phones leave it out even
/// when they register over a connection, and are then called over that.
fn reached_by(contact: &Contact) -> String {
    let transport = contact.peer.transport;
    if transport == Transport::Udp || transport_of(&contact.uri).is_some() {
        return contact.uri.clone();
    }
    // Parameters come before what would be a URI's header fields (RFC 3261 §19.1.1).
    let end = contact.uri.find('?').unwrap_or(contact.uri.len());
    let (address, rest) = contact.uri.split_at(end);
    format!("{address};transport={}{rest}", transport.name().to_ascii_lowercase())
}

fn transport_of(uri: &str) -> Option<Transport> {
    uri.parse::<sip::Uri>().ok()?.transport()
}

/// The contact that a phone had before a restart.
fn restored(now: Instant, credential: &PhoneCredential) -> Option<Contact> {
    let binding = credential.binding.as_ref().filter(|binding| binding.expires_in_s > 0)?;
    let left = Duration::from_secs(binding.expires_in_s.min(MAX_REGISTRATION_S).into());
    Some(Contact {
        uri: binding.contact_uri.clone(),
        peer: Hop {
            transport: transport_of(&binding.contact_uri).unwrap_or_default(),
            address: binding.address,
        },
        expires_at: now + left,
        call_id: Vec::new(),
        cseq: 0,
    })
}

/// Whether the To address is that of the user (§10.3 step 4: nobody binds for others).
fn is_address_of(request: &Request, username: &str) -> bool {
    let to = request.headers.get(Name::To).and_then(|to| NameAddr::parse(to, Name::To).ok());
    to.is_some_and(|to| to.uri.user() == username.as_bytes())
}

fn wish_of(request: &Request) -> Result<Wish, Reply> {
    let stated = match request.headers.get(Name::Expires) {
        Some(text) => Some(header::number::<u32>(text).ok_or_else(|| refusal(400))?),
        None => None,
    };
    let contacts: Vec<&[u8]> = request.headers.elements(Name::Contact).collect();
    match contacts.as_slice() {
        [] => return Ok(Wish::Query),
        [b"*"] if stated == Some(0) => return Ok(Wish::RemoveAll),
        several if several.contains(&&b"*"[..]) || several.len() > MAX_CONTACTS_PER_PHONE => {
            return Err(refusal(400));
        }
        _ => {}
    }
    let mut wishes = Vec::with_capacity(contacts.len());
    for value in contacts {
        let contact = NameAddr::parse(value, Name::Contact).map_err(|_| refusal(400))?;
        let uri = std::str::from_utf8(contact.uri.as_bytes()).map_err(|_| refusal(400))?;
        if uri.len() > MAX_CONTACT_BYTES || contact.uri.scheme() != sip::Scheme::Sip {
            return Err(refusal(400));
        }
        // A broken value counts as the default (§10.2.1.1).
        let own = contact.param("expires").map(header::number::<u32>);
        let asked = own.unwrap_or(stated).unwrap_or(DEFAULT_REGISTRATION_S);
        if (1..MIN_REGISTRATION_S).contains(&asked) {
            let mut reply = refusal(423);
            reply.headers.push(Name::MinExpires, MIN_REGISTRATION_S.to_string().as_bytes());
            return Err(reply);
        }
        wishes.push((uri.to_owned(), asked.min(MAX_REGISTRATION_S)));
    }
    Ok(Wish::Bind(wishes))
}

fn refusal(code: u16) -> Reply {
    Reply { code, ..Reply::default() }
}

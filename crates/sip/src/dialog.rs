//! Dialogs (RFC 3261 §12): who talks, where requests go, in which order they are numbered.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::limits::{MAX_PRACKS, MAX_ROUTES};
use crate::message::{Headers, Name, NameAddr, Uri, header};
use crate::transport::{Hop, Transport};

/// What a call's messages have in common from the first INVITE on, whatever dialogs it forks
/// into. Values are as they stand in header fields.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) call_id: Box<[u8]>,
    /// Our side, with tag.
    pub(crate) local: Box<[u8]>,
    pub(crate) local_tag: Box<[u8]>,
    /// The peer's side without tag.
    pub(crate) remote: Box<[u8]>,
    /// Where the first INVITE was addressed to.
    pub(crate) request_uri: Uri,
    /// Where the first INVITE was sent to, or came from.
    pub(crate) destination: Hop,
    /// Whether everything goes to `destination`, whatever Contact and Record-Route say.
    pub(crate) symmetric: bool,
    /// Our Contact value.
    pub(crate) contact: Box<[u8]>,
}

/// One dialog, from our side.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    pub(crate) origin: Arc<Origin>,
    /// The peer's side, with tag once known.
    pub(crate) remote: Box<[u8]>,
    pub(crate) remote_tag: Box<[u8]>,
    pub(crate) target: Uri,
    /// The Route elements, first hop first.
    pub(crate) routes: Vec<Box<[u8]>>,
    pub(crate) destination: Hop,
    /// The number of the last request we sent.
    pub(crate) local_cseq: u32,
    /// The number of the last request the peer sent.
    pub(crate) remote_cseq: Option<u32>,
}

impl Dialog {
    /// The dialog of a call we placed, before anybody answered.
    pub(crate) fn unanswered(origin: Arc<Origin>, cseq: u32) -> Self {
        Self {
            remote: origin.remote.clone(),
            remote_tag: Box::default(),
            target: origin.request_uri.clone(),
            routes: Vec::new(),
            destination: origin.destination,
            local_cseq: cseq,
            remote_cseq: None,
            origin,
        }
    }

    /// The dialog a 2xx to our INVITE number `cseq` makes (§12.1.2). Without a usable Contact
    /// the Request-URI stays the target: better than a call nobody can hang up.
    pub(crate) fn answered(origin: &Arc<Origin>, cseq: u32, headers: &Headers) -> Self {
        let to = headers.get(Name::To).unwrap_or_default();
        let mut routes = record_routes(headers);
        routes.reverse();
        let mut dialog = Self {
            remote: to.into(),
            remote_tag: header::tag(to).unwrap_or_default().into(),
            target: contact(headers).unwrap_or_else(|| origin.request_uri.clone()),
            routes,
            destination: origin.destination,
            local_cseq: cseq,
            remote_cseq: None,
            origin: Arc::clone(origin),
        };
        dialog.find_destination();
        dialog
    }

    /// The dialog an incoming INVITE makes (§12.1.1).
    pub(crate) fn incoming(origin: Arc<Origin>, cseq: u32, headers: &Headers) -> Self {
        let mut dialog = Self::unanswered(origin, 0);
        let from = headers.get(Name::From).unwrap_or_default();
        dialog.remote_tag = header::tag(from).unwrap_or_default().into();
        if let Ok(from) = NameAddr::parse(from, Name::From) {
            dialog.target = from.uri;
        }
        dialog.remote_cseq = Some(cseq);
        dialog.routes = record_routes(headers);
        dialog.retarget(headers);
        dialog
    }

    /// Takes the peer's Contact as the new target (§12.2.1.2) and finds the next hop's address:
    /// the first route or the target where that is an IP literal, otherwise where the call began.
    pub(crate) fn retarget(&mut self, headers: &Headers) {
        if let Some(uri) = contact(headers) {
            self.target = uri;
        }
        self.find_destination();
    }

    fn find_destination(&mut self) {
        if self.origin.symmetric {
            return;
        }
        let address = |uri: &Uri| Some((uri.socket_addr()?, uri.transport()));
        let named = match self.routes.first() {
            Some(route) => header::address_of(route)
                .and_then(|text| Uri::parse(text).ok())
                .and_then(|uri| address(&uri)),
            None => address(&self.target),
        };
        let origin = self.origin.destination;
        // Who names no transport is reached as before; not all write what they use.
        self.destination = named.map_or(origin, |(address, transport)| Hop {
            transport: transport.unwrap_or(origin.transport),
            address,
        });
    }

    /// Sends everything to where the first INVITE came from. For the dialog of a call that has
    /// just come in, whose origin nobody shares yet.
    pub(crate) fn stay_with_source(&mut self) {
        if let Some(origin) = Arc::get_mut(&mut self.origin) {
            origin.symmetric = true;
            self.destination = origin.destination;
        }
    }

    /// The Request-URI and the Route elements of our next request (§12.2.1.1): loose routing, or
    /// strict when the first hop has no `lr`.
    pub(crate) fn route(&self) -> (Cow<'_, [u8]>, Vec<Cow<'_, [u8]>>) {
        let target = self.target.as_bytes();
        let first = self.routes.first().and_then(|route| header::address_of(route));
        let first = first.and_then(|text| Uri::parse(text).ok());
        match first {
            Some(hop) if hop.param("lr").is_none() => {
                let mut routes: Vec<_> = self.routes[1..].iter().map(|r| Cow::from(&**r)).collect();
                routes.push(Cow::from([b"<", target, b">"].concat()));
                (Cow::from(hop.as_bytes().to_vec()), routes)
            }
            _ => (Cow::from(target), self.routes.iter().map(|r| Cow::from(&**r)).collect()),
        }
    }

    /// The number of our next request.
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Leaves out the numbers that PRACKs may have used of which nothing is known any more: the
    /// peer takes gaps, but not a number that it has seen.
    pub(crate) fn skip_pracks(&mut self) {
        self.local_cseq = self.local_cseq.saturating_add(MAX_PRACKS);
    }

    pub(crate) fn snapshot(&self) -> DialogSnapshot {
        DialogSnapshot {
            destination: self.destination.address,
            transport: self.destination.transport,
            call_id: self.origin.call_id.to_vec(),
            local: self.origin.local.to_vec(),
            remote: self.remote.to_vec(),
            remote_target: self.target.as_bytes().to_vec(),
            route_set: self.routes.iter().map(|route| route.to_vec()).collect(),
            next_cseq: self.local_cseq + 1,
        }
    }

    /// The dialog that was written down; `None` when its target is no URI.
    pub(crate) fn restored(snapshot: &DialogSnapshot) -> Option<Self> {
        let one_line = |text: &[u8]| {
            let mut line = Vec::new();
            header::unfold(text, &mut line);
            line.into_boxed_slice()
        };
        let target = Uri::parse(&snapshot.remote_target).ok()?;
        let origin = Origin {
            call_id: one_line(&snapshot.call_id),
            local: one_line(&snapshot.local),
            local_tag: header::tag(&snapshot.local)?.into(),
            remote: one_line(&snapshot.remote),
            request_uri: target,
            destination: Hop { transport: snapshot.transport, address: snapshot.destination },
            symmetric: true,
            contact: Box::default(),
        };
        let mut dialog = Self::unanswered(Arc::new(origin), snapshot.next_cseq.saturating_sub(1));
        dialog.remote_tag = header::tag(&snapshot.remote).unwrap_or_default().into();
        dialog.routes = snapshot.route_set.iter().map(|route| one_line(route)).collect();
        Some(dialog)
    }
}

/// The URI of the Contact, when there is one that can be used.
fn contact(headers: &Headers) -> Option<Uri> {
    let text = headers.elements(Name::Contact).next().and_then(header::address_of)?;
    Uri::parse(text).ok()
}

/// The Record-Route elements in order; those that are no address are left out.
fn record_routes(headers: &Headers) -> Vec<Box<[u8]>> {
    headers
        .elements(Name::RecordRoute)
        .filter(|route| header::address_of(route).is_some_and(|text| Uri::parse(text).is_ok()))
        .take(MAX_ROUTES)
        .map(Into::into)
        .collect()
}

/// What must be written down of an answered call so that a later life can hang it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogSnapshot {
    /// Where in-dialog requests go.
    pub destination: SocketAddr,
    /// What carries them.
    pub transport: Transport,
    /// The Call-ID.
    pub call_id: Vec<u8>,
    /// Our From value, with tag.
    pub local: Vec<u8>,
    /// The peer's To value, with tag.
    pub remote: Vec<u8>,
    /// The remote target: the peer's Contact URI.
    pub remote_target: Vec<u8>,
    /// The Route elements, first hop first.
    pub route_set: Vec<Vec<u8>>,
    /// The sequence number of our next request.
    pub next_cseq: u32,
}

/// The first line of an encoded snapshot: its form, should it ever change.
const SNAPSHOT_FORM: &[u8] = b"dialog 1";

impl DialogSnapshot {
    /// The snapshot as bytes to keep: one value a line, none of which can hold a line end.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(SNAPSHOT_FORM);
        text.push(b'\n');
        if self.transport != Transport::Udp {
            text.extend_from_slice(self.transport.name().as_bytes());
            text.push(b' ');
        }
        let (destination, cseq) = (self.destination, self.next_cseq);
        write!(text, "{destination}\n{cseq}").expect("a vector takes whatever is written to it");
        let values = [&self.call_id, &self.local, &self.remote, &self.remote_target];
        for value in values.into_iter().chain(&self.route_set) {
            text.push(b'\n');
            text.extend_from_slice(value);
        }
        text
    }

    /// Reads what [`DialogSnapshot::encode`] wrote; `None` when it is anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        if lines.next()? != SNAPSHOT_FORM {
            return None;
        }
        let destination = std::str::from_utf8(lines.next()?).ok()?;
        let (transport, address) = destination.split_once(' ').unwrap_or(("UDP", destination));
        Some(Self {
            destination: address.parse().ok()?,
            transport: Transport::named(transport.as_bytes())?,
            next_cseq: header::number(lines.next()?)?,
            call_id: lines.next()?.to_vec(),
            local: lines.next()?.to_vec(),
            remote: lines.next()?.to_vec(),
            remote_target: lines.next()?.to_vec(),
            route_set: lines.take(MAX_ROUTES).map(<[u8]>::to_vec).collect(),
        })
    }
}

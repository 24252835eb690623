//! Puts messages together: the lines every message of this endpoint has are written once here.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::trace::Asked;
use super::{Config, Reason};
use crate::dialog::{Dialog, Origin};
use crate::message::{Headers, Name, Request, Via, Writer, header, literal};
use crate::token::Token;
use crate::transport::{Hop, Transport};

/// The standard phrase of a status code (RFC 3261 §21 and later registrations).
pub(super) fn phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => match code / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

/// The extensions that we understand.
pub(super) const SUPPORTED: &[&[u8]] = &[b"100rel", b"timer"];
/// The same as a field's value.
const SUPPORTED_LIST: &[u8] = b"100rel, timer";

/// The constant lines.
pub(super) struct Composer {
    /// By the family of a peer and by transport: where it reaches us, and the Via line up to its
    /// branch.
    vias: [[(SocketAddr, Vec<u8>); 3]; 2],
    user_agent: Vec<u8>,
    server: Vec<u8>,
    pub(super) allow: &'static [u8],
}

/// What distinguishes one request of ours from the others of its call.
pub(super) struct Head<'a> {
    pub(super) method: &'a [u8],
    pub(super) uri: &'a [u8],
    pub(super) branch: &'a [u8],
    pub(super) routes: &'a [Cow<'a, [u8]>],
    pub(super) from: &'a [u8],
    pub(super) to: &'a [u8],
    pub(super) call_id: &'a [u8],
    pub(super) cseq: u32,
    pub(super) peer: Hop,
}

/// The beginning of a Via line. A connection is also for requests towards us (RFC 5923 §4).
fn via(transport: Transport, local: SocketAddr) -> (SocketAddr, Vec<u8>) {
    let alias = if transport.is_reliable() { ";alias" } else { "" };
    let name = transport.name();
    (local, format!("Via: SIP/2.0/{name} {local};rport{alias};branch=").into())
}

/// The place of a peer's family in [`Composer::vias`].
fn family(address: SocketAddr) -> usize {
    usize::from(address.is_ipv6())
}

impl Composer {
    pub(super) fn new(config: &Config) -> Self {
        let product: String = config.user_agent.chars().filter(|c| !c.is_control()).collect();
        let vias = [Transport::Udp, Transport::Tcp, Transport::Tls]
            .map(|transport| via(transport, config.local));
        Self {
            vias: [vias.clone(), vias],
            user_agent: format!("User-Agent: {product}\r\n").into(),
            server: format!("Server: {product}\r\n").into(),
            allow: if config.registrar {
                b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REGISTER"
            } else {
                b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE"
            },
        }
    }

    /// Says where peers of its family reach us over a transport.
    pub(super) fn reach(&mut self, transport: Transport, local: SocketAddr) {
        self.vias[family(local)][transport as usize] = via(transport, local);
    }

    /// Where a peer reaches us.
    pub(super) fn own_hop(&self, peer: Hop) -> Hop {
        Hop { address: self.via(peer).0, ..peer }
    }

    fn via(&self, peer: Hop) -> &(SocketAddr, Vec<u8>) {
        &self.vias[family(peer.address)][peer.transport as usize]
    }

    /// A request with all it needs but Contact, body and what is special to its method.
    pub(super) fn request(&self, head: &Head<'_>) -> Writer {
        let mut writer = Writer::request(head.method, head.uri);
        let (_, via) = self.via(head.peer);
        writer.raw(&[via, head.branch, b"\r\nMax-Forwards: 70\r\n"]);
        for route in head.routes {
            writer.field(Name::Route, route);
        }
        writer.raw(&[b"From: ", head.from, b"\r\nTo: ", head.to, b"\r\nCall-ID: "]);
        writer.raw(&[head.call_id, b"\r\nCSeq: "]);
        writer.number(u64::from(head.cseq));
        writer.raw(&[b" ", head.method, b"\r\n", &self.user_agent]);
        writer
    }

    /// A request that belongs to the first INVITE: the INVITE itself, its CANCEL, or the ACK to
    /// a refusal (`to` is then the To value of that).
    pub(super) fn initial(
        &self,
        origin: &Origin,
        method: &[u8],
        branch: &[u8],
        cseq: u32,
        to: Option<&[u8]>,
    ) -> Writer {
        self.request(&Head {
            method,
            uri: origin.request_uri.as_bytes(),
            branch,
            routes: &[],
            from: &origin.local,
            to: to.unwrap_or(&origin.remote),
            call_id: &origin.call_id,
            cseq,
            peer: origin.destination,
        })
    }

    /// The CANCEL of an INVITE, which repeats its branch and number (§9.1).
    pub(super) fn cancel(
        &self,
        origin: &Origin,
        branch: &[u8],
        cseq: u32,
        reason: Option<Reason>,
    ) -> Vec<u8> {
        let mut writer = self.initial(origin, b"CANCEL", branch, cseq, None);
        writer.reason(reason.map(|reason| reason.q850));
        writer.finish(b"")
    }

    /// A request within a dialog. Also gives its Request-URI, which digest answers sign.
    pub(super) fn in_dialog<'a>(
        &self,
        dialog: &'a Dialog,
        method: &[u8],
        branch: &[u8],
        cseq: u32,
    ) -> (Writer, Cow<'a, [u8]>) {
        let (uri, routes) = dialog.route();
        let writer = self.request(&Head {
            method,
            uri: &uri,
            branch,
            routes: &routes,
            from: &dialog.origin.local,
            to: &dialog.remote,
            call_id: &dialog.origin.call_id,
            cseq,
            peer: dialog.destination,
        });
        (writer, uri)
    }

    /// The fields that say who we are within a dialog and what we can do.
    pub(super) fn abilities(&self, writer: &mut Writer, contact: &[u8]) {
        writer.field(Name::Contact, contact);
        writer.field(Name::Allow, self.allow);
        writer.field(Name::Supported, SUPPORTED_LIST);
    }

    /// A response to the request that `head` was taken from.
    pub(super) fn response(&self, head: &ReplyHead, code: u16, text: &str) -> Writer {
        let text = if text.is_empty() { phrase(code) } else { text };
        let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_control()).collect();
        let mut writer = Writer::response(code, &text);
        writer.raw(&[&head.fields, b"To: ", &head.to]);
        if code > 100
            && let Some(tag) = &head.tag
        {
            writer.raw(&[b";tag=", tag]);
        }
        writer.raw(&[b"\r\n", &self.server]);
        writer
    }
}

/// What every response to one request repeats of it (RFC 3261 §8.2.6.2), and where it goes.
pub(super) struct ReplyHead {
    /// Which request it was, for those who keep the story of its call.
    pub(super) asked: Asked,
    /// Where the request came from.
    pub(super) source: Hop,
    pub(super) destination: Hop,
    /// Where responses go when the connection of the request is gone (§18.2.2).
    pub(super) fallback: SocketAddr,
    /// The Via, From, Call-ID and CSeq lines.
    fields: Vec<u8>,
    /// The To value as it came.
    pub(super) to: Vec<u8>,
    /// The tag we add to it, when it came without one.
    pub(super) tag: Option<Token>,
    /// The Record-Route lines, for responses that make a dialog (§12.1.1).
    pub(super) record_routes: Vec<u8>,
}

impl ReplyHead {
    /// Reads the request; `tag` is used only when its To has none.
    pub(super) fn new(request: &Request, source: Hop, tag: Token) -> Self {
        let headers = &request.headers;
        let mut fields = Vec::with_capacity(512);
        let mut sent_by = source.address;
        for (index, value) in headers.all(Name::Via).enumerate() {
            fields.extend_from_slice(b"Via: ");
            if index == 0 {
                sent_by = top_via(value, source, &mut fields);
            } else {
                fields.extend_from_slice(value);
            }
            fields.extend_from_slice(b"\r\n");
        }
        for name in [Name::From, Name::CallId, Name::CSeq] {
            line(name, headers, &mut fields);
        }
        let mut record_routes = Vec::new();
        for value in headers.all(Name::RecordRoute) {
            for part in [b"Record-Route: ".as_slice(), value, b"\r\n"] {
                record_routes.extend_from_slice(part);
            }
        }
        let to = headers.get(Name::To).unwrap_or_default().to_vec();
        let tag = header::tag(&to).is_none().then_some(tag);
        let (destination, fallback) = match source.transport {
            Transport::Udp => (Hop::udp(sent_by), sent_by),
            _ => (source, sent_by),
        };
        let asked = Asked::of(request);
        Self { asked, source, destination, fallback, fields, to, tag, record_routes }
    }
}

fn line(name: Name, headers: &Headers, into: &mut Vec<u8>) {
    let value = headers.get(name).unwrap_or_default();
    for part in [name.text().as_bytes(), b": ", value, b"\r\n"] {
        into.extend_from_slice(part);
    }
}

/// Writes the first Via line with `received` and `rport` filled in, and gives the address that
/// responses go to (RFC 3261 §18.2, RFC 3581 §4).
fn top_via(value: &[u8], source: Hop, into: &mut Vec<u8>) -> SocketAddr {
    let Hop { transport, address: source } = source;
    let end = memchr::memchr(b',', value).unwrap_or(value.len());
    let (first, others) = value.split_at(end);
    let Ok(via) = Via::parse(header::trim(first)) else {
        into.extend_from_slice(value);
        return source;
    };
    let ip = source.ip().to_canonical();
    let wants_port = header::param(via.params, "rport").is_some();
    into.extend_from_slice(&first[..memchr::memchr(b';', first).unwrap_or(first.len())]);
    for (name, value) in header::params(via.params, b';') {
        if name.eq_ignore_ascii_case(b"received") {
            continue;
        }
        into.push(b';');
        into.extend_from_slice(name);
        if name.eq_ignore_ascii_case(b"rport") {
            into.extend_from_slice(format!("={}", source.port()).as_bytes());
        } else if let Some(value) = value {
            into.push(b'=');
            into.extend_from_slice(value);
        }
    }
    if wants_port || literal(via.host) != Some(ip) {
        into.extend_from_slice(format!(";received={ip}").as_bytes());
    }
    into.extend_from_slice(others);
    let port = via.port.unwrap_or(transport.default_port());
    // The port that a connection came from is of no use once the connection is gone.
    let returns = wants_port && !transport.is_reliable();
    if returns { source } else { SocketAddr::new(source.ip(), port) }
}

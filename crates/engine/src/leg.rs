//! The SIP side of a call specification: what is said in an INVITE, and the same again when a
//! later process must take that INVITE back.

use std::net::SocketAddr;
use std::time::Duration;

use sip::{
    Abandoned, Headers, Invite, MAX_INVITES, Method, Name, NameAddr, OutOfDialog, Request, Stage,
    Uri,
};

use crate::derive;
use crate::io::{AbandonedCall, CallKey, CallSpec, Target, TrunkCheck};

/// Bytes of a Call-ID that we use; the recorder keeps it.
const MAX_CALL_ID_BYTES: usize = 128;

/// Where a call goes, as its INVITE says it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) request_uri: &'a str,
    pub(crate) to: &'a str,
    /// Everything goes to `address`, whatever the peer's Contact says.
    pub(crate) symmetric: bool,
}

impl<'a> Destination<'a> {
    pub(crate) fn of(target: &'a Target) -> Self {
        match target {
            Target::Address { address, request_uri, to } => {
                Self { address: *address, request_uri, to, symmetric: false }
            }
            Target::Phone { address, contact_uri } => Self {
                address: *address,
                request_uri: contact_uri,
                to: contact_uri,
                symmetric: true,
            },
        }
    }
}

/// The addresses of a request, checked.
struct Addresses {
    request_uri: Uri,
    from: NameAddr,
    to: NameAddr,
}

impl Addresses {
    fn parse(request_uri: &str, from: &str, to: &str) -> Option<Self> {
        Some(Self {
            request_uri: request_uri.parse().ok()?,
            from: NameAddr::new(from.parse().ok()?),
            to: NameAddr::new(to.parse().ok()?),
        })
    }
}

/// The INVITE of a call. `None` when a URI or the Call-ID cannot stand in one.
pub(crate) fn invite(
    secret: &[u8; 32],
    spec: &CallSpec,
    destination: &Destination<'_>,
    offer: Vec<u8>,
) -> Option<Invite> {
    let call_id = usable_call_id(&spec.call_id)?;
    let Addresses { request_uri, from, to } =
        Addresses::parse(destination.request_uri, &spec.from_uri, destination.to)?;
    let (tag, branch) = derive::sip_tokens(secret, spec.call);
    Some(Invite {
        destination: destination.address,
        request_uri,
        contact_user: contact_user(&from),
        from,
        to,
        call_id,
        local_tag: Some(tag),
        branch: Some(branch),
        credentials: spec.credentials.clone(),
        sdp: offer,
        headers: Headers::new(),
        ring_timeout: Duration::from_millis(spec.ring_timeout_ms.into()),
        symmetric: destination.symmetric,
    })
}

/// How to clear a call of an earlier process. `None` when nothing can be sent for it.
pub(crate) fn abandoned(secret: &[u8; 32], abandoned: AbandonedCall) -> Option<Abandoned> {
    let (token, credentials) = (abandoned.call.0, abandoned.credentials);
    if let Some(dialog) = abandoned.answered {
        return Some(Abandoned { token, stage: Stage::Answered(dialog), credentials });
    }
    let destination = Destination::of(&abandoned.target);
    let Addresses { request_uri, from, to } =
        Addresses::parse(destination.request_uri, &abandoned.from_uri, destination.to)?;
    let (local_tag, branch) = derive::sip_tokens(secret, CallKey(token));
    let stage = Stage::Calling {
        destination: destination.address,
        symmetric: destination.symmetric,
        request_uri,
        from,
        to,
        call_id: usable_call_id(&abandoned.call_id)?,
        local_tag,
        branch,
        // It was sent again wherever a peer on the way wanted credentials, or a longer session
        // interval (RFC 4028 §6): as often as an INVITE ever is.
        tries: MAX_INVITES,
    };
    Some(Abandoned { token, stage, credentials })
}

/// The OPTIONS of a trunk check (RFC 3261 §11). `None` when a URI is unusable.
pub(crate) fn options(check: &TrunkCheck) -> Option<OutOfDialog> {
    let Addresses { request_uri, from, to } =
        Addresses::parse(&check.request_uri, &check.from_uri, &check.request_uri)?;
    Some(OutOfDialog {
        method: Method::Options,
        destination: check.address,
        uri: request_uri,
        from,
        to,
        call_id: None,
        cseq: 1,
        headers: Headers::new(),
        body: Vec::new(),
        credentials: check.credentials.clone(),
    })
}

/// The bodies in which INFO tells keys.
pub(crate) const KEY_BODIES: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];

/// Whether an INFO has such a body.
pub(crate) fn tells_keys(request: &Request) -> bool {
    let kind = request.headers.get(Name::ContentType).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    KEY_BODIES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(kind))
}

fn usable_call_id(text: &str) -> Option<String> {
    let usable = (1..=MAX_CALL_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    usable.then(|| text.to_owned())
}

/// Some trunks want to see the caller's number in Contact too.
fn contact_user(from: &NameAddr) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
    let user = from.uri.user();
    if user.iter().all(plain) { String::from_utf8_lossy(user).into_owned() } else { String::new() }
}

//! Messages as bytes (RFC 3261 §7): nothing here assumes UTF-8, and whatever is not understood is
//! carried as it came. Reading is in `parse`, writing in `print`, field values in `header`.

mod bytes;
pub mod header;
mod headers;
mod parse;
mod print;
mod uri;

pub use header::{CSeq, NameAddr, Via};
pub use headers::{Headers, Name};
pub use parse::{Malformed, parse};
pub(crate) use print::Writer;
pub use uri::{Scheme, Uri};
pub(crate) use uri::{literal, valid_host};

/// The port of SIP over UDP and TCP when none is written (RFC 3261 §19.1.2).
pub const DEFAULT_PORT: u16 = 5060;

/// A request method.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the method of that name")]
pub enum Method {
    Invite,
    Ack,
    Cancel,
    Bye,
    Options,
    Register,
    Info,
    Update,
    Prack,
    Message,
    Notify,
    Subscribe,
    Publish,
    Refer,
    /// A method this crate does not know, as written (methods are case-sensitive).
    Other(Box<[u8]>),
}

/// The methods that have a name of their own.
const METHODS: [(Method, &str); 14] = [
    (Method::Invite, "INVITE"),
    (Method::Ack, "ACK"),
    (Method::Cancel, "CANCEL"),
    (Method::Bye, "BYE"),
    (Method::Options, "OPTIONS"),
    (Method::Register, "REGISTER"),
    (Method::Info, "INFO"),
    (Method::Update, "UPDATE"),
    (Method::Prack, "PRACK"),
    (Method::Message, "MESSAGE"),
    (Method::Notify, "NOTIFY"),
    (Method::Subscribe, "SUBSCRIBE"),
    (Method::Publish, "PUBLISH"),
    (Method::Refer, "REFER"),
];

impl Method {
    /// Reads a method; `None` when `text` is not a token.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if let Some((known, _)) = METHODS.iter().find(|(_, name)| name.as_bytes() == text) {
            return Some(known.clone());
        }
        header::is_token(text).then(|| Self::Other(text.into()))
    }

    /// The method as it is written in a message.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Other(text) => text,
            known => METHODS
                .iter()
                .find(|(method, _)| method == known)
                .map_or(b"", |(_, name)| name.as_bytes()),
        }
    }
}

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request (RFC 3261 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// The header fields, in order.
    pub headers: Headers,
    /// The body; exactly Content-Length bytes.
    pub body: Vec<u8>,
}

/// A response (RFC 3261 §7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 699.
    pub code: u16,
    /// The reason phrase as written; may be empty and need not be UTF-8.
    pub reason: Vec<u8>,
    /// The header fields, in order.
    pub headers: Headers,
    /// The body; exactly Content-Length bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// The body when it is a session description.
    pub fn sdp(&self) -> Option<&[u8]> {
        header::sdp(&self.headers, &self.body)
    }
}

impl Response {
    /// The body when it is a session description.
    pub fn sdp(&self) -> Option<&[u8]> {
        header::sdp(&self.headers, &self.body)
    }
}

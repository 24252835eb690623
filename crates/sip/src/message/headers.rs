//! The header fields of one message: an ordered list over one buffer, two allocations in all.

use std::fmt;

/// The name of a header field; compact forms (RFC 3261 §7.3.3) read as their long name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the field of that name")]
pub enum Name {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    MaxForwards,
    ContentLength,
    ContentType,
    ContentEncoding,
    Route,
    RecordRoute,
    Authorization,
    ProxyAuthorization,
    WwwAuthenticate,
    ProxyAuthenticate,
    AuthenticationInfo,
    Expires,
    MinExpires,
    RetryAfter,
    Reason,
    Require,
    Supported,
    Unsupported,
    Allow,
    Accept,
    UserAgent,
    Server,
    Warning,
    SessionExpires,
    MinSe,
    RSeq,
    RAck,
    Event,
    Subject,
    PAssertedIdentity,
    /// Any other field: ask by its text with [`Headers::find`].
    Other,
}

/// Long and compact names. The order is that of the variants, which `Name::text` relies on.
const NAMES: [(Name, &str, &str); 36] = [
    (Name::Via, "Via", "v"),
    (Name::From, "From", "f"),
    (Name::To, "To", "t"),
    (Name::CallId, "Call-ID", "i"),
    (Name::CSeq, "CSeq", ""),
    (Name::Contact, "Contact", "m"),
    (Name::MaxForwards, "Max-Forwards", ""),
    (Name::ContentLength, "Content-Length", "l"),
    (Name::ContentType, "Content-Type", "c"),
    (Name::ContentEncoding, "Content-Encoding", "e"),
    (Name::Route, "Route", ""),
    (Name::RecordRoute, "Record-Route", ""),
    (Name::Authorization, "Authorization", ""),
    (Name::ProxyAuthorization, "Proxy-Authorization", ""),
    (Name::WwwAuthenticate, "WWW-Authenticate", ""),
    (Name::ProxyAuthenticate, "Proxy-Authenticate", ""),
    (Name::AuthenticationInfo, "Authentication-Info", ""),
    (Name::Expires, "Expires", ""),
    (Name::MinExpires, "Min-Expires", ""),
    (Name::RetryAfter, "Retry-After", ""),
    (Name::Reason, "Reason", ""),
    (Name::Require, "Require", ""),
    (Name::Supported, "Supported", "k"),
    (Name::Unsupported, "Unsupported", ""),
    (Name::Allow, "Allow", ""),
    (Name::Accept, "Accept", ""),
    (Name::UserAgent, "User-Agent", ""),
    (Name::Server, "Server", ""),
    (Name::Warning, "Warning", ""),
    (Name::SessionExpires, "Session-Expires", "x"),
    (Name::MinSe, "Min-SE", ""),
    (Name::RSeq, "RSeq", ""),
    (Name::RAck, "RAck", ""),
    (Name::Event, "Event", "o"),
    (Name::Subject, "Subject", "s"),
    (Name::PAssertedIdentity, "P-Asserted-Identity", ""),
];

impl Name {
    /// The field named by `text`, long or compact, in any case.
    pub fn parse(text: &[u8]) -> Self {
        let first = text.first().map(u8::to_ascii_lowercase);
        let same = |name: &str| {
            let name = name.as_bytes();
            // Most names differ here already.
            name.len() == text.len()
                && name.first().map(u8::to_ascii_lowercase) == first
                && name.eq_ignore_ascii_case(text)
        };
        let found = match text.len() {
            1 => NAMES.iter().find(|(_, _, compact)| same(compact)),
            _ => NAMES.iter().find(|(_, long, _)| same(long)),
        };
        found.map_or(Self::Other, |(name, _, _)| *name)
    }

    /// The long name; empty for [`Name::Other`].
    pub fn text(self) -> &'static str {
        NAMES.get(self as usize).map_or("", |(_, long, _)| long)
    }

    /// Whether a second field of this name makes the message ambiguous (RFC 3261 §7.3.1: only
    /// fields whose value is a comma-separated list may be repeated).
    pub(crate) fn is_single(self) -> bool {
        matches!(
            self,
            Self::From
                | Self::To
                | Self::CallId
                | Self::CSeq
                | Self::MaxForwards
                | Self::ContentLength
                | Self::ContentType
                | Self::Expires
                | Self::MinExpires
                | Self::RetryAfter
                | Self::SessionExpires
                | Self::MinSe
                | Self::RSeq
                | Self::RAck
                | Self::Event
        )
    }
}

#[derive(Debug, Clone, Copy)]
struct Field {
    name: Name,
    start: u32,
    /// Where the written name ends and the value begins.
    middle: u32,
    end: u32,
}

/// The header fields of a message, in order. Values are bytes, unfolded, without outer space.
#[derive(Clone, Default)]
pub struct Headers {
    text: Vec<u8>,
    fields: Vec<Field>,
}

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_capacity(bytes: usize, fields: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), fields: Vec::with_capacity(fields) }
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The first value of a known field.
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// All values of a known field, one per line as they came (lists are not split).
    pub fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |field| field.name == name).map(|field| self.value(field))
    }

    /// The elements of a comma-separated field over all its lines (RFC 3261 §7.3.1).
    pub fn elements(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(super::header::elements)
    }

    /// The first value of the field named by `text` (any case), known or not.
    pub fn find(&self, text: &str) -> Option<&[u8]> {
        match Name::parse(text.as_bytes()) {
            Name::Other => self
                .fields
                .iter()
                .find(|field| self.label(field).eq_ignore_ascii_case(text.as_bytes()))
                .map(|field| self.value(field)),
            known => self.get(known),
        }
    }

    /// Every field: its name as written and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.label(field), self.value(field)))
    }

    /// Adds a known field at the end.
    ///
    /// Carriage returns and line feeds in the value become spaces: one value is one line.
    ///
    /// # Panics
    /// When `name` is [`Name::Other`], which has no text of its own.
    pub fn push(&mut self, name: Name, value: &[u8]) {
        assert!(name != Name::Other, "an unknown field is pushed by its text");
        self.append(name, name.text().as_bytes(), value);
    }

    /// Adds a field by its written name at the end. A name that is not a token is not added.
    pub fn push_named(&mut self, text: &[u8], value: &[u8]) {
        if super::header::is_token(text) {
            self.push_token(text, value);
        }
    }

    /// As [`Headers::push_named`] of a name that is known to be a token.
    pub(super) fn push_token(&mut self, text: &[u8], value: &[u8]) {
        self.append(Name::parse(text), text, value);
    }

    fn append(&mut self, name: Name, label: &[u8], value: &[u8]) {
        let start = self.offset();
        self.text.extend_from_slice(label);
        let middle = self.offset();
        super::header::unfold(value, &mut self.text);
        let end = self.offset();
        self.fields.push(Field { name, start, middle, end });
    }

    fn offset(&self) -> u32 {
        u32::try_from(self.text.len()).expect("a message is far smaller than 4 GiB")
    }

    fn label(&self, field: &Field) -> &[u8] {
        &self.text[field.start as usize..field.middle as usize]
    }

    fn value(&self, field: &Field) -> &[u8] {
        &self.text[field.middle as usize..field.end as usize]
    }

    /// Whether a field that may occur once occurs twice, and which.
    pub(crate) fn duplicate(&self) -> Option<Name> {
        let mut seen = 0_u64;
        for field in &self.fields {
            let bit = 1_u64 << (field.name as u32);
            if field.name.is_single() && seen & bit != 0 {
                return Some(field.name);
            }
            seen |= bit;
        }
        None
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().zip(other.iter()).all(|((a_name, a), (b_name, b))| {
                let (known, same) = (Name::parse(a_name), Name::parse(b_name));
                known == same
                    && (known != Name::Other || a_name.eq_ignore_ascii_case(b_name))
                    && a == b
            })
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

//! What the invariants need to read of a SIP message, without trusting the parser under test.

/// The little that matters of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glance {
    /// The method of a request, or the status code of a response.
    pub(crate) start: Start,
    /// The Call-ID.
    pub(crate) call_id: String,
    /// The method in CSeq.
    pub(crate) method: String,
}

/// How a message starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Request {
        /// The user part of the Request-URI.
        user: String,
    },
    Response(u16),
}

/// Reads a message; `None` when it is none.
pub(crate) fn glance(bytes: &[u8]) -> Option<Glance> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let first = lines.next()?;
    let start = if let Some(rest) = first.strip_prefix("SIP/2.0 ") {
        Start::Response(rest.get(..3)?.parse().ok()?)
    } else {
        let uri = first.split(' ').nth(1)?;
        let user = uri.strip_prefix("sip:")?.split('@').next()?;
        Start::Request { user: user.to_owned() }
    };
    let (mut call_id, mut method) = (None, None);
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "call-id" | "i" => call_id = Some(value.trim().to_owned()),
            "cseq" => method = value.split_whitespace().nth(1).map(str::to_owned),
            _ => {}
        }
    }
    Some(Glance { start, call_id: call_id?, method: method? })
}

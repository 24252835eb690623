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
    /// The branch of the topmost Via, by which a response finds its request (RFC 3261 §17.1.3):
    /// its Call-ID may have been damaged on the way there.
    pub(crate) branch: Option<String>,
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
    let (mut call_id, mut method, mut branch) = (None, None, None);
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "via" if branch.is_none() => {
                let mut parameters = value.split(';').map(str::trim);
                branch = parameters.find_map(|one| one.strip_prefix("branch="));
            }
            "call-id" | "i" => call_id = Some(value.trim().to_owned()),
            "cseq" => method = value.split_whitespace().nth(1).map(str::to_owned),
            _ => {}
        }
    }
    let branch = branch.map(str::to_owned);
    Some(Glance { start, call_id: call_id?, method: method?, branch })
}

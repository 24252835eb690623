//! Dialogs (RFC 3261 §12).

use std::net::SocketAddr;

/// What must be written down of an answered call so that a later life can hang it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogSnapshot {
    /// Where in-dialog requests go.
    pub destination: SocketAddr,
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

impl DialogSnapshot {
    /// The snapshot as bytes to keep.
    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Reads what [`DialogSnapshot::encode`] wrote; `None` when it is anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        None
    }
}

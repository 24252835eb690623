//! The bounds of one endpoint. Full means "refused", never "grows".

/// Bounds on what one [`crate::Endpoint`] accepts and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest datagram that is parsed, in bytes. Longer ones are counted and dropped.
    pub message_bytes: usize,
    /// The most header fields in one message.
    pub header_fields: usize,
    /// The most calls (legs) alive at once, both directions together.
    pub legs: usize,
    /// The most transactions alive at once, both directions together. One finished transaction
    /// lingers for up to 32 s (timers D, J, L, M), so this should be well above `legs`.
    pub transactions: usize,
    /// What a `503 Service Unavailable` tells the peer to wait, in seconds (RFC 3261 §21.5.4).
    pub retry_after_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            header_fields: 128,
            legs: 8_000,
            transactions: 160_000,
            retry_after_seconds: 2,
        }
    }
}

/// The longest Call-ID, tag or branch that is accepted, in bytes: peers choose them, we keep them.
pub(crate) const MAX_TOKEN_BYTES: usize = 256;

/// The most entries of a route set that is kept.
pub(crate) const MAX_ROUTES: usize = 16;

/// The most forks of one INVITE that are acknowledged and hung up one by one.
pub(crate) const MAX_FORKS: usize = 8;

/// The most PRACKs of one early dialog (RFC 3262): a peer that sends more is not answered.
pub(crate) const MAX_PRACKS: u32 = 32;

/// How often one re-INVITE or UPDATE of ours is sent again, whatever for.
pub(crate) const MAX_CHANGE_TRIES: u8 = 8;

/// The shortest session interval there is (RFC 4028 §4), in seconds.
pub(crate) const MIN_SESSION_S: u32 = 90;

/// The longest session interval we keep to, in seconds: a day.
pub(crate) const MAX_SESSION_S: u32 = 86_400;

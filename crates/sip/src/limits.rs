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
    /// The most requests of ours alive at once. One finished transaction lingers for up to 32 s
    /// (timers D, K, M), so this should be well above `legs`.
    pub client_transactions: usize,
    /// The most requests of peers that are kept at once, each for up to 32 s (timers H, J, L).
    /// A budget of its own: whatever peers send, our own calls have room.
    pub server_transactions: usize,
    /// What requests outside of calls may cost; `None` for peers that are all trusted.
    pub strangers: Option<Rates>,
    /// What a `503 Service Unavailable` tells the peer to wait, in seconds (RFC 3261 §21.5.4).
    pub retry_after_seconds: u32,
}

/// How many requests outside of calls are looked at. Whoever sends more goes unanswered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests a second from one address (of IPv6, one /64), and twice as many at once.
    pub per_source: u32,
    /// Requests a second from all addresses together, and twice as many at once; above that the
    /// answer is 503.
    pub in_all: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            header_fields: 128,
            legs: 8_000,
            client_transactions: 160_000,
            server_transactions: 160_000,
            strangers: None,
            retry_after_seconds: 2,
        }
    }
}

/// Ranges of addresses of peers that we know.
pub(crate) const KNOWN_PEERS: usize = 4_096;
/// Sources are told apart by as many counters as this; two that share one share its limits. A
/// fixed number: a source costs no memory, however many there are.
pub(crate) const SOURCE_BUCKETS: usize = 2048;

/// What a source may be sent beyond what it sent itself, in bytes: enough for a challenge or two.
pub(crate) const SOURCE_CREDIT_BYTES: u32 = 2048;

/// How much of that credit comes back in a second.
pub(crate) const SOURCE_CREDIT_BYTES_PER_SECOND: u32 = 256;

/// The longest Call-ID, tag or branch that is accepted, in bytes: peers choose them, we keep them.
pub(crate) const MAX_TOKEN_BYTES: usize = 256;

/// The most entries of a route set that is kept.
pub(crate) const MAX_ROUTES: usize = 16;

/// Most INVITEs that one call sends: the first, and one after each answer that asks for another,
/// with credentials (RFC 3261 §22) or for a longer session interval (RFC 4028 §7.3).
pub const MAX_INVITES: u8 = 4;

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

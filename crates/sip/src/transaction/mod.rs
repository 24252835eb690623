//! The four transaction machines of RFC 3261 §17 with the corrections of RFC 6026. Each knows its
//! state and its timers by letter and nothing of messages: it is told of status codes and the
//! time, and says what to do.

mod client;
mod client_invite;
mod server;
mod server_invite;
mod timer;

pub use client::Client;
pub use client_invite::ClientInvite;
pub use server::Server;
pub use server_invite::ServerInvite;
pub use timer::{Handle, LINGER_SLACK, PATIENCE, T1, T2, T4, Timers};

/// What a client transaction makes of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A provisional response.
    Provisional,
    /// The first final response.
    Final,
    /// A success after the first: to be acknowledged again, or a fork. INVITE only.
    MoreSuccess,
    /// A final response of 300 or more again: to be acknowledged again. INVITE only.
    FinalAgain,
    /// Nothing to be done.
    Absorbed,
}

/// What a transaction makes of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// No timer was due.
    Nothing,
    /// Send 100: the owner takes its time.
    Trying,
    /// Send the kept datagram again.
    Resend,
    /// Nobody answered (timers B and F, or 64·T1 after CANCEL). The transaction is over, except
    /// that one of an INVITE stays for a while to end a call that comes to life too late.
    TimedOut,
    /// Our 200 was never acknowledged (§13.3.1.4); the transaction is over.
    Unacknowledged,
    /// The transaction is over (timers D, H, I, J, K, L, M).
    Over,
}

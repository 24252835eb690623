//! One SIP endpoint on one UDP address: the front door of this crate. Knows no business.
//!
//! Everything is driven from outside: [`Endpoint::receive`] takes a datagram,
//! [`Endpoint::expire`] the time, the other methods are commands. All of them append to the
//! [`Outputs`] they are given.

mod command;
mod counters;
mod event;

use std::net::SocketAddr;
use std::time::Instant;

pub use command::{
    Abandoned, Full, Invite, LegId, OutOfDialog, Reason, Reply, RequestId, ServerRequest, Stage,
};
pub use counters::Counters;
pub use event::{Event, Failure, Outputs, Party, Transmit};

use crate::limits::Limits;
use crate::message::Headers;

/// How an endpoint is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address peers reach us at: it stands in Via and Contact.
    pub local: SocketAddr,
    /// Tags, branches and Call-IDs are HMACs of a counter under this key: unguessable, and the
    /// same again for the same key. Must be fresh for every start of the program.
    pub secret: [u8; 32],
    /// The product name in User-Agent and Server.
    pub user_agent: String,
    /// Whether REGISTER is handed to the owner; otherwise it is refused with 405.
    pub registrar: bool,
    /// The bounds.
    pub limits: Limits,
}

/// What is alive in an endpoint, for tests that prove nothing leaks and for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Calls, both directions.
    pub legs: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Timers that are set.
    pub timers: usize,
}

/// The transactions, dialogs and timers behind one UDP address.
pub struct Endpoint {
    config: Config,
    counters: Counters,
}

impl Endpoint {
    /// An endpoint with nothing going on.
    pub fn new(config: Config) -> Self {
        Self { config, counters: Counters::default() }
    }

    /// Takes one datagram.
    pub fn receive(&mut self, now: Instant, source: SocketAddr, bytes: &[u8], out: &mut Outputs) {}

    /// Runs all timers that are due at `now`.
    pub fn expire(&mut self, now: Instant, out: &mut Outputs) {}

    /// When [`Endpoint::expire`] must be called next; `None` when nothing is going on.
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// Totals since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is alive now.
    pub fn live(&self) -> Live {
        Live::default()
    }

    /// Places a call.
    ///
    /// # Errors
    /// [`Full`] when a limit is reached or the given identifiers are taken.
    pub fn invite(
        &mut self,
        now: Instant,
        invite: Invite,
        out: &mut Outputs,
    ) -> Result<LegId, Full> {
        Err(Full::Legs)
    }

    /// Ends a leg in whatever way its state demands: CANCEL (only after a 1xx, remembered until
    /// one comes), BYE (after the ACK when we answered), or 480 for a call we have not answered.
    /// The leg's end is an event as always ([`Failure::Cancelled`] when it was not answered),
    /// except that an unanswered incoming leg is gone at once.
    pub fn hang_up(&mut self, now: Instant, leg: LegId, reason: Option<Reason>, out: &mut Outputs) {
    }

    /// Ends a call that a former life of this program began. Answered with
    /// [`Event::AbandonDone`], at the latest after about 64 s; no other event comes of it.
    ///
    /// # Errors
    /// [`Full`] as for [`Endpoint::invite`].
    pub fn abandon(
        &mut self,
        now: Instant,
        abandoned: Abandoned,
        out: &mut Outputs,
    ) -> Result<(), Full> {
        Err(Full::Legs)
    }

    /// Sends a request outside of dialogs.
    ///
    /// # Errors
    /// [`Full`] when a limit is reached.
    pub fn request(
        &mut self,
        now: Instant,
        request: OutOfDialog,
        out: &mut Outputs,
    ) -> Result<RequestId, Full> {
        Err(Full::Transactions)
    }

    /// Sends a provisional response of 101 to 199 for an incoming call, with early media when
    /// `sdp` is given. Does nothing once the call is answered.
    pub fn ring(
        &mut self,
        now: Instant,
        leg: LegId,
        code: u16,
        sdp: Option<&[u8]>,
        out: &mut Outputs,
    ) {
    }

    /// Answers an incoming call with 200, repeated until the ACK comes; after 32 s without one
    /// the call is hung up.
    pub fn answer(&mut self, now: Instant, leg: LegId, sdp: &[u8], out: &mut Outputs) {}

    /// Refuses an incoming call with a final response of 300 to 699; the leg is gone. An empty
    /// `phrase` means the standard one.
    pub fn reject(
        &mut self,
        now: Instant,
        leg: LegId,
        code: u16,
        phrase: &str,
        extra: &Headers,
        out: &mut Outputs,
    ) {
    }

    /// Answers a [`Event::Reoffer`] with 200 and `sdp`.
    pub fn answer_reoffer(&mut self, now: Instant, leg: LegId, sdp: &[u8], out: &mut Outputs) {}

    /// Refuses a [`Event::Reoffer`] with a final response such as 488; the call goes on as it
    /// was.
    pub fn refuse_reoffer(&mut self, now: Instant, leg: LegId, code: u16, out: &mut Outputs) {}

    /// Answers an [`Event::Request`]. Does nothing when it was answered before.
    pub fn reply(&mut self, now: Instant, id: ServerRequest, reply: &Reply, out: &mut Outputs) {}

    /// The socket says that datagrams to `destination` cannot be delivered: calls and requests
    /// that wait for a first response from there fail with [`Failure::Transport`].
    pub fn undeliverable(&mut self, now: Instant, destination: SocketAddr, out: &mut Outputs) {}
}

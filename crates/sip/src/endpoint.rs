//! One SIP endpoint: the front door of this crate. Knows no business.
//!
//! Everything is driven from outside: [`Endpoint::receive`] takes a datagram,
//! [`Endpoint::expire`] the time, the other methods are commands. All of them append to the
//! [`Outputs`] they are given.

mod abandon;
mod callee;
mod caller;
mod change;
mod clients;
mod command;
mod compose;
mod counters;
mod event;
mod late;
mod leg;
mod refusal;
mod reliable;
mod reoffer;
mod request;
mod session_timer;
mod table;
mod trace;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Instant;

pub use command::{
    Abandoned, Full, Invite, LegId, OutOfDialog, Reason, Reply, RequestId, ServerRequest, Stage,
};
pub use counters::Counters;
pub use event::{Event, Failure, LastWord, Outputs, Party, Transmit};
pub use trace::{Sign, Signal, Timer, Trace, TracedMethod};

use clients::Clients;
use compose::Composer;
use leg::{Leg, State, Why};
use request::Pending;
use table::{ClientMachine, ClientTransaction, Due, Owner, ServerTransaction};

use crate::admission::Sources;
use crate::limits::Limits;
use crate::message::{self, CSeq, Headers, Malformed, Message, Name, Response, Uri, Via};
use crate::token::{Key, Tokens};
use crate::transaction::{Heard, Timers};
use crate::transport::{Hop, Transport};

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
    /// The optional parts of SIP.
    pub extensions: Extensions,
    /// The bounds.
    pub limits: Limits,
}

/// Which optional parts of SIP an endpoint uses of its own accord. What a peer asks for is done in
/// any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extensions {
    /// Whether every caller that supports it gets reliable provisional responses (RFC 3262);
    /// otherwise only one that requires them.
    pub reliable: bool,
    /// The session interval we ask for (RFC 4028), in seconds; `None` leaves it to the peer.
    pub session_expires_s: Option<u32>,
    /// The shortest session interval we accept, in seconds; less than 90 counts as 90 (§4).
    pub min_se_s: u32,
}

impl Default for Extensions {
    fn default() -> Self {
        Self { reliable: true, session_expires_s: Some(1_800), min_se_s: 90 }
    }
}

/// What is alive in an endpoint, for tests that prove nothing leaks and for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Calls, both directions.
    pub legs: usize,
    /// Requests of ours outside of dialogs.
    pub requests: usize,
    /// Entries in the index of dialogs.
    pub dialogs: usize,
    /// Abandoned calls that are being ended.
    pub abandoned: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Timers that are set.
    pub timers: usize,
}

/// The transactions, dialogs and timers behind one address.
pub struct Endpoint {
    config: Config,
    composer: Composer,
    counters: Counters,
    tokens: Tokens,
    timers: Timers<Due>,
    clients: Clients,
    // Boxed, since trees move what they hold.
    servers: BTreeMap<Key, Box<ServerTransaction>>,
    legs: BTreeMap<LegId, Box<Leg>>,
    /// Call-ID and our tag to leg.
    dialogs: BTreeMap<Key, LegId>,
    requests: BTreeMap<RequestId, Pending>,
    sources: Sources,
    /// Abandoned calls that are being ended, by their tokens.
    abandons: BTreeMap<u64, abandon::Ending>,
    last_id: u64,
    /// Whether [`Outputs::traces`] is wanted.
    traces: bool,
}

impl Endpoint {
    /// An endpoint with nothing going on.
    pub fn new(config: Config) -> Self {
        Self {
            composer: Composer::new(&config),
            counters: Counters::default(),
            tokens: Tokens::new(&config.secret),
            timers: Timers::default(),
            clients: Clients::default(),
            servers: BTreeMap::new(),
            legs: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            requests: BTreeMap::new(),
            sources: Sources::new(config.limits.strangers),
            abandons: BTreeMap::new(),
            last_id: 0,
            traces: false,
            config,
        }
    }

    /// Says where peers reach us over a transport, when that is not [`Config::local`]. It is told
    /// to peers of its own family, IPv4 or IPv6; those of the other are told what was said last for
    /// theirs.
    pub fn reach(&mut self, transport: Transport, local: SocketAddr) {
        self.composer.reach(transport, local);
    }

    /// Replaces the addresses of peers that we know, such as trunks. Their requests are counted by
    /// source as all are, and not refused because strangers ask too much.
    pub fn know(&mut self, peers: Vec<RangeInclusive<IpAddr>>) {
        self.sources.know(peers);
    }

    /// The URI at which a peer reaches us, as it stands in Contact.
    pub fn own_uri(&self, user: &str, peer: Hop) -> Uri {
        Uri::at(user, self.composer.own_hop(peer))
    }

    /// Takes one datagram. Whatever is wrong with it is counted, never an error.
    pub fn receive(&mut self, now: Instant, source: SocketAddr, bytes: &[u8], out: &mut Outputs) {
        self.receive_over(now, Hop::udp(source), bytes, out);
    }

    /// Takes one message, by whatever it came; of a connection, what [`crate::framing`] cut out.
    pub fn receive_over(&mut self, now: Instant, source: Hop, bytes: &[u8], out: &mut Outputs) {
        self.counters.datagrams_in += 1;
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            self.counters.keepalives += 1;
            return;
        }
        match message::parse(bytes, &self.config.limits) {
            Ok(Message::Request(request)) => {
                self.sources.earned(&self.tokens, source.address.ip(), bytes.len());
                self.request_heard(now, source, request, out);
            }
            Ok(Message::Response(response)) => self.response_heard(now, source, response, out),
            Err(reason) => self.count_malformed(reason),
        }
    }

    fn count_malformed(&mut self, reason: Malformed) {
        let counter = match reason {
            Malformed::TooLong => &mut self.counters.refused_too_long,
            Malformed::TooManyFields => &mut self.counters.refused_too_many_fields,
            Malformed::StartLine | Malformed::Version | Malformed::Uri => {
                &mut self.counters.refused_start_line
            }
            Malformed::Duplicate(_) => &mut self.counters.refused_duplicate,
            Malformed::ContentLength => &mut self.counters.refused_content_length,
            Malformed::Line
            | Malformed::Missing(_)
            | Malformed::Value(_)
            | Malformed::MethodMismatch => &mut self.counters.refused_fields,
        };
        *counter += 1;
    }

    /// The request of ours that a response answers: by branch and method (§17.1.3), number and
    /// address.
    fn answered_by(&mut self, source: Hop, response: &Response) -> Option<Key> {
        let cseq = response.headers.get(Name::CSeq).and_then(|value| CSeq::parse(value).ok())?;
        let mut vias = response.headers.elements(Name::Via);
        let via = Via::parse(vias.next()?).ok()?;
        let key = self.client_key(via.branch, cseq.method.as_bytes());
        // A response with more than one Via was meant for somebody else (§8.1.3.3).
        let found = self.clients.get(key).filter(|transaction| {
            vias.next().is_none()
                && *transaction.branch == *via.branch
                && transaction.cseq == cseq.number
        });
        let Some(transaction) = found else {
            self.counters.stray_responses += 1;
            return None;
        };
        let canonical = |hop: Hop| hop.address.ip().to_canonical();
        if canonical(transaction.peer) != canonical(source) {
            self.counters.wrong_source += 1;
            return None;
        }
        Some(key)
    }

    fn response_heard(&mut self, now: Instant, source: Hop, response: Response, out: &mut Outputs) {
        let Some(key) = self.answered_by(source, &response) else { return };
        let Some(transaction) = self.clients.get_mut(key) else { return };
        let heard = transaction.machine.heard(now, response.code);
        let owner = transaction.owner;
        let traced = transaction.traced(Party::Peer, response.code);
        let is_invite = matches!(transaction.machine, ClientMachine::Invite(_));
        self.trace(traced, out);
        self.rearm_client(key);
        if is_invite {
            self.invite_heard(now, key, heard, &response, out);
        } else if heard == Heard::Final {
            match owner {
                Owner::Leg(leg) => self.leg_heard(now, leg, &response, out),
                Owner::Change(leg) => self.change_heard(now, leg, &response, out),
                Owner::Prack(leg) => self.prack_heard(now, leg, &response, out),
                Owner::Cancel(leg) if response.code == 481 => self.not_there(now, leg),
                Owner::Cancel(leg) if response.code >= 300 => self.cancel_unheard(now, leg, out),
                Owner::Request(id) => self.request_done(now, id, Ok(response), out),
                Owner::Cancel(_) | Owner::Nobody => {}
            }
        }
    }

    /// Runs all timers that are due at `now`.
    pub fn expire(&mut self, now: Instant, out: &mut Outputs) {
        while let Some(due) = self.timers.pop(now) {
            self.wake(now, due, out);
        }
    }

    /// When [`Endpoint::expire`] must be called next; `None` when nothing is going on.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Totals since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is alive now.
    pub fn live(&self) -> Live {
        Live {
            legs: self.legs.len(),
            requests: self.requests.len(),
            client_transactions: self.clients.len(),
            server_transactions: self.servers.len(),
            dialogs: self.dialogs.len(),
            abandoned: self.abandons.len(),
            timers: self.timers.len(),
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
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
        self.call(now, invite, out)
    }

    /// Ends a leg in whatever way its state demands: CANCEL (only after a 1xx, remembered until
    /// one comes), BYE (after the ACK when we answered), or 480 for a call we have not answered.
    ///
    /// The leg's end is an event as always ([`Failure::Cancelled`] when it was not answered),
    /// except that an unanswered incoming leg is gone at once.
    pub fn hang_up(&mut self, now: Instant, leg: LegId, reason: Option<Reason>, out: &mut Outputs) {
        let Some(found) = self.legs.get_mut(&leg) else { return };
        match found.state {
            State::Calling(_) => self.cancel(now, leg, Why::Owner(reason), out),
            State::Ringing { .. } => self.reject(now, leg, 480, "", &Headers::new(), out),
            State::Up if found.unacked.is_some_and(|unacked| unacked.first) => {
                found.hang_up_after_ack.get_or_insert(Why::Owner(reason));
            }
            State::Up => self.hang_up_now(now, leg, reason, out),
            State::Ending(_) => {}
        }
    }

    /// Ends a call that a former life of this program began. Answered with
    /// [`Event::AbandonDone`], at the latest after about 64 s, with what the peer said of it;
    /// no other event comes of it.
    ///
    /// # Errors
    /// [`Full`] as for [`Endpoint::invite`].
    pub fn abandon(
        &mut self,
        now: Instant,
        abandoned: Abandoned,
        out: &mut Outputs,
    ) -> Result<(), Full> {
        self.end_abandoned(now, abandoned, out)
    }

    /// Sends a request outside of dialogs.
    ///
    /// # Errors
    /// [`Full`] when a limit is reached.
    ///
    /// # Panics
    /// When the method is one that belongs to calls: INVITE, ACK, CANCEL, BYE.
    pub fn request(
        &mut self,
        now: Instant,
        request: OutOfDialog,
        out: &mut Outputs,
    ) -> Result<RequestId, Full> {
        self.ask(now, request, out)
    }

    /// Sends a provisional response of 101 to 199 for an incoming call, with early media when
    /// `sdp` is given. Does nothing once the call is answered.
    ///
    /// To a caller that requires or supports it the response is reliable (RFC 3262): repeated
    /// until its PRACK comes, and the next one waits for that.
    pub fn ring(
        &mut self,
        now: Instant,
        leg: LegId,
        code: u16,
        sdp: Option<&[u8]>,
        out: &mut Outputs,
    ) {
        self.progress(now, leg, code, sdp, out);
    }

    /// Sends whatever belongs to an incoming call to where its INVITE came from, whatever Contact
    /// and Record-Route say: right for phones behind NAT, as [`Invite::symmetric`] is.
    pub fn stay_with_source(&mut self, leg: LegId) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.dialog.stay_with_source();
        }
    }

    /// Answers an incoming call with 200, repeated until the ACK comes; after 32 s without one
    /// the call is hung up. A reliable provisional response with a description is waited for
    /// first (RFC 3262 §3), and `sdp` is then left out of the 200, as the caller has it.
    pub fn answer(&mut self, now: Instant, leg: LegId, sdp: &[u8], out: &mut Outputs) {
        self.accept_call(now, leg, sdp, out);
    }

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
        self.refuse_call(now, leg, (code, phrase), extra, out);
    }

    /// Offers anew within an answered call (re-INVITE, RFC 3261 §14): [`Event::OfferAnswered`] or
    /// [`Event::OfferRefused`] follows unless the call ends first. An offer that crosses one of
    /// the peer's is put off and sent again (491, §14.1).
    ///
    /// Gives back whether it was begun: not while the call is not up, nor while an earlier offer
    /// of ours is still open.
    pub fn offer(&mut self, now: Instant, leg: LegId, sdp: &[u8], out: &mut Outputs) -> bool {
        self.begin_offer(now, leg, sdp, out)
    }

    /// Refuses an incoming call like [`Endpoint::reject`], without keeping anything: for callers
    /// whose address nobody has proven. The refusal is sent once; a caller that did not get it
    /// sends its INVITE again, which is then a new call. After a [`Endpoint::ring`] this is
    /// [`Endpoint::reject`].
    pub fn turn_away(
        &mut self,
        now: Instant,
        leg: LegId,
        code: u16,
        extra: &Headers,
        out: &mut Outputs,
    ) {
        self.forget_call(now, leg, code, extra, out);
    }

    /// Answers an [`Event::Reoffer`] with 200 and `sdp`.
    pub fn answer_reoffer(&mut self, now: Instant, leg: LegId, sdp: &[u8], out: &mut Outputs) {
        self.settle_reoffer(now, leg, Ok(sdp), out);
    }

    /// Refuses an [`Event::Reoffer`] with a final response such as 488; the call goes on as it
    /// was.
    pub fn refuse_reoffer(&mut self, now: Instant, leg: LegId, code: u16, out: &mut Outputs) {
        self.settle_reoffer(now, leg, Err(code), out);
    }

    /// Answers an [`Event::Request`]. Does nothing when it was answered before, or so late that
    /// the peer has given up.
    pub fn reply(&mut self, now: Instant, id: ServerRequest, reply: &Reply, out: &mut Outputs) {
        self.respond_request(now, id, reply, out);
    }

    /// The socket says that datagrams to `destination` cannot be delivered: calls and requests
    /// that wait for a first response from there fail with [`Failure::Transport`].
    pub fn undeliverable(&mut self, now: Instant, destination: SocketAddr, out: &mut Outputs) {
        let peer = Hop::udp(destination);
        self.fail_where(now, out, |t| t.peer == peer && t.machine.is_calling());
    }

    /// The connection with `peer` is gone, or could not be made: what waits for a response from
    /// there fails with [`Failure::Transport`]. Answered calls live on, and responses of ours go
    /// to where their Via says (RFC 3261 §18.2.2).
    pub fn disconnected(&mut self, now: Instant, peer: Hop, out: &mut Outputs) {
        for transaction in self.servers.values_mut() {
            let head = &mut transaction.head;
            if head.destination == peer {
                head.destination.address = head.fallback;
            }
        }
        self.fail_where(now, out, |t| t.peer == peer && t.machine.needs_connection());
    }

    fn fail_where(
        &mut self,
        now: Instant,
        out: &mut Outputs,
        fails: impl Fn(&ClientTransaction) -> bool,
    ) {
        let keys: Vec<Key> =
            self.clients.iter().filter(|(_, t)| fails(t)).map(|(key, _)| *key).collect();
        for key in keys {
            self.fail_client(now, key, &Failure::Transport, out);
        }
    }
}

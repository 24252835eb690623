//! The transactions of an endpoint and their timers: who owns them, how they are found, what
//! happens when time passes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::compose::ReplyHead;
use super::{Endpoint, Failure, LegId, Outputs, Party, RequestId, Timer, Transmit};
use crate::dialog::{Dialog, Origin};
use crate::message::{Name, Request, Via, header};
use crate::token::{COOKIE, Key};
use crate::transaction::{
    Client, ClientInvite, Expired, Handle, Heard, LINGER_SLACK, Server, ServerInvite, Timers,
};
use crate::transport::Hop;

/// What a timer wakes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Due {
    Client(Key),
    Server(Key),
    Ring(LegId),
    /// A change of ours that was put off may be tried again.
    Change(LegId),
    /// A session must be refreshed or is over.
    Session(LegId),
    /// A reliable provisional response of ours is sent again.
    Reliable(LegId),
}

/// Who hears how a client transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Leg(LegId),
    /// A re-INVITE or UPDATE.
    Change(LegId),
    Prack(LegId),
    /// A CANCEL: the INVITE's own response tells more, except for abandoned calls.
    Cancel(LegId),
    Request(RequestId),
    Nobody,
}

pub(super) enum ClientMachine {
    Invite(ClientInvite),
    Other(Client),
}

impl ClientMachine {
    pub(super) fn heard(&mut self, now: Instant, code: u16) -> Heard {
        match self {
            Self::Invite(machine) => machine.heard(now, code),
            Self::Other(machine) => machine.heard(now, code),
        }
    }

    fn expire(&mut self, now: Instant) -> Expired {
        match self {
            Self::Invite(machine) => machine.expire(now),
            Self::Other(machine) => machine.expire(now),
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.next_timeout(),
            Self::Other(machine) => machine.next_timeout(),
        }
    }

    fn lingers(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.lingers(),
            Self::Other(machine) => machine.lingers(),
        }
    }

    /// Whether a broken connection means that no response will come. A peer that has said
    /// something to an INVITE can open a connection of its own for the rest (§18.2.2).
    pub(super) fn needs_connection(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_calling(),
            Self::Other(machine) => machine.is_waiting(),
        }
    }

    pub(super) fn is_calling(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_calling(),
            Self::Other(machine) => machine.is_calling(),
        }
    }
}

/// A request we sent.
pub(super) struct ClientTransaction {
    pub(super) machine: ClientMachine,
    pub(super) branch: Box<[u8]>,
    pub(super) cseq: u32,
    pub(super) peer: Hop,
    pub(super) owner: Owner,
    /// What a timer or a repeated response sends again: the request, later the ACK.
    pub(super) datagram: Option<Arc<[u8]>>,
    pub(super) armed: Option<Handle>,
    /// What acknowledging an INVITE takes, also after its leg is gone.
    pub(super) invite: Option<Acknowledging>,
}

pub(super) struct Acknowledging {
    pub(super) origin: Arc<Origin>,
    /// The Authorization lines of the INVITE, which the ACK repeats (§22.1).
    pub(super) authorization: Vec<u8>,
    pub(super) acks: Vec<Ack>,
    /// The dialog of a re-INVITE, whose ACK goes the way it went.
    pub(super) within: Option<Box<Dialog>>,
}

/// The ACK to one fork.
pub(super) struct Ack {
    pub(super) remote_tag: Box<[u8]>,
    pub(super) destination: Hop,
    pub(super) datagram: Arc<[u8]>,
}

pub(super) enum ServerMachine {
    Invite(ServerInvite),
    Other(Server),
}

/// A request we received.
pub(super) struct ServerTransaction {
    pub(super) machine: ServerMachine,
    pub(super) head: ReplyHead,
    /// The last response.
    pub(super) datagram: Option<Arc<[u8]>>,
    pub(super) leg: Option<LegId>,
    pub(super) armed: Option<Handle>,
}

/// Sets the timer of a transaction that is due at `at`, or is kept until about then.
fn rearm(
    timers: &mut Timers<Due>,
    armed: &mut Option<Handle>,
    (at, lingers): (Option<Instant>, bool),
    due: Due,
) {
    let slack = if lingers { LINGER_SLACK } else { Duration::ZERO };
    let stands = match (&armed, at) {
        (Some(handle), Some(at)) => (at..=at + slack).contains(&handle.at()),
        (armed, at) => armed.is_none() && at.is_none(),
    };
    if stands {
        return;
    }
    if let Some(handle) = armed.take() {
        timers.cancel(handle);
    }
    *armed = at.map(|at| timers.set_about(at, slack, due));
}

impl Endpoint {
    pub(super) fn transmit(&mut self, to: Hop, bytes: &Arc<[u8]>, out: &mut Outputs) {
        self.counters.datagrams_out += 1;
        let Hop { transport, address: destination } = to;
        out.transmits.push(Transmit { destination, transport, bytes: Arc::clone(bytes) });
    }

    /// How a response finds the request it answers (§17.1.3).
    pub(super) fn client_key(&self, branch: &[u8], method: &[u8]) -> Key {
        self.tokens.key(&[b"client", branch, method])
    }

    /// How a request finds the transaction it repeats, acknowledges or cancels (§17.2.3).
    /// `method` is INVITE also for its ACK and CANCEL.
    pub(super) fn server_key(&self, request: &Request, method: &[u8]) -> Key {
        let get = |name| request.headers.get(name).unwrap_or_default();
        let line = get(Name::Via);
        let element = header::elements(line).next().unwrap_or_default();
        let Ok(via) = Via::parse(element) else { return self.tokens.key(&[b"server", line]) };
        let branch = via.branch;
        if branch.len() > COOKIE.len() && branch.starts_with(COOKIE) {
            let port = via.port.unwrap_or_default().to_be_bytes();
            return self.tokens.key(&[b"server", branch, via.host, &port, method]);
        }
        // A peer of RFC 2543: its branch is not unique, the fields together are.
        let cseq = get(Name::CSeq);
        let number = &cseq[..cseq.iter().take_while(|b| b.is_ascii_digit()).count()];
        let from = header::tag(get(Name::From)).unwrap_or_default();
        self.tokens.key(&[b"2543", get(Name::CallId), from, number, via.host, method])
    }

    pub(super) fn dialog_key(&self, call_id: &[u8], local_tag: &[u8]) -> Key {
        self.tokens.key(&[b"dialog", call_id, local_tag])
    }

    /// Whether one more request of ours would be too many.
    pub(super) fn clients_full(&self) -> bool {
        self.clients.len() >= self.config.limits.client_transactions
    }

    /// Whether one more request of a peer would be too many to keep.
    pub(super) fn servers_full(&self) -> bool {
        self.servers.len() >= self.config.limits.server_transactions
    }

    /// Keeps a client transaction and sends its datagram.
    pub(super) fn start_client(
        &mut self,
        key: Key,
        transaction: ClientTransaction,
        out: &mut Outputs,
    ) {
        if let Some(datagram) = transaction.datagram.clone() {
            self.trace(transaction.traced(Party::Us, 0), out);
            self.transmit(transaction.peer, &datagram, out);
        }
        self.clients.insert(key, transaction);
        self.rearm_client(key);
    }

    /// Sends a request that is not INVITE.
    pub(super) fn start_plain(
        &mut self,
        now: Instant,
        method: &[u8],
        parts: Plain,
        out: &mut Outputs,
    ) {
        let key = self.client_key(&parts.branch, method);
        let transaction = ClientTransaction {
            machine: ClientMachine::Other(Client::new(now, parts.peer.transport)),
            branch: parts.branch,
            cseq: parts.cseq,
            peer: parts.peer,
            owner: parts.owner,
            datagram: Some(parts.bytes.into()),
            armed: None,
            invite: None,
        };
        self.start_client(key, transaction, out);
    }

    pub(super) fn rearm_client(&mut self, key: Key) {
        if let Some(transaction) = self.clients.get_mut(key) {
            let machine = &transaction.machine;
            let lingers = machine.lingers();
            let at = (machine.next_timeout(), lingers);
            rearm(&mut self.timers, &mut transaction.armed, at, Due::Client(key));
            if lingers {
                self.clients.linger(key);
            }
        }
    }

    /// Takes a request of a peer out of the table, with its timer.
    pub(super) fn forget_server(&mut self, key: Key) -> Option<Box<ServerTransaction>> {
        let transaction = self.servers.remove(&key)?;
        if let Some(handle) = transaction.armed {
            self.timers.cancel(handle);
        }
        Some(transaction)
    }

    /// Sends an answer of which nothing is kept, if what came from `source` pays for it.
    pub(super) fn transmit_unkept(
        &mut self,
        now: Instant,
        source: Hop,
        to: Hop,
        bytes: &Arc<[u8]>,
        out: &mut Outputs,
    ) {
        // Who answered a handshake is where it says.
        let proven = source.transport.is_reliable();
        if proven || self.sources.pays(now, &self.tokens, source.address.ip(), bytes.len()) {
            self.transmit(to, bytes, out);
        } else {
            self.counters.withheld_unpaid += 1;
        }
    }

    pub(super) fn rearm_server(&mut self, key: Key) {
        if let Some(transaction) = self.servers.get_mut(&key) {
            let at = match &transaction.machine {
                ServerMachine::Invite(machine) => (machine.next_timeout(), machine.lingers()),
                ServerMachine::Other(machine) => (machine.next_timeout(), machine.lingers()),
            };
            rearm(&mut self.timers, &mut transaction.armed, at, Due::Server(key));
        }
    }

    /// Runs one timer.
    pub(super) fn wake(&mut self, now: Instant, due: Due, out: &mut Outputs) {
        match due {
            Due::Client(key) => self.wake_client(now, key, out),
            Due::Server(key) => self.wake_server(now, key, out),
            Due::Ring(leg) => self.ring_timeout(now, leg, out),
            Due::Change(leg) => self.change_due(now, leg, out),
            Due::Session(leg) => self.session_due(now, leg, out),
            Due::Reliable(leg) => self.reliable_due(now, leg, out),
        }
    }

    fn wake_client(&mut self, now: Instant, key: Key, out: &mut Outputs) {
        let Some(transaction) = self.clients.get_mut(key) else { return };
        transaction.armed = None;
        match transaction.machine.expire(now) {
            Expired::Resend => {
                if let Some(datagram) = transaction.datagram.clone() {
                    let (peer, traced) = (transaction.peer, transaction.traced(Party::Us, 0));
                    self.trace(traced, out);
                    self.counters.retransmits_out += 1;
                    self.transmit(peer, &datagram, out);
                }
            }
            Expired::TimedOut => {
                let traced = transaction.traced_timer();
                self.trace(traced, out);
                self.counters.timeouts += 1;
                return self.give_up_client(now, key, out);
            }
            Expired::Over => {
                self.clients.remove(key);
                return;
            }
            Expired::Nothing | Expired::Trying | Expired::Unacknowledged => {}
        }
        self.rearm_client(key);
    }

    /// Ends a client transaction that will have no answer and tells its owner.
    pub(super) fn fail_client(
        &mut self,
        now: Instant,
        key: Key,
        failure: &Failure,
        out: &mut Outputs,
    ) {
        let Some(transaction) = self.clients.remove(key) else { return };
        if let Some(handle) = transaction.armed {
            self.timers.cancel(handle);
        }
        self.tell_unheard(now, transaction.owner, failure, out);
    }

    /// Tells the owner of a client transaction that no answer will come.
    pub(super) fn tell_unheard(
        &mut self,
        now: Instant,
        owner: Owner,
        failure: &Failure,
        out: &mut Outputs,
    ) {
        match owner {
            Owner::Leg(leg) => self.leg_unheard(now, leg, failure.clone(), out),
            Owner::Change(leg) => self.change_unheard(now, leg, out),
            Owner::Cancel(leg) => self.cancel_unheard(now, leg, out),
            Owner::Request(id) => self.request_done(now, id, Err(failure.clone()), out),
            // Without its PRACK the peer gives the call up by itself (RFC 3262 §3).
            Owner::Prack(_) | Owner::Nobody => {}
        }
    }

    fn wake_server(&mut self, now: Instant, key: Key, out: &mut Outputs) {
        let Some(transaction) = self.servers.get_mut(&key) else { return };
        transaction.armed = None;
        let expired = match &mut transaction.machine {
            ServerMachine::Invite(machine) => machine.expire(now),
            ServerMachine::Other(machine) => machine.expire(now),
        };
        match expired {
            Expired::Trying => return self.respond_plain(now, key, 100, out),
            Expired::Resend => {
                if let Some(datagram) = transaction.datagram.clone() {
                    let destination = transaction.head.destination;
                    self.counters.retransmits_out += 1;
                    self.transmit(destination, &datagram, out);
                }
            }
            Expired::Unacknowledged => {
                let leg = transaction.leg;
                self.servers.remove(&key);
                self.counters.unacknowledged += 1;
                if let Some(leg) = leg {
                    self.trace_timer(leg, Timer::H, out);
                    self.never_acknowledged(now, leg, key, out);
                }
                return;
            }
            Expired::Over | Expired::TimedOut => {
                self.servers.remove(&key);
                return;
            }
            Expired::Nothing => {}
        }
        self.rearm_server(key);
    }
}

/// A request that is not INVITE, ready to go.
pub(super) struct Plain {
    pub(super) branch: Box<[u8]>,
    pub(super) cseq: u32,
    pub(super) peer: Hop,
    pub(super) owner: Owner,
    pub(super) bytes: Vec<u8>,
}

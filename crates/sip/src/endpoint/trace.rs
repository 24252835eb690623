//! What a call's signalling was, message by message, for an owner that keeps its story. A trace
//! holds no text of a message: no number, credential, address or body can be in it.

use std::sync::Arc;

use super::table::{ClientMachine, ClientTransaction, Owner};
use super::{Endpoint, LegId, Outputs, Party};
use crate::message::{CSeq, Method, Name, Request};
use crate::transport::Hop;

/// Something that happened on a leg, and that no event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The leg.
    pub leg: LegId,
    /// What it was.
    pub sign: Sign,
}

/// A message on the wire, or the lack of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A message was sent or received. A repeated one is traced again.
    Message(Signal),
    /// A timer has fired.
    Timer(Timer),
}

/// What distinguishes a message from the others of its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Who sent it.
    pub from: Party,
    /// The method of the request, or of the request that a response answers.
    pub method: TracedMethod,
    /// The status code; 0 for a request.
    pub code: u16,
    /// The number of the CSeq field, which tells the transactions of a dialog apart.
    pub cseq: u32,
}

/// The methods that occur within calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TracedMethod {
    /// INVITE.
    Invite,
    /// ACK.
    Ack,
    /// CANCEL.
    Cancel,
    /// BYE.
    Bye,
    /// UPDATE (RFC 3311).
    Update,
    /// PRACK (RFC 3262).
    Prack,
    /// INFO (RFC 6086).
    Info,
    /// OPTIONS.
    Options,
    /// Any other.
    Other,
}

impl TracedMethod {
    /// All of them. Their order is kept on disk by others: new ones go to the end.
    pub const ALL: [Self; 9] = [
        Self::Invite,
        Self::Ack,
        Self::Cancel,
        Self::Bye,
        Self::Update,
        Self::Prack,
        Self::Info,
        Self::Options,
        Self::Other,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Cancel => "CANCEL",
            Self::Bye => "BYE",
            Self::Update => "UPDATE",
            Self::Prack => "PRACK",
            Self::Info => "INFO",
            Self::Options => "OPTIONS",
            Self::Other => "other request",
        }
    }
}

impl From<&Method> for TracedMethod {
    fn from(method: &Method) -> Self {
        match method {
            Method::Invite => Self::Invite,
            Method::Ack => Self::Ack,
            Method::Cancel => Self::Cancel,
            Method::Bye => Self::Bye,
            Method::Update => Self::Update,
            Method::Prack => Self::Prack,
            Method::Info => Self::Info,
            Method::Options => Self::Options,
            _ => Self::Other,
        }
    }
}

/// Timers whose firing changes a call. Those that only repeat a message are told by its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Nobody answered our INVITE within 64·T1: timer B (RFC 3261 §17.1.1.2), or as long after a
    /// CANCEL (§9.1).
    B,
    /// Nobody answered another request of ours within 64·T1: timer F (§17.1.2.2).
    F,
    /// Nobody acknowledged our final response within 64·T1: timer H (§17.2.1).
    H,
    /// The ring timeout of the call's owner.
    Ring,
    /// The session was not refreshed (RFC 4028 §10).
    Session,
}

/// A request of a peer, as its responses are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    method: TracedMethod,
    cseq: u32,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let value = request.headers.get(Name::CSeq).unwrap_or_default();
        let cseq = CSeq::parse(value).map_or(0, |cseq| cseq.number);
        Self { method: TracedMethod::from(&request.method), cseq }
    }

    fn signal(self, from: Party, code: u16) -> Sign {
        Sign::Message(Signal { from, method: self.method, code, cseq: self.cseq })
    }
}

impl Owner {
    fn leg(self) -> Option<LegId> {
        match self {
            Self::Leg(leg) | Self::Change(leg) | Self::Prack(leg) | Self::Cancel(leg) => Some(leg),
            Self::Request(_) | Self::Nobody => None,
        }
    }
}

impl ClientTransaction {
    /// A message of this transaction, when it belongs to a leg: a request of ours (code 0), or a
    /// response to it.
    pub(super) fn traced(&self, from: Party, code: u16) -> Option<Trace> {
        let method = match (&self.machine, self.owner) {
            (ClientMachine::Invite(_), _) => TracedMethod::Invite,
            (ClientMachine::Other(_), Owner::Leg(_)) => TracedMethod::Bye,
            (ClientMachine::Other(_), Owner::Change(_)) => TracedMethod::Update,
            (ClientMachine::Other(_), Owner::Prack(_)) => TracedMethod::Prack,
            (ClientMachine::Other(_), Owner::Cancel(_)) => TracedMethod::Cancel,
            (ClientMachine::Other(_), Owner::Request(_) | Owner::Nobody) => return None,
        };
        let sign = Sign::Message(Signal { from, method, code, cseq: self.cseq });
        Some(Trace { leg: self.owner.leg()?, sign })
    }

    /// The ACK of this transaction, when it belongs to a leg.
    pub(super) fn traced_ack(&self) -> Option<Trace> {
        let ack = Asked { method: TracedMethod::Ack, cseq: self.cseq };
        Some(Trace { leg: self.owner.leg()?, sign: ack.signal(Party::Us, 0) })
    }

    /// Its last timer, when it belongs to a leg.
    pub(super) fn traced_timer(&self) -> Option<Trace> {
        let timer = match self.machine {
            ClientMachine::Invite(_) => Timer::B,
            ClientMachine::Other(_) => Timer::F,
        };
        Some(Trace { leg: self.owner.leg()?, sign: Sign::Timer(timer) })
    }
}

impl Endpoint {
    /// Appends [`Outputs::traces`] from now on. Without it nothing is traced.
    pub fn trace_calls(&mut self) {
        self.traces = true;
    }

    pub(super) fn trace(&self, trace: Option<Trace>, out: &mut Outputs) {
        if self.traces {
            out.traces.extend(trace);
        }
    }

    /// Sends an ACK.
    pub(super) fn transmit_ack(
        &mut self,
        traced: Option<Trace>,
        to: Hop,
        ack: &Arc<[u8]>,
        out: &mut Outputs,
    ) {
        self.trace(traced, out);
        self.transmit(to, ack, out);
    }

    /// A request of a peer within a call.
    pub(super) fn trace_request(&self, leg: Option<LegId>, request: &Request, out: &mut Outputs) {
        if let (true, Some(leg)) = (self.traces, leg) {
            out.traces.push(Trace { leg, sign: Asked::of(request).signal(Party::Peer, 0) });
        }
    }

    /// A response of ours within a call.
    pub(super) fn trace_reply(
        &self,
        leg: Option<LegId>,
        asked: Asked,
        code: u16,
        out: &mut Outputs,
    ) {
        if let (true, Some(leg)) = (self.traces, leg) {
            out.traces.push(Trace { leg, sign: asked.signal(Party::Us, code) });
        }
    }

    pub(super) fn trace_timer(&self, leg: LegId, timer: Timer, out: &mut Outputs) {
        self.trace(Some(Trace { leg, sign: Sign::Timer(timer) }), out);
    }
}

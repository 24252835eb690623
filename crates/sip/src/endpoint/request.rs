//! Requests of ours outside of dialogs, and replies to the peers' ones.

use std::sync::Arc;
use std::time::Instant;

use super::caller::{authorization, with_tag};
use super::compose::Head;
use super::table::{Owner, Plain, ServerMachine, ServerTransaction};
use super::{
    Endpoint, Event, Failure, Full, OutOfDialog, Outputs, Reply, RequestId, ServerRequest,
};
use crate::digest::{Answers, Session};
use crate::message::{Method, Name, NameAddr, Response};
use crate::token::Key;
use crate::transport::Hop;

/// A request of ours that waits for its final response.
pub(super) struct Pending {
    request: OutOfDialog,
    call_id: Vec<u8>,
    from: Box<[u8]>,
    to: Vec<u8>,
    session: Option<Session>,
    answers: Answers,
}

fn belongs_to_calls(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Ack | Method::Cancel | Method::Bye)
}

impl Endpoint {
    /// Begins a request; see [`Endpoint::request`].
    pub(super) fn ask(
        &mut self,
        now: Instant,
        mut request: OutOfDialog,
        out: &mut Outputs,
    ) -> Result<RequestId, Full> {
        assert!(!belongs_to_calls(&request.method), "calls are made with invite");
        if self.clients_full() {
            return Err(Full::Transactions);
        }
        let call_id = request.call_id.take().map_or_else(
            || self.tokens.next().to_vec(),
            |given| given.bytes().filter(|b| !b.is_ascii_whitespace()).collect(),
        );
        let from = with_tag(&request.from, &self.tokens.next());
        let mut to = Vec::new();
        NameAddr { params: Vec::new(), ..request.to.clone() }.write(&mut to);
        let session = request.credentials.take().map(Session::new);
        let answers = Answers::default();
        let id = RequestId(self.next_id());
        self.requests.insert(id, Pending { request, call_id, from, to, session, answers });
        self.send_request(now, id, out);
        Ok(id)
    }

    fn send_request(&mut self, now: Instant, id: RequestId, out: &mut Outputs) {
        let (branch, cnonce) = (self.tokens.branch(), self.tokens.next());
        let Some(pending) = self.requests.get_mut(&id) else { return };
        let request = &pending.request;
        let method = request.method.as_bytes().to_vec();
        let transport = request.uri.transport().unwrap_or_default();
        let peer = Hop { transport, address: request.destination };
        let cseq = request.cseq.saturating_add(u32::from(pending.answers.tries));
        let mut writer = self.composer.request(&Head {
            method: &method,
            uri: request.uri.as_bytes(),
            branch: &branch,
            routes: &[],
            from: &pending.from,
            to: &pending.to,
            call_id: &pending.call_id,
            cseq,
            peer,
        });
        writer.fields(&request.headers);
        let session = pending.session.as_mut();
        let uri = request.uri.as_bytes();
        writer.raw(&[&authorization(session, &method, uri, &request.body, &cnonce)]);
        let bytes = writer.finish(&request.body);
        let plain = Plain { branch, cseq, peer, owner: Owner::Request(id), bytes };
        self.start_plain(now, &method, plain, out);
    }

    /// The final response, or why there is none.
    pub(super) fn request_done(
        &mut self,
        now: Instant,
        id: RequestId,
        result: Result<Response, Failure>,
        out: &mut Outputs,
    ) {
        let Some(pending) = self.requests.get_mut(&id) else { return };
        if let (Ok(response), Some(session)) = (&result, &mut pending.session)
            && session.challenged(response, &mut pending.answers)
        {
            self.counters.challenges += 1;
            self.send_request(now, id, out);
            return;
        }
        self.requests.remove(&id);
        out.events.push(Event::Response { id, result });
    }

    /// Answers a peer's request; see [`Endpoint::reply`].
    pub(super) fn respond_request(
        &mut self,
        now: Instant,
        id: ServerRequest,
        reply: &Reply,
        out: &mut Outputs,
    ) {
        let key = Key(id.0);
        let Some(transaction) = self.servers.get(&key) else { return };
        let waiting = match &transaction.machine {
            ServerMachine::Other(machine) => machine.is_waiting(),
            ServerMachine::Invite(_) => false,
        };
        if !waiting || !(200..700).contains(&reply.code) {
            return;
        }
        let mut writer = self.composer.response(&transaction.head, reply.code, &reply.reason);
        if reply.code < 300 && reply.headers.get(Name::Allow).is_none() {
            writer.field(Name::Allow, self.composer.allow);
        }
        writer.fields(&reply.headers);
        let bytes = writer.finish(&reply.body);
        if reply.keep || transaction.leg.is_some() {
            return self.respond(now, key, reply.code, bytes, out);
        }
        let Some(ServerTransaction { head, .. }) = self.forget_server(key).map(|kept| *kept) else {
            return;
        };
        self.transmit_unkept(now, head.source, head.destination, &bytes.into(), out);
    }

    /// Sends a response and keeps it for repeats of the request.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        key: Key,
        code: u16,
        bytes: impl Into<Arc<[u8]>>,
        out: &mut Outputs,
    ) {
        let Some(transaction) = self.servers.get_mut(&key) else { return };
        let datagram: Arc<[u8]> = bytes.into();
        transaction.datagram = Some(Arc::clone(&datagram));
        match &mut transaction.machine {
            ServerMachine::Invite(machine) => machine.responded(now, code),
            ServerMachine::Other(machine) => machine.responded(now),
        }
        let destination = transaction.head.destination;
        let (leg, asked) = (transaction.leg, transaction.head.asked);
        self.trace_reply(leg, asked, code, out);
        self.transmit(destination, &datagram, out);
        self.rearm_server(key);
    }

    /// Sends a response without body.
    pub(super) fn respond_plain(&mut self, now: Instant, key: Key, code: u16, out: &mut Outputs) {
        let Some(transaction) = self.servers.get(&key) else { return };
        let writer = self.composer.response(&transaction.head, code, "");
        self.respond(now, key, code, writer.finish(b""), out);
    }
}

//! Ends calls of a former life of this program, of which only what was written down is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::caller::with_tag;
use super::leg::{Calling, Former, Leg, Outcome, State, Why};
use super::table::{Acknowledging, ClientMachine, ClientTransaction, Owner};
use super::{
    Abandoned, Endpoint, Event, Failure, Full, LastWord, LegId, Outputs, Party, Reason, Stage,
};
use crate::dialog::{Dialog, Origin};
use crate::digest::{Answers, Credentials, Session};
use crate::limits::MAX_INVITES;
use crate::message::{Headers, header};
use crate::transaction::{ClientInvite, T2};
use crate::transport::Hop;

/// How long an answer is waited for of a peer that does not know the INVITE to cancel: one that has
/// answered has forgotten the transaction (§13.3.1.4) and repeats its 200 after at most T2; one of
/// them may be lost.
const ANSWER_MAY_COME: Duration = T2.saturating_mul(2);

/// Q.850 cause 41, temporary failure: what the peer's records say of a call that we lost.
const LOST: Reason = Reason { q850: 41 };

/// An abandoned call that is being ended.
pub(super) struct Ending {
    /// Legs that are still being ended.
    left: u8,
    /// What the peer said of each so far, at least.
    word: LastWord,
}

impl Endpoint {
    /// See [`Endpoint::abandon`].
    pub(super) fn end_abandoned(
        &mut self,
        now: Instant,
        abandoned: Abandoned,
        out: &mut Outputs,
    ) -> Result<(), Full> {
        let tries = match &abandoned.stage {
            Stage::Calling { tries, .. } => (*tries).clamp(1, MAX_INVITES),
            Stage::Answered(_) => 1,
        };
        if self.legs.len() + usize::from(tries) > self.config.limits.legs {
            return Err(Full::Legs);
        }
        if self.clients_full() {
            return Err(Full::Transactions);
        }
        let token = abandoned.token;
        if self.abandons.contains_key(&token) {
            return Err(Full::Taken);
        }
        match abandoned.stage {
            Stage::Answered(snapshot) => {
                let Some(dialog) = Dialog::restored(&snapshot) else {
                    // Nothing usable was written down: there is nobody to tell.
                    out.events.push(Event::AbandonDone { token, word: LastWord::Silent });
                    return Ok(());
                };
                let id = self.add_abandoned(token, dialog, State::Up)?;
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.session = abandoned.credentials.map(Session::new);
                }
                self.abandons.insert(token, Ending { left: 1, word: LastWord::Unanswered });
                let outcome = Outcome::Ended(Party::Us, Some(LOST.q850));
                self.bye(now, id, outcome, Some(LOST), Answers::default(), out);
            }
            stage @ Stage::Calling { .. } => {
                let credentials = abandoned.credentials;
                self.cancel_tries(now, (token, credentials), stage, tries, out)?;
            }
        }
        Ok(())
    }

    fn add_abandoned(&mut self, token: u64, dialog: Dialog, state: State) -> Result<LegId, Full> {
        let origin = &dialog.origin;
        // Several tries share Call-ID and tag: the first stands in the index.
        let key = self.dialog_key(&origin.call_id, &origin.local_tag);
        let ours = |leg: &LegId| self.legs.get(leg).is_some_and(|l| l.is_of_former(token));
        let indexed = self.dialogs.get(&key).copied();
        if indexed.is_some_and(|leg| !ours(&leg)) {
            return Err(Full::Taken);
        }
        let mut leg = Leg::new(dialog, state);
        leg.abandoned = Some(Former { token, word: LastWord::Silent, in_force: false });
        let id = self.add_leg(key, leg);
        self.dialogs.insert(key, indexed.unwrap_or(id));
        Ok(id)
    }

    /// Cancels each INVITE that may have been sent, as if it had just been heard of.
    fn cancel_tries(
        &mut self,
        now: Instant,
        (token, credentials): (u64, Option<Credentials>),
        stage: Stage,
        tries: u8,
        out: &mut Outputs,
    ) -> Result<(), Full> {
        let Stage::Calling {
            destination,
            symmetric,
            request_uri,
            from,
            to,
            call_id,
            local_tag,
            branch,
            ..
        } = stage
        else {
            return Ok(());
        };
        let is_token = |text: &str| header::is_token(text.as_bytes());
        if !is_token(&local_tag) || !is_token(&branch) {
            out.events.push(Event::AbandonDone { token, word: LastWord::Silent });
            return Ok(());
        }
        let mut remote = Vec::new();
        to.write(&mut remote);
        let origin = Arc::new(Origin {
            call_id: call_id.bytes().filter(|b| !b.is_ascii_whitespace()).collect(),
            local: with_tag(&from, local_tag.as_bytes()),
            local_tag: local_tag.as_bytes().into(),
            remote: remote.into(),
            destination: Hop {
                transport: request_uri.transport().unwrap_or_default(),
                address: destination,
            },
            request_uri,
            symmetric,
            contact: Box::default(),
        });
        let mut legs = Vec::with_capacity(usize::from(tries));
        for number in 0..tries {
            let leg = self.resume(now, token, &origin, branch.as_bytes(), number, out);
            match leg {
                Ok(leg) => legs.push(leg),
                Err(full) if legs.is_empty() => return Err(full),
                // A later branch is in use by a call of this life: that one is not ours to end.
                Err(_) => break,
            }
        }
        let left = u8::try_from(legs.len()).expect("at most MAX_INVITES");
        // What could not be cancelled is not known to be over.
        let word = if left == tries { LastWord::Unanswered } else { LastWord::Silent };
        self.abandons.insert(token, Ending { left, word });
        for leg in legs {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.session = credentials.clone().map(Session::new);
            }
            self.send_cancel(now, leg, out);
        }
        Ok(())
    }

    /// Sets up leg and transaction of one former INVITE as they were after a 1xx.
    fn resume(
        &mut self,
        now: Instant,
        token: u64,
        origin: &Arc<Origin>,
        first_branch: &[u8],
        number: u8,
        out: &mut Outputs,
    ) -> Result<LegId, Full> {
        let branch: Box<[u8]> = match number {
            0 => first_branch.into(),
            _ => [first_branch, &[b'.', b'1' + number]].concat().into(),
        };
        let key = self.client_key(&branch, b"INVITE");
        if self.clients.contains_key(key) {
            return Err(Full::Taken);
        }
        let calling = Calling {
            transaction: key,
            branch: branch.clone(),
            first_branch: first_branch.into(),
            answers: Answers::default(),
            tries: number,
            min_se_s: 0,
            earlies: Vec::new(),
            provisional: true,
            cancel: Some(Why::Owner(Some(LOST))),
            cancel_sent: false,
            early_bye: None,
            sdp: Vec::new(),
            headers: Headers::new(),
        };
        let cseq = u32::from(number) + 1;
        let dialog = Dialog::unanswered(Arc::clone(origin), cseq);
        let id = self.add_abandoned(token, dialog, State::Calling(Box::new(calling)))?;
        let transaction = ClientTransaction {
            machine: ClientMachine::Invite(ClientInvite::resumed(
                now,
                origin.destination.transport,
            )),
            branch,
            cseq,
            peer: origin.destination,
            owner: Owner::Leg(id),
            datagram: None,
            armed: None,
            invite: Some(Acknowledging {
                origin: Arc::clone(origin),
                authorization: Vec::new(),
                acks: Vec::new(),
                within: None,
            }),
        };
        self.start_client(key, transaction, out);
        Ok(id)
    }

    /// The peer does not know the INVITE that was cancelled. Nothing more is to be expected of an
    /// abandoned one, but an answer that is on its way: then it is hung up.
    pub(super) fn not_there(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (Some(former), State::Calling(calling)) = (&mut leg.abandoned, &leg.state) else {
            return;
        };
        former.word = LastWord::Unknown;
        let key = calling.transaction;
        if let Some(transaction) = self.clients.get_mut(key)
            && let ClientMachine::Invite(machine) = &mut transaction.machine
        {
            machine.give_up_by(now + ANSWER_MAY_COME);
            self.rearm_client(key);
        }
    }

    /// The peer has said what became of a leg, and maybe that it was the one in force.
    pub(super) fn confirm(&mut self, id: LegId, word: LastWord, in_force: bool) {
        if let Some(former) = self.legs.get_mut(&id).and_then(|leg| leg.abandoned.as_mut()) {
            former.word = former.word.max(word);
            former.in_force |= in_force && word > LastWord::Silent;
        }
    }

    /// A CANCEL was refused or timed out. For a call of our own the INVITE's transaction says
    /// what follows; of an abandoned one nothing more is to be expected.
    pub(super) fn cancel_unheard(&mut self, now: Instant, id: LegId, out: &mut Outputs) {
        if self
            .legs
            .get(&id)
            .is_some_and(|leg| leg.abandoned.is_some() && matches!(leg.state, State::Calling(_)))
        {
            self.finish(now, id, Outcome::Failed(Failure::Cancelled), out);
        }
    }

    /// One leg of an abandoned call is over, for us at least. Where it was the one in force the
    /// call is, whatever becomes of the others: a proxy drops the CANCEL of what never was.
    pub(super) fn abandon_done(&mut self, former: Former, out: &mut Outputs) {
        let Former { token, word, in_force } = former;
        let Some(ending) = self.abandons.get_mut(&token) else { return };
        ending.left -= 1;
        ending.word = ending.word.min(word);
        if ending.left == 0 || in_force {
            let word = if in_force { word } else { ending.word };
            self.abandons.remove(&token);
            out.events.push(Event::AbandonDone { token, word });
        }
    }
}

/// What the answer to a BYE says of the call: it is over, or whoever is left of it is not there:
/// those codes end a dialog, or the session in it (§15.1.1, RFC 5057 §5.1). Others say nothing.
pub(super) fn word_of_bye(code: u16) -> LastWord {
    match code {
        200..300 => LastWord::HungUp,
        404 | 408 | 410 | 480 | 481 | 484 | 485 | 604 => LastWord::Unknown,
        _ => LastWord::Silent,
    }
}

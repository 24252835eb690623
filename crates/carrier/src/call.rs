//! One call: what is to be done next and when, and its media line.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use media::sdp::{self, Negotiated, Refusal};
use media::telephone_event::Key;

use crate::config::Limits;
use crate::ear::Ear;
use crate::io::PortSlot;
use crate::numbers::{Behaviour, KEY_AFTER_MS, Then};
use crate::voice::{Sound, Voice};

/// After our own BYE the endpoint takes at most 32 s to be done; this is well above.
const HANGING_UP: Duration = Duration::from_secs(64);

/// What to do when a call's time comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Answer,
    Refuse { code: u16, q850: Option<u8>, retry_after_seconds: Option<u32> },
    Press(Key),
    HangUp,
}

/// A call that was let in.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: String,
    pub(crate) sip_call_id: Vec<u8>,
    pub(crate) behaviour: Behaviour,
    /// The media; `None` for calls that will not be answered.
    pub(crate) line: Option<Line>,
    pub(crate) answered_at: Option<Instant>,
    pub(crate) step: Option<(Instant, Step)>,
    /// When to look whether the call is still worth keeping.
    pub(crate) watch_at: Instant,
    /// The time under which the call stands in the carrier's timers.
    pub(crate) timer: Option<Instant>,
}

impl Call {
    pub(crate) fn new(
        now: Instant,
        number: String,
        sip_call_id: Vec<u8>,
        behaviour: Behaviour,
        limits: &Limits,
    ) -> Self {
        let step = match behaviour.then {
            Then::Silence | Then::RingOn => None,
            Then::Refuse { after_ms, code, q850, retry_after_seconds } => {
                Some((after(now, after_ms), Step::Refuse { code, q850, retry_after_seconds }))
            }
            Then::Answer { after_ms, .. } => Some((after(now, after_ms), Step::Answer)),
        };
        Self {
            number,
            sip_call_id,
            behaviour,
            line: None,
            answered_at: None,
            step,
            watch_at: after(now, limits.ringing_ms),
            timer: None,
        }
    }

    /// The step that is due at `now`, taken out.
    pub(crate) fn take_step(&mut self, now: Instant) -> Option<Step> {
        self.step.take_if(|(at, _)| *at <= now).map(|(_, step)| step)
    }

    /// The 200 goes out: plans what comes after it.
    pub(crate) fn answer(&mut self, now: Instant, limits: &Limits) {
        self.answered_at = Some(now);
        self.watch_at = after(now, limits.silence_ms.min(limits.call_ms));
        if let Then::Answer { key: Some(key), .. } = self.behaviour.then {
            self.step = Some((after(now, KEY_AFTER_MS), Step::Press(key)));
        } else {
            self.plan_end();
        }
        if let Some(line) = &mut self.line {
            line.ear.answered(now);
            let codec = line.negotiated.map(|agreed| agreed.codec);
            if let Some(voice) = &mut line.voice {
                voice.say(codec.and_then(|codec| Sound::answer(self.behaviour.says, codec)));
            }
        }
    }

    /// Plans when we hang up, if we are to.
    pub(crate) fn plan_end(&mut self) {
        if let (Then::Answer { hang_up_after_ms: Some(after_ms), .. }, Some(answered_at)) =
            (self.behaviour.then, self.answered_at)
        {
            self.step = Some((after(answered_at, after_ms), Step::HangUp));
        }
    }

    /// Our BYE goes out: nothing is left to do but to wait for its end.
    pub(crate) fn hang_up(&mut self, now: Instant) {
        self.step = None;
        self.watch_at = now + HANGING_UP;
        if let Some(line) = &mut self.line {
            line.voice = None;
        }
    }

    /// Whether the call has outlived its limits; if not, sets when to look again.
    pub(crate) fn is_over(&mut self, now: Instant, limits: &Limits) -> bool {
        let Some(answered_at) = self.answered_at else { return true };
        let mut until = after(answered_at, limits.call_ms);
        // Somebody who holds us or is held may be silent for long.
        if let Some(line) = self.line.as_ref().filter(|line| line.expects_audio()) {
            let last = line.ear.last_heard_at().unwrap_or(answered_at);
            until = until.min(after(last, limits.silence_ms));
        }
        self.watch_at = until.max(now);
        until <= now
    }

    /// When this call wants to be looked at.
    pub(crate) fn due_at(&self) -> Instant {
        let voice = self.line.as_ref().and_then(Line::voice_at);
        let step = self.step.map(|(at, _)| at);
        [voice, step].into_iter().flatten().fold(self.watch_at, Instant::min)
    }
}

/// The media of a call.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) slot: PortSlot,
    pub(crate) local: sdp::Local,
    /// `None` until the caller has answered our offer, when its INVITE had none.
    pub(crate) negotiated: Option<Negotiated>,
    /// Our last description: an answer, or an offer when the INVITE had none.
    pub(crate) description: Vec<u8>,
    /// Where the INVITE came from: its media may come from there, whatever it says.
    pub(crate) sip_source: IpAddr,
    pub(crate) ear: Ear,
    pub(crate) voice: Option<Voice>,
}

impl Line {
    /// Answers an offer of the caller, or makes one when there is none. The description is ours
    /// to send then.
    pub(crate) fn describe(&mut self, offer: Option<&[u8]>) -> Result<(), Refusal> {
        if let Some(offer) = offer {
            let (negotiated, answer) = sdp::answer_offer(&self.local, offer)?;
            self.negotiated = Some(negotiated);
            self.description = answer;
        } else {
            self.description = self.local.print_offer();
        }
        self.local.session_version = self.local.session_version.wrapping_add(1);
        Ok(())
    }

    /// Takes a datagram that came to our port.
    pub(crate) fn hear(
        &mut self,
        now: Instant,
        source: SocketAddr,
        bytes: &[u8],
        room: &mut usize,
    ) {
        match &self.negotiated {
            Some(agreed) if [agreed.remote.ip(), self.sip_source].contains(&source.ip()) => {
                self.ear.receive(now, source, bytes, agreed, room);
            }
            _ => self.ear.refuse(),
        }
    }

    /// When the voice has something to say, if it may speak.
    fn voice_at(&self) -> Option<Instant> {
        self.voice.as_ref().filter(|_| self.may_speak()).map(Voice::next_at)
    }

    /// The packet that is due, and where it goes.
    pub(crate) fn speak(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        self.voice_at().filter(|at| *at <= now)?;
        let negotiated = self.negotiated.as_ref()?;
        let bytes = self.voice.as_mut()?.packet(now, negotiated);
        Some((negotiated.remote, bytes))
    }

    fn may_speak(&self) -> bool {
        self.negotiated
            .is_some_and(|agreed| agreed.direction.sends() && !agreed.remote.ip().is_unspecified())
    }

    fn expects_audio(&self) -> bool {
        self.negotiated.is_none_or(|agreed| agreed.direction == sdp::Direction::SendRecv)
    }
}

pub(crate) fn after(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

//! One call from `Start` to its outcome: what SIP, the wheel, RTP and the deadlines mean to it.
//!
//! ```text
//! Calling ──answered──▶ Up ──script over, hang-up──▶ Closing ──leg gone──▶ Over
//!    │                   └──peer hung up───────────────────────────────────▲
//!    ├──failed─────────────────────────────────────────────────────────────┤
//!    └──hang-up──▶ Closing ──leg gone, or deadline─────────────────────────┘
//!
//! Answering ──ACK──▶ Up: a call that came in begins in the middle.
//! ```
//!
//! A call in `Closing` has its outcome fixed; it waits until the peer knows, so that a trunk's
//! channels are not counted free too early. The hard deadline ends that wait too.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::SAMPLE_RATE_HZ;
use media::detect::answering_machine::Verdict;
use media::detect::progress::Progress;
use media::sdp::{self, Negotiated};
use media::srtp::SrtpReceiver;
use media::telephone_event::{Key, KeyReceiver};
use sip::{DialogSnapshot, Endpoint, Failure, LegId, Party, Reason, Sign, Trace};

use crate::counters::Counters;
use crate::demux::{Counted, Demux};
use crate::derive::MediaNumbers;
use crate::io::{CallKey, Clip, Event, Recorded, RtcpTransmit};
use crate::keys::Keys;
use crate::ladder::{Ladder, Turn};
use crate::limits::MAX_CALL_MS;
use crate::outcome::{Cause, Outcome, RtpSummary, Timeline, bounded_reason};
use crate::place::{Cue, Place};
use crate::playout::{Playing, Wheel};
use crate::script::Script;

mod bridge;
mod ears;
mod latch;
mod offers;
mod playing;
mod reports;
mod traffic;

use bridge::Bridge;
pub(crate) use bridge::Errand;
use ears::Ears;
use latch::Latch;
pub(crate) use playing::KeySource;
use playing::Sound;
use reports::Reports;
use traffic::Oddities;
pub(crate) use traffic::reachable;

/// 180 Ringing.
const RINGING: u16 = 180;
/// "Normal call clearing" (Q.850).
const Q850_NORMAL: u8 = 16;
/// "Recovery on timer expiry" (Q.850).
const Q850_TIMER: u8 = 102;

/// What all calls share.
pub(crate) struct Wires {
    pub(crate) sip: Endpoint,
    pub(crate) sip_out: sip::Outputs,
    pub(crate) wheel: Wheel,
    pub(crate) demux: Demux,
    /// Of each port.
    pub(crate) sound: Vec<PortSound>,
    pub(crate) counters: Counters,
    pub(crate) events: Vec<Event>,
    /// A clip without a frame: what plays when nothing does.
    pub(crate) silence: Arc<Clip>,
    pub(crate) recorded: Vec<Recorded>,
    pub(crate) rtcp: Vec<RtcpTransmit>,
    /// A clip of one silent frame: what plays while a partner says nothing.
    pub(crate) pause: Arc<Clip>,
    /// What calls have for each other; run after the call was touched.
    pub(crate) errands: VecDeque<Errand>,
    /// Room for what a place says, kept between uses.
    pub(crate) cues: Vec<Cue>,
}

/// Whether the sound that comes to a port is thrown away before it gets here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PortSound {
    pub(crate) drops: bool,
    /// How often that began.
    pub(crate) times: u32,
}

impl PortSound {
    /// Whether everything came since it had begun so many times.
    fn is_whole_since(self, times: u32) -> bool {
        !self.drops && self.times == times
    }
}

/// What a call is to do.
pub(crate) struct Plan {
    pub(crate) key: CallKey,
    pub(crate) script: Arc<Script>,
    pub(crate) max_duration_ms: u32,
    /// Where a peer may be that is followed to where its sound comes from: the host that it signals
    /// from, besides the one that it describes.
    pub(crate) may_be_at: Option<IpAddr>,
}

/// Our end of a call's media.
pub(crate) struct MediaEnd {
    pub(crate) port_slot: u8,
    /// [`PortSound::times`] when the call began.
    pub(crate) dropped_before: u32,
    pub(crate) numbers: MediaNumbers,
    pub(crate) local: sdp::Local,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Calling,
    /// It came in and was answered; the ACK is still to come.
    Answering,
    Up,
    Closing(Cause),
    Over(Cause),
}

/// Where the sound is sent from.
#[derive(Debug)]
enum Audio {
    /// Not yet, or not any more.
    Silent,
    /// On a tick of the wheel.
    OnWheel { tick: u8 },
    /// Off the wheel while the peer holds the call.
    Held(Playing),
}

/// One call.
pub(crate) struct Call {
    key: CallKey,
    script: Arc<Script>,
    leg: LegId,
    phase: Phase,
    place: Place,
    started_at: Instant,
    ends_by: Instant,
    port_slot: u8,
    dropped_before: u32,
    numbers: MediaNumbers,
    local: sdp::Local,
    agreed: Option<Negotiated>,
    /// [`Event::Ringing`] was told.
    rang: bool,
    /// The last description of a provisional response, for a 200 that repeats none.
    early_sdp: Option<Box<[u8]>>,
    /// Our 200 held an offer; the answer comes with the ACK.
    awaits_answer: bool,
    /// What we agreed on with an answer of ours before the call is up: in the 200 to a call that
    /// came in, which counts from the ACK on, or to an UPDATE of a callee that rings.
    answered_with: Option<Box<Negotiated>>,
    audio: Audio,
    sound: Sound,
    /// Only where the script has something to listen for.
    ears: Option<Box<Ears>>,
    /// Only while its script has another leg.
    bridge: Option<Box<Bridge>>,
    answered_by: Option<Verdict>,
    early_media: Option<Progress>,
    /// What counts the peer's sound; elsewhere while it is only counted.
    counted: Option<Box<Counted>>,
    /// What both sides tell each other of the sound, once it is sent.
    reports: Option<Box<Reports>>,
    /// Opens the packets of a peer that encrypts them.
    opener: Option<Box<SrtpReceiver>>,
    /// For a peer that may be behind NAT.
    latch: Option<Box<Latch>>,
    key_receiver: KeyReceiver,
    keys: Keys,
    last_key: Option<(char, KeySource, Instant)>,
    timeline: Timeline,
    rtp: Oddities,
    sip_code: Option<u16>,
    sip_reason: Option<Box<str>>,
    q850: Option<u8>,
    retry_after_s: Option<u32>,
    ladder: Ladder,
}

const _: () = assert!(size_of::<Call>() <= 928, "what a call costs beside its SIP leg");

impl Call {
    /// A call whose INVITE is about to leave on `leg`.
    pub(crate) fn new(now: Instant, plan: Plan, leg: LegId, media: MediaEnd) -> Self {
        let latch = plan.may_be_at.map(|ip| Box::new(Latch::new(ip)));
        let longest = Duration::from_millis(plan.max_duration_ms.min(MAX_CALL_MS).into());
        Self {
            key: plan.key,
            place: Place::new(Arc::clone(&plan.script)),
            script: plan.script,
            leg,
            phase: Phase::Calling,
            started_at: now,
            ends_by: now + longest,
            port_slot: media.port_slot,
            dropped_before: media.dropped_before,
            numbers: media.numbers,
            local: media.local,
            agreed: None,
            rang: false,
            early_sdp: None,
            awaits_answer: false,
            answered_with: None,
            audio: Audio::Silent,
            sound: Sound::default(),
            ears: None,
            bridge: None,
            answered_by: None,
            early_media: None,
            counted: None,
            reports: None,
            opener: None,
            latch,
            key_receiver: KeyReceiver::new(),
            keys: Keys::default(),
            last_key: None,
            timeline: Timeline { invite_us: Some(0), ..Timeline::default() },
            rtp: Oddities::default(),
            sip_code: None,
            sip_reason: None,
            q850: None,
            retry_after_s: None,
            ladder: Ladder::default(),
        }
    }

    /// A call that came in on `leg` and is answered now: `agreed` is what our 200 says, `None`
    /// when that holds an offer.
    pub(crate) fn answering(
        now: Instant,
        plan: Plan,
        leg: LegId,
        media: MediaEnd,
        agreed: Option<Negotiated>,
    ) -> Self {
        Self {
            phase: Phase::Answering,
            awaits_answer: agreed.is_none(),
            answered_with: agreed.map(Box::new),
            timeline: Timeline::default(),
            sip_code: Some(200),
            ..Self::new(now, plan, leg, media)
        }
    }

    pub(crate) fn leg(&self) -> LegId {
        self.leg
    }

    pub(crate) fn port_slot(&self) -> u8 {
        self.port_slot
    }

    fn key(&self) -> CallKey {
        self.key
    }

    /// When [`Call::due`] wants to be called.
    pub(crate) fn deadline(&self) -> Instant {
        if self.phase != Phase::Up {
            return self.ends_by;
        }
        let reports = self.reports.as_ref().map(|reports| reports.next_at());
        let due = [self.place.due_at(), self.unheard_at(), reports].into_iter().flatten();
        due.fold(self.ends_by, Instant::min)
    }

    /// The final record, once the call is over. To be asked for once.
    pub(crate) fn outcome(&mut self, now: Instant, wires: &Wires) -> Option<Outcome> {
        let Phase::Over(cause) = self.phase else { return None };
        self.turn(now, Turn::Ended);
        let clip_ms = self.script.subject_ms();
        let heard_ms = self.sound.heard_ms().min(clip_ms);
        let report = self.receiver().report();
        let known = self.all_sound_came(wires);
        let answered = self.timeline.answered_us.is_some();
        let jitter = u64::from(report.jitter_samples);
        let jitter_us = jitter * 1_000_000 / u64::from(SAMPLE_RATE_HZ);
        Some(Outcome {
            cause,
            sip_code: self.sip_code,
            sip_reason: self.sip_reason.take().map(String::from),
            q850: self.q850,
            retry_after_s: self.retry_after_s,
            answered,
            heard_ms,
            clip_ms,
            heard_to_end: answered && heard_ms >= clip_ms,
            keys: self.keys,
            vote: self.place.vote(),
            answered_by: self.answered_by,
            early_media: self.early_media,
            timeline: self.timeline,
            rtp: RtpSummary {
                sent: self.sound.sent,
                received: saturated(report.received),
                lost: known.then(|| saturated(report.lost)),
                jitter_us: known.then(|| saturated(jitter_us)),
                peer: self.reports.as_ref().and_then(|reports| reports.peer_view()),
                refused: self.rtp.refused,
                strangers: self.rtp.strangers,
                ambiguous: self.rtp.ambiguous,
            },
            codec: self.agreed.map(|agreed| agreed.codec),
            ladder: std::mem::take(&mut self.ladder),
        })
    }

    /// A provisional response: it rings, or offers media that nobody listens to.
    pub(crate) fn provisional(
        &mut self,
        now: Instant,
        code: u16,
        sdp: Option<Vec<u8>>,
        wires: &mut Wires,
    ) {
        if self.phase != Phase::Calling {
            return;
        }
        if self.timeline.ringing_us.is_none() {
            self.timeline.ringing_us = Some(self.micros(now));
        }
        let call = self.key();
        if (code == RINGING || sdp.is_none()) && !self.rang {
            self.rang = true;
            wires.events.push(Event::Ringing { call });
        }
        if let Some(sdp) = sdp {
            // The first of them: what another phone says is not mixed into it.
            if self.agreed.is_none()
                && let Ok(agreed) = sdp::read_answer(&self.local, &sdp)
            {
                self.listen_early(agreed, wires);
            }
            if self.early_sdp.replace(sdp.into()).is_none() {
                self.turn(now, Turn::EarlyMedia);
                wires.events.push(Event::EarlyMedia { call });
            }
        }
    }

    /// A 2xx, acknowledged already: agree on media and start playing, or hang up.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        sdp: Option<Vec<u8>>,
        dialog: Arc<DialogSnapshot>,
        wires: &mut Wires,
    ) {
        if self.phase != Phase::Calling {
            return;
        }
        self.phase = Phase::Up;
        self.timeline.answered_us = Some(self.micros(now));
        self.turn(now, Turn::Answered);
        self.sip_code = Some(200);
        wires.counters.calls_answered += 1;
        wires.events.push(Event::Answered { call: self.key(), dialog });
        match self.agreed_by(sdp) {
            Ok(agreed) if reachable(&agreed, self.local.address.ip()) => {
                self.follow(now, wires, |place, cues| place.answered(now, cues));
                self.agree(now, agreed, wires);
                self.listen(now, &agreed);
            }
            Err(sdp::Refusal::NoKeys) => self.hang_up(now, Cause::NotEncrypted, wires),
            _ => self.hang_up(now, Cause::NoMediaAgreed, wires),
        }
    }

    /// The ACK of our 200. What it describes counts only as an answer.
    pub(crate) fn acked(&mut self, now: Instant, sdp: Option<&[u8]>, wires: &mut Wires) {
        let awaited = std::mem::take(&mut self.awaits_answer);
        if self.phase == Phase::Answering {
            self.phase = Phase::Up;
            self.timeline.answered_us = Some(self.micros(now));
            self.turn(now, Turn::Answered);
            wires.counters.calls_answered += 1;
            let ours = self.local.address.ip();
            let told = || sdp::read_answer(&self.local, sdp?).ok();
            let agreed = self.answered_with.take().map(|agreed| *agreed).or_else(told);
            return match agreed.filter(|agreed| reachable(agreed, ours)) {
                Some(agreed) => {
                    self.follow(now, wires, |place, cues| place.answered(now, cues));
                    self.agree(now, agreed, wires);
                    self.listen(now, &agreed);
                }
                None => self.hang_up(now, Cause::NoMediaAgreed, wires),
            };
        }
        if awaited {
            self.offer_answered(now, sdp, wires);
        }
    }

    /// The INVITE failed and the leg is gone.
    pub(crate) fn failed(&mut self, now: Instant, failure: Failure, wires: &mut Wires) {
        let cause = match failure {
            Failure::Rejected { code, phrase, q850, retry_after_seconds } => {
                self.sip_code = Some(code);
                let kept = Some(bounded_reason(&phrase)).filter(|text| !text.is_empty());
                self.sip_reason = kept.map(String::into_boxed_str);
                self.q850 = q850;
                self.turn_of_q850(now, q850);
                self.retry_after_s = retry_after_seconds;
                Cause::Failed
            }
            Failure::Timeout => Cause::NoResponse,
            Failure::Transport => {
                self.turn(now, Turn::Undeliverable);
                Cause::Undeliverable
            }
            Failure::NoAnswer => Cause::NoAnswer,
            Failure::Cancelled => Cause::HungUpByUs,
        };
        self.leg_is_gone(now, cause, wires);
    }

    /// The answered leg is gone.
    pub(crate) fn ended(&mut self, now: Instant, by: Party, q850: Option<u8>, wires: &mut Wires) {
        if self.phase == Phase::Up {
            self.turn(now, Turn::HungUp(by));
            if by == Party::Peer {
                self.q850 = q850;
                self.turn_of_q850(now, q850);
            }
        }
        let cause = match by {
            Party::Peer => Cause::CalleeHungUp,
            Party::Us => Cause::HungUpByUs,
        };
        self.leg_is_gone(now, cause, wires);
    }

    fn leg_is_gone(&mut self, now: Instant, cause: Cause, wires: &mut Wires) {
        self.stop_audio(now, wires);
        match self.phase {
            Phase::Over(_) => {}
            Phase::Closing(decided) => self.phase = Phase::Over(decided),
            Phase::Calling | Phase::Answering | Phase::Up => {
                self.timeline.ended_us = Some(self.micros(now));
                self.phase = Phase::Over(cause);
            }
        }
    }

    /// Ends the call for `cause`; it is over when the leg is gone.
    pub(crate) fn hang_up(&mut self, now: Instant, cause: Cause, wires: &mut Wires) {
        if matches!(self.phase, Phase::Closing(_) | Phase::Over(_)) {
            return;
        }
        self.stop_audio(now, wires);
        self.timeline.ended_us = Some(self.micros(now));
        self.phase = Phase::Closing(cause);
        self.turn(now, Turn::HungUp(Party::Us));
        let q850 = if cause == Cause::DeadlineReached { Q850_TIMER } else { Q850_NORMAL };
        wires.sip.hang_up(now, self.leg, Some(Reason { q850 }), &mut wires.sip_out);
    }

    /// A bug of ours was met while it was handled: it is over at once.
    pub(crate) fn lose(&mut self, now: Instant, wires: &mut Wires) {
        self.hang_up(now, Cause::HungUpByUs, wires);
        if let Phase::Closing(cause) = self.phase {
            self.phase = Phase::Over(cause);
        }
    }

    /// Its deadline has come.
    pub(crate) fn due(&mut self, now: Instant, wires: &mut Wires) {
        if now >= self.ends_by {
            if !matches!(self.phase, Phase::Closing(_) | Phase::Over(_)) {
                wires.counters.calls_cut_by_deadline += 1;
                self.turn(now, Turn::Deadline);
            }
            self.hang_up(now, Cause::DeadlineReached, wires);
            if let Phase::Closing(cause) = self.phase {
                self.phase = Phase::Over(cause);
            }
        } else if self.phase == Phase::Up {
            self.report_if_due(now, wires);
            self.listen_if_due(now, wires);
            self.follow(now, wires, |place, cues| place.due(now, cues));
            if self.place.is_over(now) {
                self.hang_up(now, Cause::Played, wires);
            }
        }
    }

    /// A key that the peer told in an INFO.
    pub(crate) fn key_in_info(&mut self, now: Instant, key: Key, wires: &mut Wires) {
        self.key_pressed(now, key.as_char(), KeySource::Info, wires);
    }

    /// Keeps what the signalling has traced of this call.
    pub(crate) fn take_traces(&mut self, now: Instant, traces: &mut Vec<Trace>) {
        if !traces.is_empty() {
            traces.retain(|trace| {
                let ours = trace.leg == self.leg;
                if ours {
                    self.trace(now, trace.sign);
                }
                !ours
            });
        }
    }

    /// Keeps a message of this call, or a timer.
    pub(crate) fn trace(&mut self, now: Instant, sign: Sign) {
        self.ladder.trace(self.micros(now), sign);
    }

    /// Keeps a step of its story.
    fn turn(&mut self, now: Instant, turn: Turn) {
        self.ladder.add(self.micros(now), turn);
    }

    fn turn_of_q850(&mut self, now: Instant, q850: Option<u8>) {
        if let Some(cause) = q850 {
            self.turn(now, Turn::Q850(cause));
        }
    }

    fn micros(&self, now: Instant) -> u64 {
        let micros = now.saturating_duration_since(self.started_at).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

//! Two legs joined: each hears the other. The first leg's script rang the second; both are calls of
//! their own, with a codec, keys, reports and a hold of their own, and what one hears is handed to
//! the other as samples.
//!
//! Each leg plays what its partner said on its own ticks, a clip of one frame after another. What
//! comes late waits in a short line; what would wait longer than [`LONGEST_LINE`] is left out, so
//! that neither a burst nor a faster clock makes the two answer each other ever later.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use media::codec::Encoder;
use media::rtp::MIN_DELAY;
use media::{Codec, EncodedClip, FRAME_SAMPLES};

use super::ears::Tape;
use super::{Audio, Call, Phase, Wires};
use crate::io::{CallKey, Recorded};
use crate::outcome::Cause;
use crate::script::SecondLeg;

/// Samples that may wait to be played: 100 ms.
const LONGEST_LINE: usize = 800;

/// What one call has for another, or for the engine. The engine runs it after the call was touched.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Ring a second leg for this call.
    Ring { first: CallKey, leg: Arc<SecondLeg> },
    /// The partner of this call is there and hears it.
    Joined { call: CallKey },
    /// The partner of this call is gone.
    Parted { call: CallKey },
    /// The partner of this call said this.
    Sound { call: CallKey, samples: Vec<i16> },
}

/// What a call keeps of its partner.
#[derive(Debug)]
pub(super) struct Bridge {
    /// `None` while the engine has not rung it yet.
    partner: Option<CallKey>,
    /// We are the one that was rung.
    second: bool,
    /// They hear each other.
    live: bool,
    line: VecDeque<i16>,
    encoder: Option<(Codec, Encoder)>,
    tape: Option<Box<Mix>>,
}

/// A recording of both.
#[derive(Debug)]
struct Mix {
    tape: Tape,
    /// What our own side said and was not mixed yet.
    own: VecDeque<i16>,
}

impl Bridge {
    fn new(partner: Option<CallKey>, second: bool) -> Self {
        let line = VecDeque::new();
        Self { partner, second, live: false, line, encoder: None, tape: None }
    }

    /// The partner's next frame, or silence while it has nothing to say.
    fn next_frame(&mut self) -> Option<[i16; FRAME_SAMPLES]> {
        frame_of(&mut self.line)
    }

    fn encoded(&mut self, codec: Codec, samples: &[i16]) -> Arc<EncodedClip> {
        self.encoder.take_if(|(known, _)| *known != codec);
        let (_, encoder) = self.encoder.get_or_insert_with(|| (codec, Encoder::new(codec)));
        let mut bytes = Vec::with_capacity(samples.len());
        encoder.encode(samples, &mut bytes);
        Arc::new(EncodedClip::from_encoded(codec, bytes))
    }
}

fn frame_of(line: &mut VecDeque<i16>) -> Option<[i16; FRAME_SAMPLES]> {
    let mut frame = [0; FRAME_SAMPLES];
    if line.len() < FRAME_SAMPLES {
        return None;
    }
    for (to, sample) in frame.iter_mut().zip(line.drain(..FRAME_SAMPLES)) {
        *to = sample;
    }
    Some(frame)
}

fn wait_in(line: &mut VecDeque<i16>, samples: &[i16]) {
    line.extend(samples);
    line.drain(..line.len().saturating_sub(LONGEST_LINE));
}

impl Call {
    /// Whether the second leg that its script asked for may still be rung.
    pub(crate) fn wants_partner(&self) -> bool {
        self.bridge.as_ref().is_some_and(|bridge| bridge.partner.is_none())
    }

    /// This is the other leg.
    pub(crate) fn pair_with(&mut self, partner: CallKey, second: bool) {
        self.bridge = Some(Box::new(Bridge::new(Some(partner), second)));
    }

    /// The script rings somebody else.
    pub(super) fn ring(&mut self, leg: Arc<SecondLeg>, wires: &mut Wires) {
        self.bridge = Some(Box::new(Bridge::new(None, false)));
        wires.errands.push_back(Errand::Ring { first: self.key(), leg });
    }

    /// The second leg has come to where its script joins the first.
    pub(crate) fn joined(&mut self, now: Instant, wires: &mut Wires) {
        if self.phase == Phase::Up && self.bridge.is_some() {
            self.follow(now, wires, |place, cues| place.joined(now, cues));
        }
    }

    /// Each hears the other from now on. Without a partner there is nobody to wait for.
    pub(super) fn join(&mut self, now: Instant, record_ms: Option<u32>, wires: &mut Wires) {
        let call = self.key();
        let partner = self.bridge.as_ref().and_then(|bridge| bridge.partner);
        let (Some(bridge), Some(partner)) = (&mut self.bridge, partner) else {
            return self.follow(now, wires, |place, cues| place.parted(now, cues));
        };
        bridge.live = true;
        if bridge.second {
            wires.errands.push_back(Errand::Joined { call: partner });
        }
        if let Some(most_ms) = record_ms {
            bridge.tape = Some(Box::new(Mix { tape: Tape::new(most_ms), own: VecDeque::new() }));
            wires.recorded.push(Recorded::Started { call });
        }
        // Whoever talks with another is in a hurry.
        self.ears().pass_to(partner, MIN_DELAY);
        self.play_partner(wires);
    }

    /// The partner said this.
    pub(crate) fn partner_said(&mut self, samples: &[i16]) {
        if let Some(bridge) = self.bridge.as_mut().filter(|bridge| bridge.live) {
            wait_in(&mut bridge.line, samples);
        }
    }

    /// Our own side said this, and its partner is to hear it.
    pub(super) fn pass_on(&mut self, samples: Vec<i16>, wires: &mut Wires) {
        let Some(bridge) = &mut self.bridge else { return };
        if let Some(mix) = &mut bridge.tape {
            wait_in(&mut mix.own, &samples);
        }
        if let Some(call) = bridge.partner {
            wires.errands.push_back(Errand::Sound { call, samples });
        }
    }

    /// Whether what plays is what the partner says.
    pub(super) fn is_live(&self) -> bool {
        self.bridge.as_ref().is_some_and(|bridge| bridge.live)
    }

    /// Plays the next frame of the partner.
    pub(super) fn play_partner(&mut self, wires: &mut Wires) {
        let codec = self.agreed.map_or(Codec::Pcma, |agreed| agreed.codec);
        let call = self.key();
        let Some(bridge) = self.bridge.as_mut().filter(|bridge| bridge.live) else { return };
        let frame = bridge.next_frame();
        if let Some(mix) = &mut bridge.tape {
            let theirs = frame.unwrap_or([0; FRAME_SAMPLES]);
            let ours = frame_of(&mut mix.own).unwrap_or([0; FRAME_SAMPLES]);
            let both: [i16; FRAME_SAMPLES] =
                std::array::from_fn(|at| theirs[at].saturating_add(ours[at]));
            mix.tape.record(call, &both, &mut wires.recorded);
        }
        let encoded = match frame {
            Some(samples) => bridge.encoded(codec, &samples),
            None => Arc::clone(wires.pause.encoded(codec)),
        };
        self.play_encoded(encoded, wires);
    }

    /// The partner is gone.
    pub(crate) fn parted(&mut self, now: Instant, wires: &mut Wires) {
        let Some(bridge) = self.end_bridge(wires) else { return };
        if bridge.second && !bridge.live {
            // Nobody waits any more for whom it rings.
            return self.hang_up(now, Cause::HungUpByUs, wires);
        }
        if self.phase == Phase::Up {
            self.follow(now, wires, |place, cues| place.parted(now, cues));
        }
    }

    /// We leave the partner.
    pub(super) fn part(&mut self, wires: &mut Wires) {
        if let Some(call) = self.end_bridge(wires).and_then(|bridge| bridge.partner) {
            wires.errands.push_back(Errand::Parted { call });
        }
    }

    fn end_bridge(&mut self, wires: &mut Wires) -> Option<Box<Bridge>> {
        let call = self.key();
        let mut bridge = self.bridge.take()?;
        if let Some(mut mix) = bridge.tape.take() {
            mix.tape.end(call, &mut wires.recorded);
        }
        self.stop_passing();
        Some(bridge)
    }

    /// Plays this from the next frame on.
    pub(super) fn play_encoded(&mut self, encoded: Arc<EncodedClip>, wires: &mut Wires) {
        let call = self.key();
        let frames = match &mut self.audio {
            // Nothing can be sent yet; what plays then is asked for when it can.
            Audio::Silent => 0,
            Audio::OnWheel { tick } => wires
                .wheel
                .play(*tick, call, encoded)
                .expect("a call that says it is on the wheel is there"),
            Audio::Held(playing) => playing.play(encoded),
        };
        self.sound.stopped(frames);
    }
}

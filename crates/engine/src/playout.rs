//! The wheel that paces RTP: 20 ticks of 1 ms, each with the calls that send in that millisecond.
//!
//! One wake-up serves every call of its tick, and the calls of a tick lie side by side in memory.
//! The schedule is absolute: tick `k` is due at `epoch + n × 20 ms + k ms`, however late the ones
//! before were served, so nothing drifts. While few calls play, waking up is most of their price:
//! then an odd tick is due with the even one before it
//! (docs/decisions/0086-sound-that-is-only-counted.md).
//!
//! When the caller is late by several revolutions, each call sends at most two frames at once.
//! The frames that this leaves over are not dropped, because a word would be missing: the clip
//! moves back by as much, and the RTP timestamp (which follows the schedule, not the clip) tells
//! the peer that there was a pause. A held call leaves the wheel and comes back the same way.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::rtp::Header;
use media::srtp::SrtpSender;
use media::{EncodedClip, FRAME_SAMPLES};

use crate::io::{CallKey, RtpTransmit};

/// Ticks in one revolution.
const SLOTS: usize = 20;
const SLOT_COUNT: u8 = 20;
/// Milliseconds in one revolution: one frame.
const REVOLUTION_MS: u64 = 20;
/// Milliseconds between two wake-ups while few calls play.
const FEW_MS: u64 = 2;
/// With more calls than this, two ticks at once would be a burst that others wait for; with fewer
/// than that, they are few again.
const CROWD: usize = 64 * SLOTS;
const FEW: usize = 48 * SLOTS;
/// Frames that a call may send at once after a late wake-up.
const MAX_CATCH_UP: u64 = 2;
/// Frames between two progress notices: one second.
const PROGRESS_FRAMES: u32 = 50;
/// RTP timestamp units of a frame.
const FRAME_TICKS: u32 = 160;
const _: () = assert!(FRAME_TICKS as usize == FRAME_SAMPLES && SLOT_COUNT as usize == SLOTS);
/// The marker in the second byte of a header (RFC 3550 §5.1).
const MARKER: u8 = 0x80;

/// What the wheel keeps of a call: one cache line.
#[derive(Debug)]
pub(crate) struct Playing {
    clip: Arc<EncodedClip>,
    call: CallKey,
    destination: SocketAddr,
    ssrc: u32,
    /// The timestamp is this plus 160 a revolution, wrapping.
    timestamp_base: u32,
    /// Frames sent since the clip began, those of silence after it included.
    frame: u32,
    sequence: u16,
    /// The second byte of the next header: marker and payload type.
    marker_and_type: u8,
    port_slot: u8,
}

const _: () = assert!(size_of::<Playing>() <= 64, "one cache line a call");

/// Starting points that a stranger cannot guess (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct RtpStart {
    pub(crate) ssrc: u32,
    pub(crate) timestamp: u32,
    pub(crate) sequence: u16,
}

impl Playing {
    /// A clip at its first sample.
    pub(crate) fn new(
        call: CallKey,
        clip: Arc<EncodedClip>,
        start: RtpStart,
        port_slot: u8,
        agreed: &media::sdp::Negotiated,
    ) -> Self {
        Self {
            clip,
            call,
            destination: agreed.remote,
            ssrc: start.ssrc,
            timestamp_base: start.timestamp,
            frame: 0,
            sequence: start.sequence,
            marker_and_type: agreed.payload_type & !MARKER,
            port_slot,
        }
    }

    /// Follows a re-INVITE: another address, payload type or codec, at the same frame.
    pub(crate) fn redirect(&mut self, clip: Arc<EncodedClip>, agreed: &media::sdp::Negotiated) {
        self.clip = clip;
        self.destination = agreed.remote;
        self.marker_and_type = (self.marker_and_type & MARKER) | (agreed.payload_type & !MARKER);
    }

    /// Plays another clip from its first frame. Gives back how many frames were sent since the one
    /// before began.
    pub(crate) fn play(&mut self, clip: Arc<EncodedClip>) -> u32 {
        self.clip = clip;
        std::mem::take(&mut self.frame)
    }

    /// Frames sent since the clip began, of it and of silence after it.
    pub(crate) fn frame(&self) -> u32 {
        self.frame
    }

    fn send(&mut self, revolution: u64) -> RtpTransmit {
        let header = Header {
            marker: self.marker_and_type & MARKER != 0,
            payload_type: self.marker_and_type & !MARKER,
            sequence: self.sequence,
            timestamp: self.timestamp_base.wrapping_add(ticks_of(revolution)),
            ssrc: self.ssrc,
        };
        let frame = self.frame;
        self.marker_and_type &= !MARKER;
        self.sequence = self.sequence.wrapping_add(1);
        self.frame += 1;
        RtpTransmit {
            call: self.call,
            slot: self.port_slot,
            destination: self.destination,
            header: header.write(),
            clip: Arc::clone(&self.clip),
            frame,
            sealed: None,
        }
    }

    /// What is worth telling after a frame: at most its being the first, and one thing more.
    fn steps(&self) -> impl Iterator<Item = Step> + use<> {
        let (sent, frames) = (self.frame, frame_count(&self.clip));
        let first = (sent == 1 && frames > 0).then_some(Step::FirstFrame);
        let more = if sent == frames {
            Some(Step::ClipEnded)
        } else {
            (sent < frames && sent.is_multiple_of(PROGRESS_FRAMES)).then_some(Step::Second)
        };
        first.into_iter().chain(more)
    }
}

/// Frames of a clip, in the width that positions have.
pub(crate) fn frame_count(clip: &EncodedClip) -> u32 {
    u32::try_from(clip.frame_count()).unwrap_or(u32::MAX)
}

/// Something that a call should know about its playing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notice {
    pub(crate) call: CallKey,
    pub(crate) step: Step,
    /// Frames sent since the clip began.
    pub(crate) sent: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The first frame was sent.
    FirstFrame,
    /// Another second was sent.
    Second,
    /// The last frame of the clip was sent.
    ClipEnded,
}

/// All calls that send.
#[derive(Debug)]
pub(crate) struct Wheel {
    epoch: Option<Instant>,
    slots: [Slot; SLOTS],
    /// The place of each port among those of its family, IPv4 or IPv6.
    places: Vec<u8>,
    /// How many of a family there are, when every tick has a port of its own.
    ports: Option<u8>,
    late_frames: u64,
    /// How many calls there are, and whether those are many.
    calls: usize,
    crowded: bool,
    /// What encrypts the packets of those calls that are.
    seals: BTreeMap<CallKey, Box<SrtpSender>>,
}

#[derive(Debug, Default)]
struct Slot {
    playing: Vec<Playing>,
    /// Ticks that were due so far and have been served, or skipped while nobody played.
    served: u64,
}

impl Wheel {
    /// An empty wheel for RTP ports with these places among those of their family.
    pub(crate) fn new(places: Vec<u8>) -> Self {
        let ports = places.iter().max().map_or(1, |last| usize::from(*last) + 1);
        let even = ports.is_multiple_of(SLOTS) || SLOTS.is_multiple_of(ports);
        Self {
            epoch: None,
            slots: Default::default(),
            places,
            ports: u8::try_from(ports).ok().filter(|_| even),
            late_frames: 0,
            calls: 0,
            crowded: false,
            seals: BTreeMap::new(),
        }
    }

    /// Encrypts the packets of a call from now on.
    pub(crate) fn seal(&mut self, call: CallKey, sender: SrtpSender) {
        self.seals.insert(call, Box::new(sender));
    }

    /// What encrypts the packets of a call, if they are.
    pub(crate) fn seal_of(&mut self, call: CallKey) -> Option<&mut SrtpSender> {
        self.seals.get_mut(&call).map(|sender| &mut **sender)
    }

    /// A call sends no more.
    pub(crate) fn unseal(&mut self, call: CallKey) {
        self.seals.remove(&call);
    }

    /// The tick for a call on this port: the emptiest of those that are the port's own. With
    /// twenty ports, a multiple or a divisor of that, all packets of a tick leave through one
    /// socket; otherwise every tick is everybody's.
    pub(crate) fn tick_for(&self, port_slot: u8) -> u8 {
        let load = |tick: &u8| self.slots[usize::from(*tick)].playing.len();
        let (first, step) = match self.ports {
            Some(ports) => {
                let place = self.places.get(usize::from(port_slot)).copied().unwrap_or(0);
                (place % SLOT_COUNT, ports)
            }
            None => (0, 1),
        };
        (first..SLOT_COUNT).step_by(step.into()).min_by_key(load).unwrap_or(0)
    }

    /// Puts a call on a tick: its next frame leaves when the tick is next due, never before.
    /// The caller has served everything that was due `now`.
    pub(crate) fn add(&mut self, now: Instant, tick: u8, mut playing: Playing) {
        let millis = self.millis(now);
        playing.marker_and_type |= MARKER;
        let due = self.ticks_due(millis, tick.into());
        let slot = &mut self.slots[usize::from(tick) % SLOTS];
        if slot.playing.is_empty() {
            slot.served = due;
        }
        slot.playing.push(playing);
        self.calls += 1;
        self.crowded |= self.calls > CROWD;
    }

    /// Takes a call off its tick.
    pub(crate) fn remove(&mut self, tick: u8, call: CallKey) -> Option<Playing> {
        let playing = &mut self.slots[usize::from(tick) % SLOTS].playing;
        let at = playing.iter().position(|entry| entry.call == call)?;
        self.calls -= 1;
        self.crowded &= self.calls >= FEW;
        Some(playing.swap_remove(at))
    }

    /// Plays another clip from the next frame on: told between the last frame of one and the time
    /// of the next, there is no gap. Gives back how many frames were sent since the last began.
    pub(crate) fn play(&mut self, tick: u8, call: CallKey, clip: Arc<EncodedClip>) -> Option<u32> {
        let playing = &mut self.slots[usize::from(tick) % SLOTS].playing;
        Some(playing.iter_mut().find(|entry| entry.call == call)?.play(clip))
    }

    /// Frames that a call has sent since its clip began.
    pub(crate) fn frame(&self, tick: u8, call: CallKey) -> Option<u32> {
        let playing = &self.slots[usize::from(tick) % SLOTS].playing;
        Some(playing.iter().find(|entry| entry.call == call)?.frame())
    }

    /// How far the RTP timestamps of every call are `now` from their starting points.
    pub(crate) fn clock(&mut self, now: Instant) -> u32 {
        ticks_of(self.millis(now) / REVOLUTION_MS)
    }

    /// The first tick at `at` or later: what is done then needs no wake-up of its own while many
    /// calls play.
    pub(crate) fn tick_from(&self, at: Instant) -> Instant {
        let Some(epoch) = self.epoch else { return at };
        let apart = Duration::from_millis(FEW_MS).as_nanos();
        let part = at.saturating_duration_since(epoch).as_nanos() % apart;
        let missing = u64::try_from((apart - part) % apart).unwrap_or(0);
        at + Duration::from_nanos(missing)
    }

    /// Sends what is due, oldest tick first.
    pub(crate) fn serve(
        &mut self,
        now: Instant,
        rtp: &mut Vec<RtpTransmit>,
        notices: &mut Vec<Notice>,
    ) {
        let (millis, first) = (self.millis(now), rtp.len());
        let apart = if self.crowded { 1 } else { FEW_MS };
        let oldest = (millis - millis % apart + apart) % REVOLUTION_MS;
        let oldest = usize::try_from(oldest).unwrap_or(0);
        for tick in (oldest..SLOTS).chain(0..oldest) {
            let due = self.ticks_due(millis, tick as u64);
            let slot = &mut self.slots[tick];
            if slot.playing.is_empty() || due <= slot.served {
                continue;
            }
            let missed = due - slot.served;
            slot.served = due;
            if missed > MAX_CATCH_UP {
                self.late_frames += (missed - MAX_CATCH_UP) * slot.playing.len() as u64;
                slot.playing.iter_mut().for_each(|entry| entry.marker_and_type |= MARKER);
            }
            for revolution in due - missed.min(MAX_CATCH_UP)..due {
                for entry in &mut slot.playing {
                    rtp.push(entry.send(revolution));
                    let (call, sent) = (entry.call, entry.frame);
                    notices.extend(entry.steps().map(|step| Notice { call, step, sent }));
                }
            }
        }
        if !self.seals.is_empty() {
            for packet in &mut rtp[first..] {
                if let Some(seal) = self.seals.get_mut(&packet.call) {
                    packet.sealed = Some(seal.protect(&packet.header, packet.payload()));
                }
            }
        }
    }

    /// When the next tick with calls on it is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let epoch = self.epoch?;
        (0_u64..)
            .zip(&self.slots)
            .filter(|(_, slot)| !slot.playing.is_empty())
            .map(|(tick, slot)| slot.served * REVOLUTION_MS + self.due_ms(tick))
            .min()
            .map(|millis| epoch + Duration::from_millis(millis))
    }

    /// How many calls are on the wheel.
    pub(crate) fn len(&self) -> usize {
        self.calls
    }

    /// Frames that were moved back because the caller came too late for them.
    pub(crate) fn late_frames(&self) -> u64 {
        self.late_frames
    }

    /// How often a tick has been due `millis` after the epoch.
    fn ticks_due(&self, millis: u64, tick: u64) -> u64 {
        (millis + REVOLUTION_MS - self.due_ms(tick)) / REVOLUTION_MS
    }

    /// When a tick is due in a revolution, milliseconds.
    fn due_ms(&self, tick: u64) -> u64 {
        if self.crowded { tick } else { tick - tick % FEW_MS }
    }

    fn millis(&mut self, now: Instant) -> u64 {
        let epoch = *self.epoch.get_or_insert(now);
        u64::try_from(now.saturating_duration_since(epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

/// RTP timestamp units in so many revolutions, wrapping.
fn ticks_of(revolution: u64) -> u32 {
    let wrapped = u32::try_from(revolution & u64::from(u32::MAX)).expect("it was cut to 32 bits");
    wrapped.wrapping_mul(FRAME_TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::Codec;
    use media::sdp::{Direction, Negotiated};

    fn playing(call: u64, frames: usize) -> Playing {
        let clip = EncodedClip::from_samples(Codec::Pcma, &vec![0; frames * FRAME_SAMPLES]);
        let agreed = Negotiated {
            codec: Codec::Pcma,
            payload_type: 8,
            telephone_event_pt: None,
            remote: "192.0.2.1:4000".parse().expect("an address"),
            direction: Direction::SendRecv,
            rtcp: None,
            srtp: None,
        };
        let start = RtpStart { ssrc: 1, timestamp: 0, sequence: u16::MAX };
        Playing::new(CallKey(call), Arc::new(clip), start, 3, &agreed)
    }

    fn timestamp(packet: &RtpTransmit) -> u32 {
        u32::from_be_bytes(packet.header[4..8].try_into().expect("four bytes"))
    }

    #[test]
    fn a_call_sends_one_frame_each_20_ms_from_the_next_tick_on() {
        #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
        let start = Instant::now();
        let mut wheel = Wheel::new((0..20).collect());
        let (mut rtp, mut notices) = (Vec::new(), Vec::new());
        wheel.serve(start, &mut rtp, &mut notices);
        wheel.add(start, 7, playing(1, 100));
        for frame in 0..100_u64 {
            let due = start + Duration::from_millis(6 + 20 * frame);
            assert_eq!(wheel.next_due(), Some(due));
            wheel.serve(start + Duration::from_millis(5 + 20 * frame), &mut rtp, &mut notices);
            assert_eq!(rtp.len() as u64, frame);
            wheel.serve(due + Duration::from_micros(900), &mut rtp, &mut notices);
            assert_eq!(rtp.len() as u64, frame + 1);
        }
        let steps: Vec<Step> = notices.iter().map(|notice| notice.step).collect();
        assert_eq!(steps, [Step::FirstFrame, Step::Second, Step::ClipEnded]);
    }

    /// Goal: two ticks leave together while few calls play, each alone when they are many, and when
    /// that changes no call sends twice in a revolution or not at all.
    #[test]
    fn two_ticks_leave_together_unless_many_calls_play() {
        #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
        let start = Instant::now();
        let mut wheel = Wheel::new((0..20).collect());
        let (mut rtp, mut notices) = (Vec::new(), Vec::new());
        for tick in 0..SLOT_COUNT {
            wheel.add(start, tick, playing(tick.into(), 1));
        }
        let mut sent = [0; SLOTS];
        for millis in 1..=200 {
            let at = start + Duration::from_millis(millis);
            // In the middle of a revolution many come, and later they leave again.
            for call in 0..2_000 {
                match millis {
                    67 => wheel.add(at, 4, playing(1_000 + call, 1)),
                    131 => drop(wheel.remove(4, CallKey(1_000 + call)).expect("it came")),
                    _ => {}
                }
            }
            wheel.serve(at, &mut rtp, &mut notices);
            let (tick, crowded) = (millis % REVOLUTION_MS, (67..131).contains(&millis));
            let due: &[u64] = match (crowded, tick.is_multiple_of(2)) {
                (false, true) => &[tick, tick + 1],
                (true, _) => &[tick],
                (false, false) => &[],
            };
            let first = rtp.drain(..).map(|packet| packet.call.0).filter(|call| *call < 1_000);
            let came: Vec<u64> = first.collect();
            for tick in &came {
                sent[usize::try_from(*tick).unwrap()] += 1;
            }
            // Those of the odd tick before the change were served with the even one.
            if ![67, 131].contains(&millis) {
                assert_eq!(came, due, "after {millis} ms");
            }
        }
        assert!(sent.iter().all(|sent| *sent == 10), "{sent:?}");
    }

    /// Goal: calls of one family use all ticks, whatever ports of the other lie beside theirs.
    #[test]
    fn the_ports_of_each_family_have_all_ticks() {
        #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
        let start = Instant::now();
        for ports in [5, 10, 20, 40] {
            let mut wheel = Wheel::new((0..ports).chain(0..ports).collect());
            for call in 0..200_u8 {
                let tick = wheel.tick_for(ports + call % ports);
                wheel.add(start, tick, playing(call.into(), 1));
            }
            assert!(wheel.slots.iter().all(|slot| slot.playing.len() == 10), "{ports}");
        }
    }

    #[test]
    fn a_late_wake_up_sends_two_frames_and_moves_the_rest_back() {
        #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
        let start = Instant::now();
        let mut wheel = Wheel::new((0..20).collect());
        let (mut rtp, mut notices) = (Vec::new(), Vec::new());
        wheel.add(start, 2, playing(1, 100));
        wheel.serve(start + Duration::from_millis(2), &mut rtp, &mut notices);
        wheel.serve(start + Duration::from_millis(202), &mut rtp, &mut notices);
        assert_eq!(rtp.iter().map(|packet| packet.frame).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(timestamp(&rtp[2]) - timestamp(&rtp[0]), 10 * 160);
        assert_eq!(rtp[1].header[1], MARKER | 8);
        assert_eq!(rtp[2].header[1], 8);
        assert_eq!(wheel.late_frames(), 8);
    }
}

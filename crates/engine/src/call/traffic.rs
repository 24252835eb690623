//! The media of a call: what was agreed on, where its packets go, and what comes from its peer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Instant;

use media::rtp::{Packet, Receiver, rtcp};
use media::sdp::{Negotiated, Protection};
use media::srtp::{SrtpReceiver, SrtpSender};
use media::telephone_event::{Key, TelephoneEvent};

use super::latch::moved;
use super::playing::KeySource;
use super::{Audio, Call, Phase, Wires};
use crate::demux::Demux;
use crate::ladder::Turn;
use crate::playout::Playing;

/// Comfort noise (RFC 3389), which some peers send without having been offered it.
const COMFORT_NOISE: u8 = 13;

/// What is counted of a call's packets beside its sound, for [`crate::RtpSummary`].
#[derive(Debug, Default)]
pub(super) struct Oddities {
    pub(super) refused: u32,
    pub(super) strangers: u32,
    pub(super) ambiguous: bool,
}

impl Call {
    /// Counts the peer's sound by itself again. To be called before anything happens to the call.
    pub(crate) fn take_counted(&mut self, demux: &mut Demux) {
        if let (None, Some(agreed)) = (&self.counted, self.agreed) {
            self.counted = demux.take_counted(self.port_slot, agreed.remote, self.key);
        }
    }

    /// Lets the table of sources count what is only counted: sound, while the call is up, in the
    /// clear, and nobody listens. The first packet comes here, for its time is kept. To be called
    /// after whatever happens to the call.
    pub(crate) fn lend_counted(&mut self, demux: &mut Demux) {
        let begun = self.phase == Phase::Up && self.timeline.first_received_us.is_some();
        let counts = begun && self.opener.is_none() && !self.listens();
        let Some(agreed) = self.agreed.filter(|_| counts) else { return };
        if let Some(mut counted) = self.counted.take() {
            counted.sound = sound(&agreed);
            self.counted = demux.lend_counted(self.port_slot, agreed.remote, self.key, counted);
        }
    }

    /// A datagram from the agreed address.
    pub(crate) fn received(&mut self, now: Instant, bytes: &[u8], wires: &mut Wires) {
        let (Phase::Calling | Phase::Up, Some(agreed)) = (self.phase, self.agreed) else { return };
        if rtcp::is_rtcp(bytes) {
            return self.reported(now, bytes, wires);
        }
        let Some(opened) = self.opened(bytes) else {
            wires.counters.srtp_rejected += 1;
            self.rtp.strangers = self.rtp.strangers.saturating_add(1);
            return;
        };
        let Ok(packet) = Packet::parse(&opened) else {
            wires.counters.rtp_malformed += 1;
            self.rtp.strangers = self.rtp.strangers.saturating_add(1);
            return;
        };
        self.take_packet(now, &packet, agreed, wires);
    }

    /// A packet in the clear; `None` when it is not the peer's.
    pub(super) fn opened<'a>(&mut self, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match &mut self.opener {
            None => Some(Cow::Borrowed(bytes)),
            Some(opener) => opener.open(bytes).ok().map(Cow::Owned),
        }
    }

    /// A packet of the peer.
    pub(super) fn take_packet(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        agreed: Negotiated,
        wires: &mut Wires,
    ) {
        let kind = packet.header.payload_type;
        let is_audio = sound(&agreed).contains(&kind);
        let is_event = !is_audio
            && [self.local.telephone_event, agreed.telephone_event_pt].contains(&Some(kind));
        if !is_event && !is_audio {
            wires.counters.rtp_unknown_payload += 1;
            self.rtp.strangers = self.rtp.strangers.saturating_add(1);
            return;
        }
        wires.counters.rtp_received += 1;
        if let Some(latch) = &mut self.latch {
            latch.heard(now);
        }
        if is_audio && kind != COMFORT_NOISE {
            self.hear(now, packet, agreed.codec, wires);
        }
        if self.phase != Phase::Up {
            return;
        }
        if self.timeline.first_received_us.is_none() {
            self.timeline.first_received_us = Some(self.micros(now));
            self.turn(now, Turn::FirstReceived);
        }
        self.receiver().receive(now, &packet.header);
        if is_event {
            let read = TelephoneEvent::parse(packet.payload);
            let is_key = read.is_some_and(|event| Key::from_event(event.event).is_some());
            wires.counters.rtp_bad_event += u64::from(!is_key);
            let header = packet.header;
            let key = self.key_receiver.receive(header.ssrc, header.timestamp, packet.payload);
            if let Some(key) = key {
                self.key_pressed(now, key.as_char(), KeySource::Event, wires);
            }
        }
    }

    /// What counts the peer's sound.
    pub(super) fn receiver(&mut self) -> &mut Receiver {
        &mut self.counted.get_or_insert_default().receiver
    }

    /// Takes what was agreed on: where to send, where to listen, and whether to play at all.
    pub(super) fn agree(&mut self, now: Instant, mut agreed: Negotiated, wires: &mut Wires) {
        let (call, slot) = (self.key(), self.port_slot);
        if let Some(latch) = &mut self.latch {
            latch.expected().for_each(|ip| wires.demux.expect_no_more(slot, ip, call));
            agreed = moved(agreed, latch.describe(agreed.remote));
            latch.expected().for_each(|ip| wires.demux.expect(slot, ip, call));
        }
        self.send_to(now, agreed, wires);
    }

    /// Sends there and listens there from now on.
    pub(super) fn send_to(&mut self, now: Instant, agreed: Negotiated, wires: &mut Wires) {
        // What early media brought is known, but nothing was sent there.
        if self.agreed == Some(agreed) && !matches!(self.audio, Audio::Silent) {
            return;
        }
        self.tell_of(now, &agreed);
        let (call, slot) = (self.key(), self.port_slot);
        self.release_sources(wires);
        self.rtp.ambiguous = !wires.demux.claim(slot, agreed.remote, call);
        wires.counters.rtp_ambiguous_sources += u64::from(self.rtp.ambiguous);
        self.take_keys(&agreed);
        self.keep_to(&agreed);
        self.agreed = Some(agreed);
        self.report_to(now, &agreed, wires);
        let clip = self.sound.encoded(agreed.codec, &wires.silence);
        let playing = match std::mem::replace(&mut self.audio, Audio::Silent) {
            Audio::Silent => {
                if let Some(keys) = agreed.srtp {
                    wires.wheel.seal(call, SrtpSender::new(keys.suite, &keys.ours));
                }
                Some(Playing::new(call, clip, self.numbers.rtp, slot, &agreed))
            }
            Audio::OnWheel { tick } => wires.wheel.remove(tick, call).map(|mut playing| {
                playing.redirect(clip, &agreed);
                playing
            }),
            Audio::Held(mut playing) => {
                playing.redirect(clip, &agreed);
                Some(playing)
            }
        };
        let playing = playing.expect("a call that says it is on the wheel is there");
        self.audio = if agreed.direction.sends() {
            let tick = wires.wheel.tick_for(slot);
            wires.wheel.add(now, tick, playing);
            Audio::OnWheel { tick }
        } else {
            Audio::Held(playing)
        };
        if self.is_live() {
            self.play_partner(wires);
        }
    }

    /// Keeps what changes for the ear.
    fn tell_of(&mut self, now: Instant, agreed: &Negotiated) {
        let before = self.agreed.filter(|_| !matches!(self.audio, Audio::Silent));
        if before.is_none_or(|before| before.codec != agreed.codec) {
            self.turn(now, Turn::Codec(agreed.codec));
        }
        let sent = before.is_none_or(|before| before.direction.sends());
        match agreed.direction.sends() {
            false if sent => self.turn(now, Turn::Held),
            true if !sent => self.turn(now, Turn::Resumed),
            _ => {}
        }
    }

    /// With what the peer encrypts from now on.
    pub(super) fn take_keys(&mut self, agreed: &Negotiated) {
        let theirs = |agreed: &Negotiated| agreed.srtp.map(|keys| (keys.suite, keys.theirs));
        if self.opener.is_none() || self.agreed.as_ref().and_then(theirs) != theirs(agreed) {
            let receiver = |keys: Protection| SrtpReceiver::new(keys.suite, &keys.theirs);
            self.opener = agreed.srtp.map(receiver).map(Box::new);
        }
    }

    /// What was agreed on once stays: no other suite, and not in the clear, or encrypted only now.
    fn keep_to(&mut self, agreed: &Negotiated) {
        match agreed.srtp {
            Some(keys) => {
                let srtp = self.local.srtp.as_mut().expect("keys are agreed where we have some");
                srtp.agreed = Some(keys.suite);
            }
            None => self.local.srtp = None,
        }
    }

    /// Takes the call off the wheel and out of the table of sources; what was sent is kept.
    pub(super) fn stop_audio(&mut self, now: Instant, wires: &mut Wires) {
        self.part(wires);
        self.say_goodbye(now, wires);
        let call = self.key();
        let frames = match std::mem::replace(&mut self.audio, Audio::Silent) {
            Audio::Silent => 0,
            Audio::OnWheel { tick } => {
                wires.wheel.remove(tick, call).map_or(0, |playing| playing.frame())
            }
            Audio::Held(playing) => playing.frame(),
        };
        wires.wheel.unseal(call);
        self.sound.stopped(frames);
        self.stop_listening(now, wires);
        self.release_sources(wires);
        if let Some(latch) = &self.latch {
            let slot = self.port_slot;
            latch.expected().for_each(|ip| wires.demux.expect_no_more(slot, ip, call));
        }
    }

    /// Takes the addresses of the peer out of the table of sources.
    pub(super) fn release_sources(&mut self, wires: &mut Wires) {
        let Some(agreed) = self.agreed else { return };
        let (call, slot) = (self.key(), self.port_slot);
        wires.demux.release(slot, agreed.remote, call);
        if let Some(reports) = agreed.rtcp {
            wires.demux.release(slot, reports, call);
        }
    }
}

/// The payload types of what is sound. Peers should use the numbers of our offer (RFC 3264 §6.1);
/// some use those of their own.
fn sound(agreed: &Negotiated) -> [u8; 3] {
    [agreed.payload_type, agreed.codec.payload_type(), COMFORT_NOISE]
}

/// Whether RTP can be sent there from our address.
pub(crate) fn reachable(agreed: &Negotiated, ours: IpAddr) -> bool {
    let remote = agreed.remote;
    let held = !agreed.direction.sends();
    remote.is_ipv4() == ours.is_ipv4()
        && !remote.ip().is_multicast()
        && (held || (remote.port() != 0 && !remote.ip().is_unspecified()))
}

//! What both ends of a call tell each other of its sound (RTCP, RFC 3550 §6): when we report and
//! where to, and what the peer reported.
//!
//! A report is taken only from the address that the answer gave the peer for it; one from anywhere
//! else finds no call. It is sent to the host that gets our sound, never to a third one.

use std::net::SocketAddr;
use std::time::Instant;

use media::rtp::{PeerView, Receiver, Reporter, rtcp};
use media::sdp::Negotiated;

use super::{Audio, Call, Phase, Wires};
use crate::derive;
use crate::io::RtcpTransmit;

/// The reports of one call.
#[derive(Debug)]
pub(super) struct Reports {
    reporter: Reporter,
    /// Where they go; `None` while the peer wants none, or cannot be reached.
    remote: Option<SocketAddr>,
    next_at: Instant,
}

impl Reports {
    /// When the next one is due.
    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// What the peer reported last.
    pub(super) fn peer_view(&self) -> Option<PeerView> {
        self.reporter.view()
    }
}

/// Where reports go, if there is an address for them at the host of the sound.
fn destination(agreed: &Negotiated) -> Option<SocketAddr> {
    let host = agreed.remote.ip();
    agreed.rtcp.filter(|at| at.ip() == host && !host.is_unspecified() && at.port() != 0)
}

impl Call {
    /// Reports about what is agreed on now go there, and come from there.
    pub(super) fn report_to(&mut self, now: Instant, agreed: &Negotiated, wires: &mut Wires) {
        let remote = destination(agreed);
        if let Some(source) = remote.filter(|source| *source != agreed.remote) {
            // Where two calls share it, the earlier one has it; that costs the later its reports.
            wires.demux.claim_reports(self.port_slot, source, self.key());
        }
        let numbers = self.numbers;
        let reports = self.reports.get_or_insert_with(|| {
            let reporter = Reporter::new(now, numbers.rtp.ssrc, numbers.spread.into());
            let next_at = wires.wheel.tick_from(reporter.next_at());
            Box::new(Reports { reporter, remote, next_at })
        });
        reports.remote = remote;
    }

    /// Reports if it is time.
    pub(super) fn report_if_due(&mut self, now: Instant, wires: &mut Wires) {
        if self.reports.as_ref().is_some_and(|reports| reports.next_at <= now) {
            self.report(now, false, wires);
        }
    }

    /// Tells the peer that we leave, if it ever heard of us (§6.3.7).
    pub(super) fn say_goodbye(&mut self, now: Instant, wires: &mut Wires) {
        if self.phase == Phase::Up && self.packets_sent(wires) > 0 {
            self.report(now, true, wires);
        }
    }

    fn report(&mut self, now: Instant, goodbye: bool, wires: &mut Wires) {
        let packets = self.packets_sent(wires);
        let timestamp = self.numbers.rtp.timestamp.wrapping_add(wires.wheel.clock(now));
        let name = derive::hex(&self.numbers.name);
        let counted = self.counted.as_deref().filter(|_| self.all_sound_came(wires));
        let unknown = Receiver::new();
        let receiver = counted.map_or(&unknown, |counted| &counted.receiver);
        let Some(reports) = &mut self.reports else { return };
        let bytes = reports.reporter.report(now, packets, timestamp, receiver, &name, goodbye);
        reports.next_at = wires.wheel.tick_from(reports.reporter.next_at());
        let bytes = match wires.wheel.seal_of(self.key) {
            None => Some(bytes),
            Some(seal) => seal.protect_rtcp(&bytes),
        };
        if let Some((destination, bytes)) = reports.remote.zip(bytes) {
            wires.counters.rtcp_sent += 1;
            wires.rtcp.push(RtcpTransmit { slot: self.port_slot, destination, bytes });
        }
    }

    /// Whether all that the peer said came here, as far as it was not lost on the way.
    pub(super) fn all_sound_came(&self, wires: &Wires) -> bool {
        let port = wires.sound.get(usize::from(self.port_slot)).copied().unwrap_or_default();
        port.is_whole_since(self.dropped_before)
    }

    /// Packets that left, as far as we know.
    fn packets_sent(&self, wires: &Wires) -> u32 {
        let frames = match &self.audio {
            Audio::Silent => 0,
            Audio::OnWheel { tick } => wires.wheel.frame(*tick, self.key()).unwrap_or(0),
            Audio::Held(playing) => playing.frame(),
        };
        self.sound.sent.saturating_add(frames).saturating_sub(self.rtp.refused)
    }

    /// A packet of RTCP from the peer.
    /// A datagram from where the peer's reports come from, and nothing else does.
    pub(crate) fn received_report(&mut self, now: Instant, bytes: &[u8], wires: &mut Wires) {
        if !matches!(self.phase, Phase::Calling | Phase::Up) {
            return;
        }
        if rtcp::is_rtcp(bytes) {
            return self.reported(now, bytes, wires);
        }
        wires.counters.rtp_strangers += 1;
        self.rtp.strangers = self.rtp.strangers.saturating_add(1);
    }

    pub(super) fn reported(&mut self, now: Instant, bytes: &[u8], wires: &mut Wires) {
        let Some(reports) = &mut self.reports else {
            wires.counters.rtcp_unexpected += 1;
            return;
        };
        let opened = self.opener.as_mut().map(|opener| opener.open_rtcp(bytes));
        let bytes = match &opened {
            None => bytes,
            Some(Ok(opened)) => opened,
            Some(Err(_)) => {
                wires.counters.srtp_rejected += 1;
                return;
            }
        };
        let Some(received) = rtcp::parse(bytes, self.numbers.rtp.ssrc) else {
            wires.counters.rtcp_malformed += 1;
            return;
        };
        wires.counters.rtcp_received += 1;
        reports.reporter.received(now, &received);
    }
}

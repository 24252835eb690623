//! Following a phone to where its audio really comes from: behind NAT the address in its
//! description is not the one that others see (RFC 4961 names the habit, RFC 7362 the dangers).
//!
//! A stranger must not get a call by sending packets. A source is followed only when its IP is one
//! that the call knows already, from the description or the signalling; when nothing has come from
//! the present address for a while; and after several packets in a row that one source numbered
//! one after another. Whoever could fake all that gets our audio sent to the phone's own IP. When
//! the call is encrypted, those packets must be signed with its key, too.
//!
//! A trunk that is behind NAT is followed the same way, if its settings say so.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use media::rtp::{Header, Packet};
use media::sdp::Negotiated;

use super::{Call, Phase, Wires};

/// Packets in a row before a source is followed: 100 ms of sound.
const PACKETS: u8 = 5;
/// Sequence numbers that may be missing between two of them.
const LARGEST_GAP: u16 = 3;
/// How long the present address must have been silent.
const SILENCE: Duration = Duration::from_secs(3);

/// What a call remembers to follow its peer.
#[derive(Debug)]
pub(super) struct Latch {
    /// Where the signalling comes from.
    signalling: IpAddr,
    /// What the peer described last.
    described: Option<SocketAddr>,
    /// Where it was followed to instead.
    followed: Option<SocketAddr>,
    /// When something last came from the present address.
    heard_at: Option<Instant>,
    candidate: Option<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u8,
}

impl Latch {
    pub(super) fn new(signalling: IpAddr) -> Self {
        Self { signalling, described: None, followed: None, heard_at: None, candidate: None }
    }

    /// The IPs from which the peer may be followed.
    pub(super) fn expected(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let described = self.described.map(|address| address.ip());
        let other = described.filter(|ip| *ip != self.signalling);
        [Some(self.signalling), other].into_iter().flatten()
    }

    /// The peer described where it wants audio: gives back where it is to be sent. What was
    /// followed stays while the description does.
    pub(super) fn describe(&mut self, remote: SocketAddr) -> SocketAddr {
        if self.described != Some(remote) {
            self.described = Some(remote);
            (self.followed, self.heard_at, self.candidate) = (None, None, None);
        }
        self.followed.unwrap_or(remote)
    }

    /// A packet came from the present address.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = Some(now);
        self.candidate = None;
    }

    /// Whether the present address is silent, so that another may be followed.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.heard_at.is_none_or(|at| now.saturating_duration_since(at) >= SILENCE)
    }

    /// A plausible packet from elsewhere. `true`: from now on this is the peer.
    pub(super) fn follow(&mut self, now: Instant, source: SocketAddr, header: &Header) -> bool {
        if !self.is_open(now) || self.expected().all(|ip| ip != source.ip()) {
            return false;
        }
        let packets = match &self.candidate {
            Some(known) if known.source == source && known.ssrc == header.ssrc => {
                let step = header.sequence.wrapping_sub(known.sequence);
                if (1..=LARGEST_GAP).contains(&step) { known.packets + 1 } else { 1 }
            }
            _ => 1,
        };
        if packets < PACKETS {
            let (ssrc, sequence) = (header.ssrc, header.sequence);
            self.candidate = Some(Candidate { source, ssrc, sequence, packets });
            return false;
        }
        (self.followed, self.candidate) = (Some(source), None);
        self.heard_at = Some(now);
        true
    }
}

/// What was agreed, with the peer elsewhere. Reports that go to the port of sound go along.
pub(super) fn moved(agreed: Negotiated, to: SocketAddr) -> Negotiated {
    let rtcp = if agreed.rtcp == Some(agreed.remote) { Some(to) } else { agreed.rtcp };
    Negotiated { remote: to, rtcp, ..agreed }
}

impl Call {
    /// Whether packets from another address than the peer's may be the peer's.
    pub(crate) fn follows(&self, now: Instant) -> bool {
        self.phase == Phase::Up && self.latch.as_ref().is_some_and(|latch| latch.is_open(now))
    }

    /// A datagram from an address that no call has, and that may be our peer's.
    pub(crate) fn stranger(
        &mut self,
        now: Instant,
        source: SocketAddr,
        bytes: &[u8],
        wires: &mut Wires,
    ) {
        let Some(agreed) = self.agreed else { return };
        // Of an encrypted call, only a packet that its peer has signed is plausible.
        let opened = self.opened(bytes);
        let packet = opened.as_deref().and_then(|bytes| Packet::parse(bytes).ok());
        let plausible = packet.filter(|packet| {
            let kind = packet.header.payload_type;
            kind == agreed.payload_type || kind == agreed.codec.payload_type()
        });
        let Some(latch) = &mut self.latch else { return };
        match plausible.filter(|packet| latch.follow(now, source, &packet.header)) {
            Some(packet) => {
                wires.counters.rtp_followed += 1;
                self.send_to(now, moved(agreed, source), wires);
                self.take_packet(now, &packet, agreed, wires);
            }
            None => wires.counters.rtp_strangers += 1,
        }
    }
}

//! The receiving half of a call's media: counts every packet and keeps the audio in its place.

use std::net::SocketAddr;
use std::time::Instant;

use media::rtp::rtcp::is_rtcp;
use media::rtp::{Packet, Receiver};
use media::sdp::Negotiated;
use media::telephone_event::KeyReceiver;
use media::{Codec, SAMPLE_RATE_HZ};

use crate::io::CallReport;

/// A step in the timestamps of more than this, either way, is another clock, samples.
const LARGEST_GAP: usize = 10 * SAMPLE_RATE_HZ as usize;
/// The most keys that are kept of one call.
const MAX_KEYS: usize = 256;

/// What one call hears.
#[derive(Debug)]
pub(crate) struct Ear {
    /// The most bytes of audio that are kept; 0 keeps none.
    limit: usize,
    audio: Vec<u8>,
    codec: Option<Codec>,
    place: Option<Place>,
    keys: String,
    truncated: bool,
    source: Option<SocketAddr>,
    receiver: Receiver,
    key_receiver: KeyReceiver,
    answered_at: Option<Instant>,
    last_at: Option<Instant>,
    report: CallReport,
}

/// Where the audio of one source goes: timestamp `timestamp` belongs at byte `offset`.
#[derive(Debug, Clone, Copy)]
struct Place {
    ssrc: u32,
    timestamp: u32,
    offset: usize,
}

/// What an [`Ear`] kept.
pub(crate) struct Recording {
    pub(crate) codec: Codec,
    pub(crate) audio: Vec<u8>,
    pub(crate) keys: String,
    pub(crate) truncated: bool,
}

impl Ear {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            audio: Vec::new(),
            codec: None,
            place: None,
            keys: String::new(),
            truncated: false,
            source: None,
            receiver: Receiver::new(),
            key_receiver: KeyReceiver::new(),
            answered_at: None,
            last_at: None,
            report: CallReport::default(),
        }
    }

    /// From `now` on the call is answered, and what is said counts.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.answered_at = Some(now);
    }

    /// When the last packet came, or the answer if none has come since.
    pub(crate) fn last_heard_at(&self) -> Option<Instant> {
        self.last_at.or(self.answered_at)
    }

    /// Counts a datagram that is none of this call.
    pub(crate) fn refuse(&mut self) {
        self.report.refused += 1;
    }

    /// Takes a datagram from an address that may belong to this call. The first that speaks RTP
    /// is the only one heard from then on. `room` is how many bytes may still be kept.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        bytes: &[u8],
        negotiated: &Negotiated,
        room: &mut usize,
    ) {
        if is_rtcp(bytes) {
            return;
        }
        let Ok(packet) = Packet::parse(bytes) else { return self.refuse() };
        let kind = packet.header.payload_type;
        let is_audio = kind == negotiated.payload_type;
        let is_key = Some(kind) == negotiated.telephone_event_pt;
        if *self.source.get_or_insert(source) != source || !(is_audio || is_key) {
            return self.refuse();
        }
        let Some(answered_at) = self.answered_at else {
            self.report.before_answer += 1;
            return;
        };
        self.receiver.receive(now, &packet.header);
        if let Some(last_at) = self.last_at {
            let gap_ms = millis_between(last_at, now);
            self.report.longest_gap_ms = self.report.longest_gap_ms.max(gap_ms);
        }
        self.last_at = Some(now);
        if is_audio {
            let after_ms = millis_between(answered_at, now);
            self.report.first_audio_after_ms.get_or_insert(after_ms);
            self.keep(&packet, negotiated.codec, room);
        } else {
            let header = packet.header;
            let key = self.key_receiver.receive(header.ssrc, header.timestamp, packet.payload);
            if self.keys.len() < MAX_KEYS {
                self.keys.extend(key.map(media::telephone_event::Key::as_char));
            }
        }
    }

    /// What was counted.
    pub(crate) fn report(&self) -> CallReport {
        CallReport { received: self.receiver.report(), ..self.report }
    }

    /// How many bytes of audio are kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.audio.len()
    }

    /// What was kept, at the end of the call.
    pub(crate) fn into_recording(self) -> Recording {
        Recording {
            codec: self.codec.unwrap_or(Codec::Pcma),
            audio: self.audio,
            keys: self.keys,
            truncated: self.truncated,
        }
    }

    /// Writes a packet's audio to its place; what lies between is silence until it comes.
    fn keep(&mut self, packet: &Packet<'_>, codec: Codec, room: &mut usize) {
        if self.limit == 0 {
            return;
        }
        let kept_as = *self.codec.get_or_insert(codec);
        let Some(start) = self.offset_of(packet) else { return };
        let end = start.saturating_add(packet.payload.len());
        let growth = end.saturating_sub(self.audio.len());
        if end > self.limit || growth > *room {
            self.truncated = true;
            return;
        }
        *room -= growth;
        if growth > 0 {
            self.audio.resize(end, kept_as.silence());
        }
        if codec == kept_as {
            self.audio[start..end].copy_from_slice(packet.payload);
        } else {
            // A re-offer may change the codec; the recording keeps the one it began with.
            let kept = kept_as.encode_all(&codec.decode_all(packet.payload));
            self.audio[start..end].copy_from_slice(&kept);
        }
    }

    /// The byte at which a packet's audio begins; `None` when it is older than the first.
    fn offset_of(&mut self, packet: &Packet<'_>) -> Option<usize> {
        let header = packet.header;
        let here =
            Place { ssrc: header.ssrc, timestamp: header.timestamp, offset: self.audio.len() };
        let place = *self.place.get_or_insert(here);
        let ahead = header.timestamp.wrapping_sub(place.timestamp);
        let samples = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        if place.ssrc == header.ssrc {
            let offset = place.offset.saturating_add(samples(ahead));
            if offset <= self.audio.len().saturating_add(LARGEST_GAP) {
                return Some(offset);
            }
            let back = samples(ahead.wrapping_neg());
            if back <= LARGEST_GAP {
                return place.offset.checked_sub(back);
            }
        }
        // Another source, or a clock that jumped: it goes on where the audio ends.
        self.place = Some(here);
        Some(here.offset)
    }
}

fn millis_between(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

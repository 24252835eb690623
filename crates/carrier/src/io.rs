//! What goes into a carrier and what comes out of it.

use std::net::SocketAddr;
use std::time::Instant;

use media::rtp::ReceiverReport;
use media::{Codec, wav};

/// The place of a media port in [`crate::Config::media_ports`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSlot(pub usize);

/// A call, never reused within one carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// One input.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A datagram on the SIP socket.
    Sip {
        /// Where it came from.
        source: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// A datagram on a media port.
    Rtp {
        /// Which port.
        port: PortSlot,
        /// Where it came from.
        source: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// The time of [`crate::Carrier::next_timeout`] has come, or an input is long overdue.
    Timeout,
}

/// What one input brought forth. The caller drains it; the carrier only appends.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Datagrams for the SIP socket, in order.
    pub sip: Vec<sip::Transmit>,
    /// Datagrams for the media ports, in order.
    pub rtp: Vec<RtpOut>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// A datagram to send from a media port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpOut {
    /// The port to send from.
    pub port: PortSlot,
    /// Where to.
    pub destination: SocketAddr,
    /// The whole packet.
    pub bytes: Vec<u8>,
}

/// Something happened on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call came in for a number and was let in.
    CallStarted {
        /// The call.
        call: CallId,
        /// The Call-ID field, lossily as text.
        sip_call_id: String,
        /// Who was called, as the Request-URI said it.
        number: String,
        /// When.
        at: Instant,
    },
    /// The call was answered with 200.
    CallAnswered {
        /// The call.
        call: CallId,
        /// When.
        at: Instant,
    },
    /// The call is over, however it went. Each started call ends once.
    CallEnded {
        /// The call.
        call: CallId,
        /// Who was called.
        number: String,
        /// When.
        at: Instant,
        /// How.
        ending: Ending,
        /// What came in by RTP.
        report: CallReport,
    },
    /// What an answered call heard; follows its [`Event::CallEnded`] when recording is on.
    Heard(Heard),
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// We refused it with this status code.
    Refused(u16),
    /// The caller gave up before the answer.
    Cancelled,
    /// The caller hung up an answered call.
    CallerHungUp,
    /// We hung up an answered call.
    WeHungUp,
}

/// What came in by RTP during one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallReport {
    /// Packets, loss, order and jitter after the answer.
    pub received: ReceiverReport,
    /// From our 200 to the first packet of audio, milliseconds.
    pub first_audio_after_ms: Option<u64>,
    /// The longest time between two packets of audio, milliseconds.
    pub longest_gap_ms: u64,
    /// Packets of audio that came before our 200: the caller spoke to nobody.
    pub before_answer: u64,
    /// Packets that were no RTP, from an address not of this call, or of another payload type.
    pub refused: u64,
}

/// What a call heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The call.
    pub call: CallId,
    /// The Call-ID field, lossily as text.
    pub sip_call_id: String,
    /// Who was called.
    pub number: String,
    /// The codec of `audio`.
    pub codec: Codec,
    /// The audio as encoded, from the first packet on; what was lost is silence.
    pub audio: Vec<u8>,
    /// The keys that the caller pressed.
    pub keys: String,
    /// Whether a limit of recording cut it short.
    pub truncated: bool,
    /// What came in by RTP.
    pub report: CallReport,
    /// How the call ended.
    pub ending: Ending,
}

impl Heard {
    /// How long the audio lasts, milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.audio.len() as u64 * 1_000 / u64::from(media::SAMPLE_RATE_HZ)
    }

    /// The audio as linear samples at 8 kHz.
    pub fn samples(&self) -> Vec<i16> {
        self.codec.decode_all(&self.audio)
    }

    /// The audio as a complete WAV file, 16-bit PCM.
    pub fn wav(&self) -> Vec<u8> {
        wav::write_pcm16(&self.samples())
    }
}

/// What is alive in a carrier: all zero when nothing is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Calls.
    pub calls: usize,
    /// Media ports taken.
    pub ports: usize,
    /// Timers of calls.
    pub timers: usize,
    /// Calls that lose datagrams on purpose.
    pub lossy: usize,
    /// Bytes of audio kept.
    pub recorded_bytes: usize,
    /// What the SIP endpoint keeps.
    pub sip: sip::Live,
}

/// Totals since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams for the number that never responds.
    pub ignored: u64,
    /// Datagrams lost on purpose, both ways, SIP and RTP.
    pub lost_on_purpose: u64,
    /// Datagrams on a media port that no call has, or that does not exist.
    pub rtp_without_call: u64,
    /// Calls refused because all ports or all calls were taken.
    pub refused_full: u64,
    /// Calls whose offer had nothing for us.
    pub refused_offer: u64,
    /// Challenges sent for want of good credentials.
    pub challenged: u64,
}

//! What happened to a call, from SIP and media only: nothing here knows what it costs.

use media::Codec;
use media::detect::answering_machine::Verdict;
use media::detect::progress::Progress;
use media::rtp::PeerView;

use crate::keys::Keys;
use crate::ladder::Ladder;
use crate::limits::MAX_REASON_BYTES;

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The script came to its end and we hung up.
    Played,
    /// A machine answered, and the script wanted none.
    AnsweringMachine,
    /// The peer sent BYE before the script ended.
    CalleeHungUp,
    /// It rang until the ring timeout and we cancelled.
    NoAnswer,
    /// A final failure response: the code is in [`Outcome::sip_code`].
    Failed,
    /// Nothing came back to the INVITE for 32 s (RFC 3261 timer B).
    NoResponse,
    /// The INVITE could not be delivered.
    Undeliverable,
    /// It was answered with a description that leaves nothing to send; we hung up at once.
    NoMediaAgreed,
    /// It was answered in the clear, or without a key that we can use, where calls are encrypted;
    /// we hung up at once.
    NotEncrypted,
    /// The hard deadline of the call passed.
    DeadlineReached,
    /// The caller of the engine asked for the end, or the peer left our 200 to its re-INVITE
    /// unacknowledged for 32 s.
    HungUpByUs,
    /// The engine did not start the call at all; nothing was sent.
    Refused(Refusal),
}

/// Why a call was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// As many calls as [`crate::Limits::calls`] are alive.
    Full,
    /// The specification cannot be made into an INVITE: a URI or the Call-ID is unusable.
    BadSpec,
    /// An earlier call with this key or Call-ID is still being cleared.
    Taken,
}

/// Everything that is known of a finished call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended.
    pub cause: Cause,
    /// The final SIP status code of the INVITE as received; 200 for any 2xx.
    pub sip_code: Option<u16>,
    /// Its reason phrase, cut to [`MAX_REASON_BYTES`] bytes, printable characters only.
    pub sip_reason: Option<String>,
    /// The Q.850 cause of a Reason header (RFC 3326), from the failure or the peer's BYE.
    pub q850: Option<u8>,
    /// What a failure's Retry-After asked for (RFC 3261 §20.33), seconds.
    pub retry_after_s: Option<u32>,
    /// A 2xx arrived and was acknowledged.
    pub answered: bool,
    /// How much of the script's message was sent while the call was up, milliseconds, at most
    /// `clip_ms`. When it was begun anew, the most of it that was sent at a stretch. Packets that
    /// the operating system refused are not counted. Without a message: how long this leg heard the
    /// one that its script rang.
    pub heard_ms: u32,
    /// How long the message is, milliseconds, rounded up to whole frames; without one, how long the
    /// conversation may last; 0 with neither.
    pub clip_ms: u32,
    /// Every frame of the message was sent, and none was refused; or the conversation lasted as
    /// long as it may.
    pub heard_to_end: bool,
    /// Keys pressed from the answer on.
    pub keys: Keys,
    /// The digit that the script gathered as the vote.
    pub vote: Option<u8>,
    /// Who answered, when the script wanted to know and it was found out.
    pub answered_by: Option<Verdict>,
    /// What the network played before the answer, when the script wanted to know.
    pub early_media: Option<Progress>,
    /// When each step happened.
    pub timeline: Timeline,
    /// What was counted of RTP.
    pub rtp: RtpSummary,
    /// The codec that was agreed.
    pub codec: Option<Codec>,
    /// What happened, step by step.
    pub ladder: Ladder,
}

impl Outcome {
    /// The outcome of a call for which nothing was sent.
    pub(crate) fn not_started(refusal: Refusal, clip_ms: u32) -> Self {
        Self {
            cause: Cause::Refused(refusal),
            sip_code: None,
            sip_reason: None,
            q850: None,
            retry_after_s: None,
            answered: false,
            heard_ms: 0,
            clip_ms,
            heard_to_end: false,
            keys: Keys::default(),
            vote: None,
            answered_by: None,
            early_media: None,
            timeline: Timeline { ended_us: Some(0), ..Timeline::default() },
            rtp: RtpSummary::default(),
            codec: None,
            ladder: Ladder::default(),
        }
    }
}

/// When each step happened, in microseconds since `Start`. `None`: it did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeline {
    /// The INVITE was handed to the caller for sending.
    pub invite_us: Option<u64>,
    /// The first provisional response above 100.
    pub ringing_us: Option<u64>,
    /// The first 2xx.
    pub answered_us: Option<u64>,
    /// The first frame of sound was handed to the caller for sending.
    pub first_audio_us: Option<u64>,
    /// The first packet of the peer's sound after the answer. `None` also where sound is thrown
    /// away before it comes here ([`crate::Engine::drops_sound`]).
    pub first_received_us: Option<u64>,
    /// The end: BYE or CANCEL sent, BYE or a failure received, or the deadline.
    pub ended_us: Option<u64>,
}

/// What was counted of RTP in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RtpSummary {
    /// Packets given to the caller for sending, those of silence after the clip included.
    pub sent: u32,
    /// Packets among them that the operating system did not take.
    pub refused: u32,
    /// Packets received from the agreed address.
    pub received: u32,
    /// Packets lost on the way to us, by sequence numbers (RFC 3550 A.3). `None`: not known, since
    /// sound was thrown away before it came here ([`crate::Engine::drops_sound`]).
    pub lost: Option<u32>,
    /// Interarrival jitter on the way to us (RFC 3550 A.8), microseconds. `None`: as `lost`.
    pub jitter_us: Option<u32>,
    /// Datagrams from the agreed address that were not RTP of an agreed payload type.
    pub strangers: u32,
    /// What the peer's last report said of what we sent (RFC 3550 §6.4), if it sent any.
    pub peer: Option<PeerView>,
    /// Another call of the slot had the same remote address, so nothing was received for this one.
    pub ambiguous: bool,
}

/// Cuts a peer's text to what may be kept: printable, at most [`MAX_REASON_BYTES`] bytes.
pub(crate) fn bounded_reason(text: &str) -> String {
    let mut kept = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if kept.len() + letter.len_utf8() > MAX_REASON_BYTES {
            break;
        }
        kept.push(letter);
    }
    kept
}

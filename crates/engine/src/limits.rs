//! How much the engine takes on. Full means "refused and counted", never "grows".

/// Keys remembered of one call; what is pressed after that is counted, not kept.
pub const MAX_KEYS: usize = 32;
/// Steps of a [`crate::Script`].
pub const MAX_STEPS: usize = 64;
/// Clips that one step of a script plays.
pub const MAX_CLIPS: usize = 64;
/// Branches of one step of a script.
pub const MAX_BRANCHES: usize = 16;
/// Steps that one call begins, however often its script goes back; then it is over.
pub const MAX_TRANSITIONS: u16 = 1_000;
/// The same key by two ways (RFC 4733, INFO, tones) within this time was pressed once,
/// milliseconds: tones are heard as much later as the jitter buffer holds them back.
pub const SAME_KEY_MS: u32 = 250;
/// The longest recording, milliseconds.
pub const MAX_RECORDING_MS: u32 = 300_000;
/// The longest conversation of two legs that is recorded, milliseconds.
pub const MAX_BRIDGE_RECORDING_MS: u32 = 3_600_000;
/// Samples of a recording that are handed over at a time.
pub const RECORDED_SAMPLES: usize = 4_000;
/// Samples of silence that stand for a pause of the peer, at most; a longer pause is cut to it.
pub const MAX_GAP_SAMPLES: usize = 80_000;
/// How long a machine's beep is waited for, milliseconds.
pub const BEEP_WAIT_MS: u32 = 20_000;
/// Steps kept of a call's story; what is beyond that is counted.
pub const MAX_RUNGS: usize = 64;
/// Those among them that may be messages: a peer that sends many hides nothing else.
pub const MAX_MESSAGES: usize = 40;
/// Those among them that only the end of a call may take.
pub const RUNGS_FOR_THE_END: usize = 8;
/// Bytes that a call's story takes where it is kept, at most; a usual one takes 70.
pub const MAX_LADDER_BYTES: usize = 1_100;
/// Bytes kept of a peer's reason phrase.
pub const MAX_REASON_BYTES: usize = 80;
/// Bytes that a [`crate::DialogSnapshot`] may take in the flight recorder.
pub const MAX_SNAPSHOT_BYTES: usize = 400;
/// Contacts that one username may have registered at once.
pub const MAX_CONTACTS_PER_PHONE: usize = 3;
/// Bytes of a Contact URI that the registrar keeps.
pub const MAX_CONTACT_BYTES: usize = 255;
/// The shortest registration we accept without 423 (RFC 3261 §10.3 step 7), seconds.
pub const MIN_REGISTRATION_S: u32 = 60;
/// The longest registration we grant, seconds.
pub const MAX_REGISTRATION_S: u32 = 3_600;
/// What a phone gets that names no expiry, seconds.
pub const DEFAULT_REGISTRATION_S: u32 = 600;
/// The longest a call may last whatever its specification says, milliseconds.
pub const MAX_CALL_MS: u32 = 4 * 60 * 60 * 1_000;
/// The session interval that each INVITE asks for (RFC 4028 §7.1), milliseconds: an answered call
/// of which nothing is heard any more is ended by a peer that keeps to it, at the latest then
/// (§10).
pub const SESSION_MS: u32 = 1_800_000;
/// Calls of one RTP port that are asked whether a packet of an unknown source may be theirs.
pub const MAX_FOLLOWING: usize = 32;
/// How long the line stays open after the clip's last frame, so that its tail is heard.
pub const DRAIN_MS: u32 = 200;

/// What requests outside of calls may cost. An office of two hundred phones behind one address
/// that all register again at once is served within seconds.
pub const STRANGERS: sip::Rates = sip::Rates { per_source: 50, in_all: 1_000 };

/// Calls from phones alive at once, so that they take no room from those we place.
pub const MAX_INCOMING: usize = 64;
/// The longest name or number of who calls, in bytes.
pub const MAX_CALLER: usize = 64;
/// Numbers that phones may call.
pub const MAX_SERVICES: usize = 64;
/// Ranges of addresses that trunks may call from.
pub const MAX_TRUNK_RANGES: usize = 4_096;
/// How long the caller of the engine may think about a call that came in, milliseconds.
pub const DECISION_MS: u64 = 5_000;

/// The caps of one engine that an operator may lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls alive at once, from `Start` to `Ended`.
    pub calls: usize,
    /// Abandoned calls being cleared at once.
    pub abandoned: usize,
    /// Trunk checks under way at once.
    pub checks: usize,
    /// Usernames that the registrar knows.
    pub phones: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 5_000, abandoned: 10_000, checks: 1_024, phones: 10_000 }
    }
}

//! Everything that goes into an [`crate::Engine`] and comes out of it.
//!
//! These are plain values: the caller owns the sockets, the clock and the queues, and the engine
//! never calls back.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use media::{Codec, EncodedClip};
pub use sip::{Credentials, DialogSnapshot, Hop, LastWord, Transmit, Transport};

pub use crate::clip::Clip;

use sip::registration::Standing;

use crate::limits::{Limits, MAX_SNAPSHOT_BYTES};
use crate::outcome::Outcome;
use crate::script::Script;

/// What an engine is told once.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where peers reach the caller's SIP socket: written into Via and Contact.
    pub sip_local: SocketAddr,
    /// Where peers reach each of the caller's RTP sockets, which is written into offers; the index
    /// is the `slot` of [`Input::Rtp`] and [`RtpTransmit`]. One at least; what comes after the
    /// first 256 is not used. Twenty of a family spread the packets best, since the wheel has
    /// twenty ticks. A call gets one of its peer's family, IPv4 or IPv6.
    pub rtp: Vec<SocketAddr>,
    /// The tag and branch of every call and its RTP starting points are derived from it and the
    /// call's key. The same secret after a restart is what lets an abandoned call be cancelled.
    pub secret: [u8; 32],
    /// Everything else that must not be guessed (nonces, tags of other requests) is derived from
    /// it. Different at every start of the program.
    pub fresh_secret: [u8; 32],
    /// The digest realm of the registrar.
    pub realm: String,
    /// The digest algorithms that phones are challenged with, the preferred first. Some phones
    /// give up at one that they do not know, whatever stands beside it.
    pub phone_digests: Vec<sip::digest::Algorithm>,
    /// Written into User-Agent and Server.
    pub user_agent: String,
    /// The beginning of the Call-IDs that the engine makes for second legs: how the owner of
    /// several engines knows whose a message is.
    pub call_id_prefix: String,
    /// How much is taken on.
    pub limits: Limits,
}

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram on the SIP socket.
    Sip {
        /// Who sent it.
        source: SocketAddr,
        /// What was sent.
        bytes: &'a [u8],
    },
    /// One SIP message that came over a connection, as [`sip::framing`] cuts them out.
    SipOver {
        /// Who sent it, and by what.
        peer: Hop,
        /// What was sent.
        bytes: &'a [u8],
    },
    /// A connection is gone, or could not be made.
    Disconnected {
        /// With whom.
        peer: Hop,
    },
    /// A datagram on an RTP socket.
    Rtp {
        /// The index of the socket in [`EngineConfig::rtp_ports`].
        slot: u8,
        /// Who sent it.
        source: SocketAddr,
        /// What was sent.
        bytes: &'a [u8],
    },
    /// The operating system says that datagrams to this address cannot be delivered: it refused
    /// one, or an ICMP error came back to the SIP socket.
    Undeliverable {
        /// Where they were to go.
        destination: SocketAddr,
    },
    /// The operating system did not take this packet of [`Outputs::rtp`]: nobody hears it.
    RtpRefused(&'a RtpTransmit),
    /// The caller wants something.
    Command(Command),
    /// [`crate::Engine::next_timeout`] has come.
    Timeout,
}

/// What the caller can ask for.
#[derive(Debug)]
pub enum Command {
    /// Place a call. Exactly one [`Event::Ended`] follows. A `CallKey` that is alive already is
    /// the caller's bug: the repetition is counted and changes nothing.
    Start(Box<CallSpec>),
    /// End a call now: CANCEL before the answer, BYE after it. Unknown calls are ignored, since
    /// the call may have ended in the meantime.
    HangUp {
        /// Which call.
        call: CallKey,
    },
    /// Clear a call that a killed process left behind. [`Event::Abandoned`] follows.
    Abandon(Box<AbandonedCall>),
    /// Replace the phones that may register. Phones that stay keep their registrations, the
    /// others lose them.
    SetPhones(Arc<[PhoneCredential]>),
    /// Replace the numbers that phones may call, such as `*43`: a call to one of them by a phone
    /// that proves itself is [`Event::Incoming`]. What is beyond
    /// [`crate::limits::MAX_SERVICES`] is not taken.
    SetServices(Arc<[String]>),
    /// Replace the trunks that may call those numbers without a password, known by where they call
    /// from. What is beyond [`crate::limits::MAX_TRUNK_RANGES`] is not taken.
    SetTrunks(Arc<[TrunkSource]>),
    /// Answer an [`Event::Incoming`]: its script runs once the answer is acknowledged, and
    /// [`Event::Ended`] follows. Ignored when it is over meanwhile; refused with 488
    /// when it offers nothing that we have, and with 486 when there are as many calls meanwhile as
    /// there may be.
    Answer {
        /// Which call.
        call: CallKey,
        /// What it does.
        script: Arc<Script>,
        /// How long it may last from now on, milliseconds.
        max_duration_ms: u32,
    },
    /// Go on with another script: whatever the present one plays, waits for, records or has rung is
    /// over, and keys pressed before are not the new one's. A call that is not answered yet begins
    /// with it. Unknown calls are ignored, since the call may have ended in the meantime.
    Follow {
        /// Which call.
        call: CallKey,
        /// What it does now.
        script: Arc<Script>,
    },
    /// Refuse an [`Event::Incoming`]; [`Event::NotAnswered`] follows.
    Reject {
        /// Which call.
        call: CallKey,
        /// The status code, 300 to 699.
        sip_code: u16,
    },
    /// Replace our registrations with trunks. One that stays as it is goes on; one that is gone
    /// is taken back, and [`Event::TrunkLeft`] follows.
    SetRegistrations(Arc<[TrunkRegistration]>),
    /// Ask a trunk whether it is there, by OPTIONS. [`Event::TrunkChecked`] follows.
    CheckTrunk(Box<TrunkCheck>),
}

/// The identity of one attempt, given by the caller. Never used twice with one secret: the
/// Via branch and tags of the call are derived from it. Keys from 2⁶³ on are the engine's own, of
/// calls that came in and of second legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey(pub u64);

impl CallKey {
    /// The first of the engine's own.
    pub(crate) const FIRST_INCOMING: Self = Self(1 << 63);

    /// The first of second legs.
    pub(crate) const FIRST_SECOND: Self = Self(3 << 62);

    /// Whether this is a call that came in.
    pub fn is_incoming(self) -> bool {
        (Self::FIRST_INCOMING..Self::FIRST_SECOND).contains(&self)
    }
}

/// From where a trunk's requests come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkSource {
    /// Its name, in events.
    pub trunk: String,
    /// Its addresses: ranges of one family each.
    pub ranges: Vec<RangeInclusive<IpAddr>>,
    /// What its calls may sound like, the dearest first. Empty: PCMA and PCMU.
    pub codecs: Vec<Codec>,
    /// Whether its calls must be encrypted: [`Srtp::Required`] refuses those in the clear, anything
    /// else takes both.
    pub srtp: Srtp,
    /// Its audio may come from another port or address than it names, which is followed.
    pub symmetric_rtp: bool,
}

/// Who calls us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The phone of this username, which proved its password.
    Phone(String),
    /// The trunk of this name, by the address that it calls from.
    Trunk(String),
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a trunk or any other SIP address, resolved by the caller.
    Address {
        /// Where the INVITE is sent.
        address: SocketAddr,
        /// The Request-URI.
        request_uri: String,
        /// The URI of the To header.
        to: String,
    },
    /// To a registered phone. All of the call goes where its REGISTER came from, whatever the
    /// Contact of its answer says: behind NAT that is the only address that works.
    Phone {
        /// The source address of its REGISTER.
        address: SocketAddr,
        /// The Contact that it registered: Request-URI and To.
        contact_uri: String,
    },
}

/// Whether the sound of a call is encrypted, with keys in the description (RFC 4568).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Srtp {
    /// It is not.
    #[default]
    Off,
    /// If the peer wants it, too.
    Optional,
    /// Otherwise there is no call.
    Required,
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct CallSpec {
    /// Its identity.
    pub call: CallKey,
    /// The Call-ID, unique in the world; the caller records it before `Start`.
    pub call_id: String,
    /// Where it goes.
    pub target: Target,
    /// The URI of the From header: who the callee sees calling.
    pub from_uri: String,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
    /// Codecs in the order of preference. Empty: PCMA, PCMU.
    pub codecs: Vec<Codec>,
    /// Whether its sound is encrypted.
    pub srtp: Srtp,
    /// Whether sound is sent to where it comes from, when that is not what the peer described.
    /// With a phone it always is.
    pub symmetric_rtp: bool,
    /// What is done once it is answered. Keys are reported in any case.
    pub script: Arc<Script>,
    /// How long to wait for the answer, counted from `Start`, before CANCEL, milliseconds.
    pub ring_timeout_ms: u32,
    /// How long the whole call may last, counted from `Start`, milliseconds; at most
    /// [`crate::limits::MAX_CALL_MS`]. When it passes, the outcome is written at once.
    pub max_duration_ms: u32,
}

/// A call that was alive when its process died, as the flight recorder remembers it.
#[derive(Debug, Clone)]
pub struct AbandonedCall {
    /// Its identity then.
    pub call: CallKey,
    /// Its Call-ID then.
    pub call_id: String,
    /// Its target then.
    pub target: Target,
    /// Its From URI then.
    pub from_uri: String,
    /// Those of its trunk, for a challenge; with them the INVITE may have been sent once more.
    pub credentials: Option<Credentials>,
    /// Its dialog, when an answer was recorded. Without one the call is cancelled.
    pub answered: Option<DialogSnapshot>,
}

/// A trunk to ping.
#[derive(Debug, Clone)]
pub struct TrunkCheck {
    /// Comes back in [`Event::TrunkChecked`].
    pub check: u64,
    /// Where the OPTIONS is sent.
    pub address: SocketAddr,
    /// Its Request-URI and To URI.
    pub request_uri: String,
    /// Its From URI.
    pub from_uri: String,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
}

/// A trunk that sends us calls, and takes ours, only while we are registered with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkRegistration {
    /// Its name, in events.
    pub trunk: String,
    /// Where the REGISTER is sent, by the transport that `registrar` names.
    pub address: SocketAddr,
    /// The registrar's URI: the Request-URI.
    pub registrar: String,
    /// The URI that we register, in From and To.
    pub address_of_record: String,
    /// The user part of our Contact.
    pub username: String,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
    /// For how long at a time, seconds. The registrar may give less.
    pub expires_s: u32,
}

/// A phone that may register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneCredential {
    /// The user part of its address-of-record and its digest username.
    pub username: String,
    /// MD5 of `username:realm:password` (RFC 7616 §3.4.2), for phones that know nothing better.
    pub ha1_md5: [u8; 16],
    /// SHA-256 of the same. Both are needed: a challenge does not know yet who will answer it.
    pub ha1_sha256: [u8; 32],
    /// Where it was registered before a restart.
    pub binding: Option<Binding>,
}

/// Where a phone is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its Contact URI.
    pub contact_uri: String,
    /// The source address of its REGISTER, which works behind NAT where the Contact does not.
    pub address: SocketAddr,
    /// How long it is still valid, seconds.
    pub expires_in_s: u32,
}

/// What came of one input. The caller clears it after use and passes it again, so that its
/// vectors keep their room.
///
/// The caller first takes `events` to its records, then sends `sip` and `rtp`: that is how a call
/// is on record as dialled before its INVITE leaves.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Messages for the SIP socket, or for connections: [`Transmit::transport`] says which.
    pub sip: Vec<Transmit>,
    /// Packets for the RTP sockets.
    pub rtp: Vec<RtpTransmit>,
    /// Reports for the RTP sockets.
    pub rtcp: Vec<RtcpTransmit>,
    /// What happened.
    pub events: Vec<Event>,
    /// What was recorded.
    pub recorded: Vec<Recorded>,
}

impl Outputs {
    /// Empties the vectors and keeps their room.
    pub fn clear(&mut self) {
        self.sip.clear();
        self.rtp.clear();
        self.rtcp.clear();
        self.events.clear();
        self.recorded.clear();
    }
}

/// A part of a recording. The parts of one call come in order, its recordings one after another,
/// and each that was started is ended, however the call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// A recording begins.
    Started {
        /// Of which call.
        call: CallKey,
    },
    /// More of it: linear samples at 8 kHz, at most [`crate::limits::RECORDED_SAMPLES`] and one
    /// packet more. What was lost on the way is silence.
    Audio {
        /// Of which call.
        call: CallKey,
        /// The samples.
        samples: Vec<i16>,
    },
    /// It is over.
    Ended {
        /// Of which call.
        call: CallKey,
        /// How long it is, milliseconds.
        length_ms: u32,
    },
}

/// One RTP packet to send: a header, and a payload that is shared with the clip.
#[derive(Debug, Clone)]
pub struct RtpTransmit {
    /// Whose packet it is.
    pub call: CallKey,
    /// The index of the socket in [`EngineConfig::rtp_ports`].
    pub slot: u8,
    /// Where to.
    pub destination: SocketAddr,
    /// The RTP header.
    pub header: [u8; 12],
    /// The clip that it plays.
    pub clip: Arc<EncodedClip>,
    /// Which frame of the clip; from the frame count on it is silence.
    pub frame: u32,
    /// What follows the header instead, when the call is encrypted.
    pub sealed: Option<Box<[u8]>>,
}

impl RtpTransmit {
    /// The bytes that follow the header.
    pub fn payload(&self) -> &[u8] {
        self.sealed.as_deref().unwrap_or_else(|| self.sound())
    }

    fn sound(&self) -> &[u8] {
        let frame = usize::try_from(self.frame).ok().and_then(|frame| self.clip.frame(frame));
        frame.unwrap_or(self.clip.codec().silent_frame())
    }
}

/// One packet of RTCP to send: a few in a minute of each call. Nothing is told when it is refused,
/// as nothing depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtcpTransmit {
    /// The index of the socket in [`EngineConfig::rtp_ports`].
    pub slot: u8,
    /// Where to.
    pub destination: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// The bytes of a dialog for the flight recorder; [`DialogSnapshot::decode`] reads them. `None`
/// when a peer's long route set takes more than [`MAX_SNAPSHOT_BYTES`]: such a call is recorded
/// without its dialog.
pub fn record_of(dialog: &DialogSnapshot) -> Option<Vec<u8>> {
    Some(dialog.encode()).filter(|bytes| bytes.len() <= MAX_SNAPSHOT_BYTES)
}

/// Something that the caller should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An INVITE is about to leave: it is in the same [`Outputs`]. The caller records the call as
    /// dialled before it sends.
    Dialling {
        /// Which call.
        call: CallKey,
    },
    /// The phone rings (180, or a 183 without a description).
    Ringing {
        /// Which call.
        call: CallKey,
    },
    /// A provisional response offers media before the answer. It is not listened to and is no
    /// answer.
    EarlyMedia {
        /// Which call.
        call: CallKey,
    },
    /// Its script rings another leg, whose events follow under a key of its own; its
    /// [`Event::Ended`] may come before or after that of this call.
    SecondLeg {
        /// Which call.
        call: CallKey,
        /// The other leg: a key of the engine's own.
        leg: CallKey,
    },
    /// It was answered; the ACK is in the same [`Outputs`].
    Answered {
        /// Which call.
        call: CallKey,
        /// What a later process needs to hang up: [`record_of`] makes the bytes to keep.
        dialog: Arc<DialogSnapshot>,
    },
    /// The first frame of sound is in the same [`Outputs`].
    FirstAudio {
        /// Which call.
        call: CallKey,
    },
    /// Once a second while the script's message plays.
    Progress {
        /// Which call.
        call: CallKey,
        /// How much of the message was sent, milliseconds.
        heard_ms: u32,
    },
    /// A key was pressed: `0`–`9`, `*`, `#`, `A`–`D`.
    Key {
        /// Which call.
        call: CallKey,
        /// Which key.
        digit: char,
    },
    /// It is over. The last event of a call.
    Ended {
        /// Which call.
        call: CallKey,
        /// All that is known of it.
        outcome: Box<Outcome>,
    },
    /// A phone calls one of the services. To be decided by [`Command::Answer`] or
    /// [`Command::Reject`] within [`crate::limits::DECISION_MS`]; otherwise it gets 480. One of
    /// [`Event::Ended`] and [`Event::NotAnswered`] follows.
    Incoming {
        /// Which call: a key of the engine's own, above every key that a caller gives.
        call: CallKey,
        /// Who calls.
        caller: Caller,
        /// The number it called.
        number: String,
        /// The user part of who is said to call, of at most [`crate::limits::MAX_CALLER`] bytes:
        /// the network's word where there is one (P-Asserted-Identity, RFC 3325 §9.1), else that
        /// of the From header. `None` when it asks for privacy (RFC 3323 §4.2).
        from: Option<String>,
    },
    /// A call that came in is over without an answer: it gave up, was refused, had nothing in
    /// common with us, or nobody decided in time.
    NotAnswered {
        /// Which call.
        call: CallKey,
    },
    /// An abandoned call was cleared, or that has failed for now and may be tried again.
    Abandoned {
        /// Which call.
        call: CallKey,
        /// What the peer said of it. Where there was no room or address to try, nothing.
        word: LastWord,
    },
    /// A phone registered, refreshed its registration, or lost its latest contact while an
    /// earlier one is still there: this is where it is called from now on.
    PhoneRegistered {
        /// Whose.
        username: String,
        /// Its Contact URI.
        contact_uri: String,
        /// Where its REGISTER came from.
        address: SocketAddr,
        /// How long it is valid, seconds.
        expires_s: u32,
    },
    /// A phone has no registration any more: it left, or its time ran out.
    PhoneGone {
        /// Whose.
        username: String,
    },
    /// Where our registration with a trunk stands; told when that changes and at each failure.
    TrunkRegistration {
        /// Which trunk.
        trunk: String,
        /// How it stands now.
        standing: Standing,
    },
    /// Our registration with a trunk was taken back, or could not be.
    TrunkLeft {
        /// Which trunk.
        trunk: String,
    },
    /// The reply to a trunk check.
    TrunkChecked {
        /// The number of the check.
        check: u64,
        /// The final status code; `None` when nothing came or nothing could be sent.
        sip_code: Option<u16>,
        /// From the first OPTIONS to the final response or to giving up, microseconds.
        round_trip_us: u64,
    },
}

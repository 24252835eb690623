//! A whole outcome as bytes, so that a call that ended before a kill is settled exactly after it.

use engine::{
    Cause, Codec, Keys, Ladder, Outcome, PeerView, Progress, Refusal, RtpSummary, Timeline, Verdict,
};

use super::bytes::{Reader, Writer};

/// Stands for a count that is not known.
const UNKNOWN: u32 = u32::MAX;

fn known(count: u32) -> Option<u32> {
    Some(count).filter(|count| *count != UNKNOWN)
}

pub(super) fn write(to: &mut Writer<'_>, outcome: &Outcome) {
    to.u8(cause_code(outcome.cause));
    to.option(outcome.sip_code, Writer::u16);
    to.option(outcome.sip_reason.as_deref(), |to, text| to.counted(text.as_bytes()));
    to.option(outcome.q850, Writer::u8);
    to.option(outcome.retry_after_s, Writer::u32);
    to.u8(u8::from(outcome.answered));
    to.u8(u8::from(outcome.heard_to_end));
    to.u32(outcome.heard_ms);
    to.u32(outcome.clip_ms);
    to.counted(outcome.keys.to_string().as_bytes());
    to.option(outcome.vote, Writer::u8);
    to.option(outcome.answered_by.map(verdict_code), Writer::u8);
    to.option(outcome.early_media.map(progress_code), Writer::u8);
    for moment in moments(&outcome.timeline) {
        to.option(moment, Writer::u64);
    }
    let rtp = &outcome.rtp;
    let RtpSummary { sent, refused, received, lost, jitter_us, strangers, .. } = *rtp;
    let [lost, jitter_us] = [lost, jitter_us].map(|count| count.unwrap_or(UNKNOWN));
    for count in [sent, refused, received, lost, jitter_us, strangers] {
        to.u32(count);
    }
    to.u8(u8::from(rtp.ambiguous));
    to.option(outcome.codec.map(Codec::payload_type), Writer::u8);
    to.option(rtp.peer, |to, peer| {
        to.u32(peer.lost);
        to.u32(peer.jitter_us);
        to.option(peer.round_trip_us, Writer::u32);
    });
}

pub(super) fn read(from: &mut Reader<'_>) -> Option<Outcome> {
    let mut outcome = read_first(from)?;
    outcome.rtp.peer = from.option(|from| {
        Some(PeerView {
            lost: from.u32()?,
            jitter_us: from.u32()?,
            round_trip_us: from.option(Reader::u32)?,
        })
    })?;
    Some(outcome)
}

fn read_first(from: &mut Reader<'_>) -> Option<Outcome> {
    Some(Outcome {
        cause: cause(from.u8()?)?,
        sip_code: from.option(Reader::u16)?,
        sip_reason: from.option(text)?,
        q850: from.option(Reader::u8)?,
        retry_after_s: from.option(Reader::u32)?,
        answered: from.bool()?,
        heard_to_end: from.bool()?,
        heard_ms: from.u32()?,
        clip_ms: from.u32()?,
        keys: keys(from)?,
        vote: from.option(Reader::u8)?,
        answered_by: match from.option(Reader::u8)? {
            Some(written) => Some(of_code(written, &VERDICTS, verdict_code)?),
            None => None,
        },
        early_media: match from.option(Reader::u8)? {
            Some(written) => Some(of_code(written, &PROGRESSES, progress_code)?),
            None => None,
        },
        timeline: Timeline {
            invite_us: from.option(Reader::u64)?,
            ringing_us: from.option(Reader::u64)?,
            answered_us: from.option(Reader::u64)?,
            first_audio_us: from.option(Reader::u64)?,
            // Told in the story only.
            first_received_us: None,
            ended_us: from.option(Reader::u64)?,
        },
        rtp: RtpSummary {
            sent: from.u32()?,
            refused: from.u32()?,
            received: from.u32()?,
            lost: known(from.u32()?),
            jitter_us: known(from.u32()?),
            strangers: from.u32()?,
            ambiguous: from.bool()?,
            peer: None,
        },
        codec: match from.option(Reader::u8)? {
            Some(payload_type) => Some(Codec::of_payload_type(payload_type)?),
            None => None,
        },
        // A story does not fit into a slot; recovery tells what is known instead.
        ladder: Ladder::default(),
    })
}

const VERDICTS: [Verdict; 3] = [Verdict::Person, Verdict::Machine, Verdict::Unsure];
const PROGRESSES: [Progress; 4] =
    [Progress::Ringing, Progress::Busy, Progress::Congestion, Progress::Announcement];

fn verdict_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Person => 1,
        Verdict::Machine => 2,
        Verdict::Unsure => 3,
    }
}

fn progress_code(progress: Progress) -> u8 {
    match progress {
        Progress::Ringing => 1,
        Progress::Busy => 2,
        Progress::Congestion => 3,
        Progress::Announcement => 4,
    }
}

/// The value that was written as this code, if any is.
fn of_code<T: Copy>(written: u8, all: &[T], code: fn(T) -> u8) -> Option<T> {
    all.iter().copied().find(|one| code(*one) == written)
}

fn text(from: &mut Reader<'_>) -> Option<String> {
    String::from_utf8(from.counted()?.to_vec()).ok()
}

fn keys(from: &mut Reader<'_>) -> Option<Keys> {
    let mut keys = Keys::default();
    text(from)?.chars().all(|key| keys.push(key)).then_some(keys)
}

fn moments(timeline: &Timeline) -> [Option<u64>; 5] {
    [
        timeline.invite_us,
        timeline.ringing_us,
        timeline.answered_us,
        timeline.first_audio_us,
        timeline.ended_us,
    ]
}

fn cause_code(cause: Cause) -> u8 {
    match cause {
        Cause::Played => 1,
        Cause::CalleeHungUp => 2,
        Cause::NoAnswer => 3,
        Cause::Failed => 4,
        Cause::NoResponse => 5,
        Cause::NoMediaAgreed => 6,
        Cause::DeadlineReached => 7,
        Cause::HungUpByUs => 8,
        Cause::Refused(Refusal::Full) => 9,
        Cause::Refused(Refusal::BadSpec) => 10,
        Cause::Refused(Refusal::Taken) => 11,
        Cause::AnsweringMachine => 12,
        Cause::Undeliverable => 13,
        Cause::NotEncrypted => 14,
    }
}

fn cause(code: u8) -> Option<Cause> {
    const ALL: [Cause; 14] = [
        Cause::Played,
        Cause::CalleeHungUp,
        Cause::NoAnswer,
        Cause::Failed,
        Cause::NoResponse,
        Cause::NoMediaAgreed,
        Cause::DeadlineReached,
        Cause::HungUpByUs,
        Cause::Refused(Refusal::Full),
        Cause::Refused(Refusal::BadSpec),
        Cause::Refused(Refusal::Taken),
        Cause::AnsweringMachine,
        Cause::Undeliverable,
        Cause::NotEncrypted,
    ];
    ALL.into_iter().find(|&cause| cause_code(cause) == code)
}

//! Scripts of calls as the tape says them: every kind of step, sensible or not.

use std::sync::Arc;

use engine::{
    Bridge, Clip, Codec, Gather, KeySet, Keys, Label, MachineDetection, OnMachine, Play, Record,
    Script, SecondLeg, Srtp, Step,
};

use crate::engine_input::target;
use crate::tape::Tape;

/// Any script. Only the first leg of a call may ring another.
pub fn script(tape: &mut Tape<'_>, rings: bool) -> Script {
    let count = 1 + tape.byte() % 6;
    let mut steps: Vec<Step> = (0..count).map(|_| step(tape, rings)).collect();
    if !rings {
        steps.push(Step::Join);
    }
    let plain = || Script::new(vec![Step::Join]).expect("one step is a script");
    let mut script = Script::new(steps).unwrap_or_else(|_| plain());
    let more = tape.byte();
    if more & 1 != 0 {
        script = script.with_in_band_keys();
    }
    let on_machine = match more >> 1 & 3 {
        0 => return script,
        1 => OnMachine::Report,
        2 => OnMachine::HangUp,
        _ => OnMachine::LeaveMessage,
    };
    script.with_machine_detection(MachineDetection::new(on_machine))
}

fn step(tape: &mut Tape<'_>, rings: bool) -> Step {
    match tape.byte() % 9 {
        0 => Step::Message(play(tape)),
        1 => Step::Play(play(tape)),
        2 => Step::Loop { clip: clip(tape), for_ms: tape.word().into(), barge_in: keys(tape) },
        3 => Step::Gather(gather(tape)),
        4 => Step::Record(Record {
            beep: if tape.coin() { play(tape) } else { Play::whole(Arc::new(Clip::beep())) },
            max_ms: tape.word().into(),
            silence_ms: tape.word().into(),
            terminators: keys(tape),
        }),
        5 if rings => Step::Bridge(bridge(tape)),
        5 | 6 => Step::Join,
        7 => Step::GoTo(Label(tape.byte() % 8)),
        _ => Step::HangUp,
    }
}

fn bridge(tape: &mut Tape<'_>) -> Bridge {
    Bridge {
        leg: Arc::new(SecondLeg {
            target: target(tape),
            from_uri: "sip:second@192.0.2.1".into(),
            credentials: None,
            codecs: codecs(tape),
            srtp: srtp(tape),
            symmetric_rtp: tape.coin(),
            script: Arc::new(script(tape, false)),
            ring_timeout_ms: tape.word().into(),
            max_duration_ms: tape.word().into(),
        }),
        hold: clip(tape),
        max_ms: tape.word().into(),
        leave: keys(tape),
        record: tape.coin(),
        on_ended: label(tape),
        on_failed: label(tape),
    }
}

fn gather(tape: &mut Tape<'_>) -> Gather {
    let max = 1 + tape.byte() % 4;
    Gather {
        prompt: play(tape),
        accept: keys(tape),
        min: tape.byte() % (max + 1),
        max,
        terminators: keys(tape),
        first_ms: tape.word().into(),
        between_ms: tape.word().into(),
        repeats: tape.byte() % 4,
        branches: (0..tape.byte() % 3)
            .filter_map(|_| Some((Keys::of(tape.one_of(&["1", "2", "12", "#"]))?, label(tape)?)))
            .collect(),
        on_timeout: label(tape),
        on_invalid: label(tape),
        vote: tape.coin(),
    }
}

fn play(tape: &mut Tape<'_>) -> Play {
    let clips = (0..tape.byte() % 3).map(|_| clip(tape)).collect();
    Play { clips, barge_in: keys(tape) }
}

/// A clip of up to 1.3 s.
fn clip(tape: &mut Tape<'_>) -> Arc<Clip> {
    Arc::new(Clip::from_samples(&vec![1_000; usize::from(tape.byte()) * 40]))
}

fn keys(tape: &mut Tape<'_>) -> KeySet {
    tape.one_of(&[KeySet::NONE, KeySet::DIGITS, KeySet::ALL])
}

fn label(tape: &mut Tape<'_>) -> Option<Label> {
    tape.coin().then(|| Label(tape.byte() % 8))
}

/// Codecs in any order; none is the usual two.
pub fn codecs(tape: &mut Tape<'_>) -> Vec<Codec> {
    let all: [&[Codec]; 4] =
        [&[], &[Codec::Pcma, Codec::Pcmu], &[Codec::G722, Codec::Pcma], &[Codec::Pcmu]];
    tape.one_of(&all).to_vec()
}

/// Whether sound is encrypted.
pub fn srtp(tape: &mut Tape<'_>) -> Srtp {
    tape.one_of(&[Srtp::Off, Srtp::Optional, Srtp::Required])
}

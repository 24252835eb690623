//! What a script says is what the peer hears: clips without a gap, keys that cut off and keys that
//! do not, menus, codes, music; and an end, whatever it says.

use std::sync::Arc;
use std::time::Duration;

use carrier::sounds;
use engine::{
    Cause, Clip, Flaw, Gather, KeySet, Keys, Label, MachineDetection, OnMachine, Outcome, Play,
    Record, Recorded, Script, Step, limits,
};
use media::{Codec, FRAME_SAMPLES};
use proptest::prelude::*;

use crate::peer::{Act, CALLEE_SIP, Callee, usual_description};
use crate::world::{World, address, call_to};

/// A clip that is told from others by its number.
fn clip(number: i16, frames: usize) -> Arc<Clip> {
    Arc::new(Clip::from_samples(&vec![number * 512; frames * FRAME_SAMPLES]))
}

fn play(clips: &[Arc<Clip>], barge_in: KeySet) -> Play {
    Play { clips: clips.to_vec(), barge_in }
}

fn say(number: i16, frames: usize) -> Step {
    Step::Play(play(&[clip(number, frames)], KeySet::NONE))
}

fn gather() -> Gather {
    Gather { vote: false, ..Gather::vote(1_000) }
}

fn keys(names: &str) -> Keys {
    Keys::of(names).unwrap()
}

fn silent() -> Callee {
    Callee::new(usual_description())
}

/// What a callee heard of a script: the numbers of the clips with their frames, and the outcome.
/// Silence has the number 0. Packets never pause.
fn hear(steps: Vec<Step>, callee: Callee) -> (Vec<(i16, usize)>, Outcome) {
    let mut world = World::new();
    let callee = world.add_peer(callee);
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.script = Arc::new(Script::new(steps).unwrap());
    world.start(spec);
    world.run_until_quiet();
    let callee = callee.borrow();
    for pair in callee.rtp.windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, Duration::from_millis(20), "a gap");
    }
    let mut runs: Vec<(i16, usize)> = Vec::new();
    for (_, _, bytes) in &callee.rtp {
        let samples = Codec::Pcma.decode_all(&bytes[12..]);
        assert!(samples.iter().all(|sample| *sample == samples[0]), "a frame of two clips");
        let number = (samples[0] + 256) / 512;
        match runs.last_mut() {
            Some((last, frames)) if *last == number => *frames += 1,
            _ => runs.push((number, 1)),
        }
    }
    (runs, world.outcome(1).clone())
}

/// The clips heard, in order, without silence.
fn clips(runs: &[(i16, usize)]) -> Vec<i16> {
    runs.iter().map(|(number, _)| *number).filter(|number| *number != 0).collect()
}

#[test]
fn clips_follow_one_another_without_a_gap_and_only_the_message_counts_as_heard() {
    let message = [clip(3, 30), clip(4, 20), clip(5, 0), clip(6, 10)];
    let steps = vec![
        Step::Play(play(&[clip(1, 5), clip(2, 7)], KeySet::NONE)),
        Step::Message(play(&message, KeySet::NONE)),
        say(7, 3),
    ];
    let (runs, outcome) = hear(steps, silent());
    assert_eq!(runs[..6], [(1, 5), (2, 7), (3, 30), (4, 20), (6, 10), (7, 3)]);
    assert_eq!((outcome.cause, outcome.clip_ms, outcome.heard_ms), (Cause::Played, 1_200, 1_200));
    assert!(outcome.heard_to_end);
    assert!(outcome.rtp.sent >= 75, "{}", outcome.rtp.sent);
}

#[test]
fn what_was_heard_of_a_message_of_several_clips_is_told_when_the_callee_hangs_up() {
    let message = [clip(3, 30), clip(4, 20), clip(6, 100)];
    let steps = vec![say(1, 10), Step::Message(play(&message, KeySet::NONE))];
    let (_, outcome) = hear(steps, silent().then(1_500, Act::Bye("")));
    assert_eq!(outcome.cause, Cause::CalleeHungUp);
    assert!((1_260..=1_340).contains(&outcome.heard_ms), "{}", outcome.heard_ms);
    assert!(!outcome.heard_to_end);
}

#[test]
fn a_key_cuts_off_only_what_the_script_lets_it() {
    for (barge_in, key, cut) in [
        (KeySet::NONE, '1', false),
        (KeySet::of("12#").unwrap(), '3', false),
        (KeySet::of("12#").unwrap(), '#', true),
        (KeySet::ALL, 'D', true),
    ] {
        let steps = vec![Step::Message(play(&[clip(1, 100)], barge_in)), say(2, 10)];
        let (runs, outcome) = hear(steps, silent().press(1_000, key));
        assert_eq!(clips(&runs), [1, 2]);
        if cut {
            assert!((49..=52).contains(&runs[0].1), "{runs:?}");
            assert_eq!(outcome.heard_ms, u32::try_from(runs[0].1).unwrap() * 20);
        } else {
            assert_eq!((runs[0].1, outcome.heard_ms), (100, 2_000));
        }
        assert_eq!(outcome.keys.to_string(), key.to_string());
    }
}

#[test]
fn nothing_pressed_repeats_the_prompt_and_then_goes_where_the_script_says() {
    let menu = Gather {
        prompt: play(&[clip(1, 10)], KeySet::NONE),
        repeats: 2,
        on_timeout: Some(Label(2)),
        ..gather()
    };
    let (runs, outcome) = hear(vec![Step::Gather(menu), say(8, 5), say(9, 5)], silent());
    assert_eq!(clips(&runs), [1, 1, 1, 9]);
    let waits: Vec<usize> =
        runs[..6].iter().filter(|(number, _)| *number == 0).map(|(_, frames)| *frames).collect();
    // The second begins when the last frame is out; the first packet after it is on the grid.
    assert!(waits.iter().all(|frames| (50..=52).contains(frames)), "{runs:?}");
    assert_eq!((outcome.cause, outcome.keys.len()), (Cause::Played, 0));
}

#[test]
fn a_menu_goes_where_the_key_says_and_repeats_what_was_not_understood() {
    let menu = || Gather {
        prompt: play(&[clip(1, 10)], KeySet::ALL),
        accept: KeySet::ALL,
        repeats: 1,
        branches: vec![(keys("1"), Label(2)), (keys("2"), Label(4))],
        on_invalid: Some(Label(6)),
        ..gather()
    };
    let steps = || {
        vec![
            say(7, 5),
            Step::Gather(menu()),
            say(2, 5),
            Step::HangUp,
            say(3, 5),
            Step::GoTo(Label(7)),
            say(4, 5),
        ]
    };
    let chosen = |callee: Callee| clips(&hear(steps(), callee).0);
    assert_eq!(chosen(silent().press(500, '1')), [7, 1, 2]);
    assert_eq!(chosen(silent().press(500, '2')), [7, 1, 3]);
    // The prompt is cut off, too.
    assert_eq!(chosen(silent().press(200, '2')), [7, 1, 3]);
    // Known before it is asked.
    assert_eq!(chosen(silent().press(40, '1')), [7, 2]);
    // Not understood once, then twice.
    assert_eq!(chosen(silent().press(500, '9').press(1_200, '1')), [7, 1, 1, 2]);
    assert_eq!(chosen(silent().press(500, '9').press(1_200, '#')), [7, 1, 1, 4]);
}

#[test]
fn a_code_is_complete_with_its_last_digit_its_terminator_or_its_pause() {
    let code = Gather {
        min: 3,
        max: 4,
        terminators: KeySet::of("#").unwrap(),
        first_ms: 2_000,
        between_ms: 1_000,
        branches: vec![(keys("123"), Label(1)), (keys("1234"), Label(3))],
        on_invalid: Some(Label(5)),
        on_timeout: Some(Label(5)),
        ..gather()
    };
    let steps = || {
        let branch = |number| [say(number, 5), Step::HangUp];
        let code = Step::Gather(code.clone());
        let branches = [branch(1), branch(2), branch(3)].into_iter().flatten();
        std::iter::once(code).chain(branches).collect::<Vec<Step>>()
    };
    let type_in = |typed: &str, every_ms: u64| {
        let mut callee = silent();
        for (at, key) in (1..).zip(typed.chars()) {
            callee = callee.press(at * every_ms, key);
        }
        clips(&hear(steps(), callee).0)
    };
    assert_eq!(type_in("1234", 200), [2]);
    assert_eq!(type_in("123#", 200), [1]);
    assert_eq!(type_in("123", 900), [1], "a pause ends it");
    assert_eq!(type_in("12#", 200), [3], "too few");
    assert_eq!(type_in("1243", 200), [3], "another code");
    assert_eq!(type_in("", 200), [3], "none");
    assert_eq!(type_in("1*2A34", 200), [2], "keys that do not count are as if not pressed");
}

#[test]
fn what_is_typed_beyond_one_gathering_is_for_the_next() {
    let two = || {
        Step::Gather(Gather {
            max: 2,
            branches: vec![(keys("12"), Label(1)), (keys("34"), Label(2))],
            on_timeout: Some(Label(3)),
            on_invalid: Some(Label(3)),
            ..gather()
        })
    };
    let callee = silent().press(100, '1').press(300, '2').press(500, '3').press(700, '4');
    let (runs, _) = hear(vec![say(1, 60), two(), two(), say(9, 5)], callee);
    // The first goes to the second gathering by its label, which goes on to step 2: itself. Only
    // then nothing is left to be taken.
    assert_eq!(clips(&runs), [1, 9]);
}

#[test]
fn a_vote_takes_the_first_digit_and_no_other_key() {
    let steps = || vec![say(1, 10), Step::Gather(Gather::vote(3_000))];
    let vote = |callee: Callee| hear(steps(), callee).1.vote;
    assert_eq!(vote(silent().press(500, '7')), Some(7));
    assert_eq!(vote(silent().press(100, '7').press(300, '8')), Some(7), "while it played");
    assert_eq!(vote(silent().press(500, '*').press(900, '4')), Some(4));
    assert_eq!(vote(silent()), None);
}

#[test]
fn music_plays_over_and_over_until_its_time_or_a_key_that_ends_it() {
    let music = |barge_in| Step::Loop { clip: clip(1, 7), for_ms: 1_000, barge_in };
    let (runs, _) = hear(vec![music(KeySet::NONE), say(2, 5)], silent().press(300, '5'));
    assert_eq!(clips(&runs), [1, 2]);
    assert!((49..=51).contains(&runs[0].1), "{runs:?}");
    let (runs, _) = hear(vec![music(KeySet::ALL), say(2, 5)], silent().press(300, '5'));
    assert_eq!(clips(&runs), [1, 2]);
    assert!((14..=17).contains(&runs[0].1), "{runs:?}");
}

#[test]
fn a_script_that_goes_in_circles_comes_to_an_end() {
    for circle in [
        vec![Step::GoTo(Label(0))],
        vec![say(1, 0), Step::GoTo(Label(0))],
        vec![
            Step::Loop { clip: clip(1, 0), for_ms: 0, barge_in: KeySet::NONE },
            Step::GoTo(Label(0)),
        ],
        vec![
            Step::Gather(Gather { first_ms: 0, repeats: u8::MAX, ..gather() }),
            Step::GoTo(Label(0)),
        ],
    ] {
        let (_, outcome) = hear(circle, silent());
        assert_eq!(outcome.cause, Cause::Played);
    }
    let (_, outcome) = hear(vec![say(1, 50), Step::GoTo(Label(0))], silent());
    assert_eq!(outcome.cause, Cause::DeadlineReached, "what takes its time has its deadline");
}

#[test]
fn steps_that_cannot_be_followed_are_no_script() {
    let flaw = |steps: Vec<Step>| Script::new(steps).unwrap_err();
    assert_eq!(flaw(vec![Step::HangUp; limits::MAX_STEPS + 1]), Flaw::TooManySteps);
    assert_eq!(flaw(vec![Step::GoTo(Label(2))]), Flaw::NoSuchStep);
    let beyond = Gather { on_timeout: Some(Label(9)), ..gather() };
    assert_eq!(flaw(vec![Step::Gather(beyond)]), Flaw::NoSuchStep);
    let message = || Step::Message(play(&[clip(1, 1)], KeySet::NONE));
    assert_eq!(flaw(vec![message(), message()]), Flaw::TwoMessages);
    let many = vec![clip(1, 1); limits::MAX_CLIPS + 1];
    assert_eq!(flaw(vec![Step::Play(play(&many, KeySet::NONE))]), Flaw::TooManyClips);
    let branches = vec![(keys("1"), Label(0)); limits::MAX_BRANCHES + 1];
    assert_eq!(flaw(vec![Step::Gather(Gather { branches, ..gather() })]), Flaw::TooManyBranches);
    let record = Record {
        beep: play(&[], KeySet::NONE),
        max_ms: limits::MAX_RECORDING_MS + 1,
        silence_ms: 0,
        terminators: KeySet::NONE,
    };
    assert_eq!(flaw(vec![Step::Record(record)]), Flaw::RecordingTooLong);
    for (min, max) in [(0, 0), (3, 2), (1, 33)] {
        let never = Gather { min, max, ..gather() };
        assert_eq!(flaw(vec![Step::Gather(never)]), Flaw::NeverComplete);
    }
    assert!(Script::new(Vec::new()).is_ok());
}

fn any_keys() -> impl Strategy<Value = KeySet> {
    "[0-9*#A-D]{0,4}".prop_map(|names| KeySet::of(&names).unwrap())
}

fn any_play() -> impl Strategy<Value = Play> {
    (prop::collection::vec((1..9_i16, 0..20_usize), 0..3), any_keys()).prop_map(
        |(clips, barge_in)| Play {
            clips: clips.into_iter().map(|(number, frames)| clip(number, frames)).collect(),
            barge_in,
        },
    )
}

fn any_gather() -> impl Strategy<Value = Gather> {
    let label = || prop::option::of((0..8_u8).prop_map(Label));
    let branch = ("[0-9#]{1,2}", 0..8_u8).prop_map(|(typed, at)| (keys(&typed), Label(at)));
    let counts = (0..3_u8, 1..4_u8, 0..2_000_u32, 0..1_000_u32, 0..4_u8);
    let ways = (prop::collection::vec(branch, 0..3), label(), label());
    (any_play(), any_keys(), any_keys(), counts, ways).prop_map(
        |(prompt, accept, terminators, (min, max, first_ms, between_ms, repeats), ways)| Gather {
            prompt,
            accept,
            min: min.min(max),
            max,
            terminators,
            first_ms,
            between_ms,
            repeats,
            branches: ways.0,
            on_timeout: ways.1,
            on_invalid: ways.2,
            vote: true,
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any_play().prop_map(Step::Play),
        3 => any_gather().prop_map(Step::Gather),
        1 => (0..20_usize, 0..3_000_u32, any_keys()).prop_map(|(frames, for_ms, barge_in)| {
            Step::Loop { clip: clip(1, frames), for_ms, barge_in }
        }),
        2 => (0..8_u8).prop_map(|at| Step::GoTo(Label(at))),
        1 => (any_play(), 0..3_000_u32, 0..2_000_u32, any_keys()).prop_map(
            |(beep, max_ms, silence_ms, terminators)| {
                Step::Record(Record { beep, max_ms, silence_ms, terminators })
            },
        ),
        1 => Just(Step::HangUp),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_script_ends_and_holds_nothing(
        mut steps in prop::collection::vec(any_step(), 8),
        message in prop::option::of((0..8_usize, any_play())),
        typed in prop::collection::vec((20..400_u64, "[0-9*#A-D]"), 0..40),
        hang_up_ms in prop::option::of(0..8_000_u64),
        machine in prop::option::of(0..3_usize),
        talks in prop::option::of((1..9_u32, 100..6_000_u32)),
    ) {
        if let Some((at, play)) = message {
            steps[at] = Step::Message(play);
        }
        let mut world = World::new();
        let mut callee = silent();
        let mut at_ms = 0;
        for (after_ms, key) in typed {
            at_ms += after_ms;
            callee = callee.press(at_ms, key.chars().next().unwrap());
        }
        if let Some((seed, ms)) = talks {
            let beep = sounds::tone(1_200.0, 300);
            callee = callee.say(100, &[sounds::talk(seed, ms), beep].concat());
        }
        if let Some(after_ms) = hang_up_ms {
            callee = callee.then(after_ms, Act::Bye(""));
        }
        callee.acts.make_contiguous().sort_by_key(|(at, _)| *at);
        world.add_peer(callee);
        let mut spec = call_to(1, "callee", address(CALLEE_SIP));
        let on_machine = [OnMachine::Report, OnMachine::HangUp, OnMachine::LeaveMessage];
        let script = Script::new(steps).unwrap().with_in_band_keys();
        spec.script = Arc::new(match machine {
            Some(at) => script.with_machine_detection(MachineDetection::new(on_machine[at])),
            None => script,
        });
        spec.max_duration_ms = 30_000;
        world.start(spec);
        world.run_until_quiet();
        let outcome = world.outcome(1);
        prop_assert!(outcome.heard_ms <= outcome.clip_ms);
        prop_assert!(outcome.timeline.ended_us.is_some_and(|at| at <= 30_000_000));
        prop_assert!(outcome.keys.len() <= limits::MAX_KEYS);
        prop_assert_eq!(outcome.early_media, None);
        let mut recording = false;
        for (_, part) in &world.recorded {
            let starts = matches!(part, Recorded::Started { .. });
            prop_assert_ne!(starts, recording, "the parts of a recording are in order");
            recording = !matches!(part, Recorded::Ended { .. });
        }
        prop_assert!(!recording, "a recording was not ended");
    }
}

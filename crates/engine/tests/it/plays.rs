//! Calls that are answered: the message is heard from its first sample to its last.

use std::time::Duration;

use carrier::Ending;
use engine::{Cause, Event, Limits};
use media::Codec;

use crate::world::{World, call, carrier_config, clip_of_frames, playing, voting};

#[test]
fn the_whole_message_is_heard_byte_for_byte_in_both_codecs() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let mut world = World::new();
        let mut spec = call(1, "09121234567");
        spec.codecs = vec![codec];
        let clip = clip_of_frames(100);
        world.start(spec);
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!((outcome.cause, outcome.codec), (Cause::Played, Some(codec)));
        assert_eq!((outcome.heard_ms, outcome.clip_ms), (2_000, 2_000));
        assert!(outcome.heard_to_end && outcome.answered);
        let heard = &world.heard[0];
        let wanted = clip.encoded(codec).encoded();
        assert_eq!((heard.codec, heard.ending), (codec, Ending::CallerHungUp));
        assert_eq!(&heard.audio[..wanted.len()], wanted);
        assert!(heard.audio[wanted.len()..].iter().all(|byte| *byte == codec.silence()));
        assert_eq!((heard.report.received.lost, heard.report.refused), (0, 0));
        assert_eq!(heard.report.before_answer, 0);
    }
}

#[test]
fn an_engine_can_be_given_to_a_thread() {
    fn sendable<T: Send>() {}
    sendable::<engine::Engine>();
    sendable::<engine::Outputs>();
}

#[test]
fn the_steps_of_a_call_are_told_in_order_and_timed() {
    let mut world = World::new();
    world.start(call(1, "09121234567"));
    world.run_until_quiet();
    assert_eq!(
        world.ladder(1),
        ["dialling", "ringing", "answered", "first audio", "progress", "ended"]
    );
    let timeline = world.outcome(1).timeline;
    assert_eq!(timeline.invite_us, Some(0));
    let answered_us = timeline.answered_us.unwrap();
    assert!((1_000_000..1_100_000).contains(&answered_us), "{timeline:?}");
    let first_us = timeline.first_audio_us.unwrap();
    assert!((0..=20_000).contains(&(first_us - answered_us)), "{timeline:?}");
    // The last frame leaves 99 × 20 ms after the first; it lasts 20 ms, then comes the drain.
    assert_eq!(timeline.ended_us, Some(first_us + 1_980_000 + 220_000));
}

#[test]
fn packets_leave_every_20_ms_with_unpredictable_starting_points() {
    let mut world = World::new();
    world.keep_sent_rtp = true;
    world.start(call(1, "09990000200"));
    world.start(call(2, "09990000200"));
    world.run_until_quiet();
    let destination = world.sent_rtp[0].1;
    let of_one: Vec<_> = world.sent_rtp.iter().filter(|sent| sent.1 == destination).collect();
    assert!(of_one.len() > 100);
    for pair in of_one.windows(2) {
        assert_eq!(pair[0].0 + Duration::from_millis(20), pair[1].0);
    }
    let other = world.sent_rtp.iter().find(|sent| sent.1 != destination).unwrap();
    assert_ne!(of_one[0].2[2..12], other.2[2..12], "sequence, timestamp and source");
    assert_eq!(of_one[0].2[1], 0x88, "marker and PCMA");
}

#[test]
fn a_callee_who_hangs_up_after_two_seconds_has_heard_two_seconds() {
    let mut world = World::new();
    let mut spec = call(1, "09990000002");
    spec.script = playing(clip_of_frames(500));
    world.start(spec);
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!(outcome.cause, Cause::CalleeHungUp);
    assert!((1_940..=2_040).contains(&outcome.heard_ms), "{} ms", outcome.heard_ms);
    assert!(!outcome.heard_to_end);
    assert_eq!(world.heard[0].ending, Ending::WeHungUp);
}

#[test]
fn keys_are_reported_once_and_cut_nothing_off() {
    for key in '0'..='9' {
        let mut world = World::new();
        let mut spec = call(1, &format!("0999000011{key}"));
        spec.script = voting(clip_of_frames(100), 5_000);
        world.start(spec);
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!(outcome.keys.to_string(), key.to_string());
        assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 2_000));
        let keys = world.events.iter().filter(|(_, event)| matches!(event, Event::Key { .. }));
        assert_eq!(keys.count(), 1);
        // The key came during the clip, so there was nothing left to wait for.
        let timeline = outcome.timeline;
        assert!(timeline.ended_us.unwrap() - timeline.first_audio_us.unwrap() < 2_300_000);
    }
}

#[test]
fn a_vote_waits_for_its_key_after_a_short_clip() {
    let mut world = World::new();
    let mut spec = call(1, "09990000115");
    spec.script = voting(clip_of_frames(10), 5_000);
    world.start(spec);
    let mut silent = call(2, "09121234567");
    silent.script = voting(clip_of_frames(10), 5_000);
    world.start(silent);
    world.run_until_quiet();
    let voted = world.outcome(1);
    assert_eq!((voted.keys.to_string().as_str(), voted.cause), ("5", Cause::Played));
    let open_us = |outcome: &engine::Outcome| {
        outcome.timeline.ended_us.unwrap() - outcome.timeline.answered_us.unwrap()
    };
    assert!((1_000_000..1_500_000).contains(&open_us(voted)), "{}", open_us(voted));
    let silent = world.outcome(2);
    assert!(silent.keys.is_empty() && silent.heard_to_end);
    assert!((5_100_000..5_300_000).contains(&open_us(silent)), "{}", open_us(silent));
}

#[test]
fn digest_is_answered_for_401_and_407() {
    for number in ["09990000401", "09990000407"] {
        let mut world = World::new();
        world.start(call(1, number));
        world.run_until_quiet();
        assert_eq!(world.outcome(1).cause, Cause::Played, "{number}");
    }
}

#[test]
fn early_media_is_no_answer_and_is_not_played_to() {
    let mut world = World::new();
    world.start(call(1, "09990000183"));
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!(outcome.cause, Cause::Played);
    assert_eq!(
        world.ladder(1),
        ["dialling", "early media", "answered", "first audio", "progress", "ended"]
    );
    assert!(outcome.timeline.answered_us.unwrap() >= 2_000_000);
    assert_eq!(world.heard[0].report.before_answer, 0);
}

#[test]
fn late_answers_and_immediate_answers_play() {
    for (number, after_us) in [("09990000020", 20_000_000), ("09990000200", 0)] {
        let mut world = World::new();
        world.start(call(1, number));
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!(outcome.cause, Cause::Played);
        assert!(outcome.timeline.answered_us.unwrap() >= after_us);
    }
}

#[test]
fn an_empty_clip_is_answered_and_ends() {
    let mut world = World::new();
    let mut spec = call(1, "09990000200");
    spec.script = playing(clip_of_frames(0));
    world.start(spec);
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.heard_ms, outcome.clip_ms), (Cause::Played, 0, 0));
}

#[test]
fn a_lossy_number_still_hears_and_every_call_ends() {
    for seed in 0..20 {
        let mut world = World::new();
        world.loss_percent = 5;
        world.dice.0 = seed;
        world.start(call(1, "09990000010"));
        world.run_until_quiet();
        let outcome = world.outcome(1);
        if outcome.cause == Cause::Played {
            assert_eq!(outcome.heard_ms, 2_000);
        }
    }
}

#[test]
fn a_thousand_calls_at_once_leave_nothing_behind() {
    let mut world = World::with(20, Limits::default(), carrier_config(1_000));
    for key in 0..1_000 {
        world.start(call(key, "09121234567"));
    }
    assert_eq!(world.engine.live_calls(), 1_000);
    world.run_until_ended();
    for key in 0..1_000 {
        let outcome = world.outcome(key);
        assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 2_000));
    }
    assert!(world.heard.iter().all(|heard| heard.report.received.lost == 0));
    world.run_until_quiet();
    assert_eq!(world.carrier.live().calls, 0);
}

#[test]
fn a_thread_that_was_not_run_for_a_while_loses_no_word() {
    let mut world = World::new();
    world.keep_sent_rtp = true;
    let spec = call(1, "09990000200");
    let wanted = clip_of_frames(100).encoded(Codec::Pcma).encoded().to_vec();
    world.start(spec);
    world.run_for(Duration::from_millis(700));
    world.now += Duration::from_millis(330);
    world.run_until_quiet();
    let payloads: Vec<u8> =
        world.sent_rtp.iter().flat_map(|(_, _, bytes)| bytes[12..].to_vec()).collect();
    assert_eq!(&payloads[..wanted.len()], wanted);
    assert!((14..=16).contains(&world.counter("rtp_late_frames")));
    let most_at_once = |at: Duration| world.sent_rtp.iter().filter(|sent| sent.0 == at).count();
    assert!(world.sent_rtp.iter().all(|sent| most_at_once(sent.0) <= 2));
    assert_eq!(world.outcome(1).heard_ms, 2_000);
}

#[test]
fn any_number_of_ports_works() {
    for ports in [1, 3, 40] {
        let mut world = World::with(ports, Limits::default(), carrier_config(64));
        for key in 0..50 {
            world.start(call(key, "09121234567"));
        }
        world.run_until_quiet();
        for key in 0..50 {
            assert_eq!(world.outcome(key).cause, Cause::Played);
        }
    }
}

#[test]
fn frames_that_the_operating_system_refused_were_not_heard() {
    // The clip has 100 frames; what is refused behind it is silence.
    for (refused, heard_ms) in
        [(0..u32::MAX, 0), (99..100, 1_980), (10..60, 1_000), (100..u32::MAX, 2_000)]
    {
        let mut world = World::new();
        world.refused_frames = refused.clone();
        world.start(call(1, "09121234567"));
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!((outcome.cause, outcome.answered), (Cause::Played, true));
        assert_eq!((outcome.heard_ms, outcome.clip_ms), (heard_ms, 2_000), "{refused:?}");
        assert_eq!(outcome.heard_to_end, heard_ms == 2_000, "{refused:?}");
        assert!(outcome.rtp.refused > 0 && outcome.rtp.refused <= outcome.rtp.sent);
        let progress = world.events.iter().find_map(|(_, event)| match event {
            Event::Progress { heard_ms, .. } => Some(*heard_ms),
            _ => None,
        });
        let of_first_second = (0..50).filter(|frame| !refused.contains(frame)).count();
        // The last of them is refused after it was told.
        let told = usize::try_from(progress.unwrap()).unwrap() / 20;
        assert!((of_first_second..=of_first_second + 1).contains(&told), "{refused:?}: {told}");
    }
}

//! Goal: whatever a network and a sender do, sound comes out of the jitter buffer in order, once,
//! in bounded time and memory, and what is missing is told so that nothing later moves.

use std::time::{Duration, Instant};

use media::rtp::{Header, JitterBuffer, MAX_DELAY, MAX_HELD, MAX_HELD_BYTES, MIN_DELAY, Piece};
use proptest::prelude::*;

fn origin() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
    Instant::now()
}

fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
    Header { marker: false, payload_type: 8, sequence, timestamp, ssrc }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The number of a frame, written into each of its bytes.
fn frame(number: u32) -> Vec<u8> {
    vec![u8::try_from(number % 251).unwrap(); 160]
}

fn pop_all(buffer: &mut JitterBuffer, now: Instant) -> Vec<Piece> {
    std::iter::from_fn(|| buffer.pop(now)).collect()
}

/// Frames of a stream that begins at `timestamp`: each is pushed at its time, and whatever is due
/// is taken out each 5 ms.
fn play(timestamp: u32, arrivals: &[(u64, u32)]) -> (Vec<Piece>, JitterBuffer) {
    let start = origin();
    let mut buffer = JitterBuffer::new(MIN_DELAY);
    let mut arrivals = arrivals.to_vec();
    arrivals.sort_by_key(|(at_ms, _)| *at_ms);
    let mut pieces = Vec::new();
    let end_ms = arrivals.last().map_or(0, |(at_ms, _)| *at_ms) + 1_000;
    let mut waiting = arrivals.into_iter().peekable();
    for at_ms in 0..end_ms {
        while let Some((_, number)) = waiting.next_if(|(due_ms, _)| *due_ms <= at_ms) {
            let sequence = u16::try_from(number & 0xFFFF).unwrap();
            let header = header(1, sequence, timestamp.wrapping_add(number * 160));
            buffer.push(start + ms(at_ms), &header, &frame(number));
        }
        if at_ms % 5 == 0 {
            pieces.extend(pop_all(&mut buffer, start + ms(at_ms)));
        }
    }
    (pieces, buffer)
}

#[test]
fn a_steady_stream_passes_whole_also_where_its_timestamps_wrap() {
    let arrivals: Vec<(u64, u32)> =
        (0..100).map(|number| (u64::from(number) * 20, number)).collect();
    let wanted: Vec<Piece> = (0..100).map(|number| Piece::Audio(frame(number))).collect();
    for timestamp in [0, u32::MAX - 50 * 160, u32::MAX - 79] {
        assert_eq!(play(timestamp, &arrivals).0, wanted);
    }
}

#[test]
fn a_lost_frame_is_a_gap_of_its_length_and_a_repeated_one_counts_once() {
    let arrivals = [(0, 0), (20, 1), (21, 1), (60, 3), (80, 4), (81, 3)];
    let (pieces, buffer) = play(7, &arrivals);
    let audio = |number| Piece::Audio(frame(number));
    assert_eq!(pieces, [audio(0), audio(1), Piece::Gap { samples: 160 }, audio(3), audio(4)]);
    assert_eq!((buffer.counts().repeated, buffer.counts().late, buffer.held()), (1, 1, 0));
}

#[test]
fn the_very_first_packets_may_overtake_each_other() {
    let (pieces, buffer) = play(0, &[(0, 2), (1, 1), (2, 0), (60, 3)]);
    let wanted: Vec<Piece> = (0..4).map(|number| Piece::Audio(frame(number))).collect();
    assert_eq!(pieces, wanted);
    assert_eq!(buffer.counts(), media::rtp::JitterCounts::default());
}

#[test]
fn a_sender_that_pauses_leaves_silence_of_the_same_length() {
    // 5 s without packets, in which the timestamps went on: discontinuous transmission.
    let (pieces, _) = play(0, &[(0, 0), (5_000, 250), (5_020, 251)]);
    let audio = |number| Piece::Audio(frame(number));
    assert_eq!(pieces, [audio(0), Piece::Gap { samples: 249 * 160 }, audio(250), audio(251)]);
}

#[test]
fn another_source_or_a_clock_that_jumps_goes_on_without_a_gap() {
    let start = origin();
    let mut buffer = JitterBuffer::new(MIN_DELAY);
    buffer.push(start, &header(1, 1, 1_000), &frame(1));
    buffer.push(start + ms(20), &header(2, 900, 77), &frame(2));
    buffer.push(start + ms(40), &header(2, 901, 77 + 0x4000_0000), &frame(3));
    let pieces = pop_all(&mut buffer, start + ms(100));
    let wanted: Vec<Piece> = (1..4).map(|number| Piece::Audio(frame(number))).collect();
    assert_eq!(pieces, wanted);
}

#[test]
fn the_delay_grows_with_the_network_and_shrinks_when_it_is_calm_again() {
    let start = origin();
    let mut buffer = JitterBuffer::new(MIN_DELAY);
    let mut delay_of = |number: u32, late_ms: u64| {
        let sent = start + ms(u64::from(number) * 20);
        let now = sent + ms(late_ms);
        buffer.push(now, &header(1, 0, number * 160), &frame(number));
        let due = buffer.next_due().unwrap();
        while buffer.held() > 0 {
            let due = buffer.next_due().unwrap();
            assert!(buffer.pop(due).is_some());
        }
        due.saturating_duration_since(sent)
    };
    assert_eq!(delay_of(0, 0), MIN_DELAY);
    assert_eq!(delay_of(1, 0), MIN_DELAY);
    delay_of(2, 90);
    let grown = delay_of(3, 75);
    assert!(grown > ms(85) && grown <= ms(90), "{grown:?}");
    let calm = (4..3_000).map(|number| delay_of(number, 0)).last().unwrap();
    assert!(calm <= MIN_DELAY + ms(3), "{calm:?}");
}

#[test]
fn more_than_fits_comes_out_early_and_unusable_payloads_are_refused() {
    let start = origin();
    let mut buffer = JitterBuffer::new(MIN_DELAY);
    buffer.push(start, &header(1, 0, 0), &[]);
    buffer.push(start, &header(1, 0, 0), &vec![0; MAX_HELD_BYTES + 1]);
    assert_eq!((buffer.counts().unusable, buffer.held()), (2, 0));
    // One byte a packet: so many fit into the shortest delay.
    for at in 0..160 {
        buffer.push(start, &header(1, 0, at), &[u8::try_from(at).unwrap()]);
        while buffer.held() > MAX_HELD {
            assert!(buffer.pop(start).is_some());
        }
    }
    assert_eq!(buffer.held(), MAX_HELD);
    buffer.flush();
    assert_eq!(pop_all(&mut buffer, start).len(), MAX_HELD);
}

#[test]
fn packets_that_lie_over_each_other_are_flushed_to_the_last_end() {
    let start = origin();
    let mut buffer = JitterBuffer::new(MIN_DELAY);
    buffer.push(start, &header(1, 0, 2_418), &[1; 492]);
    buffer.push(start, &header(1, 0, 1_834), &[2; 892]);
    buffer.push(start, &header(1, 0, 2_419), &[3; 1]);
    buffer.flush();
    let heard = [Piece::Audio(vec![2; 892]), Piece::Audio(vec![1; 184])];
    assert_eq!(pop_all(&mut buffer, start), heard);
    assert_eq!((buffer.held(), buffer.counts().late), (0, 1));
}

/// A packet of a sender that does what it likes.
fn hostile() -> impl Strategy<Value = (u64, u32, u16, u32, usize)> {
    let timestamp = prop_oneof![0..4_000_u32, any::<u32>()];
    (0..300_u64, 0..3_u32, any::<u16>(), timestamp, 0..1_000_usize)
}

proptest! {
    /// Within the delay of the buffer nothing is lost, however packets overtake each other.
    #[test]
    fn reordering_alone_loses_nothing(
        timestamp: u32,
        jitter_ms in prop::collection::vec(0..=15_u64, 1..200),
    ) {
        let arrivals: Vec<(u64, u32)> = (0_u32..)
            .zip(&jitter_ms)
            .map(|(number, late_ms)| (u64::from(number) * 20 + late_ms, number))
            .collect();
        let (pieces, _) = play(timestamp, &arrivals);
        let frames = u32::try_from(jitter_ms.len()).unwrap();
        let wanted: Vec<Piece> = (0..frames).map(|at| Piece::Audio(frame(at))).collect();
        prop_assert_eq!(pieces, wanted);
    }

    /// With loss, repetition and overtaking: every frame comes out at its place or is a gap.
    #[test]
    fn every_frame_is_at_its_place_or_missing(
        timestamp: u32,
        fates in prop::collection::vec((0..=15_u64, 0..10_u8), 2..200),
    ) {
        let mut arrivals = vec![(0, 0)];
        for (number, (late_ms, fate)) in (1_u32..).zip(&fates) {
            let at = u64::from(number) * 20 + late_ms;
            arrivals.extend((*fate > 1).then_some((at, number)));
            arrivals.extend((*fate > 8).then_some((at + 3, number)));
        }
        let sent: std::collections::BTreeSet<u32> =
            arrivals.iter().map(|(_, number)| *number).collect();
        let (pieces, buffer) = play(timestamp, &arrivals);
        let mut place = 0;
        let mut came = 0;
        for piece in &pieces {
            match piece {
                Piece::Audio(bytes) => {
                    let number = u32::try_from(place / 160).unwrap();
                    prop_assert_eq!(bytes, &frame(number));
                    prop_assert!(sent.contains(&number));
                    came += 1;
                    place += 160;
                }
                Piece::Gap { samples } => place += samples,
            }
        }
        prop_assert_eq!(came, sent.len());
        prop_assert_eq!(place, u64::from(*sent.last().unwrap() + 1) * 160);
        prop_assert_eq!(buffer.held(), 0);
    }

    /// A sender with a clock, source and sizes of its own choosing gets neither memory nor delay.
    #[test]
    fn a_hostile_sender_is_bounded(packets in prop::collection::vec(hostile(), 1..200)) {
        let mut now = origin();
        let mut buffer = JitterBuffer::new(MIN_DELAY);
        let (mut pushed, mut audio, mut silence) = (0, 0, 0);
        let start = now;
        for (wait_ms, ssrc, sequence, timestamp, bytes) in packets {
            now += ms(wait_ms);
            buffer.push(now, &header(ssrc, sequence, timestamp), &vec![1; bytes]);
            pushed += bytes;
            for piece in pop_all(&mut buffer, now) {
                match piece {
                    Piece::Audio(bytes) => { prop_assert!(!bytes.is_empty()); audio += bytes.len() }
                    Piece::Gap { samples } => { prop_assert!(samples > 0); silence += samples }
                }
            }
            prop_assert!(buffer.held() <= MAX_HELD);
            if let Some(due) = buffer.next_due() {
                prop_assert!(due > now && due <= now + 2 * MAX_DELAY, "{:?}", due - now);
            }
        }
        prop_assert!(audio <= pushed);
        let elapsed_samples = u64::try_from((now - start).as_millis()).unwrap() * 8;
        prop_assert!(silence <= elapsed_samples + 200 * 8 * 200);
        buffer.flush();
        pop_all(&mut buffer, now);
        prop_assert_eq!(buffer.held(), 0);
    }
}

#[test]
fn whoever_never_takes_anything_out_holds_no_more_than_twice_the_limit() {
    let start = origin();
    let mut buffer = JitterBuffer::new(MIN_DELAY);
    for at in 0..1_000 {
        buffer.push(start, &header(at, 0, 0), &[7]);
    }
    assert_eq!((buffer.held(), buffer.counts().overflowed), (2 * MAX_HELD, 1_000 - 128));
    assert_eq!(pop_all(&mut buffer, start + MAX_DELAY).len(), 2 * MAX_HELD);
}

//! The jitter buffer: whatever comes in whatever order, what comes out is bounded, in order, and
//! nothing that came is there twice.

use std::time::{Duration, Instant};

use media::rtp::{Header, JitterBuffer, MAX_HELD, MAX_HELD_BYTES, Piece};

use crate::tape::{Tape, origin};

/// What went in and came out.
#[derive(Default)]
struct Account {
    pushed_packets: u64,
    pushed_bytes: usize,
    pieces: u64,
    audio_bytes: usize,
}

/// Packets of one call into its buffer, and time.
pub fn jitter_buffer(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut buffer = JitterBuffer::new(Duration::from_millis(u64::from(tape.byte()) * 2));
    let mut now = origin();
    let mut account = Account::default();
    let mut header = Header { marker: false, payload_type: 8, sequence: 0, timestamp: 0, ssrc: 0 };
    while !tape.is_over() {
        match tape.byte() % 4 {
            0 | 1 => {
                // The next packet of the stream, or one near it.
                let step = 160 * i32::from(tape.byte() % 8) - 320;
                header.timestamp = header.timestamp.wrapping_add_signed(step);
                push(&mut buffer, now, &header, &[1; 160], &mut account);
            }
            2 => {
                header.timestamp = u32::from(tape.word()) << 16 | u32::from(tape.word());
                header.ssrc = u32::from(tape.byte() % 3);
                let payload = vec![2; usize::from(tape.word()) % 1_200];
                push(&mut buffer, now, &header, &payload, &mut account);
            }
            _ => now += Duration::from_millis(u64::from(tape.byte())),
        }
        if tape.byte() < 192 {
            take_what_is_due(&mut buffer, now, &mut account);
        }
        assert!(buffer.held() <= 2 * MAX_HELD, "{} are held", buffer.held());
    }
    buffer.flush();
    take_what_is_due(&mut buffer, now, &mut account);
    assert_eq!((buffer.held(), buffer.next_due()), (0, None), "something stayed behind");
    let counts = buffer.counts();
    let dropped = counts.late + counts.repeated + counts.unusable + counts.overflowed;
    assert_eq!(account.pieces + dropped, account.pushed_packets, "each packet has one fate");
    assert!(account.audio_bytes <= account.pushed_bytes, "more sound came out than went in");
}

fn push(
    buffer: &mut JitterBuffer,
    now: Instant,
    header: &Header,
    payload: &[u8],
    account: &mut Account,
) {
    account.pushed_packets += 1;
    account.pushed_bytes += payload.len();
    buffer.push(now, header, payload);
}

fn take_what_is_due(buffer: &mut JitterBuffer, now: Instant, account: &mut Account) {
    while let Some(piece) = buffer.pop(now) {
        match piece {
            Piece::Audio(bytes) => {
                assert!((1..=MAX_HELD_BYTES).contains(&bytes.len()));
                account.pieces += 1;
                account.audio_bytes += bytes.len();
            }
            Piece::Gap { samples } => assert!(samples > 0, "a gap of nothing"),
        }
    }
    // Whoever waits until the buffer has something must not be woken for nothing.
    let next = buffer.next_due();
    assert!(next.is_none_or(|at| at > now), "nothing was due, and something is due");
}

//! What a playing call costs the allocator once it plays: nothing, in either direction.
//!
//! That holds for a call that plays in the clear and listens to nothing, which most are. A packet
//! of an encrypted call has a box of its own each way, beside whose cipher it costs little; what
//! is recorded, or passed on to another leg, is copied where it waits for its time.

use std::time::Duration;

use engine::{CallSpec, Input, Limits, Outputs};
use media::FRAME_SAMPLES;
use media::rtp::HEADER_BYTES;

use crate::world::{World, call, carrier_config, clip_of_frames, playing};

const CALLS: u64 = 100;

/// Goal: packets of a call that plays, ours and the peer's, are sent and counted without a single
/// allocation; only a report, a few a minute, has bytes of its own.
#[test]
fn playing_allocates_nothing() {
    let clip = clip_of_frames(1_000);
    let mut world = World::with(20, Limits::default(), carrier_config(512));
    for key in 1..=CALLS {
        world.start(CallSpec { script: playing(clip.clone()), ..call(key, "09121234567") });
    }
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.engine.live().playing as u64, CALLS, "all are up and play");
    let (mut sent, mut received, mut out) = (0, 0, Outputs::default());
    let until = world.now + Duration::from_secs(6);
    // The first second gives the buffers their room.
    let warm = world.now + Duration::from_secs(1);
    while world.now < until {
        let (engine, now) = (&mut world.engine, &mut world.now);
        *now = engine.next_timeout().expect("calls play").max(*now);
        let cost = allocation_counter::measure(|| {
            engine.handle(*now, Input::Timeout, &mut out);
        });
        let only_sound = out.rtcp.is_empty() && out.sip.is_empty();
        let measured = *now > warm;
        if only_sound && measured {
            assert_eq!(cost.count_total, 0, "{} packets: {cost:?}", out.rtp.len());
            sent += out.rtp.len();
        }
        // The peer says the same back.
        let packets = std::mem::take(&mut out.rtp);
        for packet in &packets {
            let mut bytes = [0; HEADER_BYTES + FRAME_SAMPLES];
            bytes[..HEADER_BYTES].copy_from_slice(&packet.header);
            bytes[HEADER_BYTES..].copy_from_slice(packet.payload());
            let input = Input::Rtp { slot: packet.slot, source: packet.destination, bytes: &bytes };
            let cost = allocation_counter::measure(|| engine.handle(*now, input, &mut out));
            assert!(!measured || cost.count_total == 0, "a packet of the peer's: {cost:?}");
            received += usize::from(measured);
        }
        out.rtp = packets;
        out.clear();
    }
    // Fifty packets a second of each call, less those that left beside a report.
    let all = usize::try_from(CALLS).unwrap() * 50 * 5;
    assert!(sent > all * 9 / 10 && received > all * 9 / 10, "{sent} and {received} of {all}");
}

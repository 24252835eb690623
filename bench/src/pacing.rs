//! How evenly the packets of calls arrive. A call's ideal grid of 20 ms is laid through its earliest
//! packet, so that every deviation counts as lateness.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::far_end::Packet;

/// Nanoseconds of one RTP timestamp unit.
const UNIT_NS: i64 = 125_000;

/// The packets from when all calls play until the first of them has ended.
pub fn while_all_play(packets: &[Packet]) -> Vec<Packet> {
    let mut spans: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
    for packet in packets {
        let span = spans.entry(packet.ssrc).or_insert((packet.at_ns, packet.at_ns));
        *span = (span.0.min(packet.at_ns), span.1.max(packet.at_ns));
    }
    let from = spans.values().map(|span| span.0).max().unwrap_or(0);
    let until = spans.values().map(|span| span.1).min().unwrap_or(0);
    packets.iter().filter(|packet| (from..until).contains(&packet.at_ns)).copied().collect()
}

/// How late each packet was, in milliseconds, against the earliest of its call.
pub fn lateness_ms(packets: &[Packet]) -> Vec<f64> {
    let mut calls: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    let mut first: BTreeMap<u32, u32> = BTreeMap::new();
    for packet in packets {
        let origin = *first.entry(packet.ssrc).or_insert(packet.timestamp);
        // A stream's packets may be read out of order, by a few frames at most.
        let units = packet.timestamp.wrapping_sub(origin).cast_signed();
        let shift = packet.at_ns - i64::from(units) * UNIT_NS;
        calls.entry(packet.ssrc).or_default().push(shift);
    }
    let mut lateness = Vec::with_capacity(packets.len());
    for shifts in calls.values() {
        let earliest = shifts.iter().min().copied().unwrap_or(0);
        lateness.extend(shifts.iter().map(|shift| {
            let ns = u64::try_from(shift - earliest).unwrap_or(0);
            Duration::from_nanos(ns).as_secs_f64() * 1e3
        }));
    }
    lateness
}

//! How evenly the packets of calls arrive. A call's ideal grid of 20 ms is laid through its
//! earliest packet, so that every deviation counts as lateness.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::far_end::Packet;

/// Nanoseconds of one RTP timestamp unit.
const UNIT_NS: i64 = 125_000;

/// The packets from when all calls play until the first of them has ended.
pub fn while_all_play(packets: &[Packet]) -> Vec<Packet> {
    let (from, until) = all_play(packets);
    packets.iter().filter(|packet| (from..until).contains(&packet.at_ns)).copied().collect()
}

/// The packets from before that: while one call after the other is set up.
pub fn while_they_begin(packets: &[Packet]) -> Vec<Packet> {
    let (from, _) = all_play(packets);
    packets.iter().filter(|packet| packet.at_ns < from).copied().collect()
}

/// From when until when all calls play, nanoseconds.
fn all_play(packets: &[Packet]) -> (i64, i64) {
    let mut spans: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
    for packet in packets {
        let span = spans.entry(packet.ssrc).or_insert((packet.at_ns, packet.at_ns));
        *span = (span.0.min(packet.at_ns), span.1.max(packet.at_ns));
    }
    let from = spans.values().map(|span| span.0).max().unwrap_or(0);
    let until = spans.values().map(|span| span.1).min().unwrap_or(0);
    (from, until)
}

/// The seconds, from the first packet on, in which more than a hundredth of the packets was later
/// than `late_ms`; to tell a loop that is late from a machine that was busy with something else.
pub fn late_seconds(packets: &[Packet], late_ms: f64) -> Vec<i64> {
    let begin = packets.iter().map(|packet| packet.at_ns).min().unwrap_or(0);
    let mut seconds: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for (at_ns, late) in lateness(packets) {
        let (all, late_ones) = seconds.entry((at_ns - begin) / 1_000_000_000).or_default();
        *all += 1;
        *late_ones += u64::from(late > late_ms);
    }
    let late = |(_, (all, late)): &(i64, (u64, u64))| late * 100 > *all;
    seconds.into_iter().filter(late).map(|(second, _)| second).collect()
}

/// How late each packet was, in milliseconds, against the earliest of its call.
pub fn lateness_ms(packets: &[Packet]) -> Vec<f64> {
    lateness(packets).into_iter().map(|(_, late)| late).collect()
}

/// When each packet came, and how late it was.
fn lateness(packets: &[Packet]) -> Vec<(i64, f64)> {
    let mut calls: BTreeMap<u32, Vec<(i64, i64)>> = BTreeMap::new();
    let mut first: BTreeMap<u32, u32> = BTreeMap::new();
    for packet in packets {
        let origin = *first.entry(packet.ssrc).or_insert(packet.timestamp);
        // A stream's packets may be read out of order, by a few frames at most.
        let units = packet.timestamp.wrapping_sub(origin).cast_signed();
        let shift = packet.at_ns - i64::from(units) * UNIT_NS;
        calls.entry(packet.ssrc).or_default().push((packet.at_ns, shift));
    }
    let mut lateness = Vec::with_capacity(packets.len());
    for shifts in calls.values() {
        let earliest = shifts.iter().map(|(_, shift)| *shift).min().unwrap_or(0);
        lateness.extend(shifts.iter().map(|(at_ns, shift)| {
            let ns = u64::try_from(shift - earliest).unwrap_or(0);
            (*at_ns, Duration::from_nanos(ns).as_secs_f64() * 1e3)
        }));
    }
    lateness
}

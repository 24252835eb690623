//! What the callees say: a packet of each of them every 20 ms, spread over the milliseconds.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media::rtp::Header;
use server::udp::{BatchSender, Outgoing};
use sip::LegId;

/// One packet's time, and its parts.
const TICKS: usize = 20;
const TICK: Duration = Duration::from_millis(1);
/// Bytes of sound in a packet, and units of its clock.
const SOUND: [u8; 160] = [0xD5; 160];
const UNITS: u32 = 160;
/// PCMA (RFC 3551 §6).
const PAYLOAD_TYPE: u8 = 8;

/// One who talks.
struct Talker {
    leg: LegId,
    port: usize,
    to: SocketAddr,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

/// All who talk.
pub struct Talkers {
    ticks: [Vec<Talker>; TICKS],
    tick_of: BTreeMap<LegId, usize>,
    /// When the next tick is due, and which it is.
    due: Instant,
    next: usize,
    said: u64,
}

impl Talkers {
    /// Nobody.
    pub fn new(now: Instant) -> Self {
        let (ticks, tick_of) = (Default::default(), BTreeMap::new());
        Self { ticks, tick_of, due: now, next: 0, said: 0 }
    }

    /// Whoever answered a call begins to talk to its caller, from this port.
    pub fn add(&mut self, leg: LegId, port: usize, to: SocketAddr) {
        // All of a port talk in one tick, so that one system call sends many packets.
        let tick = port % TICKS;
        let ssrc = u32::try_from(self.tick_of.len()).unwrap_or(u32::MAX);
        self.ticks[tick].push(Talker { leg, port, to, ssrc, sequence: 0, timestamp: 0 });
        self.tick_of.insert(leg, tick);
    }

    /// Falls silent.
    pub fn remove(&mut self, leg: LegId) {
        if let Some(tick) = self.tick_of.remove(&leg) {
            self.ticks[tick].retain(|talker| talker.leg != leg);
        }
    }

    /// Says what is due. Gives back when more is.
    pub fn talk(&mut self, now: Instant, ports: &[UdpSocket], sender: &mut BatchSender) -> Instant {
        while self.due <= now {
            let tick = &mut self.ticks[self.next];
            let headers: Vec<[u8; 12]> = tick.iter_mut().map(Talker::header).collect();
            let mut sound = headers.iter();
            for run in tick.chunk_by(|a, b| a.port == b.port) {
                let datagrams = run.iter().zip(sound.by_ref()).map(|(talker, header)| Outgoing {
                    destination: talker.to,
                    head: header,
                    body: &SOUND,
                });
                sender.send(&ports[run[0].port], datagrams, |_, _| {});
            }
            self.said += headers.len() as u64;
            self.next = (self.next + 1) % TICKS;
            self.due += TICK;
        }
        self.due
    }

    /// How many packets were said.
    pub fn said(&self) -> u64 {
        self.said
    }
}

impl Talker {
    fn header(&mut self) -> [u8; 12] {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(UNITS);
        let header = Header {
            marker: self.sequence == 1,
            payload_type: PAYLOAD_TYPE,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        header.write()
    }
}

//! The network between the platform and its carrier: delays, loses, repeats, reorders and damages
//! datagrams by a seed, and sometimes carries nothing at all.

use std::net::SocketAddr;

use crate::dice::Dice;

/// What the network does to datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weather {
    /// Lost, of a thousand.
    pub(crate) loss: u32,
    /// Arriving twice, of a thousand.
    pub(crate) repeated: u32,
    /// Arriving with some bytes changed, of a thousand.
    pub(crate) damaged: u32,
    /// The shortest way, microseconds.
    pub(crate) delay_us: i64,
    /// What is added to it at most, which reorders, microseconds.
    pub(crate) jitter_us: i64,
}

impl Weather {
    /// Nothing is lost, and everything arrives in order.
    pub(crate) const CALM: Self =
        Self { loss: 0, repeated: 0, damaged: 0, delay_us: 5_000, jitter_us: 0 };
}

/// A datagram.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    /// It is not what was sent.
    pub(crate) damaged: bool,
}

impl Datagram {
    pub(crate) fn new(from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) -> Self {
        Self { from, to, bytes, damaged: false }
    }
}

/// The network.
pub(crate) struct Netem {
    pub(crate) weather: Weather,
    /// Nothing gets through until then.
    pub(crate) silent_until: i64,
    dice: Dice,
}

impl Netem {
    pub(crate) fn new(weather: Weather, dice: Dice) -> Self {
        Self { weather, silent_until: 0, dice }
    }

    /// When and how a datagram arrives; not at all, once or twice.
    pub(crate) fn carry(&mut self, now: i64, datagram: Datagram) -> Vec<(i64, Datagram)> {
        let weather = self.weather;
        if now < self.silent_until || self.dice.chance(weather.loss) {
            return Vec::new();
        }
        let mut copies = vec![datagram];
        if self.dice.chance(weather.repeated) {
            copies.push(copies[0].clone());
        }
        let arrive = |mut copy: Datagram, dice: &mut Dice| {
            if dice.chance(weather.damaged) {
                damage(&mut copy.bytes, dice);
                copy.damaged = true;
            }
            (now + weather.delay_us + dice.between(0, weather.jitter_us), copy)
        };
        copies.into_iter().map(|copy| arrive(copy, &mut self.dice)).collect()
    }

    /// Bytes that mean nothing.
    pub(crate) fn garbage(&mut self) -> Vec<u8> {
        let length = self.dice.between(0, 900);
        (0..length).map(|_| self.dice.next().to_le_bytes()[0]).collect()
    }
}

fn damage(bytes: &mut [u8], dice: &mut Dice) {
    let last = i64::try_from(bytes.len()).unwrap_or(i64::MAX) - 1;
    for _ in 0..dice.between(1, 3) {
        if last >= 0
            && let Some(byte) = usize::try_from(dice.between(0, last)).ok()
            && let Some(byte) = bytes.get_mut(byte)
        {
            *byte = dice.next().to_le_bytes()[0];
        }
    }
}

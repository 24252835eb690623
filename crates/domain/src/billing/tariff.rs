//! A tariff: prices with the date they start. A charge keeps the tariff it used.

use crate::{Rials, TariffId, Timestamp};

/// Whether a destination is inside our (fixed) network or outside it: the vendor prices them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A landline or one of our own extensions.
    Internal,
    /// A mobile number.
    External,
}

/// The prices in force from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    /// Its identity, kept with every charge.
    pub id: TariffId,
    /// The first moment it applies to.
    pub effective_from: Timestamp,
    /// Seconds in one pulse; heard time is charged by whole pulses.
    pub pulse_seconds: u32,
    /// Price of a second inside the network.
    pub internal_second: Rials,
    /// Price of a second outside the network.
    pub external_second: Rials,
    /// Price of a second of speech made from text.
    pub tts_second: Rials,
}

impl Tariff {
    /// The price of one second towards `zone`.
    pub fn second(&self, zone: Zone) -> Rials {
        match zone {
            Zone::Internal => self.internal_second,
            Zone::External => self.external_second,
        }
    }
}

//! A tariff: prices with the date they start. A charge keeps the tariff it used.

use crate::sms::PART_MAX;
use crate::{Rials, TariffId, Timestamp};

/// Whether a destination is inside our (fixed) network or outside it: the vendor prices them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A landline or one of our own extensions.
    Internal,
    /// A mobile number.
    External,
}

/// The highest price of a second: a slip of the finger must not empty accounts.
pub const SECOND_MAX: Rials = Rials(1_000_000);
/// The highest minimum for a secure call.
pub const MINIMUM_MAX: Rials = Rials(1_000_000_000);
/// The longest pulse, in seconds.
pub const PULSE_SECONDS_MAX: u32 = 3_600;

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
    /// What must be available for a secure call to be placed (MakeSecureCall, code −3).
    pub secure_minimum: Rials,
    /// Price of a part of an SMS; without one, none is taken.
    pub sms_part: Option<Rials>,
}

#[cfg(test)]
impl Tariff {
    /// For tests: pulses of five seconds, 30 rials a second inside the network, 45 outside.
    pub(crate) fn example() -> Self {
        Self {
            id: TariffId(1),
            effective_from: Timestamp(0),
            pulse_seconds: 5,
            internal_second: Rials(30),
            external_second: Rials(45),
            tts_second: Rials(10),
            secure_minimum: Rials(10_000),
            sms_part: None,
        }
    }
}

impl Tariff {
    /// Whether a pulse and every price is within its bounds.
    pub fn is_sane(&self) -> bool {
        let prices = [self.internal_second, self.external_second, self.tts_second];
        (1..=PULSE_SECONDS_MAX).contains(&self.pulse_seconds)
            && prices.iter().all(|price| (Rials::ZERO..=SECOND_MAX).contains(price))
            && (Rials::ZERO..=MINIMUM_MAX).contains(&self.secure_minimum)
            && self.sms_part.is_none_or(|part| (Rials(1)..=PART_MAX).contains(&part))
    }

    /// The price of one second towards `zone`.
    pub fn second(&self, zone: Zone) -> Rials {
        match zone {
            Zone::Internal => self.internal_second,
            Zone::External => self.external_second,
        }
    }
}

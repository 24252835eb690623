//! Rating: from heard time to rials, by whole pulses, rounding in the direction its name says.

use super::tariff::{Tariff, Zone};
use crate::Rials;

/// What a length of sound costs and how it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Whole seconds, rounded up.
    pub seconds: u32,
    /// Whole pulses, rounded up.
    pub pulses: u32,
    /// The price of those pulses.
    pub price: Rials,
}

/// The price of `heard_ms` of a message towards `zone`; started pulses count whole.
///
/// Nothing heard costs nothing. `None` when the amount does not fit in 64 bits.
pub fn rate_rounding_up(tariff: &Tariff, zone: Zone, heard_ms: u32) -> Option<Rate> {
    by_pulses_rounding_up(tariff, tariff.second(zone), heard_ms)
}

/// The price of a conversation of `talk_ms` between two zones: of both calls, as long as they were
/// joined. Waiting for the other one costs nothing.
pub fn rate_conversation_rounding_up(
    tariff: &Tariff,
    [first, second]: [Zone; 2],
    talk_ms: u32,
) -> Option<Rate> {
    let both = tariff.second(first).checked_add(tariff.second(second))?;
    by_pulses_rounding_up(tariff, both, talk_ms)
}

/// The price of a call of one leg, or of two, of which `heard_ms` counts.
pub fn rate_call_rounding_up(
    tariff: &Tariff,
    zone: Zone,
    second: Option<Zone>,
    heard_ms: u32,
) -> Option<Rate> {
    match second {
        None => rate_rounding_up(tariff, zone, heard_ms),
        Some(second) => rate_conversation_rounding_up(tariff, [zone, second], heard_ms),
    }
}

fn by_pulses_rounding_up(tariff: &Tariff, second_price: Rials, heard_ms: u32) -> Option<Rate> {
    let pulse_seconds = tariff.pulse_seconds.max(1);
    let pulses = heard_ms.div_ceil(pulse_seconds.checked_mul(1000)?);
    let pulse_price = second_price.checked_mul(i64::from(pulse_seconds))?;
    Some(Rate {
        seconds: heard_ms.div_ceil(1000),
        pulses,
        price: pulse_price.checked_mul(i64::from(pulses))?,
    })
}

/// The price of `speech_ms` of speech made from text, by started seconds.
pub fn rate_speech_rounding_up(tariff: &Tariff, speech_ms: u32) -> Option<Rials> {
    tariff.tts_second.checked_mul(i64::from(speech_ms.div_ceil(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn started_pulses_count_whole() {
        let price = |ms| rate_rounding_up(&Tariff::example(), Zone::External, ms).unwrap().price.0;
        assert_eq!([price(0), price(1), price(5000), price(5001)], [0, 225, 225, 450]);
        assert_eq!([price(25_000), price(30_000)], [1125, 1350]);
    }

    #[test]
    fn landlines_have_their_own_price() {
        let rate = rate_rounding_up(&Tariff::example(), Zone::Internal, 7_200).unwrap();
        assert_eq!(rate, Rate { seconds: 8, pulses: 2, price: Rials(300) });
    }

    #[test]
    fn both_legs_of_a_conversation_are_paid_for() {
        let zones = [Zone::External, Zone::Internal];
        let rate = rate_conversation_rounding_up(&Tariff::example(), zones, 5_001).unwrap();
        assert_eq!(rate, Rate { seconds: 6, pulses: 2, price: Rials(750) });
        let call = rate_call_rounding_up(&Tariff::example(), zones[0], Some(zones[1]), 5_001);
        assert_eq!(call, Some(rate));
    }

    #[test]
    fn speech_is_rated_by_started_seconds() {
        assert_eq!(rate_speech_rounding_up(&Tariff::example(), 4_001), Some(Rials(50)));
    }
}

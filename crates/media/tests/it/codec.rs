//! Goal: G.711 is exact. Every 16-bit sample is compared with an oracle written straight from the
//! decision values of the recommendation's tables, by searching instead of shifting.

use media::Codec;

/// Decision values x1, x2, … of table 1a, column 6, in the 13-bit range of A-law.
fn a_law_decisions() -> Vec<i32> {
    // Segments of 32, 16 × 6 intervals; the first has steps of 2, each next one twice the last.
    let mut values = vec![];
    let mut value = 0;
    for interval in 0..128 {
        let step = match interval {
            0..32 => 2,
            _ => 2 << (interval / 16 - 1),
        };
        value += step;
        values.push(value);
    }
    assert_eq!(*values.last().unwrap(), 4096, "table 1a ends at 4096");
    values
}

/// Decision values of table 2a, column 6, in the 14-bit range of µ-law.
fn mu_law_decisions() -> Vec<i32> {
    // The first interval has a step of 1, then 15 of 2, then 16 each of 4, 8, … 256.
    let mut values = vec![];
    let mut value = 0;
    for interval in 0..128 {
        value += if interval == 0 { 1 } else { 2 << (interval / 16) };
        values.push(value);
    }
    assert_eq!(*values.last().unwrap(), 8159, "table 2a ends at 8159");
    values
}

fn interval_of(decisions: &[i32], magnitude: i32) -> u8 {
    let at = decisions.iter().position(|&end| magnitude < end).unwrap_or(127);
    u8::try_from(at).unwrap()
}

#[test]
fn every_sample_gets_the_a_law_code_of_the_tables() {
    let decisions = a_law_decisions();
    for sample in i16::MIN..=i16::MAX {
        let magnitude = if sample >= 0 { sample >> 3 } else { !sample >> 3 };
        let interval = interval_of(&decisions, i32::from(magnitude));
        let sign = if sample >= 0 { 0x80 } else { 0 };
        let expected = (interval | sign) ^ 0x55;
        assert_eq!(Codec::Pcma.encode(sample), expected, "sample {sample}");
    }
}

#[test]
fn every_sample_gets_the_mu_law_code_of_the_tables() {
    let decisions = mu_law_decisions();
    for sample in i16::MIN..=i16::MAX {
        let magnitude = if sample >= 0 { sample >> 2 } else { !sample >> 2 };
        let interval = interval_of(&decisions, i32::from(magnitude));
        let sign = if sample >= 0 { 0x80 } else { 0 };
        let expected = (!interval & 0x7F) | sign;
        assert_eq!(Codec::Pcmu.encode(sample), expected, "sample {sample}");
    }
}

#[test]
fn every_code_decodes_to_the_value_of_the_tables() {
    // Column 8 of the tables: the middle of each interval, scaled back to 16 bits.
    let (a_law, mu_law) = (a_law_decisions(), mu_law_decisions());
    for byte in 0..=u8::MAX {
        let code = usize::from((byte ^ 0x55) & 0x7F);
        let start = if code == 0 { 0 } else { a_law[code - 1] };
        let middle = (start + a_law[code]) * 8 / 2;
        let expected = if byte & 0x80 == 0 { -middle } else { middle };
        assert_eq!(i32::from(Codec::Pcma.decode(byte)), expected, "A-law {byte:#04x}");

        let code = usize::from(!byte & 0x7F);
        let middle = if code == 0 { 0 } else { (mu_law[code - 1] + mu_law[code]) * 4 / 2 };
        let expected = if byte & 0x80 == 0 { -middle } else { middle };
        assert_eq!(i32::from(Codec::Pcmu.decode(byte)), expected, "µ-law {byte:#04x}");
    }
}

#[test]
fn known_codes_of_the_classical_implementation() {
    for (sample, a_law, mu_law) in [
        (0, 0xD5, 0xFF),
        (-1, 0x55, 0x7F),
        (8, 0xD5, 0xFE),
        (1_000, 0xFA, 0xCE),
        (-1_000, 0x7A, 0x4E),
        (i16::MAX, 0xAA, 0x80),
        (i16::MIN, 0x2A, 0x00),
    ] {
        assert_eq!(Codec::Pcma.encode(sample), a_law, "A-law of {sample}");
        assert_eq!(Codec::Pcmu.encode(sample), mu_law, "µ-law of {sample}");
    }
}

#[test]
fn decoding_what_was_decoded_and_encoded_changes_nothing() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        for byte in 0..=u8::MAX {
            let sample = codec.decode(byte);
            assert_eq!(codec.decode(codec.encode(sample)), sample, "{codec:?} {byte:#04x}");
        }
    }
}

#[test]
fn payload_types_and_names_are_those_of_rfc_3551() {
    assert_eq!((Codec::Pcma.payload_type(), Codec::Pcma.encoding_name()), (8, "PCMA"));
    assert_eq!((Codec::Pcmu.payload_type(), Codec::Pcmu.encoding_name()), (0, "PCMU"));
    for codec in [Codec::Pcma, Codec::Pcmu] {
        assert_eq!(Codec::of_payload_type(codec.payload_type()), Some(codec));
        assert!(codec.decode(codec.silence()).abs() <= 8, "silence is quiet");
    }
    assert_eq!(Codec::of_payload_type(18), None);
}

//! Goal: G.711 is exact. Every 16-bit sample is compared with an oracle written straight from the
//! decision values of the recommendation's tables, by searching instead of shifting.

use media::codec::{Decoder, Encoder, g722, pcma, pcmu};
use media::{Codec, FRAME_SAMPLES};

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
        assert_eq!(pcma::encode(sample), expected, "sample {sample}");
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
        assert_eq!(pcmu::encode(sample), expected, "sample {sample}");
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
        assert_eq!(i32::from(pcma::decode(byte)), expected, "A-law {byte:#04x}");

        let code = usize::from(!byte & 0x7F);
        let middle = if code == 0 { 0 } else { (mu_law[code - 1] + mu_law[code]) * 4 / 2 };
        let expected = if byte & 0x80 == 0 { -middle } else { middle };
        assert_eq!(i32::from(pcmu::decode(byte)), expected, "µ-law {byte:#04x}");
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
        assert_eq!(pcma::encode(sample), a_law, "A-law of {sample}");
        assert_eq!(pcmu::encode(sample), mu_law, "µ-law of {sample}");
    }
}

#[test]
fn decoding_what_was_decoded_and_encoded_changes_nothing() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let samples = codec.decode_all(&bytes);
        assert_eq!(codec.decode_all(&codec.encode_all(&samples)), samples, "{codec:?}");
    }
}

#[test]
fn payload_types_and_names_are_those_of_rfc_3551() {
    for (codec, payload_type, name) in
        [(Codec::Pcma, 8, "PCMA"), (Codec::Pcmu, 0, "PCMU"), (Codec::G722, 9, "G722")]
    {
        assert_eq!((codec.payload_type(), codec.encoding_name()), (payload_type, name));
        assert_eq!(Codec::of_payload_type(payload_type), Some(codec));
    }
    assert_eq!(Codec::of_payload_type(18), None);
}

/// Noise whose level goes through nine steps of 6 dB, from full scale down.
fn noise(samples: usize) -> Vec<i16> {
    let mut state = 1_u32;
    (0..samples)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [high, low, ..] = state.to_be_bytes();
            i16::from_be_bytes([high, low]) >> (at / 400 % 9)
        })
        .collect()
}

/// FNV-1a, to compare long runs with those of another implementation.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xCBF2_9CE4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[test]
fn g722_agrees_bit_for_bit_with_an_implementation_of_others() {
    // The figures come from the libg722 of others, with the reset values of table 12/G.722.
    let lower: Vec<u8> =
        Codec::G722.encode_all(&noise(40_000)).iter().map(|byte| byte & 0x3F).collect();
    let begins = [32, 32, 4, 4, 32, 32, 6, 4, 59, 4, 35, 32, 4, 13, 38, 30, 14, 34, 5, 4];
    assert_eq!(lower[..begins.len()], begins);
    assert_eq!(digest(lower.iter().copied()), 0x2EDA_DF1E_5E16_D0B7);
    let decoded = Codec::G722.decode_all(&lower);
    assert_eq!(decoded[..8], [48, 132, -368, -1_032, 2_740, 7_582, -15_486, -25_422]);
    let all = |samples: &[i16]| digest(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    assert_eq!(all(&decoded), 0x7C98_247A_EC51_625E);
    let anything: Vec<u8> =
        noise(50_000).iter().map(|sample| (sample >> 4).to_le_bytes()[0]).collect();
    assert_eq!(all(&Codec::G722.decode_all(&anything)), 0x91B1_48DD_DDED_9405);
}

#[test]
fn g722_keeps_speech_levels_far_above_its_noise() {
    // A resonator at 700 Hz with an amplitude near 10 000.
    let (mut before, mut sample) = (0_i64, 5_225_i64);
    let tone: Vec<i16> = (0..16_000)
        .map(|_| {
            (before, sample) = (sample, ((27_942 * sample) >> 14) - before);
            i16::try_from(before).unwrap()
        })
        .collect();
    let heard = Codec::G722.decode_all(&Codec::G722.encode_all(&tone));
    let energy =
        |values: &mut dyn Iterator<Item = i64>| values.map(|value| value * value).sum::<i64>();
    let signal = energy(&mut tone.iter().map(|&sample| i64::from(sample)));
    let noise = energy(&mut tone.iter().zip(&heard).map(|(&a, &b)| i64::from(a) - i64::from(b)));
    assert!(signal > 1_000 * noise, "30 dB at least: {signal} to {noise}");
}

#[test]
fn silence_is_quiet_whatever_was_before() {
    for codec in Codec::ALL {
        assert!(codec.silent_frame().iter().all(|&byte| byte == codec.silence()));
        let mut bytes = codec.encode_all(&noise(3_000));
        let loud = bytes.len();
        bytes.resize(loud + 8 * FRAME_SAMPLES, codec.silence());
        let samples = codec.decode_all(&bytes);
        let rest = &samples[loud + 3 * FRAME_SAMPLES..];
        assert!(rest.iter().all(|sample| sample.abs() <= 16), "{codec:?}");
    }
}

#[test]
fn pieces_are_coded_as_the_whole_is() {
    let samples = noise(4_000);
    for codec in Codec::ALL {
        let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
        let (mut bytes, mut heard) = (Vec::new(), Vec::new());
        for piece in samples.chunks(37) {
            let from = bytes.len();
            encoder.encode(piece, &mut bytes);
            decoder.decode(&bytes[from..], &mut heard);
        }
        assert_eq!(bytes, codec.encode_all(&samples));
        assert_eq!(heard, codec.decode_all(&bytes));
    }
}

#[test]
fn an_upper_band_of_silence_stays_silent() {
    // The two upper bits of a settled encoder name the smallest values, of either sign.
    let mut encoder = g722::Encoder::default();
    let codes: Vec<u8> = (0..400).map(|_| encoder.encode(0) >> 6).collect();
    assert!(codes.iter().all(|code| code % 2 == 1), "{codes:?}");
}

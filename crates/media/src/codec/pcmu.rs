//! G.711 µ-law (ITU-T G.711 table 2a and 2b).

/// The code of zero, sent as silence.
pub const SILENCE: u8 = 0xFF;

/// Added to the 14-bit magnitude so that segments begin at powers of two.
const BIAS: i16 = 33;
/// The largest 14-bit magnitude that has a code; what is louder is clipped to it.
const CLIP: i16 = 8158;
const POSITIVE: u8 = 0x80;

static LINEAR_OF_CODE: [i16; 256] = decode_table();

/// One linear 16-bit sample as one µ-law byte. The two lowest bits do not count.
pub const fn encode(sample: i16) -> u8 {
    let (magnitude, sign) = if sample >= 0 { (sample >> 2, POSITIVE) } else { (!sample >> 2, 0) };
    let clipped = if magnitude > CLIP { CLIP } else { magnitude };
    let biased = (clipped + BIAS).cast_unsigned() as u32;
    // `biased` lies in 33..=8191, so its top bit is one of 5..=12: the segments 0..=7.
    let segment = 26 - biased.leading_zeros();
    let code = ((segment << 4) | ((biased >> (segment + 1)) & 0x0F)).to_le_bytes();
    // All seven magnitude bits are sent inverted (G.711 table 2a, note).
    (!code[0] & 0x7F) | sign
}

/// One µ-law byte as one linear 16-bit sample: the middle of its interval.
pub const fn decode(byte: u8) -> i16 {
    LINEAR_OF_CODE[byte as usize]
}

const fn decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = expand(byte);
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

const fn expand(byte: u8) -> i16 {
    let code = !byte & 0x7F;
    let segment = code >> 4;
    let magnitude = ((((code & 0x0F) as i16) << 1) + BIAS) << segment;
    let linear = (magnitude - BIAS) << 2;
    if byte & POSITIVE == 0 { -linear } else { linear }
}

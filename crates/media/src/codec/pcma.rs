//! G.711 A-law (ITU-T G.711 table 1a and 1b).

/// The code of the smallest positive value, sent as silence (RFC 3551 §4.5.14 inverts even bits).
pub const SILENCE: u8 = 0xD5;

/// Even bits are inverted on the line (G.711 §3.2), and a set top bit means "positive".
const EVEN_BITS: u8 = 0x55;
const POSITIVE: u8 = 0x80;

static LINEAR_OF_CODE: [i16; 256] = decode_table();

/// One linear 16-bit sample as one A-law byte. The three lowest bits do not count.
pub const fn encode(sample: i16) -> u8 {
    let (magnitude, sign) = if sample >= 0 { (sample >> 3, POSITIVE) } else { (!sample >> 3, 0) };
    // 12 bits of magnitude: segments 0 and 1 share a step of 2, each later one doubles it.
    let top_bit = 15 - (magnitude | 0x10).leading_zeros();
    let segment = top_bit - 4;
    let shift = if segment == 0 { 1 } else { segment };
    let code =
        ((segment << 4) | ((magnitude.cast_unsigned() as u32 >> shift) & 0x0F)).to_le_bytes();
    (code[0] | sign) ^ EVEN_BITS
}

/// One A-law byte as one linear 16-bit sample: the middle of its interval.
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
    let code = byte ^ EVEN_BITS;
    let segment = (code >> 4) & 0x07;
    let step = ((code & 0x0F) as i16) << 4;
    let magnitude = match segment {
        0 => step + 8,
        _ => (step + 0x108) << (segment - 1),
    };
    if code & POSITIVE == 0 { -magnitude } else { magnitude }
}

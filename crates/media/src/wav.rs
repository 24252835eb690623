//! WAV files of telephone audio: mono, 8 kHz, PCM or G.711. Bytes in, bytes out, no files.
//!
//! This is for what we write ourselves and for tests. Uploads of strangers, with their many rates
//! and formats, are read elsewhere.

use crate::{Codec, SAMPLE_RATE_HZ};

const FORMAT_PCM: u16 = 1;
const FORMAT_ALAW: u16 = 6;
const FORMAT_MULAW: u16 = 7;

/// Why a file was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It does not begin with `RIFF`, a size and `WAVE`.
    NotWave,
    /// A chunk is cut short, or the format or data chunk is missing.
    Truncated,
    /// It is a WAV file, but not mono, 8 kHz and 16-bit PCM or G.711.
    Unsupported,
}

/// A complete 16-bit PCM file with a header of 44 bytes.
pub fn write_pcm16(samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut format = Vec::with_capacity(16);
    push_format(&mut format, FORMAT_PCM, 2);
    riff(&[(b"fmt ", &format), (b"data", &data)])
}

/// A complete file of what was encoded: G.711 as it is, with a header of 58 bytes; G.722, which
/// few programs can play, as 16-bit PCM.
pub fn write_encoded(codec: Codec, encoded: &[u8]) -> Vec<u8> {
    let mut format = Vec::with_capacity(18);
    let tag = match codec {
        Codec::Pcma => FORMAT_ALAW,
        Codec::Pcmu => FORMAT_MULAW,
        Codec::G722 => return write_pcm16(&codec.decode_all(encoded)),
    };
    push_format(&mut format, tag, 1);
    // Formats other than PCM carry the size of an extension, here none, and a fact chunk.
    format.extend_from_slice(&0_u16.to_le_bytes());
    let fact = saturated(encoded.len()).to_le_bytes();
    riff(&[(b"fmt ", &format), (b"fact", &fact), (b"data", encoded)])
}

/// The samples of a mono file at 8 kHz, 16-bit PCM or G.711. Unknown chunks are skipped.
pub fn read(bytes: &[u8]) -> Result<Vec<i16>, Malformed> {
    let (b"RIFF", rest) = bytes.split_first_chunk::<4>().ok_or(Malformed::NotWave)? else {
        return Err(Malformed::NotWave);
    };
    let mut rest = match rest.get(4..8) {
        Some(b"WAVE") => &rest[8..],
        _ => return Err(Malformed::NotWave),
    };
    let mut format = None;
    loop {
        let (name, after) = rest.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let (size, after) = after.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let size = usize::try_from(u32::from_le_bytes(*size)).map_err(|_| Malformed::Truncated)?;
        let body = after.get(..size).ok_or(Malformed::Truncated)?;
        match name {
            b"fmt " => format = Some(Format::parse(body)?),
            b"data" => return format.ok_or(Malformed::Truncated)?.samples(body),
            _ => {}
        }
        // Chunks begin at even offsets.
        rest = after.get(size + size % 2..).ok_or(Malformed::Truncated)?;
    }
}

enum Format {
    Pcm16,
    G711(Codec),
}

impl Format {
    fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let [tag, tag_high, channels, channels_high, r0, r1, r2, r3, ..] = *body else {
            return Err(Malformed::Truncated);
        };
        let Some(&[bits, bits_high]) = body.get(14..16) else { return Err(Malformed::Truncated) };
        let channels = u16::from_le_bytes([channels, channels_high]);
        let rate = u32::from_le_bytes([r0, r1, r2, r3]);
        let bits = u16::from_le_bytes([bits, bits_high]);
        match (u16::from_le_bytes([tag, tag_high]), bits, channels, rate) {
            (FORMAT_PCM, 16, 1, SAMPLE_RATE_HZ) => Ok(Self::Pcm16),
            (FORMAT_ALAW, 8, 1, SAMPLE_RATE_HZ) => Ok(Self::G711(Codec::Pcma)),
            (FORMAT_MULAW, 8, 1, SAMPLE_RATE_HZ) => Ok(Self::G711(Codec::Pcmu)),
            _ => Err(Malformed::Unsupported),
        }
    }

    fn samples(&self, data: &[u8]) -> Result<Vec<i16>, Malformed> {
        match self {
            Self::G711(codec) => Ok(codec.decode_all(data)),
            Self::Pcm16 => {
                let (pairs, rest) = data.as_chunks::<2>();
                if rest.is_empty() {
                    Ok(pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect())
                } else {
                    Err(Malformed::Truncated)
                }
            }
        }
    }
}

fn push_format(out: &mut Vec<u8>, tag: u16, bytes_per_sample: u16) {
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&1_u16.to_le_bytes());
    out.extend_from_slice(&SAMPLE_RATE_HZ.to_le_bytes());
    out.extend_from_slice(&(SAMPLE_RATE_HZ * u32::from(bytes_per_sample)).to_le_bytes());
    out.extend_from_slice(&bytes_per_sample.to_le_bytes());
    out.extend_from_slice(&(bytes_per_sample * 8).to_le_bytes());
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (name, data) in chunks {
        body.extend_from_slice(*name);
        body.extend_from_slice(&saturated(data.len()).to_le_bytes());
        body.extend_from_slice(data);
        if data.len() % 2 == 1 {
            body.push(0);
        }
    }
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&saturated(body.len()).to_le_bytes());
    file.extend_from_slice(&body);
    file
}

/// A size field has 32 bits; six days of telephone audio fit.
fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

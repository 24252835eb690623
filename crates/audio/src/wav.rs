//! A clip as a WAV file: what is stored and what a customer downloads.

use crate::{Clip, SAMPLE_RATE};

/// Bytes before the samples: RIFF, fmt and data headers.
const HEADER_LEN: usize = 44;

/// Why bytes are not a clip written by [`Clip::to_wav`]. Ours to repair, not the customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// The 44 bytes of header are missing or differ from what we write.
    #[error("not an 8 kHz mono 16-bit WAV file of ours")]
    Header,
    /// The length in the header is not the length of the file.
    #[error("the header tells {told} bytes of samples, the file has {found}")]
    Length {
        /// From the data chunk's header, in bytes.
        told: u32,
        /// What follows it, in bytes.
        found: usize,
    },
}

impl Clip {
    /// The clip as RIFF/WAVE, PCM, 8 kHz, mono, 16-bit. Clips beyond 4 GiB (37 hours) are cut,
    /// since the format counts in 32 bits.
    pub fn to_wav(&self) -> Vec<u8> {
        let samples = &self.samples()[..self.samples().len().min((u32::MAX as usize - 36) / 2)];
        let data_len = u32::try_from(samples.len() * 2).expect("cut to what 32 bits count");
        let mut wav = Vec::with_capacity(HEADER_LEN + samples.len() * 2);
        wav.extend(header(data_len));
        wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        wav
    }

    /// Reads back what [`Clip::to_wav`] wrote, and nothing else: uploads go through
    /// [`telephone_clip`](crate::telephone_clip).
    ///
    /// # Errors
    /// [`WavError`] when the bytes were not written by us or are not all there.
    pub fn from_wav(bytes: &[u8]) -> Result<Self, WavError> {
        let (head, data) = bytes.split_at_checked(HEADER_LEN).ok_or(WavError::Header)?;
        let told = u32::from_le_bytes([head[40], head[41], head[42], head[43]]);
        if told > u32::MAX - 36 || head != header(told) {
            return Err(WavError::Header);
        }
        if told as usize != data.len() || !data.len().is_multiple_of(2) {
            return Err(WavError::Length { told, found: data.len() });
        }
        let (pairs, _) = data.as_chunks::<2>();
        Ok(Self::from_samples(pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect()))
    }
}

/// The header for `data_len` bytes of samples, at most `u32::MAX - 36`.
fn header(data_len: u32) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        header[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    };
    put(b"RIFF");
    put(&(36 + data_len).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16_u32.to_le_bytes());
    put(&1_u16.to_le_bytes());
    put(&1_u16.to_le_bytes());
    put(&SAMPLE_RATE.to_le_bytes());
    put(&(SAMPLE_RATE * 2).to_le_bytes());
    put(&2_u16.to_le_bytes());
    put(&16_u16.to_le_bytes());
    put(b"data");
    put(&data_len.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_survives_its_file() {
        let clip = Clip::from_samples(vec![0, 1, -1, i16::MAX, i16::MIN]);
        let wav = clip.to_wav();
        assert_eq!(Clip::from_wav(&wav), Ok(clip));
        assert_eq!(
            Clip::from_wav(&wav[..53]),
            Err(WavError::Length { told: 10, found: 9 }),
            "a cut file is not a shorter clip"
        );
        assert_eq!(Clip::from_wav(&wav[..43]), Err(WavError::Header));
        let mut other_rate = wav;
        other_rate[24] += 1;
        assert_eq!(Clip::from_wav(&other_rate), Err(WavError::Header));
    }
}

//! Goal: a clip is cut into whole frames without losing its length, and our WAV files are read
//! back to the sample.

use media::{Codec, EncodedClip, wav};
use proptest::prelude::*;

#[test]
fn the_last_frame_is_filled_up_with_silence() {
    let clip = EncodedClip::from_samples(Codec::Pcmu, &[1_000; 161]);
    assert_eq!(clip.frame_count(), 2);
    assert_eq!(clip.duration_ms(), 40);
    assert_eq!(clip.len_ms(), 21, "161 samples are a little over 20 ms");
    let last = clip.frame(1).unwrap();
    assert_eq!(last.len(), 160);
    assert_eq!(last[0], media::codec::pcmu::encode(1_000));
    assert!(last[1..].iter().all(|&byte| byte == Codec::Pcmu.silence()));
    assert_eq!(clip.frame(2), None);
    assert_eq!(clip.frame(usize::MAX), None);
    assert_eq!(clip.encoded().len(), 161);
}

#[test]
fn an_empty_clip_has_no_frame() {
    let clip = EncodedClip::from_samples(Codec::Pcma, &[]);
    assert_eq!((clip.frame_count(), clip.duration_ms(), clip.len_ms()), (0, 0, 0));
    assert_eq!(clip.frame(0), None);
}

#[test]
fn clones_share_their_bytes() {
    let clip = EncodedClip::from_encoded(Codec::Pcma, vec![7; 320]);
    let clone = clip.clone();
    assert_eq!(clip.frame(1).unwrap().as_ptr(), clone.frame(1).unwrap().as_ptr());
}

#[test]
fn headers_have_the_usual_sizes() {
    assert_eq!(wav::write_pcm16(&[0; 10]).len(), 44 + 20);
    assert_eq!(wav::write_encoded(Codec::Pcma, &[0; 10]).len(), 58 + 10);
    let file = wav::write_pcm16(&[0; 10]);
    assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()), 36 + 20);
}

#[test]
fn what_is_not_telephone_audio_is_refused_by_name() {
    use wav::Malformed::{NotWave, Truncated, Unsupported};
    let good = wav::write_pcm16(&[1, 2, 3]);
    assert_eq!(wav::read(b""), Err(NotWave));
    assert_eq!(wav::read(b"RIFF\0\0\0\0AVI "), Err(NotWave));
    assert_eq!(wav::read(&good[..good.len() - 1]), Err(Truncated));
    let mut stereo = good.clone();
    stereo[22] = 2;
    assert_eq!(wav::read(&stereo), Err(Unsupported));
    let mut fast = good;
    fast[24..28].copy_from_slice(&44_100_u32.to_le_bytes());
    assert_eq!(wav::read(&fast), Err(Unsupported));
}

#[test]
fn chunks_before_the_data_are_skipped_with_their_padding() {
    let plain = wav::write_pcm16(&[5, -5]);
    let mut file = plain[..12].to_vec();
    file.extend_from_slice(b"LIST\x03\0\0\0abc\0");
    file.extend_from_slice(&plain[12..]);
    assert_eq!(wav::read(&file), Ok(vec![5, -5]));
}

proptest! {
    #[test]
    fn pcm_is_read_back_as_written(samples: Vec<i16>) {
        prop_assert_eq!(wav::read(&wav::write_pcm16(&samples)), Ok(samples));
    }

    #[test]
    fn what_was_encoded_is_read_back_decoded(bytes: Vec<u8>, which in 0..3_usize) {
        let codec = Codec::ALL[which];
        let file = wav::write_encoded(codec, &bytes);
        prop_assert_eq!(wav::read(&file), Ok(codec.decode_all(&bytes)));
    }

    #[test]
    fn reading_never_panics(mut bytes: Vec<u8>, at in 0_usize..60, noise: u8) {
        let _ = wav::read(&bytes);
        let mut file = wav::write_encoded(Codec::Pcmu, &bytes);
        let at = at.min(file.len() - 1);
        file[at] = noise;
        let _ = wav::read(&file);
        bytes.splice(0..0, *b"RIFF....WAVE");
        let _ = wav::read(&bytes);
    }
}

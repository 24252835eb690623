//! What is derived from a master key (RFC 3711 §4.3), and the two transforms over it (§4.1, §4.2).

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

use super::MasterKey;

const BLOCK_BYTES: usize = 16;
const SALT_BYTES: usize = 14;
const AUTH_KEY_BYTES: usize = 20;
/// Labels of the keys of SRTP; those of SRTCP follow (§4.3.1, §4.3.2).
const ENCRYPTION: u8 = 0;
const AUTHENTICATION: u8 = 1;
const SALTING: u8 = 2;

/// The packets that keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Rtp = 0,
    Rtcp = 3,
}

/// The keys of one direction for RTP or for RTCP.
#[derive(Clone)]
pub(super) struct SessionKeys {
    cipher: Aes128,
    mac: Hmac<Sha1>,
    salt: [u8; SALT_BYTES],
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKeys(***)")
    }
}

impl SessionKeys {
    pub(super) fn derive(master: &MasterKey, of: Of) -> Self {
        let (key, salt) = master.split();
        let master = Aes128::new_from_slice(key).expect("a master key has sixteen bytes");
        let (mut key, mut auth) = ([0; BLOCK_BYTES], [0; AUTH_KEY_BYTES]);
        let mut session_salt = [0; SALT_BYTES];
        expand(&master, salt, of as u8 + ENCRYPTION, &mut key);
        expand(&master, salt, of as u8 + AUTHENTICATION, &mut auth);
        expand(&master, salt, of as u8 + SALTING, &mut session_salt);
        Self {
            cipher: Aes128::new(&key.into()),
            mac: Hmac::new_from_slice(&auth).expect("a key of any length will do"),
            salt: session_salt,
        }
    }

    /// Encrypts or decrypts what belongs to this source and index (§4.1.1).
    pub(super) fn apply(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let mut counter = [0; BLOCK_BYTES];
        counter[..SALT_BYTES].copy_from_slice(&self.salt);
        xor(&mut counter[4..8], &ssrc.to_be_bytes());
        xor(&mut counter[8..14], &index.to_be_bytes()[2..]);
        apply_counter_mode(&self.cipher, counter, bytes);
    }

    /// The tag over these pieces, to be cut to length (§4.2).
    pub(super) fn tag(&self, pieces: &[&[u8]]) -> [u8; 20] {
        let mut mac = self.mac.clone();
        for piece in pieces {
            mac.update(piece);
        }
        mac.finalize().into_bytes().into()
    }
}

/// The key stream of a label (§4.3.1, with a key derivation rate of zero).
fn expand(master: &Aes128, salt: &[u8], label: u8, out: &mut [u8]) {
    let mut counter = [0; BLOCK_BYTES];
    counter[..SALT_BYTES].copy_from_slice(salt);
    counter[7] ^= label;
    apply_counter_mode(master, counter, out);
}

/// Adds the key stream that starts at this counter, whose last two bytes count blocks: packets are
/// far shorter than 65 536 blocks.
fn apply_counter_mode(cipher: &Aes128, mut counter: [u8; BLOCK_BYTES], bytes: &mut [u8]) {
    for (number, block) in (0_u16..).zip(bytes.chunks_mut(BLOCK_BYTES)) {
        counter[14..].copy_from_slice(&number.to_be_bytes());
        let mut stream = counter.into();
        cipher.encrypt_block(&mut stream);
        xor(block, &stream);
    }
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    bytes.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}

/// Whether two tags are equal, in a time that does not tell where they differ.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex
            .bytes()
            .filter_map(|digit| char::from(digit).to_digit(16))
            .map(|digit| u8::try_from(digit).unwrap())
            .collect();
        digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
    }

    #[test]
    fn keys_are_derived_as_in_appendix_b_3_of_rfc_3711() {
        let master = Aes128::new_from_slice(&bytes("E1F97A0D3E018BE0D64FA32C06DE4139")).unwrap();
        let salt = bytes("0EC675AD498AFEEBB6960B3AABE6");
        for (label, expected) in [
            (ENCRYPTION, "C61E7A93744F39EE10734AFE3FF7A087"),
            (SALTING, "30CBBC08863D8C85D49DB34A9AE1"),
            (
                AUTHENTICATION,
                "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
                 E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
                 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2DC68",
            ),
        ] {
            let expected = bytes(expected);
            let mut out = vec![0; expected.len()];
            expand(&master, &salt, label, &mut out);
            assert_eq!(out, expected, "label {label}");
        }
    }

    #[test]
    fn the_key_stream_is_that_of_appendix_b_2_of_rfc_3711() {
        let keys = SessionKeys {
            cipher: Aes128::new_from_slice(&bytes("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap(),
            mac: Hmac::new_from_slice(&[]).unwrap(),
            salt: bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
        };
        let mut stream = vec![0; 0xFF02 * BLOCK_BYTES];
        keys.apply(0, 0, &mut stream);
        let block = |at: usize| stream[at * BLOCK_BYTES..(at + 1) * BLOCK_BYTES].to_vec();
        assert_eq!(block(0), bytes("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(block(1), bytes("D23513162B02D0F72A43A2FE4A5F97AB"));
        assert_eq!(block(0xFEFF), bytes("EC8CDF7398607CB0F2D21675EA9EA1E4"));
        assert_eq!(block(0xFF00), bytes("362B7C3C6773516318A077D7FC5073AE"));
        assert_eq!(block(0xFF01), bytes("6A2CC3787889374FBEB4C81B17BA6C44"));
    }

    #[test]
    fn the_tag_is_hmac_sha1_as_in_rfc_2202() {
        let keys = SessionKeys {
            cipher: Aes128::new(&[0; 16].into()),
            mac: Hmac::new_from_slice(b"Jefe").unwrap(),
            salt: [0; SALT_BYTES],
        };
        let tag = keys.tag(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(tag.to_vec(), bytes("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
        assert!(equal(&tag, &tag.clone()) && !equal(&tag, &[0; 20]) && !equal(&tag, &tag[..19]));
    }
}

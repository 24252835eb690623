//! Sets of bytes: what the grammar allows in one place (RFC 3261 §25.1), asked for every byte of
//! every message.

/// A set of bytes.
pub(super) struct ByteSet([bool; 256]);

impl ByteSet {
    /// ASCII letters, digits and these.
    pub(super) const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut has = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            has[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            has[others[at] as usize] = true;
            at += 1;
        }
        Self(has)
    }

    /// All that is neither white space, nor a control character, nor one of these.
    pub(super) const fn visible_but(others: &[u8]) -> Self {
        let mut has = [false; 256];
        let mut byte = b'!';
        loop {
            has[byte as usize] = byte != 0x7f;
            if byte == u8::MAX {
                break;
            }
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            has[others[at] as usize] = false;
            at += 1;
        }
        Self(has)
    }

    /// Whether the byte is in it.
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    /// Whether all bytes of the text are.
    pub(super) fn has_all(&self, text: &[u8]) -> bool {
        text.iter().all(|byte| self.has(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::ByteSet;

    #[test]
    fn a_set_has_what_it_was_made_of() {
        const WORD: ByteSet = ByteSet::alphanumeric_and(b"-_");
        const SEEN: ByteSet = ByteSet::visible_but(b"<");
        for byte in 0..=u8::MAX {
            let word = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert_eq!(WORD.has(byte), word, "{byte}");
            let hidden = byte <= b' ' || byte == 0x7f || byte == b'<';
            assert_eq!(SEEN.has(byte), !hidden, "{byte}");
        }
        assert!(WORD.has_all(b"a-z_9") && !WORD.has_all(b"a z"));
    }
}

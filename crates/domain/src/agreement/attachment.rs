//! Files of a ticket: how many, how large, and of which kinds. What a file is, its bytes say; what
//! its sender calls it is not believed.

/// The largest file, bytes.
pub const BYTES_MAX: usize = 5 * 1024 * 1024;
/// The most files of one ticket.
pub const COUNT_MAX: usize = 20;
/// The most that the files of an account's tickets have together, bytes, whatever became of the
/// tickets.
pub const ACCOUNT_BYTES_MAX: i64 = 500 * 1024 * 1024;
/// The longest name, bytes.
pub const NAME_MAX: usize = 150;

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has no name, or one that is too long or no name of a file.
    Name,
    /// There is nothing in it.
    Empty,
    /// It is larger than [`BYTES_MAX`].
    TooLarge,
    /// It is neither text, nor a picture, a PDF or a sound.
    Kind,
    /// The ticket has [`COUNT_MAX`].
    TooMany,
}

/// What files begin with, and their media types.
const BEGINNINGS: [(&[u8], &str); 8] = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
];

/// The media type of a file that is taken.
///
/// # Errors
/// Why it is not.
pub fn media_type(bytes: &[u8]) -> Result<&'static str, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    if bytes.len() > BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    if bytes.starts_with(b"RIFF") {
        return match bytes.get(8..12) {
            Some(b"WAVE") => Ok("audio/wav"),
            Some(b"WEBP") => Ok("image/webp"),
            _ => Err(Refusal::Kind),
        };
    }
    if let Some((_, known)) = BEGINNINGS.iter().find(|(first, _)| bytes.starts_with(first)) {
        return Ok(known);
    }
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let is_text = std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(plain));
    if is_text { Ok("text/plain; charset=utf-8") } else { Err(Refusal::Kind) }
}

/// A name of a file, as it is kept: of any script, and no path.
///
/// # Errors
/// When it is none.
pub fn file_name(text: &str) -> Result<String, Refusal> {
    let name = text.trim();
    // Marks of direction could make `gnp.exe` look like a picture.
    let hidden = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let bad = |c: char| c.is_control() || hidden(c) || matches!(c, '/' | '\\' | '"');
    let only_dots = name.chars().all(|c| c == '.');
    if name.is_empty() || name.len() > NAME_MAX || only_dots || name.contains(bad) {
        return Err(Refusal::Name);
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_say_what_a_file_is() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n..."[..], Ok("image/png")),
            (b"RIFF....WAVEfmt ", Ok("audio/wav")),
            (b"RIFF....AVI ", Err(Refusal::Kind)),
            (b"RIFF", Err(Refusal::Kind)),
            (b"<html><script>alert(1)</script>", Ok("text/plain; charset=utf-8")),
            ("سلام\n".as_bytes(), Ok("text/plain; charset=utf-8")),
            (b"MZ\x90\x00", Err(Refusal::Kind)),
            (b"PK\x03\x04", Err(Refusal::Kind)),
            (b"", Err(Refusal::Empty)),
        ] {
            assert_eq!(media_type(bytes), kind, "{bytes:?}");
        }
        assert_eq!(media_type(&vec![b'a'; BYTES_MAX + 1]), Err(Refusal::TooLarge));
        assert!(media_type(&vec![b'a'; BYTES_MAX]).is_ok());
    }

    #[test]
    fn a_name_is_no_path() {
        assert_eq!(file_name(" عکس صفحه.png ").as_deref(), Ok("عکس صفحه.png"));
        for name in ["", "..", "../x", "a\\b", "a\nb", "\u{202e}gnp.exe", "a\"b"] {
            assert_eq!(file_name(name), Err(Refusal::Name), "{name}");
        }
        assert_eq!(file_name(&"x".repeat(NAME_MAX + 1)), Err(Refusal::Name));
    }

    proptest! {
        /// Whatever comes is judged, and what is taken may be shown in a header.
        #[test]
        fn any_bytes_and_names_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200),
                                          name in ".{0,200}") {
            if let Ok(kind) = media_type(&bytes) {
                prop_assert!(kind.contains('/') && kind.is_ascii());
            }
            if let Ok(name) = file_name(&name) {
                prop_assert!(name.len() <= NAME_MAX && !name.contains(['/', '\\', '"', '\n']));
            }
        }
    }
}

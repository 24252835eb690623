//! Goal: the table says what it says in every spelling of a number, and the documentation is the
//! table.

use std::path::Path;

use carrier::numbers::{Progress, ROWS, Then, behaviour, markdown};
use media::telephone_event::Key;
use proptest::prelude::*;

#[test]
fn every_spelling_of_a_number_means_the_same() {
    for row in ROWS.iter().filter(|row| !row.suffix.contains('K')) {
        for prefix in ["09990000", "+989990000", "989990000", "00989990000"] {
            let number = format!("{prefix}{}", row.suffix);
            assert_eq!(behaviour(&number), row.behaviour, "{number}");
        }
    }
}

#[test]
fn suffixes_are_three_digits_and_distinct() {
    for (n, row) in ROWS.iter().enumerate() {
        assert_eq!(row.suffix.len(), 3);
        assert!(ROWS[..n].iter().all(|earlier| earlier.suffix < row.suffix), "{}", row.suffix);
    }
}

#[test]
fn each_key_number_presses_its_key() {
    for digit in '0'..='9' {
        let found = behaviour(&format!("0999000011{digit}")).then;
        let key = Key::from_char(digit);
        let expected = Then::Answer { after_ms: 1_000, hang_up_after_ms: None, key };
        assert_eq!(found, expected);
        let in_band = behaviour(&format!("0999000012{digit}"));
        assert_eq!((in_band.then, in_band.keys_in_band), (expected, true));
    }
}

#[test]
fn any_other_number_rings_and_answers_after_a_second() {
    for number in ["09123456789", "", "0999000048", "099900004860", "+1486", "0999000011x", "486"] {
        let found = behaviour(number);
        assert_eq!(found.progress, Progress::Ringing, "{number}");
        let expected = Then::Answer { after_ms: 1_000, hang_up_after_ms: None, key: None };
        assert_eq!(found.then, expected, "{number}");
        assert_eq!((found.challenge, found.loss_percent), (None, 0));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the document is a file")]
fn the_documentation_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/SANDBOX.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, markdown()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == markdown(), "docs/SANDBOX.md is stale: run with UPDATE_DOCS=1");
}

proptest! {
    #[test]
    fn no_number_panics(number in "\\PC*") {
        let _ = behaviour(&number);
        let _ = behaviour(&format!("09990000{number}"));
    }
}

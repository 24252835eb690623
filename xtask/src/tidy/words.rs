//! Words that do not belong where they stand.

use super::source::Source;
use super::{File, Tree};

/// Left for later. Spelt in halves, for this file is read by its own rule.
const UNFINISHED: &[&str] =
    &[concat!("FIX", "ME"), concat!("TO", "DO"), concat!("X", "XX"), concat!("HA", "CK")];
const UNFINISHED_CODE: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!(")];

/// Names that say nothing about what a module holds.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "type", "types", "manager", "misc", "shared"];

/// The vendor's spellings, which stop at the edge.
const VENDOR: &[&str] =
    &[concat!("Remaind", "Credit"), concat!("Len", "ght"), concat!("Credit", "Decrease")];

/// Traces of the place where the repository was written.
const WORKPLACE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/opt/", "wheels"),
    concat!("deb.", "debian.org"),
    concat!("pypi", ".org"),
    concat!("crates", ".io"),
    concat!("registry.", "npmjs"),
];

/// No note of unfinished business, in code or comment.
pub fn unfinished(tree: &Tree) -> Vec<String> {
    let read = tree.files.iter().filter(|file| file.ending() != "md");
    read.flat_map(unfinished_in).collect()
}

/// The findings of [`unfinished`] in one file.
pub fn unfinished_in(file: &File) -> Vec<String> {
    let words = |line: &str| {
        let word = line
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .find(|word| UNFINISHED.contains(word));
        let code = UNFINISHED_CODE.iter().find(|code| line.contains(*code)).copied();
        word.or(code).map(str::to_owned)
    };
    find(file, words)
}

/// No module is called after nothing in particular.
pub fn module_names(tree: &Tree) -> Vec<String> {
    let empty = |file: &&File| {
        let parts = file.path.trim_end_matches(".rs").split('/');
        parts.into_iter().any(|part| EMPTY_NAMES.contains(&part))
    };
    tree.rust().filter(empty).map(|file| file.path.clone()).collect()
}

/// The vendor's spellings stand only in the crate `web` and in tests.
pub fn vendor_spellings(tree: &Tree) -> Vec<String> {
    let inside = |file: &&File| !file.path.starts_with("crates/web/") && !file.is_test();
    let mut findings = Vec::new();
    for file in tree.rust().filter(inside) {
        let test = Source::scan(&file.text).test_lines();
        for (row, line) in file.text.lines().enumerate() {
            if let Some(word) = VENDOR.iter().find(|word| line.contains(*word))
                && !test[row]
            {
                findings.push(format!("{}:{}: {word}", file.path, row + 1));
            }
        }
    }
    findings
}

/// Nothing names a host or path of the place where it was written.
pub fn workplace(tree: &Tree) -> Vec<String> {
    let found = |line: &str| {
        WORKPLACE.iter().find(|trace| line.contains(*trace)).map(|&trace| trace.to_owned())
    };
    tree.files.iter().flat_map(|file| find(file, found)).collect()
}

fn find(file: &File, word: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(row, line)| {
            word(line).map(|word| format!("{}:{}: {word}", file.path, row + 1))
        })
        .collect()
}

//! Where things are, and that the documents say it truly.

use std::collections::BTreeSet;

use super::{File, Tree};

/// The crates whose `clippy.toml` denies clocks, sockets, files, threads and random order.
const TWINS: &[&str] = &["domain", "sip", "media", "engine", "carrier"];

/// Documents whose paths in backticks must exist.
const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "GLOSSARY.md"];

/// The nearest `clippy.toml` replaces the root's, so the pure crates' copies must be equal.
pub fn clippy_twins(tree: &Tree) -> Vec<String> {
    let path = |name: &str| format!("crates/{name}/clippy.toml");
    let first = tree.file(&path(TWINS[0])).map(|file| &file.text);
    TWINS
        .iter()
        .map(|name| path(name))
        .filter(|path| tree.file(path).map(|file| &file.text) != first || first.is_none())
        .map(|path| format!("{path} is missing or differs from crates/{}", TWINS[0]))
        .collect()
}

/// A crate's tests link once: everything hangs below `tests/it/main.rs`.
pub fn test_binaries(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let Some((_, inner)) = file.path.split_once("/tests/") else { continue };
        let binary = match inner.split('/').collect::<Vec<_>>().as_slice() {
            [_] => true,
            [folder, "main.rs"] => *folder != "it",
            _ => false,
        };
        if binary {
            findings.push(format!("{} is a second test binary; put it below it/", file.path));
        }
    }
    findings
}

/// ARCHITECTURE.md has every crate on its map.
pub fn crates_are_named(tree: &Tree) -> Vec<String> {
    let Some(document) = tree.file("ARCHITECTURE.md") else {
        return vec!["ARCHITECTURE.md is missing".to_owned()];
    };
    let named: BTreeSet<&str> = backticked(&document.text).into_iter().collect();
    let crates = tree.files.iter().filter_map(|file| {
        file.path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml"))
    });
    crates
        .filter(|name| !named.contains(format!("crates/{name}").as_str()))
        .map(|name| format!("crates/{name} is not on the map"))
        .collect()
}

/// Every path in backticks exists, and every `file.rs::name` is defined in that file.
pub fn named_paths_exist(tree: &Tree) -> Vec<String> {
    let documents = tree.files.iter().filter(|file| {
        DOCUMENTS.contains(&file.path.as_str()) || file.path.starts_with("docs/decisions/")
    });
    documents.flat_map(|document| dead_names(tree, document)).collect()
}

/// Code that sends its reader to a document sends them to one that exists.
pub fn cited_documents_exist(tree: &Tree) -> Vec<String> {
    let readers = tree.files.iter().filter(|file| {
        ["rs", "html", "toml"].contains(&file.ending()) && !file.path.starts_with("xtask/")
    });
    let mut findings = BTreeSet::new();
    for file in readers {
        for (at, _) in file.text.match_indices("docs/") {
            let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
            let rest = &file.text[at..];
            let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
            let path = rest[..end].trim_end_matches('.');
            if path.rsplit_once('.').is_some_and(|(_, end)| end == "md")
                && tree.file(path).is_none()
            {
                findings.insert(format!("{} cites {path}, which is not there", file.path));
            }
        }
    }
    findings.into_iter().collect()
}

/// The findings of [`named_paths_exist`] in one document.
pub fn dead_names(tree: &Tree, document: &File) -> Vec<String> {
    let mut findings = Vec::new();
    for name in backticked(&document.text).into_iter().filter(|name| is_path(name)) {
        let (path, item) = name.split_once("::").unwrap_or((name, ""));
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        let exists = tree.files.iter().any(|f| f.path == path || f.path.starts_with(&folder))
            || crate::process::root().join(path).exists();
        if !exists {
            findings.push(format!("{} names {path}, which is not there", document.path));
        } else if !item.is_empty() && !tree.file(path).is_some_and(|file| defines(file, item)) {
            findings.push(format!("{} names {item}, which {path} lacks", document.path));
        }
    }
    findings
}

/// The texts between single backticks outside of fenced blocks.
pub fn backticked(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

fn ends(path: &str, ending: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, end)| end == ending)
}

/// Whether a text in backticks speaks of a file or folder of the repository.
fn is_path(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "/._-:".contains(c);
    let top = ["crates/", "xtask/", "docs/", ".ci/", ".cargo/", "bench/"];
    let document = ends(name, "md") && !name.contains('/');
    name.chars().all(plain) && (top.iter().any(|top| name.starts_with(top)) || document)
}

fn defines(file: &File, item: &str) -> bool {
    ["fn", "struct", "enum", "trait", "const", "mod", "type"].iter().any(|keyword| {
        let wanted = format!("{keyword} {item}");
        file.text.match_indices(&wanted).any(|(at, _)| {
            let behind = file.text[at + wanted.len()..].chars().next();
            !behind.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    })
}

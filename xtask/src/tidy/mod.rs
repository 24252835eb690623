//! The house rules that no compiler checks, as one test each.
//!
//! A rule is a function from the tree to its findings; a finding is one line that a person can
//! act upon. The rules run by `cargo x tidy` and as tests of this crate.

pub mod arrows;
pub mod layout;
pub mod licences;
pub mod limits;
pub mod source;
pub mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{dependencies, metadata, root};
use crate::say::say;

/// One file of the repository.
pub struct File {
    /// Path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// All text files of the repository, and what cargo says of its packages.
pub struct Tree {
    /// The files, ordered by path.
    pub files: Vec<File>,
    /// `cargo metadata --no-deps`.
    pub metadata: serde_json::Value,
    /// `cargo metadata` with everything that we depend on.
    pub dependencies: serde_json::Value,
}

/// Folders that are made, not written.
const MADE: &[&str] = &[".git", ".tools", "var", "node_modules"];
/// Files with these endings are text that the rules read.
const TEXT: &[&str] =
    &["rs", "toml", "md", "sql", "sh", "xml", "html", "css", "js", "py", "txt", "run"];

impl Tree {
    /// Reads the repository.
    pub fn read() -> Result<Self> {
        let mut files = Vec::new();
        visit(root(), root(), &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files, metadata: metadata()?, dependencies: dependencies()? })
    }

    /// The file at this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.ending() == "rs")
    }
}

impl File {
    /// What stands behind the path's last dot.
    pub fn ending(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    /// Whether the file holds tests only, or figures for benchmarks.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

fn visit(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let made_by_cargo = path.join("CACHEDIR.TAG").exists() || name.starts_with("target");
            if !MADE.contains(&name.as_str()) && !made_by_cargo {
                visit(root, &path, files)?;
            }
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if !TEXT.contains(&ending.as_str()) && name != "run" {
            continue;
        }
        // A file that vanished while we were walking is no longer part of the tree.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let path = path.strip_prefix(root).expect("the walk stays below the root");
        files.push(File { path: path.to_string_lossy().into_owned(), text });
    }
    Ok(())
}

/// A rule's name and the rule.
pub type Rule = (&'static str, fn(&Tree) -> Vec<String>);

/// Every rule of the house.
pub const RULES: &[Rule] = &[
    ("functions have at most 70 lines", limits::functions),
    ("files have at most 600 lines", limits::files),
    ("lines have at most 100 columns", limits::columns),
    ("documents are read in one sitting", limits::documents),
    ("nothing is left for later", words::unfinished),
    ("modules are named after what they hold", words::module_names),
    ("vendor spellings stay in web", words::vendor_spellings),
    ("nothing names the place it was written in", words::workplace),
    ("crates depend as the table says", arrows::edges),
    ("libraries stay behind their wrapper", arrows::wrappers),
    ("pure crates import only what is listed", arrows::pure_crates),
    ("dependencies leave a choice of free licences", licences::allowed),
    ("pure crates deny the same things", layout::clippy_twins),
    ("a crate has one test binary", layout::test_binaries),
    ("ARCHITECTURE.md names every crate", layout::crates_are_named),
    ("documents name only what exists", layout::named_paths_exist),
    ("code cites only documents that exist", layout::cited_documents_exist),
];

/// Runs every rule and prints its findings. True when there are none.
pub fn run() -> Result<bool> {
    let tree = Tree::read()?;
    let mut clean = true;
    for (name, rule) in RULES {
        let findings = rule(&tree);
        if findings.is_empty() {
            continue;
        }
        clean = false;
        say(&format!("{name}:"));
        for finding in &findings {
            say(&format!("  {finding}"));
        }
    }
    if clean {
        say(&format!("{} rules hold in {} files", RULES.len(), tree.files.len()));
    }
    Ok(clean)
}

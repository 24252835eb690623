//! Which crate may import which: the arrows of ARCHITECTURE.md, compared with Cargo's view.

use serde_json::Value;

use super::Tree;

/// A crate, what it may import, and what its tests may import besides.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const EVERYTHING: &[&str] =
    &["app", "audio", "carrier", "domain", "engine", "media", "node", "sip", "store", "web"];

/// The table of arrows.
const ARROWS: &[Row] = &[
    ("domain", &[], &[]),
    ("sip", &[], &[]),
    ("media", &[], &[]),
    ("audio", &[], &[]),
    ("engine", &["sip", "media"], &["carrier"]),
    ("carrier", &["sip", "media"], &[]),
    ("store", &["domain"], &[]),
    ("app", &["store", "domain", "audio"], &[]),
    ("node", &["app", "domain", "engine"], &["store", "audio", "carrier"]),
    ("web", &["app", "domain"], &["store", "audio"]),
    ("server", EVERYTHING, &[]),
    ("sim", &["app", "audio", "carrier", "domain", "engine", "media", "node", "sip", "store"], &[]),
    (
        "bench",
        &["app", "audio", "domain", "engine", "media", "node", "server", "sip", "store"],
        &[],
    ),
    ("fuzz", &["engine", "media", "sip"], &[]),
    ("xtask", &[], &[]),
];

/// A library and the crates that may know it.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("argon2", &["app"]),
    ("calamine", &["app"]),
    ("zip", &["app"]),
    ("rusqlite", &["store", "bench"]),
    ("tokio-postgres", &["store", "bench"]),
    ("refinery", &["store"]),
    ("deadpool-postgres", &["store"]),
    ("axum", &["web"]),
    ("http-body-util", &["server"]),
    ("hyper", &["web", "server"]),
    ("lettre", &["server"]),
    ("hyper-util", &["web", "server"]),
    ("quick-xml", &["web"]),
    ("symphonia", &["audio"]),
    ("symphonia-adapter-libopus", &["audio"]),
    ("rubato", &["audio"]),
    ("ebur128", &["audio"]),
    ("nix", &["server", "bench"]),
    ("socket2", &["server", "bench"]),
    ("tokio-rustls", &["server"]),
    ("hickory-resolver", &["server"]),
    ("icu_calendar", &["domain"]),
    ("jiff", &["domain"]),
    ("figment", &["server"]),
    ("clap", &["server", "sim", "bench"]),
    ("anyhow", &["server", "sim", "bench", "xtask"]),
];

/// The crates without I/O, and every library their product code may import.
const PURE: &[(&str, &[&str])] = &[
    ("domain", &["icu_calendar", "jiff"]),
    ("sip", &["hmac", "md-5", "memchr", "sha2", "smallvec"]),
    ("media", &["aes", "base64", "hmac", "memchr", "sha1"]),
    (
        "audio",
        &["ebur128", "rubato", "sha2", "symphonia", "symphonia-adapter-libopus", "thiserror"],
    ),
    ("engine", &["sha2", "smallvec"]),
    ("carrier", &[]),
];

/// One line of a `Cargo.toml`: who imports what, and whether for tests only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The importing crate.
    pub from: String,
    /// The imported crate.
    pub to: String,
    /// Whether both are of this repository.
    pub internal: bool,
    /// Whether it stands under `[dev-dependencies]`.
    pub dev: bool,
}

/// Every edge that `cargo metadata` knows of.
pub fn read(metadata: &Value) -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            edges.push(Edge {
                from: package["name"].as_str().unwrap_or_default().to_owned(),
                to: dependency["name"].as_str().unwrap_or_default().to_owned(),
                internal: dependency["path"].is_string(),
                dev: dependency["kind"] == "dev",
            });
        }
    }
    edges
}

/// Crates of the repository import each other only as the table says.
pub fn edges(tree: &Tree) -> Vec<String> {
    let mut findings = against_table(&read(&tree.metadata));
    for package in tree.metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if !ARROWS.iter().any(|(known, ..)| *known == name) {
            findings.push(format!("{name} has no row in the table of arrows"));
        }
    }
    findings
}

/// The findings of [`edges`] for these edges.
pub fn against_table(edges: &[Edge]) -> Vec<String> {
    let mut findings = Vec::new();
    for edge in edges.iter().filter(|edge| edge.internal) {
        let row = ARROWS.iter().find(|(from, ..)| *from == edge.from);
        let Some((_, product, tests)) = row else { continue };
        let to = edge.to.as_str();
        // A crate may name itself for its own tests; that draws no arrow.
        let allowed = product.contains(&to) || (edge.dev && tests.contains(&to));
        if !allowed {
            let kind = if edge.dev { " (in tests)" } else { "" };
            findings.push(format!("{} must not import {to}{kind}", edge.from));
        }
    }
    findings
}

/// A wrapped library is known only to its wrapper.
pub fn wrappers(tree: &Tree) -> Vec<String> {
    behind_wrappers(&read(&tree.metadata))
}

/// The findings of [`wrappers`] for these edges.
pub fn behind_wrappers(edges: &[Edge]) -> Vec<String> {
    let mut findings = Vec::new();
    for edge in edges.iter().filter(|edge| !edge.internal && !edge.dev) {
        let rule = WRAPPERS.iter().find(|(library, _)| *library == edge.to);
        if let Some((library, wrappers)) = rule
            && !wrappers.contains(&edge.from.as_str())
        {
            let places = wrappers.join(", ");
            findings.push(format!("{} imports {library}; only {places} may", edge.from));
        }
    }
    findings
}

/// Pure crates import no library that is not listed for them.
pub fn pure_crates(tree: &Tree) -> Vec<String> {
    only_listed(&read(&tree.metadata))
}

/// The findings of [`pure_crates`] for these edges.
pub fn only_listed(edges: &[Edge]) -> Vec<String> {
    let mut findings = Vec::new();
    for edge in edges.iter().filter(|edge| !edge.internal && !edge.dev) {
        let row = PURE.iter().find(|(name, _)| *name == edge.from);
        if let Some((name, listed)) = row
            && !listed.contains(&edge.to.as_str())
        {
            findings.push(format!("{name} is pure and must not import {}", edge.to));
        }
    }
    findings
}

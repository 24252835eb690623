//! Licences: what is linked into the binary must be free for its users to pass on as they like.

use serde_json::Value;

use super::Tree;

/// Licences that ask for no more than their own text beside ours. MPL-2.0 asks for the changes to
/// its own files, which we do not make.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every package that we build with leaves a choice of these licences.
pub fn allowed(tree: &Tree) -> Vec<String> {
    let packages = tree.dependencies["packages"].as_array().into_iter().flatten();
    packages.filter_map(finding).collect()
}

fn finding(package: &Value) -> Option<String> {
    let name = package["name"].as_str().unwrap_or("a package without a name");
    match package["license"].as_str() {
        Some(licence) if is_allowed(licence) => None,
        Some(licence) => Some(format!("{name} is under {licence}")),
        None => Some(format!("{name} names no licence")),
    }
}

/// Reads an SPDX expression: everything that `AND` joins must leave an allowed choice. Some still
/// write `/` for `OR`.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace('/', " OR ").replace(['(', ')'], "");
    plain
        .split(" AND ")
        .all(|part| part.split(" OR ").map(str::trim).any(|licence| ALLOWED.contains(&licence)))
}

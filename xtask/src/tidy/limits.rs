//! Sizes: what does not fit one screen or one sitting is taken apart.

use super::source::Source;
use super::{File, Tree};

const FUNCTION_LINES: usize = 70;
const FILE_LINES: usize = 600;
const COLUMNS: usize = 100;
const DECISION_LINES: usize = 40;
const ARCHITECTURE_LINES: usize = 250;

/// Functions outside tests have at most 70 lines, from `fn` to the closing brace.
pub fn functions(tree: &Tree) -> Vec<String> {
    product(tree).flat_map(long_functions).collect()
}

/// The findings of [`functions`] in one file.
pub fn long_functions(file: &File) -> Vec<String> {
    let source = Source::scan(&file.text);
    let test = source.test_lines();
    let mut findings = Vec::new();
    for function in source.functions() {
        let lines = function.last_line - function.first_line + 1;
        if lines > FUNCTION_LINES && !test[function.first_line - 1] {
            findings.push(format!(
                "{}:{}: fn {} has {lines} lines",
                file.path, function.first_line, function.name
            ));
        }
    }
    findings
}

/// Files have at most 600 lines, tests apart.
pub fn files(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in product(tree) {
        let test = Source::scan(&file.text).test_lines();
        let lines = file.text.lines().zip(test).filter(|(_, test)| !test).count();
        if lines > FILE_LINES {
            findings.push(format!("{}: {lines} lines", file.path));
        }
    }
    findings
}

/// Lines of Rust have at most 100 columns; data inside string literals may be longer.
pub fn columns(tree: &Tree) -> Vec<String> {
    tree.rust().flat_map(long_lines).collect()
}

/// The findings of [`columns`] in one file.
pub fn long_lines(file: &File) -> Vec<String> {
    let source = Source::scan(&file.text);
    let mut findings = Vec::new();
    for (row, line) in file.text.lines().enumerate() {
        let columns = line.chars().count();
        let address = line.contains("http://") || line.contains("https://");
        if columns > COLUMNS && !source.begins_in_string[row] && !address {
            findings.push(format!("{}:{}: {columns} columns", file.path, row + 1));
        }
    }
    findings
}

/// Decision notes have at most 40 lines, ARCHITECTURE.md at most 250.
pub fn documents(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let most = if file.path.starts_with("docs/decisions/") {
            DECISION_LINES
        } else if file.path == "ARCHITECTURE.md" {
            ARCHITECTURE_LINES
        } else {
            continue;
        };
        let lines = file.text.lines().count();
        if lines > most {
            findings.push(format!("{}: {lines} lines, at most {most}", file.path));
        }
    }
    findings
}

fn product(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.rust().filter(|file| !file.is_test())
}

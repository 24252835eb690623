//! A small scanner for Rust: enough to know code from comments and strings, and where functions
//! and tests begin and end. It is no parser: it relies on rustfmt and on code that compiles.

/// A Rust file seen through the scanner; all texts have the same lines as the file.
pub struct Source {
    /// The code: comments and the insides of literals are blanks.
    pub code: Vec<String>,
    /// For each line, whether it begins inside a string literal.
    pub begins_in_string: Vec<bool>,
}

/// A function's name and its lines, the first being 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name behind `fn`.
    pub name: String,
    /// The line with `fn`.
    pub first_line: usize,
    /// The line with the closing brace.
    pub last_line: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

impl Source {
    /// Scans a file.
    pub fn scan(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut source = Self { code: vec![String::new()], begins_in_string: vec![false] };
        let mut mode = Mode::Code;
        let mut at = 0;
        while at < characters.len() {
            let (length, next) = step(&characters, at, mode);
            for &character in &characters[at..at + length] {
                if character == '\n' {
                    let in_string = matches!(next, Mode::Text | Mode::RawText { .. });
                    source.code.push(String::new());
                    source.begins_in_string.push(in_string);
                } else {
                    // A literal's or comment's opening and closing marks are blanked as well:
                    // what is left has balanced brackets only.
                    let visible = mode == Mode::Code && next == Mode::Code && length == 1;
                    let line = source.code.last_mut().expect("there is always a line");
                    line.push(if visible { character } else { ' ' });
                }
            }
            at += length;
            mode = next;
        }
        source
    }

    /// The functions that have a body.
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (row, line) in self.code.iter().enumerate() {
            for (column, _) in line.match_indices("fn ") {
                let before = line[..column].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let name: String = line[column + 3..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if name.is_empty() {
                    continue;
                }
                if let Some(last_row) = self.body_end(row, column) {
                    let (first_line, last_line) = (row + 1, last_row + 1);
                    found.push(Function { name, first_line, last_line });
                }
            }
        }
        found
    }

    /// For each line, whether it belongs to an item under `#[cfg(test)]`.
    pub fn test_lines(&self) -> Vec<bool> {
        let mut test = vec![false; self.code.len()];
        for row in 0..self.code.len() {
            let Some(column) = self.code[row].find("#[cfg(test)]") else { continue };
            let end = self.body_end(row, column + "#[cfg(test)]".len()).unwrap_or(row);
            for line in &mut test[row..=end] {
                *line = true;
            }
        }
        test
    }

    /// The row where the first braced body behind this place closes; none when a `;` comes first.
    fn body_end(&self, row: usize, column: usize) -> Option<usize> {
        let mut brackets = 0_usize;
        let mut braces = 0_usize;
        for (at, line) in self.code.iter().enumerate().skip(row) {
            let from = if at == row { column } else { 0 };
            for character in line[from..].chars() {
                match character {
                    '(' | '[' if braces == 0 => brackets += 1,
                    ')' | ']' if braces == 0 => brackets = brackets.saturating_sub(1),
                    ';' if braces == 0 && brackets == 0 => return None,
                    '{' if brackets == 0 => braces += 1,
                    '}' if brackets == 0 => {
                        braces = braces.saturating_sub(1);
                        if braces == 0 {
                            return Some(at);
                        }
                    }
                    _ => {}
                }
            }
        }
        None
    }
}

/// How many characters belong together at `at`, and the mode behind them.
fn step(characters: &[char], at: usize, mode: Mode) -> (usize, Mode) {
    let here = characters[at];
    let next = characters.get(at + 1).copied();
    match mode {
        Mode::Code => step_code(characters, at),
        Mode::LineComment if here == '\n' => (1, Mode::Code),
        Mode::LineComment => (1, mode),
        Mode::BlockComment { depth } => match (here, next) {
            ('/', Some('*')) => (2, Mode::BlockComment { depth: depth + 1 }),
            ('*', Some('/')) if depth == 1 => (2, Mode::Code),
            ('*', Some('/')) => (2, Mode::BlockComment { depth: depth - 1 }),
            _ => (1, mode),
        },
        Mode::Text => match here {
            '\\' if next.is_some() => (2, mode),
            '"' => (1, Mode::Code),
            _ => (1, mode),
        },
        Mode::RawText { hashes } => {
            let closes = here == '"' && (1..=hashes).all(|n| characters.get(at + n) == Some(&'#'));
            if closes { (1 + hashes, Mode::Code) } else { (1, mode) }
        }
    }
}

fn step_code(characters: &[char], at: usize) -> (usize, Mode) {
    let here = characters[at];
    let next = characters.get(at + 1).copied();
    let before = at.checked_sub(1).map(|before| characters[before]);
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match (here, next) {
        ('/', Some('/')) => (2, Mode::LineComment),
        ('/', Some('*')) => (2, Mode::BlockComment { depth: 1 }),
        ('"', _) => (1, Mode::Text),
        ('r', Some('"' | '#')) if !in_word || matches!(before, Some('b' | 'c')) => {
            raw_string(characters, at)
        }
        ('\'', _) => (character_literal(characters, at), Mode::Code),
        _ => (1, Mode::Code),
    }
}

/// `r"…`, `r#"…`: the opening's length; `r#name` is a plain word.
fn raw_string(characters: &[char], at: usize) -> (usize, Mode) {
    let hashes = characters[at + 1..].iter().take_while(|c| **c == '#').count();
    if characters.get(at + 1 + hashes) == Some(&'"') {
        (2 + hashes, Mode::RawText { hashes })
    } else {
        (1, Mode::Code)
    }
}

/// The length of a character literal; 1 when the quote begins a lifetime.
fn character_literal(characters: &[char], at: usize) -> usize {
    match (characters.get(at + 1), characters.get(at + 2)) {
        (Some('\\'), _) => {
            let rest = characters.iter().skip(at + 3).take(10);
            rest.take_while(|c| **c != '\'').count() + 4
        }
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
    .min(characters.len() - at)
}

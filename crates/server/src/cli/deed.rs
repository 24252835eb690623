//! Who runs a command, and which: as it is noted when it changes something.

use std::ffi::OsString;

use app::staff::Deed;
use clap::ArgMatches;
use domain::PhoneNumber;
use nix::unistd::{Uid, User};

/// Longest line that is noted, bytes.
const LINE_MAX: usize = 4_000;
/// Options whose values are not noted: they say where this runs, or are secrets.
const UNTOLD: [&str; 4] = ["--config", "--data-dir", "--database", "--password"];
/// Options whose values stand in rows of their own: what was said to a customer or of one, and
/// where he is reached. It is noted that they were given: rows may be erased by the rules, entries
/// not.
const APART: [&str; 8] = [
    "--text",
    "--note",
    "--address",
    "--description",
    "--reason",
    "--because",
    "--caller",
    "--number",
];

/// The command of these matches, given by these arguments.
pub fn deed(matches: &ArgMatches, arguments: impl Iterator<Item = OsString>) -> Deed {
    let mut words = Vec::new();
    let mut level = matches.subcommand();
    while let Some((word, inner)) = level {
        words.push(word);
        level = inner.subcommand();
    }
    let arguments = arguments.map(|one| one.to_string_lossy().into_owned());
    Deed { actor: actor(), command: words.join(" "), line: line(arguments) }
}

/// The user of the operating system, and who became it.
#[expect(clippy::disallowed_methods, reason = "who runs this is no configuration")]
fn actor() -> String {
    let uid = Uid::current();
    let user = User::from_uid(uid).ok().flatten();
    let name = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
    match std::env::var("SUDO_USER") {
        Ok(caller) if uid.is_root() && !caller.is_empty() => format!("{name} (by sudo: {caller})"),
        _ => name,
    }
}

/// The arguments on one line, those with spaces in quotes.
fn line(arguments: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    let mut is_value = false;
    for argument in arguments {
        let name = argument.split('=').next().unwrap_or_default();
        let (untold, apart) = (UNTOLD.contains(&name), APART.contains(&name));
        if untold || std::mem::take(&mut is_value) {
            is_value = untold && !argument.contains('=');
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        if apart {
            line.push_str(name);
            line.push_str(" …");
            is_value = !argument.contains('=');
            continue;
        }
        let argument = masked(argument);
        if argument.is_empty() || argument.contains([' ', '\n', '\'']) {
            line.push('\'');
            line.push_str(&argument.replace('\'', "'\\''"));
            line.push('\'');
        } else {
            line.push_str(&argument);
        }
    }
    if line.len() > LINE_MAX {
        let end = (0..=LINE_MAX).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

/// A word, and of a phone number as much as logs say. Amounts never begin like one.
fn masked(word: String) -> String {
    let number = PhoneNumber::parse(&word).filter(|_| word.starts_with(['0', '+', '۰']));
    number.map_or(word, |number| number.masked())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_without_its_secrets() {
        let of = |words: &[&str]| line(words.iter().map(|word| (*word).to_owned()));
        let told = of(&["--database", "postgres://u:p@h/d", "claim", "ask", "7", "--what", "a b"]);
        assert_eq!(told, "claim ask 7 --what 'a b'");
        let told = of(&["trunk", "add", "--password=x y", "--data-dir=/var", "it's", ""]);
        assert_eq!(told, "trunk add 'it'\\''s' ''");
        assert_eq!(of(&["trunk", "add", "--password", "--config", "z"]), "trunk add");
        let told = of(&["ticket", "answer", "7", "--text", "Dear Ali", "--by", "Sara"]);
        assert_eq!(told, "ticket answer 7 --text … --by Sara");
        let told = of(&["ticket", "answer", "--text=--by", "--note", "--text", "--by", "Sara"]);
        assert_eq!(told, "ticket answer --text … --note … --by Sara");
        let long = of(&["م".repeat(3_000).as_str()]);
        assert!(long.len() <= LINE_MAX + "…".len() && long.ends_with("م…"), "{}", long.len());
    }
}

//! Draws a call as a ladder: who said what to whom, and when.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

/// One step of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Milliseconds since the message was accepted.
    pub at_ms: f64,
    /// What happened, in the server's words.
    pub event: String,
}

/// Reads `[{"at_ms":0.0,"event":"accepted"},…]`.
pub fn parse(ladder: &Value) -> Result<Vec<Step>> {
    let steps = ladder.as_array().context("the ladder is no array")?;
    steps
        .iter()
        .map(|step| {
            let at_ms = step["at_ms"].as_f64().context("a ladder step has no at_ms")?;
            let event = step["event"].as_str().context("a ladder step has no event")?;
            Ok(Step { at_ms, event: event.to_owned() })
        })
        .collect()
}

/// Width of the space between two neighbours of the ladder, in characters.
const GAP: usize = 24;

enum Arrow {
    CallerToUs,
    UsToPhone,
    PhoneToUs,
    AtUs,
}

fn arrow(event: &str) -> Arrow {
    match event {
        "accepted" => Arrow::CallerToUs,
        "INVITE" | "first audio" | "CANCEL" | "BYE" => Arrow::UsToPhone,
        "ringing" | "answered" => Arrow::PhoneToUs,
        _ => Arrow::AtUs,
    }
}

/// The ladder as text, one line a step, between you, Avanak and the phone.
pub fn draw(steps: &[Step], phone: &str) -> String {
    let mut text = format!("{:>11}  you{:^width$}{phone}\n", "", "Avanak", width = 2 * GAP - 2);
    let blank = " ".repeat(GAP);
    for step in steps {
        let (left, right) = match arrow(&step.event) {
            Arrow::CallerToUs => (format!("{}>", line(&step.event, GAP - 1)), blank.clone()),
            Arrow::UsToPhone => (blank.clone(), format!("{}>", line(&step.event, GAP - 1))),
            Arrow::PhoneToUs => (blank.clone(), format!("<{}", line(&step.event, GAP - 1))),
            Arrow::AtUs => (blank.clone(), format!("{:<GAP$}", format!(" {}", step.event))),
        };
        writeln!(text, "{:>8.1} ms   │{left}│{right}│", step.at_ms)
            .expect("writing to a String cannot fail");
    }
    text
}

/// A rule of `width` characters with `word` in its middle.
fn line(word: &str, width: usize) -> String {
    let word = format!(" {word} ");
    let dashes = width.saturating_sub(word.chars().count());
    let before = dashes / 2;
    format!("{}{word}{}", "─".repeat(before), "─".repeat(dashes - before))
}

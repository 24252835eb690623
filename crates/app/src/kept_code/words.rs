//! What is said when a code is spoken.

use audio::text::{Speakable, digits, normalise};
use domain::kept_code::Template;
use domain::one_time_code::OneTimeCode;

use super::SendRefusal;
use crate::quick_send::TextRefusal;
use crate::{Error, Failure, Result};

/// What is said before the code, and before it is said again.
const BEFORE: &str = "کد شما";
const AGAIN: &str = "تکرار می‌کنم";

/// The words in their order: the code within its text, then the code again.
pub(super) fn words(
    code: &OneTimeCode,
    template: Option<&Template>,
) -> Result<Vec<Speakable>, SendRefusal> {
    let theirs = |_| Error::Refused(SendRefusal::Text(TextRefusal::NotSpoken));
    let ours = |error| Failure::because("speaking a one-time code", error);
    let (before, after) = match template {
        Some(template) => (template.before.as_str(), template.after.as_str()),
        None => (BEFORE, ""),
    };
    let mut words = Vec::new();
    for (before, after) in [(before, after), (AGAIN, "")] {
        if !before.is_empty() {
            words.push(normalise(before).map_err(theirs)?);
        }
        for digit in code.as_str().chars() {
            words.push(digits::spoken(&digit.to_string()).map_err(ours)?);
        }
        if !after.is_empty() {
            words.push(normalise(after).map_err(theirs)?);
        }
    }
    Ok(words)
}

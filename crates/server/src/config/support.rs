//! How people reach the people of the desk.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::Key;

section! {
    /// The line of support. When it is answered stands in the agreement.
    Support {
        /// The number that customers call, which is told, too, when their tickets cannot be taken;
        /// empty for none.
        phone: String = String::new(),
        /// The same as phones and trunks dial it, in each form that may come (`02191001234`). Then
        /// this program is the line's switch: callers wait in order with music, are offered to be
        /// called back, and are joined with the expert on duty (`avanak support-line on`). Empty:
        /// another switch is, and tells what happens with `avanak support-call`.
        line: Vec<String> = Vec::new(),
        /// What callers of the line hear first.
        greeting: String = node::support_line::words::GREETING.to_owned(),
        /// Where a request can be left, an http or https address: whoever calls the closed line
        /// from a mobile gets it by SMS. Empty: nobody is written to.
        ticket_link: String = String::new(),
    }
}

/// Longest number, as it is written, bytes.
const PHONE_MAX: usize = 40;
/// Most forms of the number of the line.
const LINES_MAX: usize = 16;
/// Longest address of tickets, bytes: more would be an SMS of several parts.
const LINK_MAX: usize = 200;
/// Longest greeting, characters.
const GREETING_MAX: usize = 500;

impl Support {
    /// The number, if there is one.
    pub fn phone(&self) -> Option<String> {
        (!self.phone.is_empty()).then(|| self.phone.clone())
    }

    /// Whether its values make sense.
    pub(super) fn check(&self) -> Result<()> {
        let is_written = |letter: char| letter.is_ascii_digit() || "+-() ".contains(letter);
        if self.phone.len() > PHONE_MAX || !self.phone.chars().all(is_written) {
            bail!("support.phone has digits, +, -, brackets and spaces, at most {PHONE_MAX}");
        }
        let is_dialled = |letter: char| letter.is_ascii_digit() || "+*#".contains(letter);
        let dialled = |number: &String| {
            (1..=PHONE_MAX).contains(&number.len()) && number.chars().all(is_dialled)
        };
        if self.line.len() > LINES_MAX || !self.line.iter().all(dialled) {
            bail!(
                "support.line has numbers as they are dialled: digits, +, * and #, at most \
                 {PHONE_MAX} each, and {LINES_MAX} of them"
            );
        }
        if self.line.iter().any(|number| number == crate::echo_test::NUMBER) {
            bail!("support.line cannot be {}, which tests a line", crate::echo_test::NUMBER);
        }
        if self.greeting.trim().is_empty() || self.greeting.chars().count() > GREETING_MAX {
            bail!("support.greeting is a text of at most {GREETING_MAX} characters");
        }
        let link = &self.ticket_link;
        let is_address = link.starts_with("https://") || link.starts_with("http://");
        let is_plain =
            link.len() <= LINK_MAX && link.chars().all(|letter| letter.is_ascii_graphic());
        if !(link.is_empty() || is_address && is_plain) {
            bail!("support.ticket_link is an http or https address of at most {LINK_MAX} bytes");
        }
        Ok(())
    }
}

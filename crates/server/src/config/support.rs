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
    }
}

/// Longest number, as it is written, bytes.
const PHONE_MAX: usize = 40;

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
        Ok(())
    }
}

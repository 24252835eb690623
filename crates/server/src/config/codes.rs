//! The keys of one-time codes that the platform keeps.

use domain::kept_code::Velocity;
use serde::{Deserialize, Serialize};

use super::Key;

section! {
    /// One-time codes that the platform keeps (`/v1/codes`): how often numbers are called for them.
    Codes {
        /// Calls to one number within `number_window_s`, whoever asks for them; at least 1.
        number_limit: u32 = 5,
        /// The window of `number_limit`, in seconds.
        number_window_s: u32 = 600,
        /// Calls to numbers that differ in their last four digits only, asked for by one account
        /// within `prefix_window_s`; at least 1. Fraud calls such blocks.
        prefix_limit: u32 = 100,
        /// The window of `prefix_limit`, in seconds.
        prefix_window_s: u32 = 3_600,
    }
}

impl Codes {
    /// How often one number is called.
    pub fn per_number(&self) -> Velocity {
        velocity(self.number_limit, self.number_window_s)
    }

    /// How often a block of numbers is called.
    pub fn per_prefix(&self) -> Velocity {
        velocity(self.prefix_limit, self.prefix_window_s)
    }
}

fn velocity(count: u32, window_s: u32) -> Velocity {
    Velocity { count, within_ms: i64::from(window_s) * 1_000 }
}

//! Campaigns: one message to many recipients. What may happen to one, when its recipients are
//! called, whom it calls again, and how many of them stand in line at once.

pub mod admission;
pub mod failing;
pub mod feed;
pub mod forecast;
pub mod numbers;
pub mod recipient;
pub mod retry;
pub mod schedule;
pub mod state;
pub mod table;

pub use recipient::RecipientStatus;
pub use schedule::Schedule;
pub use state::{PauseReason, State, Verb};

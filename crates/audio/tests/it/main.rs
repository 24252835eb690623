//! What a customer's file or text becomes.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the numbers of tests are chosen to fit"
)]

mod formats;
mod hostile;
mod sentences;
mod support;
mod words;

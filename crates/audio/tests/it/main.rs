//! What a customer's file or text becomes.

mod formats;
mod hostile;
mod support;
mod words;

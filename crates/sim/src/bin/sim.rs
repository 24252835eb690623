//! `cargo x sim`.
fn main() {}

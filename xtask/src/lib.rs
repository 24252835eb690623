//! Automation in Rust, run as `cargo x <command>`: set-up, demo, test, tidy, fuzz, bench,
//! sim.
//!
//! One command stands for one thing a person does with the repository. This crate is no part of
//! the product and never imports it: it starts programs and reads files, as a person would.

pub mod bench;
pub mod commands;
pub mod demo;
pub mod fuzz;
pub mod http;
pub mod ladder;
pub mod postgres;
pub mod process;
pub mod say;
pub mod server;
pub mod setup;
pub mod suite;
pub mod tidy;

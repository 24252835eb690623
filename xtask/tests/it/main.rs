//! Tests of the automation; `house` holds the repository itself to its rules.

mod demo;
mod house;
mod http;
mod rules;
mod setup;
mod source;
mod suite;

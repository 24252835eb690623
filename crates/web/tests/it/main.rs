//! The web services as their clients see them: the router over the real use cases and store.

mod client;
mod codes;
mod docs;
mod hostile;
mod probes;
mod rest;
mod serving;
#[path = "../../../app/tests/it/world.rs"]
#[expect(dead_code, reason = "the tests of `app` use more of it")]
mod world;

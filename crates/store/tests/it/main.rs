//! What the store promises, on both engines.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agreement;
mod announcement;
mod campaign;
mod cancellation;
mod chain;
mod cold;
mod engaged;
mod engines;
mod error_report;
mod event;
mod export;
mod faults;
mod hot;
mod identity;
mod interval;
mod kept_code;
mod ledger;
mod map;
mod measurement;
mod message;
mod money;
mod opt_out;
mod payment;
mod races;
mod random;
mod recovery;
mod refund;
mod request;
mod schema;
mod sms;
mod support_agent;
mod template;
mod ticket;
mod violation;
mod webhook;
mod world;

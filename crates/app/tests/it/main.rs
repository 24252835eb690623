//! The use cases over the real store: what a person or a node sees, and that the books add up.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]

mod account;
mod agreement;
mod announcement;
mod board;
mod by_calls;
mod calls;
mod campaign;
mod capacity_test;
mod chain;
mod claim;
mod class;
mod credit_random;
mod delivery;
mod dialing;
mod engines;
mod error_report;
mod export;
mod holiday;
mod identity;
mod kept_code;
mod killed;
mod killing;
mod ledger_audit;
mod lists;
mod map;
mod measurement;
mod message;
mod money;
mod month_close;
mod opening_hours;
mod overdue;
mod oversight;
mod payment;
mod phone;
mod plan_change;
mod quick_send;
mod races;
mod refund;
mod remote_session;
mod sms;
mod support_call;
mod template;
mod ticket;
mod trunk;
mod violation;
mod webhook;
mod world;
mod year;

use app::Error;

/// The refusal that a use case must have answered with.
#[track_caller]
fn refusal<T: std::fmt::Debug, R: std::fmt::Debug>(result: app::Result<T, R>) -> R {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("this should have been refused: {other:?}"),
    }
}

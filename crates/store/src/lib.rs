//! The only crate that knows SQL. One file per aggregate: functions over a transaction. `hot/`:
//! the batch verbs of the dialer.
//!
//! Nothing here decides anything about business; amounts, times and texts come from the caller.
//! SQL is always a literal, the same for both engines wherever that is possible.

pub mod account;
pub mod agreement;
pub mod alert;
pub mod announcement;
mod audit;
pub mod campaign;
pub mod cancellation;
pub mod capacity_test;
pub mod chain;
pub mod claim;
pub mod class;
pub mod compensation;
pub mod credit;
mod db;
pub mod decision;
mod dialect;
pub mod entry;
mod error;
pub mod error_report;
pub mod event;
pub mod export;
mod history;
pub mod holiday;
pub mod hot;
pub mod identity;
pub mod interval;
pub mod invoice;
pub mod kept_code;
pub mod ladder;
pub mod ledger;
pub mod ledger_audit;
pub mod maintenance;
pub mod map;
pub mod measurement;
pub mod message;
mod migrate;
pub mod month_statement;
pub mod opening_hours;
pub mod opt_out;
pub mod outage;
pub mod payment;
pub mod phone;
mod postgres;
pub mod promise;
pub mod quick_send;
pub mod recipient;
pub mod recording;
pub mod refund;
pub mod remote_session;
pub mod request;
pub mod sms;
pub mod speech;
mod sqlite;
pub mod subscription;
pub mod support_agent;
pub mod support_call;
pub mod tariff;
pub mod template;
pub mod ticket;
pub mod token;
pub mod trunk;
pub mod trunk_health;
mod value;
pub mod verification;
pub mod violation;
pub mod webhook;

pub use audit::{Audit, Violation};
pub use db::{Db, Health, Kind, Options, Queries, Reader, Tx};
pub use error::{Error, Result, Source};
pub use migrate::Applied;
pub use value::{Column, Row, Value};

//! Use cases: one function is one thing a person or node may do, in one transaction. Decisions are
//! `domain`'s, SQL is `store`'s; this crate puts them in order and never translates an answer.

pub mod account;
pub mod agreement;
mod app;
pub mod availability;
pub mod billing;
pub mod bulk;
pub mod caller;
pub mod campaign;
pub mod class;
pub mod dialing;
mod error;
pub mod event;
pub mod explain;
pub mod judge;
pub mod kept_code;
mod limits;
mod live;
pub mod maintenance;
pub mod measurement;
pub mod message;
pub mod one_time_code;
pub mod opt_out;
pub mod outage;
mod password;
pub mod phone;
pub mod ports;
mod prices;
pub mod promise;
pub mod quick_send;
pub mod recording;
pub mod report;
pub mod request;
pub mod secure_call;
mod settings;
mod speech;
pub mod tariff;
pub mod trunk;
pub mod verification;
pub mod webhook;

pub use app::{App, Ports};
pub use caller::Caller;
pub use error::{Error, Failure, Result};
pub use live::LiveCalls;
pub use settings::{Measurement, RepeatLimit, RequestLimits, Settings};

//! The rules: money, calendar, dialer, billing. No I/O, no async, no clock, no rng: whatever is
//! true without a database stands here, as pure functions over plain values.

pub mod access;
pub mod account;
pub mod agreement;
pub mod announcement;
pub mod billing;
pub mod calendar;
pub mod campaign;
pub mod chain;
pub mod class;
pub mod dialer;
pub mod event;
pub mod explanation;
pub mod export;
mod id;
pub mod judge;
pub mod kept_code;
pub mod map;
pub mod message;
pub mod network;
pub mod one_time_code;
pub mod opt_out;
mod phone_number;
pub mod quick_send;
pub mod rate_limit;
pub mod secure_call;
pub mod sms;
pub mod template;
mod time;
mod user_name;
pub mod verification;
pub mod webhook;

pub use account::Account;
pub use billing::money::Rials;
pub use billing::tariff::{Tariff, Zone};
pub use class::MessageClass;
pub use dialer::callee::Callee;
pub use dialer::disposition::{CallFacts, Disposition, Fault, Status, Unanswered};
pub use dialer::trunk::Trunk;
pub use event::{EventId, EventKind};
pub use id::{
    AccountId, AttemptId, CampaignId, CodeId, ExportId, MessageId, NodeId, PhoneId, PolicyId,
    QuickSendId, RecipientId, TariffId, TokenId, TrunkId, VantageId, WebhookId,
};
pub use message::{Approval, Message};
pub use network::Network;
pub use phone_number::{Destination, Extension, PhoneNumber};
pub use time::Timestamp;
pub use user_name::UserName;

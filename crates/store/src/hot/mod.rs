//! The batch verbs of the dialer: accept, lease, settle, expire and recovery.
//!
//! Contract of each: what is returned is durable; giving the same keys again changes nothing; an
//! element happens whole or not at all; callers at the same time share one commit. Each verb is
//! written once per engine where the SQL differs. Row locks on PostgreSQL are taken in one order,
//! node, accounts by id, ready or attempt rows by send, so that verbs cannot deadlock.

mod accept;
mod lease;
mod recover;
mod settle;

pub use accept::{Accept, AcceptRefusal, Accepted};
pub use lease::{LeaseStamp, NodeStamp, ReadyJob};
pub use recover::OpenAttempt;
pub use settle::{Facts, Settle, SettleResult};

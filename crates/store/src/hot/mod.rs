//! The batch verbs of the dialer: accept, lease, settle, expire and recovery; and of campaigns:
//! import, feed and what settling counts.
//!
//! Contract of each: what is returned is durable; giving the same keys again changes nothing; an
//! element happens whole or not at all; callers at the same time share one commit. Each verb is
//! written once per engine where the SQL differs. Row locks on PostgreSQL are taken in one order
//! (node, accounts by id, counts of the day, ready or attempt rows by send, callees by their keys,
//! then campaigns by id), so that verbs cannot deadlock.

mod accept;
mod feed;
mod import;
mod lease;
mod node;
mod permit;
mod recover;
mod settle;
mod spoken;
mod tally;
mod unattempted;

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use domain::{AccountId, EventKind, QuickSendId, Rials, Timestamp};

use crate::db::Engine;
use crate::postgres::Lane;
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Db, Result, event, sqlite};

pub use accept::{Accept, AcceptRefusal, Accepted, Played};
pub use feed::{FeedOrder, fold, step_in, withdraw};
pub use import::Import;
pub use lease::{LeaseStamp, Leased, NodeStamp, ReadyJob};
pub use node::Company;
pub(crate) use permit::ALLOWED;
pub use permit::{Bar, DailyCap, Permit};
pub use recover::{Failed, NOT_SENT, ORPHANS_MAX, OpenAttempt, Orphan, PutBack};
pub use settle::{Facts, Quality, Settle, SettleResult};
pub use spoken::Spoken;
pub use unattempted::EXPIRED;

/// An answer of PostgreSQL.
type Answer<T> = std::result::Result<T, tokio_postgres::Error>;

/// A hot verb: one implementation per engine, run inside a transaction that it does not end.
/// Answers stand in the order of the elements, of which there is at least one.
pub(crate) trait Verb: Sized + 'static {
    /// What one element asks for.
    type Element: Send + Sync + 'static;
    /// What one element is told.
    type Answer: Send + 'static;
    /// Its name in logs.
    const NAME: &'static str;

    /// Runs it on SQLite.
    fn sqlite(connection: &Connection<'_>, elements: &[Self::Element])
    -> Result<Vec<Self::Answer>>;

    /// Runs it on PostgreSQL.
    fn postgres(
        tx: &Transaction<'_>,
        elements: &[Self::Element],
    ) -> impl Future<Output = Answer<Vec<Self::Answer>>> + Send;

    /// Its queue on PostgreSQL.
    fn lane(lanes: &Lanes) -> &Lane<Self>;
}

/// The queues of the verbs on PostgreSQL.
pub(crate) struct Lanes {
    accept: Lane<accept::Verb>,
    import: Lane<import::Verb>,
    lease: Lane<lease::Verb>,
    settle: Lane<settle::SettleVerb>,
    expire: Lane<unattempted::ExpireVerb>,
    put_back: Lane<recover::PutBackVerb>,
}

impl Lanes {
    /// Starts one task per verb.
    pub(crate) fn start(pool: &deadpool_postgres::Pool, queue: usize) -> Self {
        Self {
            accept: Lane::start(pool.clone(), queue),
            import: Lane::start(pool.clone(), queue),
            lease: Lane::start(pool.clone(), queue),
            settle: Lane::start(pool.clone(), queue),
            expire: Lane::start(pool.clone(), queue),
            put_back: Lane::start(pool.clone(), queue),
        }
    }

    /// Ends the tasks after what waits already.
    pub(crate) async fn close(&self) {
        self.accept.close().await;
        self.import.close().await;
        self.lease.close().await;
        self.settle.close().await;
        self.expire.close().await;
        self.put_back.close().await;
    }
}

impl Db {
    /// Runs a verb; concurrent callers share a commit.
    async fn run<V: Verb>(&self, elements: Vec<V::Element>) -> Result<Vec<V::Answer>> {
        if elements.is_empty() {
            return Ok(Vec::new());
        }
        match self.engine() {
            Engine::Sqlite(sqlite) => {
                sqlite.write(move |connection| V::sqlite(connection, &elements)).await
            }
            Engine::Postgres(postgres) => V::lane(postgres.lanes()).call(elements).await,
        }
    }
}

/// What a batch changes on accounts, summed so that each account is updated once.
#[derive(Default)]
struct Moves(BTreeMap<AccountId, Move>);

#[derive(Default)]
struct Move {
    charge: i64,
    hold: i64,
    /// The sends that ended, and when.
    ended: Vec<(i64, Timestamp)>,
}

impl Moves {
    /// Takes `charge` from the balance and ends the hold of a send that ended.
    fn add(
        &mut self,
        account: AccountId,
        (charge, hold): (Rials, Rials),
        (send, at): (QuickSendId, Timestamp),
    ) {
        let sum = self.0.entry(account).or_default();
        sum.charge = sum.charge.saturating_add(charge.0);
        sum.hold = sum.hold.saturating_add(hold.0);
        sum.ended.push((send.0, at));
    }

    fn sqlite(self, connection: &Connection<'_>) -> Result<()> {
        for (account, sum) in self.0 {
            let sql = "UPDATE account SET balance_rials = balance_rials - $2,
                                          reserved_rials = reserved_rials - $3
                       WHERE id = $1 RETURNING id, events_until_us";
            let rows = sqlite::query(connection, sql, values![account, sum.charge, sum.hold])?;
            let until = rows.first().map(|row| row.get("events_until_us")).transpose()?;
            if let Some(until) = until.flatten() {
                let kind = EventKind::MessageEnded;
                event::on_sqlite(connection, (account, until), kind, &sum.ended)?;
            }
        }
        Ok(())
    }
}

/// Locks the accounts of these sends in the order that all verbs keep. Tells whether there is one
/// whose events may be wanted.
async fn lock_accounts_of(tx: &Transaction<'_>, sends: &[i64]) -> Answer<bool> {
    let sql = "SELECT events_until_us FROM account
               WHERE id IN (SELECT account_id FROM quick_send WHERE id = ANY($1))
               ORDER BY id FOR NO KEY UPDATE";
    let statement = tx.prepare_cached(sql).await?;
    any_wanted(&tx.query(&statement, &[&sends]).await?)
}

/// Whether one of these accounts, each in a row that ends with its `events_until_us`, may want
/// events.
fn any_wanted(accounts: &[tokio_postgres::Row]) -> Answer<bool> {
    for account in accounts {
        if account.try_get::<_, Option<i64>>(account.len() - 1)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tells for each key whether it is the first of its kind in the batch. A later one is answered
/// as if the first had been committed before it.
fn first_of<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<bool> {
    let mut seen = BTreeSet::new();
    keys.map(|key| seen.insert(key)).collect()
}

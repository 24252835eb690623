//! The batch verbs of the dialer: accept, lease, settle, expire and recovery; and of campaigns:
//! import, feed and what settling counts.
//!
//! Contract of each: what is returned is durable; giving the same keys again changes nothing; an
//! element happens whole or not at all; callers at the same time share one commit. Each verb is
//! written once per engine where the SQL differs. Row locks on PostgreSQL are taken in one order
//! (node, accounts by id, counts of the day, ready or attempt rows by send, then campaigns by id),
//! so that verbs cannot deadlock.

mod accept;
mod feed;
mod import;
mod lease;
mod permit;
mod recover;
mod settle;
mod spoken;
mod tally;
mod unattempted;

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use domain::{AccountId, Rials};
use rusqlite::Connection;

use crate::db::Engine;
use crate::postgres::Lane;
use crate::value::values;
use crate::{Db, Result, sqlite};

pub use accept::{Accept, AcceptRefusal, Accepted, Played};
pub use feed::{FeedOrder, fold, step_in, withdraw};
pub use import::Import;
pub use lease::{LeaseStamp, Leased, NodeStamp, ReadyJob};
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
    fn sqlite(connection: &Connection, elements: &[Self::Element]) -> Result<Vec<Self::Answer>>;

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

#[derive(Default, Clone, Copy)]
struct Move {
    charge: i64,
    hold: i64,
}

impl Moves {
    /// Takes `charge` from the balance and ends a hold.
    fn add(&mut self, account: AccountId, charge: Rials, hold: Rials) {
        let sum = self.0.entry(account).or_default();
        sum.charge = sum.charge.saturating_add(charge.0);
        sum.hold = sum.hold.saturating_add(hold.0);
    }

    fn sqlite(self, connection: &Connection) -> Result<()> {
        for (account, sum) in self.0 {
            let sql = "UPDATE account SET balance_rials = balance_rials - $2,
                                          reserved_rials = reserved_rials - $3
                       WHERE id = $1";
            sqlite::execute(connection, sql, values![account, sum.charge, sum.hold])?;
        }
        Ok(())
    }
}

/// Locks the accounts of these sends in the order that all verbs keep.
async fn lock_accounts_of(tx: &Transaction<'_>, sends: &[i64]) -> Answer<()> {
    let sql = "SELECT id FROM account
               WHERE id IN (SELECT account_id FROM quick_send WHERE id = ANY($1))
               ORDER BY id FOR NO KEY UPDATE";
    let statement = tx.prepare_cached(sql).await?;
    tx.query(&statement, &[&sends]).await.map(drop)
}

/// Tells for each key whether it is the first of its kind in the batch. A later one is answered
/// as if the first had been committed before it.
fn first_of<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<bool> {
    let mut seen = BTreeSet::new();
    keys.map(|key| seen.insert(key)).collect()
}

//! Permits: what allows an attempt, judged again in the commit that records it, against the lists
//! of those who opted out and the caps of the day; and the log of what was decided.
//!
//! While no list was ever written to and no class has a cap, this costs a look at one row for each
//! batch and a row of the log for each attempt.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use domain::class::Basis;
use domain::dialer::disposition::{CAPPED, OPTED_OUT};
use domain::opt_out::OptOutList;
use domain::{AccountId, AttemptId, Disposition, MessageClass, PolicyId, QuickSendId, Timestamp};

use super::Answer;
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Result, sqlite};

/// The verdict of the log on an attempt that was recorded.
pub(crate) const ALLOWED: &str = "allowed";

/// What allows an attempt, as far as its class decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// Who calls.
    pub account: AccountId,
    /// With what kind of message.
    pub class: MessageClass,
    /// Whom; `None` for a phone of the account, which is on no list and has no cap.
    pub number: Option<String>,
    /// Whom a secure call rings then; the lists count for both, the cap for the first.
    pub second: Option<String>,
    /// The version of the policy that was asked.
    pub policy: PolicyId,
    /// Why that policy is open now.
    pub basis: Basis,
    /// How often the number may be called that day, if there is a cap.
    pub cap: Option<DailyCap>,
}

/// A cap of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyCap {
    /// The first moment of the day.
    pub day: Timestamp,
    /// The most sends of the class to one number.
    pub most: u32,
}

/// What bars an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// Its number is on a list that its class obeys.
    OptedOut,
    /// Its number was called as often that day as its class may.
    Capped,
}

impl Bar {
    /// The cause that its send ends with, which is the verdict of the log, too.
    pub(super) fn cause(self) -> &'static str {
        match self {
            Self::OptedOut => OPTED_OUT,
            Self::Capped => CAPPED,
        }
    }

    /// What its send ends as.
    pub(super) fn disposition(self) -> Disposition {
        match self {
            Self::OptedOut => Disposition::OptedOut,
            Self::Capped => Disposition::Expired,
        }
    }
}

/// The key of a count of the day.
type DayKey = (i64, i64, String);

impl Permit {
    /// Whether it has to be counted.
    pub(super) fn is_capped(&self) -> bool {
        self.cap.is_some() && self.number.is_some()
    }

    /// Whom the lists are asked about.
    fn numbers(&self) -> impl Iterator<Item = &String> {
        self.number.iter().chain(&self.second)
    }

    fn day_key(&self) -> Option<(DayKey, i64)> {
        let (cap, number) = (self.cap?, self.number.as_ref()?);
        Some(((cap.day.0, self.class.code(), number.clone()), cap.most.into()))
    }

    /// Whether a number that is on this list is barred from it.
    fn obeys(&self, list: OptOutList, account: AccountId) -> bool {
        let is_theirs = list != OptOutList::Account || account == self.account;
        is_theirs && self.class.obeys(list)
    }
}

/// The lists and counts as a batch on SQLite sees them.
pub(super) struct SqliteGate<'a, 'c> {
    connection: &'a Connection<'c>,
    /// The version of the lists.
    pub(super) version: i64,
}

impl<'a, 'c> SqliteGate<'a, 'c> {
    pub(super) fn open(connection: &'a Connection<'c>) -> Result<Self> {
        let sql = "SELECT version FROM opt_out_version WHERE id = 1";
        let rows = sqlite::query(connection, sql, values![])?;
        let version = rows.first().map(|row| row.get("version")).transpose()?;
        Ok(Self { connection, version: version.unwrap_or(0) })
    }

    /// Lets an attempt pass, and counts it if it is the `first` of its send; tells the count.
    pub(super) fn pass(
        &self,
        permit: &Permit,
        first: bool,
    ) -> Result<std::result::Result<Option<i64>, Bar>> {
        if self.is_opted_out(permit)? {
            return Ok(Err(Bar::OptedOut));
        }
        let Some(((day, class, number), most)) = permit.day_key().filter(|_| first) else {
            return Ok(Ok(None));
        };
        let sql = "INSERT INTO daily_call (day_us, class, number, sends) VALUES ($1, $2, $3, 1)
                   ON CONFLICT (day_us, class, number)
                   DO UPDATE SET sends = daily_call.sends + 1 WHERE daily_call.sends < $4
                   RETURNING sends";
        let rows = sqlite::query(self.connection, sql, values![day, class, &number, most])?;
        let sends = rows.first().map(|row| row.get("sends")).transpose()?;
        Ok(sends.map(Some).ok_or(Bar::Capped))
    }

    fn is_opted_out(&self, permit: &Permit) -> Result<bool> {
        if self.version == 0 {
            return Ok(false);
        }
        for number in permit.numbers() {
            let sql = "SELECT account_id, list FROM opt_out
                       WHERE number = $1 AND removed_version IS NULL";
            for row in sqlite::query(self.connection, sql, values![number])? {
                let list = row.parse("list", OptOutList::from_word)?;
                if permit.obeys(list, row.get("account_id")?) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Logs an attempt that was recorded.
    pub(super) fn log(
        &self,
        attempt: AttemptId,
        at: Timestamp,
        permit: &Permit,
        day_sends: Option<i64>,
    ) -> Result<()> {
        let sql = "INSERT INTO decision (quick_send_id, n, at_us, verdict, basis, policy_id,
                                         opt_out_version, day_sends)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let AttemptId { quick_send, n } = attempt;
        let (basis, policy) = (permit.basis.word(), permit.policy);
        let values = values![quick_send, n, at, ALLOWED, basis, policy, self.version, day_sends];
        sqlite::execute(self.connection, sql, values).map(drop)
    }
}

/// The lists and counts as a batch on PostgreSQL sees them. The counts that it may change are
/// locked until the batch commits.
pub(super) struct PostgresGate {
    /// The version of the lists.
    pub(super) version: i64,
    /// Who is on which list, of the numbers that the batch names.
    listed: BTreeMap<String, Vec<(OptOutList, AccountId)>>,
    counts: BTreeMap<DayKey, i64>,
    changed: BTreeSet<DayKey>,
}

impl PostgresGate {
    pub(super) async fn open<'a>(
        tx: &Transaction<'_>,
        permits: impl Iterator<Item = &'a Permit> + Send,
    ) -> Answer<Self> {
        let numbers: Vec<&String> = permits.flat_map(Permit::numbers).collect();
        // One statement, and so one moment: what it finds is what that version of the lists says.
        let sql = "SELECT v.version, o.number, o.list, o.account_id
                   FROM opt_out_version v
                   LEFT JOIN opt_out o ON o.number = ANY($1) AND o.removed_version IS NULL";
        let statement = tx.prepare_cached(sql).await?;
        let (mut version, mut listed) = (0, BTreeMap::<String, Vec<_>>::new());
        for row in tx.query(&statement, &[&numbers]).await? {
            version = row.try_get(0)?;
            let Some(number) = row.try_get::<_, Option<String>>(1)? else { continue };
            let list = OptOutList::from_word(row.try_get(2)?).expect("the column has a check");
            listed.entry(number).or_default().push((list, AccountId(row.try_get(3)?)));
        }
        Ok(Self { version, listed, counts: BTreeMap::new(), changed: BTreeSet::new() })
    }

    /// Opens it and locks the counts that these permits may change. Accounts are locked before.
    pub(super) async fn locked<'a>(
        tx: &Transaction<'_>,
        permits: impl Iterator<Item = &'a Permit> + Clone + Send,
    ) -> Answer<Self> {
        let mut gate = Self::open(tx, permits.clone()).await?;
        gate.lock_counts(tx, permits).await?;
        Ok(gate)
    }

    /// Locks the counts that these permits may change. Accounts are locked before.
    pub(super) async fn lock_counts<'a>(
        &mut self,
        tx: &Transaction<'_>,
        permits: impl Iterator<Item = &'a Permit> + Send,
    ) -> Answer<()> {
        let keys: BTreeSet<DayKey> =
            permits.filter_map(|permit| permit.day_key().map(|(key, _)| key)).collect();
        self.counts = locked_counts(tx, &keys).await?;
        Ok(())
    }

    /// Whether the number of a permit is on a list that its class obeys.
    pub(super) fn is_opted_out(&self, permit: &Permit) -> bool {
        let lists = permit.numbers().filter_map(|number| self.listed.get(number));
        lists.flatten().any(|(list, whose)| permit.obeys(*list, *whose))
    }

    /// Lets an attempt pass, and counts it if it is the `first` of its send; tells the count.
    pub(super) fn pass(
        &mut self,
        permit: &Permit,
        first: bool,
    ) -> std::result::Result<Option<i64>, Bar> {
        if self.is_opted_out(permit) {
            return Err(Bar::OptedOut);
        }
        let Some((key, most)) = permit.day_key().filter(|_| first) else { return Ok(None) };
        let sends = self.counts.entry(key.clone()).or_default();
        if *sends >= most {
            return Err(Bar::Capped);
        }
        *sends += 1;
        self.changed.insert(key);
        Ok(Some(*sends))
    }

    /// An attempt that was counted came to nothing.
    pub(super) fn give_back(&mut self, permit: &Permit) {
        let count = permit.day_key().and_then(|(key, _)| self.counts.get_mut(&key));
        if let Some(sends) = count {
            *sends -= 1;
        }
    }

    /// Keeps the counts.
    pub(super) async fn keep(&self, tx: &Transaction<'_>) -> Answer<()> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let (days, classes, numbers) = columns(&self.changed);
        let sends: Vec<i64> = self.changed.iter().map(|key| self.counts[key]).collect();
        let sql = "UPDATE daily_call SET sends = k.sends
                   FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::BIGINT[])
                        AS k (day_us, class, number, sends)
                   WHERE daily_call.day_us = k.day_us AND daily_call.class = k.class
                     AND daily_call.number = k.number";
        let statement = tx.prepare_cached(sql).await?;
        tx.execute(&statement, &[&days, &classes, &numbers, &sends]).await.map(drop)
    }
}

fn columns(keys: &BTreeSet<DayKey>) -> (Vec<i64>, Vec<i64>, Vec<&str>) {
    let days = keys.iter().map(|(day, _, _)| *day).collect();
    let classes = keys.iter().map(|(_, class, _)| *class).collect();
    (days, classes, keys.iter().map(|(_, _, number)| number.as_str()).collect())
}

/// The counts of the day, locked in their order.
async fn locked_counts(
    tx: &Transaction<'_>,
    keys: &BTreeSet<DayKey>,
) -> Answer<BTreeMap<DayKey, i64>> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (days, classes, numbers) = columns(keys);
    let sql = "INSERT INTO daily_call (day_us, class, number, sends)
               SELECT day_us, class, number, 0
               FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[]) AS k (day_us, class, number)
               ORDER BY day_us, class, number
               ON CONFLICT DO NOTHING";
    let statement = tx.prepare_cached(sql).await?;
    tx.execute(&statement, &[&days, &classes, &numbers]).await?;
    let sql = "SELECT d.day_us, d.class, d.number, d.sends
               FROM daily_call d
               JOIN UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[]) AS k (day_us, class, number)
                 ON d.day_us = k.day_us AND d.class = k.class AND d.number = k.number
               ORDER BY d.day_us, d.class, d.number FOR NO KEY UPDATE OF d";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&days, &classes, &numbers]).await?;
    rows.iter()
        .map(|row| {
            let key = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok((key, row.try_get(3)?))
        })
        .collect()
}

/// Those of these sends that wait, and for each whether it had an attempt before.
pub(super) async fn waiting(
    tx: &Transaction<'_>,
    sends: &[QuickSendId],
) -> Answer<BTreeMap<i64, bool>> {
    if sends.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<i64> = sends.iter().map(|send| send.0).collect();
    let sql = "SELECT r.quick_send_id,
                      (SELECT COUNT(*) FROM outcome o WHERE o.quick_send_id = r.quick_send_id)
               FROM ready r WHERE r.quick_send_id = ANY($1)";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&ids]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)? > 0))).collect()
}

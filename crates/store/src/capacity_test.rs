//! Tests of the load against the sink (A17): begun once, called by a campaign, ended once.

use domain::agreement::capacity::Minute;
use domain::calendar::month::PersianMonth;
use domain::{AccountId, CampaignId, RecipientId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A test of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityTest {
    /// The month that it proves something for.
    pub month: PersianMonth,
    /// The how many-th of that month, from 1 on.
    pub n: u32,
    /// The sandbox that calls.
    pub account: AccountId,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// The campaign that calls the sink, once it is made.
    pub campaign: Option<CampaignId>,
    /// When it ended and what it came to.
    pub end: Option<End>,
}

/// What a test came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// When that was written down.
    pub at: Timestamp,
    /// When its first call began, if any did.
    pub minute_from: Option<Timestamp>,
    /// What waited when its minute began, and how much of that was started in it.
    pub minute: Minute,
}

/// The tests of a month in order.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_month(reads: &mut impl Queries, month: PersianMonth) -> Result<Vec<CapacityTest>> {
    let sql = "SELECT month_us AS id, month_us, n, account_id, begun_at_us, campaign_id,
                      ended_at_us, minute_from_us, waiting, starts
               FROM capacity_test WHERE month_us = $1 ORDER BY n";
    reads.query(sql, values![month.start()]).await?.iter().map(test).collect()
}

/// The oldest test that has not ended.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn open(reads: &mut impl Queries) -> Result<Option<CapacityTest>> {
    let sql = "SELECT month_us AS id, month_us, n, account_id, begun_at_us, campaign_id,
                      ended_at_us, minute_from_us, waiting, starts
               FROM capacity_test WHERE ended_at_us IS NULL ORDER BY month_us, n LIMIT 1";
    reads.query_opt(sql, values![]).await?.as_ref().map(test).transpose()
}

/// The account of the test before, whichever month that was of.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn account(reads: &mut impl Queries) -> Result<Option<AccountId>> {
    let sql = "SELECT account_id FROM capacity_test ORDER BY month_us DESC, n DESC LIMIT 1";
    let row = reads.query_opt(sql, values![]).await?;
    row.map(|row| row.get("account_id")).transpose()
}

fn test(row: &Row) -> Result<CapacityTest> {
    let count = |name| Ok::<u64, crate::Error>(row.get::<Option<u32>>(name)?.unwrap_or(0).into());
    let ended_at: Option<Timestamp> = row.get("ended_at_us")?;
    let minute = Minute { startable: count("waiting")?, starts: count("starts")? };
    let minute_from = row.get("minute_from_us")?;
    Ok(CapacityTest {
        month: PersianMonth::of(row.get("month_us")?),
        n: row.get("n")?,
        account: row.get("account_id")?,
        begun_at: row.get("begun_at_us")?,
        campaign: row.get("campaign_id")?,
        end: ended_at.map(|at| End { at, minute_from, minute }),
    })
}

/// Begins a test. `false`: it was begun already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn begin(tx: &mut Tx, test: &CapacityTest) -> Result<bool> {
    let sql = "INSERT INTO capacity_test (month_us, n, account_id, begun_at_us)
               VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let values = values![test.month.start(), test.n, test.account, test.begun_at];
    let begun = tx.execute(sql, values).await? == 1;
    if begun {
        attest(tx, test, test.begun_at);
    }
    Ok(begun)
}

/// What is known of a test is a legal fact: it counts where demand says nothing (A17).
fn attest(tx: &mut Tx, test: &CapacityTest, at: Timestamp) {
    chain::attest(tx, Fact::CapacityTest(test.month.start(), test.n), chain::MACHINE, at);
}

/// Keeps which campaign calls for a test that has none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn call(tx: &mut Tx, test: &CapacityTest, campaign: CampaignId) -> Result<()> {
    let sql = "UPDATE capacity_test SET campaign_id = $3
               WHERE month_us = $1 AND n = $2 AND campaign_id IS NULL";
    if tx.execute(sql, values![test.month.start(), test.n, campaign]).await? == 1 {
        attest(tx, test, test.begun_at);
    }
    Ok(())
}

/// Ends a test. `false`: it has ended already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end(tx: &mut Tx, test: &CapacityTest, end: &End) -> Result<bool> {
    let sql = "UPDATE capacity_test
               SET ended_at_us = $3, minute_from_us = $4, waiting = $5, starts = $6
               WHERE month_us = $1 AND n = $2 AND ended_at_us IS NULL";
    let counted = |count: u64| i64::try_from(count).expect("a test calls few thousands");
    let (waiting, starts) = (counted(end.minute.startable), counted(end.minute.starts));
    let of = (test.month.start(), test.n);
    let values = values![of.0, of.1, end.at, end.minute_from, waiting, starts];
    let ended = tx.execute(sql, values).await? == 1;
    if ended {
        attest(tx, test, end.at);
    }
    Ok(ended)
}

/// When the first calls of a campaign's recipients began, in order: those that are under way, too.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn starts(reads: &mut impl Queries, campaign: CampaignId) -> Result<Vec<Timestamp>> {
    let (first, last) = RecipientId::range(campaign);
    let sql = "SELECT CAST(COALESCE(
                          (SELECT MIN(f.started_at_us) FROM outcome f WHERE f.quick_send_id = q.id),
                          (SELECT MIN(a.started_at_us) FROM attempt a WHERE a.quick_send_id = q.id)
                      ) AS BIGINT) AS started_at_us
               FROM quick_send q WHERE q.recipient_id > $1 AND q.recipient_id <= $2 AND q.try_n = 1
               ORDER BY started_at_us";
    let rows = reads.query(sql, values![first, last]).await?;
    let started = |row: &Row| row.get::<Option<Timestamp>>("started_at_us").transpose();
    rows.iter().filter_map(started).collect()
}

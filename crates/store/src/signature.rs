//! What the manager has signed of the months that were written down: each revision once, by the
//! checksum that it had.

use domain::agreement::staff::Capacity;
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::month_statement::{MonthStatement, statement};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A signature under a revision of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Of which revision.
    pub revision: u32,
    /// The checksum that it had.
    pub digest: Vec<u8>,
    /// When, by the authority's clock.
    pub at: Timestamp,
    /// By whom.
    pub by: Capacity,
}

/// Signs a statement that is the last of its month. `false`: it was signed, or revised meanwhile.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(
    tx: &mut Tx,
    of: &MonthStatement,
    (at, by): (Timestamp, &Capacity),
) -> Result<bool> {
    let sql = "INSERT INTO statement_signature (account_id, month, revision, digest, signed_at_us,
                                                signed_by, deputy_of)
               SELECT s.account_id, s.month, s.revision, s.digest, CAST($5 AS BIGINT),
                      CAST($6 AS TEXT), CAST($7 AS TEXT)
               FROM month_statement s
               WHERE s.account_id = $1 AND s.month = $2 AND s.revision = $3 AND s.digest = $4
                     AND NOT EXISTS (SELECT 1 FROM month_statement n
                                     WHERE n.account_id = s.account_id AND n.month = s.month
                                           AND n.revision > s.revision)
               ON CONFLICT (account_id, month, revision) DO NOTHING";
    let (month, digest) = (of.month.to_string(), of.digest.as_slice());
    let values =
        values![of.number(), &month, of.revision, digest, at, &by.name, by.deputy_of.as_deref()];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Attests the signatures of some accounts under a month, given together.
pub fn attest(
    tx: &mut Tx,
    month: PersianMonth,
    accounts: (AccountId, AccountId),
    (at, by): (Timestamp, &Capacity),
) {
    chain::attest(tx, Fact::Signatures { month, accounts, at }, &by.to_string(), at);
}

/// The signatures under a month of an account, or of the platform, by revision.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_month(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    month: PersianMonth,
) -> Result<Vec<Signature>> {
    let sql = "SELECT revision, digest, signed_at_us, signed_by, deputy_of
               FROM statement_signature WHERE account_id = $1 AND month = $2 ORDER BY revision";
    let signature = |row: &Row| {
        Ok(Signature {
            revision: row.get("revision")?,
            digest: row.get("digest")?,
            at: row.get("signed_at_us")?,
            by: Capacity { name: row.get("signed_by")?, deputy_of: row.get("deputy_of")? },
        })
    };
    let values = values![account.unwrap_or(AccountId(0)), &month.to_string()];
    reads.query(sql, values).await?.iter().map(signature).collect()
}

/// The last statements of a month that nobody has signed, of the accounts after `after` (the
/// platform is number 0): at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn unsigned(
    reads: &mut impl Queries,
    month: PersianMonth,
    after: AccountId,
    limit: u32,
) -> Result<Vec<MonthStatement>> {
    let sql = "SELECT s.account_id, s.month, s.revision, s.digest, s.agreement, s.not_covered_us,
                      s.planned_us, s.down_us, s.unknown_us, s.up_us, s.verdict, s.made_at_us,
                      s.reason, s.signed_by
               FROM month_statement s
               WHERE s.month = $1 AND s.account_id > $2
                     AND NOT EXISTS (SELECT 1 FROM month_statement n
                                     WHERE n.account_id = s.account_id AND n.month = s.month
                                           AND n.revision > s.revision)
                     AND NOT EXISTS (SELECT 1 FROM statement_signature g
                                     WHERE g.account_id = s.account_id AND g.month = s.month
                                           AND g.revision = s.revision)
               ORDER BY s.account_id LIMIT $3";
    let values = values![&month.to_string(), after, limit];
    reads.query(sql, values).await?.iter().map(statement).collect()
}

/// How many statements of each month wait for a signature, the latest month first: at most `limit`
/// months.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn waiting(reads: &mut impl Queries, limit: u32) -> Result<Vec<(PersianMonth, i64)>> {
    let sql = "SELECT s.month AS month, COUNT(*) AS statements
               FROM month_statement s
               WHERE NOT EXISTS (SELECT 1 FROM month_statement n
                                 WHERE n.account_id = s.account_id AND n.month = s.month
                                       AND n.revision > s.revision)
                     AND NOT EXISTS (SELECT 1 FROM statement_signature g
                                     WHERE g.account_id = s.account_id AND g.month = s.month
                                           AND g.revision = s.revision)
               GROUP BY s.month ORDER BY s.month DESC LIMIT $1";
    let of = |row: &Row| Ok((row.parse("month", PersianMonth::parse)?, row.get("statements")?));
    reads.query(sql, values![limit]).await?.iter().map(of).collect()
}

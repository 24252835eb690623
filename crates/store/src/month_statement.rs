//! Months as they were written down. A statement is never changed and never removed.

use std::collections::BTreeSet;

use domain::agreement::availability::{Totals, Verdict};
use domain::agreement::scope::{Group, Scope};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A month of an account, or of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthStatement {
    /// Whose; `None` for the platform itself.
    pub account: Option<AccountId>,
    /// Which.
    pub month: PersianMonth,
    /// 0 for the frozen one, then one more for each revision.
    pub revision: u32,
    /// The checksum of what it was computed from.
    pub digest: Vec<u8>,
    /// By which version of the agreement.
    pub agreement: u32,
    /// How long each class held.
    pub totals: Totals,
    /// The verdict; `None` when nothing was promised.
    pub verdict: Option<Verdict>,
    /// When it was written down.
    pub made_at: Timestamp,
    /// Of a revision: why, and who signed it.
    pub signed: Option<(String, String)>,
}

/// When an account could be used, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Whose.
    pub account: AccountId,
    /// Since when.
    pub created_at: Timestamp,
    /// When its subscription ends.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off.
    pub disabled_at: Option<Timestamp>,
}

impl MonthStatement {
    /// Under which number its account stands in tables: 0 for the platform.
    pub fn number(&self) -> AccountId {
        self.account.unwrap_or(PLATFORM)
    }
}

/// Account 0 of the table is the platform.
const PLATFORM: AccountId = AccountId(0);

/// Keeps inputs under their checksum, if they are not there.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn keep_inputs(tx: &mut Tx, digest: &[u8], inputs: &str) -> Result<()> {
    let sql = "INSERT INTO statement_input (digest, inputs) VALUES ($1, $2)
               ON CONFLICT (digest) DO NOTHING";
    tx.execute(sql, values![digest, inputs]).await?;
    Ok(())
}

/// What was kept under this checksum.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn inputs(reads: &mut impl Queries, digest: &[u8]) -> Result<Option<String>> {
    let sql = "SELECT inputs FROM statement_input WHERE digest = $1";
    reads.query_opt(sql, values![digest]).await?.map(|row| row.get("inputs")).transpose()
}

/// Writes a month down. `false`: that revision was written before, perhaps by another node.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, statement: &MonthStatement) -> Result<bool> {
    let sql = "INSERT INTO month_statement (account_id, month, revision, digest, agreement,
                                            not_covered_us, planned_us, down_us, unknown_us, up_us,
                                            verdict, made_at_us, reason, signed_by)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
               ON CONFLICT (account_id, month, revision) DO NOTHING";
    let Totals { not_covered_us, planned_us, down_us, unknown_us, up_us } = statement.totals;
    let signed = statement.signed.as_ref();
    let values = values![
        statement.account.unwrap_or(PLATFORM),
        &statement.month.to_string(),
        statement.revision,
        statement.digest.as_slice(),
        statement.agreement,
        not_covered_us,
        planned_us,
        down_us,
        unknown_us,
        up_us,
        statement.verdict.map(Verdict::word),
        statement.made_at,
        signed.map(|(reason, _)| reason),
        signed.map(|(_, signer)| signer)
    ];
    let written = tx.execute(sql, values).await? == 1;
    // What is frozen is attested for many accounts together.
    if let Some((_, signer)) = signed.filter(|_| written) {
        let fact = Fact::Month(statement.number(), statement.month, statement.revision);
        chain::attest(tx, fact, signer, statement.made_at);
    }
    Ok(written)
}

/// What was written down of a month of an account, the frozen statement first.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_month(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    month: PersianMonth,
) -> Result<Vec<MonthStatement>> {
    let sql = "SELECT account_id, month, revision, digest, agreement, not_covered_us, planned_us,
                      down_us, unknown_us, up_us, verdict, made_at_us, reason, signed_by
               FROM month_statement WHERE account_id = $1 AND month = $2 ORDER BY revision";
    let values = values![account.unwrap_or(PLATFORM), &month.to_string()];
    reads.query(sql, values).await?.iter().map(statement).collect()
}

/// The months of which the platform's statement was written down: those that are frozen as a whole.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn platform_months(reads: &mut impl Queries) -> Result<BTreeSet<PersianMonth>> {
    let sql = "SELECT month FROM month_statement WHERE account_id = 0 AND revision = 0";
    let month = |row: &Row| row.parse("month", PersianMonth::parse);
    reads.query(sql, values![]).await?.iter().map(month).collect()
}

/// How many statements of a month are undetermined as they were written last, up to `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn undetermined(
    reads: &mut impl Queries,
    month: PersianMonth,
    limit: u32,
) -> Result<u64> {
    let sql = "SELECT COUNT(*) AS statements FROM (
                   SELECT 1 AS one FROM month_statement s
                   WHERE s.month = $1 AND s.verdict = 'undetermined'
                         AND NOT EXISTS (SELECT 1 FROM month_statement l
                                         WHERE l.account_id = s.account_id AND l.month = s.month
                                               AND l.revision > s.revision)
                   LIMIT $2) counted";
    let row = reads.query_one(sql, values![&month.to_string(), limit]).await?;
    row.decode("statements", |count| u64::try_from(count).ok())
}

/// The last statements of a month that are not met, and whose miss stands in no entry of the ledger
/// of violations, of the accounts after `after` (the platform is number 0): at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn not_followed(
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
                     AND s.verdict IN ('breached', 'undetermined')
                     AND NOT EXISTS (SELECT 1 FROM month_statement n
                                     WHERE n.account_id = s.account_id AND n.month = s.month
                                           AND n.revision > s.revision)
                     AND NOT EXISTS (SELECT 1 FROM violation v
                                     WHERE v.account_id = s.account_id AND v.from_us = $3
                                           AND v.clause = 'availability'
                                           AND NOT EXISTS (SELECT 1 FROM violation_status w
                                                           WHERE w.violation_id = v.id
                                                                 AND w.status = 'reversed'))
               ORDER BY s.account_id LIMIT $4";
    let values = values![&month.to_string(), after, month.start(), limit];
    reads.query(sql, values).await?.iter().map(statement).collect()
}

/// Under what it is reckoned what a month pays back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The number of the schedule in force for it; 0 for none.
    pub schedule: u32,
    /// Whether the time for evidence is over.
    pub is_late: bool,
}

/// The last statements of a month that may pay something back, or take something, and were not
/// reckoned under these terms: of the accounts after `after` that have a subscription, at most
/// `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn to_credit(
    reads: &mut impl Queries,
    (month, terms): (PersianMonth, Terms),
    after: AccountId,
    limit: u32,
) -> Result<Vec<MonthStatement>> {
    let sql = "SELECT s.account_id, s.month, s.revision, s.digest, s.agreement, s.not_covered_us,
                      s.planned_us, s.down_us, s.unknown_us, s.up_us, s.verdict, s.made_at_us,
                      s.reason, s.signed_by
               FROM month_statement s
               WHERE s.month = $1 AND s.account_id > $2
                     AND (s.revision > 0 OR s.verdict IN ('breached', 'undetermined'))
                     AND EXISTS (SELECT 1 FROM subscription t WHERE t.account_id = s.account_id)
                     AND NOT EXISTS (SELECT 1 FROM month_statement n
                                     WHERE n.account_id = s.account_id AND n.month = s.month
                                           AND n.revision > s.revision)
                     AND NOT EXISTS (SELECT 1 FROM month_reckoned r
                                     WHERE r.account_id = s.account_id AND r.month = s.month
                                           AND r.revision = s.revision AND r.schedule = $4
                                           AND r.is_late >= $5)
               ORDER BY s.account_id LIMIT $3";
    let Terms { schedule, is_late } = terms;
    let values = values![&month.to_string(), after, limit, schedule, i64::from(is_late)];
    reads.query(sql, values).await?.iter().map(statement).collect()
}

/// Notes, with what follows from it, under which terms a statement was reckoned.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn note_reckoned(
    tx: &mut Tx,
    (account, month): (AccountId, PersianMonth),
    revision: u32,
    terms: Terms,
) -> Result<()> {
    let sql = "INSERT INTO month_reckoned (account_id, month, revision, schedule, is_late)
               VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (month, account_id)
               DO UPDATE SET revision = excluded.revision, schedule = excluded.schedule,
                             is_late = excluded.is_late";
    let Terms { schedule, is_late } = terms;
    let values = values![account, &month.to_string(), revision, schedule, i64::from(is_late)];
    tx.execute(sql, values).await?;
    Ok(())
}

/// The month of an account is reckoned anew: something else left it more, or less.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reckon_anew(tx: &mut Tx, account: AccountId, month: PersianMonth) -> Result<()> {
    let sql = "DELETE FROM month_reckoned WHERE month = $1 AND account_id = $2";
    tx.execute(sql, values![&month.to_string(), account]).await?;
    Ok(())
}

/// When the accounts after `after` could be used, by number: at most `limit`. No sandbox, and not
/// the account of the tests of the load: nobody is promised anything there.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn lifetimes(
    reads: &mut impl Queries,
    after: AccountId,
    limit: u32,
) -> Result<Vec<Lifetime>> {
    let sql = "SELECT id, created_at_us, expires_at_us, disabled_at_us FROM account
               WHERE id > $1 AND sandbox_of IS NULL
                     AND id NOT IN (SELECT c.sandbox_of FROM capacity_test t
                                    JOIN account c ON c.id = t.account_id
                                    WHERE c.sandbox_of IS NOT NULL)
               ORDER BY id LIMIT $2";
    let lifetime = |row: &Row| {
        Ok(Lifetime {
            account: row.get("id")?,
            created_at: row.get("created_at_us")?,
            expires_at: row.get("expires_at_us")?,
            disabled_at: row.get("disabled_at_us")?,
        })
    };
    reads.query(sql, values![after, limit]).await?.iter().map(lifetime).collect()
}

/// A month of an account that is to be computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub month: PersianMonth,
    /// When what it is computed from changed.
    pub noted_at: Timestamp,
    /// Why it did.
    pub because: String,
}

/// Notes, with what changes it, that a month is to be computed again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn note_review(tx: &mut Tx, review: &Review) -> Result<()> {
    let sql = "INSERT INTO month_review (account_id, month, noted_at_us, because)
               VALUES ($1, $2, $3, $4)
               ON CONFLICT (account_id, month)
               DO UPDATE SET noted_at_us = excluded.noted_at_us, because = excluded.because";
    let Review { account, month, noted_at, because } = review;
    tx.execute(sql, values![*account, &month.to_string(), *noted_at, because]).await?;
    Ok(())
}

/// The months that are to be computed again, of the accounts after `after`, or of that account
/// the months after one: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn reviews(
    reads: &mut impl Queries,
    (account, month): (AccountId, &str),
    limit: u32,
) -> Result<Vec<Review>> {
    let sql = "SELECT account_id AS id, account_id, month, noted_at_us, because FROM month_review
               WHERE account_id > $1 OR (account_id = $1 AND month > $2)
               ORDER BY account_id, month LIMIT $3";
    let review = |row: &Row| {
        Ok(Review {
            account: row.get("account_id")?,
            month: row.parse("month", PersianMonth::parse)?,
            noted_at: row.get("noted_at_us")?,
            because: row.get("because")?,
        })
    };
    reads.query(sql, values![account, month, limit]).await?.iter().map(review).collect()
}

/// Takes what was noted off the list, with what is made of it. `false`: another did, or it was
/// noted anew meanwhile.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn take_review(tx: &mut Tx, review: &Review) -> Result<bool> {
    let sql = "DELETE FROM month_review
               WHERE account_id = $1 AND month = $2 AND noted_at_us = $3";
    let values = values![review.account, &review.month.to_string(), review.noted_at];
    Ok(tx.execute(sql, values).await? == 1)
}

/// A frozen month of an account, or of the platform, of which something is known otherwise by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Whose: 0 is the platform.
    pub number: AccountId,
    /// When it was noted.
    pub noted_at: Timestamp,
    /// What changed.
    pub because: String,
}

/// Notes, with what changes it, that a part of a frozen month is known otherwise for a scope: of
/// each who was in it then and has a statement of that month. What was noted before is replaced.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn touch(
    tx: &mut Tx,
    month: PersianMonth,
    (scope, part): (&Scope, Span),
    (because, at): (&str, Timestamp),
) -> Result<()> {
    let month = month.to_string();
    for group in scope.groups() {
        let sql = match group {
            Group::Everyone => {
                "INSERT INTO month_touched (account_id, month, noted_at_us, because, since_us)
                 SELECT s.account_id, s.month, CAST($2 AS BIGINT), CAST($3 AS TEXT),
                        CAST($2 AS BIGINT)
                 FROM month_statement s WHERE s.month = $1 AND s.revision = 0
                 ON CONFLICT (month, account_id)
                 DO UPDATE SET noted_at_us = excluded.noted_at_us, because = excluded.because"
            }
            Group::Account(_) => {
                "INSERT INTO month_touched (account_id, month, noted_at_us, because, since_us)
                 SELECT s.account_id, s.month, CAST($2 AS BIGINT), CAST($3 AS TEXT),
                        CAST($2 AS BIGINT)
                 FROM month_statement s
                 WHERE s.month = $1 AND s.revision = 0 AND s.account_id = $4
                 ON CONFLICT (month, account_id)
                 DO UPDATE SET noted_at_us = excluded.noted_at_us, because = excluded.because"
            }
            _ => {
                "INSERT INTO month_touched (account_id, month, noted_at_us, because, since_us)
                 SELECT s.account_id, s.month, CAST($2 AS BIGINT), CAST($3 AS TEXT),
                        CAST($2 AS BIGINT)
                 FROM month_statement s
                 WHERE s.month = $1 AND s.revision = 0
                       AND EXISTS (SELECT 1 FROM group_member m
                                   WHERE m.account_id = s.account_id AND m.group_name = $4
                                         AND m.from_us < $6 AND (m.to_us IS NULL OR m.to_us > $5))
                 ON CONFLICT (month, account_id)
                 DO UPDATE SET noted_at_us = excluded.noted_at_us, because = excluded.because"
            }
        };
        let values = match group {
            Group::Everyone => values![&month, at, because].to_vec(),
            Group::Account(account) => values![&month, at, because, *account].to_vec(),
            group => values![&month, at, because, &group.to_string(), part.from, part.to].to_vec(),
        };
        tx.execute(sql, &values).await?;
    }
    Ok(())
}

/// A month of which something was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TouchedMonth {
    /// Which.
    pub month: PersianMonth,
    /// Of how many accounts, the platform among them.
    pub accounts: u64,
    /// Since when the first of them waits.
    pub since: Timestamp,
}

/// The months of which something was touched, in their order.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn touched_months(reads: &mut impl Queries) -> Result<Vec<TouchedMonth>> {
    let sql = "SELECT month, COUNT(*) AS accounts, MIN(since_us) AS since_us FROM month_touched
               GROUP BY month ORDER BY month";
    let month = |row: &Row| {
        Ok(TouchedMonth {
            month: row.parse("month", PersianMonth::parse)?,
            accounts: row.decode("accounts", |count| u64::try_from(count).ok())?,
            since: row.get("since_us")?,
        })
    };
    reads.query(sql, values![]).await?.iter().map(month).collect()
}

/// Who of a month was touched, after one of them by number: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn touched(
    reads: &mut impl Queries,
    month: PersianMonth,
    after: AccountId,
    limit: u32,
) -> Result<Vec<Touched>> {
    let sql = "SELECT account_id, noted_at_us, because FROM month_touched
               WHERE month = $1 AND account_id > $2 ORDER BY account_id LIMIT $3";
    let values = values![&month.to_string(), after, limit];
    reads.query(sql, values).await?.iter().map(of_touched).collect()
}

/// What touched the month of an account, or of the platform.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn touched_of(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    month: PersianMonth,
) -> Result<Option<Touched>> {
    let sql = "SELECT account_id, noted_at_us, because FROM month_touched
               WHERE month = $1 AND account_id = $2";
    let values = values![&month.to_string(), account.unwrap_or(PLATFORM)];
    reads.query_opt(sql, values).await?.as_ref().map(of_touched).transpose()
}

/// Takes what was touched off the list, with what is made of it. `false`: another did, or it was
/// touched again meanwhile.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn take_touched(tx: &mut Tx, month: PersianMonth, touched: &Touched) -> Result<bool> {
    let sql = "DELETE FROM month_touched
               WHERE month = $1 AND account_id = $2 AND noted_at_us = $3 AND because = $4";
    let Touched { number, noted_at, because } = touched;
    let values = values![&month.to_string(), *number, *noted_at, because];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Takes off the list whatever was touched of a month that is written down anew.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn untouch(tx: &mut Tx, month: PersianMonth, account: Option<AccountId>) -> Result<()> {
    let sql = "DELETE FROM month_touched WHERE month = $1 AND account_id = $2";
    tx.execute(sql, values![&month.to_string(), account.unwrap_or(PLATFORM)]).await?;
    Ok(())
}

fn of_touched(row: &Row) -> Result<Touched> {
    Ok(Touched {
        number: row.get("account_id")?,
        noted_at: row.get("noted_at_us")?,
        because: row.get("because")?,
    })
}

pub(crate) fn statement(row: &Row) -> Result<MonthStatement> {
    let account: AccountId = row.get("account_id")?;
    let signed: (Option<String>, Option<String>) = (row.get("reason")?, row.get("signed_by")?);
    let verdict = |word: Option<&str>| match word {
        Some(word) => Verdict::parse(word).map(Some),
        None => Some(None),
    };
    Ok(MonthStatement {
        account: Some(account).filter(|account| *account != PLATFORM),
        month: row.parse("month", PersianMonth::parse)?,
        revision: row.get("revision")?,
        digest: row.get("digest")?,
        agreement: row.get("agreement")?,
        totals: Totals {
            not_covered_us: row.get("not_covered_us")?,
            planned_us: row.get("planned_us")?,
            down_us: row.get("down_us")?,
            unknown_us: row.get("unknown_us")?,
            up_us: row.get("up_us")?,
        },
        verdict: row.parse_opt("verdict", verdict)?,
        made_at: row.get("made_at_us")?,
        signed: signed.0.zip(signed.1),
    })
}

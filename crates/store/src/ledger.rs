//! The ledger of an account: each rial that changed its balance with what it comes from, and what
//! the balance was before and after. Sums and lines are of one statement, so of one moment.

use domain::{AccountId, CampaignId, QuickSendId, RecipientId, Rials, Timestamp};

use crate::export::Place;
use crate::value::values;
use crate::{Queries, Result, Row};

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it stands; no other line stands there.
    pub place: Place,
    /// The change of the balance.
    pub amount: Rials,
    /// `credit`, `speech`, `call`, `sms` or `refund`.
    pub kind: String,
    /// The send that it is for, of a call, an SMS or a refund.
    pub quick_send: Option<QuickSendId>,
    /// The campaign that the send is of.
    pub campaign: Option<CampaignId>,
    /// How much of the message was heard, of a call.
    pub heard_ms: Option<u32>,
    /// Words: an entry's note, whom a call or an SMS went to, the reason of a refund.
    pub note: String,
}

/// A part of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The balance at the start of the time.
    pub opening: Rials,
    /// The balance at the end of the time.
    pub closing: Rials,
    /// The balance before the first line of this part.
    pub before: Rials,
    /// The balance now, from which nothing that is held is taken off.
    pub balance: Rials,
    /// What of it is held for calls that are not over.
    pub reserved: Rials,
    /// The lines, the oldest first.
    pub lines: Vec<Line>,
}

impl Page {
    /// The balance after the last line of this part.
    pub fn after(&self) -> Rials {
        let add = |sum: i64, line: &Line| sum.saturating_add(line.amount.0);
        Rials(self.lines.iter().fold(self.before.0, add))
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first line of the time. What came after is summed up once, by an index alone.
    First,
    /// Behind a line, with what the page that ended with it told.
    Behind {
        /// The line.
        place: Place,
        /// The balance at the start of the time.
        opening: Rials,
        /// The balance after the line.
        before: Rials,
    },
}

/// A part of the ledger of an account from `from` until before `to`: at most `limit` lines. `None`:
/// there is no such account. It reads these lines, and what came since `to`, or, for a first part,
/// since `from`: sums go back from the balance.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn page(
    reads: &mut impl Queries,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
    start: Start,
    limit: u32,
) -> Result<Option<Page>> {
    // No line stands at 0 of a moment: entries are numbered from 1.
    let (after, told) = match start {
        Start::First => (Place { at: from, source: 0, n: 0 }, None),
        Start::Behind { place, opening, before } => (place, Some((opening, before))),
    };
    // Nothing was before the first moment of all, and what was told is not summed up again.
    let sum_from = if told.is_some() || from <= Timestamp(0) { NEVER } else { from };
    let values = values![account, to, after.at, after.source, after.n, limit, sum_from];
    let rows = reads.query(PAGE, values).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let balance: Rials = first.get("balance_rials")?;
    let before_that =
        |sum: &str| -> Result<Rials> { Ok(Rials(balance.0.saturating_sub(first.get(sum)?))) };
    let (opening, before) = match told {
        Some(told) => told,
        None if from <= Timestamp(0) => (Rials::ZERO, Rials::ZERO),
        None => {
            let opening = before_that("since_from")?;
            (opening, opening)
        }
    };
    Ok(Some(Page {
        opening,
        closing: before_that("since_to")?,
        before,
        balance,
        reserved: first.get("reserved_rials")?,
        lines: rows.iter().filter_map(|row| line(row).transpose()).collect::<Result<_>>()?,
    }))
}

/// Since when there is nothing to be summed up.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// The lines of an account behind a place until before `to`, the oldest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn lines(
    reads: &mut impl Queries,
    account: AccountId,
    after: Place,
    to: Timestamp,
    limit: u32,
) -> Result<Vec<Line>> {
    let values = values![account, to, after.at, after.source, after.n, limit];
    let rows = reads.query(LINES, values).await?;
    rows.iter().filter_map(|row| line(row).transpose()).collect()
}

/// The line of a row; `None` where there are sums alone.
fn line(row: &Row) -> Result<Option<Line>> {
    let Some(at) = row.get::<Option<Timestamp>>("at_us")? else { return Ok(None) };
    let recipient: Option<i64> = row.get("recipient_id")?;
    Ok(Some(Line {
        place: Place { at, source: row.get("source")?, n: row.get("n")? },
        amount: row.get("amount_rials")?,
        kind: row.get("kind")?,
        quick_send: row.get("quick_send_id")?,
        campaign: recipient.map(|packed| RecipientId::unpack(packed).campaign),
        heard_ms: row.get("heard_ms")?,
        note: row.get("note")?,
    }))
}

/// What the balance of the account $1 has changed by since a moment: one of the parameters.
macro_rules! since {
    ($moment:literal) => {
        concat!(
            "(SELECT CAST(COALESCE(SUM(amount_rials), 0) AS BIGINT) FROM entry
              WHERE account_id = $1 AND at_us >= ",
            $moment,
            ") - (SELECT CAST(COALESCE(SUM(charge_rials), 0) AS BIGINT) FROM outcome
                  WHERE account_id = $1 AND ended_at_us >= ",
            $moment,
            ") - (SELECT CAST(COALESCE(SUM(charge_rials), 0) AS BIGINT) FROM sms
                  WHERE account_id = $1 AND charge_rials > 0 AND ended_at_us >= ",
            $moment,
            ") + (SELECT CAST(COALESCE(SUM(amount_rials), 0) AS BIGINT) FROM refund
                  WHERE account_id = $1 AND at_us >= ",
            $moment,
            ")"
        )
    };
}

/// The lines of the account $1 behind the place ($3, $4, $5) until before $2, at most $6: of each
/// source no more than that, by its index.
macro_rules! lines {
    () => {
        "SELECT * FROM (
            SELECT * FROM (
                SELECT at_us, amount_rials, kind, CAST(NULL AS BIGINT) AS quick_send_id,
                       CAST(NULL AS BIGINT) AS recipient_id, CAST(NULL AS BIGINT) AS heard_ms,
                       note, CAST(0 AS BIGINT) AS source, id AS n
                FROM entry
                WHERE account_id = $1 AND at_us >= $3 AND at_us < $2
                  AND (at_us, CAST(0 AS BIGINT), id) > ($3, $4, $5)
                ORDER BY at_us, id LIMIT $6
            ) AS entries
            UNION ALL
            SELECT o.ended_at_us, -o.charge_rials, 'call', o.quick_send_id, q.recipient_id,
                   o.heard_ms, q.destination, CAST(1 AS BIGINT), o.quick_send_id * 256 + o.n
            FROM (
                SELECT ended_at_us, charge_rials, quick_send_id, n, heard_ms
                FROM outcome
                WHERE account_id = $1 AND ended_at_us >= $3 AND ended_at_us < $2
                  AND (ended_at_us, CAST(1 AS BIGINT), quick_send_id * 256 + n) > ($3, $4, $5)
                ORDER BY ended_at_us, quick_send_id, n LIMIT $6
            ) AS o JOIN quick_send q ON q.id = o.quick_send_id
            UNION ALL
            SELECT s.ended_at_us, -s.charge_rials, 'sms', s.quick_send_id, q.recipient_id,
                   CAST(NULL AS BIGINT), s.number, CAST(2 AS BIGINT), s.id
            FROM (
                SELECT ended_at_us, charge_rials, quick_send_id, number, id
                FROM sms
                WHERE account_id = $1 AND charge_rials > 0
                  AND ended_at_us >= $3 AND ended_at_us < $2
                  AND (ended_at_us, CAST(2 AS BIGINT), id) > ($3, $4, $5)
                ORDER BY ended_at_us, id LIMIT $6
            ) AS s LEFT JOIN quick_send q ON q.id = s.quick_send_id
            UNION ALL
            SELECT r.at_us, r.amount_rials, 'refund', r.quick_send_id, q.recipient_id,
                   CAST(NULL AS BIGINT), r.reason, CAST(3 AS BIGINT), r.id
            FROM (
                SELECT at_us, amount_rials, quick_send_id, reason, id
                FROM refund
                WHERE account_id = $1 AND at_us >= $3 AND at_us < $2
                  AND (at_us, CAST(3 AS BIGINT), id) > ($3, $4, $5)
                ORDER BY at_us, id LIMIT $6
            ) AS r LEFT JOIN quick_send q ON q.id = r.quick_send_id
        ) AS line
        ORDER BY at_us, source, n LIMIT $6"
    };
}

const LINES: &str = lines!();

/// The statement of a page, so that a test may ask the engine how it would read. In parts, as
/// those of exports.
pub const PAGE: &str = concat!(
    "WITH
    part AS (",
    lines!(),
    "), sums AS (
        SELECT ",
    since!("$7"),
    " AS since_from, ",
    since!("$2"),
    " AS since_to
    )
    SELECT s.since_from AS since_from, s.since_to AS since_to,
           a.balance_rials AS balance_rials, a.reserved_rials AS reserved_rials,
           p.at_us AS at_us, p.amount_rials AS amount_rials, p.kind AS kind,
           p.quick_send_id AS quick_send_id, p.recipient_id AS recipient_id,
           p.heard_ms AS heard_ms, p.note AS note, p.source AS source, p.n AS n
    FROM account a CROSS JOIN sums s LEFT JOIN part p ON 1 = 1
    WHERE a.id = $1
    ORDER BY p.at_us, p.source, p.n"
);

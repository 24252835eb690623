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

/// The ledger of an account from `from` until before `to`, behind a place: at most `limit` lines.
/// `None`: there is no such account. All sends of the account are gone through.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn page(
    reads: &mut impl Queries,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
    after: Option<Place>,
    limit: u32,
) -> Result<Option<Page>> {
    // No line stands at 0 of a moment: entries are numbered from 1.
    let after = after.unwrap_or(Place { at: from, source: 0, n: 0 });
    let values = values![account, from, to, after.at, after.source, after.n, limit];
    let rows = reads.query(PAGE, values).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    Ok(Some(Page {
        opening: first.get("opening")?,
        closing: first.get("closing")?,
        before: first.get("passed")?,
        balance: first.get("balance_rials")?,
        reserved: first.get("reserved_rials")?,
        lines: rows.iter().filter_map(|row| line(row).transpose()).collect::<Result<_>>()?,
    }))
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

/// No call or SMS ends before its send was accepted, so later sends are not looked at.
const PAGE: &str = "
    WITH line AS (
        SELECT at_us, amount_rials, kind, CAST(NULL AS BIGINT) AS quick_send_id,
               CAST(NULL AS BIGINT) AS recipient_id, CAST(NULL AS BIGINT) AS heard_ms, note,
               CAST(0 AS BIGINT) AS source, id AS n
        FROM entry WHERE account_id = $1 AND at_us < $3
        UNION ALL
        SELECT o.ended_at_us, -o.charge_rials, 'call', q.id, q.recipient_id, o.heard_ms,
               q.destination, CAST(1 AS BIGINT), q.id * 256 + o.n
        FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
        WHERE q.account_id = $1 AND q.accepted_at_us < $3 AND o.charge_rials > 0
          AND o.ended_at_us < $3
        UNION ALL
        SELECT s.ended_at_us, -s.charge_rials, 'sms', s.quick_send_id, q.recipient_id,
               CAST(NULL AS BIGINT), s.number, CAST(2 AS BIGINT), s.id
        FROM sms s LEFT JOIN quick_send q ON q.id = s.quick_send_id
        WHERE s.account_id = $1 AND s.charge_rials > 0 AND s.ended_at_us < $3
        UNION ALL
        SELECT r.at_us, r.amount_rials, 'refund', r.quick_send_id, q.recipient_id,
               CAST(NULL AS BIGINT), r.reason, CAST(3 AS BIGINT), r.id
        FROM refund r LEFT JOIN quick_send q ON q.id = r.quick_send_id
        WHERE r.account_id = $1 AND r.at_us < $3
    ), sums AS (
        SELECT CAST(COALESCE(SUM(CASE WHEN at_us < $2 THEN amount_rials END), 0) AS BIGINT)
                   AS opening,
               CAST(COALESCE(SUM(amount_rials), 0) AS BIGINT) AS closing,
               CAST(COALESCE(SUM(CASE WHEN (at_us, source, n) <= ($4, $5, $6)
                                      THEN amount_rials END), 0) AS BIGINT) AS passed
        FROM line
    ), part AS (
        SELECT * FROM line
        WHERE at_us >= $2 AND (at_us, source, n) > ($4, $5, $6)
        ORDER BY at_us, source, n LIMIT $7
    )
    SELECT s.opening AS opening, s.closing AS closing, s.passed AS passed,
           a.balance_rials AS balance_rials, a.reserved_rials AS reserved_rials,
           p.at_us AS at_us, p.amount_rials AS amount_rials, p.kind AS kind,
           p.quick_send_id AS quick_send_id, p.recipient_id AS recipient_id,
           p.heard_ms AS heard_ms, p.note AS note, p.source AS source, p.n AS n
    FROM account a CROSS JOIN sums s LEFT JOIN part p ON 1 = 1
    WHERE a.id = $1
    ORDER BY p.at_us, p.source, p.n";

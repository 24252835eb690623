//! Audit: whether money and states add up. For tests, the nightly job and `doctor`.

use crate::{Db, Kind, Queries as _, Result, dialect};

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// Everything that does not add up; empty when all is well.
    pub violations: Vec<Violation>,
}

/// One thing that does not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule is broken.
    pub rule: String,
    /// What breaks it, such as `account 7`.
    pub subject: String,
    /// What should be there.
    pub expected: i64,
    /// What is there.
    pub found: i64,
}

impl Audit {
    /// Whether everything adds up.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl Db {
    /// Checks the whole database on one consistent view of it. Reads everything: minutes on a
    /// large one.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn audit(&self) -> Result<Audit> {
        let rows = match self.kind() {
            Kind::Sqlite => self.read().await?.query(VIOLATIONS, &[]).await?,
            Kind::Postgres => {
                let mut tx = self.begin().await?;
                tx.execute(dialect::NO_TIMEOUT, &[]).await?;
                tx.query(VIOLATIONS, &[]).await?
            }
        };
        let violations = rows.iter().map(|row| {
            Ok(Violation {
                rule: row.get("rule")?,
                subject: row.get("subject")?,
                expected: row.get("expected")?,
                found: row.get("found")?,
            })
        });
        Ok(Audit { violations: violations.collect::<Result<_>>()? })
    }
}

/// Every rule in one statement, so that all are checked on the same moment.
const VIOLATIONS: &str = "
    WITH charged AS (
        SELECT q.account_id AS account_id, CAST(SUM(o.charge_rials) AS BIGINT) AS amount
        FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id GROUP BY q.account_id
    ), posted AS (
        SELECT account_id, CAST(SUM(amount_rials) AS BIGINT) AS amount
        FROM entry GROUP BY account_id
    ), ended AS (
        SELECT quick_send_id, COUNT(*) AS times
        FROM outcome WHERE disposition IS NOT NULL GROUP BY quick_send_id
    ), held AS (
        SELECT q.account_id AS account_id, CAST(SUM(q.hold_rials) AS BIGINT) AS amount
        FROM quick_send q LEFT JOIN ended e ON e.quick_send_id = q.id
        WHERE e.quick_send_id IS NULL GROUP BY q.account_id
    ), place AS (
        SELECT q.id AS id, COALESCE(e.times, 0) AS ended,
               CASE WHEN r.quick_send_id IS NULL THEN 0 ELSE 1 END AS waiting,
               CASE WHEN a.quick_send_id IS NULL THEN 0 ELSE 1 END AS open
        FROM quick_send q
        LEFT JOIN ended e ON e.quick_send_id = q.id
        LEFT JOIN ready r ON r.quick_send_id = q.id
        LEFT JOIN attempt a ON a.quick_send_id = q.id
    ), spent AS (
        SELECT ledger_account, CAST(SUM(amount) AS BIGINT) AS amount
        FROM posting GROUP BY ledger_account
    )
    SELECT 'the balance is what was posted less what was charged' AS rule,
           'account ' || CAST(a.id AS TEXT) AS subject,
           COALESCE(p.amount, 0) - COALESCE(c.amount, 0) AS expected, a.balance_rials AS found
    FROM account a
    LEFT JOIN posted p ON p.account_id = a.id
    LEFT JOIN charged c ON c.account_id = a.id
    WHERE a.balance_rials <> COALESCE(p.amount, 0) - COALESCE(c.amount, 0)
    UNION ALL
    SELECT 'what is reserved is the sum of the open holds', 'account ' || CAST(a.id AS TEXT),
           COALESCE(h.amount, 0), a.reserved_rials
    FROM account a LEFT JOIN held h ON h.account_id = a.id
    WHERE a.reserved_rials <> COALESCE(h.amount, 0)
    UNION ALL
    SELECT 'no account is overdrawn', 'account ' || CAST(id AS TEXT), reserved_rials,
           balance_rials
    FROM account WHERE balance_rials < reserved_rials
    UNION ALL
    SELECT 'the postings of a transfer sum to zero', transfer, 0, CAST(SUM(amount) AS BIGINT)
    FROM posting GROUP BY transfer HAVING SUM(amount) <> 0
    UNION ALL
    SELECT 'the ledger knows what a customer may spend', 'account ' || CAST(a.id AS TEXT),
           a.balance_rials - a.reserved_rials, COALESCE(s.amount, 0)
    FROM account a
    LEFT JOIN spent s ON s.ledger_account = 'customer:' || CAST(a.id AS TEXT)
    WHERE a.balance_rials - a.reserved_rials <> COALESCE(s.amount, 0)
    UNION ALL
    SELECT 'a send waits, is called or ended, just one of these',
           'quick_send ' || CAST(id AS TEXT), 1, ended + waiting + open
    FROM place WHERE ended + waiting + open <> 1
    UNION ALL
    SELECT 'charge and release are the hold', 'quick_send ' || CAST(q.id AS TEXT),
           CASE WHEN o.disposition IS NULL THEN 0 ELSE q.hold_rials END,
           o.charge_rials + o.release_rials
    FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
    WHERE o.charge_rials + o.release_rials
          <> CASE WHEN o.disposition IS NULL THEN 0 ELSE q.hold_rials END
    UNION ALL
    SELECT 'attempts are counted without gaps', 'quick_send ' || CAST(a.quick_send_id AS TEXT),
           1 + (SELECT COUNT(*) FROM outcome o WHERE o.quick_send_id = a.quick_send_id), a.n
    FROM attempt a
    WHERE a.n <> 1 + (SELECT COUNT(*) FROM outcome o WHERE o.quick_send_id = a.quick_send_id)
    UNION ALL
    SELECT 'a waiting send exists', 'quick_send ' || CAST(r.quick_send_id AS TEXT), 1, 0
    FROM ready r LEFT JOIN quick_send q ON q.id = r.quick_send_id WHERE q.id IS NULL
    UNION ALL
    SELECT 'a called send exists', 'quick_send ' || CAST(a.quick_send_id AS TEXT), 1, 0
    FROM attempt a LEFT JOIN quick_send q ON q.id = a.quick_send_id WHERE q.id IS NULL
    UNION ALL
    SELECT 'an ended send exists', 'quick_send ' || CAST(o.quick_send_id AS TEXT), 1, 0
    FROM outcome o LEFT JOIN quick_send q ON q.id = o.quick_send_id WHERE q.id IS NULL";

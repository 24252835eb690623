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
    /// Checks the whole database: money and sends on one consistent view of it, campaigns on
    /// another, credits and invoices on a third. Reads everything: minutes on a large one.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn audit(&self) -> Result<Audit> {
        let mut rows = Vec::new();
        match self.kind() {
            Kind::Sqlite => {
                let mut reads = self.read().await?;
                rows.extend(reads.query(VIOLATIONS, &[]).await?);
                rows.extend(reads.query(CAMPAIGN_VIOLATIONS, &[]).await?);
                rows.extend(reads.query(CREDIT_VIOLATIONS, &[]).await?);
            }
            Kind::Postgres => {
                let mut tx = self.begin().await?;
                tx.execute(dialect::NO_TIMEOUT, &[]).await?;
                rows.extend(tx.query(VIOLATIONS, &[]).await?);
                rows.extend(tx.query(CAMPAIGN_VIOLATIONS, &[]).await?);
                rows.extend(tx.query(CREDIT_VIOLATIONS, &[]).await?);
            }
        }
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
        SELECT account_id, CAST(SUM(amount) AS BIGINT) AS amount
        FROM (SELECT q.account_id AS account_id, o.charge_rials AS amount
              FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
              UNION ALL
              SELECT account_id, charge_rials FROM sms) AS c
        GROUP BY account_id
    ), posted AS (
        SELECT account_id, CAST(SUM(amount_rials) AS BIGINT) AS amount
        FROM (SELECT account_id, amount_rials FROM entry
              UNION ALL
              SELECT account_id, amount_rials FROM refund) AS p
        GROUP BY account_id
    ), ended AS (
        SELECT quick_send_id, COUNT(*) AS times
        FROM outcome WHERE disposition IS NOT NULL GROUP BY quick_send_id
    ), held AS (
        SELECT account_id, CAST(SUM(amount) AS BIGINT) AS amount
        FROM (SELECT q.account_id AS account_id, q.hold_rials AS amount
              FROM quick_send q LEFT JOIN ended e ON e.quick_send_id = q.id
              WHERE e.quick_send_id IS NULL
              UNION ALL
              SELECT account_id, hold_rials FROM sms) AS h
        GROUP BY account_id
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
    SELECT 'no account owes more than it may', 'account ' || CAST(id AS TEXT), lent, owed
    FROM (SELECT id, reserved_rials - balance_rials AS owed,
                 CASE WHEN debt_before_rials > debt_limit_rials THEN debt_before_rials
                      ELSE debt_limit_rials END AS lent
          FROM account) AS debt
    WHERE owed > lent
    UNION ALL
    SELECT 'no more is given back than was charged', 'quick_send ' || CAST(id AS TEXT), charged,
           refunded
    FROM (SELECT r.quick_send_id AS id, CAST(SUM(r.amount_rials) AS BIGINT) AS refunded,
                 COALESCE((SELECT CAST(SUM(o.charge_rials) AS BIGINT) FROM outcome o
                           WHERE o.quick_send_id = r.quick_send_id), 0)
                 + COALESCE((SELECT CAST(SUM(s.charge_rials) AS BIGINT) FROM sms s
                             WHERE s.quick_send_id = r.quick_send_id), 0) AS charged
          FROM refund r GROUP BY r.quick_send_id) AS given
    WHERE refunded > charged
    UNION ALL
    SELECT 'an SMS that has ended holds nothing, and only what was sent costs something',
           'sms ' || CAST(id AS TEXT), 0, hold_rials + charge_rials
    FROM sms
    WHERE (state <> 'due' AND hold_rials > 0) OR (state <> 'sent' AND charge_rials > 0)
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
    SELECT 'the numbers of events have no gap', 'account ' || CAST(a.id AS TEXT),
           a.event_count, t.first_n + t.events - 1
    FROM account a JOIN (
        SELECT account_id, MIN(n) AS first_n, MAX(n) AS last_n, COUNT(*) AS events
        FROM event GROUP BY account_id
    ) AS t ON t.account_id = a.id
    WHERE t.last_n <> a.event_count OR t.first_n + t.events - 1 <> a.event_count
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

/// What is owed to accounts, and the invoices that it was taken off (I08, I09).
const CREDIT_VIOLATIONS: &str = "
    WITH moved AS (
        SELECT c.id AS credit_id, c.account_id AS account_id, c.amount_rials AS amount,
               COALESCE(SUM(CASE WHEN m.credit LIKE 'owed:%' THEN m.amount_rials ELSE 0 END), 0)
                   AS came,
               COALESCE(SUM(CASE WHEN m.debit LIKE 'owed:%' THEN m.amount_rials ELSE 0 END), 0)
                   AS went,
               COALESCE(SUM(CASE WHEN m.debit = 'discounts' THEN -m.amount_rials
                                 WHEN m.credit IN ('discounts', 'payouts') THEN m.amount_rials
                                 ELSE 0 END), 0) AS given
        FROM credit c LEFT JOIN credit_move m ON m.credit_id = c.id
        GROUP BY c.id, c.account_id, c.amount_rials
    ), discounted AS (
        SELECT invoice_id, SUM(CASE WHEN move = 'applied' THEN amount_rials ELSE 0 END) AS applied,
               SUM(CASE WHEN move = 'applied' THEN amount_rials ELSE -amount_rials END) AS standing
        FROM credit_move WHERE invoice_id IS NOT NULL GROUP BY invoice_id
    ), figure AS (
        SELECT 'nothing is taken from a credit that was not owed' AS rule,
               'credit ' || CAST(credit_id AS TEXT) AS subject, came AS expected, went AS found
        FROM moved WHERE went > came
        UNION ALL
        SELECT 'a credit gives no more than it is', 'credit ' || CAST(credit_id AS TEXT), amount,
               given
        FROM moved WHERE given > amount OR given < 0
        UNION ALL
        SELECT 'money goes from one book to another', 'credit ' || CAST(credit_id AS TEXT), 1, 0
        FROM credit_move
        WHERE (debit IS NULL) <> (credit IS NULL) OR (debit IS NULL) <> (amount_rials IS NULL)
              OR debit = credit OR amount_rials < 0
        UNION ALL
        SELECT 'the discount of an invoice is the sum of its lines',
               'invoice ' || CAST(i.id AS TEXT), COALESCE(d.applied, 0), i.discount_rials
        FROM invoice i LEFT JOIN discounted d ON d.invoice_id = i.id
        WHERE i.discount_rials <> COALESCE(d.applied, 0)
        UNION ALL
        SELECT 'a voided invoice keeps no discount', 'invoice ' || CAST(i.id AS TEXT),
               CASE WHEN i.voided_at_us IS NULL THEN i.discount_rials ELSE 0 END,
               COALESCE(d.standing, 0)
        FROM invoice i LEFT JOIN discounted d ON d.invoice_id = i.id
        WHERE COALESCE(d.standing, 0)
              <> CASE WHEN i.voided_at_us IS NULL THEN i.discount_rials ELSE 0 END
        UNION ALL
        SELECT 'a month of a subscription has one invoice that stands',
               'subscription ' || CAST(subscription_id AS TEXT), 1, COUNT(*)
        FROM invoice WHERE voided_at_us IS NULL GROUP BY subscription_id, month
        HAVING COUNT(*) > 1
    )
    SELECT rule, subject, CAST(expected AS BIGINT) AS expected, CAST(found AS BIGINT) AS found
    FROM figure";

/// The counts of campaigns and the rows that they count. A campaign's identity is that of its
/// recipients without the lower 24 bits.
const CAMPAIGN_VIOLATIONS: &str = "
    WITH member AS (
        SELECT r.id / 16777216 AS campaign_id, CAST(COUNT(*) AS BIGINT) AS internal,
               CAST(SUM(r.zone) AS BIGINT) AS external, CAST(MAX(r.id) AS BIGINT) AS last
        FROM recipient r GROUP BY r.id / 16777216
    ), called AS (
        SELECT q.recipient_id / 16777216 AS campaign_id, q.recipient_id AS recipient_id,
               q.try_n AS try_n, q.hold_rials AS hold_rials, o.disposition AS disposition,
               o.charge_rials AS charge_rials
        FROM quick_send q
        LEFT JOIN outcome o ON o.quick_send_id = q.id AND o.disposition IS NOT NULL
        WHERE q.recipient_id IS NOT NULL
    ), sums AS (
        SELECT campaign_id,
               CAST(COUNT(*) AS BIGINT) - COUNT(disposition) AS open,
               CAST(SUM(CASE WHEN disposition IS NULL THEN hold_rials ELSE 0 END) AS BIGINT)
                   AS held,
               CAST(SUM(COALESCE(charge_rials, 0)) AS BIGINT) AS charged,
               CAST(COUNT(DISTINCT recipient_id) AS BIGINT) AS stepped_in
        FROM called GROUP BY campaign_id
    ), waiting AS (
        SELECT campaign_id, CAST(COUNT(*) AS BIGINT) AS retrying
        FROM recipient_retry GROUP BY campaign_id
    ), last_call AS (
        SELECT c.campaign_id AS campaign_id, c.disposition AS disposition,
               CAST(COUNT(*) AS BIGINT) AS recipients
        FROM called c
        LEFT JOIN recipient_retry y ON y.recipient_id = c.recipient_id
        WHERE y.recipient_id IS NULL AND c.disposition IS NOT NULL AND c.try_n = (
            SELECT MAX(q.try_n) FROM quick_send q WHERE q.recipient_id = c.recipient_id)
        GROUP BY c.campaign_id, c.disposition
    ), counted AS (
        SELECT campaign_id, CAST(SUM(recipients) AS BIGINT) AS ended
        FROM campaign_result GROUP BY campaign_id
    ), figure AS (
        SELECT 'a campaign has as many recipients as it counts' AS rule, c.id AS id,
               COALESCE(m.internal, 0) AS expected, c.internal_total + c.external_total AS found
        FROM campaign c LEFT JOIN member m ON m.campaign_id = c.id
        UNION ALL
        SELECT 'a campaign counts the recipients outside', c.id, COALESCE(m.external, 0),
               c.external_total
        FROM campaign c LEFT JOIN member m ON m.campaign_id = c.id
        UNION ALL
        SELECT 'the places of recipients follow each other', c.id, COALESCE(m.internal, 0),
               COALESCE(m.last - c.id * 16777216, 0)
        FROM campaign c LEFT JOIN member m ON m.campaign_id = c.id
        UNION ALL
        SELECT 'who has stepped into the line is open, waits or ended', c.id, c.cursor_n,
               c.open_count + c.retrying + COALESCE(t.ended, 0)
        FROM campaign c LEFT JOIN counted t ON t.campaign_id = c.id
        UNION ALL
        SELECT 'the cursor is where the last recipient stepped into the line', c.id,
               COALESCE(s.stepped_in, 0), c.cursor_n
        FROM campaign c LEFT JOIN sums s ON s.campaign_id = c.id
        UNION ALL
        SELECT 'a campaign counts its open calls', c.id, COALESCE(s.open, 0), c.open_count
        FROM campaign c LEFT JOIN sums s ON s.campaign_id = c.id
        UNION ALL
        SELECT 'a campaign knows what it holds', c.id, COALESCE(s.held, 0), c.held_rials
        FROM campaign c LEFT JOIN sums s ON s.campaign_id = c.id
        UNION ALL
        SELECT 'a campaign knows what it was charged', c.id, COALESCE(s.charged, 0),
               c.charged_rials
        FROM campaign c LEFT JOIN sums s ON s.campaign_id = c.id
        UNION ALL
        SELECT 'a campaign counts who is called again', c.id, COALESCE(w.retrying, 0), c.retrying
        FROM campaign c LEFT JOIN waiting w ON w.campaign_id = c.id
        UNION ALL
        SELECT 'results are counted as they are', l.campaign_id, l.recipients,
               COALESCE(t.recipients, 0)
        FROM last_call l
        LEFT JOIN campaign_result t
          ON t.campaign_id = l.campaign_id AND t.disposition = l.disposition
        UNION ALL
        SELECT 'a campaign does not cost more than its ceiling', id, most, cost
        FROM (SELECT c.id AS id,
                     CASE WHEN c.cost_before_rials > c.max_cost_rials THEN c.cost_before_rials
                          ELSE c.max_cost_rials END AS most,
                     c.charged_rials + c.held_rials
                     + COALESCE((SELECT COUNT(*) * f.price_rials
                                 FROM follow_up f
                                 JOIN sms s ON s.follow_up_id = f.id
                                               AND s.state IN ('due', 'sent')
                                 WHERE f.id = c.follow_up_id GROUP BY f.price_rials), 0) AS cost
              FROM campaign c WHERE c.max_cost_rials IS NOT NULL) AS k
        WHERE cost > most
    )
    SELECT rule, 'campaign ' || CAST(id AS TEXT) AS subject, CAST(expected AS BIGINT) AS expected,
           CAST(found AS BIGINT) AS found
    FROM figure WHERE expected <> found";

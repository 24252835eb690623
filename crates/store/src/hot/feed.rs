//! Feed: recipients of a campaign step into the line, a block at a time, and out of it again when
//! it pauses. Whoever calls these has locked the campaign ([`crate::campaign::lock`]).

use domain::dialer::pacing::Slots;
use domain::{CampaignId, Disposition, EventKind, QuickSendId, RecipientId, Rials, Timestamp};

use crate::campaign::Campaign;
use crate::value::values;
use crate::{Queries as _, Result, Row, Tx};

/// Recipients that are counted in one transaction when their campaign is over.
const FOLD_MAX: u32 = 5_000;

/// Who steps into the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedOrder {
    /// The most recipients.
    pub room: u32,
    /// Now.
    pub now: Timestamp,
    /// When it is too late to call them.
    pub expires_at: Timestamp,
    /// Their scheduling class.
    pub class: u8,
    /// The key by which they opt out.
    pub opt_out_key: Option<char>,
    /// When they may be called, one after the other.
    pub slots: Slots,
}

impl FeedOrder {
    fn key(&self) -> Option<String> {
        self.opt_out_key.map(String::from)
    }
}

/// What a block amounted to.
#[derive(Default)]
struct Block {
    count: u32,
    hold: i64,
    first: Option<i64>,
}

impl Block {
    fn add(&mut self, rows: &[Row]) -> Result<()> {
        for row in rows {
            let (id, hold): (i64, Rials) = (row.get("id")?, row.get("hold_rials")?);
            self.count += 1;
            self.hold = self.hold.saturating_add(hold.0);
            self.first = Some(self.first.map_or(id, |first| first.min(id)));
        }
        Ok(())
    }
}

/// Lets up to `order.room` recipients step into the line: first those that are due for another
/// try, then those that were not called yet. Each becomes a send with its hold, and waits. Tells
/// the first of the sends and how many there are.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] for a campaign that was not started.
pub async fn step_in(
    tx: &mut Tx,
    campaign: &Campaign,
    order: FeedOrder,
) -> Result<Option<(QuickSendId, u32)>> {
    let mut block = Block::default();
    let again = step_in_again(tx, campaign, order, &mut block).await?;
    let new = campaign.uncalled().min(order.room - again.min(order.room));
    let new = spoken(tx, campaign, new).await?;
    if new > 0 {
        let order = FeedOrder { slots: order.slots.after(again), ..order };
        step_in_first(tx, campaign, order, new, &mut block).await?;
    }
    let Some(first) = block.first else { return Ok(None) };
    let sql = "UPDATE campaign SET cursor_n = cursor_n + $2, open_count = open_count + $3,
                                   retrying = retrying - $4, held_rials = held_rials + $5,
                                   pace_due_us = $6
               WHERE id = $1";
    let due = order.slots.after(block.count).first;
    tx.execute(sql, values![campaign.id, new, block.count, again, block.hold, due]).await?;
    let sql = "UPDATE account SET reserved_rials = reserved_rials + $2 WHERE id = $1";
    tx.execute(sql, values![campaign.account, block.hold]).await?;
    Ok(Some((QuickSendId(first), block.count)))
}

/// How many of the next `new` recipients follow each other whose personal messages, if they have
/// such, were spoken already.
async fn spoken(tx: &mut Tx, campaign: &Campaign, new: u32) -> Result<u32> {
    let before = RecipientId { campaign: campaign.id, n: campaign.cursor }.pack();
    let sql = "SELECT recipient_id FROM personal
               WHERE recipient_id > $1 AND recipient_id <= $2 AND sound IS NULL
               ORDER BY recipient_id LIMIT 1";
    let row = tx.query_opt(sql, values![before, before + i64::from(new)]).await?;
    let Some(row) = row else { return Ok(new) };
    let unspoken: i64 = row.get("recipient_id")?;
    Ok(u32::try_from(unspoken - before - 1).unwrap_or(0))
}

/// Those that are due for another try. Tells how many there were.
async fn step_in_again(
    tx: &mut Tx,
    campaign: &Campaign,
    order: FeedOrder,
    block: &mut Block,
) -> Result<u32> {
    let sql = "SELECT recipient_id, due_at_us FROM recipient_retry
               WHERE campaign_id = $1 AND due_at_us <= $2
               ORDER BY due_at_us, recipient_id LIMIT $3";
    let due = tx.query(sql, values![campaign.id, order.now, order.room]).await?;
    let Some(last) = due.last() else { return Ok(0) };
    let (due_at, recipient): (Timestamp, i64) = (last.get("due_at_us")?, last.get("recipient_id")?);
    let sql = "INSERT INTO quick_send (account_id, message_id, tariff_id, class, clip_ms,
                                       destination, zone, vote_at_us, hold_rials, accepted_at_us,
                                       expires_at_us, record_ms, server_id, recipient_id, try_n,
                                       message_class, opt_out_key, follow_up_id)
               SELECT c.account_id, c.message_id, c.tariff_id, $4,
                      COALESCE(p.length_ms, c.clip_ms), r.number,
                      CASE r.zone WHEN 1 THEN 'external' ELSE 'internal' END, c.vote_at_us,
                      CASE r.zone WHEN 1 THEN c.external_hold_rials
                                  ELSE c.internal_hold_rials END,
                      $5, $6, c.record_ms, c.server_id, r.id, y.try_n, c.message_class, $7,
                      c.follow_up_id
               FROM recipient_retry y
               JOIN recipient r ON r.id = y.recipient_id
               LEFT JOIN personal p ON p.recipient_id = y.recipient_id
               JOIN campaign c ON c.id = y.campaign_id
               WHERE y.campaign_id = $1 AND (y.due_at_us, y.recipient_id) <= ($2, $3)
               RETURNING id, hold_rials";
    let (class, now) = (order.class, order.now);
    let key = order.key();
    let values = values![campaign.id, due_at, recipient, class, now, order.expires_at, key];
    block.add(&tx.query(sql, values).await?)?;
    let sql = "INSERT INTO ready (quick_send_id, class, due_at_us)
               SELECT q.id, q.class,
                      CAST($4 AS BIGINT) + CAST($5 AS BIGINT)
                          * (ROW_NUMBER() OVER (ORDER BY y.due_at_us, y.recipient_id) - 1)
               FROM recipient_retry y
               JOIN quick_send q ON q.recipient_id = y.recipient_id AND q.try_n = y.try_n
               WHERE y.campaign_id = $1 AND (y.due_at_us, y.recipient_id) <= ($2, $3)";
    let Slots { first, interval_us } = order.slots;
    tx.execute(sql, values![campaign.id, due_at, recipient, first, interval_us]).await?;
    let sql = "DELETE FROM recipient_retry
               WHERE campaign_id = $1 AND (due_at_us, recipient_id) <= ($2, $3)";
    tx.execute(sql, values![campaign.id, due_at, recipient]).await?;
    Ok(u32::try_from(due.len()).expect("no more than the room"))
}

/// The next `new` recipients.
async fn step_in_first(
    tx: &mut Tx,
    campaign: &Campaign,
    order: FeedOrder,
    new: u32,
    block: &mut Block,
) -> Result<()> {
    let before = RecipientId { campaign: campaign.id, n: campaign.cursor }.pack();
    let last = before + i64::from(new);
    let sql = "INSERT INTO quick_send (account_id, message_id, tariff_id, class, clip_ms,
                                       destination, zone, vote_at_us, hold_rials, accepted_at_us,
                                       expires_at_us, record_ms, server_id, recipient_id, try_n,
                                       message_class, opt_out_key, follow_up_id)
               SELECT c.account_id, c.message_id, c.tariff_id, $4,
                      COALESCE(p.length_ms, c.clip_ms), r.number,
                      CASE r.zone WHEN 1 THEN 'external' ELSE 'internal' END, c.vote_at_us,
                      CASE r.zone WHEN 1 THEN c.external_hold_rials
                                  ELSE c.internal_hold_rials END,
                      $5, $6, c.record_ms, c.server_id, r.id, 1, c.message_class, $7,
                      c.follow_up_id
               FROM recipient r
               LEFT JOIN personal p ON p.recipient_id = r.id
               JOIN campaign c ON c.id = $1
               WHERE r.id > $2 AND r.id <= $3
               ORDER BY r.id
               RETURNING id, hold_rials";
    let (class, now) = (order.class, order.now);
    let key = order.key();
    let values = values![campaign.id, before, last, class, now, order.expires_at, key];
    block.add(&tx.query(sql, values).await?)?;
    let sql = "INSERT INTO ready (quick_send_id, class, due_at_us)
               SELECT id, class,
                      CAST($3 AS BIGINT)
                          + CAST($4 AS BIGINT) * (ROW_NUMBER() OVER (ORDER BY recipient_id) - 1)
               FROM quick_send
               WHERE recipient_id > $1 AND recipient_id <= $2 AND try_n = 1";
    let Slots { first, interval_us } = order.slots;
    tx.execute(sql, values![before, last, first, interval_us]).await?;
    Ok(())
}

/// Takes the recipients of a campaign that stand in line out of it, and releases their holds; who
/// is in a call stays there. When the campaign is over they have ended as `Cancelled`, otherwise
/// they may step in again at once. Tells how many there were.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn withdraw(tx: &mut Tx, campaign: &Campaign, class: u8, now: Timestamp) -> Result<u32> {
    let (first, last) = RecipientId::range(campaign.id);
    // Marked and thereby locked: what steps into the line meanwhile is not among them.
    let mark = Timestamp(-now.0);
    let sql = "UPDATE ready SET due_at_us = $4
               WHERE class = $1 AND quick_send_id IN (
                   SELECT q.id FROM ready r JOIN quick_send q ON q.id = r.quick_send_id
                   WHERE r.class = $1 AND q.recipient_id > $2 AND q.recipient_id <= $3)";
    if tx.execute(sql, values![class, first, last, mark]).await? == 0 {
        return Ok(0);
    }
    let cancelled = Disposition::Cancelled.code();
    let sql = "INSERT INTO outcome (quick_send_id, n, disposition, cause, heard_ms, charge_rials,
                                    release_rials, vote, ended_at_us)
               SELECT q.id, 0, $4, 'withdrawn', 0, 0, q.hold_rials, -1, $5
               FROM ready r JOIN quick_send q ON q.id = r.quick_send_id
               WHERE r.due_at_us = $1 AND q.recipient_id > $2 AND q.recipient_id <= $3";
    tx.execute(sql, values![mark, first, last, cancelled, now]).await?;
    tell_of_withdrawn(tx, campaign, mark, now).await?;
    let over = campaign.state.is_over();
    if !over {
        let sql = "INSERT INTO recipient_retry (recipient_id, campaign_id, due_at_us, try_n,
                                                disposition)
                   SELECT q.recipient_id, $4, $5, q.try_n + 1, $6
                   FROM ready r JOIN quick_send q ON q.id = r.quick_send_id
                   WHERE r.due_at_us = $1 AND q.recipient_id > $2 AND q.recipient_id <= $3";
        tx.execute(sql, values![mark, first, last, campaign.id, now, cancelled]).await?;
    }
    let sql = "DELETE FROM ready
               WHERE due_at_us = $1 AND EXISTS (
                   SELECT 1 FROM quick_send q
                   WHERE q.id = ready.quick_send_id
                     AND q.recipient_id > $2 AND q.recipient_id <= $3)
               RETURNING quick_send_id,
                         (SELECT q.hold_rials FROM quick_send q WHERE q.id = quick_send_id)
                             AS hold_rials";
    let mut block = Block::default();
    for row in tx.query(sql, values![mark, first, last]).await? {
        let hold: Rials = row.get("hold_rials")?;
        block.count += 1;
        block.hold = block.hold.saturating_add(hold.0);
    }
    if over {
        add_result(tx, campaign.id, cancelled, block.count).await?;
    }
    let retrying = if over { 0 } else { block.count };
    let sql = "UPDATE campaign SET open_count = open_count - $2, retrying = retrying + $3,
                                   held_rials = held_rials - $4
               WHERE id = $1";
    tx.execute(sql, values![campaign.id, block.count, retrying, block.hold]).await?;
    let sql = "UPDATE account SET reserved_rials = reserved_rials - $2 WHERE id = $1";
    tx.execute(sql, values![campaign.account, block.hold]).await?;
    Ok(block.count)
}

/// Writes an event for each call that was marked to step out of the line.
async fn tell_of_withdrawn(
    tx: &mut Tx,
    campaign: &Campaign,
    mark: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let (first, last) = RecipientId::range(campaign.id);
    let sql = "INSERT INTO event (account_id, n, kind, subject_id, at_us)
               SELECT a.id, a.event_count + ROW_NUMBER() OVER (ORDER BY q.id), $4, q.id, $5
               FROM ready r
               JOIN quick_send q ON q.id = r.quick_send_id
               JOIN account a ON a.id = q.account_id AND a.events_until_us > $5
               WHERE r.due_at_us = $1 AND q.recipient_id > $2 AND q.recipient_id <= $3";
    let ended = EventKind::MessageEnded.code();
    let told = tx.execute(sql, values![mark, first, last, ended, now]).await?;
    if told == 0 {
        return Ok(());
    }
    let told = i64::try_from(told).expect("as many as stand in line");
    let sql = "UPDATE account SET event_count = event_count + $2 WHERE id = $1";
    tx.execute(sql, values![campaign.account, told]).await.map(drop)
}

async fn add_result(
    tx: &mut Tx,
    campaign: CampaignId,
    disposition: i64,
    recipients: u32,
) -> Result<()> {
    let sql = "INSERT INTO campaign_result (campaign_id, disposition, recipients)
               VALUES ($1, $2, $3)
               ON CONFLICT (campaign_id, disposition)
               DO UPDATE SET recipients = campaign_result.recipients + excluded.recipients";
    tx.execute(sql, values![campaign, disposition, recipients]).await.map(drop)
}

/// Ends the recipients of a campaign that is over and who wait for another try: with what their
/// last call came to, a bounded number at a time. Tells how many there were.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn fold(tx: &mut Tx, campaign: CampaignId, now: Timestamp) -> Result<u32> {
    let sql = "SELECT recipient_id, due_at_us FROM recipient_retry WHERE campaign_id = $1
               ORDER BY due_at_us, recipient_id LIMIT $2";
    let waiting = tx.query(sql, values![campaign, FOLD_MAX]).await?;
    let Some(last) = waiting.last() else { return Ok(0) };
    let (due_at, recipient): (Timestamp, i64) = (last.get("due_at_us")?, last.get("recipient_id")?);
    let sql = "INSERT INTO campaign_result (campaign_id, disposition, recipients)
               SELECT campaign_id, disposition, CAST(COUNT(*) AS BIGINT)
               FROM recipient_retry
               WHERE campaign_id = $1 AND (due_at_us, recipient_id) <= ($2, $3)
               GROUP BY campaign_id, disposition
               ON CONFLICT (campaign_id, disposition)
               DO UPDATE SET recipients = campaign_result.recipients + excluded.recipients";
    tx.execute(sql, values![campaign, due_at, recipient]).await?;
    // What their last call came to is how they ended; an SMS may follow that.
    let sql = "INSERT INTO sms (account_id, follow_up_id, quick_send_id, number, message_class,
                                state, due_at_us, tries, hold_rials, charge_rials, created_at_us)
               SELECT q.account_id, f.id, q.id, q.destination, q.message_class, 'due', $4, 0, 0, 0,
                      $4
               FROM recipient_retry y
               JOIN quick_send q ON q.recipient_id = y.recipient_id AND q.try_n = y.try_n - 1
               JOIN follow_up f ON f.id = q.follow_up_id
               WHERE y.campaign_id = $1 AND (y.due_at_us, y.recipient_id) <= ($2, $3)
                 AND q.destination LIKE '09%'
                 AND f.after_ends LIKE '%,' || CAST(y.disposition AS TEXT) || ',%'
               ON CONFLICT DO NOTHING";
    tx.execute(sql, values![campaign, due_at, recipient, now]).await?;
    let sql = "DELETE FROM recipient_retry
               WHERE campaign_id = $1 AND (due_at_us, recipient_id) <= ($2, $3)";
    tx.execute(sql, values![campaign, due_at, recipient]).await?;
    let count = u32::try_from(waiting.len()).expect("no more than are asked for");
    let sql = "UPDATE campaign SET retrying = retrying - $2 WHERE id = $1";
    tx.execute(sql, values![campaign, count]).await?;
    Ok(count)
}

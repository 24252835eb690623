//! The recipients of campaigns, one by one, as their owner sees them.

use domain::campaign::State;
use domain::{
    AccountId, CampaignId, Disposition, QuickSendId, RecipientId, Rials, Timestamp, Zone,
};

use crate::recording;
use crate::value::values;
use crate::{Queries, Result, Row};

/// A recipient and what became of it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its identity.
    pub id: RecipientId,
    /// Its number, national form.
    pub number: String,
    /// Its price zone.
    pub zone: Zone,
    /// Where its campaign stands.
    pub campaign: State,
    /// Where it stands.
    pub standing: Standing,
    /// Its last call, or the one that waits.
    pub send: Option<QuickSendId>,
    /// Calls that were made.
    pub tries: u32,
    /// What they cost.
    pub charge: Rials,
    /// What was heard of the last one.
    pub heard_ms: u32,
    /// The first key pressed in it.
    pub vote: Option<u8>,
    /// When it began.
    pub called_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long the last one plays, or the one that waits.
    pub clip_ms: Option<u32>,
    /// How long the callee's voice is recorded, milliseconds, if it is.
    pub record_ms: Option<u32>,
    /// Where the recording of the last one stands, if it was begun.
    pub recording: Option<recording::State>,
    /// How the last one ended.
    pub end: Option<End>,
}

/// How a call ended, of a campaign or not, beside its disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Why, in the engine's words.
    pub cause: String,
    /// The final SIP code of the far end.
    pub sip_code: Option<u16>,
    /// Its Q.850 cause.
    pub q850: Option<u8>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// All keys pressed, in their order, by their names; none where pressing one was not asked for.
    pub keys: String,
    /// When it ended.
    pub at: Timestamp,
}

/// Where a recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Was not in line yet.
    Uncalled,
    /// Stands in line.
    InLine,
    /// Is in a call.
    Calling,
    /// Waits to be called again.
    Retrying {
        /// From when on.
        due_at: Timestamp,
    },
    /// Was called for the last time.
    Ended(Disposition),
}

impl Standing {
    /// Whether another call of its campaign is for it, the one in line included.
    pub fn is_to_be_called(self) -> bool {
        match self {
            Self::Uncalled | Self::InLine | Self::Retrying { .. } => true,
            Self::Calling | Self::Ended(_) => false,
        }
    }
}

/// What is read of a recipient, and which: from the campaign `c` of `r`. In parts, which the test
/// of all statements cannot prepare: each of these is run by a test of campaigns.
macro_rules! select_recipient {
    ($of:literal, $which:literal) => {
        concat!(
            "SELECT",
            " r.id AS id, r.number AS number, r.zone AS zone, q.id AS send,
                      y.due_at_us AS due_at_us, w.quick_send_id AS waiting,
                      a.quick_send_id AS open, a.started_at_us AS open_started_at_us,
                      o.disposition AS disposition, o.heard_ms AS heard_ms, o.vote AS vote,
                      o.started_at_us AS started_at_us, o.ended_at_us AS ended_at_us,
                      o.cause AS cause, o.sip_code AS sip_code, o.q850 AS q850,
                      o.answered_at_us AS answered_at_us, o.keys AS keys,
                      q.clip_ms AS clip_ms, COALESCE(q.record_ms, c.record_ms) AS record_ms,
                      g.state AS recording_state, g.length_ms AS recording_ms,
                      g.error AS recording_error, c.state AS campaign_state,
                      (SELECT COUNT(*) FROM quick_send s JOIN outcome e ON e.quick_send_id = s.id
                       WHERE s.recipient_id = r.id AND e.disposition IS NOT NULL
                         AND e.n > 0) AS tries,
                      (SELECT CAST(SUM(e.charge_rials) AS BIGINT)
                       FROM quick_send s JOIN outcome e ON e.quick_send_id = s.id
                       WHERE s.recipient_id = r.id) AS charge_rials
               FROM recipient r
               JOIN campaign c ON ",
            $of,
            " LEFT JOIN quick_send q ON q.recipient_id = r.id AND q.try_n = (
                   SELECT MAX(s.try_n) FROM quick_send s WHERE s.recipient_id = r.id)
               LEFT JOIN recipient_retry y ON y.recipient_id = r.id
               LEFT JOIN ready w ON w.quick_send_id = q.id
               LEFT JOIN attempt a ON a.quick_send_id = q.id
               LEFT JOIN outcome o ON o.quick_send_id = q.id AND o.disposition IS NOT NULL
               LEFT JOIN recording g ON g.quick_send_id = q.id
               WHERE c.account_id = $1 AND ",
            $which
        )
    };
}

/// The recipients of the account's campaign after the `after`-th one: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn page(
    reads: &mut impl Queries,
    account: AccountId,
    campaign: CampaignId,
    after: u32,
    limit: u32,
) -> Result<Vec<Recipient>> {
    let sql = select_recipient!("c.id = $2", "r.id > $3 AND r.id <= $4 ORDER BY r.id LIMIT $5");
    let first = RecipientId { campaign, n: after }.pack();
    let (_, last) = RecipientId::range(campaign);
    let rows = reads.query(sql, values![account, campaign, first, last, limit]).await?;
    rows.iter().map(recipient).collect()
}

/// The account's recipient `id`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    id: RecipientId,
) -> Result<Option<Recipient>> {
    let sql = select_recipient!("c.id = $2", "r.id = $3");
    let row = reads.query_opt(sql, values![account, id.campaign, id.pack()]).await?;
    row.as_ref().map(recipient).transpose()
}

/// Whom the account's send of a campaign calls; `None` for a send of no campaign.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn of_send(
    reads: &mut impl Queries,
    account: AccountId,
    send: QuickSendId,
) -> Result<Option<RecipientId>> {
    let sql = "SELECT id, recipient_id FROM quick_send
               WHERE id = $2 AND account_id = $1 AND recipient_id IS NOT NULL";
    let row = reads.query_opt(sql, values![account, send]).await?;
    row.map(|row| row.get("recipient_id").map(RecipientId::unpack)).transpose()
}

/// Those recipients of the account who stepped into the line from `from` until before `to`, by
/// identity from the one after `after` on: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn sent(
    reads: &mut impl Queries,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
    after: i64,
    limit: u32,
) -> Result<Vec<Recipient>> {
    // Identities are RecipientId::pack: the campaign above 24 bits.
    let sql = select_recipient!(
        "c.id = r.id / 16777216",
        "r.id > $4 AND r.id IN (
             SELECT s.recipient_id FROM quick_send s
             WHERE s.account_id = $1 AND s.accepted_at_us >= $2 AND s.accepted_at_us < $3
               AND s.recipient_id IS NOT NULL)
         ORDER BY r.id LIMIT $5"
    );
    let rows = reads.query(sql, values![account, from, to, after, limit]).await?;
    rows.iter().map(recipient).collect()
}

/// The stored number of a recipient's price zone.
pub(crate) fn zone_to_code(zone: Zone) -> i64 {
    match zone {
        Zone::Internal => 0,
        Zone::External => 1,
    }
}

fn zone_from_code(code: i64) -> Option<Zone> {
    [Zone::Internal, Zone::External].into_iter().find(|zone| zone_to_code(*zone) == code)
}

fn recipient(row: &Row) -> Result<Recipient> {
    let vote: Option<i64> = row.get("vote")?;
    let started_at: Option<Timestamp> = row.get("started_at_us")?;
    let open_started_at: Option<Timestamp> = row.get("open_started_at_us")?;
    Ok(Recipient {
        id: RecipientId::unpack(row.get("id")?),
        number: row.get("number")?,
        zone: row.decode("zone", zone_from_code)?,
        campaign: row.parse("campaign_state", State::from_word)?,
        standing: standing(row)?,
        send: row.get("send")?,
        tries: row.get("tries")?,
        charge: row.get::<Option<Rials>>("charge_rials")?.unwrap_or(Rials::ZERO),
        heard_ms: row.get::<Option<u32>>("heard_ms")?.unwrap_or(0),
        vote: vote.and_then(|vote| u8::try_from(vote).ok()),
        called_at: started_at.or(open_started_at),
        ended_at: row.get("ended_at_us")?,
        clip_ms: row.get("clip_ms")?,
        record_ms: row.get("record_ms")?,
        recording: recording::of_send(row)?,
        end: end(row)?,
    })
}

fn end(row: &Row) -> Result<Option<End>> {
    let Some(cause) = row.get("cause")? else { return Ok(None) };
    Ok(Some(End {
        cause,
        sip_code: row.get("sip_code")?,
        q850: row.get("q850")?,
        answered_at: row.get("answered_at_us")?,
        keys: row.get::<Option<String>>("keys")?.unwrap_or_default(),
        at: row.get("ended_at_us")?,
    }))
}

fn standing(row: &Row) -> Result<Standing> {
    if let Some(due_at) = row.get("due_at_us")? {
        return Ok(Standing::Retrying { due_at });
    }
    if row.get::<Option<i64>>("open")?.is_some() {
        return Ok(Standing::Calling);
    }
    if row.get::<Option<i64>>("waiting")?.is_some() {
        return Ok(Standing::InLine);
    }
    if row.get::<Option<i64>>("disposition")?.is_some() {
        return Ok(Standing::Ended(row.decode("disposition", Disposition::from_code)?));
    }
    Ok(Standing::Uncalled)
}

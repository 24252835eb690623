//! Tickets: opened once, then only gone on with, step by step; and the names of their files.

use domain::agreement::ticket::{About, Channel, Step, Ticket};
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx, history};

/// A ticket to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTicket {
    /// Whose.
    pub account: AccountId,
    /// How it came.
    pub channel: Channel,
    /// What it is about, in a line.
    pub subject: String,
    /// What of ours it is about.
    pub about: Option<About>,
    /// Names and values of where it was opened.
    pub context: Vec<(String, String)>,
    /// When.
    pub opened_at: Timestamp,
}

/// A ticket with everything that was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// As it was opened.
    pub new: NewTicket,
    /// As its steps have left it.
    pub ticket: Ticket,
    /// Its steps, the first of them first; none in a list, where they could be hundreds of
    /// megabytes of text.
    pub steps: Vec<Taken>,
    /// Its files; none in a list.
    pub attachments: Vec<Attachment>,
}

impl Kept {
    /// The ticket in which it goes on, if it was merged.
    pub fn merged_into(&self) -> Option<i64> {
        self.steps.iter().find_map(|taken| match taken.step {
            Some(Step::Merged(other)) => Some(other),
            _ => None,
        })
    }
}

/// A step that was taken.
pub type Taken = history::Taken<Step>;

/// A file of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its number.
    pub id: i64,
    /// Of which ticket.
    pub ticket: i64,
    /// What it is called.
    pub name: String,
    /// What it is, as a media type.
    pub media_type: String,
    /// How long it is.
    pub bytes: i64,
    /// The name under which its bytes are kept.
    pub blob: String,
}

/// A ticket where it is our turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub account: AccountId,
    /// The expert who has it.
    pub holder: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// The word of the step that opens a ticket.
const OPENED: &str = "opened";

/// Opens a ticket with its first step. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account.
pub async fn insert(tx: &mut Tx, new: &NewTicket, first: &Taken) -> Result<i64> {
    let sql = "INSERT INTO ticket (account_id, channel, subject, about, context, opened_at_us,
                                   steps, state, turn_since_us)
               VALUES ($1, $2, $3, $4, $5, $6, 1, 'new', $6) RETURNING id";
    let context = new.context.iter().map(|(name, value)| format!("{name} = {value}"));
    let values = values![
        new.account,
        new.channel.word(),
        &new.subject,
        new.about.map(|about| about.to_string()),
        context.collect::<Vec<_>>().join("\n"),
        new.opened_at
    ];
    let id = tx.query_one(sql, values).await?.get("id")?;
    insert_step(tx, id, 0, first).await?;
    Ok(id)
}

/// The ticket of this number, to be changed: who else wants to change it waits.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn take(tx: &mut Tx, id: i64) -> Result<Option<Kept>> {
    let sql = "UPDATE ticket SET steps = steps WHERE id = $1";
    if tx.execute(sql, values![id]).await? == 0 {
        return Ok(None);
    }
    find(tx, id).await
}

/// Keeps the step that was taken last by a ticket of [`take`], and how it left it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn keep(tx: &mut Tx, kept: &mut Kept, step: Taken) -> Result<()> {
    insert_step(tx, kept.id, kept.steps.len(), &step).await?;
    kept.steps.push(step);
    let sql = "UPDATE ticket SET steps = $2, state = $3, holder = $4, turn_since_us = $5
               WHERE id = $1";
    let (ticket, count) = (&kept.ticket, history::count(&kept.steps));
    let since = ticket.turn().map(|turn| turn.since);
    let values = values![kept.id, count, ticket.state().word(), ticket.holder(), since];
    tx.execute(sql, values).await?;
    Ok(())
}

async fn insert_step(tx: &mut Tx, id: i64, place: usize, taken: &Taken) -> Result<()> {
    let sql = "INSERT INTO ticket_step (ticket_id, n, step, side, at_us, actor, said, subject,
                                        since_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let n = i64::try_from(place).unwrap_or(i64::MAX);
    let word = taken.step.as_ref().map_or(OPENED, Step::word);
    let (subject, since) = match &taken.step {
        Some(Step::Assigned(name)) => (Some(name.clone()), None),
        Some(Step::Merged(id)) => (Some(id.to_string()), None),
        Some(Step::Absorbed(id, since)) => (Some(id.to_string()), *since),
        _ => (None, None),
    };
    let Taken { side, at, actor, said, .. } = taken;
    let values = values![id, n, word, side.word(), *at, actor, said, subject, since];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::Ticket(id, place), actor, *at);
    Ok(())
}

/// Adds a file to a ticket. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_attachment(tx: &mut Tx, new: &Attachment) -> Result<i64> {
    let sql = "INSERT INTO ticket_attachment (ticket_id, name, media_type, bytes, blob)
               VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let Attachment { ticket, name, media_type, bytes, blob, .. } = new;
    tx.query_one(sql, values![*ticket, name, media_type, *bytes, blob]).await?.get("id")
}

/// The file of this number, and whose ticket it is of.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find_attachment(
    reads: &mut impl Queries,
    id: i64,
) -> Result<Option<(AccountId, Attachment)>> {
    let sql = "SELECT a.id AS id, a.ticket_id AS ticket_id, a.name AS name,
                      a.media_type AS media_type, a.bytes AS bytes, a.blob AS blob,
                      t.account_id AS account_id
               FROM ticket_attachment a JOIN ticket t ON t.id = a.ticket_id WHERE a.id = $1";
    let row = reads.query_opt(sql, values![id]).await?;
    row.map(|row| Ok((row.get("account_id")?, attachment(&row)?))).transpose()
}

/// The ticket of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, channel, subject, about, context, opened_at_us
               FROM ticket WHERE id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// The tickets of an account before number `before`, or of everybody, without what was said in
/// them: the newest first, at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Kept>> {
    let before = before.unwrap_or(i64::MAX);
    let rows = if let Some(account) = account {
        let sql = "SELECT id, account_id, channel, subject, about, context, opened_at_us
                       FROM ticket WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        reads.query(sql, values![account, before, limit]).await?
    } else {
        let sql = "SELECT id, account_id, channel, subject, about, context, opened_at_us
                       FROM ticket WHERE id < $1 ORDER BY id DESC LIMIT $2";
        reads.query(sql, values![before, limit]).await?
    };
    all_listed(reads, rows).await
}

/// The tickets where it is our turn, without what was said in them, who has waited longest first,
/// after a place: since when, and which. Not those of sandboxes, for which nobody works. At most
/// `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn our_turn(
    reads: &mut impl Queries,
    after: (Timestamp, i64),
    limit: u32,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, channel, subject, about, context, opened_at_us
               FROM ticket
               WHERE turn_since_us IS NOT NULL
                     AND (turn_since_us > $1 OR (turn_since_us = $1 AND id > $2))
                     AND NOT EXISTS (SELECT 1 FROM account a
                                     WHERE a.id = ticket.account_id
                                           AND a.sandbox_of IS NOT NULL)
               ORDER BY turn_since_us, id LIMIT $3";
    let rows = reads.query(sql, values![after.0, after.1, limit]).await?;
    all_listed(reads, rows).await
}

/// The tickets where it is our turn, as [`our_turn`], from their rows alone.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn waiting(
    reads: &mut impl Queries,
    after: (Timestamp, i64),
    limit: u32,
) -> Result<Vec<Waiting>> {
    let sql = "SELECT id, account_id, holder, turn_since_us FROM ticket
               WHERE turn_since_us IS NOT NULL
                     AND (turn_since_us > $1 OR (turn_since_us = $1 AND id > $2))
                     AND NOT EXISTS (SELECT 1 FROM account a
                                     WHERE a.id = ticket.account_id
                                           AND a.sandbox_of IS NOT NULL)
               ORDER BY turn_since_us, id LIMIT $3";
    let waiting = |row: &Row| {
        Ok(Waiting {
            id: row.get("id")?,
            account: row.get("account_id")?,
            holder: row.get("holder")?,
            since: row.get("turn_since_us")?,
        })
    };
    reads.query(sql, values![after.0, after.1, limit]).await?.iter().map(waiting).collect()
}

/// The ticket that an account opened last in this way, not before a moment.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn last_since(
    reads: &mut impl Queries,
    account: AccountId,
    channel: Channel,
    since: Timestamp,
) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, channel, subject, about, context, opened_at_us
               FROM ticket
               WHERE account_id = $1 AND channel = $2 AND opened_at_us >= $3
               ORDER BY id DESC LIMIT 1";
    match reads.query_opt(sql, values![account, channel.word(), since]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// How many tickets of an account are not closed.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn open(reads: &mut impl Queries, account: AccountId) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS tickets FROM ticket
               WHERE account_id = $1 AND state NOT IN ('closed', 'merged')";
    reads.query_one(sql, values![account]).await?.get("tickets")
}

/// How many bytes the files of an account's tickets have, whatever became of the tickets.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn bytes_of_files(reads: &mut impl Queries, account: AccountId) -> Result<i64> {
    let sql = "SELECT CAST(COALESCE(SUM(a.bytes), 0) AS BIGINT) AS bytes
               FROM ticket t JOIN ticket_attachment a ON a.ticket_id = t.id
               WHERE t.account_id = $1";
    reads.query_one(sql, values![account]).await?.get("bytes")
}

/// The ticket in which a ticket goes on, through as many as were merged; the ticket itself when it
/// was not.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn going_on(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let mut found = find(reads, id).await?;
    // Into what is merged nothing is merged, so this ends.
    while let Some(into) = found.as_ref().and_then(Kept::merged_into) {
        found = find(reads, into).await?;
    }
    Ok(found)
}

async fn all_listed(reads: &mut impl Queries, rows: Vec<Row>) -> Result<Vec<Kept>> {
    let mut tickets = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: i64 = row.get("id")?;
        let sql = "SELECT ticket_id, step, side, at_us, actor, '' AS said, subject, since_us
                   FROM ticket_step WHERE ticket_id = $1 ORDER BY n";
        let steps = reads.query(sql, values![id]).await?;
        let steps = steps.iter().map(taken).collect::<Result<Vec<Taken>>>()?;
        let ticket = row.parse("subject", |_| again(id, &steps))?;
        let (steps, attachments) = (Vec::new(), Vec::new());
        tickets.push(Kept { id, new: new(row)?, ticket, steps, attachments });
    }
    Ok(tickets)
}

async fn kept(reads: &mut impl Queries, row: &Row) -> Result<Kept> {
    let id: i64 = row.get("id")?;
    let sql = "SELECT ticket_id, step, side, at_us, actor, said, subject, since_us
               FROM ticket_step WHERE ticket_id = $1 ORDER BY n";
    let rows = reads.query(sql, values![id]).await?;
    let steps = rows.iter().map(taken).collect::<Result<Vec<Taken>>>()?;
    let sql = "SELECT id, ticket_id, name, media_type, bytes, blob FROM ticket_attachment
               WHERE ticket_id = $1 ORDER BY id";
    let files = reads.query(sql, values![id]).await?;
    // What was kept is gone through again by the rules; what does not follow is corrupt.
    let ticket = row.parse("subject", |_| again(id, &steps))?;
    let attachments = files.iter().map(attachment).collect::<Result<_>>()?;
    Ok(Kept { id, new: new(row)?, ticket, steps, attachments })
}

fn new(row: &Row) -> Result<NewTicket> {
    Ok(NewTicket {
        account: row.get("account_id")?,
        channel: row.parse("channel", Channel::parse)?,
        subject: row.get("subject")?,
        about: row.parse_opt("about", |text| match text {
            None => Some(None),
            Some(text) => About::parse(text).map(Some),
        })?,
        context: row.parse("context", context)?,
        opened_at: row.get("opened_at_us")?,
    })
}

fn context(text: &str) -> Option<Vec<(String, String)>> {
    let line = |line: &str| {
        let (name, value) = line.split_once(" = ")?;
        Some((name.to_owned(), value.to_owned()))
    };
    text.lines().map(line).collect()
}

fn taken(row: &Row) -> Result<Taken> {
    let subject: Option<String> = row.get("subject")?;
    let since: Option<Timestamp> = row.get("since_us")?;
    Taken::read(row, OPENED, |word| step(word, subject.as_deref(), since))
}

fn step(word: &str, subject: Option<&str>, since: Option<Timestamp>) -> Option<Step> {
    let number = || subject?.parse().ok();
    Some(match word {
        "written" => Step::Written,
        "answered" => Step::Answered,
        "asked" => Step::Asked,
        "noted" => Step::Noted,
        "attached" => Step::Attached,
        "assigned" => Step::Assigned(subject?.to_owned()),
        "closed" => Step::Closed,
        "reopened" => Step::Reopened,
        "merged" => Step::Merged(number()?),
        "absorbed" => Step::Absorbed(number()?, since),
        _ => return None,
    })
}

fn attachment(row: &Row) -> Result<Attachment> {
    Ok(Attachment {
        id: row.get("id")?,
        ticket: row.get("ticket_id")?,
        name: row.get("name")?,
        media_type: row.get("media_type")?,
        bytes: row.get("bytes")?,
        blob: row.get("blob")?,
    })
}

/// Goes through a ticket's steps again; `None` when they do not follow each other.
fn again(id: i64, steps: &[Taken]) -> Option<Ticket> {
    let (first, later) = steps.split_first()?;
    let mut ticket = Ticket::opened(id, first.at);
    for taken in later {
        ticket.take(taken.step.as_ref()?, taken.side, taken.at).ok()?;
    }
    first.step.is_none().then_some(ticket)
}

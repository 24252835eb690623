//! The chain of evidence: what each legal fact said when it was written, sealed in the commit that
//! wrote it. What is attested in a transaction is added when it commits, so that the chain's lock
//! is the last that is taken, and held for moments.

use domain::Timestamp;
use domain::chain::{Entry, Head, field, hex, time_of};
use sha2::{Digest as _, Sha256};

mod fact;

pub use fact::{Fact, SAMPLES};

use fact::rows_of;

use crate::value::values;
use crate::{Db, Kind, Queries, Result, Row, Tx, Value, dialect};

/// Who does what no person is named for; what staff did in the same commit says who it was.
pub const OPERATOR: &str = "operator";
/// Who does what follows by itself.
pub const MACHINE: &str = "avanak";
/// The kind of what staff did.
pub const STAFF: &str = "staff";
/// The kind of a word that another chain than the one that was seen is to be gone on with.
pub const RESUMED: &str = "resumed";

/// The kind of a word that the samples of a day are no longer kept, as the operator has set.
pub const FORGOTTEN: &str = "samples-forgotten";

/// What waits for its transaction to commit.
#[derive(Debug)]
pub(crate) struct Waiting {
    kind: &'static str,
    subject: String,
    actor: String,
    content: Content,
    at: Timestamp,
}

#[derive(Debug)]
enum Content {
    /// What stands in the rows of the fact.
    Rows,
    /// This, which is kept with the entry.
    Note(String),
}

/// An entry with its note, if it has one that was not blanked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The entry.
    pub entry: Entry,
    /// What was done, of what stands in no rows.
    pub note: Option<String>,
}

/// What a node last found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// When it told this.
    pub heard_at: Timestamp,
    /// How far its clock is ahead of the database's, microseconds.
    pub ahead_us: i64,
    /// What is wrong with the chain, as this node has seen it.
    pub broken: Option<String>,
}

/// Attests what a fact says when this transaction commits. Of one that is attested twice, only
/// that is.
pub fn attest(tx: &mut Tx, fact: Fact, actor: &str, at: Timestamp) {
    let ((kind, _), subject) = (fact.key(), fact.subject());
    let is_waiting = tx.chained().iter().any(|one| one.subject == subject);
    if !is_waiting {
        let actor = actor.to_owned();
        tx.chained().push(Waiting { kind, subject, actor, content: Content::Rows, at });
    }
}

/// Attests what stands in no rows when this transaction commits.
pub fn note(tx: &mut Tx, kind: &'static str, subject: &str, actor: &str, note: String) {
    let (subject, actor) = (subject.to_owned(), actor.to_owned());
    let content = Content::Note(note);
    tx.chained().push(Waiting { kind, subject, actor, content, at: Timestamp(0) });
}

/// The authority's time: the database's where nodes share one, else that of the node.
///
/// # Errors
/// [`crate::Error::Unavailable`], also when the node's clock is off by more than the limit.
pub async fn now(tx: &mut Tx, node: Timestamp) -> Result<Timestamp> {
    let Some(limit_us) = tx.clock_limit_us() else { return Ok(node) };
    let authority: Timestamp = tx.query_one(dialect::CLOCK, &[]).await?.get("at_us")?;
    let ahead_us = node.us_since(authority);
    if ahead_us.abs() > limit_us {
        let why = format!(
            "the clock of this node is {} ms ahead of the database's: it writes no evidence",
            ahead_us / 1_000
        );
        return Err(crate::Error::Unavailable(why.into()));
    }
    Ok(authority)
}

/// Adds what waits to the chain. `node` is the node's time; without it, facts tell.
pub(crate) async fn append(
    tx: &mut Tx,
    waiting: Vec<Waiting>,
    node: Option<Timestamp>,
) -> Result<()> {
    let latest = waiting.iter().map(|one| one.at).max();
    let at = match (node, latest) {
        (Some(node), _) => now(tx, node).await?,
        (None, latest) => latest.unwrap_or(Timestamp(0)),
    };
    let mut digested = Vec::with_capacity(waiting.len());
    for one in waiting {
        let (digest, note) = match one.content {
            Content::Rows => {
                let digest = digest_of(tx, &one.subject).await?;
                let lost = || crate::Error::Conflict("what is attested is not there".into());
                (digest.ok_or_else(lost)?, None)
            }
            Content::Note(note) => (hash(&note), Some(note)),
        };
        digested.push((one.kind, one.subject, one.actor, digest, note));
    }
    // From here on nobody else adds anything, and nothing else is waited for.
    let sql = "UPDATE chain_head SET n = n + $1 WHERE id = 1 RETURNING n, at_us, seal";
    let count = i64::try_from(digested.len()).expect("a few facts in a transaction");
    let last = tx.query_one(sql, values![count]).await?;
    let mut head = Head { number: last.get::<i64>("n")? - count, seal: last.get("seal")? };
    let at = if node.is_some() && tx.clock_limit_us().is_some() {
        tx.query_one(dialect::CLOCK, &[]).await?.get("at_us")?
    } else {
        at
    };
    let at = time_of(last.get("at_us")?, at);
    for (kind, subject, actor, digest, note) in digested {
        let (number, kind) = (head.number + 1, kind.to_owned());
        let mut entry = Entry { number, at, kind, subject, actor, digest, seal: String::new() };
        entry.seal = hash(&entry.canonical(&head.seal));
        insert(tx, &entry, note).await?;
        head = entry.head();
    }
    let sql = "UPDATE chain_head SET at_us = $1, seal = $2 WHERE id = 1";
    tx.execute(sql, values![at, &head.seal]).await?;
    Ok(())
}

async fn insert(tx: &mut Tx, entry: &Entry, note: Option<String>) -> Result<()> {
    let sql = "INSERT INTO chain_entry (n, at_us, kind, subject, actor, note, digest, seal)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let Entry { number, at, kind, subject, actor, digest, seal } = entry;
    let values = values![*number, *at, kind, subject, actor, note.as_deref(), digest, seal];
    tx.execute(sql, values).await?;
    Ok(())
}

/// The digest of what the rows of a subject say now. `None`: it has no rows, or is of a kind that
/// stands in none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn digest_of(reads: &mut impl Queries, subject: &str) -> Result<Option<String>> {
    let mut words = subject.split(' ');
    let Some(sql) = words.next().and_then(rows_of) else { return Ok(None) };
    let keys: Vec<Value> = words
        .map(|word| word.parse().map_or_else(|_| Value::Text(word.to_owned()), Value::Int))
        .collect();
    let rows = reads.query(sql, &keys).await?;
    Ok((!rows.is_empty()).then(|| hash(&content(&rows))))
}

/// Whether facts of this kind stand in rows, which can be compared with what was attested.
pub fn is_in_rows(kind: &str) -> bool {
    rows_of(kind).is_some()
}

/// What rows say: a line for each column, and an empty one after each row.
fn content(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for (name, value) in row.columns() {
            field(&mut text, name, text_of(value).as_deref());
        }
        text.push('\n');
    }
    text
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Int(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Bytes(bytes) => Some(hex(bytes)),
    }
}

/// SHA-256 in lower-case hex digits: the hash of digests and seals.
pub fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Where the chain stands.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn head(reads: &mut impl Queries) -> Result<Head> {
    let sql = "SELECT n, seal FROM chain_head WHERE id = 1";
    let row = reads.query_one(sql, &[]).await?;
    Ok(Head { number: row.get("n")?, seal: row.get("seal")? })
}

/// The entries after a number, in their order: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn after(reads: &mut impl Queries, number: i64, limit: u32) -> Result<Vec<Kept>> {
    let sql = "SELECT n, at_us, kind, subject, actor, note, digest, seal FROM chain_entry
               WHERE n > $1 ORDER BY n LIMIT $2";
    reads.query(sql, values![number, limit]).await?.iter().map(kept).collect()
}

/// The entries of a kind, or of every kind, before a number, the newest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn before(
    reads: &mut impl Queries,
    kind: Option<&str>,
    number: i64,
    limit: u32,
) -> Result<Vec<Kept>> {
    let rows = if let Some(kind) = kind {
        let sql = "SELECT n, at_us, kind, subject, actor, note, digest, seal FROM chain_entry
                   WHERE kind = $1 AND n < $2 ORDER BY n DESC LIMIT $3";
        reads.query(sql, values![kind, number, limit]).await?
    } else {
        let sql = "SELECT n, at_us, kind, subject, actor, note, digest, seal FROM chain_entry
                   WHERE n < $1 ORDER BY n DESC LIMIT $2";
        reads.query(sql, values![number, limit]).await?
    };
    rows.iter().map(kept).collect()
}

/// The seal of the entry of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn seal(reads: &mut impl Queries, number: i64) -> Result<Option<String>> {
    let sql = "SELECT seal FROM chain_entry WHERE n = $1";
    reads.query_opt(sql, values![number]).await?.map(|row| row.get("seal")).transpose()
}

/// The number of the last entry of a subject: the one whose digest its rows have.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn last_of(reads: &mut impl Queries, subject: &str) -> Result<Option<i64>> {
    let sql = "SELECT n FROM chain_entry WHERE subject = $1 ORDER BY n DESC LIMIT 1";
    reads.query_opt(sql, values![subject]).await?.map(|row| row.get("n")).transpose()
}

/// A node tells what it found.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn tell(tx: &mut Tx, node: &Node) -> Result<()> {
    let sql = "INSERT INTO chain_node (node, heard_at_us, clock_ahead_us, broken)
               VALUES ($1, $2, $3, $4)
               ON CONFLICT (node) DO UPDATE SET heard_at_us = excluded.heard_at_us,
                   clock_ahead_us = excluded.clock_ahead_us, broken = excluded.broken";
    let values = values![&node.name, node.heard_at, node.ahead_us, node.broken.as_deref()];
    tx.execute(sql, values).await?;
    Ok(())
}

/// What each node found that has told so since a moment.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn nodes(reads: &mut impl Queries, since: Timestamp) -> Result<Vec<Node>> {
    let sql = "SELECT node, heard_at_us, clock_ahead_us, broken FROM chain_node
               WHERE heard_at_us >= $1 ORDER BY node";
    let node = |row: &Row| {
        Ok(Node {
            name: row.get("node")?,
            heard_at: row.get("heard_at_us")?,
            ahead_us: row.get("clock_ahead_us")?,
            broken: row.get("broken")?,
        })
    };
    reads.query(sql, values![since]).await?.iter().map(node).collect()
}

impl Db {
    /// How far a node's clock is ahead of the database's, microseconds. An embedded database has
    /// none of its own.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn ahead_us(&self, clock: impl Fn() -> Timestamp) -> Result<i64> {
        if self.kind() == Kind::Sqlite {
            return Ok(0);
        }
        let mut reads = self.read().await?;
        let asked = clock();
        let theirs: Timestamp = reads.query_one(dialect::CLOCK, &[]).await?.get("at_us")?;
        // It was read about half-way between asking and hearing.
        let ours = asked.plus_us(clock().us_since(asked) / 2);
        Ok(ours.us_since(theirs))
    }
}

fn kept(row: &Row) -> Result<Kept> {
    Ok(Kept {
        entry: Entry {
            number: row.get("n")?,
            at: row.get("at_us")?,
            kind: row.get("kind")?,
            subject: row.get("subject")?,
            actor: row.get("actor")?,
            digest: row.get("digest")?,
            seal: row.get("seal")?,
        },
        note: row.get("note")?,
    })
}

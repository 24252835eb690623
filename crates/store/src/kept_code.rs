//! One-time codes that the platform keeps: only a salted hash of each, how often it was tried and
//! spoken; and how fast calls for codes follow each other.

use domain::kept_code::{State, Velocity};
use domain::{AccountId, CodeId, Destination, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A code to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCode {
    /// Whose it is.
    pub account: AccountId,
    /// Ours, unique: its sends have client references made of it.
    pub reference: String,
    /// Whom it is spoken to.
    pub destination: Destination,
    /// What its hash was made with.
    pub salt: Vec<u8>,
    /// The hash of its digits.
    pub hash: Vec<u8>,
    /// The name of its sound in the blob store.
    pub blob: String,
    /// How long that plays.
    pub clip_ms: u32,
    /// Whether its customer wrote what is said around the digits, or brought these.
    pub own_words: bool,
    /// Now.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// A code as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptCode {
    /// Its identity.
    pub id: CodeId,
    /// Ours, unique.
    pub reference: String,
    /// Whom it is spoken to.
    pub destination: Destination,
    /// What its hash was made with.
    pub salt: Vec<u8>,
    /// The hash of its digits.
    pub hash: Vec<u8>,
    /// The name of its sound in the blob store.
    pub blob: String,
    /// How long that plays.
    pub clip_ms: u32,
    /// Whether its customer wrote what is said around the digits, or brought these.
    pub own_words: bool,
    /// Where it stood when that was last written down.
    pub state: State,
    /// How often it was tried.
    pub checks: u32,
    /// How often it was spoken.
    pub sends: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last spoken.
    pub sent_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Takes one of what may be had under a name. `None`: it was taken; otherwise when there is one
/// again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn spend(
    tx: &mut Tx,
    key: &str,
    velocity: Velocity,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let sql = "INSERT INTO velocity (key, until_us) VALUES ($1, $3)
               ON CONFLICT (key) DO UPDATE
               SET until_us = CASE WHEN velocity.until_us > $2
                                   THEN velocity.until_us + ($3 - $2) ELSE $3 END
               WHERE velocity.until_us <= $4";
    let (taken, latest) = (now.plus_us(velocity.each_us()), now.plus_us(velocity.ahead_us()));
    if tx.execute(sql, values![key, now, taken, latest]).await? == 1 {
        return Ok(None);
    }
    let sql = "SELECT until_us FROM velocity WHERE key = $1";
    let until: Timestamp = tx.query_one(sql, values![key]).await?.get("until_us")?;
    Ok(Some(until.plus_us(-velocity.ahead_us())))
}

/// Takes back what [`spend`] took under a name, as far as it counts still.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn give_back(tx: &mut Tx, key: &str, velocity: Velocity, now: Timestamp) -> Result<()> {
    let sql = "UPDATE velocity
               SET until_us = CASE WHEN until_us > $3 THEN until_us - ($3 - $2) ELSE $2 END
               WHERE key = $1 AND until_us > $2";
    let taken = now.plus_us(velocity.each_us());
    tx.execute(sql, values![key, now, taken]).await.map(drop)
}

/// Keeps a code. `None`: there is one with this reference.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account.
pub async fn insert(tx: &mut Tx, new: &NewCode) -> Result<Option<CodeId>> {
    let destination = new.destination.as_str();
    let sql = "INSERT INTO code (account_id, reference, destination, salt, hash, blob, clip_ms,
                                 state, checks, sends, created_at_us, sent_at_us, expires_at_us,
                                 own_words)
               VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', 0, 1, $8, $8, $9, $10)
               ON CONFLICT DO NOTHING RETURNING id";
    let values = values![
        new.account,
        &new.reference,
        destination,
        new.salt.as_slice(),
        new.hash.as_slice(),
        &new.blob,
        new.clip_ms,
        new.created_at,
        new.expires_at,
        i64::from(new.own_words),
    ];
    tx.query_opt(sql, values).await?.map(|row| row.get("id")).transpose()
}

/// Lets a code that is spoken take the place of the account's older ones to the same number that
/// wait.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn replace_older(tx: &mut Tx, new: &NewCode, id: CodeId) -> Result<()> {
    let sql = "UPDATE code SET state = 'replaced', decided_at_us = $3
               WHERE account_id = $1 AND destination = $2 AND state = 'pending' AND id < $4";
    let values = values![new.account, new.destination.as_str(), new.created_at, id];
    tx.execute(sql, values).await.map(drop)
}

/// Forgets a code that was never spoken.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete(tx: &mut Tx, account: AccountId, id: CodeId) -> Result<()> {
    let sql = "DELETE FROM code WHERE account_id = $1 AND id = $2";
    tx.execute(sql, values![account, id]).await.map(drop)
}

/// The account's code `id`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    id: CodeId,
) -> Result<Option<KeptCode>> {
    let sql = "SELECT id, reference, destination, salt, hash, blob, clip_ms, state, checks, sends,
                      created_at_us, sent_at_us, expires_at_us, own_words
               FROM code WHERE account_id = $1 AND id = $2";
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(kept_code).transpose()
}

/// The account's code with this reference.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find_by_reference(
    reads: &mut impl Queries,
    account: AccountId,
    reference: &str,
) -> Result<Option<KeptCode>> {
    let sql = "SELECT id, reference, destination, salt, hash, blob, clip_ms, state, checks, sends,
                      created_at_us, sent_at_us, expires_at_us, own_words
               FROM code WHERE account_id = $1 AND reference = $2";
    reads.query_opt(sql, values![account, reference]).await?.as_ref().map(kept_code).transpose()
}

/// Counts a try at a code that may be tried, and locks it until the transaction ends. `false`: it
/// may not.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn try_one(
    tx: &mut Tx,
    account: AccountId,
    id: CodeId,
    checks_max: u32,
    now: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE code SET checks = checks + 1
               WHERE account_id = $1 AND id = $2 AND state = 'pending' AND checks < $3
                 AND expires_at_us > $4";
    Ok(tx.execute(sql, values![account, id, checks_max, now]).await? == 1)
}

/// Writes down how a code ended.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn decide(tx: &mut Tx, id: CodeId, state: State, at: Timestamp) -> Result<()> {
    let sql = "UPDATE code SET state = $2, decided_at_us = $3 WHERE id = $1 AND state = 'pending'";
    tx.execute(sql, values![id, state.word(), at]).await.map(drop)
}

/// Counts that a code is spoken once more. `false`: it stands otherwise than it was seen.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn say_again(tx: &mut Tx, seen: &KeptCode, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE code SET sends = sends + 1, sent_at_us = $3
               WHERE id = $1 AND sends = $2 AND state = 'pending' AND expires_at_us > $3";
    Ok(tx.execute(sql, values![seen.id, seen.sends, now]).await? == 1)
}

/// Takes back what [`say_again`] counted, when it came to no call.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn not_said(tx: &mut Tx, seen: &KeptCode) -> Result<()> {
    let sql = "UPDATE code SET sends = sends - 1, sent_at_us = $3
               WHERE id = $1 AND sends = CAST($2 AS BIGINT) + 1";
    tx.execute(sql, values![seen.id, seen.sends, seen.sent_at]).await.map(drop)
}

/// Codes that can be spoken no more since `before` and whose sound is there still: which, and the
/// name of the sound.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn sounds_left(
    reads: &mut impl Queries,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<(CodeId, String)>> {
    let sql = "SELECT id, blob FROM code
               WHERE expires_at_us < $1 AND blob <> '' ORDER BY expires_at_us LIMIT $2";
    let rows = reads.query(sql, values![before, limit]).await?;
    rows.iter().map(|row| Ok((row.get("id")?, row.get("blob")?))).collect()
}

/// Notes that the sound of a code is gone.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn silence(tx: &mut Tx, id: CodeId) -> Result<()> {
    let sql = "UPDATE code SET blob = '' WHERE id = $1";
    tx.execute(sql, values![id]).await.map(drop)
}

/// Forgets codes that ended before `before`, at most `limit`, and velocities that bind nobody at
/// `now`. Tells how many codes.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget(tx: &mut Tx, before: Timestamp, now: Timestamp, limit: u32) -> Result<u64> {
    let sql = "DELETE FROM velocity WHERE until_us < $1";
    tx.execute(sql, values![now]).await?;
    let sql = "DELETE FROM code WHERE id IN (
                   SELECT id FROM code WHERE expires_at_us < $1 AND blob = ''
                   ORDER BY expires_at_us LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

fn kept_code(row: &Row) -> Result<KeptCode> {
    Ok(KeptCode {
        id: row.get("id")?,
        reference: row.get("reference")?,
        destination: row.parse("destination", Destination::parse)?,
        salt: row.get("salt")?,
        hash: row.get("hash")?,
        blob: row.get("blob")?,
        clip_ms: row.get("clip_ms")?,
        own_words: row.decode("own_words", |own: i64| Some(own == 1))?,
        state: row.parse("state", State::from_word)?,
        checks: row.get("checks")?,
        sends: row.get("sends")?,
        created_at: row.get("created_at_us")?,
        sent_at: row.get("sent_at_us")?,
        expires_at: row.get("expires_at_us")?,
    })
}

//! The cache of speech that was made from text: the same words are not spoken twice.

use domain::Timestamp;

use crate::value::values;
use crate::{Queries, Result, Tx};

/// Speech that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// The name of the audio in the blob store.
    pub blob: String,
    /// How long it plays.
    pub length_ms: u32,
}

/// The speech under `key`, a hash of text and voice.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, key: &[u8]) -> Result<Option<Speech>> {
    let sql = "SELECT blob, length_ms FROM speech_cache WHERE key = $1";
    let Some(row) = reads.query_opt(sql, values![key]).await? else { return Ok(None) };
    Ok(Some(Speech { blob: row.get("blob")?, length_ms: row.get("length_ms")? }))
}

/// Keeps speech under `key`. `false`: there was some already, and it stays.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, key: &[u8], speech: &Speech, at: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO speech_cache (key, blob, length_ms, created_at_us)
               VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, values![key, &speech.blob, speech.length_ms, at]).await? == 1)
}

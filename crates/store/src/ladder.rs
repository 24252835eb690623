//! The stories of attempts. They are written with their outcomes, by `hot`; here they are read and
//! forgotten. What a story says is the engine's affair.

use domain::{AttemptId, QuickSendId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// The story of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// The trunk's server that the call was sent to, as an address.
    pub server: Option<String>,
    /// What its times are counted from.
    pub began_at: Timestamp,
    /// The story itself.
    pub rungs: Vec<u8>,
}

/// What an attempt's story is found by.
pub(crate) fn key(attempt: AttemptId) -> i64 {
    attempt.pack().cast_signed()
}

/// The stories of a send's attempts that are still kept, in the order of the attempts.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_send(
    reads: &mut impl Queries,
    send: QuickSendId,
) -> Result<Vec<(AttemptId, Ladder)>> {
    let sql = "SELECT attempt, server, began_at_us, rungs FROM ladder
               WHERE attempt BETWEEN $1 AND $2 ORDER BY attempt";
    let first = key(AttemptId { quick_send: send, n: 0 });
    let last = key(AttemptId { quick_send: send, n: u16::from(u8::MAX) });
    let ladder = |row: &Row| {
        let attempt: i64 = row.get("attempt")?;
        let (server, rungs) = (row.get("server")?, row.get("rungs")?);
        let ladder = Ladder { server, began_at: row.get("began_at_us")?, rungs };
        Ok((AttemptId::unpack(attempt.cast_unsigned()), ladder))
    };
    reads.query(sql, values![first, last]).await?.iter().map(ladder).collect()
}

/// Forgets stories that began before `before`, if they are among the first `most` that there are:
/// those are the oldest, or nearly so. Tells how many it forgot.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget(tx: &mut Tx, before: Timestamp, most: u32) -> Result<u64> {
    let sql = "DELETE FROM ladder
               WHERE began_at_us < $1
                 AND attempt IN (SELECT attempt FROM ladder ORDER BY attempt LIMIT $2)";
    tx.execute(sql, values![before, most]).await
}

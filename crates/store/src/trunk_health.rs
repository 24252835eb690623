//! How each node sees its trunks. A running node writes what changed; the command line reads it.

use domain::Timestamp;
use domain::dialer::health::Condition;

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// How a node sees a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkHealth {
    /// The trunk's name.
    pub trunk: String,
    /// How it stands.
    pub condition: Condition,
    /// Since when.
    pub since: Timestamp,
    /// When its quarantine is over, while it is in one.
    pub until: Option<Timestamp>,
}

/// Replaces all that a node had written.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn replace(tx: &mut Tx, node: &str, seen: &[TrunkHealth]) -> Result<()> {
    tx.execute("DELETE FROM trunk_health WHERE node = $1", values![node]).await?;
    let sql = "INSERT INTO trunk_health (node, trunk, condition, since_us, until_us)
               VALUES ($1, $2, $3, $4, $5)";
    for one in seen {
        let values = values![node, &one.trunk, one.condition.word(), one.since, one.until];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

/// What every node has written, by node and trunk.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries) -> Result<Vec<(String, TrunkHealth)>> {
    let sql = "SELECT node, trunk, condition, since_us, until_us FROM trunk_health
               ORDER BY node, trunk";
    let seen = |row: &Row| {
        let health = TrunkHealth {
            trunk: row.get("trunk")?,
            condition: row.parse("condition", Condition::from_word)?,
            since: row.get("since_us")?,
            until: row.get("until_us")?,
        };
        Ok((row.get("node")?, health))
    };
    reads.query(sql, values![]).await?.iter().map(seen).collect()
}

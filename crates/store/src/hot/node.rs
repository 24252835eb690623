//! Nodes: who has which name, until when, and how many of them live.

use domain::Timestamp;
use domain::dialer::share::Share;

use super::NodeStamp;
use crate::value::values;
use crate::{Db, Queries as _, Result, Row, Tx};

/// A node among those that live, as it found them when it renewed its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Company {
    /// Its place among them, by age.
    pub share: Share,
    /// Since when its lease has lasted without a gap, by its clock.
    pub joined_at: Timestamp,
}

impl Db {
    /// Takes the node `name` until `until` with a new epoch, which fences off whoever had it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn take_node(
        &self,
        name: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(NodeStamp, Company)> {
        let mut tx = self.begin().await?;
        let sql = "INSERT INTO node (name, epoch, until_us, joined_at_us) VALUES ($1, 1, $2, $3)
                   ON CONFLICT (name) DO UPDATE
                   SET epoch = node.epoch + 1, until_us = $2,
                       joined_at_us = CASE WHEN node.until_us > $3 THEN node.joined_at_us
                                           ELSE $3 END
                   RETURNING id, epoch, joined_at_us";
        let row = tx.query_one(sql, values![name, until, now]).await?;
        let stamp = NodeStamp { node: row.get("id")?, epoch: row.get("epoch")? };
        let company = company(&mut tx, stamp, &row, now).await?;
        tx.commit().await?;
        Ok((stamp, company))
    }

    /// Prolongs the node's lease. `None`: another process took the node, stop dialling.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn renew(
        &self,
        stamp: NodeStamp,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Company>> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE node
                   SET until_us = $3,
                       joined_at_us = CASE WHEN until_us > $4 THEN joined_at_us ELSE $4 END
                   WHERE id = $1 AND epoch = $2 RETURNING joined_at_us";
        let rows = tx.query(sql, values![stamp.node, stamp.epoch, until, now]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let company = company(&mut tx, stamp, row, now).await?;
        tx.commit().await?;
        Ok(Some(company))
    }
}

/// Whom a node lives with at `now`, itself among them.
async fn company(tx: &mut Tx, stamp: NodeStamp, row: &Row, now: Timestamp) -> Result<Company> {
    let sql = "SELECT COUNT(*) AS nodes, COUNT(CASE WHEN id < $1 THEN 1 END) AS earlier
               FROM node WHERE until_us > $2 OR id = $1";
    let found = tx.query_one(sql, values![stamp.node, now]).await?;
    let share = Share { place: found.get("earlier")?, nodes: found.get("nodes")? };
    Ok(Company { share, joined_at: row.get("joined_at_us")? })
}

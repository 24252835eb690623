//! Nodes: who has which name, until when, and how many of them live.

use std::collections::BTreeMap;

use domain::dialer::share::{Other, Share};
use domain::{NodeId, Timestamp};

use super::NodeStamp;
use crate::value::values;
use crate::{Db, Queries as _, Result, Row, Tx};

/// A node among those that live, as it found them when it renewed its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// Its place among them, by age.
    pub share: Share,
    /// Since when its lease has lasted without a gap, by its clock.
    pub joined_at: Timestamp,
    /// Who has calls that his part may not cover.
    pub others: Vec<Other>,
}

impl Db {
    /// Takes the node `name` until `until` with a new epoch, which fences off whoever had it, and
    /// notes of the attempts that he left open since when nobody has them in hand.
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
        let sql = "UPDATE attempt SET lost_at_us = $3
                   WHERE node_id = $1 AND epoch < $2 AND lost_at_us IS NULL";
        tx.execute(sql, values![stamp.node, stamp.epoch, now]).await?;
        let company = company(&mut tx, stamp, &row, (now, until)).await?;
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
        let company = company(&mut tx, stamp, row, (now, until)).await?;
        tx.commit().await?;
        Ok(Some(company))
    }
}

/// Whom a node lives with at `now`, itself among them.
async fn company(
    tx: &mut Tx,
    stamp: NodeStamp,
    row: &Row,
    (now, until): (Timestamp, Timestamp),
) -> Result<Company> {
    let sql = "SELECT id, joined_at_us FROM node WHERE until_us > $2 OR id = $1 ORDER BY id";
    let mut places = BTreeMap::new();
    let mut last_joined = Timestamp(i64::MIN);
    for (place, node) in (0..).zip(tx.query(sql, values![stamp.node, now]).await?) {
        places.insert(node.get::<NodeId>("id")?, place);
        last_joined = last_joined.max(node.get("joined_at_us")?);
    }
    let share = Share {
        place: places.get(&stamp.node).copied().unwrap_or_default(),
        nodes: u32::try_from(places.len()).unwrap_or(u32::MAX),
    };
    // By then every node has renewed its lease since the last one came, or has stopped dialling.
    let known_at = last_joined.plus_us(until.us_since(now) / 3 * 2);
    let sql = "SELECT a.node_id AS node_id, a.trunk AS trunk, COUNT(*) AS calls,
                      COUNT(a.second_callee) AS second_legs
               FROM attempt a JOIN node n ON n.id = a.node_id
               WHERE n.id <> $1 AND (n.until_us <= $2 OR a.started_at_us < $3)
               GROUP BY a.node_id, a.trunk";
    let mut others = BTreeMap::new();
    for found in tx.query(sql, values![stamp.node, now, known_at]).await? {
        let node = found.get::<NodeId>("node_id")?;
        let (calls, second_legs) = (BTreeMap::new(), 0);
        let place = places.get(&node).copied();
        let other = others.entry(node).or_insert(Other { place, calls, second_legs });
        other.calls.insert(found.get("trunk")?, found.get("calls")?);
        other.second_legs += found.get::<u32>("second_legs")?;
    }
    let others = others.into_values().collect();
    Ok(Company { share, joined_at: row.get("joined_at_us")?, others })
}

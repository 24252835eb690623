//! Sends that end without an attempt: their time is over, or something bars them.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use domain::dialer::disposition::{NO_TRUNK, NOT_SPOKEN, WITHDRAWN};
use domain::{Disposition, EventKind, PolicyId, QuickSendId, Rials, Timestamp};

use super::permit::Bar;
use super::settle::{end_of, send_on_sqlite};
use super::tally::{self, End};
use super::{Answer, Lanes, Moves, Verb};
use crate::postgres::Lane;
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Db, Result, event, sqlite};

/// The cause of a send whose time ran out while nothing but other calls was in its way. Nothing
/// barred it, nor what ended for want of a trunk or was withdrawn; what ends for another cause is
/// logged.
pub const EXPIRED: &str = "expired";

/// A send that waits, and how it ends if it does so still.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    quick_send: QuickSendId,
    disposition: Disposition,
    cause: &'static str,
    at: Timestamp,
    /// Only if its time is over by then.
    expired_by: Timestamp,
    /// The policy that bars it.
    policy: Option<PolicyId>,
    /// The version of the lists that bars it.
    opt_out_version: Option<i64>,
}

impl Ending {
    /// The end of a send that is barred.
    pub(super) fn barred(
        quick_send: QuickSendId,
        bar: Bar,
        (policy, opt_out_version): (PolicyId, i64),
        at: Timestamp,
    ) -> Self {
        Self {
            quick_send,
            disposition: bar.disposition(),
            cause: bar.cause(),
            at,
            expired_by: Timestamp(i64::MAX),
            policy: Some(policy),
            opt_out_version: Some(opt_out_version),
        }
    }

    /// Which send.
    pub(super) fn quick_send(&self) -> QuickSendId {
        self.quick_send
    }
}

impl Db {
    /// Ends those of `sends` that still wait although their time is over at `now`, each by its
    /// cause: outcome 0, `Expired`, the hold released. What cannot be spoken ([`NOT_SPOKEN`]) or
    /// was withdrawn ([`WITHDRAWN`]) ends as `Cancelled` at any time. Tells for each whether it was
    /// ended.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then none was ended.
    pub async fn expire(
        &self,
        sends: Vec<(QuickSendId, &'static str)>,
        now: Timestamp,
    ) -> Result<Vec<bool>> {
        let ending = |(quick_send, cause)| {
            let (disposition, expired_by) = match cause {
                NOT_SPOKEN | WITHDRAWN => (Disposition::Cancelled, Timestamp(i64::MAX)),
                _ => (Disposition::Expired, now),
            };
            let (policy, opt_out_version) = (None, None);
            let at = now;
            Ending { quick_send, disposition, cause, at, expired_by, policy, opt_out_version }
        };
        self.run::<ExpireVerb>(sends.into_iter().map(ending).collect()).await
    }
}

/// The verb that ends sends which nobody called in time.
pub(crate) struct ExpireVerb;

impl Verb for ExpireVerb {
    type Element = Ending;
    type Answer = bool;
    const NAME: &'static str = "expire";

    fn sqlite(connection: &Connection<'_>, elements: &[Ending]) -> Result<Vec<bool>> {
        let (mut moves, mut ends) = (Moves::default(), Vec::new());
        let results: Result<Vec<bool>> = elements
            .iter()
            .map(|element| end_waiting_on_sqlite(connection, element, &mut moves, &mut ends))
            .collect();
        moves.sqlite(connection)?;
        tally::on_sqlite(connection, &ends)?;
        results
    }

    async fn postgres(tx: &Transaction<'_>, elements: &[Ending]) -> Answer<Vec<bool>> {
        let ids: Vec<i64> = elements.iter().map(|element| element.quick_send.0).collect();
        let wanted = super::lock_accounts_of(tx, &ids).await?;
        let mut ended = end_on_postgres(tx, elements, wanted).await?;
        // The first of equal elements is told that it ended the send.
        Ok(ids.iter().map(|id| ended.remove(id)).collect())
    }

    fn lane(lanes: &Lanes) -> &Lane<Self> {
        &lanes.expire
    }
}

fn end_waiting_on_sqlite(
    connection: &Connection<'_>,
    element: &Ending,
    moves: &mut Moves,
    ends: &mut Vec<End>,
) -> Result<bool> {
    let sql = "DELETE FROM ready
               WHERE quick_send_id = $1 AND EXISTS (
                   SELECT 1 FROM quick_send q
                   WHERE q.id = ready.quick_send_id AND q.expires_at_us <= $2)";
    let values = values![element.quick_send, element.expired_by];
    if sqlite::execute(connection, sql, values)? == 0 {
        return Ok(false);
    }
    end_on_sqlite(connection, element, moves, ends)?;
    Ok(true)
}

/// Ends a send that was just taken out of the queue.
pub(super) fn end_on_sqlite(
    connection: &Connection<'_>,
    element: &Ending,
    moves: &mut Moves,
    ends: &mut Vec<End>,
) -> Result<()> {
    let Ending { quick_send, disposition, cause, at, .. } = *element;
    let sql = "INSERT INTO outcome (quick_send_id, n, disposition, cause, heard_ms,
                                    charge_rials, release_rials, vote, ended_at_us)
               SELECT id, 0, $2, $3, 0, 0, hold_rials, -1, $4
               FROM quick_send WHERE id = $1";
    sqlite::execute(connection, sql, values![quick_send, disposition.code(), cause, at])?;
    let send = send_on_sqlite(connection, quick_send)?;
    let money = (Rials::ZERO, send.get("hold_rials")?);
    moves.add(send.get("account_id")?, money, (quick_send, at));
    ends.extend(end_of(&send, (disposition, cause), Rials::ZERO, at)?);
    if ![EXPIRED, NO_TRUNK, WITHDRAWN].contains(&cause) {
        let sql = "INSERT INTO decision (quick_send_id, n, at_us, verdict, policy_id,
                                         opt_out_version)
                   VALUES ($1, 0, $2, $3, $4, $5)";
        let values = values![quick_send, at, cause, element.policy, element.opt_out_version];
        sqlite::execute(connection, sql, values)?;
    }
    Ok(())
}

/// Ends those of the sends that wait still, on PostgreSQL.
const END: &str = "WITH e AS (
    SELECT DISTINCT ON (quick_send_id) *
    FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[],
                $7::BIGINT[])
         AS e (quick_send_id, disposition, cause, at_us, expired_by_us, policy_id,
               opt_out_version)
    ORDER BY quick_send_id, expired_by_us DESC
), late AS (
    SELECT r.quick_send_id FROM ready r
    WHERE r.quick_send_id = ANY($1) AND EXISTS (
        SELECT 1 FROM quick_send q JOIN e ON e.quick_send_id = q.id
        WHERE q.id = r.quick_send_id AND q.expires_at_us <= e.expired_by_us)
    ORDER BY r.quick_send_id FOR UPDATE OF r
), taken AS (
    DELETE FROM ready USING late
    WHERE ready.quick_send_id = late.quick_send_id
    RETURNING ready.quick_send_id
), ended AS (
    INSERT INTO outcome (quick_send_id, n, disposition, cause, heard_ms,
                         charge_rials, release_rials, vote, ended_at_us)
    SELECT q.id, 0, e.disposition, e.cause, 0, 0, q.hold_rials, -1, e.at_us
    FROM taken t
    JOIN quick_send q ON q.id = t.quick_send_id
    JOIN e ON e.quick_send_id = q.id
    RETURNING quick_send_id, release_rials
), logged AS (
    INSERT INTO decision (quick_send_id, n, at_us, verdict, policy_id, opt_out_version)
    SELECT e.quick_send_id, 0, e.at_us, e.cause, e.policy_id, e.opt_out_version
    FROM taken t JOIN e ON e.quick_send_id = t.quick_send_id
    WHERE e.cause NOT IN ('expired', 'no_trunk', 'withdrawn')
    ORDER BY e.quick_send_id
), moved AS (
    UPDATE account SET reserved_rials = reserved_rials - m.hold_rials
    FROM (SELECT q.account_id,
                 CAST(SUM(e.release_rials) AS BIGINT) AS hold_rials
          FROM ended e JOIN quick_send q ON q.id = e.quick_send_id
          GROUP BY q.account_id) AS m
    WHERE account.id = m.account_id
)
SELECT quick_send_id FROM ended";

/// Ends those of the sends that wait still, and tells which. Their accounts are locked; `wanted`:
/// one of them may want events.
pub(super) async fn end_on_postgres(
    tx: &Transaction<'_>,
    elements: &[Ending],
    wanted: bool,
) -> Answer<BTreeSet<i64>> {
    let column =
        |of: fn(&Ending) -> Option<i64>| -> Vec<Option<i64>> { elements.iter().map(of).collect() };
    let ids: Vec<i64> = elements.iter().map(|element| element.quick_send.0).collect();
    let causes: Vec<&str> = elements.iter().map(|element| element.cause).collect();
    let statement = tx.prepare_cached(END).await?;
    let rows = tx
        .query(
            &statement,
            &[
                &ids,
                &column(|element| Some(element.disposition.code())),
                &causes,
                &column(|element| Some(element.at.0)),
                &column(|element| Some(element.expired_by.0)),
                &column(|element| element.policy.map(|policy| policy.0)),
                &column(|element| element.opt_out_version),
            ],
        )
        .await?;
    let ended: BTreeSet<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Answer<_>>()?;
    tally::on_postgres(tx, &ended.iter().map(|id| (*id, 0)).collect::<Vec<_>>()).await?;
    if wanted {
        let moments = elements.iter().map(|element| (element.quick_send.0, element.at));
        let told: BTreeMap<i64, Timestamp> = moments.filter(|(id, _)| ended.contains(id)).collect();
        let told: Vec<(i64, Timestamp)> = told.into_iter().collect();
        event::on_postgres(tx, EventKind::MessageEnded, &told).await?;
    }
    Ok(ended)
}

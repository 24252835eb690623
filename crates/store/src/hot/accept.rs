//! Accept: the hold, the send and its place in the queue (or its first attempt), in one commit,
//! with the message and its price when it is speech that was made for this send.

use std::collections::BTreeMap;

use domain::{
    AccountId, AttemptId, Destination, EventKind, MessageClass, MessageId, QuickSendId, Rials,
    TariffId, Timestamp, Zone,
};

use deadpool_postgres::Transaction;

use super::lease::lock_nodes;
use super::permit::{PostgresGate, SqliteGate};
use super::spoken::{self, Spoken};
use super::{Answer, Lanes, LeaseStamp, any_wanted};
use crate::postgres::Lane;
use crate::quick_send::zone_to_str;
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Db, Error, Result, event, sqlite};

/// A quick send that was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// Who pays.
    pub account: AccountId,
    /// What is played.
    pub played: Played,
    /// How long it plays; in a secure call, how long both may talk.
    pub clip_ms: u32,
    /// Whom to call.
    pub destination: Destination,
    /// Who is rung after that and talks with the first one, in a secure call.
    pub second: Option<Destination>,
    /// Whether the first key pressed is kept.
    pub vote: bool,
    /// How long the callee is recorded after the message, milliseconds, at most.
    pub record_ms: Option<u32>,
    /// The regional server that the client asked for.
    pub server: Option<u32>,
    /// The prices that were used.
    pub tariff: TariffId,
    /// The price zone that was used.
    pub zone: Zone,
    /// The most it can cost; reserved until it ends. Not negative.
    pub hold: Rials,
    /// When it was accepted, and from when on it may be called.
    pub at: Timestamp,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
    /// Scheduling class: the dialer's number, kept as it is.
    pub class: u8,
    /// What kind of message it carries.
    pub message_class: MessageClass,
    /// The key by which its callee opts out.
    pub opt_out_key: Option<char>,
    /// The follow-up that is written after it, if one is.
    pub follow_up: Option<i64>,
    /// The customer's own key: a second send with it returns the first one.
    pub client_reference: Option<String>,
    /// When given, the first attempt is recorded in the same commit instead of a place in the
    /// queue, provided that the node still holds its epoch and nothing bars it.
    pub lease: Option<LeaseStamp>,
}

/// What a send plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Played {
    /// A message that is kept already.
    Kept(MessageId),
    /// Speech that becomes a message, and is charged, only together with the send.
    Spoken(Spoken),
}

impl Played {
    /// What is charged at once, whatever becomes of the call.
    fn price(&self) -> Rials {
        match self {
            Self::Kept(_) => Rials::ZERO,
            Self::Spoken(spoken) => spoken.price,
        }
    }
}

/// A send that is now durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its identity.
    pub quick_send: QuickSendId,
    /// What it plays.
    pub message: MessageId,
    /// Whether attempt 1 was recorded: the caller, and nobody else, dials it now.
    pub leased: bool,
    /// Whether it had been accepted before under the same client reference; nothing was changed.
    pub repeated: bool,
}

/// Why a send was not accepted although it was admitted: the account changed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptRefusal {
    /// What may be spent does not cover the hold, and the speech, any more.
    InsufficientCredit,
    /// There is no such account, or it was switched off.
    AccountGone,
}

impl Db {
    /// Accepts a batch. Answers stand in the order of the elements.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Conflict`] (an unknown message or
    /// tariff, a negative price); then no element was accepted.
    pub async fn accept(
        &self,
        elements: Vec<Accept>,
    ) -> Result<Vec<std::result::Result<Accepted, AcceptRefusal>>> {
        if elements.iter().any(|element| element.played.price() < Rials::ZERO) {
            return Err(Error::Conflict("speech cannot have a negative price".into()));
        }
        self.run::<Verb>(elements).await
    }

    /// Accepts one send; callers at the same time still share a commit.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub async fn accept_one(
        &self,
        element: Accept,
    ) -> Result<std::result::Result<Accepted, AcceptRefusal>> {
        let answers = self.accept(vec![element]).await?;
        Ok(answers.into_iter().next().expect("one answer for one element"))
    }
}

mod batch;

use batch::Batch;

/// What one element is told.
type Verdict = std::result::Result<Accepted, AcceptRefusal>;

/// The verb.
pub(crate) struct Verb;

impl super::Verb for Verb {
    type Element = Accept;
    type Answer = Verdict;
    const NAME: &'static str = "accept";

    fn sqlite(connection: &Connection<'_>, elements: &[Accept]) -> Result<Vec<Verdict>> {
        let gate = SqliteGate::open(connection)?;
        elements.iter().map(|element| accept_on_sqlite(connection, &gate, element)).collect()
    }

    async fn postgres(tx: &Transaction<'_>, elements: &[Accept]) -> Answer<Vec<Verdict>> {
        let stamps = valid_stamps(tx, elements).await?;
        let (funds, wanted) = lock_funds(tx, elements).await?;
        let known = known_references(tx, elements).await?;
        let leases = elements.iter().filter_map(|element| element.lease.as_ref());
        let mut gate = PostgresGate::locked(tx, leases.map(|lease| &lease.permit)).await?;
        let mut batch = Batch::decide(elements, &stamps, funds, &known, &mut gate);
        batch.insert(tx, &mut gate).await?;
        gate.keep(tx).await?;
        if wanted {
            batch.tell(tx).await?;
        }
        Ok(batch.verdicts())
    }

    fn lane(lanes: &Lanes) -> &Lane<Self> {
        &lanes.accept
    }
}

fn accept_on_sqlite(
    connection: &Connection<'_>,
    gate: &SqliteGate<'_, '_>,
    element: &Accept,
) -> Result<Verdict> {
    if let Some(reference) = &element.client_reference {
        let sql = "SELECT id, message_id FROM quick_send
                   WHERE account_id = $1 AND client_reference = $2";
        let found = sqlite::query(connection, sql, values![element.account, reference])?;
        if let Some(row) = found.first() {
            let (quick_send, message) = (row.get("id")?, row.get("message_id")?);
            return Ok(Ok(Accepted { quick_send, message, leased: false, repeated: true }));
        }
    }
    let sql = "UPDATE account SET reserved_rials = reserved_rials + $2,
                                  balance_rials = balance_rials - $3
               WHERE id = $1 AND disabled_at_us IS NULL
                 AND balance_rials + debt_limit_rials - reserved_rials - $3 >= $2
               RETURNING id, events_until_us";
    let values = values![element.account, element.hold, element.played.price()];
    let payer = sqlite::query(connection, sql, values)?;
    let Some(payer) = payer.first() else {
        let sql = "SELECT id FROM account WHERE id = $1 AND disabled_at_us IS NULL";
        let known = !sqlite::query(connection, sql, values![element.account])?.is_empty();
        return Ok(Err(if known {
            AcceptRefusal::InsufficientCredit
        } else {
            AcceptRefusal::AccountGone
        }));
    };
    let message = match &element.played {
        Played::Kept(message) => *message,
        Played::Spoken(spoken) => spoken::insert_on_sqlite(connection, element, spoken)?,
    };
    let quick_send = insert_on_sqlite(connection, element, message)?;
    let leased = match &element.lease {
        Some(lease) => lease_on_sqlite(connection, gate, quick_send, lease)?,
        None => false,
    };
    if !leased {
        let sql = "INSERT INTO ready (quick_send_id, class, due_at_us) VALUES ($1, $2, $3)";
        sqlite::execute(connection, sql, values![quick_send, element.class, element.at])?;
    }
    if let Some(until) = payer.get("events_until_us")? {
        let accepted = [(quick_send.0, element.at)];
        let kind = EventKind::MessageAccepted;
        event::on_sqlite(connection, (element.account, until), kind, &accepted)?;
    }
    Ok(Ok(Accepted { quick_send, message, leased, repeated: false }))
}

fn insert_on_sqlite(
    connection: &Connection<'_>,
    element: &Accept,
    message: MessageId,
) -> Result<QuickSendId> {
    let sql = "INSERT INTO quick_send (account_id, message_id, tariff_id, class, clip_ms,
                                       destination, zone, vote_at_us, hold_rials,
                                       accepted_at_us, expires_at_us, client_reference,
                                       record_ms, server_id, second_destination,
                                       message_class, opt_out_key, follow_up_id)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                       $17, $18)";
    let key = element.opt_out_key.map(String::from);
    let values = values![
        element.account,
        message,
        element.tariff,
        element.class,
        element.clip_ms,
        element.destination.as_str(),
        zone_to_str(element.zone),
        element.vote.then_some(element.at),
        element.hold,
        element.at,
        element.expires_at,
        element.client_reference.as_deref(),
        element.record_ms,
        element.server,
        element.second.as_ref().map(Destination::as_str),
        element.message_class.code(),
        key.as_deref(),
        element.follow_up,
    ];
    sqlite::execute(connection, sql, values)?;
    Ok(QuickSendId(connection.last_insert_rowid()))
}

/// Records the first attempt of a send, unless something bars it: then it waits for the lease that
/// ends it. So it does while its callee is in another call. It has one leg.
fn lease_on_sqlite(
    connection: &Connection<'_>,
    gate: &SqliteGate<'_, '_>,
    quick_send: QuickSendId,
    lease: &LeaseStamp,
) -> Result<bool> {
    let sql = "INSERT INTO attempt (quick_send_id, n, node_id, epoch, trunk, started_at_us, callee)
               SELECT $1, 1, id, epoch, $4, $5, $6 FROM node
               WHERE id = $2 AND epoch = $3 AND until_us > $5
                 AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.second_callee = $6)
               ON CONFLICT (callee) DO NOTHING";
    let LeaseStamp { node: stamp, trunk, at, callee, .. } = lease;
    let values = values![quick_send, stamp.node, stamp.epoch, trunk, *at, callee];
    if sqlite::execute(connection, sql, values)? == 0 {
        return Ok(false);
    }
    let Ok(day_sends) = gate.pass(&lease.permit, true)? else {
        let sql = "DELETE FROM attempt WHERE quick_send_id = $1";
        sqlite::execute(connection, sql, values![quick_send])?;
        return Ok(false);
    };
    gate.log(AttemptId { quick_send, n: 1 }, lease.at, &lease.permit, day_sends)?;
    Ok(true)
}

/// The nodes that are named, locked against being taken until we commit: id → (epoch, until).
async fn valid_stamps(
    tx: &Transaction<'_>,
    elements: &[Accept],
) -> Answer<BTreeMap<i64, (i64, i64)>> {
    let leases = elements.iter().filter_map(|element| element.lease.as_ref());
    let nodes: Vec<i64> = leases.map(|lease| lease.node.node.0).collect();
    lock_nodes(tx, nodes).await
}

/// What each account may spend, locked until we commit, and whether the events of one of them may
/// be wanted. Accounts that may not spend are absent.
async fn lock_funds(
    tx: &Transaction<'_>,
    elements: &[Accept],
) -> Answer<(BTreeMap<i64, i64>, bool)> {
    let accounts: Vec<i64> = elements.iter().map(|element| element.account.0).collect();
    let sql = "SELECT id, balance_rials + debt_limit_rials - reserved_rials, events_until_us
               FROM account
               WHERE id = ANY($1) AND disabled_at_us IS NULL ORDER BY id FOR NO KEY UPDATE";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&accounts]).await?;
    let wanted = any_wanted(&rows)?;
    let funds = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok((funds.collect::<Answer<_>>()?, wanted))
}

/// A send that was accepted before, and its message.
type Known = (i64, i64);

/// Sends that the clients' references name already: (account, reference) → send. Read after the
/// accounts were locked, so that another node cannot insert one meanwhile.
async fn known_references<'a>(
    tx: &Transaction<'_>,
    elements: &'a [Accept],
) -> Answer<BTreeMap<(i64, &'a str), Known>> {
    let keys: Vec<(i64, &str)> = elements
        .iter()
        .filter_map(|element| Some((element.account.0, element.client_reference.as_deref()?)))
        .collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (accounts, references): (Vec<i64>, Vec<&str>) = keys.iter().copied().unzip();
    let sql = "SELECT CAST(k.place AS BIGINT), q.id, q.message_id
               FROM UNNEST($1::BIGINT[], $2::TEXT[]) WITH ORDINALITY
                    AS k (account_id, reference, place)
               JOIN quick_send q
                 ON q.account_id = k.account_id AND q.client_reference = k.reference";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&accounts, &references]).await?;
    let mut known = BTreeMap::new();
    for row in rows {
        let place: i64 = row.try_get(0)?;
        let key = usize::try_from(place - 1).ok().and_then(|place| keys.get(place));
        let send = (row.try_get(1)?, row.try_get(2)?);
        known.insert(*key.expect("places count the keys"), send);
    }
    Ok(known)
}

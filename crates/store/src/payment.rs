//! Payments: noted once, opened once, taken in or given up once.

use domain::billing::payment::State;
use domain::{AccountId, Rials, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A payment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// Whose.
    pub account: AccountId,
    /// For which invoice; `None`: into the balance.
    pub invoice: Option<i64>,
    /// How much.
    pub amount: Rials,
    /// By which gateway, or by receipt.
    pub gateway: String,
    /// What nobody can guess in the address to come back to.
    pub token: String,
    /// Now.
    pub made_at: Timestamp,
    /// When it is looked at, if nothing happens before.
    pub ask_at: Timestamp,
}

/// A payment as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub account: AccountId,
    /// For which invoice; `None`: into the balance.
    pub invoice: Option<i64>,
    /// How much.
    pub amount: Rials,
    /// By which gateway, or by receipt.
    pub gateway: String,
    /// What nobody can guess in the address to come back to.
    pub token: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it is looked at next; `None`: not by itself.
    pub ask_at: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
    /// How often it was looked at.
    pub tries: u32,
    /// What the gateway calls it.
    pub authority: Option<String>,
    /// Where its customer pays.
    pub url: Option<String>,
    /// The name of its receipt in the blob store, and what that is.
    pub receipt: Option<(String, String)>,
    /// What the bank calls it.
    pub reference: Option<String>,
    /// When it counts as paid, once it is.
    pub paid_at: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was taken in or given up, and by whom.
    pub decided: Option<(Timestamp, String)>,
}

/// Notes a payment. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, new: &NewPayment) -> Result<i64> {
    let sql = "INSERT INTO payment (account_id, invoice_id, amount_rials, gateway, token, state,
                                    made_at_us, ask_at_us, tries)
               VALUES ($1, $2, $3, $4, $5, 'made', $6, $7, 0) RETURNING id";
    let values = values![
        new.account,
        new.invoice,
        new.amount,
        &new.gateway,
        &new.token,
        new.made_at,
        new.ask_at
    ];
    tx.query_one(sql, values).await?.get("id")
}

/// How many payments of an account are not over.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn open(reads: &mut impl Queries, account: AccountId) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS payments FROM payment
               WHERE account_id = $1 AND state IN ('made', 'waiting', 'review')";
    reads.query_one(sql, values![account]).await?.get("payments")
}

/// Notes what the gateway calls a payment, and where its customer pays. `false`: it is not new any
/// more.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when another one is called so.
pub async fn opened(
    tx: &mut Tx,
    id: i64,
    (authority, url): (&str, &str),
    ask_at: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE payment SET state = 'waiting', authority = $2, url = $3, ask_at_us = $4
               WHERE id = $1 AND state = 'made'";
    Ok(tx.execute(sql, values![id, authority, url, ask_at]).await? == 1)
}

/// Notes the receipt of a payment. `false`: it is not new any more.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn received(tx: &mut Tx, id: i64, (blob, media_type): (&str, &str)) -> Result<bool> {
    let sql = "UPDATE payment
               SET state = 'review', receipt = $2, media_type = $3, ask_at_us = NULL
               WHERE id = $1 AND state = 'made'";
    Ok(tx.execute(sql, values![id, blob, media_type]).await? == 1)
}

/// How a payment was paid, as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid<'a> {
    /// What the bank calls it.
    pub reference: &'a str,
    /// When it counts as paid.
    pub paid_at: Timestamp,
    /// When it was taken in.
    pub at: Timestamp,
    /// By whom.
    pub by: &'a str,
}

/// Notes that a payment is paid, under the bank's reference, if it stands at one of these two.
/// `false`: it does not, since it was taken in before.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when another one has the reference.
pub async fn paid(
    tx: &mut Tx,
    id: i64,
    (from, or): (State, State),
    Paid { reference, paid_at, at, by }: Paid<'_>,
) -> Result<bool> {
    let sql = "UPDATE payment
               SET state = 'paid', reference = $4, decided_at_us = $5, decided_by = $6,
                   paid_at_us = $7, ask_at_us = NULL, reason = NULL
               WHERE id = $1 AND state IN ($2, $3)";
    let values = values![id, from.word(), or.word(), reference, at, by, paid_at];
    let is_paid = tx.execute(sql, values).await? == 1;
    if is_paid {
        chain::attest(tx, Fact::Payment(id), by, at);
        chain::attest(tx, Fact::PaymentPaid(id), by, at);
    }
    Ok(is_paid)
}

/// Notes that a payment is paid by what one of us saw, in this amount, which may be another one
/// than was asked for, if its gateway had opened it and it was given up. `false`: it is not so.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when another one has the reference.
pub async fn paid_by_hand(
    tx: &mut Tx,
    id: i64,
    amount: Rials,
    Paid { reference, paid_at, at, by }: Paid<'_>,
) -> Result<bool> {
    let sql = "UPDATE payment
               SET state = 'paid', amount_rials = $2, reference = $3, decided_at_us = $4,
                   decided_by = $5, paid_at_us = $6, reason = NULL
               WHERE id = $1 AND state = 'failed' AND authority IS NOT NULL";
    let values = values![id, amount, reference, at, by, paid_at];
    let is_paid = tx.execute(sql, values).await? == 1;
    if is_paid {
        chain::attest(tx, Fact::Payment(id), by, at);
        chain::attest(tx, Fact::PaymentPaid(id), by, at);
    }
    Ok(is_paid)
}

/// Gives a payment up that nobody has paid, which decides nothing and is no evidence. `false`: it
/// does not stand there any more.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn failed(
    tx: &mut Tx,
    id: i64,
    from: State,
    reason: &str,
    decided: (Timestamp, &str),
) -> Result<bool> {
    ended(tx, id, (from, from), reason, decided).await
}

/// Gives a payment up as evidence, if it stands at one of these two: its receipt is refused, one of
/// us waits no longer, or its money is at a gateway and cannot be taken in. `false`: it does not.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn given_up(
    tx: &mut Tx,
    id: i64,
    from: (State, State),
    reason: &str,
    (at, by): (Timestamp, &str),
) -> Result<bool> {
    let is_given_up = ended(tx, id, from, reason, (at, by)).await?;
    if is_given_up {
        chain::attest(tx, Fact::Payment(id), by, at);
    }
    Ok(is_given_up)
}

async fn ended(
    tx: &mut Tx,
    id: i64,
    (from, or): (State, State),
    reason: &str,
    (at, by): (Timestamp, &str),
) -> Result<bool> {
    let sql = "UPDATE payment
               SET state = 'failed', reason = $4, decided_at_us = $5, decided_by = $6,
                   ask_at_us = NULL
               WHERE id = $1 AND state IN ($2, $3)";
    let values = values![id, from.word(), or.word(), reason, at, by];
    Ok(tx.execute(sql, values).await? == 1)
}

/// The payments that are to be looked at now, each with its gateway: at most `limit` of each
/// gateway, those that wait for longest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn due(
    reads: &mut impl Queries,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(i64, String)>> {
    let sql = "SELECT id, gateway FROM
                   (SELECT id, gateway, ask_at_us,
                           ROW_NUMBER() OVER (PARTITION BY gateway ORDER BY ask_at_us, id) AS place
                    FROM payment WHERE ask_at_us <= $1) AS waiting
               WHERE place <= $2 ORDER BY ask_at_us, id";
    let one = |row: &Row| Ok((row.get("id")?, row.get("gateway")?));
    reads.query(sql, values![now, limit]).await?.iter().map(one).collect()
}

/// Takes a payment that is to be looked at now, so that nobody else does until a moment. `None`:
/// another node has just taken it.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn take(
    tx: &mut Tx,
    id: i64,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Payment>> {
    let sql = "UPDATE payment SET ask_at_us = $2, tries = tries + 1
               WHERE id = $1 AND ask_at_us <= $3";
    if tx.execute(sql, values![id, until, now]).await? == 0 {
        return Ok(None);
    }
    find(tx, id).await
}

/// Notes when a payment that waits is looked at next.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn ask_at(tx: &mut Tx, id: i64, at: Timestamp) -> Result<()> {
    let sql = "UPDATE payment SET ask_at_us = $2 WHERE id = $1 AND state = 'waiting'";
    tx.execute(sql, values![id, at]).await?;
    Ok(())
}

/// The payment of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Payment>> {
    let sql = "SELECT id, account_id, invoice_id, amount_rials, gateway, token, state, made_at_us,
                      ask_at_us, tries, authority, url, receipt, media_type, reference, reason,
                      decided_at_us, decided_by, paid_at_us
               FROM payment WHERE id = $1";
    reads.query_opt(sql, values![id]).await?.as_ref().map(payment).transpose()
}

/// The payment that a gateway sends somebody back to.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn by_token(reads: &mut impl Queries, token: &str) -> Result<Option<Payment>> {
    let sql = "SELECT id, account_id, invoice_id, amount_rials, gateway, token, state, made_at_us,
                      ask_at_us, tries, authority, url, receipt, media_type, reference, reason,
                      decided_at_us, decided_by, paid_at_us
               FROM payment WHERE token = $1";
    reads.query_opt(sql, values![token]).await?.as_ref().map(payment).transpose()
}

/// The payments of an account before a number, or all of them, or those whose receipt waits for one
/// of us: the newest first, at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    only_review: bool,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Payment>> {
    let before = before.unwrap_or(i64::MAX);
    let rows = match account {
        Some(account) => {
            let sql = "SELECT id FROM payment WHERE account_id = $1 AND id < $2
                       ORDER BY id DESC LIMIT $3";
            reads.query(sql, values![account, before, limit]).await?
        }
        None if only_review => {
            let sql = "SELECT id FROM payment WHERE state = 'review' AND id < $1
                       ORDER BY id DESC LIMIT $2";
            reads.query(sql, values![before, limit]).await?
        }
        None => {
            let sql = "SELECT id FROM payment WHERE id < $1 ORDER BY id DESC LIMIT $2";
            reads.query(sql, values![before, limit]).await?
        }
    };
    let mut payments = Vec::with_capacity(rows.len());
    for row in &rows {
        payments.extend(find(reads, row.get("id")?).await?);
    }
    Ok(payments)
}

fn payment(row: &Row) -> Result<Payment> {
    let receipt: Option<String> = row.get("receipt")?;
    let media_type: Option<String> = row.get("media_type")?;
    let decided_at: Option<Timestamp> = row.get("decided_at_us")?;
    let decided_by: Option<String> = row.get("decided_by")?;
    Ok(Payment {
        id: row.get("id")?,
        account: row.get("account_id")?,
        invoice: row.get("invoice_id")?,
        amount: row.get("amount_rials")?,
        gateway: row.get("gateway")?,
        token: row.get("token")?,
        made_at: row.get("made_at_us")?,
        ask_at: row.get("ask_at_us")?,
        state: row.parse("state", State::parse)?,
        tries: row.get("tries")?,
        authority: row.get("authority")?,
        url: row.get("url")?,
        receipt: receipt.zip(media_type),
        reference: row.get("reference")?,
        paid_at: row.get("paid_at_us")?,
        reason: row.get("reason")?,
        decided: decided_at.zip(decided_by),
    })
}

//! Invoices: made once for each month of a subscription, paid or voided once.

use domain::billing::invoice::Amounts;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};

use crate::chain::{self, Fact};
use crate::payment::Paid;
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Its number.
    pub id: i64,
    /// For which subscription.
    pub subscription: i64,
    /// Whose that is.
    pub account: AccountId,
    /// The first month it is for.
    pub month: PersianMonth,
    /// How many of this month were voided before.
    pub issue: u32,
    /// For how many months it is; 0 when it is for the rest of a period alone.
    pub months: u16,
    /// What it comes to.
    pub amounts: Amounts,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it is due.
    pub due_at: Timestamp,
    /// When it was paid, and under which reference; one without anything to pay has none.
    pub paid: Option<(Timestamp, Option<String>)>,
    /// When we learned that it was.
    pub noted_at: Option<Timestamp>,
    /// When it was voided, by whom and why.
    pub voided: Option<(Timestamp, String, String)>,
}

/// Makes an invoice; its `id` is not looked at. `None`: one of this month and issue was made
/// before, perhaps by another node.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, new: &Invoice) -> Result<Option<i64>> {
    let sql = "INSERT INTO invoice (subscription_id, account_id, month, issue, months, price_rials,
                                    discount_rials, tax_bp, tax_rials, total_rials, issued_at_us,
                                    due_at_us, paid_at_us, noted_at_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
               ON CONFLICT (subscription_id, month, issue) DO NOTHING RETURNING id";
    let Amounts { price, discount, tax_bp, tax, total } = new.amounts;
    let values = values![
        new.subscription,
        new.account,
        &new.month.to_string(),
        new.issue,
        u32::from(new.months),
        price,
        discount,
        tax_bp,
        tax,
        total,
        new.issued_at,
        new.due_at,
        new.paid.as_ref().map(|(at, _)| *at),
        new.noted_at
    ];
    let Some(row) = tx.query_opt(sql, values).await? else { return Ok(None) };
    let id = row.get("id")?;
    chain::attest(tx, Fact::Invoice(id), chain::MACHINE, new.issued_at);
    if new.paid.is_some() {
        chain::attest(tx, Fact::InvoicePaid(id), chain::MACHINE, new.issued_at);
    }
    Ok(Some(id))
}

/// A part of the price of an invoice that was asked for the rest of an earlier period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// The place of the change of plan that it is for.
    pub change: i64,
    /// How much.
    pub amount: Rials,
}

/// Adds a part to an invoice.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when it is there.
pub async fn insert_rest(tx: &mut Tx, id: i64, rest: Rest) -> Result<()> {
    let sql = "INSERT INTO invoice_line (invoice_id, change_n, amount_rials) VALUES ($1, $2, $3)";
    tx.execute(sql, values![id, rest.change, rest.amount]).await?;
    Ok(())
}

/// The parts of an invoice that were asked for rests of earlier periods.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn rests(reads: &mut impl Queries, id: i64) -> Result<Vec<Rest>> {
    let sql = "SELECT invoice_id AS id, change_n, amount_rials FROM invoice_line
               WHERE invoice_id = $1 ORDER BY change_n";
    let rest =
        |row: &Row| Ok(Rest { change: row.get("change_n")?, amount: row.get("amount_rials")? });
    reads.query(sql, values![id]).await?.iter().map(rest).collect()
}

/// Notes that an invoice was paid, under a reference of its own. `false`: it was paid or voided.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when another one was paid under it.
pub async fn pay(
    tx: &mut Tx,
    id: i64,
    Paid { reference, paid_at, at, by }: Paid<'_>,
) -> Result<bool> {
    let sql = "UPDATE invoice SET paid_at_us = $2, paid_reference = $3, noted_at_us = $4
               WHERE id = $1 AND paid_at_us IS NULL AND voided_at_us IS NULL";
    let paid = tx.execute(sql, values![id, paid_at, reference, at]).await? == 1;
    if paid {
        chain::attest(tx, Fact::Invoice(id), by, at);
        chain::attest(tx, Fact::InvoicePaid(id), by, at);
    }
    Ok(paid)
}

/// When invoices of a subscription were overdue: from when each was due until it was paid or
/// voided, of those that were due before one moment and settled after another. What is not settled
/// is overdue until the first of these moments.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn overdue_times(
    reads: &mut impl Queries,
    subscription: i64,
    (due_before, settled_after): (Timestamp, Timestamp),
) -> Result<Vec<Span>> {
    let sql = "SELECT due_at_us, COALESCE(paid_at_us, voided_at_us, $2) AS settled_at_us
               FROM invoice
               WHERE subscription_id = $1 AND due_at_us < $2
                     AND COALESCE(paid_at_us, voided_at_us, $2) > $3
               ORDER BY id";
    let rows = reads.query(sql, values![subscription, due_before, settled_after]).await?;
    let mut times = Vec::with_capacity(rows.len());
    for row in &rows {
        times.extend(Span::new(row.get("due_at_us")?, row.get("settled_at_us")?));
    }
    Ok(times)
}

/// Keeps others from an invoice that is not paid, until the transaction ends. `false`: it is paid,
/// or voided.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock_unpaid(tx: &mut Tx, id: i64) -> Result<bool> {
    let sql = "UPDATE invoice SET due_at_us = due_at_us
               WHERE id = $1 AND paid_at_us IS NULL AND voided_at_us IS NULL";
    Ok(tx.execute(sql, values![id]).await? == 1)
}

/// Voids an invoice that nothing was paid for. `false`: something was, or it was voided.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn void(tx: &mut Tx, id: i64, at: Timestamp, by: &str, because: &str) -> Result<bool> {
    let sql = "UPDATE invoice SET voided_at_us = $2, voided_by = $3, voided_because = $4
               WHERE id = $1 AND paid_reference IS NULL AND voided_at_us IS NULL";
    let voided = tx.execute(sql, values![id, at, by, because]).await? == 1;
    if voided {
        chain::attest(tx, Fact::Invoice(id), by, at);
    }
    Ok(voided)
}

/// The invoice of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Invoice>> {
    let sql = "SELECT id, subscription_id, account_id, month, issue, months, price_rials,
                      discount_rials, tax_bp, tax_rials, total_rials, issued_at_us, due_at_us,
                      paid_at_us, paid_reference, voided_at_us, voided_by, voided_because,
                      noted_at_us
               FROM invoice WHERE id = $1";
    reads.query_opt(sql, values![id]).await?.map(|row| invoice(&row)).transpose()
}

/// The last invoice of a month of a subscription.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_month(
    reads: &mut impl Queries,
    subscription: i64,
    month: PersianMonth,
) -> Result<Option<Invoice>> {
    let sql = "SELECT id, subscription_id, account_id, month, issue, months, price_rials,
                      discount_rials, tax_bp, tax_rials, total_rials, issued_at_us, due_at_us,
                      paid_at_us, paid_reference, voided_at_us, voided_by, voided_because,
                      noted_at_us
               FROM invoice WHERE subscription_id = $1 AND month = $2
               ORDER BY issue DESC LIMIT 1";
    let row = reads.query_opt(sql, values![subscription, &month.to_string()]).await?;
    row.map(|row| invoice(&row)).transpose()
}

/// The invoices of an account before number `before`, the newest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_account(
    reads: &mut impl Queries,
    account: AccountId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Invoice>> {
    let sql = "SELECT id, subscription_id, account_id, month, issue, months, price_rials,
                      discount_rials, tax_bp, tax_rials, total_rials, issued_at_us, due_at_us,
                      paid_at_us, paid_reference, voided_at_us, voided_by, voided_because,
                      noted_at_us
               FROM invoice WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    let values = values![account, before.unwrap_or(i64::MAX), limit];
    reads.query(sql, values).await?.iter().map(invoice).collect()
}

/// The invoices after number `after` that were due before a moment and are not paid: at most
/// `limit`, by number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn overdue(
    reads: &mut impl Queries,
    at: Timestamp,
    after: i64,
    limit: u32,
) -> Result<Vec<Invoice>> {
    let sql = "SELECT id, subscription_id, account_id, month, issue, months, price_rials,
                      discount_rials, tax_bp, tax_rials, total_rials, issued_at_us, due_at_us,
                      paid_at_us, paid_reference, voided_at_us, voided_by, voided_because,
                      noted_at_us
               FROM invoice
               WHERE due_at_us < $1 AND paid_at_us IS NULL AND voided_at_us IS NULL AND id > $2
               ORDER BY id LIMIT $3";
    reads.query(sql, values![at, after, limit]).await?.iter().map(invoice).collect()
}

/// Whether a subscription has an invoice that was due before a moment and is not paid.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn is_overdue(
    reads: &mut impl Queries,
    subscription: i64,
    at: Timestamp,
) -> Result<bool> {
    let sql = "SELECT id FROM invoice
               WHERE subscription_id = $1 AND due_at_us < $2 AND paid_at_us IS NULL
                     AND voided_at_us IS NULL LIMIT 1";
    Ok(reads.query_opt(sql, values![subscription, at]).await?.is_some())
}

fn invoice(row: &Row) -> Result<Invoice> {
    let paid_at: Option<Timestamp> = row.get("paid_at_us")?;
    let reference: Option<String> = row.get("paid_reference")?;
    let voided_at: Option<Timestamp> = row.get("voided_at_us")?;
    let voided: (Option<String>, Option<String>) =
        (row.get("voided_by")?, row.get("voided_because")?);
    let said = voided.0.zip(voided.1);
    Ok(Invoice {
        id: row.get("id")?,
        subscription: row.get("subscription_id")?,
        account: row.get("account_id")?,
        month: row.parse("month", PersianMonth::parse)?,
        issue: row.get("issue")?,
        months: row.get("months")?,
        amounts: Amounts {
            price: row.get("price_rials")?,
            discount: row.get("discount_rials")?,
            tax_bp: row.get("tax_bp")?,
            tax: row.get("tax_rials")?,
            total: row.get("total_rials")?,
        },
        issued_at: row.get("issued_at_us")?,
        due_at: row.get("due_at_us")?,
        noted_at: row.get("noted_at_us")?,
        paid: paid_at.map(|at| (at, reference)),
        voided: voided_at.zip(said).map(|(at, (by, because))| (at, by, because)),
    })
}

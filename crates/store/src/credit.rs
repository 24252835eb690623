//! Credits and what was done to them. A credit is never updated: its moves are only added, each
//! with the two books between which money went.

use domain::agreement::claim::Track;
use domain::agreement::credit::{Credit, CreditKey, DiscountLine, Move, Posting};
use domain::agreement::scope::Paths;
use domain::agreement::statement::Figure;
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Rials, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A credit to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCredit {
    /// What it is for.
    pub key: CreditKey,
    /// How much it is.
    pub amount: Rials,
    /// What the month pays back in all; `amount` is what was missing of it.
    pub computed: Rials,
    /// What it was computed from; a claim is decided and not computed.
    pub basis: Option<Basis>,
    /// When it was proposed.
    pub proposed_at: Timestamp,
    /// From when on it is owed, unless something is said against it.
    pub owed_from: Timestamp,
}

/// What a credit was computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The price of the month.
    pub price: Rials,
    /// The number of the schedule.
    pub schedule: u32,
    /// The checksum of the kept inputs.
    pub digest: Vec<u8>,
    /// Which figure of them decides.
    pub figure: Figure,
}

/// A credit with everything that was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// As it was proposed.
    pub new: NewCredit,
    /// As its moves have left it.
    pub credit: Credit,
    /// Its moves, the first of them first.
    pub moves: Vec<Moved>,
}

/// Something that was done to a credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What.
    pub done: Move,
    /// The money that went, and between which books.
    pub posting: Option<(String, String, Rials)>,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
}

/// Who does something to a credit, when and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: &'a str,
    /// Why; may be empty.
    pub reason: &'a str,
}

/// A discount of an invoice, that stands or stood on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The credit.
    pub credit: i64,
    /// The month that it is for.
    pub month: PersianMonth,
    /// By which revision of the month's statement.
    pub revision: u32,
    /// On which ground.
    pub track: Track,
    /// The number of the schedule it was computed by.
    pub schedule: Option<u32>,
    /// How much.
    pub amount: Rials,
}

/// Proposes a credit. `None`: there is one for this, perhaps of another node.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, new: &NewCredit) -> Result<Option<i64>> {
    let sql = "INSERT INTO credit (account_id, subscription_id, month, paths, track, revision,
                                   amount_rials, computed_rials, price_rials, schedule, digest,
                                   figure, proposed_at_us, owed_from_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
               ON CONFLICT (account_id, subscription_id, month, paths, track, revision) DO NOTHING
               RETURNING id";
    let CreditKey { account, subscription, month, paths, track, revision } = new.key;
    let basis = new.basis.as_ref();
    let values = values![
        account,
        subscription,
        &month.to_string(),
        &paths.to_string(),
        track.word(),
        revision,
        new.amount,
        new.computed,
        basis.map(|basis| basis.price),
        basis.map(|basis| basis.schedule),
        basis.map(|basis| basis.digest.as_slice()),
        basis.map(|basis| basis.figure.word()),
        new.proposed_at,
        new.owed_from
    ];
    let id = tx.query_opt(sql, values).await?.map(|row| row.get("id")).transpose()?;
    if let Some(id) = id {
        chain::attest(tx, Fact::Credit(id), chain::MACHINE, new.proposed_at);
    }
    Ok(id)
}

/// Adds the move of this place to a credit.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when it has another one there.
pub async fn insert_move(
    tx: &mut Tx,
    id: i64,
    place: usize,
    done: Move,
    posting: Option<Posting>,
    by: By<'_>,
) -> Result<()> {
    let sql =
        "INSERT INTO credit_move (credit_id, n, move, invoice_id, debit, credit, amount_rials,
                                        at_us, actor, reason)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let invoice = match done {
        Move::Apply(line) => Some(line.invoice),
        Move::Restore(invoice) => Some(invoice),
        _ => None,
    };
    let books = posting.map(|posting| (posting.debit.to_string(), posting.credit.to_string()));
    let values = values![
        id,
        i64::try_from(place).unwrap_or(i64::MAX),
        done.word(),
        invoice,
        books.as_ref().map(|(debit, _)| debit.as_str()),
        books.as_ref().map(|(_, credit)| credit.as_str()),
        posting.map(|posting| posting.amount),
        by.at,
        by.actor,
        by.reason
    ];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::CreditMove(id, place), by.actor, by.at);
    Ok(())
}

/// The credit of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, subscription_id, month, paths, track, revision, amount_rials,
                      computed_rials, price_rials, schedule, digest, figure, proposed_at_us,
                      owed_from_us
               FROM credit WHERE id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// Every credit of a subscription, the oldest first.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_subscription(reads: &mut impl Queries, subscription: i64) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, subscription_id, month, paths, track, revision, amount_rials,
                      computed_rials, price_rials, schedule, digest, figure, proposed_at_us,
                      owed_from_us
               FROM credit WHERE subscription_id = $1 ORDER BY id";
    let rows = reads.query(sql, values![subscription]).await?;
    all_kept(reads, rows).await
}

/// Every credit of an account for a month, the oldest first.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_month(
    reads: &mut impl Queries,
    account: AccountId,
    month: PersianMonth,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, subscription_id, month, paths, track, revision, amount_rials,
                      computed_rials, price_rials, schedule, digest, figure, proposed_at_us,
                      owed_from_us
               FROM credit WHERE account_id = $1 AND month = $2 ORDER BY id";
    let rows = reads.query(sql, values![account, &month.to_string()]).await?;
    all_kept(reads, rows).await
}

/// The credits of an account before number `before`, or of everybody: the newest first, at most
/// `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, subscription_id, month, paths, track, revision, amount_rials,
                      computed_rials, price_rials, schedule, digest, figure, proposed_at_us,
                      owed_from_us
               FROM credit WHERE (CAST($1 AS BIGINT) = 0 OR account_id = $1) AND id < $2
               ORDER BY id DESC LIMIT $3";
    let account = account.unwrap_or(AccountId(0));
    let rows = reads.query(sql, values![account, before.unwrap_or(i64::MAX), limit]).await?;
    all_kept(reads, rows).await
}

/// The numbers of credits after `after` that nothing was done to and that are owed by now: at most
/// `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn due(
    reads: &mut impl Queries,
    now: Timestamp,
    after: i64,
    limit: u32,
) -> Result<Vec<i64>> {
    let sql = "SELECT id FROM credit c
               WHERE id > $2 AND owed_from_us <= $1
                     AND NOT EXISTS (SELECT 1 FROM credit_move m WHERE m.credit_id = c.id)
               ORDER BY id LIMIT $3";
    let rows = reads.query(sql, values![now, after, limit]).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// The credits of months before one, after number `after`, of which something is owed that no
/// committee has, as far as the sums of their moves tell: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn carried(
    reads: &mut impl Queries,
    before: PersianMonth,
    after: i64,
    limit: u32,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, subscription_id, month, paths, track, revision, amount_rials,
                      computed_rials, price_rials, schedule, digest, figure, proposed_at_us,
                      owed_from_us
               FROM credit c
               WHERE month < $1 AND id > $2
                     AND (SELECT m.move FROM credit_move m WHERE m.credit_id = c.id
                          ORDER BY m.n DESC LIMIT 1) IN ('posted', 'applied', 'restored')
                     AND amount_rials > (
                         SELECT CAST(COALESCE(SUM(CASE m.move WHEN 'restored' THEN -m.amount_rials
                                                              WHEN 'posted' THEN 0
                                                              ELSE m.amount_rials END), 0)
                                     AS BIGINT)
                         FROM credit_move m WHERE m.credit_id = c.id)
               ORDER BY id LIMIT $3";
    let rows = reads.query(sql, values![&before.to_string(), after, limit]).await?;
    all_kept(reads, rows).await
}

/// A credit that the committee has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedOver {
    /// Its number.
    pub credit: i64,
    /// Whose it is.
    pub account: AccountId,
    /// Since when.
    pub since: Timestamp,
}

/// The credits that were handed over to the committee, after number `after`, and of which the last
/// word is not that they were paid out or taken back: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn with_committee(
    reads: &mut impl Queries,
    after: i64,
    limit: u32,
) -> Result<Vec<HandedOver>> {
    let sql = "SELECT c.id AS id, c.account_id AS account_id, m.at_us AS at_us
               FROM credit_move m JOIN credit c ON c.id = m.credit_id
               WHERE m.move = 'handed_over' AND m.credit_id > $1
                     AND NOT EXISTS (SELECT 1 FROM credit_move o
                                     WHERE o.credit_id = m.credit_id AND o.n > m.n
                                           AND o.move IN ('handed_over', 'paid_out', 'reversed'))
               ORDER BY m.credit_id LIMIT $2";
    let one = |row: &Row| {
        let (credit, account) = (row.get("id")?, row.get("account_id")?);
        Ok(HandedOver { credit, account, since: row.get("at_us")? })
    };
    reads.query(sql, values![after, limit]).await?.iter().map(one).collect()
}

/// As [`with_committee`], with everything that was done to them.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn handed_over(reads: &mut impl Queries, after: i64, limit: u32) -> Result<Vec<Kept>> {
    let mut credits = Vec::new();
    for one in with_committee(reads, after, limit).await? {
        credits.extend(find(reads, one.credit).await?);
    }
    Ok(credits)
}

/// The discounts of an invoice: those that stand, or of one that was voided, those that stood.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn lines(reads: &mut impl Queries, invoice: i64) -> Result<Vec<Line>> {
    let sql = "SELECT c.id AS id, c.month AS month, c.revision AS revision, c.track AS track,
                      c.schedule AS schedule, m.amount_rials AS amount_rials
               FROM credit_move m JOIN credit c ON c.id = m.credit_id
               WHERE m.invoice_id = $1 AND m.move = 'applied' ORDER BY c.id";
    let line = |row: &Row| {
        Ok(Line {
            credit: row.get("id")?,
            month: row.parse("month", PersianMonth::parse)?,
            revision: row.get("revision")?,
            track: row.parse("track", Track::parse)?,
            schedule: row.get("schedule")?,
            amount: row.get("amount_rials")?,
        })
    };
    reads.query(sql, values![invoice]).await?.iter().map(line).collect()
}

async fn all_kept(reads: &mut impl Queries, rows: Vec<Row>) -> Result<Vec<Kept>> {
    let mut credits = Vec::with_capacity(rows.len());
    for row in &rows {
        credits.push(kept(reads, row).await?);
    }
    Ok(credits)
}

async fn kept(reads: &mut impl Queries, row: &Row) -> Result<Kept> {
    let id: i64 = row.get("id")?;
    let sql =
        "SELECT credit_id, move, invoice_id, debit, credit, amount_rials, at_us, actor, reason
               FROM credit_move WHERE credit_id = $1 ORDER BY n";
    let rows = reads.query(sql, values![id]).await?;
    let moves = rows.iter().map(moved).collect::<Result<Vec<Moved>>>()?;
    let key = CreditKey {
        account: row.get("account_id")?,
        subscription: row.get("subscription_id")?,
        month: row.parse("month", PersianMonth::parse)?,
        paths: row.parse("paths", Paths::parse)?,
        track: row.parse("track", Track::parse)?,
        revision: row.get("revision")?,
    };
    let credit = row.decode("amount_rials", |amount| {
        let mut credit = Credit::propose(key, Rials(amount)).ok()?;
        moves.iter().try_for_each(|moved| credit.again(moved.done))?;
        Some(credit)
    })?;
    let price: Option<Rials> = row.get("price_rials")?;
    let figure = row.parse_opt("figure", |word| match word {
        None => Some(None),
        Some(word) => Figure::parse(word).map(Some),
    })?;
    let (schedule, digest) = (row.get("schedule")?, row.get("digest")?);
    let basis = match (price, schedule, digest, figure) {
        (Some(price), Some(schedule), Some(digest), Some(figure)) => {
            Some(Basis { price, schedule, digest, figure })
        }
        _ => None,
    };
    let new = NewCredit {
        key,
        amount: credit.amount(),
        computed: row.get("computed_rials")?,
        basis,
        proposed_at: row.get("proposed_at_us")?,
        owed_from: row.get("owed_from_us")?,
    };
    Ok(Kept { id, new, credit, moves })
}

fn moved(row: &Row) -> Result<Moved> {
    let (invoice, amount): (Option<i64>, Option<Rials>) =
        (row.get("invoice_id")?, row.get("amount_rials")?);
    let line = invoice.zip(amount).map(|(invoice, amount)| DiscountLine { invoice, amount });
    let books: (Option<String>, Option<String>) = (row.get("debit")?, row.get("credit")?);
    Ok(Moved {
        done: row.parse("move", |word| Move::parse(word, line))?,
        posting: books
            .0
            .zip(books.1)
            .zip(amount)
            .map(|((debit, credit), amount)| (debit, credit, amount)),
        at: row.get("at_us")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
    })
}

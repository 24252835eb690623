//! Cases of identity: begun once, then only gone on with, step by step; and the names of their
//! documents. Who somebody is can be removed, and the steps stay.

use domain::agreement::identity::{By, CompanyId, Identity, NationalCode, Step, proofs};
use domain::calendar::day::Day;
use domain::{AccountId, PhoneNumber, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// Who somebody says to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The national code.
    pub code: NationalCode,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The day of birth.
    pub born: Day,
    /// The mobile number that is to be proven.
    pub mobile: PhoneNumber,
    /// For which company the person stands.
    pub company: Option<Company>,
}

/// A company that is a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// Its national id.
    pub id: CompanyId,
    /// Its name.
    pub name: String,
    /// What the person is there.
    pub role: String,
}

/// A case to be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCase {
    /// Whose.
    pub account: AccountId,
    /// Who it says to be.
    pub person: Person,
    /// What is asked for, as [`proofs`] reads it.
    pub asked: String,
}

/// A case with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub account: AccountId,
    /// Whether that is a sandbox: what it proves says nothing of a person.
    pub sandbox: bool,
    /// Who it says to be; `None` when that was removed.
    pub person: Option<Person>,
    /// As its steps have left it.
    pub identity: Identity,
    /// Its steps, the first of them first; never none.
    pub steps: Vec<Taken>,
    /// Its documents.
    pub documents: Vec<Document>,
    /// How often the registry was asked since it was last handed in.
    pub tries: u32,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which; `None` for the first, with which the case was begun.
    pub step: Option<Step>,
    /// Who took it.
    pub by: By,
    /// When.
    pub at: Timestamp,
    /// Their name.
    pub actor: String,
    /// What was said; may be empty.
    pub said: String,
}

/// A document of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it is, as a media type.
    pub media_type: String,
    /// How long it is.
    pub bytes: i64,
    /// The name under which its bytes are kept.
    pub blob: String,
}

/// The word of the first step.
const BEGUN: &str = "begun";

/// Begins a case with its first step. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when one of the account's is pending.
pub async fn insert(tx: &mut Tx, new: &NewCase, first: &Taken) -> Result<i64> {
    let sql = "INSERT INTO identity_case (account_id, opened_at_us, asked, national_code,
                                          first_name, last_name, birth_day, mobile, company_id,
                                          company_name, company_role, steps, state, tries)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, 'open', 0) RETURNING id";
    let Person { code, first_name, last_name, born, mobile, company } = &new.person;
    let (year, month, day) = born.to_jalali();
    let values = values![
        new.account,
        first.at,
        &new.asked,
        code.as_str(),
        first_name,
        last_name,
        format!("{year:04}-{month:02}-{day:02}"),
        mobile.national(),
        company.as_ref().map(|company| company.id.as_str()),
        company.as_ref().map(|company| company.name.as_str()),
        company.as_ref().map(|company| company.role.as_str())
    ];
    let id = tx.query_one(sql, values).await?.get("id")?;
    insert_step(tx, id, 0, first).await?;
    Ok(id)
}

/// How many cases an account began since a moment.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn begun_since(
    reads: &mut impl Queries,
    account: AccountId,
    since: Timestamp,
) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS cases FROM identity_case
               WHERE account_id = $1 AND opened_at_us >= $2";
    reads.query_one(sql, values![account, since]).await?.get("cases")
}

/// The case of this number, to be changed: who else wants to change it waits.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn take(tx: &mut Tx, id: i64) -> Result<Option<Kept>> {
    let sql = "UPDATE identity_case SET steps = steps WHERE id = $1";
    if tx.execute(sql, values![id]).await? == 0 {
        return Ok(None);
    }
    find(tx, id).await
}

/// Keeps the step that was taken last by a case of [`take`], how it left it, and when the registry
/// is to be asked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn keep(
    tx: &mut Tx,
    kept: &mut Kept,
    step: Taken,
    ask_at: Option<Timestamp>,
) -> Result<()> {
    insert_step(tx, kept.id, kept.steps.len(), &step).await?;
    kept.steps.push(step);
    kept.tries = 0;
    let sql = "UPDATE identity_case SET state = $2, steps = $3, ask_at_us = $4, tries = 0
               WHERE id = $1";
    let count = i64::try_from(kept.steps.len()).unwrap_or(i64::MAX);
    let word = kept.identity.kept_state().word();
    tx.execute(sql, values![kept.id, word, count, ask_at]).await?;
    Ok(())
}

async fn insert_step(tx: &mut Tx, id: i64, n: usize, taken: &Taken) -> Result<()> {
    let sql = "INSERT INTO identity_step (case_id, n, step, side, at_us, actor, said, until_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let place = i64::try_from(n).unwrap_or(i64::MAX);
    let word = taken.step.map_or(BEGUN, Step::word);
    let until = match taken.step {
        Some(Step::Verified(until)) => until,
        _ => None,
    };
    let Taken { by, at, actor, said, .. } = taken;
    let values = values![id, place, word, by.word(), *at, actor, said, until];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::Identity(id, n), actor, *at);
    Ok(())
}

/// Takes cases of which the registry is to be asked now, so that nobody else does until a moment.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn take_due(
    tx: &mut Tx,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id FROM identity_case WHERE ask_at_us <= $1 ORDER BY ask_at_us, id LIMIT $2";
    let mut taken = Vec::new();
    for row in tx.query(sql, values![now, limit]).await? {
        let id: i64 = row.get("id")?;
        let sql = "UPDATE identity_case SET ask_at_us = $2, tries = tries + 1
                   WHERE id = $1 AND ask_at_us <= $3";
        // Another node may have taken it just now.
        if tx.execute(sql, values![id, until, now]).await? == 1 {
            taken.extend(find(tx, id).await?);
        }
    }
    Ok(taken)
}

/// Notes when the registry is to be asked again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn ask_at(tx: &mut Tx, id: i64, at: Timestamp) -> Result<()> {
    let sql = "UPDATE identity_case SET ask_at_us = $2 WHERE id = $1 AND ask_at_us IS NOT NULL";
    tx.execute(sql, values![id, at]).await?;
    Ok(())
}

/// Adds a document. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_document(tx: &mut Tx, case: i64, new: &Document) -> Result<i64> {
    let sql = "INSERT INTO identity_document (case_id, name, media_type, bytes, blob)
               VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let values = values![case, &new.name, &new.media_type, new.bytes, &new.blob];
    tx.query_one(sql, values).await?.get("id")
}

/// Removes what says who somebody is. The names of its documents are in `kept` still.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget(tx: &mut Tx, id: i64) -> Result<()> {
    let sql = "UPDATE identity_case
               SET national_code = NULL, first_name = NULL, last_name = NULL, birth_day = NULL,
                   mobile = NULL, company_id = NULL, company_name = NULL, company_role = NULL
               WHERE id = $1";
    tx.execute(sql, values![id]).await?;
    Ok(())
}

/// Removes the name of a document, whose bytes are gone.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete_document(tx: &mut Tx, document: i64) -> Result<()> {
    let sql = "DELETE FROM identity_document WHERE id = $1";
    tx.execute(sql, values![document]).await?;
    Ok(())
}

/// The case of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT c.id AS id, c.account_id AS account_id, a.sandbox_of AS sandbox_of,
                      c.asked AS asked, c.national_code AS national_code,
                      c.first_name AS first_name, c.last_name AS last_name,
                      c.birth_day AS birth_day, c.mobile AS mobile, c.company_id AS company_id,
                      c.company_name AS company_name, c.company_role AS company_role,
                      c.tries AS tries
               FROM identity_case c JOIN account a ON a.id = c.account_id WHERE c.id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// Whether it is or was proven at a moment who the owner of an account is: what was revoked later
/// counts until then.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn was_proven(
    reads: &mut impl Queries,
    account: AccountId,
    at: Timestamp,
) -> Result<bool> {
    let sql = "SELECT c.id AS id FROM identity_case c
               JOIN identity_step s ON s.case_id = c.id AND s.step = 'verified'
               WHERE c.account_id = $1 AND s.at_us <= $2
                     AND (s.until_us IS NULL OR s.until_us > $2)
                     AND NOT EXISTS (SELECT 1 FROM identity_step r
                                     WHERE r.case_id = c.id AND r.n > s.n
                                           AND r.step = 'revoked' AND r.at_us <= $2)
               LIMIT 1";
    Ok(reads.query_opt(sql, values![account, at]).await?.is_some())
}

/// An account of which it is not proven who its owner is, while that is the customer's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub account: AccountId,
    /// Since when that was seen; `None`: just now.
    pub since: Option<Timestamp>,
}

/// The accounts after `after` that can be used and of which it is not proven who their owner is,
/// while no case of theirs waits for us: at most `limit`. No sandbox, and not the account of the
/// tests of the load.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn missing(
    reads: &mut impl Queries,
    at: Timestamp,
    after: AccountId,
    limit: u32,
) -> Result<Vec<Missing>> {
    let sql = "SELECT a.id AS id, m.since_us AS since_us
               FROM account a LEFT JOIN identity_missing m ON m.account_id = a.id
               WHERE a.id > $2 AND a.sandbox_of IS NULL
                     AND (a.disabled_at_us IS NULL OR a.disabled_at_us > $1)
                     AND (a.expires_at_us IS NULL OR a.expires_at_us > $1)
                     AND a.id NOT IN (SELECT b.sandbox_of FROM capacity_test t
                                      JOIN account b ON b.id = t.account_id
                                      WHERE b.sandbox_of IS NOT NULL)
                     AND NOT EXISTS (SELECT 1 FROM identity_case c
                                     WHERE c.account_id = a.id
                                           AND c.state IN ('submitted', 'needs_manual'))
                     AND NOT EXISTS (SELECT 1 FROM identity_case c
                                     JOIN identity_step s
                                          ON s.case_id = c.id AND s.step = 'verified'
                                     WHERE c.account_id = a.id AND c.state = 'verified'
                                           AND (s.until_us IS NULL OR s.until_us > $1))
               ORDER BY a.id LIMIT $3";
    let missing = |row: &Row| Ok(Missing { account: row.get("id")?, since: row.get("since_us")? });
    reads.query(sql, values![at, after, limit]).await?.iter().map(missing).collect()
}

/// Notes since when it was seen to be missing of an account, unless that is noted.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn note_missing(tx: &mut Tx, account: AccountId, since: Timestamp) -> Result<()> {
    let sql = "INSERT INTO identity_missing (account_id, since_us) VALUES ($1, $2)
               ON CONFLICT (account_id) DO NOTHING";
    tx.execute(sql, values![account, since]).await?;
    Ok(())
}

/// Drops what was noted of accounts of which it is proven by now or waits for us, and of those that
/// cannot be used; and all of it unless it is `required`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn drop_missing(tx: &mut Tx, at: Timestamp, required: bool) -> Result<()> {
    if !required {
        tx.execute("DELETE FROM identity_missing", &[]).await?;
        return Ok(());
    }
    let sql = "DELETE FROM identity_missing
               WHERE EXISTS (SELECT 1 FROM identity_case c
                             WHERE c.account_id = identity_missing.account_id
                                   AND c.state IN ('submitted', 'needs_manual'))
                     OR EXISTS (SELECT 1 FROM identity_case c
                                JOIN identity_step s ON s.case_id = c.id AND s.step = 'verified'
                                WHERE c.account_id = identity_missing.account_id
                                      AND c.state = 'verified'
                                      AND (s.until_us IS NULL OR s.until_us > $1))
                     OR EXISTS (SELECT 1 FROM account a
                                WHERE a.id = identity_missing.account_id
                                      AND (a.disabled_at_us <= $1 OR a.expires_at_us <= $1))";
    tx.execute(sql, values![at]).await?;
    Ok(())
}

/// Whether a mobile number is still to be proven in a case of an account that asks for it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn is_to_be_proven(
    reads: &mut impl Queries,
    account: AccountId,
    mobile: &PhoneNumber,
) -> Result<bool> {
    let sql = "SELECT c.id AS id FROM identity_case c
               WHERE c.account_id = $1 AND c.state = 'open' AND c.mobile = $2
                     AND ',' || c.asked || ',' LIKE '%,mobile,%'
                     AND NOT EXISTS (SELECT 1 FROM identity_step s
                                     WHERE s.case_id = c.id AND s.step = 'mobile_proven')
               LIMIT 1";
    Ok(reads.query_opt(sql, values![account, mobile.national()]).await?.is_some())
}

/// The cases of an account before a number, or all of them, or those that wait for a person: the
/// newest first, at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    only_waiting: bool,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Kept>> {
    let before = before.unwrap_or(i64::MAX);
    let rows = match account {
        Some(account) => {
            let sql = "SELECT id FROM identity_case
                       WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
            reads.query(sql, values![account, before, limit]).await?
        }
        None if only_waiting => {
            let sql = "SELECT id FROM identity_case
                       WHERE state = 'needs_manual' AND id < $1 ORDER BY id DESC LIMIT $2";
            reads.query(sql, values![before, limit]).await?
        }
        None => {
            let sql = "SELECT id FROM identity_case WHERE id < $1 ORDER BY id DESC LIMIT $2";
            reads.query(sql, values![before, limit]).await?
        }
    };
    let mut cases = Vec::with_capacity(rows.len());
    for row in &rows {
        cases.extend(find(reads, row.get("id")?).await?);
    }
    Ok(cases)
}

async fn kept(reads: &mut impl Queries, row: &Row) -> Result<Kept> {
    let id: i64 = row.get("id")?;
    let sql = "SELECT case_id, step, side, at_us, actor, said, until_us
               FROM identity_step WHERE case_id = $1 ORDER BY n";
    let rows = reads.query(sql, values![id]).await?;
    let steps = rows.iter().map(taken).collect::<Result<Vec<Taken>>>()?;
    let sql = "SELECT id, name, media_type, bytes, blob FROM identity_document
               WHERE case_id = $1 ORDER BY id";
    let rows = reads.query(sql, values![id]).await?;
    let documents = rows.iter().map(document).collect::<Result<Vec<Document>>>()?;
    // What was kept is gone through again by the rules; what does not follow is corrupt.
    let identity = row.parse("asked", |asked| again(asked, &steps))?;
    let (account, tries) = (row.get("account_id")?, row.get("tries")?);
    let sandbox = row.get::<Option<AccountId>>("sandbox_of")?.is_some();
    Ok(Kept { id, account, sandbox, person: person(row)?, identity, steps, documents, tries })
}

fn person(row: &Row) -> Result<Option<Person>> {
    let known: Option<String> = row.get("national_code")?;
    if known.is_none() {
        return Ok(None);
    }
    let has_company: Option<String> = row.get("company_id")?;
    let company = match has_company {
        None => None,
        Some(_) => Some(Company {
            id: row.parse("company_id", CompanyId::parse)?,
            name: row.get("company_name")?,
            role: row.get("company_role")?,
        }),
    };
    Ok(Some(Person {
        code: row.parse("national_code", NationalCode::parse)?,
        first_name: row.get("first_name")?,
        last_name: row.get("last_name")?,
        born: row.parse("birth_day", Day::parse)?,
        mobile: row.parse("mobile", PhoneNumber::parse)?,
        company,
    }))
}

fn taken(row: &Row) -> Result<Taken> {
    let until: Option<Timestamp> = row.get("until_us")?;
    Ok(Taken {
        step: row.parse("step", |word| match word {
            BEGUN => Some(None),
            word => Step::parse(word, until).map(Some),
        })?,
        by: row.parse("side", By::parse)?,
        at: row.get("at_us")?,
        actor: row.get("actor")?,
        said: row.get("said")?,
    })
}

fn document(row: &Row) -> Result<Document> {
    Ok(Document {
        id: row.get("id")?,
        name: row.get("name")?,
        media_type: row.get("media_type")?,
        bytes: row.get("bytes")?,
        blob: row.get("blob")?,
    })
}

/// Goes through a case's steps again; `None` when they do not follow each other.
fn again(asked: &str, steps: &[Taken]) -> Option<Identity> {
    let (first, later) = steps.split_first()?;
    let mut identity = Identity::begun(proofs(asked)?, first.at);
    for taken in later {
        identity.take(taken.step?, taken.by, taken.at).ok()?;
    }
    first.step.is_none().then_some(identity)
}

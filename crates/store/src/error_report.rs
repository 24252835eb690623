//! Reported errors: made once, then only gone on with, step by step; and the tries to reach their
//! customers.

use domain::agreement::contact::{Attempt, Channel, Outcome};
use domain::agreement::error_report::{ErrorReport, Finding, Source, State, Step, Whose};
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx, history};

/// A report to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReport {
    /// Whose; `None` when it concerns the platform.
    pub account: Option<AccountId>,
    /// The ticket in which it is spoken of.
    pub ticket: Option<i64>,
    /// Who brings it up.
    pub source: Source,
    /// What it is, in a line.
    pub title: String,
    /// What happens.
    pub description: String,
    /// When it is made.
    pub reported_at: Timestamp,
}

/// A report with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// As it was made.
    pub new: NewReport,
    /// As its steps have left it.
    pub report: ErrorReport,
    /// Its steps, the first of them first; none in a list, where they could be hundreds of
    /// megabytes of text.
    pub steps: Vec<Taken>,
    /// The tries to reach its customer; none in a list.
    pub contacts: Vec<Attempt>,
}

/// A step that was taken.
pub type Taken = history::Taken<Step>;

/// The word of the first step.
const REPORTED: &str = "reported";

/// Makes a report with its first step. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account or ticket.
pub async fn insert(tx: &mut Tx, new: &NewReport, first: &Taken) -> Result<i64> {
    let sql = "INSERT INTO error_report (account_id, ticket_id, source, title, description,
                                         reported_at_us, steps, state)
               VALUES ($1, $2, $3, $4, $5, $6, 1, 'triaging') RETURNING id";
    let values = values![
        new.account,
        new.ticket,
        new.source.word(),
        &new.title,
        &new.description,
        new.reported_at
    ];
    let id = tx.query_one(sql, values).await?.get("id")?;
    insert_step(tx, id, 0, first).await?;
    Ok(id)
}

/// The report of this number, to be changed: who else wants to change it waits.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn take(tx: &mut Tx, id: i64) -> Result<Option<Kept>> {
    let sql = "UPDATE error_report SET steps = steps WHERE id = $1";
    if tx.execute(sql, values![id]).await? == 0 {
        return Ok(None);
    }
    find(tx, id).await
}

/// Keeps the step that was taken last by a report of [`take`], and how it left it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn keep(tx: &mut Tx, kept: &mut Kept, step: Taken) -> Result<()> {
    insert_step(tx, kept.id, kept.steps.len(), &step).await?;
    kept.steps.push(step);
    let report = &kept.report;
    let original = report.finding.as_ref().and_then(Finding::original);
    let sql = "UPDATE error_report SET state = $2, holder = $3, duplicate_of = $4, steps = $5
               WHERE id = $1";
    let (holder, count) = (report.holder.as_deref(), history::count(&kept.steps));
    tx.execute(sql, values![kept.id, report.state.word(), holder, original, count]).await?;
    Ok(())
}

async fn insert_step(tx: &mut Tx, id: i64, place: usize, taken: &Taken) -> Result<()> {
    let sql = "INSERT INTO error_report_step (error_report_id, n, step, side, at_us, actor, said,
                                              subject, whose, other, due_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let n = i64::try_from(place).unwrap_or(i64::MAX);
    let word = taken.step.as_ref().map_or(REPORTED, Step::word);
    let (mut subject, mut whose, mut other, mut due) = (None, None, None, None);
    match &taken.step {
        Some(Step::Found(finding)) => {
            subject = Some(finding.word().to_owned());
            whose = finding.whose().map(Whose::word);
            other = match finding {
                Finding::Outage(outage) => Some(*outage),
                finding => finding.original(),
            };
        }
        Some(Step::Assigned(name)) => subject = Some(name.clone()),
        Some(Step::Committed(at) | Step::Proposed(at) | Step::Asked(at)) => due = Some(*at),
        _ => {}
    }
    let Taken { side, at, actor, said, .. } = taken;
    let values = values![id, n, word, side.word(), *at, actor, said, subject, whose, other, due];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::ErrorReport(id, place), actor, *at);
    Ok(())
}

/// Keeps a try to reach the customer of a report.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_contact(tx: &mut Tx, id: i64, attempt: &Attempt) -> Result<()> {
    let sql = "INSERT INTO contact_attempt (error_report_id, at_us, actor, channel, address,
                                            result, note)
               VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let Attempt { at, actor, channel, address, outcome, note } = attempt;
    let values = values![id, *at, actor, channel.word(), address, outcome.word(), note];
    let number: i64 = tx.query_one(sql, values).await?.get("id")?;
    chain::attest(tx, Fact::Contact(number), actor, *at);
    Ok(())
}

/// The report of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, ticket_id, source, title, description, reported_at_us
               FROM error_report WHERE id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// The reports of an account before number `before`, or all of them, without what was said in them:
/// the newest first, at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Kept>> {
    let before = before.unwrap_or(i64::MAX);
    let rows = if let Some(account) = account {
        let sql = "SELECT id, account_id, ticket_id, source, title, description,
                              reported_at_us
                       FROM error_report WHERE account_id = $1 AND id < $2
                       ORDER BY id DESC LIMIT $3";
        reads.query(sql, values![account, before, limit]).await?
    } else {
        let sql = "SELECT id, account_id, ticket_id, source, title, description,
                              reported_at_us
                       FROM error_report WHERE id < $1 ORDER BY id DESC LIMIT $2";
        reads.query(sql, values![before, limit]).await?
    };
    all_listed(reads, rows).await
}

/// The reports of which a clock runs, after number `after`, without what was said in them and
/// without those of sandboxes, for which nobody works: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn running(reads: &mut impl Queries, after: i64, limit: u32) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, ticket_id, source, title, description, reported_at_us
               FROM error_report
               WHERE state IN ('triaging', 'fixing', 'fixed', 'structural', 'committed')
                     AND id > $1
                     AND NOT EXISTS (SELECT 1 FROM account a
                                     WHERE a.id = error_report.account_id
                                           AND a.sandbox_of IS NOT NULL)
               ORDER BY id LIMIT $2";
    let rows = reads.query(sql, values![after, limit]).await?;
    all_listed(reads, rows).await
}

/// The numbers of the reports that are fixed with this one, and stand there.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn duplicates(reads: &mut impl Queries, original: i64, state: State) -> Result<Vec<i64>> {
    let sql = "SELECT id FROM error_report WHERE duplicate_of = $1 AND state = $2 ORDER BY id";
    let rows = reads.query(sql, values![original, state.word()]).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// How many reports of an account are worked on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn open(reads: &mut impl Queries, account: AccountId) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS reports FROM error_report
               WHERE account_id = $1
                     AND state IN ('triaging', 'fixing', 'structural', 'committed')";
    reads.query_one(sql, values![account]).await?.get("reports")
}

async fn all_listed(reads: &mut impl Queries, rows: Vec<Row>) -> Result<Vec<Kept>> {
    let mut reports = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: i64 = row.get("id")?;
        // The rules ask of a text only whether it is there.
        let sql = "SELECT error_report_id, step, side, at_us, actor,
                          CASE WHEN said = '' THEN '' ELSE '-' END AS said, subject, whose, other,
                          due_us
                   FROM error_report_step WHERE error_report_id = $1 ORDER BY n";
        let steps = reads.query(sql, values![id]).await?;
        let steps = steps.iter().map(taken).collect::<Result<Vec<Taken>>>()?;
        let report = row.parse("title", |_| again(id, &steps))?;
        let (steps, contacts) = (Vec::new(), Vec::new());
        reports.push(Kept { id, new: new(row)?, report, steps, contacts });
    }
    Ok(reports)
}

async fn kept(reads: &mut impl Queries, row: &Row) -> Result<Kept> {
    let id: i64 = row.get("id")?;
    let sql = "SELECT error_report_id, step, side, at_us, actor, said, subject, whose, other,
                      due_us
               FROM error_report_step WHERE error_report_id = $1 ORDER BY n";
    let rows = reads.query(sql, values![id]).await?;
    let steps = rows.iter().map(taken).collect::<Result<Vec<Taken>>>()?;
    let sql = "SELECT error_report_id, at_us, actor, channel, address, result, note
               FROM contact_attempt WHERE error_report_id = $1 ORDER BY id";
    let rows = reads.query(sql, values![id]).await?;
    let contacts = rows.iter().map(contact).collect::<Result<_>>()?;
    // What was kept is gone through again by the rules; what does not follow is corrupt.
    let report = row.parse("title", |_| again(id, &steps))?;
    Ok(Kept { id, new: new(row)?, report, steps, contacts })
}

fn new(row: &Row) -> Result<NewReport> {
    Ok(NewReport {
        account: row.get("account_id")?,
        ticket: row.get("ticket_id")?,
        source: row.parse("source", Source::parse)?,
        title: row.get("title")?,
        description: row.get("description")?,
        reported_at: row.get("reported_at_us")?,
    })
}

fn taken(row: &Row) -> Result<Taken> {
    let said: String = row.get("said")?;
    let subject: Option<String> = row.get("subject")?;
    let whose: Option<String> = row.get("whose")?;
    let (other, due) = (row.get("other")?, row.get("due_us")?);
    let whose = whose.as_deref().and_then(Whose::parse);
    let told = Told { said: &said, subject: subject.as_deref(), whose, other, due };
    Taken::read(row, REPORTED, |word| step(word, &told))
}

/// What a row says beside its word.
struct Told<'a> {
    said: &'a str,
    subject: Option<&'a str>,
    whose: Option<Whose>,
    other: Option<i64>,
    due: Option<Timestamp>,
}

fn step(word: &str, told: &Told<'_>) -> Option<Step> {
    let said = || told.said.to_owned();
    Some(match word {
        "found" => Step::Found(finding(told)?),
        "fixed" => Step::Fixed,
        "verified" => Step::Verified,
        "not_verified" => Step::NotVerified(said()),
        "committed" => Step::Committed(told.due?),
        "proposed" => Step::Proposed(told.due?),
        "agreed" => Step::Agreed,
        "delivered" => Step::Delivered(said()),
        "accepted" => Step::Accepted,
        "rejected" => Step::Rejected(said()),
        "reopened" => Step::Reopened,
        "paused" => Step::Paused,
        "resumed" => Step::Resumed,
        "asked" => Step::Asked(told.due?),
        "provided" => Step::Provided,
        "assigned" => Step::Assigned(told.subject?.to_owned()),
        _ => return None,
    })
}

fn finding(told: &Told<'_>) -> Option<Finding> {
    Some(match told.subject? {
        "not_ours" => Finding::NotOurs(told.whose?, told.said.to_owned()),
        "question" => Finding::Question,
        "minor" => Finding::Minor,
        "structural" => Finding::Structural,
        "outage" => Finding::Outage(told.other.unwrap_or(0)),
        "duplicate" => Finding::DuplicateOf(told.other?),
        "structural_duplicate" => Finding::SameWorkAs(told.other?),
        _ => return None,
    })
}

fn contact(row: &Row) -> Result<Attempt> {
    Ok(Attempt {
        at: row.get("at_us")?,
        actor: row.get("actor")?,
        channel: row.parse("channel", Channel::parse)?,
        address: row.get("address")?,
        outcome: row.parse("result", Outcome::parse)?,
        note: row.get("note")?,
    })
}

/// Goes through a report's steps again; `None` when they do not follow each other.
fn again(id: i64, steps: &[Taken]) -> Option<ErrorReport> {
    let (first, later) = steps.split_first()?;
    let mut report = ErrorReport::new(id, first.at);
    for taken in later {
        report.take(taken.step.as_ref()?, taken.at).ok()?;
    }
    first.step.is_none().then_some(report)
}

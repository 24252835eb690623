//! Claims: filed once under the client's key, then only gone on with, step by step.

use domain::agreement::claim::{Claim, Decision, MEMBERS_MIN, Member, Outcome, Seat, State, Track};
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A claim to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClaim {
    /// Whose.
    pub account: AccountId,
    /// What it is about.
    pub track: Track,
    /// When that happened.
    pub event_at: Timestamp,
    /// What the customer says.
    pub statement: String,
    /// Why it is taken though it is late.
    pub late_reason: Option<String>,
}

/// A claim with everything that was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub account: AccountId,
    /// What it is about.
    pub track: Track,
    /// When that happened.
    pub event_at: Timestamp,
    /// What the customer says.
    pub statement: String,
    /// Why it was taken though it was late.
    pub late_reason: Option<String>,
    /// As its steps have left it.
    pub claim: Claim,
    /// Its steps, the first of them first; never none.
    pub steps: Vec<Step>,
}

/// A step that a claim went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where to.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What was said; may be empty.
    pub note: String,
}

/// Files a claim with its first step. `None`: there is one under this key.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, new: &NewClaim, first: &Step) -> Result<i64> {
    let sql = "INSERT INTO claim (account_id, track, event_at_us, statement, late_reason)
               VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let values = values![
        new.account,
        new.track.word(),
        new.event_at,
        &new.statement,
        new.late_reason.as_deref()
    ];
    let id = tx.query_one(sql, values).await?.get("id")?;
    insert_step(tx, id, 0, first).await?;
    Ok(id)
}

/// Adds the step of this place to a claim.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when it has another one there.
pub async fn insert_step(tx: &mut Tx, id: i64, n: usize, step: &Step) -> Result<()> {
    let sql = "INSERT INTO claim_step (claim_id, n, step, at_us, actor, note)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let place = i64::try_from(n).unwrap_or(i64::MAX);
    tx.execute(sql, values![id, place, step.state.word(), step.at, &step.actor, &step.note])
        .await?;
    chain::attest(tx, Fact::Claim(id, n), &step.actor, step.at);
    Ok(())
}

/// Notes who handled a case; again is all the same.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_handler(tx: &mut Tx, id: i64, name: &str) -> Result<()> {
    let sql = "INSERT INTO claim_handler (claim_id, name) VALUES ($1, $2)
               ON CONFLICT (claim_id, name) DO NOTHING";
    tx.execute(sql, values![id, name]).await?;
    Ok(())
}

/// Something that somebody handled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handled {
    /// Who.
    pub name: String,
    /// What kind of thing.
    pub kind: String,
    /// Its number.
    pub id: i64,
}

/// Who did, or was given, anything of the tickets, error reports, remote help and calls to the line
/// that an account had within a time: of all that was there by its end and was not over before
/// it, at any time. At most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn handled(
    reads: &mut impl Queries,
    account: AccountId,
    time: Span,
    limit: u32,
) -> Result<Vec<Handled>> {
    let sql = "SELECT CASE WHEN s.step = 'assigned' THEN s.subject ELSE s.actor END AS name,
                      'ticket' AS kind, t.id AS id
               FROM ticket t JOIN ticket_step s ON s.ticket_id = t.id
               WHERE t.account_id = $1 AND t.opened_at_us < $3 AND s.side = 'staff'
                     AND (t.turn_since_us IS NOT NULL
                          OR EXISTS (SELECT 1 FROM ticket_step l
                                     WHERE l.ticket_id = t.id AND l.at_us >= $2))
               UNION
               SELECT CASE WHEN s.step = 'assigned' THEN s.subject ELSE s.actor END AS name,
                      'error report' AS kind, r.id AS id
               FROM error_report r JOIN error_report_step s ON s.error_report_id = r.id
               WHERE r.account_id = $1 AND r.reported_at_us < $3 AND s.side = 'staff'
                     AND (r.state IN ('triaging', 'fixing', 'fixed', 'structural', 'committed')
                          OR EXISTS (SELECT 1 FROM error_report_step l
                                     WHERE l.error_report_id = r.id AND l.at_us >= $2))
               UNION
               SELECT r.expert AS name, 'remote session' AS kind, r.id AS id
               FROM remote_session r
               WHERE r.account_id = $1
                     AND EXISTS (SELECT 1 FROM remote_session_step l
                                 WHERE l.remote_session_id = r.id AND l.at_us < $3)
                     AND EXISTS (SELECT 1 FROM remote_session_step l
                                 WHERE l.remote_session_id = r.id AND l.at_us >= $2)
               UNION
               SELECT s.actor AS name, 'support call' AS kind, c.id AS id
               FROM support_call c JOIN support_call_step s ON s.support_call_id = c.id
               WHERE c.account_id = $1 AND c.joined_at_us < $3
                     AND (c.owed_since_us IS NOT NULL
                          OR EXISTS (SELECT 1 FROM support_call_step l
                                     WHERE l.support_call_id = c.id AND l.at_us >= $2))
               ORDER BY name, kind, id LIMIT $4";
    let handled = |row: &Row| {
        Ok(Handled { name: row.get("name")?, kind: row.get("kind")?, id: row.get("id")? })
    };
    let values = values![account, time.from, time.to, limit];
    reads.query(sql, values).await?.iter().map(handled).collect()
}

/// Keeps a member of the committee of a round.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when it is in it.
pub async fn insert_member(tx: &mut Tx, id: i64, round: usize, member: &Member) -> Result<()> {
    let sql = "INSERT INTO claim_member (claim_id, round, name, seat) VALUES ($1, $2, $3, $4)";
    let round = i64::try_from(round).unwrap_or(i64::MAX);
    tx.execute(sql, values![id, round, &member.name, member.seat.word()]).await?;
    Ok(())
}

/// Another one sits instead of a member of the committee of a round.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when it is in it.
pub async fn replace_member(
    tx: &mut Tx,
    id: i64,
    round: usize,
    (gone, by): (&str, &str),
) -> Result<()> {
    let sql = "UPDATE claim_member SET name = $4 WHERE claim_id = $1 AND round = $2 AND name = $3";
    let round = i64::try_from(round).unwrap_or(i64::MAX);
    tx.execute(sql, values![id, round, gone, by]).await?;
    Ok(())
}

/// Keeps the decision of a round with its votes.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when the round is decided.
pub async fn insert_decision(
    tx: &mut Tx,
    id: i64,
    round: usize,
    decision: &Decision,
) -> Result<()> {
    let sql = "INSERT INTO claim_decision (claim_id, round, outcome, amount_rials, method, reasons)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let place = i64::try_from(round).unwrap_or(i64::MAX);
    let values = values![
        id,
        place,
        decision.outcome.word(),
        decision.amount,
        decision.method.as_deref(),
        &decision.reasons
    ];
    tx.execute(sql, values).await?;
    for (name, agrees) in &decision.votes {
        let sql = "UPDATE claim_member SET vote = $4
                   WHERE claim_id = $1 AND round = $2 AND name = $3";
        tx.execute(sql, values![id, place, name, i64::from(*agrees)]).await?;
    }
    chain::attest(tx, Fact::ClaimDecision(id, round), COMMITTEE, decision.at);
    Ok(())
}

/// Who decides, in the chain of evidence.
const COMMITTEE: &str = "committee";

/// The claim of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, track, event_at_us, statement, late_reason FROM claim
               WHERE id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// The claims of an account before number `before`, or of everybody: the newest first, at most
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
    let sql = "SELECT id, account_id, track, event_at_us, statement, late_reason FROM claim
               WHERE (CAST($1 AS BIGINT) = 0 OR account_id = $1) AND id < $2
               ORDER BY id DESC LIMIT $3";
    let account = account.unwrap_or(AccountId(0));
    let rows = reads.query(sql, values![account, before.unwrap_or(i64::MAX), limit]).await?;
    let mut claims = Vec::with_capacity(rows.len());
    for row in &rows {
        claims.push(kept(reads, row).await?);
    }
    Ok(claims)
}

/// The claims of an account that were decided, for what happened within a time: by number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn decided_within(
    reads: &mut impl Queries,
    account: AccountId,
    time: Span,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, track, event_at_us, statement, late_reason FROM claim c
               WHERE account_id = $1 AND event_at_us >= $2 AND event_at_us < $3
                     AND EXISTS (SELECT 1 FROM claim_decision d WHERE d.claim_id = c.id)
               ORDER BY id";
    let rows = reads.query(sql, values![account, time.from, time.to]).await?;
    let mut claims = Vec::with_capacity(rows.len());
    for row in &rows {
        claims.push(kept(reads, row).await?);
    }
    Ok(claims)
}

/// The claims that are to be decided, after number `after`: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn undecided(reads: &mut impl Queries, after: i64, limit: u32) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, track, event_at_us, statement, late_reason FROM claim c
               WHERE id > $1
                     AND (SELECT s.step FROM claim_step s WHERE s.claim_id = c.id
                          ORDER BY s.n DESC LIMIT 1)
                         IN ('complete', 'under_review', 'evidence_asked', 'appealed')
               ORDER BY id LIMIT $2";
    let rows = reads.query(sql, values![after, limit]).await?;
    let mut claims = Vec::with_capacity(rows.len());
    for row in &rows {
        claims.push(kept(reads, row).await?);
    }
    Ok(claims)
}

/// How many claims of an account are neither settled nor withdrawn.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn open(reads: &mut impl Queries, account: AccountId) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS claims FROM claim c
               WHERE account_id = $1
                     AND NOT EXISTS (SELECT 1 FROM claim_step s
                                     WHERE s.claim_id = c.id
                                           AND s.step IN ('settled', 'withdrawn'))";
    reads.query_one(sql, values![account]).await?.get("claims")
}

async fn kept(reads: &mut impl Queries, row: &Row) -> Result<Kept> {
    let id: i64 = row.get("id")?;
    let steps = steps(reads, id).await?;
    let handlers = handlers(reads, id).await?;
    let members = members(reads, id).await?;
    let decisions = decisions(reads, id).await?;
    // What was kept is gone through again by the rules; what does not follow is corrupt.
    let claim =
        row.parse("statement", |_| again(&steps, handlers.clone(), &members, &decisions))?;
    Ok(Kept {
        id,
        account: row.get("account_id")?,
        track: row.parse("track", Track::parse)?,
        event_at: row.get("event_at_us")?,
        statement: row.get("statement")?,
        late_reason: row.get("late_reason")?,
        claim,
        steps,
    })
}

async fn steps(reads: &mut impl Queries, id: i64) -> Result<Vec<Step>> {
    let sql = "SELECT claim_id, step, at_us, actor, note FROM claim_step
               WHERE claim_id = $1 ORDER BY n";
    let step = |row: &Row| {
        Ok(Step {
            state: row.parse("step", State::parse)?,
            at: row.get("at_us")?,
            actor: row.get("actor")?,
            note: row.get("note")?,
        })
    };
    reads.query(sql, values![id]).await?.iter().map(step).collect()
}

async fn handlers(reads: &mut impl Queries, id: i64) -> Result<Vec<String>> {
    let sql = "SELECT claim_id, name FROM claim_handler WHERE claim_id = $1 ORDER BY name";
    reads.query(sql, values![id]).await?.iter().map(|row| row.get("name")).collect()
}

/// A member of a round, and its vote.
type Seated = (usize, Member, Option<bool>);

async fn members(reads: &mut impl Queries, id: i64) -> Result<Vec<Seated>> {
    let sql = "SELECT claim_id, round, name, seat, vote FROM claim_member
               WHERE claim_id = $1 ORDER BY round, name";
    let member = |row: &Row| {
        let round = row.decode("round", |round| usize::try_from(round).ok())?;
        let vote: Option<i64> = row.get("vote")?;
        let member = Member { name: row.get("name")?, seat: row.parse("seat", Seat::parse)? };
        Ok((round, member, vote.map(|vote| vote != 0)))
    };
    reads.query(sql, values![id]).await?.iter().map(member).collect()
}

/// What a round decided, without its votes.
type Decided = (Outcome, Option<Rials>, Option<String>, String);

async fn decisions(reads: &mut impl Queries, id: i64) -> Result<Vec<Decided>> {
    let sql = "SELECT claim_id, outcome, amount_rials, method, reasons FROM claim_decision
               WHERE claim_id = $1 ORDER BY round";
    let decided = |row: &Row| {
        let outcome = row.parse("outcome", Outcome::parse)?;
        Ok((outcome, row.get("amount_rials")?, row.get("method")?, row.get("reasons")?))
    };
    reads.query(sql, values![id]).await?.iter().map(decided).collect()
}

/// Goes through a claim's steps again; `None` when they do not follow each other.
fn again(
    steps: &[Step],
    handlers: Vec<String>,
    members: &[Seated],
    decisions: &[Decided],
) -> Option<Claim> {
    let (first, later) = steps.split_first()?;
    let mut claim = Claim::filed(handlers);
    for step in later {
        let round = claim.decisions().len();
        let seated = members.iter().filter(|(of, ..)| *of == round);
        match (claim.state(), step.state) {
            (State::Complete | State::Appealed, State::UnderReview) => {
                // An agreement that asks for more members was kept to when it was given to them.
                let members = seated.map(|(_, member, _)| member.clone()).collect();
                claim.assign(members, MEMBERS_MIN).ok()?;
            }
            (State::UnderReview, State::Decided) => {
                let (outcome, amount, method, reasons) = decisions.get(round)?.clone();
                let votes = seated.map(|(_, member, vote)| Some((member.name.clone(), (*vote)?)));
                let votes = votes.collect::<Option<_>>()?;
                let decision = Decision { outcome, amount, method, reasons, votes, at: step.at };
                claim.decide(decision).ok()?;
            }
            // A member was replaced, as the note says.
            (State::UnderReview, State::UnderReview)
            | (State::EvidenceAsked, State::EvidenceAsked) => {}
            (_, next) => claim.step(next).ok()?,
        }
    }
    (first.state == State::Filed).then_some(claim)
}

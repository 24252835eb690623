//! Plans and subscriptions. A plan is only retired; a subscription only gets further states.

use std::iter::Peekable;
use std::vec::IntoIter;

use domain::agreement::scope::Paths;
use domain::billing::plan_change::{Decided, Term};
use domain::billing::subscription::{Plan, State};
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Rials, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A plan as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPlan {
    /// Its number.
    pub id: i64,
    /// What it says.
    pub plan: Plan,
    /// Since when nobody new gets it.
    pub retired_at: Option<Timestamp>,
    /// Since when all may take it by themselves.
    pub offered_at: Option<Timestamp>,
}

/// A subscription with its plan and everything that it went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub account: AccountId,
    /// The plans that were decided on, the first of them first; never none.
    pub plans: Vec<Change>,
    /// The first month that is paid for.
    pub first: PersianMonth,
    /// Its states, the first of them first; never none.
    pub steps: Vec<Step>,
}

/// A plan that a subscription has from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The number of the plan.
    pub plan_id: i64,
    /// What it says, from when on, and which month its periods are counted from.
    pub term: Term,
    /// What is asked for the rest of the period in which it came.
    pub rest: Rials,
    /// When and by whom it was decided; the first came with the subscription.
    pub decided: Option<(Timestamp, String)>,
}

/// A state that a subscription got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// From whom.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
}

impl Subscription {
    /// Where it stands.
    pub fn state(&self) -> State {
        self.steps.last().expect("a subscription is made with its first state").state
    }

    /// What it has and had, in the order of decisions.
    pub fn terms(&self) -> Vec<Term> {
        self.plans.iter().map(|change| change.term.clone()).collect()
    }

    /// The plan that holds at a moment, as it was decided.
    pub fn plan_at(&self, at: Timestamp) -> &Change {
        let begun = self.plans.iter().rfind(|change| change.term.from <= at);
        begun.unwrap_or_else(|| &self.plans[0])
    }

    /// What a month is known by: what holds at its end.
    pub fn plan_of(&self, month: PersianMonth) -> &Term {
        &self.plan_at(month.end().plus_us(-1)).term
    }

    /// Its states with their moments.
    pub fn history(&self) -> Vec<(State, Timestamp)> {
        self.steps.iter().map(|step| (step.state, step.at)).collect()
    }
}

/// Adds a plan. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_plan(tx: &mut Tx, plan: &Plan, at: Timestamp) -> Result<i64> {
    let sql = "INSERT INTO plan (name, paths, months, price_rials, tax_bp, due_days, grace_days,
                                 created_at_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    let values = values![
        &plan.name,
        &plan.paths.to_string(),
        u32::from(plan.months),
        plan.price,
        plan.tax_bp,
        plan.due_days,
        plan.grace_days,
        at
    ];
    tx.query_one(sql, values).await?.get("id")
}

/// Retires a plan. `false`: there is none of that number that is not retired.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn retire_plan(tx: &mut Tx, id: i64, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE plan SET retired_at_us = $2 WHERE id = $1 AND retired_at_us IS NULL";
    Ok(tx.execute(sql, values![id, at]).await? == 1)
}

/// Offers a plan to all since a moment, or no longer. `false`: there is none of that number that is
/// not retired.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn offer_plan(tx: &mut Tx, id: i64, since: Option<Timestamp>) -> Result<bool> {
    let sql = "UPDATE plan SET offered_at_us = $2 WHERE id = $1 AND retired_at_us IS NULL";
    Ok(tx.execute(sql, values![id, since]).await? == 1)
}

/// Every plan, by number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn plans(reads: &mut impl Queries) -> Result<Vec<KeptPlan>> {
    let sql = "SELECT id, name, paths, months, price_rials, tax_bp, due_days, grace_days,
                      retired_at_us, offered_at_us
               FROM plan ORDER BY id";
    let kept = |row: &Row| {
        let (retired_at, offered_at) = (row.get("retired_at_us")?, row.get("offered_at_us")?);
        Ok(KeptPlan { id: row.get("id")?, plan: plan(row)?, retired_at, offered_at })
    };
    reads.query(sql, values![]).await?.iter().map(kept).collect()
}

fn plan(row: &Row) -> Result<Plan> {
    Ok(Plan {
        name: row.get("name")?,
        paths: row.parse("paths", Paths::parse)?,
        months: row.get("months")?,
        price: row.get("price_rials")?,
        tax_bp: row.get("tax_bp")?,
        due_days: row.get("due_days")?,
        grace_days: row.get("grace_days")?,
    })
}

/// Adds the plan of this place to a subscription.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when it has another one there.
pub async fn insert_change(
    tx: &mut Tx,
    id: i64,
    place: usize,
    plan_id: i64,
    (decided, at, actor): (&Decided, Timestamp, &str),
) -> Result<()> {
    let sql = "INSERT INTO plan_change (subscription_id, n, plan_id, from_us, first_month,
                                        rest_rials, decided_at_us, actor)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let n = i64::try_from(place).unwrap_or(i64::MAX);
    let Decided { term, rest } = decided;
    let first = term.first.to_string();
    let values = values![id, n, plan_id, term.from, &first, *rest, at, actor];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::PlanChange(id, place), actor, at);
    Ok(())
}

/// What is asked for the rests of periods of a subscription, of changes before a moment, and stands
/// on no invoice, or only on voided ones: the place of each change with its amount.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn rests(
    reads: &mut impl Queries,
    id: i64,
    before: Timestamp,
) -> Result<Vec<(i64, Rials)>> {
    let sql = "SELECT c.subscription_id AS id, c.n AS n, c.rest_rials AS rest_rials
               FROM plan_change c
               WHERE c.subscription_id = $1 AND c.rest_rials > 0 AND c.from_us < $2
                     AND NOT EXISTS (SELECT 1 FROM invoice_line l
                                     JOIN invoice i ON i.id = l.invoice_id
                                     WHERE i.subscription_id = c.subscription_id
                                           AND l.change_n = c.n AND i.voided_at_us IS NULL)
               ORDER BY c.n";
    let rest = |row: &Row| Ok((row.get("n")?, row.get("rest_rials")?));
    reads.query(sql, values![id, before]).await?.iter().map(rest).collect()
}

/// Makes a subscription. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account or plan.
pub async fn insert(
    tx: &mut Tx,
    account: AccountId,
    plan_id: i64,
    first: PersianMonth,
    step: &Step,
) -> Result<i64> {
    let sql = "INSERT INTO subscription (account_id, plan_id, first_month)
               VALUES ($1, $2, $3) RETURNING id";
    let id = tx.query_one(sql, values![account, plan_id, &first.to_string()]).await?.get("id")?;
    insert_step(tx, id, 0, step).await?;
    Ok(id)
}

/// Adds the state of this place to a subscription.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when it has another one there.
pub async fn insert_step(tx: &mut Tx, id: i64, place: usize, step: &Step) -> Result<()> {
    let sql = "INSERT INTO subscription_state (subscription_id, n, state, at_us, actor, reason)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let n = i64::try_from(place).unwrap_or(i64::MAX);
    let values = values![id, n, step.state.word(), step.at, &step.actor, &step.reason];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::Subscription(id, place), &step.actor, step.at);
    Ok(())
}

/// Lets nobody else lock a subscription until the transaction ends. What is read after that sees
/// what those did who had it before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock(tx: &mut Tx, id: i64) -> Result<()> {
    tx.execute("UPDATE subscription SET plan_id = plan_id WHERE id = $1", values![id]).await?;
    Ok(())
}

/// The subscription of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Subscription>> {
    let sql = "SELECT s.id AS id, s.account_id AS account_id, s.plan_id AS plan_id,
                      s.first_month AS first_month, p.name AS name, p.paths AS paths,
                      p.months AS months, p.price_rials AS price_rials, p.tax_bp AS tax_bp,
                      p.due_days AS due_days, p.grace_days AS grace_days
               FROM subscription s JOIN plan p ON p.id = s.plan_id WHERE s.id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => {
            let steps = steps(reads, id, id).await?;
            let changes = changes(reads, id, id).await?;
            Ok(subscriptions(&[row], steps, changes)?.pop())
        }
    }
}

/// The subscriptions of the accounts from one to another, by number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_accounts(
    reads: &mut impl Queries,
    first: AccountId,
    last: AccountId,
) -> Result<Vec<Subscription>> {
    let sql = "SELECT s.id AS id, s.account_id AS account_id, s.plan_id AS plan_id,
                      s.first_month AS first_month, p.name AS name, p.paths AS paths,
                      p.months AS months, p.price_rials AS price_rials, p.tax_bp AS tax_bp,
                      p.due_days AS due_days, p.grace_days AS grace_days
               FROM subscription s JOIN plan p ON p.id = s.plan_id
               WHERE s.account_id BETWEEN $1 AND $2 ORDER BY s.id";
    let rows = reads.query(sql, values![first, last]).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT t.subscription_id AS subscription_id, t.n AS n, t.state AS state,
                      t.at_us AS at_us, t.actor AS actor, t.reason AS reason
               FROM subscription_state t JOIN subscription s ON s.id = t.subscription_id
               WHERE s.account_id BETWEEN $1 AND $2 ORDER BY t.subscription_id, t.n";
    let steps = reads.query(sql, values![first, last]).await?;
    let steps = steps.iter().map(step).collect::<Result<Vec<_>>>()?;
    let sql = "SELECT c.subscription_id AS subscription_id, c.n AS n, c.plan_id AS plan_id,
                      c.from_us AS from_us, c.first_month AS first_month,
                      c.rest_rials AS rest_rials, c.decided_at_us AS decided_at_us,
                      c.actor AS actor, p.name AS name, p.paths AS paths, p.months AS months,
                      p.price_rials AS price_rials, p.tax_bp AS tax_bp, p.due_days AS due_days,
                      p.grace_days AS grace_days
               FROM plan_change c JOIN plan p ON p.id = c.plan_id
               JOIN subscription s ON s.id = c.subscription_id
               WHERE s.account_id BETWEEN $1 AND $2 ORDER BY c.subscription_id, c.n";
    let changes = reads.query(sql, values![first, last]).await?;
    let changes = changes.iter().map(change).collect::<Result<Vec<_>>>()?;
    subscriptions(&rows, steps, changes)
}

/// The subscriptions after number `after` that may be billed and have no invoice of this month: at
/// most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn without_invoice(
    reads: &mut impl Queries,
    month: PersianMonth,
    after: i64,
    limit: u32,
) -> Result<Vec<Subscription>> {
    let sql = "SELECT s.id AS id, s.account_id AS account_id, s.plan_id AS plan_id,
                      s.first_month AS first_month, p.name AS name, p.paths AS paths,
                      p.months AS months, p.price_rials AS price_rials, p.tax_bp AS tax_bp,
                      p.due_days AS due_days, p.grace_days AS grace_days
               FROM subscription s JOIN plan p ON p.id = s.plan_id
               WHERE s.id > $2 AND s.first_month <= $1
                     AND NOT EXISTS (SELECT 1 FROM invoice i
                                     WHERE i.subscription_id = s.id AND i.month = $1)
                     AND NOT EXISTS (SELECT 1 FROM subscription_state t
                                     WHERE t.subscription_id = s.id AND t.state = 'ended')
               ORDER BY s.id LIMIT $3";
    let rows = reads.query(sql, values![&month.to_string(), after, limit]).await?;
    let ids = rows.iter().map(|row| row.get("id")).collect::<Result<Vec<i64>>>()?;
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(Vec::new()) };
    let steps = steps(reads, *first, *last).await?;
    let changes = changes(reads, *first, *last).await?;
    subscriptions(&rows, steps, changes)
}

async fn changes(reads: &mut impl Queries, first: i64, last: i64) -> Result<Vec<(i64, Change)>> {
    let sql = "SELECT c.subscription_id AS subscription_id, c.n AS n, c.plan_id AS plan_id,
                      c.from_us AS from_us, c.first_month AS first_month,
                      c.rest_rials AS rest_rials, c.decided_at_us AS decided_at_us,
                      c.actor AS actor, p.name AS name, p.paths AS paths, p.months AS months,
                      p.price_rials AS price_rials, p.tax_bp AS tax_bp, p.due_days AS due_days,
                      p.grace_days AS grace_days
               FROM plan_change c JOIN plan p ON p.id = c.plan_id
               WHERE c.subscription_id BETWEEN $1 AND $2 ORDER BY c.subscription_id, c.n";
    reads.query(sql, values![first, last]).await?.iter().map(change).collect()
}

fn change(row: &Row) -> Result<(i64, Change)> {
    let first = row.parse("first_month", PersianMonth::parse)?;
    let change = Change {
        plan_id: row.get("plan_id")?,
        term: Term { plan: plan(row)?, from: row.get("from_us")?, first },
        rest: row.get("rest_rials")?,
        decided: Some((row.get("decided_at_us")?, row.get("actor")?)),
    };
    Ok((row.get("subscription_id")?, change))
}

async fn steps(reads: &mut impl Queries, first: i64, last: i64) -> Result<Vec<(i64, Step)>> {
    let sql = "SELECT subscription_id, n, state, at_us, actor, reason FROM subscription_state
               WHERE subscription_id BETWEEN $1 AND $2 ORDER BY subscription_id, n";
    reads.query(sql, values![first, last]).await?.iter().map(step).collect()
}

fn step(row: &Row) -> Result<(i64, Step)> {
    let step = Step {
        state: row.parse("state", State::parse)?,
        at: row.get("at_us")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
    };
    Ok((row.get("subscription_id")?, step))
}

/// Puts rows, steps and changes together, all in the order of the numbers.
fn subscriptions(
    rows: &[Row],
    steps: Vec<(i64, Step)>,
    changes: Vec<(i64, Change)>,
) -> Result<Vec<Subscription>> {
    let (mut steps, mut changes) = (steps.into_iter().peekable(), changes.into_iter().peekable());
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let id: i64 = row.get("id")?;
        let steps = of(id, &mut steps);
        let first = row
            .parse("first_month", |text| PersianMonth::parse(text).filter(|_| !steps.is_empty()))?;
        let term = Term { plan: plan(row)?, from: Timestamp(i64::MIN), first };
        let plan_id = row.get("plan_id")?;
        let mut plans = vec![Change { plan_id, term, rest: Rials::ZERO, decided: None }];
        plans.extend(of(id, &mut changes));
        all.push(Subscription { id, account: row.get("account_id")?, plans, first, steps });
    }
    Ok(all)
}

/// Those of one subscription, which are next, without those of others before it.
fn of<T>(id: i64, all: &mut Peekable<IntoIter<(i64, T)>>) -> Vec<T> {
    let mut mine = Vec::new();
    while let Some((of, one)) = all.next_if(|(of, _)| *of <= id) {
        if of == id {
            mine.push(one);
        }
    }
    mine
}

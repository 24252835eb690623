//! Plans and subscriptions, as the operator keeps them.

use domain::billing::plan_change::{Decided, Refusal, When, decide};
use domain::billing::subscription::{Plan, PlanRefusal, State};
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Timestamp};
use store::Tx;
pub use store::subscription::{Change, KeptPlan, Step, Subscription};

use crate::{App, Error, Failure, Result, request};

/// Longest name of a person, or reason, bytes.
pub const TEXT_MAX: usize = 2000;

/// Why nothing was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionRefusal {
    /// The rules of plans speak against it.
    Plan(PlanRefusal),
    /// There is no plan of that number, or it is retired.
    NoSuchPlan,
    /// There is no such account.
    NoSuchAccount,
    /// There is no subscription of that number.
    NoSuchSubscription,
    /// It begins with a month that is over.
    Past,
    /// It is over, or nothing is promised in it now.
    WrongState,
    /// The rules of changes of plans speak against it.
    Change(Refusal),
    /// A text is missing or too long.
    Text(&'static str),
    /// Something else happened to it at this moment.
    Meanwhile,
}

/// Adds a plan, which staff gives to accounts. The answer is its number.
///
/// # Errors
/// Refused as [`SubscriptionRefusal`] says.
pub async fn add_plan(app: &App, plan: &Plan) -> Result<i64, SubscriptionRefusal> {
    plan.validate().map_err(|rule| Error::Refused(SubscriptionRefusal::Plan(rule)))?;
    let now = app.now();
    app.write(async |tx| Ok(store::subscription::insert_plan(tx, plan, now).await?)).await
}

/// Offers a plan to all, who may take it by themselves, or no longer.
///
/// # Errors
/// Refused when there is none of that number, or it is retired.
pub async fn offer_plan(app: &App, id: i64, to_all: bool) -> Result<(), SubscriptionRefusal> {
    let since = to_all.then(|| app.now());
    app.write(async |tx| {
        if store::subscription::offer_plan(tx, id, since).await? {
            Ok(())
        } else {
            Err(Error::Refused(SubscriptionRefusal::NoSuchPlan))
        }
    })
    .await
}

/// Retires a plan: who has it keeps it.
///
/// # Errors
/// Refused when there is none of that number that is not retired.
pub async fn retire_plan(app: &App, id: i64) -> Result<(), SubscriptionRefusal> {
    let now = app.now();
    app.write(async |tx| {
        if store::subscription::retire_plan(tx, id, now).await? {
            Ok(())
        } else {
            Err(Error::Refused(SubscriptionRefusal::NoSuchPlan))
        }
    })
    .await
}

/// Every plan, by number.
///
/// # Errors
/// The database failed.
pub async fn plans(app: &App) -> std::result::Result<Vec<KeptPlan>, Failure> {
    Ok(store::subscription::plans(&mut app.read().await?).await?)
}

/// Subscribes an account to a plan, paid for from a month on. Until its first invoice it is on
/// trial. The answer is its number.
///
/// # Errors
/// Refused as [`SubscriptionRefusal`] says.
pub async fn start(
    app: &App,
    account: AccountId,
    plan: i64,
    first: PersianMonth,
    actor: &str,
) -> Result<i64, SubscriptionRefusal> {
    said(actor, "name")?;
    let now = app.now();
    if first < PersianMonth::of(now) {
        return Err(Error::Refused(SubscriptionRefusal::Past));
    }
    app.write(async |tx| {
        let plans = store::subscription::plans(tx).await?;
        if !plans.iter().any(|kept| kept.id == plan && kept.retired_at.is_none()) {
            return Err(Error::Refused(SubscriptionRefusal::NoSuchPlan));
        }
        if store::account::find(tx, account).await?.is_none() {
            return Err(Error::Refused(SubscriptionRefusal::NoSuchAccount));
        }
        let step = step(State::Trial, now, actor, "");
        Ok(store::subscription::insert(tx, account, plan, first, &step).await?)
    })
    .await
}

/// Gives a subscription that is in force another plan, now or when its next period begins; by the
/// account itself, of what is offered to all, or by staff. What was decided before and has not
/// begun is replaced.
///
/// # Errors
/// Refused as [`SubscriptionRefusal`] says.
pub async fn change_plan(
    app: &App,
    account: Option<AccountId>,
    id: i64,
    (plan, when): (i64, When),
    actor: &str,
) -> Result<Subscription, SubscriptionRefusal> {
    said(actor, "name")?;
    let now = app.now();
    let change = async |tx: &mut Tx| {
        // Of two who change it at once the later one changes what the other made of it.
        store::subscription::lock(tx, id).await?;
        let found = store::subscription::find(tx, id).await?;
        let found = found.filter(|one| account.is_none_or(|account| one.account == account));
        let mut found = found.ok_or(Error::Refused(SubscriptionRefusal::NoSuchSubscription))?;
        if !found.state().is_covered() {
            return Err(Error::Refused(SubscriptionRefusal::WrongState));
        }
        // Who waited for another's decision comes after it, whatever the clock said before.
        let decisions = found.plans.iter().filter_map(|change| Some(change.decided.as_ref()?.0));
        let now = decisions.fold(now, Timestamp::max);
        let plans = store::subscription::plans(tx).await?;
        let is_free = |kept: &KeptPlan| account.is_none() || kept.offered_at.is_some();
        let offered = plans
            .into_iter()
            .find(|kept| kept.id == plan && kept.retired_at.is_none() && is_free(kept));
        let offered = offered.ok_or(Error::Refused(SubscriptionRefusal::NoSuchPlan))?;
        let decided = decide(&found.terms(), &offered.plan, when, now)
            .map_err(|refusal| Error::Refused(SubscriptionRefusal::Change(refusal)))?;
        let (place, by) = (found.plans.len(), (&decided, now, actor));
        store::subscription::insert_change(tx, id, place, plan, by).await.map_err(lost)?;
        let decided_by = Some((now, actor.to_owned()));
        let Decided { term, rest } = decided;
        found.plans.push(Change { plan_id: plan, term, rest, decided: decided_by });
        Ok(found)
    };
    request::write(app, |found: &Subscription| Some(found.id), change).await
}

/// Ends a subscription. What is owed to it has no next invoice: the committee decides how that is
/// paid (T148).
///
/// # Errors
/// Refused as [`SubscriptionRefusal`] says.
pub async fn end(app: &App, id: i64, actor: &str, reason: &str) -> Result<(), SubscriptionRefusal> {
    said(actor, "name")?;
    said(reason, "reason")?;
    let now = app.now();
    let ended = app.write(async |tx| {
        let found = store::subscription::find(tx, id).await?;
        let mut subscription =
            found.ok_or(Error::Refused(SubscriptionRefusal::NoSuchSubscription))?;
        if !subscription.state().may_become(State::Ended) {
            return Err(Error::Refused(SubscriptionRefusal::WrongState));
        }
        go(tx, &mut subscription, step(State::Ended, now, actor, reason)).await.map_err(lost)?;
        crate::credit::hand_over(tx, id, now).await.map_err(lost)
    });
    ended.await
}

/// The subscription of this number.
///
/// # Errors
/// The database failed.
pub async fn find(app: &App, id: i64) -> std::result::Result<Option<Subscription>, Failure> {
    Ok(store::subscription::find(&mut app.read().await?, id).await?)
}

/// The subscriptions of an account, by number.
///
/// # Errors
/// The database failed.
pub async fn of_account(
    app: &App,
    account: AccountId,
) -> std::result::Result<Vec<Subscription>, Failure> {
    Ok(store::subscription::of_accounts(&mut app.read().await?, account, account).await?)
}

/// Gives a subscription its next state, which must follow.
pub(crate) async fn go(
    tx: &mut Tx,
    subscription: &mut Subscription,
    step: Step,
) -> store::Result<()> {
    debug_assert!(subscription.state().may_become(step.state), "{step:?} does not follow");
    add(tx, subscription, step).await
}

/// Adds a state to a subscription, also one that was only learned of when it was over.
pub(crate) async fn add(
    tx: &mut Tx,
    subscription: &mut Subscription,
    step: Step,
) -> store::Result<()> {
    let place = subscription.steps.len();
    store::subscription::insert_step(tx, subscription.id, place, &step).await?;
    subscription.steps.push(step);
    Ok(())
}

pub(crate) fn step(state: State, at: Timestamp, actor: &str, reason: &str) -> Step {
    Step { state, at, actor: actor.to_owned(), reason: reason.to_owned() }
}

fn lost(error: store::Error) -> Error<SubscriptionRefusal> {
    match error {
        store::Error::Conflict(_) => Error::Refused(SubscriptionRefusal::Meanwhile),
        error => error.into(),
    }
}

fn said(text: &str, what: &'static str) -> Result<(), SubscriptionRefusal> {
    if !crate::error::is_said(text, TEXT_MAX) {
        return Err(Error::Refused(SubscriptionRefusal::Text(what)));
    }
    Ok(())
}

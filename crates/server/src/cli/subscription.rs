//! `avanak plan …` and `avanak subscription …`: what customers pay for by the month.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::subscription::{KeptPlan, Subscription as Kept, SubscriptionRefusal};
use clap::Subcommand;
use domain::billing::plan_change::{Refusal, When};
use domain::billing::subscription::{Plan as Offer, PlanRefusal};
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Rials, Timestamp};
use serde_json::json;

use super::{open, paths, say};
use crate::config::Config;

/// What can be done with plans. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Plan {
    /// Add a plan, for staff to give to accounts. It never changes: another price is another plan.
    Add {
        /// What it is called.
        name: String,
        /// What an invoice costs before discounts and tax, rials.
        #[arg(long)]
        price: i64,
        /// For how many Persian months an invoice is.
        #[arg(long, default_value_t = 1)]
        months: u16,
        /// The tax, hundredths of a percent: 1000 is 10 %.
        #[arg(long, default_value_t = 0)]
        tax_bp: u32,
        /// Days until an invoice is due.
        #[arg(long, default_value_t = 7)]
        due_days: u32,
        /// Days after that until the service stops.
        #[arg(long, default_value_t = 7)]
        grace_days: u32,
        /// What it gives: all, or panel, api, quick-send, campaign with commas between.
        #[arg(long, default_value = "all")]
        paths: String,
    },
    /// Offer a plan to all: customers see it, and take it by themselves.
    Offer {
        /// Its number.
        id: i64,
        /// Offer it no longer; staff may still give it.
        #[arg(long)]
        no_longer: bool,
    },
    /// Give a plan to nobody new; who has it keeps it.
    Retire {
        /// Its number.
        id: i64,
    },
    /// Show every plan.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// What can be done with subscriptions. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Subscription {
    /// Subscribe an account to a plan. Until its first invoice it is on trial.
    Start {
        /// Whose it is.
        #[arg(long)]
        account: i64,
        /// The number of the plan.
        #[arg(long)]
        plan: i64,
        /// The first month that is paid for, like `1405-10`; without it, this one.
        #[arg(long, value_name = "MONTH")]
        from: Option<String>,
        /// Who does it.
        #[arg(long)]
        by: String,
    },
    /// Give one another plan: at its next period, or now, with the rest of the period to pay.
    Change {
        /// Its number.
        id: i64,
        /// The number of the other plan.
        #[arg(long)]
        plan: i64,
        /// From now on; only what costs no less, for as many months.
        #[arg(long)]
        now: bool,
        /// Who does it.
        #[arg(long)]
        by: String,
    },
    /// End one. What is owed to it goes to the committee.
    End {
        /// Its number.
        id: i64,
        /// Why.
        #[arg(long)]
        because: String,
        /// Who does it.
        #[arg(long)]
        by: String,
    },
    /// Show the subscriptions of an account with everything they went through.
    List {
        /// Whose.
        #[arg(long)]
        account: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a command of plans.
pub async fn run_plan(config: &Config, command: Plan) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Plan::Add { name, price, months, tax_bp, due_days, grace_days, paths: text } => {
            let (paths, price) = (paths(&text)?, Rials(price));
            let plan = Offer { name, paths, months, price, tax_bp, due_days, grace_days };
            let id = app::subscription::add_plan(&app, &plan).await.map_err(refused)?;
            say(&format!("plan {id}"))?;
        }
        Plan::Offer { id, no_longer } => {
            app::subscription::offer_plan(&app, id, !no_longer).await.map_err(refused)?;
            let said = if no_longer { "is not offered any more" } else { "is offered to all" };
            say(&format!("plan {id} {said}"))?;
        }
        Plan::Retire { id } => {
            app::subscription::retire_plan(&app, id).await.map_err(refused)?;
            say(&format!("plan {id} is retired"))?;
        }
        Plan::List { json } => {
            let plans = app::subscription::plans(&app).await.map_err(open::failed)?;
            if json {
                let shown: Vec<_> = plans.iter().map(plan_as_json).collect();
                say(&json!({ "plans": shown }).to_string())?;
            } else {
                plans.iter().try_for_each(|kept| say(&plan_line(kept)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command of subscriptions.
pub async fn run(config: &Config, command: Subscription) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Subscription::Start { account, plan, from, by } => {
            let first = match from {
                None => PersianMonth::of(app.now()),
                Some(text) => PersianMonth::parse(&text).context("write a month like 1405-10")?,
            };
            let started =
                app::subscription::start(&app, AccountId(account), plan, first, &by).await;
            say(&format!("subscription {}", started.map_err(refused)?))?;
        }
        Subscription::Change { id, plan, now, by } => {
            let when = if now { When::Now } else { When::NextPeriod };
            let changed = app::subscription::change_plan(&app, None, id, (plan, when), &by).await;
            let changed = changed.map_err(refused)?;
            let change = changed.plans.last().context("it has a plan")?;
            let (from, rest) = (gregorian_date_time(change.term.from), change.rest.0);
            say(&format!("plan {plan} from {from} on; {rest} rials for the rest of the period"))?;
        }
        Subscription::End { id, because, by } => {
            app::subscription::end(&app, id, &by, &because).await.map_err(refused)?;
            say(&format!("subscription {id} is over"))?;
        }
        Subscription::List { account, json } => list(&app, AccountId(account), json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, account: AccountId, json: bool) -> Result<()> {
    let all = app::subscription::of_account(app, account).await.map_err(open::failed)?;
    if json {
        let now = app.now();
        let shown: Vec<_> = all.iter().map(|kept| as_json(kept, now)).collect();
        return say(&json!({ "subscriptions": shown }).to_string());
    }
    for kept in &all {
        let (id, state, holds) = (kept.id, kept.state().word(), kept.plan_at(app.now()));
        let (plan, name) = (holds.plan_id, &holds.term.plan.name);
        say(&format!("{id}  {state}  plan {plan} {name}  from {}", kept.first))?;
        for change in &kept.plans {
            let Some((at, actor)) = &change.decided else { continue };
            let (at, from) = (gregorian_date_time(*at), gregorian_date_time(change.term.from));
            say(&format!("  {at}  plan {} by {actor} from {from}", change.plan_id))?;
        }
        for step in &kept.steps {
            let at = gregorian_date_time(step.at);
            say(&format!("  {at}  {} by {}  {}", step.state.word(), step.actor, step.reason))?;
        }
    }
    Ok(())
}

fn plan_line(kept: &KeptPlan) -> String {
    let Offer { name, paths, months, price, tax_bp, due_days, grace_days } = &kept.plan;
    let retired = match (kept.retired_at, kept.offered_at) {
        (Some(_), _) => "  retired",
        (None, Some(_)) => "  offered to all",
        (None, None) => "",
    };
    format!(
        "plan {}  {name}: {} rials for {months} months, tax {tax_bp} bp, {paths}, due after \
         {due_days} days, stops {grace_days} days later{retired}",
        kept.id, price.0
    )
}

fn plan_as_json(kept: &KeptPlan) -> serde_json::Value {
    let plan = &kept.plan;
    json!({
        "plan": kept.id,
        "name": plan.name,
        "paths": plan.paths.to_string(),
        "months": plan.months,
        "price_rials": plan.price.0,
        "tax_bp": plan.tax_bp,
        "due_days": plan.due_days,
        "grace_days": plan.grace_days,
        "retired_at": kept.retired_at.map(gregorian_date_time),
        "offered_at": kept.offered_at.map(gregorian_date_time),
    })
}

fn as_json(kept: &Kept, now: Timestamp) -> serde_json::Value {
    let holds = kept.plan_at(now);
    let changes = kept.plans.iter().filter_map(|change| {
        let (at, actor) = change.decided.as_ref()?;
        Some(json!({
            "plan": change.plan_id,
            "from": gregorian_date_time(change.term.from),
            "rest_rials": change.rest.0,
            "at": gregorian_date_time(*at),
            "by": actor,
        }))
    });
    let changes: Vec<_> = changes.collect();
    let steps: Vec<_> = kept
        .steps
        .iter()
        .map(|step| {
            json!({
                "state": step.state.word(),
                "at": gregorian_date_time(step.at),
                "by": step.actor,
                "reason": step.reason,
            })
        })
        .collect();
    json!({
        "subscription": kept.id,
        "account": kept.account.0,
        "plan": holds.plan_id,
        "name": holds.term.plan.name,
        "changes": changes,
        "first_month": kept.first.to_string(),
        "state": kept.state().word(),
        "history": steps,
    })
}

fn refused(error: app::Error<SubscriptionRefusal>) -> anyhow::Error {
    use SubscriptionRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Plan(PlanRefusal::Name) => anyhow!("its name is missing or too long"),
        R::Plan(PlanRefusal::Paths) => anyhow!("it gives no part of the service"),
        R::Plan(PlanRefusal::Months) => anyhow!("an invoice is for 1 to 24 months"),
        R::Plan(PlanRefusal::Price) => anyhow!("its price is negative, or too high"),
        R::Plan(PlanRefusal::Tax) => anyhow!("the tax is at most 10000 hundredths of a percent"),
        R::Plan(PlanRefusal::Days) => anyhow!("days are at most 365"),
        R::NoSuchPlan => anyhow!("there is no plan of that number, or it is retired"),
        R::NoSuchAccount => anyhow!("there is no such account"),
        R::NoSuchSubscription => anyhow!("there is no subscription of that number"),
        R::Past => anyhow!("that month is over"),
        R::WrongState => anyhow!("it is over, or not in force"),
        R::Change(Refusal::Same) => anyhow!("it has that plan by then"),
        R::Change(Refusal::OnlyNextPeriod) => {
            anyhow!("what costs less, or is for other months, comes with the next period")
        }
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::Meanwhile => anyhow!("something else happened to it at this moment; look at it again"),
    })
}

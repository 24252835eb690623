//! `avanak invoice …` and `avanak credit …`: what is to be paid, and what is taken off it.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::credit::{CreditRefusal, Kept, Step, Unpaid};
use app::invoice::{Invoice as Issued, InvoiceRefusal, Line};
use clap::{Args, Subcommand};
use domain::AccountId;
use domain::agreement::credit::{Move, claim_of};
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::month::PersianMonth;
use serde_json::{Value, json};

use super::{moment, open, say};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 1000;

/// What can be done with invoices. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Invoice {
    /// Make the invoice of a month, or another one after it was voided.
    Issue {
        /// The subscription.
        #[arg(long)]
        subscription: i64,
        /// The month, like `1405-09`.
        #[arg(long)]
        month: String,
    },
    /// Do at once what the server does each hour: propose and owe credits, make invoices, hand over
    /// to the committee what none takes any more, follow what is not paid.
    Run,
    /// Note that one was paid.
    Pay {
        /// Its number.
        id: i64,
        /// The reference of the payment: the same is noted once.
        #[arg(long)]
        reference: String,
        /// When it was paid, on Tehran's clock; without it, now.
        #[arg(long, value_name = "MOMENT")]
        paid_at: Option<String>,
        /// Who notes it.
        #[arg(long)]
        by: String,
    },
    /// Void one that is not paid; its discounts are owed again.
    Void {
        /// Its number.
        id: i64,
        /// Why.
        #[arg(long)]
        because: String,
        /// Who does it.
        #[arg(long)]
        by: String,
    },
    /// Show one with its discounts.
    Show {
        /// Its number.
        id: i64,
    },
    /// Show the newest invoices of an account.
    List {
        /// Whose.
        #[arg(long)]
        account: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// What can be done with credits. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Credit {
    /// Leave it to the committee whether one is owed.
    Hold(Change),
    /// Owe one now.
    Post(Change),
    /// Give one up that is not owed yet.
    Waive(Change),
    /// Take back what is left of one.
    Reverse(Change),
    /// Note that the committee had the rest of one paid out, and how.
    PayOut(Change),
    /// Show one with all that it was computed from, and compute it anew.
    Show {
        /// Its number.
        id: i64,
    },
    /// Show the newest credits, and which breached months pay nothing back and why.
    List {
        /// Of this account; without it, all.
        #[arg(long)]
        account: Option<i64>,
        /// Those alone of which the committee decides how they are paid, the oldest first.
        #[arg(long, conflicts_with = "account")]
        with_committee: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// A credit, and who does something to it.
#[derive(Debug, Args)]
pub struct Change {
    /// The number of the credit.
    id: i64,
    /// Why, or how.
    #[arg(long)]
    because: String,
    /// Who does it.
    #[arg(long)]
    by: String,
}

/// Runs a command of invoices.
pub async fn run(config: &Config, command: Invoice) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Invoice::Issue { subscription, month } => {
            let month = PersianMonth::parse(&month).context("write a month like 1405-09")?;
            let issued = app::invoice::issue(&app, subscription, month).await;
            say(&format!("invoice {}", issued.map_err(refused)?))?;
        }
        Invoice::Run => {
            let proposed = app::credit::propose_due(&app).await.map_err(open::failed)?;
            let posted = app::credit::post_due(&app).await.map_err(open::failed)?;
            let issued = app::invoice::issue_due(&app).await.map_err(open::failed)?;
            let handed = app::credit::hand_over_due(&app).await.map_err(open::failed)?;
            let lapsed = app::invoice::lapse_due(&app).await.map_err(open::failed)?;
            say(&format!(
                "{proposed} credits proposed, {posted} owed, {issued} invoices made, {handed} \
                 credits handed over to the committee, {lapsed} steps of what is not paid"
            ))?;
        }
        Invoice::Pay { id, reference, paid_at, by } => {
            let paid_at = paid_at.as_deref().map(moment).transpose()?;
            let paid = app::invoice::pay(&app, id, (&reference, paid_at), &by).await;
            paid.map_err(refused)?;
            say(&format!("invoice {id} is paid"))?;
        }
        Invoice::Void { id, because, by } => {
            app::invoice::void(&app, id, &by, &because).await.map_err(refused)?;
            say(&format!("invoice {id} is voided"))?;
        }
        Invoice::Show { id } => {
            let found = app::invoice::find(&app, id).await.map_err(open::failed)?;
            let (invoice, lines) = found.context("there is no invoice of that number")?;
            say(&as_json(&invoice, Some(&lines)).to_string())?;
        }
        Invoice::List { account, json } => {
            let all = app::invoice::list(&app, AccountId(account), None, LISTED).await;
            let all = all.map_err(open::failed)?;
            if json {
                let shown: Vec<_> = all.iter().map(|one| as_json(one, None)).collect();
                say(&json!({ "invoices": shown }).to_string())?;
            } else {
                all.iter().try_for_each(|one| say(&line(one)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command of credits.
pub async fn run_credit(config: &Config, command: Credit) -> Result<ExitCode> {
    let app = open::app(config).await?;
    let (step, change) = match command {
        Credit::Hold(change) => (Step::Hold, change),
        Credit::Post(change) => (Step::Post, change),
        Credit::Waive(change) => (Step::Waive, change),
        Credit::Reverse(change) => (Step::Reverse, change),
        Credit::PayOut(change) => (Step::PayOut, change),
        Credit::Show { id } => {
            let found = app::credit::find(&app, id).await.map_err(open::failed)?;
            show(&app, &found.context("there is no credit of that number")?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Credit::List { with_committee: true, json, .. } => {
            with_committee(&app, json).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Credit::List { account, json, .. } => {
            list(&app, account.map(AccountId), json).await?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let changed = app::credit::change(&app, change.id, step, &change.by, &change.because).await;
    say(&credit_line(&changed.map_err(credit_refused)?))?;
    Ok(ExitCode::SUCCESS)
}

/// All that the committee is to have paid out, however much that is.
async fn with_committee(app: &App, json: bool) -> Result<()> {
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let page = app::credit::with_committee(app, after, LISTED).await.map_err(open::failed)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        all.extend(page);
    }
    if json {
        let shown: Vec<_> = all.iter().map(credit_as_json).collect();
        return say(&json!({ "credits": shown }).to_string());
    }
    all.iter().try_for_each(|kept| {
        let handed = kept.moves.iter().rfind(|moved| moved.done == Move::HandOver);
        let why = handed.map_or("", |moved| moved.reason.as_str());
        say(&format!("{}: {why}", credit_line(kept)))
    })
}

async fn list(app: &App, account: Option<AccountId>, json: bool) -> Result<()> {
    let all = app::credit::list(app, account, None, LISTED).await.map_err(open::failed)?;
    let unpaid = match account {
        None => Unpaid::default(),
        Some(account) => app::credit::unpaid(app, account).await.map_err(open::failed)?,
    };
    if json {
        let shown: Vec<_> = all.iter().map(credit_as_json).collect();
        let months = |months: &[PersianMonth]| -> Vec<String> {
            months.iter().map(ToString::to_string).collect()
        };
        let shown = json!({
            "credits": shown,
            "awaiting_schedule": months(&unpaid.awaiting_schedule),
            "nothing_asked_for": months(&unpaid.nothing_asked_for),
        });
        return say(&shown.to_string());
    }
    for month in unpaid.awaiting_schedule {
        say(&format!("{month}  breached, and awaiting a schedule"))?;
    }
    for month in unpaid.nothing_asked_for {
        say(&format!("{month}  breached, and nothing was asked for it"))?;
    }
    all.iter().try_for_each(|kept| say(&credit_line(kept)))
}

/// A credit as one JSON object, with what it is computed from as it is computed anew.
async fn show(app: &App, kept: &Kept) -> Result<()> {
    let mut shown = credit_as_json(kept);
    let of_whole_month = app::credit::is_of_whole_month(app, kept).await.map_err(open::failed)?;
    if let Some((inputs, measured)) =
        app::credit::reckoned(app, kept).await.map_err(open::failed)?
    {
        shown["computed_anew"] = json!({
            "availability_percent": measured.availability.to_string(),
            "down_seconds": measured.down_us / 1_000_000,
            "excess_seconds": measured.excess_us / 1_000_000,
            "of_whole_month": of_whole_month,
            "inputs": inputs.to_text(),
        });
    }
    say(&shown.to_string())
}

fn line(invoice: &Issued) -> String {
    let Issued { id, subscription, month, amounts, .. } = invoice;
    format!(
        "{id}  subscription {subscription}  {month}  {} - {} + {} = {} rials  {}",
        amounts.price.0,
        amounts.discount.0,
        amounts.tax.0,
        amounts.total.0,
        state(invoice)
    )
}

fn state(invoice: &Issued) -> &'static str {
    match (&invoice.voided, &invoice.paid) {
        (Some(_), _) => "voided",
        (None, Some(_)) => "paid",
        (None, None) => "open",
    }
}

fn as_json(invoice: &Issued, lines: Option<&[Line]>) -> Value {
    let amounts = invoice.amounts;
    let voided = invoice.voided.as_ref();
    let mut shown = json!({
        "invoice": invoice.id,
        "subscription": invoice.subscription,
        "account": invoice.account.0,
        "month": invoice.month.to_string(),
        "months": invoice.months,
        "state": state(invoice),
        "price_rials": amounts.price.0,
        "discount_rials": amounts.discount.0,
        "tax_bp": amounts.tax_bp,
        "tax_rials": amounts.tax.0,
        "total_rials": amounts.total.0,
        "issued_at": gregorian_date_time(invoice.issued_at),
        "due_at": gregorian_date_time(invoice.due_at),
        "paid_at": invoice.paid.as_ref().map(|(at, _)| gregorian_date_time(*at)),
        "noted_at": invoice.noted_at.map(gregorian_date_time),
        "paid_reference": invoice.paid.as_ref().and_then(|(_, reference)| reference.clone()),
        "voided_at": voided.map(|(at, ..)| gregorian_date_time(*at)),
        "voided_by": voided.map(|(_, by, _)| by),
        "voided_because": voided.map(|(.., because)| because),
    });
    if let Some(lines) = lines {
        let lines: Vec<Value> = lines
            .iter()
            .map(|line| {
                let claim = claim_of(line.track, line.revision);
                json!({
                    "credit": line.credit,
                    "month": line.month.to_string(),
                    "statement_revision": claim.is_none().then_some(line.revision),
                    "claim": claim,
                    "track": line.track.word(),
                    "schedule": line.schedule,
                    "amount_rials": line.amount.0,
                })
            })
            .collect();
        shown["discounts"] = lines.into();
    }
    shown
}

fn credit_line(kept: &Kept) -> String {
    let key = kept.new.key;
    format!(
        "{}  {}  account {}  subscription {}  {} {}  {} rials, {} left",
        kept.id,
        kept.credit.state().word(),
        key.account,
        key.subscription,
        key.month,
        key.track.word(),
        kept.credit.amount().0,
        kept.credit.left().0
    )
}

fn credit_as_json(kept: &Kept) -> Value {
    let (key, basis) = (kept.new.key, kept.new.basis.as_ref());
    let moves: Vec<Value> = kept
        .moves
        .iter()
        .map(|moved| {
            let posting = moved.posting.as_ref();
            json!({
                "move": moved.done.word(),
                "at": gregorian_date_time(moved.at),
                "by": moved.actor,
                "reason": moved.reason,
                "debit": posting.map(|(debit, ..)| debit),
                "credit": posting.map(|(_, credit, _)| credit),
                "amount_rials": posting.map(|(.., amount)| amount.0),
            })
        })
        .collect();
    json!({
        "credit": kept.id,
        "account": key.account.0,
        "subscription": key.subscription,
        "month": key.month.to_string(),
        "paths": key.paths.to_string(),
        "track": key.track.word(),
        "revision": key.statement_revision(),
        "claim": key.claim(),
        "state": kept.credit.state().word(),
        "amount_rials": kept.credit.amount().0,
        "left_rials": kept.credit.left().0,
        "computed_rials": kept.new.computed.0,
        "month_price_rials": basis.map(|basis| basis.price.0),
        "schedule": basis.map(|basis| basis.schedule),
        "figure": basis.map(|basis| basis.figure.word()),
        "proposed_at": gregorian_date_time(kept.new.proposed_at),
        "owed_from": gregorian_date_time(kept.new.owed_from),
        "moves": moves,
    })
}

fn refused(error: app::Error<InvoiceRefusal>) -> anyhow::Error {
    use InvoiceRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::NoSuchSubscription => anyhow!("there is no subscription of that number"),
        R::NoSuchInvoice => anyhow!("there is no invoice of that number"),
        R::NotBilled => anyhow!("no invoice of it begins with that month, or it is not in force"),
        R::Already => anyhow!("it has an invoice of that month"),
        R::Closed => anyhow!("it is paid, or voided"),
        R::Time => anyhow!("it was not paid before it was made, nor is it later than now"),
        R::Reference => anyhow!("another invoice was paid under that reference"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::Meanwhile => anyhow!("something else happened to it at this moment; look at it again"),
    })
}

fn credit_refused(error: app::Error<CreditRefusal>) -> anyhow::Error {
    use CreditRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::NoSuchCredit => anyhow!("there is no credit of that number"),
        R::Rule(_) => anyhow!("that does not follow where the credit stands"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::Meanwhile => anyhow!("something else happened to it at this moment; look at it again"),
    })
}

//! `avanak payment …`: what customers pay, and receipts that one of us looks at.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::payment::{Payment as Kept, PaymentRefusal};
use clap::Subcommand;
use domain::calendar::jalali::gregorian_date_time;
use domain::{AccountId, Rials};
use serde_json::{Value, json};

use super::{moment, open, say, write_private};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 100;

/// What can be done with payments. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Payment {
    /// Show the newest.
    List {
        /// Of this account; without it, all.
        #[arg(long)]
        account: Option<i64>,
        /// Only those whose receipt waits for one of us.
        #[arg(long, conflicts_with = "account")]
        review: bool,
        /// Before this number.
        #[arg(long)]
        before: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write the receipt of one into a file.
    Receipt {
        /// The number of the payment.
        id: i64,
        /// The file; it must not be there.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// The money of a receipt is in the bank; or that of a failed payment is at its gateway, and
    /// goes into the balance.
    Accept {
        /// The number of the payment.
        id: i64,
        /// How much is there, in rials: of a receipt, exactly what the payment is for.
        #[arg(long, value_name = "RIALS")]
        amount: i64,
        /// What the bank calls it; where another payment has that, what the gateway calls it.
        #[arg(long)]
        reference: String,
        /// When it was paid, on Tehran's clock, as the bank says; without it, now.
        #[arg(long, value_name = "MOMENT")]
        paid_at: Option<String>,
        /// Who saw it.
        #[arg(long)]
        by: String,
    },
    /// The money of a receipt is not in the bank. The customer reads why.
    Refuse {
        /// The number of the payment.
        id: i64,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who looked.
        #[arg(long)]
        by: String,
    },
    /// Wait no longer for the gateway of one; `check` asks it still.
    GiveUp {
        /// The number of the payment.
        id: i64,
        /// Who does.
        #[arg(long)]
        by: String,
    },
    /// Ask the gateway of one now, also of one that was given up.
    Check {
        /// The number of the payment.
        id: i64,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Payment) -> Result<ExitCode> {
    use app::payment as payments;
    let app = open::app(config).await?;
    let changed = match command {
        Payment::List { account, review, before, json } => {
            let account = account.map(AccountId);
            let all = payments::list(&app, account, review, before, LISTED).await;
            let all = all.map_err(open::failed)?;
            if json {
                let shown: Vec<Value> = all.iter().map(as_json).collect();
                say(&json!({ "payments": shown }).to_string())?;
            } else {
                all.iter().try_for_each(|kept| say(&line(kept)))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        Payment::Receipt { id, to } => {
            let found = payments::receipt(&app, id).await.map_err(open::failed)?;
            let (media_type, bytes) = found.context("there is no such receipt")?;
            write_private(&to, &bytes)?;
            say(&format!("the receipt ({media_type}) is in {}", to.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
        Payment::Accept { id, amount, reference, paid_at, by } => {
            let paid_at = paid_at.as_deref().map(moment).transpose()?;
            payments::accept(&app, id, (Rials(amount), &reference, paid_at), &by).await
        }
        Payment::Refuse { id, reason, by } => payments::refuse(&app, id, &reason, &by).await,
        Payment::GiveUp { id, by } => payments::wait_no_longer(&app, id, &by).await,
        Payment::Check { id } => payments::check(&app, id).await,
    };
    say(&line(&changed.map_err(refused)?))?;
    Ok(ExitCode::SUCCESS)
}

fn line(kept: &Kept) -> String {
    let state = kept.state.word();
    let why = kept.reason.as_ref().or(kept.reference.as_ref());
    let why = why.map_or(String::new(), |why| format!("  {why}"));
    format!(
        "payment {} of account {}: {} rials by {} is {state}{why}",
        kept.id, kept.account, kept.amount, kept.gateway
    )
}

fn as_json(kept: &Kept) -> Value {
    json!({
        "payment": kept.id,
        "account": kept.account.0,
        "invoice": kept.invoice,
        "amount_rials": kept.amount.0,
        "gateway": kept.gateway,
        "state": kept.state.word(),
        "authority": kept.authority,
        "reference": kept.reference,
        "reason": kept.reason,
        "made_at": gregorian_date_time(kept.made_at),
        "paid_at": kept.paid_at.map(gregorian_date_time),
        "decided_at": kept.decided.as_ref().map(|(at, _)| gregorian_date_time(*at)),
        "decided_by": kept.decided.as_ref().map(|(_, by)| by),
    })
}

fn refused(error: app::Error<PaymentRefusal>) -> anyhow::Error {
    use PaymentRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::NoSuchPayment => anyhow!("there is no payment of that number"),
        R::Reference => {
            anyhow!("another payment was taken in under that reference")
        }
        R::OtherAmount => {
            anyhow!("the payment is for another amount: refuse it, and say why")
        }
        R::Time => anyhow!("it was not paid before it was begun, nor is it later than now"),
        R::Text(what) => anyhow!("the {what} is missing, too long or none"),
        R::WrongState => anyhow!("that does not follow where it stands"),
        other => anyhow!("that cannot be done: {other:?}"),
    })
}

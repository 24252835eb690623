//! `avanak account refund`: what a send was charged is given back.

use anyhow::{Result, bail};
use app::App;
use app::refund::{NewRefund, NotRefunded};
use clap::Args;
use domain::billing::refund::RefundRefusal;
use domain::{QuickSendId, Rials};
use serde_json::json;

use super::{open, say};

/// Give back what a send was charged, for its call and the SMS after it, or a part of it. The
/// statement shows both, and the chain of evidence who did it.
#[derive(Debug, Args)]
pub struct Refund {
    /// The send, as the statement has it.
    #[arg(long)]
    send: i64,
    /// How much, in rials; without it, all that is left.
    #[arg(long)]
    rials: Option<i64>,
    /// Your name for it: the same name never gives back twice.
    #[arg(long)]
    reference: String,
    /// Why; the customer reads it.
    #[arg(long)]
    because: String,
    /// Who decides it.
    #[arg(long)]
    by: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(app: &App, asked: Refund) -> Result<()> {
    let new = NewRefund {
        quick_send: QuickSendId(asked.send),
        amount: asked.rials.map(Rials),
        reference: asked.reference,
        actor: asked.by,
        reason: asked.because,
    };
    let given = match app::refund::give(app, &new).await {
        Ok(given) => given,
        Err(app::Error::Failed(failure)) => return Err(open::failed(failure)),
        Err(app::Error::Refused(why)) => bail!(refused(why)),
    };
    let (id, amount, account) = (given.id, given.amount, given.account);
    if asked.json {
        let told = json!({
            "refund_id": id,
            "account_id": account.0,
            "quick_send_id": given.quick_send.0,
            "rials": amount.0,
            "reference": given.reference,
        });
        return say(&told.to_string());
    }
    say(&format!("refund {id}: {amount} rials of send {} to account {account}", given.quick_send))
}

fn refused(why: NotRefunded) -> String {
    match why {
        NotRefunded::NoSuchSend => String::from("there is no such send"),
        NotRefunded::Refused(RefundRefusal::NotAnAmount) => {
            String::from("--rials is more than nothing")
        }
        NotRefunded::Refused(RefundRefusal::MoreThanCharged { left }) => {
            format!("{left} rials are left of what it was charged")
        }
        NotRefunded::ReferenceTaken => String::from("another refund has that name"),
        NotRefunded::WrongText => {
            String::from("--reference, --because and --by have 1 to 200 characters")
        }
    }
}

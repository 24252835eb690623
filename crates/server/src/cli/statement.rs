//! `avanak account statement`: every rial that an account was credited with or charged.

use anyhow::{Context as _, Result, bail};
use app::App;
use app::billing::StatementLine;
use app::ledger::Start;
use clap::Args;
use domain::calendar::date_time::Period;
use domain::calendar::jalali::gregorian_date_time;
use domain::{AccountId, Rials, Timestamp};
use serde_json::json;

use super::{open, say};

/// Show what changed an account's balance, the newest first.
#[derive(Debug, Args)]
pub struct Statement {
    /// The account.
    #[arg(long)]
    account: i64,
    /// The first day or moment, on Tehran's clock; without both, everything.
    #[arg(long, requires = "to", value_name = "DAY")]
    from: Option<String>,
    /// The last day or moment.
    #[arg(long, requires = "from", value_name = "DAY")]
    to: Option<String>,
    /// So many lines at most.
    #[arg(long, default_value_t = 10_000)]
    limit: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Shows it. A statement of everything sums up to the account's balance.
pub async fn show(app: &App, asked: &Statement) -> Result<()> {
    let id = AccountId(asked.account);
    let (from, to) = period(app, asked)?;
    if app::account::status(app, id).await.map_err(open::failed)?.is_none() {
        bail!("there is no account {id}");
    }
    // One more than is shown tells whether there are more.
    let most = asked.limit.saturating_add(1);
    let mut lines = app::billing::statement(app, id, from, to, most).await.map_err(open::failed)?;
    let shown = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let complete = lines.len() <= shown;
    lines.truncate(shown);
    let ledger = app::ledger::page(app, id, (Some(from), Some(to)), Start::First, 1).await;
    let ledger = ledger.map_err(open::failed)?.context("the account is gone")?;
    let (opening, closing) = (ledger.opening, ledger.closing);
    let sum = lines.iter().try_fold(Rials::ZERO, |sum, line| sum.checked_add(line.amount));
    let sum = sum.context("the sum is beyond 64 bits")?;
    if asked.json {
        let told: Vec<_> = lines.iter().map(as_json).collect();
        let told = json!({
            "account_id": id.0, "lines": told, "sum_rials": sum.0, "complete": complete,
            "opening_rials": opening.0, "closing_rials": closing.0,
        });
        return say(&told.to_string());
    }
    for line in &lines {
        let send = line.quick_send.map(|send| format!("send {send}  ")).unwrap_or_default();
        let (at, amount) = (gregorian_date_time(line.at), line.amount);
        say(&format!("{at}  {amount:>12}  {}  {send}{}", line.kind, line.note))?;
    }
    let more = if complete { "" } else { ", and there are older ones" };
    let count = lines.len();
    say(&format!("{count} lines, {sum} rials{more}; the balance was {opening}, then {closing}"))
}

fn period(app: &App, asked: &Statement) -> Result<(Timestamp, Timestamp)> {
    let (Some(from), Some(to)) = (&asked.from, &asked.to) else {
        // What is posted while we read may have this moment's time.
        return Ok((Timestamp(0), app.now().plus_us(1)));
    };
    let period =
        Period::parse(from, to).context("from and to are two days, the last not before")?;
    Ok((period.from, period.to))
}

fn as_json(line: &StatementLine) -> serde_json::Value {
    json!({
        "at": gregorian_date_time(line.at),
        "rials": line.amount.0,
        "kind": line.kind,
        "quick_send_id": line.quick_send.map(|send| send.0),
        "note": line.note,
    })
}

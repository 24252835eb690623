//! Frozen months that something touched later: who is due, and revising them all.

use anyhow::Result;
use app::App;
use app::availability::{PAGE_MAX, Touched};
use domain::AccountId;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::super::{open, say};
use super::{month, refused};

/// Shows how much of each month is due, or who of one.
pub(super) async fn show(app: &App, text: Option<&str>, after: i64, json: bool) -> Result<()> {
    let Some(text) = text else {
        let all = app::availability::touched_months(app).await.map_err(open::failed)?;
        if json {
            let months = all.iter().map(|one| {
                json!({ "month": one.month.to_string(), "statements": one.accounts,
                        "since": gregorian_date_time(one.since) })
            });
            return say(&json!({ "months": months.collect::<Vec<_>>() }).to_string());
        }
        if all.is_empty() {
            return say("nothing is due for review");
        }
        return all.iter().try_for_each(|one| {
            let (month, count, since) = (one.month, one.accounts, gregorian_date_time(one.since));
            say(&format!("{month}  {count} are due for review, the first since {since}"))
        });
    };
    let page = app::availability::touched(app, month(text)?, AccountId(after), PAGE_MAX).await;
    let page = page.map_err(open::failed)?;
    if json {
        let shown: Vec<Value> = page.iter().map(as_json).collect();
        return say(&json!({ "statements": shown }).to_string());
    }
    page.iter().try_for_each(|one| {
        let whose = match one.number.0 {
            0 => "the platform".to_owned(),
            account => format!("account {account}"),
        };
        say(&format!("{whose}  since {}  {}", gregorian_date_time(one.noted_at), one.because))
    })
}

/// What touched a month, as it is printed.
pub(super) fn as_json(one: &Touched) -> Value {
    json!({
        "account": one.number.0,
        "noted_at": gregorian_date_time(one.noted_at),
        "because": one.because,
    })
}

/// Revises a month for everybody whom something touched.
pub(super) async fn revise(app: &App, text: &str, reason: &str, signer: &str) -> Result<()> {
    let done = app::availability::revise_touched(app, month(text)?, reason, signer).await;
    let done = done.map_err(refused)?;
    say(&format!("{} statements revised, {} came to the same", done.revised, done.unchanged))
}

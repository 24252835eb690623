//! The account's own list of those who are not to be called.

use app::opt_out::{OptOut, list_of};
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::PhoneNumber;
use domain::calendar::jalali::rfc3339;
use serde::{Deserialize, Serialize};

use super::Unanswered;
use super::listing::{listed, next_page};
use super::messages::{json, limit, query_of};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// Numbers of one request.
const NUMBERS_MAX: usize = 1_000;
/// How numbers come on a list by this API.
const SOURCE: &str = "api";

/// Numbers to be put on the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOptOuts {
    numbers: Vec<String>,
}

/// A number on the list as it is shown.
#[derive(Serialize)]
struct Shown {
    object: &'static str,
    number: String,
    since: String,
    source: String,
}

/// POST /v1/opt-outs.
pub(super) async fn add(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let Asked { app, caller, body, .. } = asked;
    let new: NewOptOuts = serde_json::from_slice(body).map_err(|error| Problem::unread(&error))?;
    if !(1..=NUMBERS_MAX).contains(&new.numbers.len()) {
        let why = ("numbers holds 1 to 1000 numbers", "numbers از ۱ تا ۱۰۰۰ شماره دارد");
        return Err(Problem::with(Kind::InvalidRequest, why).into());
    }
    let numbers = new.numbers.iter().map(|text| number(text)).collect::<Result<Vec<_>, _>>()?;
    let told = |added: usize| {
        let unchanged = numbers.len().saturating_sub(added);
        let told = serde_json::json!({
            "object": "opt_outs", "added": added, "unchanged": unchanged,
        });
        json(StatusCode::OK, &told)
    };
    let work = async {
        let list = list_of(caller.account.id);
        Ok(told(app::opt_out::add(app, list, &numbers, SOURCE).await?))
    };
    let again = async |added: i64| Ok(told(usize::try_from(added).unwrap_or(0)));
    once(asked, work, again).await
}

/// GET /v1/opt-outs.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["limit", "after"])?;
    let limit = limit(&params)?;
    let after = match params.text("after") {
        None => String::new(),
        Some(text) => number(text)?.national().to_owned(),
    };
    let found = app::opt_out::list(app, list_of(caller.account.id), &after, limit).await?;
    let next_page = next_page(&found, limit, |last| last.number.clone());
    let data: Vec<Shown> = found.into_iter().map(Shown::of).collect();
    Ok(listed(&data, next_page.as_deref()))
}

/// DELETE /v1/opt-outs/{id}.
pub(super) async fn remove(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let number = PhoneNumber::parse(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    match app::opt_out::remove(app, list_of(caller.account.id), &[number]).await? {
        0 => Err(Problem::of(Kind::NotFound).into()),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

fn number(text: &str) -> Result<PhoneNumber, Problem> {
    PhoneNumber::parse(text).ok_or_else(|| Problem::of(Kind::WrongNumber))
}

impl Shown {
    fn of(one: OptOut) -> Self {
        Self {
            object: "opt_out",
            number: one.number,
            since: rfc3339(one.added.0),
            source: one.source,
        }
    }
}

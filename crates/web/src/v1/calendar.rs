//! When the desk and its line are open, how business days are counted, and the public holidays of
//! a year, for everybody (C08, C13, C31).

use app::App;
use app::opening_hours::Entered;
use axum::http::StatusCode;
use axum::response::Response;
use domain::calendar::day::Day;
use domain::calendar::holiday::Holiday;
use domain::calendar::jalali::rfc3339;
use domain::calendar::opening_hours::{CalendarKind, DayType};
use domain::class::hours_text;
use serde_json::{Value, json};

use super::Unanswered;
use super::messages::{json as answer, query_of};
use super::problem::{Kind, Problem};

/// GET /v1/calendar: the line at this moment, the hours in their versions, and the holidays of a
/// Persian year.
pub(super) async fn get(
    app: &App,
    phone: Option<&str>,
    query: &str,
) -> Result<Response, Unanswered> {
    let params = query_of(query, &["year"])?;
    let year = match params.text("year") {
        None => Day::of(app.now()).to_jalali().0,
        Some(text) => {
            let year = text.parse::<i32>().ok().filter(|year| (1300..=1500).contains(year));
            let wrong = || {
                Problem::with(Kind::InvalidRequest, ("year is like 1405", "year مانند 1405 است"))
            };
            year.ok_or_else(wrong)?
        }
    };
    let mut calendars = Vec::new();
    for kind in CalendarKind::OF_THE_DESK {
        let versions = app::opening_hours::list(app, kind).await?;
        let versions: Vec<Value> = versions.iter().map(version).collect();
        calendars.push(json!({ "kind": kind.word(), "versions": versions }));
    }
    let holidays = app::holiday::list(app).await?;
    let of_year = holidays.iter().filter(|holiday| holiday.day.to_jalali().0 == year);
    let line = app::support_call::line_now(app, phone).await?;
    let told = json!({
        "object": "calendar",
        "year": year,
        "support_line": line.map(|line| json!({
            "open_now": line.is_open, "until": rfc3339(line.until), "phone": line.phone,
            "said": line.in_english(), "said_fa": line.in_persian(),
        })),
        "calendars": calendars,
        "holidays": of_year.map(holiday).collect::<Vec<_>>(),
    });
    Ok(answer(StatusCode::OK, &told))
}

/// A day as programs write it: `2026-12-01`.
pub(super) fn date(day: Day) -> String {
    rfc3339(day.start()).chars().take(10).collect()
}

fn version(entered: &Entered) -> Value {
    let hours = &entered.hours;
    json!({
        "number": hours.number(),
        "valid_from": date(hours.valid_from()),
        "rest_days": hours.rest_days_text(),
        "ordinary": hours_text(hours, DayType::Ordinary),
        "off": hours_text(hours, DayType::Off),
        // Who of staff wrote it down is in the log of audits.
        "entered_at": entered.by.as_ref().map(|(at, _)| rfc3339(*at)),
        "withdrawn_at": entered.withdrawn.as_ref().map(|(at, _)| rfc3339(*at)),
    })
}

fn holiday(one: &Holiday) -> Value {
    json!({
        "day": date(one.day),
        "day_fa": one.day.to_string(),
        "name": one.name,
        "name_en": one.name_en,
        "status": one.status.word(),
        "basis": one.basis.word(),
    })
}

//! The two promises of speed, as a month kept them, and what their figures are the sums of: the
//! platform's, which decide, with nobody's calls in them by name.

use std::sync::Arc;

use app::App;
use app::promise::{Part, PromiseRefusal, Promises};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Timestamp;
use domain::agreement::capacity::Minute;
use domain::agreement::delivery::{AbnormalPeriod, Delivery, Exclusion, Latency};
use domain::calendar::jalali::rfc3339;
use domain::calendar::month::PersianMonth;
use serde_json::{Value, json};

use super::Unanswered;
use super::listing::{listed, next_page};
use super::messages::{json as answer, limit, query_of};
use super::problem::{Kind, Problem};

const MINUTE_US: i64 = 60_000_000;

/// GET /v1/availability/promises: a month, or as much of it as has passed.
pub(super) async fn month(app: &App, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month"])?;
    let (month, judged) = judged(app, params.text("month")).await?;
    Ok(answer(StatusCode::OK, &shown(month, &judged)))
}

/// GET /v1/availability/promises/minutes: the minutes of a month that could start enough calls.
pub(super) async fn minutes(app: &App, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month", "limit", "after"])?;
    let limit = limit(&params)?;
    let place = |text: &str| {
        let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
        number.ok_or_else(|| Problem::with(Kind::InvalidRequest, "after is no next_page of ours"))
    };
    let after = params.text("after").map(place).transpose()?;
    let (month, judged) = judged(app, params.text("month")).await?;
    let number = |at: Timestamp| at.us_since(month.start()) / MINUTE_US;
    let left =
        judged.parts.minutes.iter().filter(|(at, _)| after.is_none_or(|it| number(*at) > it));
    let page: Vec<&(Timestamp, Minute)> = left.take(limit as usize).collect();
    let data: Vec<Value> = page
        .iter()
        .map(|(at, minute)| {
            json!({
                "minute": rfc3339(*at),
                "startable": minute.startable,
                "starts": minute.starts,
                "kept": minute.starts >= judged.starts_min,
            })
        })
        .collect();
    let next = next_page(&page, limit, |(at, _)| number(*at));
    Ok(listed(&data, next.as_deref()))
}

/// The month that is asked for; without one it is this.
async fn judged(
    app: &App,
    month: Option<&str>,
) -> Result<(PersianMonth, Arc<Promises>), Unanswered> {
    let month = match month {
        None => PersianMonth::of(app.now()),
        Some(text) => PersianMonth::parse(text).ok_or_else(|| {
            Problem::with(Kind::InvalidRequest, "month is of the Persian calendar, like 1405-08")
        })?,
    };
    match app::promise::judged(app, month).await {
        Ok(judged) => Ok((month, judged)),
        Err(app::Error::Failed(failure)) => Err(failure.into()),
        Err(app::Error::Refused(PromiseRefusal::NotBegun)) => {
            let detail = "that month has not begun";
            Err(Problem::with(Kind::InvalidRequest, detail).into())
        }
        Err(app::Error::Refused(PromiseRefusal::Busy)) => Err(Problem::of(Kind::Busy).into()),
        Err(app::Error::Refused(_)) => Err(Problem::of(Kind::NotFound).into()),
    }
}

fn shown(month: PersianMonth, judged: &Promises) -> Value {
    let limit_us = judged.mean_limit_us;
    let parts = &judged.parts;
    let distribution = parts.distribution.iter();
    json!({
        "object": "promises",
        "month": month.to_string(),
        "judged_at": rfc3339(judged.judged_at),
        "agreement": judged.agreement,
        "delivery": {
            "mean_limit_ms": limit_us / 1000,
            "figures": figures(&judged.delivery, limit_us),
            "with_declared": figures(&judged.with_declared, limit_us),
            "declared": judged.declared.iter().map(declared).collect::<Vec<_>>(),
            "days": parts.days.iter().map(day).collect::<Vec<_>>(),
            "distribution": distribution.map(|(seconds, samples)| {
                json!({ "seconds": seconds, "samples": samples })
            }).collect::<Vec<_>>(),
        },
        "capacity": capacity(judged),
    })
}

/// The figures of a delivery, with the sums that its means are made of.
fn figures(delivery: &Delivery, limit_us: i64) -> Value {
    let mut told = sums(delivery);
    let of = delivery.attributable;
    let ms = |us: i64| us / 1000;
    told["met"] = json!(delivery.met(limit_us));
    told["representative"] = json!(delivery.is_representative());
    told["mean_ms"] = json!(of.map(|of| ms(of.mean_us())));
    told["p50_ms"] = json!(of.map(|of| ms(of.p50_us)));
    told["p95_ms"] = json!(of.map(|of| ms(of.p95_us)));
    told["p99_ms"] = json!(of.map(|of| ms(of.p99_us)));
    told["heard_mean_ms"] = json!(delivery.raw.map(|raw| ms(raw.mean_us())));
    told
}

/// What a day adds to the figures.
fn sums(delivery: &Delivery) -> Value {
    let us = |of: Option<Latency>| {
        let sum = of.map_or(0, |of| of.sum_us);
        i64::try_from(sum).unwrap_or(i64::MAX)
    };
    let count = |of: Option<Latency>| of.map_or(0, |of| of.count);
    let excluded = delivery.excluded.iter().map(
        |(why, count): (&Exclusion, &usize)| json!({ "reason": why.word(), "samples": count }),
    );
    json!({
        "samples": count(delivery.attributable),
        "microseconds": us(delivery.attributable),
        "heard": count(delivery.raw),
        "heard_microseconds": us(delivery.raw),
        "excluded": excluded.collect::<Vec<_>>(),
    })
}

fn day(part: &Part) -> Value {
    json!({
        "day": part.day.to_string(),
        "figures": sums(&part.delivery),
        "with_declared": sums(&part.with_declared),
    })
}

fn declared(period: &AbnormalPeriod) -> Value {
    // Who of staff declared it is in the log of audits.
    let AbnormalPeriod { span, reason, author: _, declared_at } = period;
    json!({
        "from": rfc3339(span.from),
        "to": rfc3339(span.to),
        "reason": reason,
        "declared_at": rfc3339(*declared_at),
    })
}

/// What demand showed of the capacity, and else a test of the load.
fn capacity(judged: &Promises) -> Value {
    let (by_demand, met) = (judged.capacity.met(), judged.capacity_met());
    let met_by = match (by_demand, met) {
        (Some(_), _) => Some("demand"),
        (None, Some(_)) => Some("test"),
        (None, None) => None,
    };
    let tests = judged.tests.iter().zip(&judged.parts.seconds).map(|(test, seconds)| {
        let end = test.end;
        json!({
            "n": test.n,
            "begun_at": rfc3339(test.begun_at),
            "ended_at": end.map(|end| rfc3339(end.at)),
            "minute_from": end.and_then(|end| end.minute_from).map(rfc3339),
            "startable": end.map(|end| end.minute.startable),
            "starts": end.map(|end| end.minute.starts),
            "starts_by_second": seconds,
        })
    });
    json!({
        "starts_min": judged.starts_min,
        "minutes": judged.capacity.minutes,
        "qualifying": judged.capacity.qualifying,
        "missed": judged.capacity.missed,
        "met": met,
        "met_by": met_by,
        "tests": tests.collect::<Vec<_>>(),
    })
}

//! The two promises of speed, as a month kept them, and what their figures are the sums of: the
//! platform's, which decide, with nobody's calls in them by name; and beside it the delivery of the
//! caller's own sends, with each of them.

use std::sync::Arc;

use app::promise::{KeptSample, Part, Parts, PromiseRefusal, Promises};
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Timestamp;
use domain::agreement::capacity::Minute;
use domain::agreement::delivery::{AbnormalPeriod, Delivery, Exclusion, Latency, Promised};
use domain::calendar::jalali::rfc3339;
use domain::calendar::month::PersianMonth;
use serde_json::{Value, json};

use super::Unanswered;
use super::agreement::month_of;
use super::listing::{listed, next_page, page};
use super::messages::{json as answer, limit, place, query_of};
use super::problem::{Kind, Problem};
use crate::params::Params;

const MINUTE_US: i64 = 60_000_000;

/// GET /v1/availability/promises: a month, or as much of it as has passed.
pub(super) async fn month(app: &App, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month"])?;
    let (month, judged) = judged(app, &params).await?;
    Ok(answer(StatusCode::OK, &shown(month, &judged)))
}

/// GET /v1/availability/promises/minutes: the minutes of a month that could start enough calls.
pub(super) async fn minutes(app: &App, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month", "limit", "after"])?;
    let limit = limit(&params)?;
    let place = |text: &str| {
        let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
        number.ok_or_else(|| {
            Problem::with(
                Kind::InvalidRequest,
                ("after is no next_page of ours", "after هیچ next_page ما نیست"),
            )
        })
    };
    let after = params.text("after").map(place).transpose()?;
    let (month, judged) = judged(app, &params).await?;
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

/// GET /v1/availability/delivery: the delivery of the caller's own quick sends in a month (A16).
pub(super) async fn delivery(
    app: &App,
    caller: &Caller,
    query: &str,
) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month"])?;
    let month = month_of(app, &params)?;
    let judged = app::promise::of_account(app, caller.account.id, month).await;
    let judged = judged.map_err(not_judged)?;
    let promised = judged.promised;
    let told = (&judged.delivery, &judged.with_declared);
    let mut shown = told_with_parts(told, promised, &judged.declared, &judged.parts);
    shown["object"] = json!("delivery");
    shown["month"] = json!(month.to_string());
    shown["judged_at"] = json!(rfc3339(judged.judged_at));
    shown["overload_judged_at"] = json!(rfc3339(judged.overload_judged_at));
    shown["agreement"] = json!(judged.agreement);
    Ok(answer(StatusCode::OK, &shown))
}

/// GET /v1/availability/delivery/samples: the sends that those figures are made of, one by one.
pub(super) async fn samples(
    app: &App,
    caller: &Caller,
    query: &str,
) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month", "limit", "after"])?;
    let limit = limit(&params)?;
    let after = params.text("after").map(|text| {
        let wrong = || {
            Problem::with(
                Kind::InvalidRequest,
                ("after is no next_page of ours", "after هیچ next_page ما نیست"),
            )
        };
        place(text).ok_or_else(wrong)
    });
    let (after, month) = (after.transpose()?, month_of(app, &params)?);
    let found = app::promise::samples(app, caller.account.id, month, after, limit).await;
    let found = found.map_err(not_judged)?;
    let now = app.now();
    let last = |last: &KeptSample| format!("{}.{}", last.sample.accepted_at.0, last.id);
    Ok(page(&found, limit, last, |one| sample(one, now)))
}

/// A send as a sample. What has not happened is null; what was never tried counts with its age.
fn sample(kept: &KeptSample, now: Timestamp) -> Value {
    let KeptSample { id, sample, exclusion } = kept;
    json!({
        "message_id": id.to_string(),
        "accepted_at": rfc3339(sample.accepted_at),
        "reached_at": sample.reached_at.map(rfc3339),
        "answered_at": sample.heard.map(|(at, _)| rfc3339(at)),
        "first_audio_at": sample.heard.map(|(_, at)| rfc3339(at)),
        "microseconds": sample.attributable_us(now),
        "heard_microseconds": sample.raw_us(),
        "excluded": exclusion.map(Exclusion::word),
    })
}

/// The month that is asked for; without one it is this.
async fn judged(app: &App, params: &Params) -> Result<(PersianMonth, Arc<Promises>), Unanswered> {
    let month = month_of(app, params)?;
    let judged = app::promise::judged(app, month).await;
    Ok((month, judged.map_err(not_judged)?))
}

fn not_judged(error: app::Error<PromiseRefusal>) -> Unanswered {
    match error {
        app::Error::Failed(failure) => failure.into(),
        app::Error::Refused(PromiseRefusal::NotBegun) => {
            let detail = ("that month has not begun", "آن ماه هنوز آغاز نشده است");
            Problem::with(Kind::InvalidRequest, detail).into()
        }
        app::Error::Refused(PromiseRefusal::Busy) => Problem::of(Kind::Busy).into(),
        app::Error::Refused(_) => Problem::of(Kind::NotFound).into(),
    }
}

fn shown(month: PersianMonth, judged: &Promises) -> Value {
    let told = (&judged.delivery, &judged.with_declared);
    json!({
        "object": "promises",
        "month": month.to_string(),
        "judged_at": rfc3339(judged.judged_at),
        "agreement": judged.agreement,
        "delivery": told_with_parts(told, judged.promised, &judged.declared, &judged.parts),
        "capacity": capacity(judged),
    })
}

/// A delivery without and with the samples of declared periods, and what both are the sums of.
fn told_with_parts(
    (delivery, with_declared): (&Delivery, &Delivery),
    promised: Promised,
    periods: &[AbnormalPeriod],
    parts: &Parts,
) -> Value {
    let distribution = parts.distribution.iter();
    json!({
        "mean_limit_ms": promised.mean_us / 1000,
        "figures": figures(delivery, promised),
        "with_declared": figures(with_declared, promised),
        "declared": periods.iter().map(declared).collect::<Vec<_>>(),
        "days": parts.days.iter().map(day).collect::<Vec<_>>(),
        "distribution": distribution.map(|(seconds, samples)| {
            json!({ "seconds": seconds, "samples": samples })
        }).collect::<Vec<_>>(),
    })
}

/// The figures of a delivery, with the sums that its means are made of.
fn figures(delivery: &Delivery, promised: Promised) -> Value {
    let mut told = sums(delivery);
    let of = delivery.attributable;
    let ms = |us: i64| us / 1000;
    told["met"] = json!(delivery.met(promised.mean_us));
    told["representative"] = json!(delivery.is_representative(promised.excluded_percent));
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
    let AbnormalPeriod { id: _, span, reason, author: _, declared_at, withdrawn } = period;
    let withdrawn = withdrawn.as_ref();
    json!({
        "from": rfc3339(span.from),
        "to": rfc3339(span.to),
        "reason": reason,
        "declared_at": rfc3339(*declared_at),
        "withdrawn_at": withdrawn.map(|one| rfc3339(one.at)),
        "withdrawn_because": withdrawn.map(|one| &one.because),
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

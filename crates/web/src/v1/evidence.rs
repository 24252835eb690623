//! What a month's figure opens to: a day's intervals of each path, the outages that the account
//! felt, what sources noted to work, and, of one path, every sample and every minute of customers'
//! requests. What our people wrote, and when few others asked for something, is shown to nobody
//! whom it does not concern (0106), and a day that runs is told by whole hours (0110).

use app::interval::{PathEvidence, Tally};
use app::measurement::KeptSample;
use app::outage::{Note, Outage, Revision, Traced};
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::agreement::cause::Cause;
use domain::agreement::scope::{CoveredPath, Group, Scope};
use domain::agreement::state_interval::{OfFew, PathState, RequestMinute, ToldRequests};
use domain::calendar::date_time::Period;
use domain::calendar::jalali::rfc3339;
use domain::calendar::span::Span;
use domain::{AccountId, VantageId};
use serde_json::{Value, json};

use super::Unanswered;
use super::listing::id_of;
use super::messages::{json as answer, query_of};
use super::problem::{Kind, Problem};

/// GET /v1/availability/evidence.
pub(super) async fn day(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["day", "path", "vantage"])?;
    let day = params.text("day").and_then(|day| Period::parse(day, day));
    let day = day.ok_or_else(|| {
        Problem::with(
            Kind::InvalidRequest,
            ("day is a day in Tehran, like 1405-08-10", "day روزی در تهران است، مانند 1405-08-10"),
        )
    })?;
    let time = Span { from: day.midnight, to: day.to };
    let path = match params.text("path") {
        None => None,
        Some(word) => Some(CoveredPath::parse(word).ok_or_else(|| {
            Problem::with(
                Kind::InvalidRequest,
                (
                    "path is panel, api, quick-send or campaign",
                    "path یکی از panel، api، quick-send و campaign است",
                ),
            )
        })?),
    };
    let vantage = params.text("vantage").map(|text| {
        let number = id_of(text).map(VantageId);
        number.ok_or_else(|| {
            Problem::with(Kind::InvalidRequest, ("vantage is a number", "vantage عدد است"))
        })
    });
    let vantage = vantage.transpose()?;
    let paths = app::interval::evidence(app, time).await?;
    let outages = app::outage::felt_by(app, caller.account.id, time).await?;
    let notes = app::outage::worked_for(app, caller.account.id, time).await?;
    let samples = match path {
        None => None,
        Some(path) => {
            let samples = app::measurement::samples(app, (path, vantage), time).await?;
            Some(samples.iter().map(sample).collect::<Vec<_>>())
        }
    };
    let now = app.now();
    let told = |one: &PathEvidence| ToldRequests::of(&one.minutes, time, now);
    let of_path = paths.iter().find(|one| Some(one.path) == path).map(told);
    let shown = json!({
        "object": "evidence",
        "from": rfc3339(time.from),
        "to": rfc3339(time.to),
        "paths": paths.iter().map(|one| path_of(one, &told(one))).collect::<Vec<_>>(),
        "outages": outages.iter().map(|one| outage(one, caller.account.id)).collect::<Vec<_>>(),
        "notes": notes.iter().map(note).collect::<Vec<_>>(),
        "samples": samples,
        "requests": of_path.as_ref().map(|one| minutes(&one.minutes)),
        "requests_of_few": of_path.and_then(|one| one.of_few).map(of_few),
    });
    Ok(answer(StatusCode::OK, &shown))
}

fn note(note: &Note) -> Value {
    let evidence = &note.evidence;
    json!({
        "paths": evidence.paths.to_string(),
        "from": rfc3339(evidence.span.from),
        "to": rfc3339(evidence.span.to),
    })
}

fn minutes(minutes: &[RequestMinute]) -> Vec<Value> {
    let minute = |one: &RequestMinute| {
        let minute = rfc3339(one.from);
        json!({ "minute": minute, "served": one.served, "failed": one.failed })
    };
    minutes.iter().map(minute).collect()
}

fn of_few(few: OfFew) -> Value {
    json!({ "minutes": few.minutes, "served": few.served, "failed": few.failed })
}

fn path_of(evidence: &PathEvidence, requests: &ToldRequests) -> Value {
    let spans = |state: PathState| -> Vec<Value> {
        let spans = evidence.intervals.of(state).iter();
        spans.map(|one| json!({ "from": rfc3339(one.from), "to": rfc3339(one.to) })).collect()
    };
    json!({
        "path": evidence.path.word(),
        "up": spans(PathState::Up),
        "down": spans(PathState::Down),
        "suspect": spans(PathState::Suspect),
        "vantages": evidence.tallies.iter().map(tally).collect::<Vec<_>>(),
        "requests_until": rfc3339(requests.until),
        "requests_served": requests.served(),
        "requests_failed": requests.failed(),
    })
}

fn tally(tally: &Tally) -> Value {
    let Tally { vantage, worked, failed } = tally;
    json!({ "vantage": vantage.0, "worked": worked, "failed": failed })
}

/// An outage that an account felt. What was written about it by hand is told when it is the
/// account's alone: else it may speak of others.
fn outage(outage: &Outage, account: AccountId) -> Value {
    let its_own = Scope::new(vec![Group::Account(account)]);
    let is_own = its_own.as_ref() == Some(&outage.scope);
    let told = |text: &str| is_own.then(|| text.to_owned());
    let evidence = (outage.measured || is_own).then(|| outage.evidence.clone());
    let revision = |one: &Revision| {
        json!({
            "from": rfc3339(one.from),
            "to": one.to.map(rfc3339),
            "revised_at": rfc3339(one.revised_at),
            "because": told(&one.because),
        })
    };
    let traced = |one: &Traced| {
        let (to, because) = (one.to.word(), told(&one.because));
        json!({ "to": to, "because": because, "at": rfc3339(one.at) })
    };
    json!({
        "id": outage.id.to_string(),
        "paths": outage.paths.to_string(),
        "from": rfc3339(outage.from),
        "to": outage.to.map(rfc3339),
        "cause": outage.cause,
        "traced_to": outage.traced_to().map(Cause::word),
        "evidence": evidence,
        "recorded_at": rfc3339(outage.recorded_at),
        "measured": outage.measured,
        "corrections": outage.revisions.len(),
        "before": outage.revisions.iter().map(revision).collect::<Vec<_>>(),
        "traced": outage.causes.iter().map(traced).collect::<Vec<_>>(),
        "reversed_at": outage.reversed.as_ref().map(|(at, _)| rfc3339(*at)),
        "reversed_because": outage.reversed.as_ref().and_then(|(_, why)| told(why)),
    })
}

fn sample(one: &KeptSample) -> Value {
    json!({
        "vantage": one.sample.vantage.0,
        "at": rfc3339(one.sample.at),
        "worked": one.sample.worked,
        "latency_ms": one.latency_us / 1_000,
        "clock_offset_ms": one.sample.clock_offset_us / 1_000,
    })
}

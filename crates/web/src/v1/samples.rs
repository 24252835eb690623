//! What vantage points report: the collector of measurement.

use app::measurement::ReportRefusal;
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Timestamp;
use domain::agreement::scope::CoveredPath;
use domain::agreement::vantage::{Look, Report, SAMPLES_MAX};
use serde::Deserialize;

use super::Unanswered;
use super::messages::json;
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// The largest report: as many samples as there may be, each with an error.
pub(super) const BODY_BYTES_MAX: usize = 512 * 1024;

/// A report.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewReport {
    sent_at_us: i64,
    samples: Vec<NewSample>,
}

/// A look at a path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSample {
    run: i64,
    number: i64,
    path: String,
    at_us: i64,
    clock_offset_us: Option<i64>,
    worked: bool,
    latency_us: i64,
    error: Option<String>,
}

/// POST /v1/samples. A sample has a name of its own, under which it is kept once.
pub(super) async fn report(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let taken = async || taken(asked.app, asked.caller, asked.body).await;
    once(asked, taken(), async |_| taken().await).await
}

async fn taken(app: &App, caller: &Caller, body: &[u8]) -> Result<Response, Unanswered> {
    let new: NewReport = serde_json::from_slice(body).map_err(|error| Problem::unread(&error))?;
    let looks = new.samples.into_iter().map(look).collect::<Result<Vec<_>, _>>()?;
    let report = Report { sent_at: Timestamp(new.sent_at_us), looks };
    let taken = match app::measurement::take(app, caller, &report).await {
        Ok(taken) => taken,
        Err(Error::Failed(failure)) => return Err(failure.into()),
        Err(Error::Refused(ReportRefusal::NotAVantage)) => {
            let why = ("this token is of no vantage point", "این توکن از آنِ هیچ نقطهٔ دیدی نیست");
            return Err(Problem::with(Kind::Forbidden, why).into());
        }
        Err(Error::Refused(ReportRefusal::TooMany)) => {
            let why = (
                format!("samples holds at most {SAMPLES_MAX}"),
                format!("samples حداکثر {SAMPLES_MAX} نمونه دارد"),
            );
            return Err(Problem::with(Kind::InvalidRequest, why).into());
        }
    };
    let told = serde_json::json!({
        "object": "report",
        "received_at_us": taken.received_at.0,
        "kept": taken.kept,
        "known": taken.known,
        "disbelieved": taken.disbelieved,
    });
    Ok(json(StatusCode::OK, &told))
}

fn look(new: NewSample) -> Result<Look, Problem> {
    let path = CoveredPath::parse(&new.path).ok_or_else(|| {
        Problem::with(
            Kind::InvalidRequest,
            (
                "path is panel, api, quick-send or campaign",
                "path یکی از panel، api، quick-send و campaign است",
            ),
        )
    })?;
    Ok(Look {
        run: new.run,
        number: new.number,
        path,
        at: Timestamp(new.at_us),
        clock_offset_us: new.clock_offset_us,
        worked: new.worked,
        latency_us: new.latency_us,
        error: new.error,
    })
}

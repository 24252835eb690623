//! The service agreement, for everybody to read, and what a month came to: of an account for that
//! account, of the platform for all.

use app::agreement::Kept;
use app::availability::{MonthRefusal, MonthStatement};
use app::signature::Signature;
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::AccountId;
use domain::agreement::availability::{Class, Figures, Totals, Verdict};
use domain::agreement::statement::State;
use domain::agreement::version::{Change, Draft, Version, diff, in_force};
use domain::calendar::jalali::rfc3339;
use domain::calendar::month::PersianMonth;
use domain::chain::hex;
use serde::Serialize;
use serde_json::Value;

use super::messages::{json, query_of};
use super::problem::{Kind, Problem};
use super::statement::whose;
use super::{Unanswered, violations};
use crate::params::Params;

/// A version with its text.
#[derive(Serialize)]
struct Agreement {
    object: &'static str,
    #[serde(flatten)]
    head: Head,
    parameters: Vec<Parameter>,
    text_fa: String,
    text_en: String,
    versions: Vec<Head>,
}

/// What one version says otherwise than another.
#[derive(Serialize)]
struct Changes {
    object: &'static str,
    version: u32,
    since: Option<u32>,
    sha256: String,
    since_sha256: Option<String>,
    parameters: Vec<Line>,
    text_fa: Vec<Line>,
    text_en: Vec<Line>,
}

/// A line that only one of them has.
#[derive(Serialize)]
struct Line {
    change: &'static str,
    line: String,
}

/// What is said of every version.
#[derive(Serialize)]
struct Head {
    version: u32,
    effective_from: String,
    published_at: String,
    withdrawn_at: Option<String>,
    sha256: String,
}

/// A number or choice of a version, and where it comes from.
#[derive(Serialize)]
struct Parameter {
    name: &'static str,
    value: String,
    source: &'static str,
}

impl Head {
    fn of(kept: &Kept) -> Self {
        let Version { number, draft, published_at, withdrawn_at } = &kept.version;
        Self {
            version: *number,
            effective_from: rfc3339(draft.effective_from),
            published_at: rfc3339(*published_at),
            withdrawn_at: withdrawn_at.map(rfc3339),
            sha256: app::agreement::checksum_in_hex(kept),
        }
    }
}

/// GET /v1/agreement/{id}/changes: what a version says otherwise than an earlier one, line by line
/// (C10).
pub(super) async fn changes(app: &App, number: &str, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["since"])?;
    let kept = app::agreement::versions(app).await?;
    let found = |number: Option<u32>| {
        let found = kept.iter().find(|kept| Some(kept.version.number) == number);
        found.ok_or_else(|| Problem::of(Kind::NotFound))
    };
    let newer = found(number.parse().ok())?;
    let since = match params.text("since") {
        // The one before it; the first one is all new.
        None => newer.version.number.checked_sub(1).filter(|number| *number > 0),
        Some(text) => {
            let wrong = || {
                Problem::with(
                    Kind::InvalidRequest,
                    ("since is the number of a version", "since شمارهٔ یک نسخه است"),
                )
            };
            Some(text.parse::<u32>().map_err(|_| wrong())?)
        }
    };
    let older = since.map(|since| found(Some(since))).transpose()?;
    let text = |of: fn(&Draft) -> String| {
        let before = older.map(|kept| of(&kept.version.draft)).unwrap_or_default();
        changed(&before, &of(&newer.version.draft))
    };
    let told = Changes {
        object: "agreement_changes",
        version: newer.version.number,
        since,
        sha256: app::agreement::checksum_in_hex(newer),
        since_sha256: older.map(app::agreement::checksum_in_hex),
        parameters: text(|draft| draft.parameters.shown()),
        text_fa: text(|draft| draft.body_fa.clone()),
        text_en: text(|draft| draft.body_en.clone()),
    };
    Ok(json(StatusCode::OK, &told))
}

fn changed(before: &str, after: &str) -> Vec<Line> {
    let line = |(change, line): (Change, &str)| {
        let change = match change {
            Change::Same => return None,
            Change::Removed => "removed",
            Change::Added => "added",
        };
        Some(Line { change, line: line.to_owned() })
    };
    diff(before, after).into_iter().filter_map(line).collect()
}

/// GET /v1/agreement and /v1/agreement/{id}: the version in force, or that of a number.
pub(super) async fn get(app: &App, number: Option<&str>) -> Result<Response, Unanswered> {
    let kept = app::agreement::versions(app).await?;
    let number = if let Some(text) = number {
        text.parse().ok()
    } else {
        let versions: Vec<Version> = kept.iter().map(|kept| kept.version.clone()).collect();
        in_force(&versions, app.now()).map(|version| version.number)
    };
    let found = kept.iter().find(|kept| Some(kept.version.number) == number);
    let found = found.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let draft = &found.version.draft;
    let parameters = draft.parameters.iter().map(|one| Parameter {
        name: one.name,
        value: one.value.to_owned(),
        source: one.source.word(),
    });
    let agreement = Agreement {
        object: "agreement",
        head: Head::of(found),
        parameters: parameters.collect(),
        text_fa: draft.body_fa.clone(),
        text_en: draft.body_en.clone(),
        versions: kept.iter().map(Head::of).collect(),
    };
    Ok(json(StatusCode::OK, &agreement))
}

/// A month of an account, or of the platform.
#[derive(Serialize)]
struct Told {
    object: &'static str,
    month: String,
    state: &'static str,
    agreement: u32,
    verdict: Option<&'static str>,
    evidence_until: String,
    due_for_review_since: Option<String>,
    computed_now: Figured,
    stretches: Vec<Stretch>,
    statements: Vec<Statement>,
}

/// A month of the platform.
#[derive(Serialize)]
struct Transparency {
    object: &'static str,
    month: String,
    availability: Told,
    violations: Vec<Value>,
}

/// How long each class held, and what that comes to.
#[derive(Serialize)]
pub(super) struct Figured {
    covered_seconds: i64,
    planned_seconds: i64,
    down_seconds: i64,
    unknown_seconds: i64,
    low_percent: Option<String>,
    measured_percent: Option<String>,
    high_percent: Option<String>,
}

/// A part of the month in which not everything was there.
#[derive(Serialize)]
struct Stretch {
    from: String,
    to: String,
    class: &'static str,
}

/// The month as it was written down.
#[derive(Serialize)]
struct Statement {
    revision: u32,
    made_at: String,
    verdict: Option<&'static str>,
    reason: Option<String>,
    signed_by: Option<String>,
    manager_signature: Option<ManagerSignature>,
    #[serde(flatten)]
    figured: Figured,
}

/// What the oversight manager signed.
#[derive(Serialize)]
pub(super) struct ManagerSignature {
    by: String,
    deputy_of: Option<String>,
    at: String,
    sha256: String,
}

impl ManagerSignature {
    pub(super) fn of(signature: &Signature) -> Self {
        Self {
            by: signature.by.name.clone(),
            deputy_of: signature.by.deputy_of.clone(),
            at: rfc3339(signature.at),
            sha256: hex(&signature.digest),
        }
    }
}

impl Figured {
    pub(super) fn of(totals: Totals, figures: Option<Figures>) -> Self {
        let seconds = |us: i64| us / 1_000_000;
        let measured = figures.and_then(|figures| figures.measured);
        Self {
            covered_seconds: seconds(totals.covered_us()),
            planned_seconds: seconds(totals.planned_us),
            down_seconds: seconds(totals.down_us),
            unknown_seconds: seconds(totals.unknown_us),
            low_percent: figures.map(|figures| figures.low.to_string()),
            measured_percent: measured.map(|measured| measured.to_string()),
            high_percent: figures.map(|figures| figures.high.to_string()),
        }
    }
}

/// GET /v1/availability: a month of the caller's own account, or of the platform.
pub(super) async fn month(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month", "of"])?;
    let month = month_of(app, &params)?;
    let told = told(app, whose(caller, &params)?, month).await?;
    Ok(json(StatusCode::OK, &told))
}

/// GET /v1/transparency: a month of the platform, for everybody: what it came to, and how often
/// either side did not keep a duty (C11, C23, T178).
pub(super) async fn transparency(app: &App, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month"])?;
    let month = month_of(app, &params)?;
    let shown = Transparency {
        object: "transparency",
        month: month.to_string(),
        availability: told(app, None, month).await?,
        violations: violations::counted(app, month).await?,
    };
    Ok(json(StatusCode::OK, &shown))
}

/// The month that is asked for; without one it is this.
pub(super) fn month_of(app: &App, params: &Params) -> Result<PersianMonth, Problem> {
    match params.text("month") {
        None => Ok(PersianMonth::of(app.now())),
        Some(text) => PersianMonth::parse(text).ok_or_else(|| {
            Problem::with(
                Kind::InvalidRequest,
                (
                    "month is of the Persian calendar, like 1405-08",
                    "month ماهی از تقویم ایرانی است، مانند 1405-08",
                ),
            )
        }),
    }
}

async fn told(
    app: &App,
    account: Option<AccountId>,
    month: PersianMonth,
) -> Result<Told, Unanswered> {
    let shown = match app::availability::month(app, account, month).await {
        Ok(shown) => shown,
        Err(app::Error::Failed(failure)) => return Err(failure.into()),
        Err(app::Error::Refused(MonthRefusal::NotBegun)) => {
            let detail = ("that month has not begun", "آن ماه هنوز آغاز نشده است");
            return Err(Problem::with(Kind::InvalidRequest, detail).into());
        }
        Err(app::Error::Refused(_)) => return Err(Problem::of(Kind::NotFound).into()),
    };
    let judged = &shown.judged;
    let stretches = judged.timeline.stretches().iter();
    let terms = shown.inputs.parameters.terms();
    let statement = |one: &MonthStatement| Statement {
        revision: one.revision,
        made_at: rfc3339(one.made_at),
        verdict: one.verdict.map(Verdict::word),
        reason: signed(one).map(|(reason, _)| reason.clone()),
        signed_by: signed(one).map(|(_, signer)| signer.clone()),
        manager_signature: shown
            .signatures
            .iter()
            .find(|signature| signature.revision == one.revision)
            .map(ManagerSignature::of),
        figured: Figured::of(one.totals, Figures::of(month, one.totals, terms)),
    };
    Ok(Told {
        object: "month",
        month: month.to_string(),
        state: state(shown.state),
        agreement: shown.inputs.version,
        verdict: shown.verdict.map(Verdict::word),
        evidence_until: rfc3339(shown.evidence_until),
        due_for_review_since: shown.touched.as_ref().map(|one| rfc3339(one.noted_at)),
        computed_now: Figured::of(judged.totals, judged.figures),
        stretches: stretches
            .filter(|(_, class)| *class != Class::Up)
            .map(|(span, class)| Stretch {
                from: rfc3339(span.from),
                to: rfc3339(span.to),
                class: class.word(),
            })
            .collect(),
        statements: shown.written.iter().map(statement).collect(),
    })
}

/// Why a statement was revised, and who signed that: for whose statement it is. What was written of
/// the platform's may speak of a customer.
pub(super) fn signed(statement: &MonthStatement) -> Option<&(String, String)> {
    statement.signed.as_ref().filter(|_| statement.account.is_some())
}

fn state(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Provisional => "provisional",
        State::Frozen => "frozen",
        State::Revised(_) => "revised",
    }
}

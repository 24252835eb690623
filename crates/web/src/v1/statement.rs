//! A month as it was written down, and, in pages, everything that its numbers come from. What was
//! seen of a path in a part of it is told by `evidence`.

use app::maintenance::Kept;
use app::statement::{OpenRefusal, Opened, Part, Told};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::AccountId;
use domain::agreement::availability::{Class, Figures, Totals, Verdict, Window};
use domain::agreement::parameter::Parameters;
use domain::agreement::scope::Paths;
use domain::agreement::statement::Inputs;
use domain::calendar::jalali::rfc3339;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::chain::hex;
use serde_json::{Value, json};

use super::Unanswered;
use super::agreement::{Figured, ManagerSignature, signed};
use super::listing::{id_of, listed, next_page, page};
use super::messages::{json as answer, limit, query_of};
use super::problem::{Kind, Problem};
use crate::params::Params;

/// GET /v1/availability/statement: the last one of a month, or that of a revision. What of it may
/// be long is told in pages of its own.
pub(super) async fn get(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month", "revision", "of"])?;
    let opened = opened(app, caller, &params, None).await?;
    Ok(answer(StatusCode::OK, &shown(&opened)))
}

/// GET /v1/availability/statement/stretches: all of its time, class by class.
pub(super) async fn stretches(
    app: &App,
    caller: &Caller,
    query: &str,
) -> Result<Response, Unanswered> {
    pages(app, caller, query, |opened, part| {
        let judged = opened.computed.iter().map(|(_, judged)| judged);
        part.of(judged.flat_map(|judged| judged.timeline.stretches()).map(stretch))
    })
    .await
}

/// GET /v1/availability/statement/parts: what the class of each stretch follows from.
pub(super) async fn parts(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    pages(app, caller, query, |opened, page| {
        let inputs = opened.computed.iter().map(|(inputs, _)| inputs);
        page.of(inputs.flat_map(Inputs::parts).map(part))
    })
    .await
}

/// GET /v1/availability/statement/inputs: the lines of the text that its checksum is of.
pub(super) async fn inputs(
    app: &App,
    caller: &Caller,
    query: &str,
) -> Result<Response, Unanswered> {
    pages(app, caller, query, |opened, page| {
        let text = opened.computed.as_ref().map(|(inputs, _)| inputs.to_text());
        page.of(text.iter().flat_map(|text| text.split('\n')).map(Value::from))
    })
    .await
}

/// GET /v1/availability/statement/maintenance: what concerned the account, and how it was told, as
/// it stands now. A page begins after a maintenance.
pub(super) async fn maintenance(
    app: &App,
    caller: &Caller,
    query: &str,
) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month", "revision", "of", "limit", "after"])?;
    let limit = limit(&params)?;
    let after = params.text("after").map(|text| {
        let wrong = || {
            Problem::with(
                Kind::InvalidRequest,
                ("after is no next_page of ours", "after هیچ next_page ما نیست"),
            )
        };
        id_of(text).ok_or_else(wrong)
    });
    let part = Part { after: after.transpose()?.unwrap_or(0), limit };
    let (account, of) = (whose(caller, &params)?, (month(&params)?, revision(&params)?));
    let found = app::statement::maintenance(app, account, of, part).await.map_err(not_opened)?;
    Ok(page(&found, limit, |last| last.kept.id, told))
}

/// A part of something long: how much of it, and after how many.
struct Place {
    skip: usize,
    limit: u32,
}

impl Place {
    fn of(&self, all: impl Iterator<Item = Value>) -> Vec<Value> {
        all.skip(self.skip).take(self.limit as usize).collect()
    }
}

/// A page of what a statement opens to. A statement never changes, so a place in it stays: it is
/// said with the revision, for another one may come between two pages.
async fn pages(
    app: &App,
    caller: &Caller,
    query: &str,
    of: impl FnOnce(&Opened, &Place) -> Vec<Value>,
) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month", "revision", "of", "limit", "after"])?;
    let limit = limit(&params)?;
    let after = params.text("after").map(|text| {
        let place = text.split_once('.');
        let place = place.and_then(|(revision, n)| Some((revision.parse().ok()?, n.parse().ok()?)));
        place.ok_or_else(|| {
            Problem::with(
                Kind::InvalidRequest,
                ("after is no next_page of ours", "after هیچ next_page ما نیست"),
            )
        })
    });
    let after: Option<(u32, usize)> = after.transpose()?;
    let opened = opened(app, caller, &params, after.map(|(revision, _)| revision)).await?;
    let page = Place { skip: after.map_or(0, |(_, skip)| skip), limit };
    let data = of(&opened, &page);
    let place = |_: &Value| {
        format!("{}.{}", opened.statement.revision, page.skip.saturating_add(data.len()))
    };
    let next = next_page(&data, limit, place);
    Ok(listed(&data, next.as_deref()))
}

/// The statement that is asked for; a page that goes on has a revision already.
async fn opened(
    app: &App,
    caller: &Caller,
    params: &Params,
    going_on: Option<u32>,
) -> Result<Opened, Unanswered> {
    let revision = revision(params)?;
    if revision.is_some() && going_on.is_some_and(|going_on| revision != Some(going_on)) {
        let detail = ("after is a place in another revision", "after جایی در بازنگری دیگری است");
        return Err(Problem::with(Kind::InvalidRequest, detail).into());
    }
    let (account, month) = (whose(caller, params)?, month(params)?);
    let opened = app::statement::open(app, account, month, going_on.or(revision)).await;
    opened.map_err(not_opened)
}

fn not_opened(error: Error<OpenRefusal>) -> Unanswered {
    match error {
        Error::Failed(failure) => failure.into(),
        Error::Refused(OpenRefusal::NoSuchStatement) => Problem::of(Kind::NotFound).into(),
    }
}

/// Whose months are asked for: the caller's, or those of the platform, which everybody may read.
pub(super) fn whose(caller: &Caller, params: &Params) -> Result<Option<AccountId>, Problem> {
    match params.text("of") {
        None | Some("account") => Ok(Some(caller.account.id)),
        Some("platform") => Ok(None),
        Some(_) => Err(Problem::with(
            Kind::InvalidRequest,
            ("of is account or platform", "of یا account است یا platform"),
        )),
    }
}

fn month(params: &Params) -> Result<PersianMonth, Problem> {
    params.text("month").and_then(PersianMonth::parse).ok_or_else(|| {
        Problem::with(
            Kind::InvalidRequest,
            (
                "month is of the Persian calendar, like 1405-08",
                "month ماهی از تقویم ایرانی است، مانند 1405-08",
            ),
        )
    })
}

fn revision(params: &Params) -> Result<Option<u32>, Problem> {
    let number = |text: &str| {
        let wrong = || {
            Problem::with(
                Kind::InvalidRequest,
                ("revision is 0 or more", "revision صفر یا بیشتر است"),
            )
        };
        text.parse::<u32>().map_err(|_| wrong())
    };
    params.text("revision").map(number).transpose()
}

fn shown(opened: &Opened) -> Value {
    let Opened { statement, computed, signature } = opened;
    let figures = computed.as_ref().and_then(|(inputs, _)| {
        Figures::of(statement.month, statement.totals, inputs.parameters.terms())
    });
    let Totals { not_covered_us, planned_us, down_us, unknown_us, up_us } = statement.totals;
    let inputs = computed.as_ref().map(|(inputs, _)| inputs);
    json!({
        "object": "statement",
        "month": statement.month.to_string(),
        "revision": statement.revision,
        "made_at": rfc3339(statement.made_at),
        "verdict": statement.verdict.map(Verdict::word),
        "reason": signed(statement).map(|(reason, _)| reason),
        "signed_by": signed(statement).map(|(_, signer)| signer),
        "manager_signature": signature.as_ref().map(ManagerSignature::of),
        "figures": Figured::of(statement.totals, figures),
        "microseconds": {
            "not covered": not_covered_us, "planned": planned_us, "down": down_us,
            "unknown": unknown_us, "up": up_us,
        },
        "agreement": statement.agreement,
        "terms": inputs.map(|inputs| terms(&inputs.parameters)),
        "sha256": hex(&statement.digest),
        "computes": computed.is_some(),
        "covered": inputs.map(|inputs| spans(inputs.covered())),
    })
}

/// What the figures are reckoned by, out of the agreement.
fn terms(parameters: &Parameters) -> Vec<Value> {
    let of = |name: &str| name.starts_with("availability.") || name.starts_with("maintenance.");
    let of = parameters.iter().filter(|one| of(one.name));
    of.map(|one| json!({ "name": one.name, "value": one.value })).collect()
}

fn spans(spans: &[Span]) -> Vec<Value> {
    spans.iter().map(|one| json!({ "from": rfc3339(one.from), "to": rfc3339(one.to) })).collect()
}

fn stretch((span, class): &(Span, Class)) -> Value {
    json!({
        "from": rfc3339(span.from), "to": rfc3339(span.to), "class": class.word(),
        "microseconds": span.length_us(),
    })
}

fn part((kind, paths, span): (&str, Paths, Span)) -> Value {
    json!({
        "kind": kind, "paths": paths.to_string(),
        "from": rfc3339(span.from), "to": rfc3339(span.to),
    })
}

fn told(told: &Told) -> Value {
    let Told { kept, valid, unreadable } = told;
    let window = |Window { paths, span, .. }: &Window| {
        json!({
            "paths": paths.to_string(), "from": rfc3339(span.from), "to": rfc3339(span.to),
        })
    };
    json!({
        "id": kept.id.to_string(),
        "title": kept.title,
        "planned": valid.iter().map(window).collect::<Vec<_>>(),
        "versions": kept.maintenance.versions.iter().map(|version| {
            let plan = version.plan.as_ref();
            json!({ "saved_at": rfc3339(version.saved_at), "plan": plan.map(window) })
        }).collect::<Vec<_>>(),
        "notices": notices(kept),
        "panel_was_away": spans(unreadable),
    })
}

fn notices(kept: &Kept) -> Vec<Value> {
    let proofs = kept.maintenance.proofs.iter().zip(&kept.notices);
    let notice = proofs.map(|(proof, notice)| {
        json!({
            "version": proof.version,
            "channel": proof.channel.word(),
            "place": notice.place,
            "reference": notice.reference,
            "sha256": hex(&notice.content_hash),
            "paths": proof.paths.to_string(),
            "published_at": rfc3339(proof.published_at),
            "withdrawn_at": proof.withdrawn_at.map(rfc3339),
        })
    });
    notice.collect()
}

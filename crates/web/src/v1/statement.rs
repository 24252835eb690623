//! A month as it was written down, with everything that its numbers come from. What was seen of a
//! path in a part of it is told by `evidence`.

use app::maintenance::Kept;
use app::statement::{OpenRefusal, Opened, Told};
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::agreement::availability::{Figures, Totals, Verdict, Window};
use domain::agreement::parameter::Parameters;
use domain::agreement::statement::{Inputs, Judged};
use domain::calendar::jalali::rfc3339;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::chain::hex;
use serde_json::{Value, json};

use super::Unanswered;
use super::agreement::Figured;
use super::messages::{json as answer, query_of};
use super::problem::{Kind, Problem};

/// GET /v1/availability/statement: the last one of a month, or that of a revision.
pub(super) async fn get(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month", "revision"])?;
    let month = params.text("month").and_then(PersianMonth::parse).ok_or_else(|| {
        Problem::with(Kind::InvalidRequest, "month is of the Persian calendar, like 1405-08")
    })?;
    let number = |text: &str| {
        let wrong = || Problem::with(Kind::InvalidRequest, "revision is 0 or more");
        text.parse::<u32>().map_err(|_| wrong())
    };
    let revision = params.text("revision").map(number).transpose()?;
    let opened = match app::statement::open(app, caller.account.id, month, revision).await {
        Ok(opened) => opened,
        Err(app::Error::Failed(failure)) => return Err(failure.into()),
        Err(app::Error::Refused(OpenRefusal::NoSuchStatement)) => {
            return Err(Problem::of(Kind::NotFound).into());
        }
    };
    Ok(answer(StatusCode::OK, &shown(&opened)))
}

fn shown(opened: &Opened) -> Value {
    let Opened { statement, computed, maintenance } = opened;
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
        "reason": statement.signed.as_ref().map(|(reason, _)| reason),
        "signed_by": statement.signed.as_ref().map(|(_, signer)| signer),
        "figures": Figured::of(statement.totals, figures),
        "microseconds": {
            "not covered": not_covered_us, "planned": planned_us, "down": down_us,
            "unknown": unknown_us, "up": up_us,
        },
        "agreement": statement.agreement,
        "terms": inputs.map(|inputs| terms(&inputs.parameters)),
        "sha256": hex(&statement.digest),
        "inputs": inputs.map(Inputs::to_text),
        "stretches": computed.as_ref().map(|(_, judged)| stretches(judged)),
        "covered": inputs.map(|inputs| spans(inputs.covered())),
        "parts": inputs.map(parts),
        "maintenance": maintenance.iter().map(told).collect::<Vec<_>>(),
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

fn stretches(judged: &Judged) -> Vec<Value> {
    let stretch = |(span, class): &(Span, domain::agreement::availability::Class)| {
        json!({
            "from": rfc3339(span.from), "to": rfc3339(span.to), "class": class.word(),
            "microseconds": span.length_us(),
        })
    };
    judged.timeline.stretches().iter().map(stretch).collect()
}

fn parts(inputs: &Inputs) -> Vec<Value> {
    let part = |(kind, paths, span): (&str, domain::agreement::scope::Paths, Span)| {
        json!({
            "kind": kind, "paths": paths.to_string(),
            "from": rfc3339(span.from), "to": rfc3339(span.to),
        })
    };
    inputs.parts().map(part).collect()
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

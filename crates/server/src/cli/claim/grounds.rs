//! What a committee has before it, as `avanak claim show` prints it (T153).

use app::claim::{Grounds, OpenDay, Queued};
use app::statement::Told;
use domain::agreement::support_call::{Attempt, Step};
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::opening_hours::DayType;
use domain::calendar::span::Span;
use serde_json::{Value, json};

/// Adds it to what is printed of a claim.
pub(super) fn add(told: &mut Value, grounds: &Grounds) {
    let version = &grounds.agreement.version;
    let parameters: Vec<Value> = version
        .draft
        .parameters
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "value": parameter.value,
                "source": parameter.source.word(),
            })
        })
        .collect();
    told["looked_at"] = span(&grounds.time);
    told["queue"] = grounds.line.iter().map(queued).collect();
    told["queue_is_cut"] = grounds.is_cut.into();
    told["on_duty"] = grounds
        .duty
        .iter()
        .map(|turn| {
            json!({
                "expert": turn.name,
                "from": gregorian_date_time(turn.since),
                "to": turn.until.map(gregorian_date_time),
            })
        })
        .collect();
    told["hours"] = grounds.days.iter().map(day).collect();
    told["agreement"] = json!({
        "version": version.number,
        "effective_from": gregorian_date_time(version.draft.effective_from),
        "checksum": app::agreement::checksum_in_hex(&grounds.agreement),
        "parameters": parameters,
    });
    told["not_kept"] = grounds
        .entries
        .iter()
        .map(|kept| {
            json!({
                "violation": kept.id,
                "account": kept.account.map(|account| account.0),
                "clause": kept.violation.clause().word(),
                "status": kept.violation.status().word(),
                "at": span(&kept.violation.span()),
                "evidence": kept.violation.evidence(),
            })
        })
        .collect();
    told["credits_of_month"] = grounds
        .credits
        .iter()
        .map(|kept| {
            json!({
                "credit": kept.id,
                "track": kept.new.key.track.word(),
                "state": kept.credit.state().word(),
                "amount_rials": kept.credit.amount().0,
            })
        })
        .collect();
    told["handled_by_records"] = grounds
        .handled
        .iter()
        .map(|one| json!({ "name": one.name, "what": one.kind, "number": one.id }))
        .collect();
    told["maintenance_of_month"] = grounds.maintenance.iter().map(maintained).collect();
}

fn span(span: &Span) -> Value {
    json!({ "from": gregorian_date_time(span.from), "to": gregorian_date_time(span.to) })
}

/// A call to the line with everything that happened to it.
fn queued(queued: &Queued) -> Value {
    let call = &queued.call;
    let steps: Vec<Value> = call
        .steps
        .iter()
        .map(|taken| {
            let result = match &taken.step {
                Some(Step::Attempted(attempt)) => Some(Attempt::word(*attempt)),
                _ => None,
            };
            json!({
                "step": taken.step.as_ref().map_or("joined", Step::word),
                "at": gregorian_date_time(taken.at),
                "by": taken.actor,
                "result": result,
            })
        })
        .collect();
    json!({
        "support_call": call.id,
        "account": call.account.map(|account| account.0),
        "ahead": queued.ahead,
        "state": call.call.state.word(),
        "history": steps,
    })
}

fn day(day: &OpenDay) -> Value {
    json!({
        "day": day.day.to_string(),
        "is_off": day.day_type == DayType::Off,
        "version": day.hours,
        "open": day.open.iter().map(span).collect::<Vec<_>>(),
    })
}

/// Maintenance as a committee has to see it: what of it was told in time, and when the account
/// could not read that in the panel.
fn maintained(told: &Told) -> Value {
    let planned = told.valid.iter().map(|window| span(&window.span));
    json!({
        "maintenance": told.kept.id,
        "title": told.kept.title,
        "planned": planned.collect::<Vec<_>>(),
        "panel_was_away": told.unreadable.iter().map(span).collect::<Vec<_>>(),
    })
}

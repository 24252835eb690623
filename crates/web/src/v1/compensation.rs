//! What breached months pay back, for everybody to read.

use app::App;
use app::compensation::{Kept, Stage};
use axum::http::StatusCode;
use axum::response::Response;
use domain::calendar::jalali::rfc3339;
use serde_json::{Value, json};

use super::Unanswered;
use super::messages::json as answer;

/// GET /v1/compensation: every schedule that is published, and which one is in force.
pub(super) async fn get(app: &App) -> Result<Response, Unanswered> {
    let all = app::compensation::list(app).await?;
    let in_force = all.iter().find(|(_, stage)| *stage == Stage::Effective);
    let schedules: Vec<Value> =
        all.iter().filter_map(|(kept, stage)| schedule(kept, *stage)).collect();
    let told = json!({
        "object": "compensation",
        "in_force": in_force.map(|(kept, _)| kept.number),
        "schedules": schedules,
    });
    Ok(answer(StatusCode::OK, &told))
}

/// A schedule that is published.
fn schedule(kept: &Kept, stage: Stage) -> Option<Value> {
    let (schedule, _) = kept.published.as_ref()?;
    Some(json!({
        "object": "compensation_schedule",
        "schedule": kept.number,
        "state": stage.word(),
        "effective_from": schedule.effective_from().to_string(),
        "published_at": rfc3339(schedule.published_at()),
        "author": kept.draft.author,
        "approver": schedule.approver(),
        "text": kept.draft.to_text(),
    }))
}

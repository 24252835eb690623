//! That a customer accepted the service agreement, and whether it has changed since.

use app::agreement::{Acceptance, Accepted};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::calendar::jalali::rfc3339;
use serde_json::{Value, json};

use super::Unanswered;
use super::messages::json as answer;
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// GET /v1/agreement_acceptances.
pub(super) async fn list(app: &App, caller: &Caller) -> Result<Response, Unanswered> {
    let accepted = app::agreement::accepted(app, caller.account.id).await?;
    Ok(answer(StatusCode::OK, &shown(&accepted)))
}

/// POST /v1/agreement/{id}/accept.
pub(super) async fn accept(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let Asked { app, caller, address, .. } = asked;
    let number = id.parse().map_err(|_| Problem::of(Kind::NotFound))?;
    let work = async {
        match app::agreement::accept(app, caller, number, address).await {
            Ok(()) => list(app, caller).await,
            Err(Error::Refused(_)) => Err(Problem::of(Kind::NotFound).into()),
            Err(Error::Failed(failure)) => Err(failure.into()),
        }
    };
    once(asked, work, async |_| list(app, caller).await).await
}

fn shown(accepted: &Accepted) -> Value {
    let one = |acceptance: &Acceptance| {
        let Acceptance { version, at, address } = acceptance;
        json!({ "version": version, "accepted_at": rfc3339(*at), "address": address })
    };
    json!({
        "object": "agreement_acceptances",
        "in_force": accepted.in_force,
        "changed": accepted.is_changed(),
        "data": accepted.acceptances.iter().map(one).collect::<Vec<_>>(),
    })
}

//! What customers withdraw of what they have sent.

use app::cancellation::WithdrawalRefusal;
use app::{App, Caller, Error};
use axum::response::Response;
use domain::QuickSendId;

use super::Unanswered;
use super::messages::{self, message_id};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// POST /v1/messages/{id}/cancel.
pub(super) async fn message(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, caller, number) = (asked.app, asked.caller, message_id(id)?);
    let again = async |_| messages::get(app, caller, id).await;
    let work = Box::pin(async {
        withdraw(app, caller, number).await?;
        messages::get(app, caller, id).await
    });
    once(asked, work, again).await
}

async fn withdraw(app: &App, caller: &Caller, id: QuickSendId) -> Result<(), Unanswered> {
    let refusal = match app::cancellation::withdraw(app, caller, id).await {
        Ok(()) => return Ok(()),
        Err(Error::Failed(failure)) => return Err(failure.into()),
        Err(Error::Refused(refusal)) => refusal,
    };
    let in_this_state = |en: &str, fa: &str| Problem::with(Kind::WrongState, (en, fa));
    Err(match refusal {
        WithdrawalRefusal::Gone => Problem::of(Kind::NotFound),
        WithdrawalRefusal::Over => in_this_state("It has ended.", "پایان یافته است."),
        WithdrawalRefusal::OfCampaign => in_this_state(
            "It is of a campaign, which is cancelled as a whole.",
            "از یک کمپین است که یکجا لغو می‌شود.",
        ),
    }
    .into())
}

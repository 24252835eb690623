//! A campaign is heard before it calls anybody: a call to a number of its customer's, with its
//! message, its class and its questions. It is a quick send of its own and counts for nothing.

use domain::quick_send::Refusal;
use domain::{Account, CampaignId};

use crate::quick_send::{Accepted, NewSend, submit};
use crate::{App, Caller, Result};

/// Calls `number` as the campaign would. `None`: the account has no such campaign.
///
/// # Errors
/// Refused as [`Refusal`] says.
pub async fn rehearse(
    app: &App,
    account: Account,
    id: CampaignId,
    number: &str,
) -> Result<Option<Accepted>, Refusal> {
    let Some(found) = super::find(app, account.id, id).await? else { return Ok(None) };
    let campaign = found.campaign;
    let send = NewSend {
        message: campaign.message,
        number: number.to_owned(),
        vote: campaign.plan.vote,
        record_ms: campaign.plan.record_ms,
        server: campaign.plan.server,
        reference: None,
        class: campaign.plan.class,
    };
    let caller = Caller { account, token: None };
    submit(app, &caller, send).await.map(Some)
}

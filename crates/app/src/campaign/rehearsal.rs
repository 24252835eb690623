//! A campaign is heard before it calls anybody: a call to a number of its customer's, with its
//! message, its class and its questions. It is a quick send of its own and counts for nothing.

use domain::quick_send::Refusal;
use domain::{Account, CampaignId, RecipientId};

use crate::quick_send::{
    Accepted, NewPersonalSend, NewSend, PersonalRefusal, submit, submit_personal,
};
use crate::{App, Caller, Result, template};

/// Why a campaign was not heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RehearsalRefusal {
    /// Its message was not sent.
    Message(Refusal),
    /// What its first recipient hears was not sent.
    Personal(PersonalRefusal),
}

/// Calls `number` as the campaign would; of a personal message it says what the first recipient
/// hears. `None`: the account has no such campaign.
///
/// # Errors
/// Refused as [`RehearsalRefusal`] says.
pub async fn rehearse(
    app: &App,
    account: Account,
    id: CampaignId,
    number: &str,
) -> Result<Option<Accepted>, RehearsalRefusal> {
    let Some(found) = super::find(app, account.id, id).await? else { return Ok(None) };
    let campaign = found.campaign;
    let first = RecipientId { campaign: id, n: 1 };
    let said = template::values_of(app, account.id, first).await?;
    let caller = Caller { account, token: None };
    if let Some((template, values)) = said {
        let send = NewPersonalSend {
            template,
            values,
            number: number.to_owned(),
            vote: campaign.plan.vote,
            record_ms: campaign.plan.record_ms,
            server: campaign.plan.server,
            reference: None,
            class: campaign.plan.class,
            follow_up: None,
        };
        let sent = submit_personal(app, &caller, send).await;
        return sent.map(Some).map_err(|error| error.map(RehearsalRefusal::Personal));
    }
    let send = NewSend {
        message: campaign.message,
        number: number.to_owned(),
        vote: campaign.plan.vote,
        record_ms: campaign.plan.record_ms,
        server: campaign.plan.server,
        reference: None,
        class: campaign.plan.class,
        follow_up: None,
    };
    let sent = submit(app, &caller, send).await;
    sent.map(Some).map_err(|error| error.map(RehearsalRefusal::Message))
}

//! A campaign is heard before it calls anybody: a call to a number of its customer's, with its
//! message, its class, its questions and its key to opt out by. It is a quick send of its own and
//! counts for nothing.

use domain::quick_send::Refusal;
use domain::{CampaignId, RecipientId, Rials};

use crate::account::hex;
use crate::bulk::{self, Content, NewBulk};
use crate::quick_send::{
    Accepted, NewPersonalSend, NewSend, PersonalRefusal, repeated, submit_personal_with_key,
    submit_with_key,
};
use crate::request::{self, RequestKey};
use crate::{App, Caller, Error, Failure, Result, template};

/// Why a campaign was not heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RehearsalRefusal {
    /// The name of the request was used for another one.
    KeyReused,
    /// Its message was not sent.
    Message(Refusal),
    /// What its first recipient hears was not sent.
    Personal(PersonalRefusal),
    /// The call could cost this, which is more than is allowed.
    TooExpensive(Rials),
}

/// Calls `number` as the campaign would; of a personal message it says what the first recipient
/// hears. `None`: the account has no such campaign. Asked again under the same name, the first call
/// is told.
///
/// # Errors
/// Refused as [`RehearsalRefusal`] says.
pub async fn rehearse(
    app: &App,
    caller: &Caller,
    id: CampaignId,
    (number, max_cost): (&str, Option<Rials>),
    request: Option<&RequestKey>,
) -> Result<Option<Accepted>, RehearsalRefusal> {
    let account = &caller.account;
    let Some(found) = super::find(app, account.id, id).await? else { return Ok(None) };
    if !request::claim(app, caller, request).await? {
        return Err(Error::Refused(RehearsalRefusal::KeyReused));
    }
    let reference = request.map(|request| format!("request:{}:test", hex(&request.hash())));
    if let Some(max) = max_cost
        && repeated(app, caller, reference.as_deref()).await?.is_none()
        && let Some((_, estimate)) = estimate_rehearsal(app, caller, id, number).await?
        && estimate.cost_max() > max
    {
        return Err(Error::Refused(RehearsalRefusal::TooExpensive(estimate.cost_max())));
    }
    let campaign = found.campaign;
    let key = campaign.plan.opt_out_key;
    let first = RecipientId { campaign: id, n: 1 };
    let said = template::values_of(app, account.id, first).await?;
    if let Some((template, values)) = said {
        let send = NewPersonalSend {
            template,
            values,
            number: number.to_owned(),
            vote: campaign.plan.vote,
            record_ms: campaign.plan.record_ms,
            server: campaign.plan.server,
            reference,
            class: campaign.plan.class,
            follow_up: None,
        };
        let sent = submit_personal_with_key(app, caller, send, key).await;
        return sent.map(Some).map_err(|error| error.map(RehearsalRefusal::Personal));
    }
    let send = NewSend {
        message: campaign.message,
        number: number.to_owned(),
        vote: campaign.plan.vote,
        record_ms: campaign.plan.record_ms,
        server: campaign.plan.server,
        reference,
        class: campaign.plan.class,
        follow_up: None,
    };
    let sent = submit_with_key(app, caller, send, key).await;
    sent.map(Some).map_err(|error| error.map(RehearsalRefusal::Message))
}

/// What such a call would come to, and what it would be. `None`: the account has no such campaign.
///
/// # Errors
/// The database, or the speech engine, failed.
pub async fn estimate_rehearsal(
    app: &App,
    caller: &Caller,
    id: CampaignId,
    number: &str,
) -> std::result::Result<Option<(NewBulk, bulk::Estimate)>, Failure> {
    let account = caller.account.id;
    let Some(found) = super::find(app, account, id).await? else { return Ok(None) };
    let campaign = found.campaign;
    let said = template::values_of(app, account, RecipientId { campaign: id, n: 1 }).await?;
    let content = match said {
        Some((template, values)) => Content::Personal { template, values: vec![values] },
        None => Content::Message(campaign.message),
    };
    let call = NewBulk {
        content,
        numbers: vec![number.to_owned()],
        vote: campaign.plan.vote,
        record_ms: campaign.plan.record_ms,
        server: campaign.plan.server,
        class: campaign.plan.class,
        follow_up: None,
        max_cost: None,
        request: None,
    };
    let estimate = bulk::estimate(app, caller, &call).await?;
    Ok(Some((call, estimate)))
}

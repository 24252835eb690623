//! A campaign of those whom another one did not reach: it plays the same, to each what was to be
//! said to it.

use domain::campaign::admission::Plan;
use domain::campaign::numbers::{CompactNumber, RECIPIENTS_MAX, Sifted};
use domain::campaign::retry::is_unreached;
use domain::campaign::{RecipientStatus, Schedule};
use domain::sms::FollowUp;
use domain::{Account, AccountId, CampaignId, RecipientId, Rials, Status};

use super::Recipient;
use super::create::{Added, CreateRefusal, Created, followed, made};
use super::played::{self, Judged, Played};
use crate::request::{self, RequestKey};
use crate::sms::WrittenFollowUp;
use crate::{App, Caller, Error, Failure, Result, identity};

/// When those whom a campaign did not reach are called anew, and for how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRedial {
    /// The first day and the hour at which each day starts.
    pub start: String,
    /// The last day and the hour at which each day ends.
    pub end: String,
    /// The most that it may cost; without it, as much as the one before it.
    pub max_cost: Option<Rials>,
}

/// What a redial is made of.
pub(super) struct Redial {
    pub(super) plan: Plan,
    pub(super) judged: Judged,
    pub(super) follow_up: Option<(FollowUp, Rials)>,
    pub(super) sifted: Sifted,
}

/// Makes a campaign of those whom another one of the account did not reach.
///
/// # Errors
/// Refused as [`CreateRefusal`] says; `Invalid` when there is no such campaign or it reached
/// everybody.
pub async fn redial(
    app: &App,
    caller: &Caller,
    id: CampaignId,
    new: &NewRedial,
    request: Option<&RequestKey>,
) -> Result<Created, CreateRefusal> {
    if !request::claim(app, caller, request).await? {
        return Err(Error::Refused(CreateRefusal::KeyReused));
    }
    let account = &caller.account;
    if let Some(made) = request::campaign(app, caller, request).await? {
        return redialled(app, account, made).await;
    }
    let Redial { plan, judged, follow_up, sifted } = Redial::of(app, account, id, new).await?;
    if !identity::may_call_many(app, account.id).await? {
        return Err(Error::Refused(CreateRefusal::NotIdentified));
    }
    let sound = played::sound(app, account, judged).await?;
    made(app, account, (&sound, follow_up), plan, sifted, true, request).await
}

impl Redial {
    /// Judges it, but for what is to be paid.
    pub(super) async fn of(
        app: &App,
        account: &Account,
        id: CampaignId,
        new: &NewRedial,
    ) -> Result<Self, CreateRefusal> {
        let invalid = || Error::Refused(CreateRefusal::Invalid);
        let schedule = Schedule::between(&new.start, &new.end)
            .map_err(|refusal| Error::Refused(refusal.into()))?;
        let all = RECIPIENTS_MAX as usize;
        let recipients = super::recipients(app, account.id, id, 0, all).await?;
        let recipients = recipients.ok_or_else(invalid)?;
        let old = super::find(app, account.id, id).await?.ok_or_else(invalid)?.campaign;
        let max_cost = new.max_cost.or(old.plan.max_cost);
        let plan = Plan { schedule, max_cost, ..old.plan };
        let judged = played::judge(app, account, &Played::Kept(old.message), &plan).await?;
        let unreached = recipients.iter().filter(|one| was_not_reached(one));
        let unreached: Vec<(RecipientId, CompactNumber)> = unreached
            .filter_map(|one| Some((one.stored.id, CompactNumber::parse(&one.stored.number)?)))
            .collect();
        let mut values = Vec::new();
        if judged.template().is_some() {
            values = said_to(app, account.id, &unreached).await?;
        }
        let sms = written_after(app, account, id).await?;
        let follow_up = followed(app, sms.as_ref()).await?;
        let numbers = unreached.into_iter().map(|(_, number)| number).collect();
        let sifted = Sifted { numbers, values, ..Sifted::default() };
        if sifted.numbers.is_empty() {
            return Err(invalid());
        }
        Ok(Self { plan, judged, follow_up, sifted })
    }
}

/// What is written after the calls of a campaign, at the price of today.
async fn written_after(
    app: &App,
    account: &Account,
    id: CampaignId,
) -> std::result::Result<Option<WrittenFollowUp>, Failure> {
    let found = store::sms::of_campaign(&mut app.read().await?, account.id, id).await?;
    Ok(found.map(|kept| WrittenFollowUp {
        text: kept.text,
        after: kept.after.iter().map(|end| end.word().to_owned()).collect(),
    }))
}

/// What is said to each of these recipients alone, as it is kept.
async fn said_to(
    app: &App,
    account: AccountId,
    recipients: &[(RecipientId, CompactNumber)],
) -> std::result::Result<Vec<String>, Failure> {
    let mut reads = app.read().await?;
    let mut values = Vec::with_capacity(recipients.len());
    for (recipient, _) in recipients {
        let said = store::template::said(&mut reads, account, *recipient).await?;
        let said = said.ok_or_else(|| Failure::of("redialling: a recipient has no values"))?;
        values.push(said.given);
    }
    Ok(values)
}

/// A redial that was made before. A process that was killed meanwhile has left a draft of some of
/// the numbers, which calls nobody; it is told as it is.
async fn redialled(app: &App, account: &Account, id: CampaignId) -> Result<Created, CreateRefusal> {
    let gone = || Failure::of("reading a redial that was made before: it is not there");
    let found = store::campaign::find(&mut app.read().await?, account.id, id).await?;
    let accepted = found.ok_or_else(gone)?.recipients.total();
    let rest = Sifted::default();
    Ok(Created { id, added: Added { accepted, rest }, repeated: true })
}

fn was_not_reached(recipient: &Recipient) -> bool {
    match recipient.status {
        RecipientStatus::Of(Status::Ended(disposition)) => is_unreached(disposition),
        RecipientStatus::Of(_) | RecipientStatus::Retrying => false,
    }
}

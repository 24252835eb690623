//! A campaign is made: its plan is judged, its list gone through, its numbers kept a batch at a
//! time. Until the last batch is kept it is a draft that nobody calls: a process that is killed
//! meanwhile leaves a draft behind, and its client was told nothing.

use std::sync::Arc;

use domain::campaign::State;
use domain::campaign::admission::{MessageRefusal, Plan, PlanRefusal, Zones, is_covered};
use domain::campaign::numbers::{CompactNumber, NumberSet, RECIPIENTS_MAX, Sifted};
use domain::campaign::schedule::ScheduleRefusal;
use domain::sms::FollowUp;
use domain::template::Template;
use domain::{Account, AccountId, CampaignId, MessageId, Rials};
use store::hot::Import;
use store::sms::NewFollowUp;
use tokio::sync::Semaphore;

use super::WrittenPlan;
use super::change::{self, StartRefusal};
use super::list::{Broken, List, Recipients, Unreadable};
use super::played::{self, Played, Sound};
use crate::quick_send::TextRefusal;
use crate::request::{self, RequestKey};
use crate::sms::{SmsRefusal, WrittenFollowUp};
use crate::template::of_campaign;
use crate::{App, Caller, Error, Failure, Result, identity, sms};

/// Numbers kept in one commit.
const BATCH: usize = 2_000;
/// From how many bytes on a list is gone through where blocking is allowed.
const LARGE_LIST: usize = 64 * 1024;
/// Files are gone through one at a time: an unpacked one takes its memory.
static FILES: Semaphore = Semaphore::const_new(1);
/// How often numbers are kept anew when others were added meanwhile.
const TRIES_MAX: u32 = 5;

/// A campaign to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCampaign {
    /// What is played.
    pub message: Played,
    /// Whom to call, as the customer wrote it. Without a list, which only a draft may be, its
    /// numbers are added afterwards.
    pub numbers: Option<Recipients>,
    /// How.
    pub plan: WrittenPlan,
    /// What is written after its calls, if anything is.
    pub sms: Option<WrittenFollowUp>,
    /// Whether it starts at once.
    pub auto_start: bool,
    /// The client's own name for this request: asked again, the same campaign is told.
    pub request: Option<RequestKey>,
}

/// A campaign that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its identity.
    pub id: CampaignId,
    /// What became of its list.
    pub added: Added,
    /// Whether it had been made before, under the same name for the request.
    pub repeated: bool,
}

/// What became of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Numbers that were added.
    pub accepted: u32,
    /// The rest: what stood there twice, and what was no number.
    pub rest: Sifted,
}

/// Why a campaign was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateRefusal {
    /// The account has no such message.
    WrongMessage,
    /// The message waits for its approval.
    MessageWaiting,
    /// The message was rejected.
    MessageRejected,
    /// The number of tries is not allowed.
    TriesNotAllowed,
    /// The account may not record callees.
    RecordingNotPermitted,
    /// The last day is before the first.
    EndsBeforeItStarts,
    /// The hour at which each day ends is not after the one at which it starts.
    HoursEndBeforeTheyStart,
    /// No number, a moment that is none or over, too long a pause or title.
    Invalid,
    /// The map of numbers has nobody within the region, or there is no map.
    NoRegion,
    /// The available balance does not cover calling everybody once.
    InsufficientCredit,
    /// It cannot start, although it was made.
    CannotStart,
    /// The name of the request was used for another one.
    KeyReused,
    /// The text that is to be spoken is not taken.
    Text(TextRefusal),
    /// What is to be written after its calls is not taken.
    Sms(SmsRefusal),
    /// The operator asks who the account's owner is, and that is not proven.
    NotIdentified,
}

/// Why numbers were not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListRefusal {
    /// The account has no such campaign.
    NoCampaign,
    /// It takes no numbers any more.
    Over,
    /// The list has no new number, or the campaign is full.
    NoNumber,
    /// The list cannot be read.
    Unreadable(Unreadable),
    /// The operator asks who the account's owner is, and that is not proven.
    NotIdentified,
}

/// Makes a campaign and, if that is asked for, starts it.
///
/// # Errors
/// Refused as [`CreateRefusal`] says.
pub async fn create(
    app: &App,
    caller: &Caller,
    new: NewCampaign,
) -> Result<Created, CreateRefusal> {
    let NewCampaign { message, numbers, plan, sms, auto_start, request } = new;
    let plan = plan.read().map_err(|refusal| Error::Refused(refusal.into()))?;
    let account = &caller.account;
    if !request::claim(app, caller, request.as_ref()).await? {
        return Err(Error::Refused(CreateRefusal::KeyReused));
    }
    if let Some(id) = request::campaign(app, caller, request.as_ref()).await? {
        return completed(app, account, id, numbers, auto_start).await;
    }
    let judged = played::judge(app, account, &message, &plan).await?;
    if numbers.is_none() && auto_start {
        return Err(Error::Refused(CreateRefusal::Invalid));
    }
    let is_list = numbers.is_some();
    let sifted = gone_through(app, account, numbers, judged.template().cloned()).await?;
    if is_list && sifted.numbers.is_empty() {
        return Err(Error::Refused(CreateRefusal::Invalid));
    }
    let follow_up = followed(app, sms.as_ref()).await?;
    if auto_start && !identity::may_call_many(app, account.id).await? {
        return Err(Error::Refused(CreateRefusal::NotIdentified));
    }
    let sound = played::sound(app, account, judged).await?;
    let what = (&sound, follow_up);
    made(app, account, what, plan, sifted, auto_start, request.as_ref()).await
}

/// What is written after its calls, and what that costs.
pub(super) async fn followed(
    app: &App,
    sms: Option<&WrittenFollowUp>,
) -> Result<Option<(FollowUp, Rials)>, CreateRefusal> {
    let Some(sms) = sms else { return Ok(None) };
    let judged = sms::judge(app, sms).await;
    judged.map(Some).map_err(|error| error.map(CreateRefusal::Sms))
}

/// A campaign that was made before under the same name for the request: what a killed process did
/// not keep of its list is kept now, and what it did not start is started.
async fn completed(
    app: &App,
    account: &Account,
    id: CampaignId,
    numbers: Option<Recipients>,
    auto_start: bool,
) -> Result<Created, CreateRefusal> {
    let gone = || Failure::of("reading a campaign that was made before: it is not there");
    let found = store::campaign::find(&mut app.read().await?, account.id, id).await?;
    let campaign = found.ok_or_else(gone)?;
    let template = of_campaign(&mut app.read().await?, &campaign).await?;
    let mut sifted = gone_through(app, account, numbers, template).await?;
    let accepted = u32::try_from(sifted.numbers.len()).unwrap_or(u32::MAX);
    let there = campaign.recipients.total();
    if campaign.state == State::Draft && there < accepted {
        let left = sifted.behind(there as usize);
        if kept(app, account.id, id, there, left).await?.is_none() {
            let at_once = "completing a campaign: the same request is being done at once";
            return Err(Failure::of(at_once).into());
        }
    }
    sifted.numbers = Vec::new();
    if campaign.state == State::Draft && auto_start {
        start(app, account, id).await?;
    }
    Ok(Created { id, added: Added { accepted, rest: sifted }, repeated: true })
}

/// Adds numbers to a campaign that is not over.
///
/// # Errors
/// Refused as [`ListRefusal`] says.
pub async fn add_numbers(
    app: &App,
    account: AccountId,
    id: CampaignId,
    list: List,
) -> Result<Added, ListRefusal> {
    if !identity::may_call_many(app, account).await? {
        // A draft calls nobody, and asks when it starts.
        let found = store::campaign::find(&mut app.read().await?, account, id).await?;
        if found.is_some_and(|campaign| campaign.state != State::Draft) {
            return Err(Error::Refused(ListRefusal::NotIdentified));
        }
    }
    let list = Arc::new(list);
    for _ in 0..TRIES_MAX {
        let (before, sifted) = sifted(app, account, id, &list).await?;
        if sifted.numbers.is_empty() {
            return Err(Error::Refused(ListRefusal::NoNumber));
        }
        if let Some(added) = kept(app, account, id, before, sifted).await? {
            return Ok(added);
        }
    }
    Err(Failure::of("adding numbers: others are being added all the time").into())
}

/// What would become of a list, if it were added to a campaign now.
///
/// # Errors
/// Refused as [`ListRefusal`] says, but for a list without a new number.
pub async fn look_through(
    app: &App,
    account: AccountId,
    id: CampaignId,
    list: List,
) -> Result<Added, ListRefusal> {
    let (_, mut rest) = sifted(app, account, id, &Arc::new(list)).await?;
    let accepted = std::mem::take(&mut rest.numbers).len();
    Ok(Added { accepted: u32::try_from(accepted).unwrap_or(u32::MAX), rest })
}

/// How many recipients a campaign has, and what a list has besides.
async fn sifted(
    app: &App,
    account: AccountId,
    id: CampaignId,
    list: &Arc<List>,
) -> Result<(u32, Sifted), ListRefusal> {
    let mut reads = app.read().await?;
    let campaign = store::campaign::find(&mut reads, account, id).await?;
    let campaign = campaign.ok_or(Error::Refused(ListRefusal::NoCampaign))?;
    if !campaign.state.takes_numbers() {
        return Err(Error::Refused(ListRefusal::Over));
    }
    let (mut known, mut count) = (NumberSet::default(), 0);
    while count < campaign.recipients.total() {
        let page = store::campaign::numbers(&mut reads, id, count, super::PAGE).await?;
        count += u32::try_from(page.len()).unwrap_or(u32::MAX);
        if page.is_empty() {
            break;
        }
        known.extend(page);
    }
    drop(reads);
    let before = campaign.recipients.total();
    let room = RECIPIENTS_MAX - before;
    let template = of_campaign(&mut app.read().await?, &campaign).await?;
    if !list.is_long(LARGE_LIST) && known.len() <= BATCH {
        return Ok((before, list.sift(known, room, template.as_ref())?));
    }
    let _one_at_a_time = FILES
        .acquire()
        .await
        .map_err(|error| Failure::because("waiting for another list to be gone through", error))?;
    let list = Arc::clone(list);
    let going = move || list.sift(known, room, template.as_ref());
    let going = tokio::task::spawn_blocking(going).await;
    let sifted = going.unwrap_or_else(|panic| {
        // Whoever wrote the reader of a file did not think of everything that may be in one.
        tracing::warn!(%panic, "a list of numbers could not be gone through");
        Err(Broken::Unreadable(Unreadable::Broken))
    });
    Ok((before, sifted?))
}

pub(super) async fn made(
    app: &App,
    account: &Account,
    (sound, follow_up): (&Sound, Option<(FollowUp, Rials)>),
    plan: Plan,
    sifted: Sifted,
    auto_start: bool,
    request: Option<&RequestKey>,
) -> Result<Created, CreateRefusal> {
    let created_at = app.now();
    let account_id = account.id;
    let follow_up = follow_up.map(|(follow_up, price)| NewFollowUp {
        account: account_id,
        follow_up,
        price,
        created_at,
    });
    // Its message is known when what was spoken has become one.
    let message = MessageId(0);
    let new = store::campaign::NewCampaign { account: account_id, message, plan, created_at };
    let paid = if auto_start {
        may_be_paid(app, account, sound, &new.plan, &sifted.numbers).await
    } else {
        Ok(())
    };
    let id = match paid {
        Ok(()) => inserted(app, account, (new, sound, follow_up.as_ref()), request).await,
        Err(error) => Err(error),
    };
    let id = sound.kept_unless_refused(app, id).await?;
    let added = kept(app, account.id, id, 0, sifted).await?;
    let added = added.ok_or_else(|| Failure::of("keeping the numbers of a new campaign"))?;
    if auto_start {
        start(app, account, id).await?;
    }
    Ok(Created { id, added, repeated: false })
}

/// Makes the row of a campaign, under the name of its request.
async fn inserted(
    app: &App,
    account: &Account,
    (new, sound, follow_up): (store::campaign::NewCampaign, &Sound, Option<&NewFollowUp>),
    request: Option<&RequestKey>,
) -> Result<CampaignId, CreateRefusal> {
    app.write(async |tx| {
        let called = (&*new.plan.title, new.created_at);
        let message = sound.message(tx, account, called).await?;
        let new = store::campaign::NewCampaign { message, ..new.clone() };
        let id = store::campaign::insert(tx, &new).await?;
        if let Some(follow_up) = follow_up {
            let follow_up = store::sms::insert(tx, follow_up).await?;
            store::campaign::set_follow_up(tx, id, follow_up).await?;
        }
        if let Some(request) = request
            && !store::request::set_campaign(tx, new.account, &request.hash(), id).await?
        {
            let at_once = "making a campaign: the same request is being done twice at once";
            return Err(Failure::of(at_once).into());
        }
        Ok(id)
    })
    .await
}

/// Starts a campaign that was made, unless the same request has started it meanwhile.
async fn start(app: &App, account: &Account, id: CampaignId) -> Result<(), CreateRefusal> {
    match change::start_as_planned(app, account.id, id).await {
        Err(Error::Refused(StartRefusal::CannotStart)) => {
            let found = store::campaign::find(&mut app.read().await?, account.id, id).await?;
            match found.map(|campaign| campaign.state) {
                Some(State::Running) => Ok(()),
                _ => Err(Error::Refused(CreateRefusal::CannotStart)),
            }
        }
        started => started.map_err(|error| error.map(Into::into)),
    }
}

/// Refuses what could not start, before anything is kept.
async fn may_be_paid(
    app: &App,
    account: &Account,
    sound: &Sound,
    plan: &Plan,
    numbers: &[CompactNumber],
) -> Result<(), CreateRefusal> {
    let prices = sound.prices(app).await?;
    if is_covered(&sound.paid_by(account), &prices, zones_of(numbers), plan.max_cost) {
        return Ok(());
    }
    Err(Error::Refused(CreateRefusal::InsufficientCredit))
}

pub(super) fn zones_of(numbers: &[CompactNumber]) -> Zones {
    numbers.iter().fold(Zones::default(), |zones, number| zones.and(number.zone()))
}

/// Goes through a list; a long one where it keeps nobody waiting.
pub(super) async fn gone_through(
    app: &App,
    account: &Account,
    list: Option<Recipients>,
    template: Option<Template>,
) -> Result<Sifted, CreateRefusal> {
    let Some(list) = list else { return Ok(Sifted::default()) };
    let list = list.found(app, account).await?.ok_or(Error::Refused(CreateRefusal::NoRegion))?;
    if !list.is_long(LARGE_LIST) {
        return Ok(list.sift(template.as_ref()));
    }
    let going = move || list.sift(template.as_ref());
    let gone = tokio::task::spawn_blocking(going).await;
    Ok(gone.map_err(|error| Failure::because("going through a list of numbers", error))?)
}

/// Keeps the numbers behind the `before` that are there. `None`: others came first.
async fn kept(
    app: &App,
    account: AccountId,
    campaign: CampaignId,
    mut before: u32,
    mut sifted: Sifted,
) -> std::result::Result<Option<Added>, Failure> {
    let numbers = std::mem::take(&mut sifted.numbers);
    let mut values = std::mem::take(&mut sifted.values).into_iter();
    let accepted = u32::try_from(numbers.len()).expect("no more than a campaign has room for");
    let first = before;
    for batch in numbers.chunks(BATCH) {
        let (numbers, values) = (batch.to_vec(), values.by_ref().take(BATCH).collect());
        let import = Import { account, campaign, before, numbers, values };
        if !app.hot().import(import).await? {
            if before == first {
                return Ok(None);
            }
            return Err(Failure::of("keeping numbers: others were added between them"));
        }
        before += u32::try_from(batch.len()).expect("a batch is small");
    }
    Ok(Some(Added { accepted, rest: sifted }))
}

impl From<Broken> for Error<ListRefusal> {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Unreadable(why) => Self::Refused(ListRefusal::Unreadable(why)),
            Broken::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<ScheduleRefusal> for CreateRefusal {
    fn from(refusal: ScheduleRefusal) -> Self {
        match refusal {
            ScheduleRefusal::NotWritten => Self::Invalid,
            ScheduleRefusal::EndsBeforeItStarts => Self::EndsBeforeItStarts,
            ScheduleRefusal::HoursEndBeforeTheyStart => Self::HoursEndBeforeTheyStart,
        }
    }
}

impl From<PlanRefusal> for CreateRefusal {
    fn from(refusal: PlanRefusal) -> Self {
        match refusal {
            PlanRefusal::TriesNotAllowed => Self::TriesNotAllowed,
            PlanRefusal::Invalid => Self::Invalid,
            PlanRefusal::RecordingNotPermitted => Self::RecordingNotPermitted,
        }
    }
}

impl From<MessageRefusal> for CreateRefusal {
    fn from(refusal: MessageRefusal) -> Self {
        match refusal {
            MessageRefusal::None => Self::WrongMessage,
            MessageRefusal::Waiting => Self::MessageWaiting,
            MessageRefusal::Rejected => Self::MessageRejected,
        }
    }
}

impl From<StartRefusal> for CreateRefusal {
    fn from(refusal: StartRefusal) -> Self {
        match refusal {
            StartRefusal::CannotStart | StartRefusal::CostsMore(_) => Self::CannotStart,
            StartRefusal::InsufficientCredit => Self::InsufficientCredit,
            StartRefusal::WrongMessage => Self::WrongMessage,
            StartRefusal::NotIdentified => Self::NotIdentified,
        }
    }
}

//! The methods of campaigns. Their shapes are those of the SOAP reference (avanak-api §3.3), merged
//! flat into one object.

use app::campaign::{NewCampaign, Progress, Recipients, Start, StartPlan, WrittenPlan};
use app::sms::WrittenFollowUp;
use app::{App, Caller, Error, Failure};
use domain::calendar::jalali;
use domain::campaign::State;
use domain::{CampaignId, MessageClass, MessageId, Timestamp};
use serde::{Deserialize, Serialize};

use super::billing::period;
use super::codes::{
    self, RECORD_DURATION_NOT_ALLOWED, REGION_UNKNOWN, SMS_LIST_EMPTY, SMS_NOT_SENT,
};
use super::fa;
use super::message::{message_id, text};
use super::method::Method;
use super::params::Params;
use super::quick_send::{record_duration_fits, record_ms, server};
use super::reply::Reply;
use crate::region;

/// Tries and minutes between them when a client names none (avanak-api §2.2).
const TRIES: i64 = 1;
const MINUTES_BETWEEN_TRIES: i64 = 10;
/// Campaigns that GetCampaignsByDate tells at once.
const CAMPAIGNS_MAX: u32 = 1_000;

/// CreateCampaign and CreateCampaignGIS: the campaign, or the code, as a bare number.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    method: Method,
    mut params: Params,
) -> Result<Reply, Failure> {
    let refused = |code| Ok(Reply::refused(method, code));
    let sms = match sms(&params) {
        Ok(sms) => sms,
        Err(code) => return refused(code),
    };
    if !record_duration_fits(&params) {
        return refused(RECORD_DURATION_NOT_ALLOWED);
    }
    let numbers = params.take("numbers").unwrap_or_default();
    let recipients = if method == Method::CreateCampaignGis {
        let Some(region) = region::read(params.text("giscroods").unwrap_or_default()) else {
            return refused(REGION_UNKNOWN);
        };
        Recipients::Within { region, besides: numbers }
    } else {
        Recipients::Written(numbers)
    };
    let new = NewCampaign {
        // An id nobody has is the same as an unreadable one.
        message: message_id(&params).unwrap_or(MessageId(0)).into(),
        numbers: Some(recipients),
        sms,
        plan: WrittenPlan {
            title: text(&params, "title"),
            start: text(&params, "startdatetime"),
            end: text(&params, "enddatetime"),
            max_tries: count(&params, "maxtrycount", TRIES),
            minutes_between_tries: count(&params, "minutebetweentries", MINUTES_BETWEEN_TRIES),
            vote: params.flag("vote"),
            record_ms: record_ms(&params),
            server: server(&params),
            priority: params.integer("priority").unwrap_or(0),
            max_cost: None,
            class: MessageClass::Service,
            opt_out_key: None,
            calls_per_minute: None,
        },
        auto_start: params.text("autostart").is_none_or(str::is_empty) || params.flag("autostart"),
        request: None,
    };
    match app::campaign::create(app, caller, new).await {
        Ok(created) => {
            let (accepted, rest) = (created.added.accepted, created.added.rest);
            let (id, invalid, duplicates) = (created.id.0, rest.invalid, rest.duplicates);
            tracing::info!(campaign = id, accepted, invalid, duplicates, "campaign made");
            Ok(Reply::ok(&id))
        }
        Err(Error::Refused(refusal)) => refused(codes::create_campaign(refusal)),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// StartCampaign: the campaign, or the code, as a bare number.
pub(crate) async fn start(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let title = text(&params, "title");
    let plan = StartPlan {
        title: (!title.trim().is_empty()).then_some(title),
        start: text(&params, "startdatetime"),
        end: text(&params, "enddatetime"),
        max_tries: count(&params, "maxtrycount", TRIES),
        minutes_between_tries: count(&params, "minutebetweentries", MINUTES_BETWEEN_TRIES),
        server: server(&params),
        max_cost: None,
    };
    // An id nobody has is the same as an unreadable one.
    let id = campaign_id(&params).unwrap_or(CampaignId(0));
    match app::campaign::start(app, caller.account.id, id, Start::Under(plan)).await {
        Ok(()) => Ok(Reply::ok(&id.0)),
        Err(Error::Refused(refusal)) => {
            Ok(Reply::refused(Method::StartCampaign, codes::start_campaign(refusal)))
        }
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// StopCampaign: whether there was one to stop.
pub(crate) async fn stop(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let stopped = match campaign_id(&params) {
        Some(id) => app::campaign::stop(app, caller.account.id, id).await?,
        None => false,
    };
    Ok(if stopped { Reply::ok(&true) } else { Reply::refused(Method::StopCampaign, 0) })
}

/// GetCampaign; `null` when the account has no such campaign.
pub(crate) async fn get(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let progress = match campaign_id(&params) {
        Some(id) => app::campaign::find(app, caller.account.id, id).await?,
        None => None,
    };
    let now = app.now();
    Ok(progress.map_or_else(
        || Reply::refused(Method::GetCampaign, 0),
        |progress| Reply::ok(&Shown::of(&progress, now)),
    ))
}

/// GetCampaignsByDate: those whose first day is one of these, the newest first; `null` without two
/// dates.
pub(crate) async fn starting(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let Some(period) = period(&params) else {
        return Ok(Reply::refused(Method::GetCampaignsByDate, 0));
    };
    let found = app::campaign::starting(app, caller.account.id, period, CAMPAIGNS_MAX).await?;
    let now = app.now();
    let campaigns: Vec<Shown> = found.iter().map(|progress| Shown::of(progress, now)).collect();
    Ok(Reply::ok(&Campaigns { status: "Success", campaigns }))
}

/// The campaign that is meant; no id of ours is below 1.
pub(crate) fn campaign_id(params: &Params) -> Option<CampaignId> {
    params.integer("campaignid").filter(|&id| id > 0).map(CampaignId)
}

/// A count as it was given; what is no count is one that is never allowed.
fn count(params: &Params, name: &str, otherwise: i64) -> u32 {
    let given = params.text(name).is_some_and(|text| !text.trim().is_empty());
    let count = if given { params.integer(name) } else { Some(otherwise) };
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX)
}

/// One of the list in `SMSJSON` (avanak-api §3.3). Of its members `HasBackupLine` is about lines,
/// which are the operator's affair here.
#[derive(Deserialize)]
struct VendorSms {
    #[serde(rename = "SMSType")]
    after: String,
    #[serde(rename = "MessageText")]
    text: String,
    #[serde(rename = "LineNumber", default)]
    line: String,
}

/// The SMS that follows the calls, or the code. `Success` is the one kind that is known of the
/// vendor's: whoever heard the message is written to.
fn sms(params: &Params) -> Result<Option<WrittenFollowUp>, i32> {
    if !params.flag("sms") {
        return Ok(None);
    }
    let list = params.text("smsjson").unwrap_or_default();
    let list: Vec<serde_json::Value> = serde_json::from_str(list).unwrap_or_default();
    if list.is_empty() {
        return Err(SMS_LIST_EMPTY);
    }
    let [one] = <[_; 1]>::try_from(list).map_err(|_| SMS_NOT_SENT)?;
    let one: VendorSms = serde_json::from_value(one).map_err(|_| SMS_NOT_SENT)?;
    if one.after != "Success" || !["", "public"].contains(&&*one.line) {
        return Err(SMS_NOT_SENT);
    }
    Ok(Some(WrittenFollowUp { text: one.text, after: vec![String::from("heard")] }))
}

/// The vendor's `StatusId` (avanak-api §3.3).
fn status_id(state: State, starts_at: Timestamp, now: Timestamp) -> i64 {
    match state {
        State::Draft => 9,
        State::Running if now < starts_at => 10,
        State::Running => 11,
        State::Finished => 12,
        State::Paused(_) | State::Stopped | State::Cancelled => 27,
    }
}

/// The day of a moment, `2026-11-22`, and its time, `14:45`.
fn day_and_time(at: Timestamp) -> (String, String) {
    let text = jalali::gregorian_date_time(at);
    (text[..10].to_owned(), text[11..16].to_owned())
}

/// The answer of GetCampaign.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    status: &'static str,
    #[serde(rename = "CampaignID")]
    campaign_id: i64,
    id: i64,
    title: String,
    campaign_title: String,
    message_id: i64,
    message_title: String,
    max_try_count: u32,
    minute_between_tries: u32,
    total_price: i64,
    internal_count: u32,
    external_count: u32,
    vote: bool,
    status_id: i64,
    start_date: String,
    start_time: String,
    end_date: String,
    end_time: String,
    /// What follows is ours.
    state: &'static str,
    waiting_count: u32,
    open_count: u32,
    retry_count: u32,
    results: Vec<Counted>,
}

/// The envelope of GetCampaignsByDate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Campaigns {
    status: &'static str,
    campaigns: Vec<Shown>,
}

/// How many recipients a `Status` of numbers has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Counted {
    status: i64,
    label: &'static str,
    count: u32,
}

impl Shown {
    fn of(progress: &Progress, now: Timestamp) -> Self {
        let campaign = &progress.campaign;
        let schedule = campaign.plan.schedule;
        let (start_date, start_time) = day_and_time(schedule.starts_at);
        // The end of a whole day is the next day's midnight.
        let (end_date, _) = day_and_time(schedule.ends_at.plus_us(-1));
        let minute = schedule.daily.to_minute();
        let results = progress.results.iter().map(|(disposition, count)| {
            let status = domain::Status::Ended(*disposition);
            Counted { status: status.code(), label: fa::status_label(status), count: *count }
        });
        Self {
            status: "Success",
            campaign_id: campaign.id.0,
            id: campaign.id.0,
            title: campaign.plan.title.clone(),
            campaign_title: campaign.plan.title.clone(),
            message_id: campaign.message.0,
            message_title: progress.message_title.clone(),
            max_try_count: campaign.plan.max_tries,
            minute_between_tries: campaign.plan.minutes_between_tries,
            total_price: campaign.charged.0,
            internal_count: campaign.recipients.internal,
            external_count: campaign.recipients.external,
            vote: campaign.plan.vote,
            status_id: status_id(campaign.state, schedule.starts_at, now),
            start_date,
            start_time,
            end_date,
            end_time: format!("{:02}:{:02}", minute / 60, minute % 60),
            state: campaign.state.word(),
            waiting_count: progress.waiting(),
            open_count: campaign.open,
            retry_count: campaign.retrying,
            results: results.collect(),
        }
    }
}

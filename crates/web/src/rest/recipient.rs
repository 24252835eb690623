//! The methods that tell what became of the numbers of campaigns, each called `CampaignNumber` by
//! the vendor (avanak-api §3.3).

use app::campaign::Recipient;
use app::{App, Caller, Failure};
use domain::calendar::jalali;
use domain::{QuickSendId, RecipientId, Zone};
use serde::Serialize;

use super::billing::period;
use super::campaign::campaign_id;
use super::codes::TOO_MANY_NUMBERS;
use super::fa;
use super::listing::{self, Form, Listed, Source};
use super::message::{message_id, text};
use super::method::Method;
use super::params::{self, Params};
use super::reply::Reply;
use crate::router::Web;

/// Numbers that may be asked for by their identities, whole.
const IDS_MAX: usize = 1_000;
/// Numbers whose status may be asked for at once (avanak-api §3.2).
const STATUS_IDS_MAX: usize = 100;
/// The status of a number that is none of the account's.
const NO_STATUS: i64 = -1;

/// GetCampaignNumbersByCampaignID; `null` when the account has no such campaign.
pub(crate) async fn of_campaign(
    web: &Web,
    caller: &Caller,
    params: Params,
) -> Result<Reply, Failure> {
    let source = campaign_id(&params).map(Source::Campaign);
    told(web, Method::GetCampaignNumbers, caller, source, &params).await
}

/// GetCampaignNumbersByMessageId: of all campaigns that play the message; `null` without a message.
pub(crate) async fn of_message(
    web: &Web,
    caller: &Caller,
    params: Params,
) -> Result<Reply, Failure> {
    let source = message_id(&params).map(Source::Message);
    told(web, Method::GetCampaignNumbersByMessageId, caller, source, &params).await
}

/// GetCampaignNumbersBySendDate: who stepped into the line in these days; `null` without two dates.
pub(crate) async fn sent(web: &Web, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let source = period(&params).map(Source::Sent);
    told(web, Method::GetCampaignNumbersBySendDate, caller, source, &params).await
}

/// A list: all of it, as the vendor's services tell it, or as many as are asked for.
async fn told(
    web: &Web,
    method: Method,
    caller: &Caller,
    source: Option<Source>,
    params: &Params,
) -> Result<Reply, Failure> {
    let Some(source) = source else { return Ok(listed_or_null(method, None)) };
    let part = (last_id(params), count(params));
    Ok(match listing::begin(web, caller.account.id, source, part).await? {
        Listed::Nothing => listed_or_null(method, None),
        Listed::Whole(recipients) => listed_or_null(method, Some(recipients)),
        Listed::Begun(listing) => Reply::listed(listing),
        Listed::Busy => Reply::busy(),
    })
}

/// GetCampaignNumbersBySubscribeId: whom a call was for, by the call's `RequestId`.
pub(crate) async fn of_send(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let send = params.integer("subscribeid").filter(|&id| id > 0).map(QuickSendId);
    let recipient = match send {
        Some(id) => app::campaign::recipient_of_send(app, caller.account.id, id).await?,
        None => None,
    };
    Ok(recipient.map_or_else(
        || Reply::refused(Method::GetCampaignNumbersBySubscribeId, 0),
        |one| Reply::ok(&One { status: "Success", number: CalledNumber::of(&one) }),
    ))
}

/// GetCampaignNumbersDataByIds: those of the numbers that are the account's; `null` for too many.
pub(crate) async fn listed(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let recipients = match ids(&params, IDS_MAX) {
        Some(ids) => {
            let found = app::campaign::recipients_by_id(app, caller.account.id, &ids).await?;
            Some(found.into_iter().flatten().collect())
        }
        None => None,
    };
    Ok(listed_or_null(Method::GetCampaignNumbersDataByIds, recipients))
}

/// GetCampaignNumberStatusById: the status as a bare number, `null` when there is no such number.
pub(crate) async fn status(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let id = params.integer("campaignnumberid").and_then(recipient_id);
    let found =
        app::campaign::recipients_by_id(app, caller.account.id, &[id]).await?.pop().flatten();
    Ok(found.map_or_else(
        || Reply::refused(Method::GetCampaignNumberStatusById, 0),
        |one| Reply::ok(&one.status.code()),
    ))
}

/// GetCampaignNumbersStatusByIds: a status for each number, in the order they were asked for.
pub(crate) async fn statuses(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let Some(ids) = ids(&params, STATUS_IDS_MAX) else {
        return Ok(Reply::refused(Method::GetCampaignNumbersStatusByIds, TOO_MANY_NUMBERS));
    };
    let found = app::campaign::recipients_by_id(app, caller.account.id, &ids).await?;
    let status = |one: &Option<Recipient>| one.as_ref().map_or(NO_STATUS, |one| one.status.code());
    Ok(Reply::ok(&found.iter().map(status).collect::<Vec<i64>>()))
}

fn listed_or_null(method: Method, recipients: Option<Vec<Recipient>>) -> Reply {
    let Some(recipients) = recipients else { return Reply::refused(method, 0) };
    let numbers: Vec<CalledNumber> = recipients.iter().map(CalledNumber::of).collect();
    Reply::ok(&Numbers { status: "Success", numbers })
}

/// The last number that the client knows.
fn last_id(params: &Params) -> Option<RecipientId> {
    params.integer("lastid").and_then(recipient_id)
}

/// No id of ours is below 1.
fn recipient_id(id: i64) -> Option<RecipientId> {
    (id > 0).then(|| RecipientId::unpack(id))
}

/// How many numbers are asked for; without a count, all.
fn count(params: &Params) -> usize {
    let count = params.integer("count").filter(|&count| count > 0);
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
}

/// The identities in a list, each with its place; `None` when there are more than `most`.
fn ids(params: &Params, most: usize) -> Option<Vec<Option<RecipientId>>> {
    let list = text(params, "campaignnumberids");
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    let ids = words.take(most + 1).map(|word| params::whole(word).and_then(recipient_id));
    let ids: Vec<Option<RecipientId>> = ids.collect();
    (ids.len() <= most).then_some(ids)
}

/// A number as JSON.
pub(crate) fn written(out: &mut String, recipient: &Recipient) {
    let json = serde_json::to_string(&CalledNumber::of(recipient));
    out.push_str(&json.expect("a plain struct with text keys"));
}

/// A list of numbers around them, as its envelope has it.
pub(crate) fn form() -> Form {
    let head = String::from("{\"Status\":\"Success\",\"Numbers\":[");
    Form { head, between: ",", number: written, tail: String::from("]}") }
}

/// The envelope of a list of numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Numbers {
    status: &'static str,
    numbers: Vec<CalledNumber>,
}

/// The envelope of a single number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct One {
    status: &'static str,
    number: CalledNumber,
}

/// A number of a campaign.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CalledNumber {
    #[serde(rename = "CampaignID")]
    campaign_id: i64,
    id: i64,
    number: String,
    status: i64,
    status_label: &'static str,
    duration: u32,
    price: i64,
    send_date: Option<String>,
    deliver_date: Option<String>,
    try_count: u32,
    vote: i64,
    is_mobile: bool,
    request_id: i64,
}

impl CalledNumber {
    fn of(Recipient { stored, status, .. }: &Recipient) -> Self {
        let clock = |at| jalali::gregorian_date_time(at)[11..].to_owned();
        Self {
            campaign_id: stored.id.campaign.0,
            id: stored.id.pack(),
            number: stored.number.clone(),
            status: status.code(),
            status_label: fa::recipient_label(*status),
            duration: stored.heard_ms.div_ceil(1000),
            price: stored.charge.0,
            send_date: stored.called_at.map(jalali::jalali_date),
            deliver_date: stored.ended_at.filter(|_| stored.tries > 0).map(clock),
            try_count: stored.tries,
            vote: stored.vote.map_or(-1, i64::from),
            is_mobile: stored.zone == Zone::External,
            request_id: stored.send.map_or(0, |send| send.0),
        }
    }
}

//! The methods of voice messages: upload, speak, look at, download, delete.

use app::message::{GalleryPage, NewSpeech, NewUpload, UploadRefusal};
use app::ports::Speaker;
use app::{App, Caller, Error, Failure};
use domain::calendar::jalali;
use domain::{Message, MessageId};
use serde::Serialize;

use super::codes;
use super::method::Method;
use super::params::{self, Params};
use super::reply::{Made, Reply};

/// Messages that GetMessages tells at once.
const TAKE_MAX: u32 = 1_000;

/// UploadMessageBase64.
pub(crate) async fn upload(
    app: &App,
    caller: &Caller,
    mut params: Params,
) -> Result<Reply, Failure> {
    let refused = |refusal| Reply::refused(Method::UploadMessageBase64, codes::upload(refusal));
    let encoded = params.take("base64").unwrap_or_default();
    // Tens of megabytes take tens of milliseconds, in which this thread could answer others.
    let decoding = tokio::task::spawn_blocking(move || params::base64_bytes(&encoded));
    let decoded = decoding.await.map_err(|error| Failure::because("decoding base64", error))?;
    let Some(bytes) = decoded else { return Ok(refused(UploadRefusal::NotAudio)) };
    let upload = NewUpload {
        title: text(&params, "title"),
        bytes,
        persistent: params.flag("persist"),
        call_from_mobile: call_from_mobile(&params),
    };
    answered(app::message::upload(app, caller, upload).await, refused)
}

/// GenerateTTS.
pub(crate) async fn generate(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let refused = |refusal| Reply::refused(Method::GenerateTts, codes::speech(refusal));
    let speech = NewSpeech {
        title: text(&params, "title"),
        text: text(&params, "text"),
        speaker: speaker(&params),
        call_from_mobile: call_from_mobile(&params),
    };
    answered(app::message::generate(app, caller, speech).await, refused)
}

/// GetMessage.
pub(crate) async fn get(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let message = match message_id(&params) {
        Some(id) => app::message::find(app, caller, id).await?,
        None => None,
    };
    let Some(message) = message else { return Ok(not_found(Method::GetMessage)) };
    Ok(Reply::ok(&Found { details: Details::of(app, message).await?, status: "Success" }))
}

/// GetMessages: the gallery, the newest first.
pub(crate) async fn gallery(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let page = GalleryPage {
        skip: number(&params, "skip", 0),
        limit: number(&params, "take", TAKE_MAX).min(TAKE_MAX),
        passing_only: false,
        oldest_first: false,
    };
    told(app, caller, page).await
}

/// GetMessagesByPage: pages of `Count` messages from 0 on, without the persistent ones unless
/// `ShowPersist` asks for them, the newest first unless `Order` says `asc`.
pub(crate) async fn page(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let limit = number(&params, "count", TAKE_MAX).min(TAKE_MAX);
    let order = params.text("order").unwrap_or_default().trim();
    let page = GalleryPage {
        skip: number(&params, "currentpage", 0).saturating_mul(limit),
        limit,
        passing_only: !params.flag("showpersist"),
        oldest_first: order.eq_ignore_ascii_case("asc"),
    };
    told(app, caller, page).await
}

/// A number that is not below zero, or another one when none is given.
fn number(params: &Params, name: &str, otherwise: u32) -> u32 {
    match params.integer(name) {
        Some(given) => u32::try_from(given.max(0)).unwrap_or(u32::MAX),
        None => otherwise,
    }
}

async fn told(app: &App, caller: &Caller, page: GalleryPage) -> Result<Reply, Failure> {
    let (messages, count) = app::message::gallery(app, caller, page).await?;
    let mut details = Vec::with_capacity(messages.len());
    for message in messages {
        details.push(Details::of(app, message).await?);
    }
    Ok(Reply::ok(&Gallery { status: "Success", total_count: count, messages: details }))
}

/// DownloadMessage: the body is the file.
pub(crate) async fn download(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let wav = match message_id(&params) {
        Some(id) => app::message::download(app, caller, id).await?,
        None => None,
    };
    Ok(wav.map_or_else(|| not_found(Method::DownloadMessage), Reply::audio))
}

/// DeleteMessage: whether there was one.
pub(crate) async fn delete(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let deleted = match message_id(&params) {
        Some(id) => app::message::delete(app, caller, id).await?,
        None => false,
    };
    Ok(if deleted { Reply::ok(&true) } else { not_found(Method::DeleteMessage) })
}

/// A parameter's text, empty when it is absent.
pub(crate) fn text(params: &Params, name: &str) -> String {
    params.text(name).unwrap_or_default().to_owned()
}

/// The number to be spoken at the end, if one was given.
pub(crate) fn call_from_mobile(params: &Params) -> Option<String> {
    params.text("callfrommobile").filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// `female` in any case is her, anything else the vendor's default.
pub(crate) fn speaker(params: &Params) -> Speaker {
    let female =
        params.text("speaker").is_some_and(|name| name.trim().eq_ignore_ascii_case("female"));
    if female { Speaker::Female } else { Speaker::Male }
}

/// The message that is meant; no id of ours is below 1.
pub(crate) fn message_id(params: &Params) -> Option<MessageId> {
    params.integer("messageid").filter(|&id| id > 0).map(MessageId)
}

/// A new message, or the refusal's code.
fn answered<R>(
    made: app::Result<Message, R>,
    refused: impl FnOnce(R) -> Reply,
) -> Result<Reply, Failure> {
    match made {
        Ok(message) => Ok(Reply::ok(&Made {
            id: message.id.0,
            length: message.length_ms.div_ceil(1000),
            status: None,
        })),
        Err(Error::Refused(refusal)) => Ok(refused(refusal)),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// These methods say it without a code; 0 is for the log.
fn not_found(method: Method) -> Reply {
    Reply::refused(method, 0)
}

/// The envelope of GetMessage.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    details: Details,
    status: &'static str,
}

/// The envelope of GetMessages.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Gallery {
    status: &'static str,
    total_count: u32,
    messages: Vec<Details>,
}

impl Details {
    async fn of(app: &App, message: Message) -> Result<Self, Failure> {
        let prices = app::message::prices(app, &message).await?;
        Ok(Self {
            id: message.id.0,
            lenght: message.length_ms.div_ceil(1000),
            is_default: false,
            show_in_gallery: message.persistent,
            confirmed: message.approval.code(),
            create_date: jalali::gregorian_date_time(message.created_at),
            internal_price: prices.internal.0,
            external_price: prices.external.0,
            title: message.title,
        })
    }
}

/// The message as GetMessage shows it. `Lenght` is the vendor's spelling.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    id: i64,
    title: String,
    lenght: u32,
    is_default: bool,
    show_in_gallery: bool,
    confirmed: i64,
    create_date: String,
    internal_price: i64,
    external_price: i64,
}

//! QuickSend, QuickSendWithTTS and GetQuickSend.

use app::quick_send::{Accepted, NewSend, NewTextSend, Progress};
use app::{App, Caller, Error, Failure};
use domain::calendar::date_time::Period;
use domain::calendar::jalali;
use domain::{MessageClass, MessageId, QuickSendId};
use serde::Serialize;

use super::codes::{self, RECORD_DURATION_NOT_ALLOWED};
use super::fa;
use super::message::{call_from_mobile, message_id, speaker, text};
use super::method::Method;
use super::params::Params;
use super::reply::{Reply, Sent};

/// Longest recording of a callee the vendor's `short` parameter may ask for, in seconds.
const RECORD_SECONDS_MAX: i64 = 300;
/// How long a callee is recorded when no length is given, in seconds.
const RECORD_SECONDS: i64 = 60;

/// The characters of a date, `2026-11-22`.
const DATE_CHARS: usize = 10;

/// QuickSend.
pub(crate) async fn send(
    app: &App,
    caller: &Caller,
    params: Params,
    reference: Option<String>,
) -> Result<Reply, Failure> {
    if !record_duration_fits(&params) {
        return Ok(Reply::refused(Method::QuickSend, RECORD_DURATION_NOT_ALLOWED));
    }
    let send = NewSend {
        // An id nobody has is the same as an unreadable one.
        message: message_id(&params).unwrap_or(MessageId(0)),
        number: text(&params, "number"),
        vote: params.flag("vote"),
        record_ms: record_ms(&params),
        server: server(&params),
        reference: client_reference(&params, reference),
        class: MessageClass::Service,
        follow_up: None,
    };
    answered(Method::QuickSend, app::quick_send::submit(app, caller, send).await, codes::quick_send)
}

/// QuickSendWithTTS. Takes `Speaker` too, which some clients send.
pub(crate) async fn send_text(
    app: &App,
    caller: &Caller,
    params: Params,
    reference: Option<String>,
) -> Result<Reply, Failure> {
    if !record_duration_fits(&params) {
        return Ok(Reply::refused(Method::QuickSendWithTts, RECORD_DURATION_NOT_ALLOWED));
    }
    let send = NewTextSend {
        text: text(&params, "text"),
        speaker: speaker(&params),
        call_from_mobile: call_from_mobile(&params),
        number: text(&params, "number"),
        vote: params.flag("vote"),
        record_ms: record_ms(&params),
        server: server(&params),
        reference: client_reference(&params, reference),
        class: MessageClass::Service,
        follow_up: None,
    };
    let accepted = app::quick_send::submit_text(app, caller, send).await;
    answered(Method::QuickSendWithTts, accepted, codes::quick_send_with_tts)
}

/// GetQuickSend; `null` when the account has no such send.
pub(crate) async fn get(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let id = params.integer("quicksendid").filter(|&id| id > 0).map(QuickSendId);
    let progress = match id {
        Some(id) => app::quick_send::find(app, caller, id).await?,
        None => None,
    };
    Ok(progress.map_or_else(
        || Reply::refused(Method::GetQuickSend, 0),
        |progress| Reply::ok(&Report::of(&progress)),
    ))
}

fn answered<R>(
    method: Method,
    accepted: app::Result<Accepted, R>,
    code: fn(R) -> i32,
) -> Result<Reply, Failure> {
    match accepted {
        Ok(accepted) => Ok(Reply::ok(&Sent {
            id: accepted.id.0,
            message: accepted.message.0,
            message_seconds: accepted.clip_ms.div_ceil(1000),
            seconds: accepted.hold.seconds,
            pulses: accepted.hold.pulses,
            rials: accepted.hold.price.0,
            status: Some("Success"),
        })),
        Err(Error::Refused(refusal)) => Ok(Reply::refused(method, code(refusal))),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// The caller's own name for this send: the header wins.
pub(crate) fn client_reference(params: &Params, header: Option<String>) -> Option<String> {
    header
        .or_else(|| params.text("clientreference").map(str::to_owned))
        .filter(|reference| !reference.trim().is_empty())
}

/// DownloadRecord: the body is the file of the callee's voice, `null` when there is none (yet).
pub(crate) async fn download_record(
    app: &App,
    caller: &Caller,
    params: Params,
) -> Result<Reply, Failure> {
    let id = params.integer("quicksendid").filter(|&id| id > 0).map(QuickSendId);
    let wav = match id {
        Some(id) => app::recording::download(app, caller, id).await?,
        None => None,
    };
    Ok(wav.map_or_else(|| Reply::refused(Method::DownloadRecord, 0), Reply::audio))
}

/// GetQuickSendStatistics: what the quick sends of each day came to; `null` without two moments.
pub(crate) async fn statistics(
    app: &App,
    caller: &Caller,
    params: Params,
) -> Result<Reply, Failure> {
    let period = Period::parse(&text(&params, "startdatetime"), &text(&params, "enddatetime"));
    let Some(period) = period else {
        return Ok(Reply::refused(Method::GetQuickSendStatistics, 0));
    };
    let days = app::billing::quick_send_figures(app, caller.account.id, period).await?;
    let mut told = Figures { status: "Success", ..Figures::default() };
    for (noon, day) in days {
        told.total_sent += u64::from(day.sent);
        told.total_delivered += u64::from(day.heard);
        told.total_failed += u64::from(day.failed);
        told.total_price = told.total_price.saturating_add(day.charge.0);
        told.statistics.push(Day {
            date: jalali::gregorian_date_time(noon)[..DATE_CHARS].to_owned(),
            sent: day.sent,
            delivered: day.heard,
            failed: day.failed,
            price: day.charge.0,
        });
    }
    Ok(Reply::ok(&told))
}

/// How long the callee is recorded, if that is asked for.
pub(crate) fn record_ms(params: &Params) -> Option<u32> {
    let seconds = params.integer("recordvoiceduration").unwrap_or(RECORD_SECONDS);
    params.flag("recordvoice").then(|| u32::try_from(seconds.saturating_mul(1000)).ok()).flatten()
}

/// The regional server that is asked for by `ServerID`; 0, the default, leaves the route to us. A
/// number that nobody has is the same as an unreadable one: no trunk is of such a server.
pub(crate) fn server(params: &Params) -> Option<u32> {
    let given = params.text("serverid").is_some_and(|text| !text.trim().is_empty());
    match params.integer("serverid") {
        _ if !given => None,
        Some(0) => None,
        Some(id) => Some(u32::try_from(id).unwrap_or(u32::MAX)),
        None => Some(u32::MAX),
    }
}

/// A length that was given must be one that could be recorded, when a recording is asked for.
pub(crate) fn record_duration_fits(params: &Params) -> bool {
    let given = params.text("recordvoiceduration").is_some_and(|text| !text.trim().is_empty());
    let duration = params.integer("recordvoiceduration");
    !params.flag("recordvoice")
        || !given
        || duration.is_some_and(|seconds| (1..=RECORD_SECONDS_MAX).contains(&seconds))
}

/// The answer of GetQuickSendStatistics.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Figures {
    status: &'static str,
    total_sent: u64,
    total_delivered: u64,
    total_failed: u64,
    total_price: i64,
    statistics: Vec<Day>,
}

/// A day of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Day {
    date: String,
    sent: u32,
    delivered: u32,
    failed: u32,
    price: i64,
}

/// The answer of GetQuickSend; the mix of cases is the vendor's.
#[derive(Debug, Serialize)]
struct Report {
    reason: i64,
    status: &'static str,
    dst: String,
    starttime: String,
    #[serde(rename = "Id")]
    id: i64,
    subscribeid: i64,
    duration: u32,
    vote: i64,
    /// Over REST ours; SOAP has it as a parameter by reference.
    price: i64,
}

impl Report {
    fn of(progress: &Progress) -> Self {
        Self {
            reason: progress.status.code(),
            status: fa::status_label(progress.status),
            dst: progress.destination.as_str().to_owned(),
            starttime: jalali::gregorian_date_time(progress.started_at),
            id: progress.id.0,
            subscribeid: progress.id.0,
            duration: progress.heard_ms.div_ceil(1000),
            vote: progress.vote.map_or(-1, i64::from),
            price: progress.charge.0,
        }
    }
}

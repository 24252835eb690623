//! Tickets of an account: what it asks of the desk, and what people answer.

use app::ticket::{Asked as Question, Attachment, Kept, NewFile, Shown, TicketRefusal, Who};
use app::{App, Caller, Error};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::agreement::attachment::{
    ACCOUNT_BYTES_MAX, BYTES_MAX, COUNT_MAX, NAME_MAX, Refusal as File,
};
use domain::agreement::ticket::{
    About, Channel, DETAIL_MAX, OPEN_MAX, Refusal, SUBJECT_MAX, Side, Step, TEXT_MAX,
};
use domain::calendar::jalali::rfc3339;
use domain::verification::percent_encoded;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Unanswered;
use super::listing::{id_of, page, part};
use super::messages::{json as answer, query_of};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// The largest body with a file: the file.
pub(super) const FILE_BYTES_MAX: usize = BYTES_MAX;

/// What a client asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTicket {
    #[serde(default = "api")]
    channel: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    about: Option<String>,
    #[serde(default)]
    context: Map<String, Value>,
}

fn api() -> String {
    Channel::Api.word().to_owned()
}

/// What a client says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    #[serde(default)]
    text: String,
}

/// POST /v1/tickets. A click that is repeated within a minute is answered with the ticket that is
/// there.
pub(super) async fn open(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let question = question(asked.body)?;
    let account = caller.account.id;
    let work = async {
        let opened = app::ticket::open(app, account, Who::Customer(account), &question).await;
        let (id, was_there) = opened.map_err(not_done)?;
        let status = if was_there { StatusCode::OK } else { StatusCode::CREATED };
        Ok(answer(status, &found(app, caller, id).await?))
    };
    let again = async |id| Ok(answer(StatusCode::CREATED, &found(app, caller, id).await?));
    once(asked, Box::pin(work), again).await
}

fn question(body: &[u8]) -> Result<Question, Problem> {
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    let new: NewTicket = serde_json::from_slice(body).map_err(|error| Problem::unread(&error))?;
    let channel = Channel::parse(&new.channel);
    let channel = channel
        .filter(|one| matches!(one, Channel::Click | Channel::Form | Channel::Api))
        .ok_or_else(|| {
            invalid("channel is click, form or api", "channel یکی از click، form و api است")
        })?;
    let about = new.about.as_deref().map(|text| {
        About::parse(text).ok_or_else(|| {
            invalid(
                "about is like message:7, campaign:3, call:7/2",
                "about مانند message:7، campaign:3 یا call:7/2 است",
            )
        })
    });
    let detail = |(name, value): (String, Value)| match value {
        Value::String(value) => Ok((name, value)),
        _ => Err(invalid("the values of context are texts", "مقدارهای context متن‌اند")),
    };
    Ok(Question {
        channel,
        subject: new.subject,
        text: new.text,
        about: about.transpose()?,
        context: new.context.into_iter().map(detail).collect::<Result<_, _>>()?,
    })
}

/// GET /v1/tickets.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let all = app::ticket::list(app, Some(caller.account.id), before, limit).await?;
    Ok(page(&all, limit, |last| last.kept.id, shown))
}

/// GET /v1/tickets/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    Ok(answer(StatusCode::OK, &found(app, caller, ticket_id(id)?).await?))
}

/// POST /v1/tickets/{id}/replies.
pub(super) async fn reply(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let (id, text) = (ticket_id(id)?, words(asked.body)?);
    changed(asked, app::ticket::write(app, account, id, &text)).await
}

/// POST /v1/tickets/{id}/close.
pub(super) async fn close(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let id = ticket_id(id)?;
    let text = if asked.body.is_empty() { String::new() } else { words(asked.body)? };
    changed(asked, app::ticket::close(app, id, Who::Customer(account), &text)).await
}

/// POST /v1/tickets/{id}/reopen.
pub(super) async fn reopen(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let (id, text) = (ticket_id(id)?, words(asked.body)?);
    changed(asked, app::ticket::reopen(app, id, Who::Customer(account), &text)).await
}

/// POST /v1/tickets/{id}/attachments: the file is the body.
pub(super) async fn attach(
    asked: Asked<'_>,
    id: &str,
    query: &str,
) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let id = ticket_id(id)?;
    let name = query_of(query, &["name"])?.text("name").unwrap_or_default().to_owned();
    let file = NewFile { name, bytes: asked.body.to_vec() };
    let created = async |id| Ok(answer(StatusCode::CREATED, &found(app, caller, id).await?));
    let work = async {
        let who = Who::Customer(caller.account.id);
        let attached = app::ticket::attach(app, id, who, file).await.map_err(not_done)?;
        created(attached.ticket).await
    };
    once(asked, Box::pin(work), created).await
}

/// GET /v1/ticket_attachments/{id}: never shown as a page of ours, whatever is in it.
pub(super) async fn file(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = ticket_id(id)?;
    let found = app::ticket::attachment(app, Some(caller.account.id), id).await?;
    let (file, bytes) = found.ok_or(Problem::of(Kind::NotFound))?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    let value = |text: &str| HeaderValue::from_str(text).expect("a header of ours is ASCII");
    headers.insert(header::CONTENT_TYPE, value(&file.media_type));
    headers.insert(header::CONTENT_DISPOSITION, value(&disposition(&file)));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// A name of any script (RFC 6266, section 4.3, as RFC 8187 encodes it).
fn disposition(file: &Attachment) -> String {
    format!("attachment; filename*=UTF-8''{}", percent_encoded(&file.name))
}

/// Changes a ticket once, and shows it, or the one in which it goes on.
async fn changed(
    asked: Asked<'_>,
    change: impl Future<Output = app::Result<Kept, TicketRefusal>>,
) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let now = async |id| Ok(answer(StatusCode::OK, &found(app, caller, id).await?));
    let work = async {
        let kept = change.await.map_err(not_done)?;
        now(kept.id).await
    };
    once(asked, Box::pin(work), now).await
}

async fn found(app: &App, caller: &Caller, id: i64) -> Result<Value, Unanswered> {
    let found = app::ticket::find(app, Some(caller.account.id), id).await?;
    Ok(shown(&found.ok_or_else(|| Problem::of(Kind::NotFound))?))
}

fn words(body: &[u8]) -> Result<String, Problem> {
    let Words { text } = serde_json::from_slice(body).map_err(|error| Problem::unread(&error))?;
    Ok(text)
}

/// A ticket as its customer sees it: without notes, and without the names of our people.
fn shown(shown: &Shown) -> Value {
    let Kept { id, new, ticket, steps, attachments } = &shown.kept;
    let steps = steps.iter().filter(|taken| taken.step.as_ref().is_none_or(Step::is_shown));
    let history: Vec<Value> = steps
        .map(|taken| {
            let merged = match &taken.step {
                Some(Step::Merged(other)) => Some(other.to_string()),
                _ => None,
            };
            json!({
                "step": taken.step.as_ref().map_or("opened", Step::word),
                "by": if taken.side == Side::Customer { "you" } else { "us" },
                "at": rfc3339(taken.at),
                "text": taken.said,
                "ticket_id": merged,
            })
        })
        .collect();
    let attachments: Vec<Value> = attachments
        .iter()
        .map(|file| {
            json!({
                "object": "ticket_attachment",
                "id": file.id.to_string(),
                "name": file.name,
                "media_type": file.media_type,
                "bytes": file.bytes,
                "file": format!("/v1/ticket_attachments/{}", file.id),
            })
        })
        .collect();
    let context = new.context.iter().map(|(name, value)| (name.clone(), json!(value)));
    json!({
        "object": "ticket",
        "id": id.to_string(),
        "channel": new.channel.word(),
        "subject": new.subject,
        "about": new.about.map(|about| about.to_string()),
        "context": context.collect::<Map<_, _>>(),
        "state": ticket.state().word(),
        "opened_at": rfc3339(new.opened_at),
        "due_at": shown.due.map(rfc3339),
        "may_move": shown.may_move,
        "overdue": shown.overdue,
        "attachments": attachments,
        "history": history,
    })
}

fn not_done(error: Error<TicketRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    let state = |en: &str, fa: &str| Problem::with(Kind::WrongState, (en, fa));
    match refusal {
        TicketRefusal::Rule(Refusal::TooLate) => state(
            "It was closed more than 30 days ago; open a new one.",
            "بیش از ۳۰ روز پیش بسته شده است؛ تیکت تازه‌ای باز کنید.",
        ),
        TicketRefusal::Rule(Refusal::TooMany) => state(
            "So much was said in it that it can only be closed; open a new one.",
            "آن‌قدر در آن گفته شده که فقط می‌توان آن را بست؛ تیکت تازه‌ای باز کنید.",
        ),
        TicketRefusal::Rule(_) => Problem::of(Kind::WrongState),
        TicketRefusal::NoSuchTicket | TicketRefusal::NoSuchAccount | TicketRefusal::Gone => {
            Problem::of(Kind::NotFound)
        }
        TicketRefusal::About => invalid(
            "about names nothing that is this account's",
            "about چیزی از این حساب را نام نمی‌برد",
        ),
        TicketRefusal::TooMany => Problem::with(
            Kind::TooManyTickets,
            (
                format!("The account has {OPEN_MAX} tickets that are not closed."),
                format!("حساب {OPEN_MAX} تیکت بسته‌نشده دارد."),
            ),
        ),
        TicketRefusal::Text("subject") => invalid(
            &format!("subject is one line of 1 to {SUBJECT_MAX} bytes"),
            &format!("subject یک سطر از ۱ تا {SUBJECT_MAX} بایت است"),
        ),
        TicketRefusal::Text("context") => invalid(
            &format!(
                "context has some of client, error, locale, page, request_id and workspace, each \
                 one line of 1 to {DETAIL_MAX} bytes"
            ),
            &format!(
                "context از client، error، locale، page، request_id و workspace است و هر یک سطری \
                 از ۱ تا {DETAIL_MAX} بایت"
            ),
        ),
        TicketRefusal::Text(_) => invalid(
            &format!("text is a text of 1 to {TEXT_MAX} bytes"),
            &format!("text متنی از ۱ تا {TEXT_MAX} بایت است"),
        ),
        TicketRefusal::NoRoom => Problem::with(
            Kind::FileNotTaken,
            (
                format!(
                    "The account's tickets would have more than {ACCOUNT_BYTES_MAX} bytes of files."
                ),
                format!("پرونده‌های تیکت‌های حساب بیش از {ACCOUNT_BYTES_MAX} بایت می‌شد."),
            ),
        ),
        TicketRefusal::File(refusal) => of_file(refusal),
    }
    .into()
}

/// A file that is not taken.
fn of_file(refusal: File) -> Problem {
    let file = |en: &str, fa: &str| Problem::with(Kind::FileNotTaken, (en, fa));
    match refusal {
        File::Name => file(
            &format!("name is a name of 1 to {NAME_MAX} bytes and no path."),
            &format!("name نامی از ۱ تا {NAME_MAX} بایت است و مسیر نیست."),
        ),
        File::Empty => file("It is empty.", "خالی است."),
        File::TooLarge => file(
            &format!("It has more than {BYTES_MAX} bytes."),
            &format!("بیش از {BYTES_MAX} بایت دارد."),
        ),
        File::Kind => file(
            "It is neither text, a picture, a PDF nor a sound.",
            "متن، تصویر، PDF یا صدا نیست.",
        ),
        File::TooMany => file(
            &format!("The ticket has {COUNT_MAX} files."),
            &format!("تیکت {COUNT_MAX} پرونده دارد."),
        ),
    }
}

fn ticket_id(text: &str) -> Result<i64, Problem> {
    id_of(text).ok_or(Problem::of(Kind::NotFound))
}

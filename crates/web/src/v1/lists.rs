//! Lists of numbers: in JSON, as comma-separated values or as a workbook, and what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use app::campaign::{Added, List, ListRefusal, Person, Recipients, Unreadable, Wanted};
use app::{App, Caller, Error};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{AccountId, CampaignId};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::campaigns::{campaign_id, read, shown};
use super::messages::{json as answer, query_of};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};
use super::stream::{Stream, sent};
use super::{Unanswered, busy};
use crate::router::Web;

/// What a workbook is called among media types.
const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Who accepts this from a dry run gets all rows that are none.
const CSV: &str = "text/csv";
/// Tables of such rows that are written at the same time: each has its list in memory.
static REJECTS: Semaphore = Semaphore::const_new(4);
/// How long one may take, and the parts of it that may wait for a slow client.
const LASTS: Duration = Duration::from_mins(5);
const PARTS: usize = 2;

/// Numbers to be added.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoreNumbers {
    to: Rows,
    #[serde(default)]
    dry_run: bool,
}

/// POST /v1/campaigns/{id}/numbers.
pub(super) async fn add(
    web: &Web,
    asked: Asked<'_>,
    id: &str,
    query: &str,
) -> Result<Response, Unanswered> {
    let (app, caller, id) = (asked.app, asked.caller, campaign_id(id)?);
    let (list, dry_run) = match Form::of(asked.headers) {
        Form::Json => {
            query_of(query, &[])?;
            let more: MoreNumbers = read(asked.body).await?;
            (more.to.into_list(), more.dry_run)
        }
        form => file(form, query, asked.body)?,
    };
    let accepted = asked.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if dry_run && accepted.is_some_and(|accepted| accepted.contains(CSV)) {
        return rejects(web, caller.account.id, id, list).await;
    }
    if dry_run {
        let added = app::campaign::look_through(app, caller.account.id, id, list).await;
        let list = list_report(&added.map_err(not_added)?);
        return Ok(answer(StatusCode::OK, &json!({ "object": "dry_run", "list": list })));
    }
    let again = async |_| Ok(answer(StatusCode::OK, &shown(app, caller, id).await?));
    once(asked, Box::pin(added(app, caller, id, list)), again).await
}

/// Every row of a list that is none, as a table.
async fn rejects(
    web: &Web,
    account: AccountId,
    id: CampaignId,
    list: List,
) -> Result<Response, Unanswered> {
    let place = REJECTS.try_acquire().map_err(|_| busy())?;
    let found = app::campaign::rejects(&web.app, account, id, list).await.map_err(not_added)?;
    let seat = web.seats.take(account).ok_or(Problem::of(Kind::TooManyStreams))?;
    let (parts, received) = mpsc::channel(PARTS);
    let (bytes, span) = (found.bytes, tracing::Span::current());
    tokio::task::spawn_blocking(move || {
        let (_place, _entered) = (place, span.entered());
        let (ends_at, mut is_read) = (Instant::now() + LASTS, true);
        let runtime = Handle::current();
        let written = found.write(|part| {
            is_read = is_read && runtime.block_on(sent(&parts, Bytes::from(part), ends_at));
        });
        if let Err(failure) = written {
            tracing::error!(error = failure.chain(), "a table of rows ended early");
        }
    });
    let mut response = Body::new(Stream::new(received, seat)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    // What is cut off is shorter than this, which the client notices.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(response)
}

async fn added(
    app: &App,
    caller: &Caller,
    id: CampaignId,
    list: List,
) -> Result<Response, Unanswered> {
    let added = app::campaign::add_numbers(app, caller.account.id, id, list).await;
    let added = added.map_err(not_added)?;
    let mut shown = shown(app, caller, id).await?;
    shown["list"] = list_report(&added);
    Ok(answer(StatusCode::OK, &shown))
}

fn not_added(error: Error<ListRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let file = |en: &str, fa: &str| Problem::with(Kind::FileUnreadable, (en, fa));
    match refusal {
        ListRefusal::NoCampaign => Problem::of(Kind::NotFound),
        ListRefusal::Over => Problem::of(Kind::WrongState),
        ListRefusal::NoNumber => Problem::of(Kind::NoNewNumber),
        ListRefusal::NotIdentified => Problem::of(Kind::IdentityNotProven),
        ListRefusal::Unreadable(why) => match why {
            Unreadable::Broken => file(
                "It is no workbook of Excel (.xlsx), or a broken one.",
                "کارپوشهٔ اکسل (.xlsx) نیست یا خراب است.",
            ),
            Unreadable::TooLarge => file(
                "Unpacked it is too large; send it as text/csv.",
                "پس از باز شدن بیش از حد بزرگ است؛ آن را text/csv بفرستید.",
            ),
            Unreadable::NoSuchSheet => file("It has no such sheet.", "چنین برگه‌ای ندارد."),
            Unreadable::NoSuchColumn => {
                file("Its first row has no such column.", "ردیف اول آن چنین ستونی ندارد.")
            }
            Unreadable::NoValueColumn => file(
                "Its first row does not name a column for each value of the template.",
                "ردیف اول آن برای هر مقدار قالب ستونی نام نبرده است.",
            ),
            Unreadable::OpenQuote(row) => file(
                &format!("A quotation mark that opens in row {row} is never closed."),
                &format!("نقل‌قولی که در ردیف {row} باز شده بسته نشده است."),
            ),
        },
    }
    .into()
}

/// In what form a list comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
    Workbook,
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
        match media_type.trim().to_ascii_lowercase().as_str() {
            CSV | "text/tab-separated-values" => Self::Csv,
            WORKBOOK => Self::Workbook,
            // What is neither is judged as JSON, whatever a client calls it.
            _ => Self::Json,
        }
    }
}

/// A file, and whether it is only to be looked at.
fn file(form: Form, query: &str, body: &[u8]) -> Result<(List, bool), Problem> {
    let known: &[&str] = if form == Form::Workbook {
        &["column", "dry_run", "sheet"]
    } else {
        &["column", "dry_run"]
    };
    let params = query_of(query, known)?;
    let column = Wanted::parse(params.text("column").unwrap_or_default());
    let dry_run = match params.text("dry_run") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(Problem::with(
                Kind::InvalidRequest,
                ("dry_run is true or false", "dry_run یا true است یا false"),
            ));
        }
    };
    let bytes: Arc<[u8]> = body.into();
    let sheet = params.text("sheet").map(str::to_owned);
    let list = match form {
        Form::Workbook => List::Workbook { bytes, sheet, column },
        Form::Csv | Form::Json => List::csv(bytes, column),
    };
    Ok((list, dry_run))
}

/// Values by their names, each as a text or a number.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Values(BTreeMap<String, Scalar>);

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a value is a text or a number")]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
}

impl Values {
    /// Names and values as texts.
    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        let text = |value| match value {
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string(),
        };
        self.0.into_iter().map(|(name, value)| (name, text(value))).collect()
    }
}

/// Whom to call: a number, or one with values that are said to it alone.
#[derive(Debug)]
pub(super) enum To {
    Number(String),
    Person(Person),
}

impl To {
    /// As one with values, of which there may be none.
    pub(super) fn into_person(self) -> Person {
        match self {
            Self::Number(number) => Person { number, values: Vec::new() },
            Self::Person(person) => person,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPerson {
    number: String,
    #[serde(default)]
    values: Values,
}

impl<'de> Deserialize<'de> for To {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = To;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as text, or an object with number and values")
            }

            fn visit_str<E>(self, number: &str) -> Result<To, E> {
                Ok(To::Number(number.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<To, A::Error> {
                let WrittenPerson { number, values } =
                    WrittenPerson::deserialize(MapAccessDeserializer::new(map))?;
                Ok(To::Person(Person { number, values: values.into_pairs() }))
            }
        }
        from.deserialize_any(One)
    }
}

/// A list as `app` takes it: a row each. Numbers are read into one text, since millions of texts
/// would take many times the memory of the body. From the first one that has values on, all are
/// people.
#[derive(Debug, Default)]
pub(super) struct Rows {
    numbers: String,
    people: Vec<Person>,
}

impl Rows {
    /// The list, for a campaign that is there.
    fn into_list(self) -> List {
        if self.people.is_empty() { List::Written(self.numbers) } else { List::People(self.people) }
    }

    /// The list, for a campaign that is to be made.
    pub(super) fn into_recipients(self) -> Recipients {
        if self.people.is_empty() {
            Recipients::Written(self.numbers)
        } else {
            Recipients::People(self.people)
        }
    }

    fn take(&mut self, to: To) {
        match to {
            To::Number(number) if self.people.is_empty() => self.push(&number),
            person => {
                let before = std::mem::take(&mut self.numbers);
                let before = before.split('\n').filter(|number| !number.is_empty());
                self.people.extend(
                    before.map(|number| Person { number: number.to_owned(), values: Vec::new() }),
                );
                self.people.push(person.into_person());
            }
        }
    }

    /// What holds a comma or a line end is no number; it must not become two rows, or the places of
    /// the others would be told wrong.
    fn push(&mut self, number: &str) {
        if !self.numbers.is_empty() {
            self.numbers.push('\n');
        }
        if number.trim().is_empty() {
            self.numbers.push('?');
        }
        let separates = |letter: char| matches!(letter, ',' | ';' | '\n' | '\r' | '،' | '؛');
        self.numbers.extend(number.chars().map(|one| if separates(one) { '?' } else { one }));
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers as texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows, A::Error> {
                let mut rows = Rows::default();
                while let Some(to) = list.next_element::<To>()? {
                    rows.take(to);
                }
                Ok(rows)
            }
        }
        from.deserialize_seq(Numbers)
    }
}

/// What became of a list.
pub(super) fn list_report(added: &Added) -> Value {
    let invalid: Vec<Value> = added
        .rest
        .invalid_rows
        .iter()
        .map(|row| match &row.value {
            None => json!({ "row": row.row, "text": row.excerpt }),
            Some(bad) => json!({
                "row": row.row, "text": row.excerpt, "value": bad.name, "why": bad.why.word(),
            }),
        })
        .collect();
    json!({
        "accepted": added.accepted,
        "duplicates": added.rest.duplicates,
        "invalid": added.rest.invalid,
        "invalid_rows": invalid,
        "full": added.rest.overflowed,
    })
}

//! Lists of numbers: in JSON, as comma-separated values or as a workbook, and what became of them.

use std::borrow::Cow;
use std::sync::Arc;

use app::campaign::{Added, List, ListRefusal, Unreadable, Wanted};
use app::{App, Caller, Error};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use domain::CampaignId;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::Unanswered;
use super::campaigns::{campaign_id, read, shown};
use super::messages::{json as answer, query_of};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// What a workbook is called among media types.
const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Numbers to be added.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoreNumbers {
    to: Rows,
    #[serde(default)]
    dry_run: bool,
}

/// POST /v1/campaigns/{id}/numbers.
pub(super) async fn add(asked: Asked<'_>, id: &str, query: &str) -> Result<Response, Unanswered> {
    let (app, caller, id) = (asked.app, asked.caller, campaign_id(id)?);
    let (list, dry_run) = match Form::of(asked.headers) {
        Form::Json => {
            query_of(query, &[])?;
            let more: MoreNumbers = read(asked.body).await?;
            (List::Written(more.to.0), more.dry_run)
        }
        form => file(form, query, asked.body)?,
    };
    if dry_run {
        let added = app::campaign::look_through(app, caller.account.id, id, list).await;
        let list = list_report(&added.map_err(not_added)?);
        return Ok(answer(StatusCode::OK, &json!({ "object": "dry_run", "list": list })));
    }
    let again = async |_| Ok(answer(StatusCode::OK, &shown(app, caller, id).await?));
    once(asked, Box::pin(added(app, caller, id, list)), again).await
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
    let file = |detail: &str| Problem::with(Kind::FileUnreadable, detail);
    match refusal {
        ListRefusal::NoCampaign => Problem::of(Kind::NotFound),
        ListRefusal::Over => Problem::of(Kind::WrongState),
        ListRefusal::NoNumber => Problem::of(Kind::NoNewNumber),
        ListRefusal::Unreadable(why) => match why {
            Unreadable::Broken => file("It is no workbook of Excel (.xlsx), or a broken one."),
            Unreadable::TooLarge => file("Unpacked it is too large; send it as text/csv."),
            Unreadable::NoSuchSheet => file("It has no such sheet."),
            Unreadable::NoSuchColumn => file("Its first row has no such column."),
            Unreadable::OpenQuote(row) => {
                file(&format!("A quotation mark that opens in row {row} is never closed."))
            }
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
            "text/csv" | "text/tab-separated-values" => Self::Csv,
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
        Some(_) => return Err(Problem::with(Kind::InvalidRequest, "dry_run is true or false")),
    };
    let bytes: Arc<[u8]> = body.into();
    let sheet = params.text("sheet").map(str::to_owned);
    let list = match form {
        Form::Workbook => List::Workbook { bytes, sheet, column },
        Form::Csv | Form::Json => List::csv(bytes, column),
    };
    Ok((list, dry_run))
}

/// A list of numbers as `app` takes it: a row each. It is read into one text, since millions of
/// texts would take many times the memory of the body.
#[derive(Debug, Default)]
pub(super) struct Rows(pub(super) String);

impl Rows {
    /// What holds a comma or a line end is no number; it must not become two rows, or the places of
    /// the others would be told wrong.
    fn push(&mut self, number: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        if number.trim().is_empty() {
            self.0.push('?');
        }
        let separates = |letter: char| matches!(letter, ',' | ';' | '\n' | '\r' | '،' | '؛');
        self.0.extend(number.chars().map(|one| if separates(one) { '?' } else { one }));
    }
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Rows;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of numbers as texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Rows, A::Error> {
                let mut rows = Rows::default();
                while let Some(number) = list.next_element::<Cow<'_, str>>()? {
                    rows.push(&number);
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
        .map(|row| json!({ "row": row.row, "text": row.excerpt }))
        .collect();
    json!({
        "accepted": added.accepted,
        "duplicates": added.rest.duplicates,
        "invalid": added.rest.invalid,
        "invalid_rows": invalid,
        "full": added.rest.overflowed,
    })
}

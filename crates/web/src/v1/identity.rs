//! Who the account's owner is: stated, proven step by step, handed in. No answer and no problem
//! says more of a person than the ends of its numbers.

use app::identity::{IdentityRefusal, Kept, Stated};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::agreement::attachment::{BYTES_MAX, NAME_MAX, Refusal as File};
use domain::agreement::identity::{ATTEMPTS_MAX, By, DOCUMENTS_MAX, Proof, Refusal, Step};
use domain::calendar::jalali::rfc3339;
use domain::{CodeId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::codes::read;
use super::listing::{id_of, page, part};
use super::messages::query_of;
use super::once::{Asked, changed, one};
use super::problem::{Kind, Problem};

/// The largest body with a document: the document.
pub(super) const FILE_BYTES_MAX: usize = BYTES_MAX;

/// What a client states.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    national_code: String,
    first_name: String,
    last_name: String,
    birth_day: String,
    mobile: String,
    company: Option<Company>,
}

/// For which company.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Company {
    id: String,
    name: String,
    role: String,
}

/// By which code a mobile number is proven.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code_id: String,
}

/// GET /v1/identity_verifications.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let all = app::identity::list(app, Some(caller.account.id), false, before, limit).await?;
    Ok(page(&all, limit, |last| last.id, |kept| shown(kept, app.now())))
}

/// GET /v1/identity_verifications/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let found = app::identity::find(app, Some(caller.account.id), case_id(id)?).await?;
    one(StatusCode::OK, found.map(|kept| shown(&kept, app.now())))
}

/// POST /v1/identity_verifications.
pub(super) async fn begin(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let new: New = read(asked.body)?;
    let company = new.company.map(|company| (company.id, company.name, company.role));
    let stated = Stated {
        national_code: new.national_code,
        first_name: new.first_name,
        last_name: new.last_name,
        birth_day: new.birth_day,
        mobile: new.mobile,
        company,
    };
    let begun = app::identity::begin(asked.app, asked.caller.account.id, &stated);
    case(asked, StatusCode::CREATED, begun).await
}

/// POST /v1/identity_verifications/{id}/mobile.
pub(super) async fn mobile(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let id = case_id(id)?;
    let Code { code_id } = read(asked.body)?;
    let code = id_of(&code_id).ok_or_else(|| not_done(Error::Refused(IdentityRefusal::Code)))?;
    let account = asked.caller.account.id;
    let proven = app::identity::prove_mobile(asked.app, account, id, CodeId(code));
    case(asked, StatusCode::OK, proven).await
}

/// POST /v1/identity_verifications/{id}/documents: the file is the body.
pub(super) async fn document(
    asked: Asked<'_>,
    id: &str,
    query: &str,
) -> Result<Response, Unanswered> {
    let id = case_id(id)?;
    let name = query_of(query, &["name"])?.text("name").unwrap_or_default().to_owned();
    let (account, bytes) = (asked.caller.account.id, asked.body.to_vec());
    let added = app::identity::add_document(asked.app, account, id, &name, bytes);
    case(asked, StatusCode::CREATED, added).await
}

/// POST /v1/identity_verifications/{id}/submit.
pub(super) async fn submit(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let id = case_id(id)?;
    let submitted = app::identity::submit(asked.app, asked.caller.account.id, id);
    case(asked, StatusCode::OK, submitted).await
}

/// POST /v1/identity_verifications/{id}/withdraw.
pub(super) async fn withdraw(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let id = case_id(id)?;
    let withdrawn = app::identity::withdraw(asked.app, asked.caller.account.id, id);
    case(asked, StatusCode::OK, withdrawn).await
}

/// Changes a case once, and shows it.
async fn case(
    asked: Asked<'_>,
    status: StatusCode,
    change: impl Future<Output = app::Result<Kept, IdentityRefusal>>,
) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let change = Box::pin(async { change.await.map_err(not_done) });
    let found = async |id| app::identity::find(app, Some(account), id).await;
    changed(asked, status, change, found, |kept| shown(kept, app.now())).await
}

fn case_id(text: &str) -> Result<i64, Problem> {
    id_of(text).ok_or_else(|| Problem::of(Kind::NotFound))
}

fn shown(kept: &Kept, now: Timestamp) -> Value {
    let history: Vec<Value> = kept
        .steps
        .iter()
        .map(|taken| {
            let by = if taken.by == By::Customer { "you" } else { "us" };
            json!({
                "step": taken.step.map_or("begun", Step::word),
                "by": by,
                "at": rfc3339(taken.at),
                "text": taken.said,
            })
        })
        .collect();
    let documents: Vec<Value> = kept
        .documents
        .iter()
        .map(|one| {
            json!({
                "id": one.id.to_string(),
                "name": one.name,
                "media_type": one.media_type,
                "bytes": one.bytes,
            })
        })
        .collect();
    let proven = |proof: &Proof| (proof.word().to_owned(), json!(kept.identity.has(*proof)));
    let asked: serde_json::Map<_, _> = kept.identity.asked().iter().map(proven).collect();
    json!({
        "object": "identity_verification",
        "id": kept.id.to_string(),
        "state": kept.identity.state(now).word(),
        "asked": asked,
        "national_code": kept.person.as_ref().map(|person| person.code.masked()),
        "mobile": kept.person.as_ref().map(|person| person.mobile.masked()),
        "valid_until": kept.identity.until().map(rfc3339),
        "documents": documents,
        "history": history,
    })
}

fn not_done(error: Error<IdentityRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let state = |en: &str, fa: &str| Problem::with(Kind::WrongState, (en, fa));
    let not_taken = |en: &str, fa: &str| Problem::with(Kind::IdentityNotTaken, (en, fa));
    match refusal {
        IdentityRefusal::NoSuchCase => Problem::of(Kind::NotFound),
        IdentityRefusal::Stated(what) => {
            let (en, fa) = (format!("{what} is none that can be"), format!("{what} پذیرفتنی نیست"));
            Problem::with(Kind::InvalidRequest, (en, fa))
        }
        IdentityRefusal::Pending => {
            state("The account has one that is not over.", "حساب یک پروندهٔ ناتمام دارد.")
        }
        IdentityRefusal::TooMany => state(
            &format!("The account has begun {ATTEMPTS_MAX} within thirty days."),
            &format!("حساب در سی روز {ATTEMPTS_MAX} پرونده آغاز کرده است."),
        ),
        IdentityRefusal::Rule(Refusal::Missing(proof)) => {
            let word = proof.word();
            not_taken(&format!("{word} is missing."), &format!("{word} داده نشده است."))
        }
        IdentityRefusal::Rule(Refusal::TooManyDocuments) => not_taken(
            &format!("It has {DOCUMENTS_MAX} documents."),
            &format!("{DOCUMENTS_MAX} مدرک دارد و بیش از آن نمی‌گیرد."),
        ),
        IdentityRefusal::Rule(_) | IdentityRefusal::Text(_) => Problem::of(Kind::WrongState),
        IdentityRefusal::Code => not_taken(
            "code_id is a code of /v1/codes that was spoken to the mobile number since this was \
             begun, and approved.",
            "code_id کدی از /v1/codes است که پس از آغاز این پرونده به شمارهٔ همراه خوانده و تأیید \
             شده است.",
        ),
        IdentityRefusal::Document(refusal) => match refusal {
            File::Name => not_taken(
                &format!("name is a name of 1 to {NAME_MAX} bytes and no path."),
                &format!("name نامی از ۱ تا {NAME_MAX} بایت است و مسیر نیست."),
            ),
            File::Empty => not_taken("It is empty.", "خالی است."),
            File::TooLarge => not_taken(
                &format!("It has more than {BYTES_MAX} bytes."),
                &format!("بیش از {BYTES_MAX} بایت دارد."),
            ),
            File::Kind | File::TooMany => {
                not_taken("It is neither PNG, JPEG nor PDF.", "PNG، JPEG یا PDF نیست.")
            }
        },
    }
    .into()
}

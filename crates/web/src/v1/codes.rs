//! One-time codes that the platform keeps: started, said again, checked. No answer has the code.

use app::kept_code::{CheckRefusal, Code, NewCode, SendRefusal};
use app::quick_send::TextRefusal;
use app::request::RequestKey;
use app::{App, Caller, Error};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use domain::calendar::jalali::rfc3339;
use domain::kept_code::State;
use domain::{CodeId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Unanswered;
use super::campaigns::rials;
use super::listing::id_of;
use super::messages::{REPLAYED, foretold, idempotency_key, json, speaker};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// A code that a client wants to be spoken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    to: String,
    length: Option<u32>,
    code: Option<String>,
    life_seconds: Option<u32>,
    text: Option<String>,
    voice: Option<String>,
    server_id: Option<u32>,
    max_cost: Option<u64>,
    #[serde(default)]
    dry_run: bool,
}

/// What somebody typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    code: String,
}

/// A code as it is shown.
#[derive(Serialize)]
struct Shown {
    object: &'static str,
    id: String,
    /// Whether it is no play of a sandbox.
    live: bool,
    to: String,
    state: &'static str,
    checks_left: u32,
    sends_left: u32,
    /// The last call that speaks it.
    message_id: Option<String>,
    created_at: String,
    expires_at: String,
    resend_at: String,
}

/// POST /v1/codes.
pub(super) async fn start(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let key = idempotency_key(headers)?;
    let request = key.map(|key| RequestKey { key, body: body.to_vec() });
    let wanted: Wanted = read(body)?;
    let new = NewCode {
        number: wanted.to,
        length: wanted.length,
        own: wanted.code,
        life_seconds: wanted.life_seconds,
        template: wanted.text,
        speaker: speaker(app, wanted.voice.as_deref())?,
        server: wanted.server_id.filter(|&server| server > 0),
        max_cost: wanted.max_cost.map(rials),
        request,
    };
    let now = app.now();
    if wanted.dry_run {
        let estimate = app::kept_code::estimate(app, caller, &new).await;
        let estimate = estimate.map_err(|error| not_sent(error, now))?;
        return Ok(foretold(&[new.number], &estimate));
    }
    match app::kept_code::start(app, caller, new).await {
        Ok((code, replayed)) => {
            let mut response = json(StatusCode::ACCEPTED, &Shown::of(&code));
            if replayed {
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            Ok(response)
        }
        Err(error) => Err(not_sent(error, now)),
    }
}

/// GET /v1/codes/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let code = app::kept_code::find(app, caller, code_id(id)?).await?;
    let code = code.ok_or(Problem::of(Kind::NotFound))?;
    Ok(json(StatusCode::OK, &Shown::of(&code)))
}

/// POST /v1/codes/{id}/resend.
pub(super) async fn resend(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let Asked { app, caller, .. } = asked;
    let (id, now) = (code_id(id)?, app.now());
    let work = async {
        match app::kept_code::resend(app, caller, id).await {
            Ok(code) => Ok(json(StatusCode::ACCEPTED, &Shown::of(&code))),
            Err(error) => Err(not_sent(error, now)),
        }
    };
    let again = async |_| {
        let code = app::kept_code::find(app, caller, id).await?;
        let code = code.ok_or(Problem::of(Kind::NotFound))?;
        Ok(json(StatusCode::ACCEPTED, &Shown::of(&code)))
    };
    once(asked, Box::pin(work), again).await
}

/// POST /v1/codes/{id}/check.
pub(super) async fn check(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let Asked { app, caller, body, .. } = asked;
    let (id, typed) = (code_id(id)?, read::<Typed>(body)?);
    let work = async {
        match app::kept_code::check(app, caller, id, &typed.code).await {
            Ok(code) => Ok(json(StatusCode::OK, &Shown::of(&code))),
            Err(Error::Refused(refusal)) => Err(wrong(refusal).into()),
            Err(Error::Failed(failure)) => Err(failure.into()),
        }
    };
    // The try was counted: the code says what came of it.
    let again = async |_| {
        let code = app::kept_code::find(app, caller, id).await?;
        let code = code.ok_or(Problem::of(Kind::NotFound))?;
        match code.state {
            State::Approved => Ok(json(StatusCode::OK, &Shown::of(&code))),
            State::Pending => Err(wrong(CheckRefusal::Wrong(code.checks_left)).into()),
            state => Err(over(state).into()),
        }
    };
    once(asked, work, again).await
}

/// What is typed never comes back in a problem, as serde's words about it would.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let en = format!("not as described, at line {line} column {column}");
        let fa = format!("چنان‌که شرح داده شده نیست (سطر {line}، ستون {column})");
        Problem::with(Kind::InvalidRequest, (en, fa))
    })
}

fn not_sent(error: Error<SendRefusal>, now: Timestamp) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    let problem = match refusal {
        // The words are the template's.
        SendRefusal::Text(TextRefusal::MustBeApproved) => Problem::of(Kind::MustBeApproved),
        SendRefusal::Text(refusal) => Problem::of_text(refusal),
        SendRefusal::LengthNotAllowed => invalid(
            "length is from 4 to 8; code has so many digits, and no length beside it",
            "length از ۴ تا ۸ است؛ code همین شمار رقم دارد و length کنار آن نمی‌آید",
        ),
        SendRefusal::LifeNotAllowed => {
            invalid("life_seconds is from 60 to 3600", "life_seconds از ۶۰ تا ۳۶۰۰ است")
        }
        SendRefusal::WrongTemplate => invalid(
            "text has {code} in it once, no other braces, and up to 200 characters",
            "text یک بار {code} دارد، آکولاد دیگری ندارد و تا ۲۰۰ نویسه است",
        ),
        SendRefusal::KeyReused => Problem::of(Kind::KeyReused),
        SendRefusal::NoSuchCode => Problem::of(Kind::NotFound),
        SendRefusal::Over(state) => over(state),
        SendRefusal::SaidTooOften => Problem::of(Kind::CodeSaidTooOften),
        SendRefusal::TooSoon(at) => Problem::until(Kind::RepeatedTooOften, at, now),
        SendRefusal::TooExpensive(cost) => Problem::could_cost(cost),
        SendRefusal::NeighboursTooSoon(at) => Problem::until(Kind::NeighboursTooOften, at, now),
    };
    problem.into()
}

fn wrong(refusal: CheckRefusal) -> Problem {
    match refusal {
        CheckRefusal::NoCode => Problem::with(
            Kind::InvalidRequest,
            ("code has 4 to 8 digits", "code از ۴ تا ۸ رقم دارد"),
        ),
        CheckRefusal::NoSuchCode => Problem::of(Kind::NotFound),
        CheckRefusal::Wrong(left) => {
            let (en, fa) = (
                format!("{left} more may be tried."),
                format!("{left} بار دیگر می‌توان امتحان کرد."),
            );
            Problem::with(Kind::CodeWrong, (en, fa))
        }
        CheckRefusal::Over(state) => over(state),
    }
}

/// Why a code takes no part in anything any more.
fn over(state: State) -> Problem {
    match state {
        State::Approved => Problem::of(Kind::CodeUsed),
        State::Exhausted => Problem::of(Kind::CodeExhausted),
        State::Replaced => Problem::with(
            Kind::CodeExpired,
            ("A newer code took its place.", "کد تازه‌تری جای آن را گرفته است."),
        ),
        State::Expired | State::Pending => Problem::of(Kind::CodeExpired),
    }
}

fn code_id(text: &str) -> Result<CodeId, Problem> {
    id_of(text).map(CodeId).ok_or(Problem::of(Kind::NotFound))
}

impl Shown {
    fn of(code: &Code) -> Self {
        Self {
            object: "code",
            id: code.id.to_string(),
            live: !code.sandbox,
            to: code.destination.as_str().to_owned(),
            state: code.state.word(),
            checks_left: code.checks_left,
            sends_left: code.sends_left,
            message_id: code.send.map(|send| send.to_string()),
            created_at: rfc3339(code.created_at),
            expires_at: rfc3339(code.expires_at),
            resend_at: rfc3339(code.resend_at),
        }
    }
}

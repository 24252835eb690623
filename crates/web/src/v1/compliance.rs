//! What the judge found of a campaign, as its customer shows it to whoever asks: he shares nothing
//! with the dialer, and works out again from the log whether each call was lawful.

use app::judge::{Judged, NotJudged};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::CampaignId;
use domain::calendar::jalali::rfc3339;
use domain::judge::Violation;
use serde_json::{Value, json};

use super::Unanswered;
use super::campaigns::campaign_id;
use super::messages::json as answer;
use super::problem::{Kind, Problem};

/// GET /v1/campaigns/{id}/compliance.
pub(super) async fn report(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = campaign_id(id)?;
    match app::judge::of_campaign(app, caller.account.id, id).await {
        Ok(judged) => Ok(answer(StatusCode::OK, &shown(id, &judged))),
        Err(Error::Refused(NotJudged::NoSuchCampaign)) => Err(Problem::of(Kind::NotFound).into()),
        Err(Error::Refused(NotJudged::Busy)) => Err(Problem::of(Kind::Busy).into()),
        Err(Error::Failed(failure)) => Err(failure.into()),
    }
}

fn shown(id: CampaignId, Judged { report, is_complete, at }: &Judged) -> Value {
    let rule = |violation: Violation| {
        let (said, said_fa) = said(violation);
        let count = report.violations.get(&violation).copied().unwrap_or(0);
        json!({
            "rule": violation.word(), "said": said, "said_fa": said_fa, "violations": count,
        })
    };
    let told = report.told.iter().map(|(send, n, violation)| {
        json!({ "message_id": send.0.to_string(), "attempt": n, "rule": violation.word() })
    });
    json!({
        "object": "compliance_report",
        "campaign_id": id.0.to_string(),
        "judged_at": rfc3339(*at),
        "complete": is_complete,
        "clean": report.is_clean(),
        "attempts": report.allowed,
        "lost": report.lost,
        "barred": report.barred,
        "rules": Violation::ALL.map(rule),
        "violations": told.collect::<Vec<Value>>(),
    })
}

/// What is asked of each call, in English and Persian.
fn said(violation: Violation) -> (&'static str, &'static str) {
    match violation {
        Violation::NotLogged => (
            "The log says of each call what allowed it.",
            "سابقه می‌گوید هر تماس به چه دلیلی مجاز بوده است.",
        ),
        Violation::WrongPolicy => (
            "It was judged by the policy of its class that was in force.",
            "با سیاست همان رده که آن زمان برقرار بود سنجیده شد.",
        ),
        Violation::ClassNotAllowed => (
            "Its class was allowed, with the document that it asks for.",
            "رده‌اش مجاز بود و مجوز لازم را داشت.",
        ),
        Violation::OutsideHours => (
            "It was within the hours of its class, on Tehran's clock, holidays included.",
            "در ساعت‌های مجاز رده‌اش به وقت تهران بود، با رعایت تعطیلات.",
        ),
        Violation::ReachedSomebody => (
            "What keeps no hours reached nobody: a sandbox, or a phone of the account.",
            "آنچه به ساعت پایبند نیست به کسی نرسید: حساب آزمایشی یا تلفن خود حساب.",
        ),
        Violation::OutsideSchedule => (
            "It was within the days and hours that the campaign had then.",
            "در روزها و ساعت‌هایی بود که کمپین آن زمان داشت.",
        ),
        Violation::OptedOut => (
            "Its number was on no opt-out list that the class obeys.",
            "شماره در هیچ فهرست لغو دریافتی که رده از آن پیروی می‌کند نبود.",
        ),
        Violation::CapExceeded => (
            "Its number was not called more often that day than the class may, by anybody.",
            "شماره آن روز، از سوی همه، بیش از سقف رده تماس نگرفت.",
        ),
        Violation::TwiceAtOnce => (
            "Its number was in no other call of ours at that time.",
            "شماره در آن زمان در تماس دیگری از ما نبود.",
        ),
    }
}

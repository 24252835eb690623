//! The front page: what everybody is told, and where a person who opens the address finds the
//! documentation; and the same announcements as a feed (RFC 4287).

use std::fmt::Write as _;
use std::sync::Arc;

use app::announcement::{Announcement, uuid};
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use domain::billing::payment::State as PaymentState;
use domain::calendar::jalali::rfc3339;
use quick_xml::escape::escape;
use tokio::sync::SemaphorePermit;

use crate::arrival;
use crate::router::Web;

/// The page without what is announced.
const PAGE: &str = include_str!("front.html");
/// Where that stands.
const PLACE: &str = "<!-- announcements -->\n";
/// What stands there while it is not known.
const UNKNOWN: &str = "<p>اطلاعیه‌ها اکنون در دسترس نیست.</p>\n";
/// The beginning of what somebody reads who comes back from a gateway.
const PAYMENT_HEAD: &str = "<!DOCTYPE html>\n<html lang=\"fa\" dir=\"rtl\">\n<head>\n\
                            <meta charset=\"utf-8\">\n<title>پرداخت</title>\n</head>\n<body>\n";
/// What is read while a gateway has not said yes or no.
const NOT_KNOWN_YET: &str = "پرداخت هنوز تأیید نشده است. نتیجه چند دقیقهٔ دیگر معلوم می‌شود.";
/// The most entries of the feed.
const FEED_MAX: u32 = 50;

/// One page in both languages, with what stands: nobody can dismiss it (T085).
pub(crate) async fn front(State(web): State<Arc<Web>>, request: Request) -> Response {
    let _place = match place(&web, request) {
        Ok((place, _)) => place,
        Err(status) => return status.into_response(),
    };
    let told = match app::announcement::standing(&web.app).await {
        Ok(standing) => standing.iter().map(on_page).collect(),
        Err(failure) => {
            tracing::warn!(error = failure.chain(), "the first page has no announcements");
            UNKNOWN.to_owned()
        }
    };
    Html(PAGE.replace(PLACE, &told)).into_response()
}

/// A place for a request of anybody, as open requests of `/v1` have one, and the head of it.
fn place(web: &Web, request: Request) -> Result<(SemaphorePermit<'_>, Parts), StatusCode> {
    let place = web.places.try_acquire().map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let (head, _) = request.into_parts();
    let arrival = arrival::of(&head, "Announcements", &web.settings.trusted_proxies);
    app::caller::come(&web.app, &arrival).map_err(|_| StatusCode::TOO_MANY_REQUESTS)?;
    Ok((place, head))
}

/// An announcement as it stands on the first page.
pub fn on_page(announcement: &Announcement) -> String {
    let (id, text) = (announcement.id, &announcement.new.text);
    let body: Vec<_> = text.body.lines().map(escape).collect();
    format!(
        "<section id=\"announcement-{id}\">\n<h2>{}</h2>\n<p>{}</p>\n</section>\n",
        escape(&text.title),
        body.join("<br>\n")
    )
}

/// GET /payments/{token}: where a gateway sends its customer back. What the gateway says when it is
/// asked counts, and nothing that comes with the request.
pub(crate) async fn payment(
    State(web): State<Arc<Web>>,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let _place = match place(&web, request) {
        Ok((place, _)) => place,
        Err(status) => return status.into_response(),
    };
    // Whoever cannot be waited for is asked about by the task of payments anyway.
    let Ok(_turn) = web.return_places.try_acquire() else {
        let page = format!("{PAYMENT_HEAD}<p>{NOT_KNOWN_YET}</p>\n</body>\n</html>\n");
        return (StatusCode::SERVICE_UNAVAILABLE, Html(page)).into_response();
    };
    let found = match app::payment::come_back(&web.app, &token).await {
        Ok(Some(found)) => found,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(failure) => {
            tracing::error!(error = failure.chain(), "a payment could not be looked at");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let told = match found.state {
        PaymentState::Paid => "پرداخت انجام شد.",
        PaymentState::Failed => {
            "پرداخت ناموفق بود. اگر مبلغی کم شده و تا سه روز برنگشته است، شمارهٔ پرداخت را به \
             پشتیبانی بگویید."
        }
        PaymentState::Made | PaymentState::Waiting | PaymentState::Review => NOT_KNOWN_YET,
    };
    Html(format!(
        "{PAYMENT_HEAD}<p>{told}</p>\n<p>شمارهٔ پرداخت: {}</p>\n</body>\n</html>\n",
        found.id
    ))
    .into_response()
}

/// GET /feed.atom: what was announced, the newest first; what was taken back is not in it.
pub(crate) async fn feed(State(web): State<Arc<Web>>, request: Request) -> Response {
    let (_place, head) = match place(&web, request) {
        Ok(placed) => placed,
        Err(status) => return status.into_response(),
    };
    let told = match app::announcement::newest(&web.app, FEED_MAX).await {
        Ok(told) => told,
        Err(failure) => {
            tracing::warn!(error = failure.chain(), "the feed could not be read");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let media_type = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")];
    (media_type, atom(&told, host.unwrap_or("localhost"))).into_response()
}

fn atom(announcements: &[Announcement], host: &str) -> String {
    let host = escape(host.split(':').next().unwrap_or_default());
    let updated = announcements.iter().map(|one| one.new.made_at).max().unwrap_or_default();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"fa\">\n\
         <title>اطلاعیه‌های آوانک</title>\n<id>tag:{host},2026:announcements</id>\n\
         <link rel=\"self\" href=\"/feed.atom\"/>\n<link href=\"/\"/>\n\
         <author><name>آوانک</name></author>\n<updated>{}</updated>\n",
        rfc3339(updated)
    );
    for one in announcements {
        let (id, new) = (uuid(one), &one.new);
        let (title, body) = (escape(&new.text.title), escape(&new.text.body));
        write!(
            text,
            "<entry>\n<id>urn:uuid:{id}</id>\n<title>{title}</title>\n\
             <link href=\"/#announcement-{}\"/>\n<updated>{}</updated>\n\
             <content type=\"text\">{body}</content>\n</entry>\n",
            one.id,
            rfc3339(new.made_at)
        )
        .expect("a String grows");
    }
    text + "</feed>\n"
}

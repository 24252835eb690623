//! The paths of `/v1`, a line for each: what a request there is for, whether it is heavy, and what
//! answers it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, patch, post};
use tokio::sync::SemaphorePermit;

use super::campaign_verbs::Verb;
use super::error_reports::Verb as Report;
use super::once::Asked;
use super::problem::{Kind, Problem};
use super::remote_sessions::Verb as Session;
use super::{
    Unanswered, acceptances, agreement, announcements, answer, audio, busy, calendar,
    campaign_verbs, campaigns, cancellations, claims, codes, compensation, compliance, docs_page,
    error_reports, events, evidence, explain, exports, identity, invoices, ledger, lists, messages,
    open_to_all, opt_outs, payments, promises, remote_sessions, samples, sms, statement, templates,
    tickets, violations, webhooks,
};
use crate::arrival::address_of;
use crate::router::Web;

/// The document that describes this API; a test holds it to the routes.
const OPENAPI: &str = include_str!("openapi.json");
/// Its path.
const OPENAPI_PATH: &str = "/v1/openapi.json";

/// The largest body of what is no list, in bytes: a thousand numbers, or a hundred beside a text.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// What a request may be for: a token that is bound to methods must name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    SendMessages,
    ReadMessages,
    ManageAudio,
    ManageTemplates,
    ReadEvents,
    ManageWebhooks,
    ManageOptOuts,
    ReadAvailability,
    ReportSamples,
    ManageCampaigns,
    ReadCampaigns,
    SendCodes,
    CheckCodes,
    Export,
    ReadViolations,
    AnswerViolations,
    ReadInvoices,
    ManageClaims,
    ManageTickets,
    AttachToTickets,
    ReportErrors,
    ManageRemoteSessions,
    ReadAnnouncements,
    ProveIdentity,
    AttachToIdentity,
    AcceptAgreement,
    ManagePayments,
    AttachToPayments,
    ManageSubscriptions,
    ReadLedger,
}

impl Operation {
    const ALL: [Self; 30] = [
        Self::SendMessages,
        Self::ReadMessages,
        Self::ManageAudio,
        Self::ManageTemplates,
        Self::ReadEvents,
        Self::ManageWebhooks,
        Self::ManageOptOuts,
        Self::ReadAvailability,
        Self::ReportSamples,
        Self::ManageCampaigns,
        Self::ReadCampaigns,
        Self::SendCodes,
        Self::CheckCodes,
        Self::Export,
        Self::ReadViolations,
        Self::AnswerViolations,
        Self::ReadInvoices,
        Self::ManageClaims,
        Self::ManageTickets,
        Self::AttachToTickets,
        Self::ReportErrors,
        Self::ManageRemoteSessions,
        Self::ReadAnnouncements,
        Self::ProveIdentity,
        Self::AttachToIdentity,
        Self::AcceptAgreement,
        Self::ManagePayments,
        Self::AttachToPayments,
        Self::ManageSubscriptions,
        Self::ReadLedger,
    ];

    /// The largest body. A list of numbers may be long, and a file of audio; everything else is
    /// small, and must not become a large tree in memory.
    pub(super) fn body_bytes_max(self) -> usize {
        match self {
            Self::ManageCampaigns | Self::ManageAudio => usize::MAX,
            Self::ReportSamples => samples::BODY_BYTES_MAX,
            Self::AttachToTickets => tickets::FILE_BYTES_MAX,
            Self::AttachToIdentity => identity::FILE_BYTES_MAX,
            Self::AttachToPayments => payments::FILE_BYTES_MAX,
            _ => BODY_BYTES_MAX,
        }
    }

    /// Whether an operation of this name asks something of the desk, whose people can be called,
    /// too.
    pub(super) fn is_of_desk(name: &str) -> bool {
        let of_desk = [Self::ManageTickets, Self::AttachToTickets, Self::ReportErrors];
        of_desk.iter().any(|one| one.name() == name)
    }

    /// How permissions call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SendMessages => "v1.SendMessages",
            Self::ReadMessages => "v1.ReadMessages",
            Self::ManageAudio => "v1.ManageAudio",
            Self::ManageTemplates => "v1.ManageTemplates",
            Self::ReadEvents => "v1.ReadEvents",
            Self::ManageWebhooks => "v1.ManageWebhooks",
            Self::ManageOptOuts => "v1.ManageOptOuts",
            Self::ReadAvailability => "v1.ReadAvailability",
            Self::ReportSamples => "v1.ReportSamples",
            Self::ManageCampaigns => "v1.ManageCampaigns",
            Self::ReadCampaigns => "v1.ReadCampaigns",
            Self::SendCodes => "v1.SendCodes",
            Self::CheckCodes => "v1.CheckCodes",
            Self::Export => "v1.Export",
            Self::ReadViolations => "v1.ReadViolations",
            Self::AnswerViolations => "v1.AnswerViolations",
            Self::ReadInvoices => "v1.ReadInvoices",
            Self::ManageClaims => "v1.ManageClaims",
            Self::ManageTickets => "v1.ManageTickets",
            Self::AttachToTickets => "v1.AttachToTickets",
            Self::ReportErrors => "v1.ReportErrors",
            Self::ManageRemoteSessions => "v1.ManageRemoteSessions",
            Self::ReadAnnouncements => "v1.ReadAnnouncements",
            Self::ProveIdentity => "v1.ProveIdentity",
            Self::AttachToIdentity => "v1.AttachToIdentity",
            Self::AcceptAgreement => "v1.AcceptAgreement",
            Self::ManagePayments => "v1.ManagePayments",
            Self::AttachToPayments => "v1.AttachToPayments",
            Self::ManageSubscriptions => "v1.ManageSubscriptions",
            Self::ReadLedger => "v1.ReadLedger",
        }
    }
}

/// The spelling of an operation that permissions know, written in any case.
pub(crate) fn operation_name(written: &str) -> Option<&'static str> {
    let mut names = Operation::ALL.into_iter().map(Operation::name);
    names.find(|name| name.eq_ignore_ascii_case(written))
}

/// What is asked for at each path with each verb; what the request is for, which its token must
/// allow; whether it is heavy; and what answers it, given what the request brings.
macro_rules! operations {
    (|$web:ident, $app:ident, $caller:ident, $id:ident, $query:ident, $head:ident, $body:ident,
      $asked:ident|
     $($verb:ident $path:literal, $operation:ident, $weight:ident => $answer:expr;)*) => {
        fn operations() -> Router<Arc<Web>> {
            Router::new()$(.route($path, $verb(
                async |State($web): State<Arc<Web>>, id: Option<Path<String>>, request: Request| {
                    let id = id.map(|Path(id)| id).unwrap_or_default();
                    let query = request.uri().query().unwrap_or_default().to_owned();
                    let path = request.uri().to_string();
                    let (fields, trusted) = (request.headers(), &*$web.settings.trusted_proxies);
                    let address = address_of(fields, request.extensions(), trusted);
                    let operation = Operation::$operation;
                    answer(&$web, operation, request, async |$caller, $head, $body| {
                        let _turn = $weight(&$web)?;
                        let ($app, $id, $query) = (&*$web.app, &*id, &*query);
                        let $asked = Asked {
                            app: $app,
                            caller: $caller,
                            headers: $head,
                            path: &*path,
                            body: $body,
                            address,
                        };
                        // Not each of them looks at everything.
                        let _ = ($id, $query, $asked);
                        $answer.await
                    })
                    .await
                },
            )))*
        }
    };
}

operations! {
    |web, app, caller, id, query, head, body, asked|
    get "/v1/messages", ReadMessages, light => messages::list(app, caller, query);
    post "/v1/messages", SendMessages, heavy => messages::send(app, caller, head, body);
    get "/v1/messages/{id}", ReadMessages, light => messages::get(app, caller, id);
    post "/v1/messages/{id}/cancel", SendMessages, light => cancellations::message(asked, id);
    get "/v1/messages/{id}/recording", ReadMessages, light => messages::recording(app, caller, id);
    get "/v1/messages/{id}/explain", ReadMessages, light => explain::message(app, caller, id);
    get "/v1/audio", ReadMessages, light => audio::list(app, caller, query);
    post "/v1/audio", ManageAudio, heavy => audio::upload(asked, query);
    get "/v1/audio/{id}", ReadMessages, light => audio::get(app, caller, id);
    get "/v1/audio/{id}/sound", ReadMessages, light => audio::sound(app, caller, id);
    get "/v1/voices", ReadMessages, light => std::future::ready(Ok(audio::voices(app)));
    get "/v1/templates", ReadMessages, light => templates::list(app, caller, query);
    post "/v1/templates", ManageTemplates, light => templates::create(asked);
    get "/v1/templates/{id}", ReadMessages, light => templates::get(app, caller, id);
    delete "/v1/templates/{id}", ManageTemplates, light => templates::delete(app, caller, id);
    post "/v1/templates/{id}/preview", ManageTemplates, heavy => templates::preview(asked, id);
    post "/v1/templates/{id}/sound", ManageTemplates, heavy => templates::sound(asked, id);
    get "/v1/campaign_numbers/{id}/explain", ReadCampaigns, light =>
        explain::number(app, caller, id);
    get "/v1/campaign_numbers/{id}/preview", ReadCampaigns, heavy =>
        templates::number(app, caller, id);
    get "/v1/campaign_numbers/{id}/sound", ReadCampaigns, heavy =>
        templates::number_sound(app, caller, id);
    get "/v1/campaigns", ReadCampaigns, light => campaigns::list(app, caller, query);
    post "/v1/campaigns", ManageCampaigns, heavy => campaigns::create(app, caller, head, body);
    get "/v1/campaigns/{id}", ReadCampaigns, light => campaigns::get(app, caller, id);
    patch "/v1/campaigns/{id}", ManageCampaigns, light =>
        campaigns::patch(app, caller, id, body);
    get "/v1/campaigns/{id}/compliance", ReadCampaigns, heavy =>
        compliance::report(app, caller, id);
    get "/v1/campaigns/{id}/numbers", ReadCampaigns, light =>
        campaigns::numbers(app, caller, id, query);
    post "/v1/campaigns/{id}/numbers", ManageCampaigns, heavy =>
        lists::add(&web, asked, id, query);
    post "/v1/campaigns/{id}/start", ManageCampaigns, heavy => campaign_verbs::start(asked, id);
    post "/v1/campaigns/{id}/pause", ManageCampaigns, light =>
        campaign_verbs::change(asked, id, Verb::Pause);
    post "/v1/campaigns/{id}/resume", ManageCampaigns, light =>
        campaign_verbs::change(asked, id, Verb::Resume);
    post "/v1/campaigns/{id}/stop", ManageCampaigns, light =>
        campaign_verbs::change(asked, id, Verb::Stop);
    post "/v1/campaigns/{id}/cancel", ManageCampaigns, light =>
        campaign_verbs::change(asked, id, Verb::Cancel);
    post "/v1/campaigns/{id}/test", ManageCampaigns, heavy =>
        campaign_verbs::test(app, caller, id, head, body);
    post "/v1/campaigns/{id}/redial", ManageCampaigns, heavy =>
        campaign_verbs::redial(app, caller, id, head, body);
    get "/v1/ledger", ReadLedger, heavy => ledger::list(app, caller, query);
    get "/v1/sms", ReadMessages, light => sms::list(app, caller, query);
    get "/v1/sms/{id}", ReadMessages, light => sms::get(app, caller, id);
    get "/v1/events", ReadEvents, light => events::list(&web, caller, head, query);
    get "/v1/events/{id}", ReadEvents, light => events::get(&web, caller, id);
    get "/v1/exports", Export, light => exports::list(app, caller, query);
    post "/v1/exports", Export, light => exports::create(asked);
    get "/v1/exports/{id}", Export, light => exports::get(app, caller, id);
    get "/v1/exports/{id}/file", Export, light => exports::file(&web, caller, id);
    get "/v1/webhooks", ManageWebhooks, light => webhooks::list(app, caller);
    post "/v1/webhooks", ManageWebhooks, light => webhooks::create(asked);
    get "/v1/webhooks/{id}", ManageWebhooks, light => webhooks::get(app, caller, id);
    delete "/v1/webhooks/{id}", ManageWebhooks, light => webhooks::delete(app, caller, id);
    post "/v1/webhooks/{id}/secret", ManageWebhooks, light => webhooks::rotate(asked, id);
    post "/v1/webhooks/{id}/enable", ManageWebhooks, light => webhooks::enable(asked, id);
    post "/v1/webhooks/{id}/test", ManageWebhooks, light => webhooks::test(asked, id);
    post "/v1/webhooks/{id}/replay", ManageWebhooks, light =>
        webhooks::replay(asked, id);
    get "/v1/webhooks/{id}/deliveries", ManageWebhooks, light =>
        webhooks::deliveries(app, caller, id, query);
    get "/v1/availability", ReadAvailability, heavy => agreement::month(app, caller, query);
    get "/v1/availability/evidence", ReadAvailability, heavy => evidence::day(app, caller, query);
    get "/v1/availability/promises", ReadAvailability, heavy => promises::month(app, query);
    get "/v1/availability/delivery", ReadAvailability, heavy =>
        promises::delivery(app, caller, query);
    get "/v1/availability/delivery/samples", ReadAvailability, heavy =>
        promises::samples(app, caller, query);
    get "/v1/availability/promises/minutes", ReadAvailability, heavy =>
        promises::minutes(app, query);
    get "/v1/availability/statement", ReadAvailability, heavy => statement::get(app, caller, query);
    get "/v1/availability/statement/stretches", ReadAvailability, heavy =>
        statement::stretches(app, caller, query);
    get "/v1/availability/statement/parts", ReadAvailability, heavy =>
        statement::parts(app, caller, query);
    get "/v1/availability/statement/inputs", ReadAvailability, heavy =>
        statement::inputs(app, caller, query);
    get "/v1/availability/statement/maintenance", ReadAvailability, heavy =>
        statement::maintenance(app, caller, query);
    post "/v1/samples", ReportSamples, light => samples::report(asked);
    get "/v1/announcements", ReadAnnouncements, light => announcements::list(app, caller, query);
    get "/v1/announcements/{id}", ReadAnnouncements, light => announcements::get(app, caller, id);
    post "/v1/announcements/{id}/view", ReadAnnouncements, light => announcements::view(asked, id);
    get "/v1/violations", ReadViolations, light => violations::list(app, caller, query);
    get "/v1/violations/{id}", ReadViolations, light => violations::get(app, caller, id);
    post "/v1/violations/{id}/accept", AnswerViolations, light => violations::accept(asked, id);
    post "/v1/violations/{id}/dispute", AnswerViolations, light => violations::dispute(asked, id);
    get "/v1/plans", ReadInvoices, light => invoices::plans(app);
    get "/v1/subscriptions", ReadInvoices, light => invoices::subscriptions(app, caller);
    post "/v1/subscriptions/{id}/plan", ManageSubscriptions, light =>
        invoices::change_plan(asked, id);
    get "/v1/invoices", ReadInvoices, light => invoices::list(app, caller, query);
    get "/v1/invoices/{id}", ReadInvoices, light => invoices::get(app, caller, id);
    get "/v1/payments", ManagePayments, light => payments::list(app, caller, query);
    post "/v1/payments", ManagePayments, heavy => payments::begin(asked);
    get "/v1/payments/gateways", ManagePayments, light =>
        std::future::ready(Ok(payments::gateways(app)));
    get "/v1/payments/{id}", ManagePayments, light => payments::get(app, caller, id);
    post "/v1/payments/{id}/receipt", AttachToPayments, heavy => payments::receipt(asked, id);
    get "/v1/credits", ReadInvoices, heavy => invoices::credits(app, caller, query);
    get "/v1/credits/{id}", ReadInvoices, light => invoices::get_credit(app, caller, id);
    get "/v1/credits/{id}/history", ReadInvoices, light =>
        invoices::credit_history(app, caller, id, query);
    get "/v1/credits/{id}/inputs", ReadInvoices, heavy =>
        invoices::credit_inputs(app, caller, id, query);
    get "/v1/claims", ManageClaims, light => claims::list(app, caller, query);
    post "/v1/claims", ManageClaims, light => claims::file(asked);
    get "/v1/claims/{id}", ManageClaims, light => claims::get(app, caller, id);
    get "/v1/claims/{id}/grounds", ManageClaims, heavy => claims::grounds(app, caller, id);
    post "/v1/claims/{id}/evidence", ManageClaims, light => claims::evidence(asked, id);
    post "/v1/claims/{id}/appeal", ManageClaims, light => claims::appeal(asked, id);
    post "/v1/claims/{id}/withdraw", ManageClaims, light => claims::withdraw(asked, id);
    get "/v1/tickets", ManageTickets, light => tickets::list(app, caller, query);
    post "/v1/tickets", ManageTickets, light => tickets::open(asked);
    get "/v1/tickets/{id}", ManageTickets, light => tickets::get(app, caller, id);
    post "/v1/tickets/{id}/replies", ManageTickets, light => tickets::reply(asked, id);
    post "/v1/tickets/{id}/close", ManageTickets, light => tickets::close(asked, id);
    post "/v1/tickets/{id}/reopen", ManageTickets, light => tickets::reopen(asked, id);
    post "/v1/tickets/{id}/attachments", AttachToTickets, heavy =>
        tickets::attach(asked, id, query);
    get "/v1/ticket_attachments/{id}", ManageTickets, light => tickets::file(app, caller, id);
    get "/v1/error_reports", ReportErrors, light => error_reports::list(app, caller, query);
    post "/v1/error_reports", ReportErrors, light => error_reports::report(asked);
    get "/v1/error_reports/{id}", ReportErrors, light => error_reports::get(app, caller, id);
    post "/v1/error_reports/{id}/reopen", ReportErrors, light =>
        error_reports::change(asked, id, Report::Reopen);
    post "/v1/error_reports/{id}/provide", ReportErrors, light =>
        error_reports::change(asked, id, Report::Provide);
    post "/v1/error_reports/{id}/agree", ReportErrors, light =>
        error_reports::change(asked, id, Report::Agree);
    post "/v1/error_reports/{id}/accept", ReportErrors, light =>
        error_reports::change(asked, id, Report::Accept);
    post "/v1/error_reports/{id}/reject", ReportErrors, light =>
        error_reports::change(asked, id, Report::Reject);
    get "/v1/remote_sessions", ManageRemoteSessions, light =>
        remote_sessions::list(app, caller, query);
    get "/v1/remote_sessions/{id}", ManageRemoteSessions, light =>
        remote_sessions::get(app, caller, id);
    post "/v1/remote_sessions/{id}/agree", ManageRemoteSessions, light =>
        remote_sessions::change(asked, id, Session::Agree);
    post "/v1/remote_sessions/{id}/consent", ManageRemoteSessions, light =>
        remote_sessions::change(asked, id, Session::Consent);
    post "/v1/remote_sessions/{id}/decline", ManageRemoteSessions, light =>
        remote_sessions::change(asked, id, Session::Decline);
    post "/v1/remote_sessions/{id}/withdraw", ManageRemoteSessions, light =>
        remote_sessions::change(asked, id, Session::Withdraw);
    get "/v1/identity_verifications", ProveIdentity, light => identity::list(app, caller, query);
    post "/v1/identity_verifications", ProveIdentity, light => identity::begin(asked);
    get "/v1/identity_verifications/{id}", ProveIdentity, light => identity::get(app, caller, id);
    post "/v1/identity_verifications/{id}/mobile", ProveIdentity, light =>
        identity::mobile(asked, id);
    post "/v1/identity_verifications/{id}/documents", AttachToIdentity, heavy =>
        identity::document(asked, id, query);
    post "/v1/identity_verifications/{id}/submit", ProveIdentity, light =>
        identity::submit(asked, id);
    post "/v1/identity_verifications/{id}/withdraw", ProveIdentity, light =>
        identity::withdraw(asked, id);
    get "/v1/agreement_acceptances", AcceptAgreement, light => acceptances::list(app, caller);
    post "/v1/agreement/{id}/accept", AcceptAgreement, light => acceptances::accept(asked, id);
    post "/v1/codes", SendCodes, heavy => codes::start(app, caller, head, body);
    get "/v1/codes/{id}", CheckCodes, light => codes::get(app, caller, id);
    post "/v1/codes/{id}/resend", SendCodes, light => codes::resend(asked, id);
    post "/v1/codes/{id}/check", CheckCodes, light => codes::check(asked, id);
    get "/v1/opt-outs", ManageOptOuts, light => opt_outs::list(app, caller, query);
    post "/v1/opt-outs", ManageOptOuts, light => opt_outs::add(asked);
    delete "/v1/opt-outs/{id}", ManageOptOuts, light => opt_outs::remove(app, caller, id);
}

/// The paths under `/v1`.
pub(crate) fn routes() -> Router<Arc<Web>> {
    operations()
        .route("/v1/agreement", get(get_agreement))
        .route("/v1/agreement/{id}", get(get_agreement_version))
        .route("/v1/agreement/{id}/changes", get(get_agreement_changes))
        .route("/v1/compensation", get(get_compensation))
        .route("/v1/violations/counts", get(get_violation_counts))
        .route("/v1/transparency", get(get_transparency))
        .route("/v1/calendar", get(get_calendar))
        .route(OPENAPI_PATH, get(openapi))
        .route("/v1/docs", get(docs_page::docs))
        .route("/v1", any(nothing_here))
        .route("/v1/{*rest}", any(nothing_here))
        .method_not_allowed_fallback(not_by_this_verb)
}

/// An operation that takes moments.
#[expect(clippy::unnecessary_wraps, reason = "a heavy one has no turn when there are too many")]
fn light(_: &Web) -> Result<Option<SemaphorePermit<'_>>, Unanswered> {
    Ok(None)
}

/// An operation that may take seconds: few at once, or they would take every place.
fn heavy(web: &Web) -> Result<Option<SemaphorePermit<'_>>, Unanswered> {
    web.heavy_places.try_acquire().map(Some).map_err(|_| busy())
}

async fn get_agreement(State(web): State<Arc<Web>>, request: Request) -> Response {
    open_to_all(&web, "v1.Agreement", request, async || agreement::get(&web.app, None).await).await
}

async fn get_agreement_version(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let get = async || agreement::get(&web.app, Some(&id)).await;
    open_to_all(&web, "v1.Agreement", request, get).await
}

async fn get_agreement_changes(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let get = async || {
        let _turn = heavy(&web)?;
        agreement::changes(&web.app, &id, &query).await
    };
    open_to_all(&web, "v1.Agreement", request, get).await
}

async fn get_calendar(State(web): State<Arc<Web>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let phone = web.settings.support_phone.clone();
    let get = async || calendar::get(&web.app, phone.as_deref(), &query).await;
    open_to_all(&web, "v1.Calendar", request, get).await
}

async fn get_transparency(State(web): State<Arc<Web>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let get = async || {
        let _turn = heavy(&web)?;
        agreement::transparency(&web.app, &query).await
    };
    open_to_all(&web, "v1.Transparency", request, get).await
}

async fn get_compensation(State(web): State<Arc<Web>>, request: Request) -> Response {
    let get = async || compensation::get(&web.app).await;
    open_to_all(&web, "v1.Compensation", request, get).await
}

async fn get_violation_counts(State(web): State<Arc<Web>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let get = async || violations::counts(&web.app, &query).await;
    open_to_all(&web, "v1.Violations", request, get).await
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// A path that is none.
async fn nothing_here(State(web): State<Arc<Web>>) -> Response {
    Problem::of(Kind::NotFound).into_response(&web.next_reference())
}

/// A path that is there for other verbs; `Allow` says for which.
async fn not_by_this_verb(State(web): State<Arc<Web>>) -> Response {
    Problem::of(Kind::MethodNotAllowed).into_response(&web.next_reference())
}

//! The vendor's SOAP services and their JSON twin: `webservice3.asmx` and `soapwebservice.asmx` by
//! SOAP 1.1, SOAP 1.2, GET and POST, and `/webservice3/<Method>` by JSON. A view of the REST
//! services: it reads a request, lets the method of the table answer, and shows that answer as the
//! table says. No rule of the product stands here, and no method is done twice.

mod envelope;
mod help_page;
mod reference_page;
mod table;
mod wsdl;
mod xml;

use app::{Caller, Failure};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method as Verb, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::access::Arrival;
use serde_json::value::RawValue;
use tracing::Instrument;

use crate::arrival;
use crate::params::Params;
use crate::rest::{self, Content, Denied, Form, Reply, Unanswered};
use crate::router::Web;
use envelope::{Envelope, Fault, Version};
pub use reference_page::soap_page;
use table::{Kind, Row};
use xml::Fields;

/// Longest user name or password that is looked at, in bytes.
const CREDENTIAL_MAX: usize = 512;

/// A service: the same methods under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    WebService3,
    SoapWebService,
}

/// What comes after a service's name in the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `.asmx`: SOAP, GET and POST.
    Asmx,
    /// Nothing: JSON.
    Json,
}

impl Service {
    const ALL: [Self; 2] = [Self::WebService3, Self::SoapWebService];

    /// The class it has in the clients' generated code.
    fn name(self) -> &'static str {
        match self {
            Self::WebService3 => "WebService3",
            Self::SoapWebService => "SoapWebService",
        }
    }

    /// The service and style of a path's first segment, in any case.
    pub(crate) fn of(segment: &str) -> Option<(Self, Style)> {
        Self::ALL.into_iter().find_map(|service| {
            let rest = segment
                .get(..service.name().len())
                .filter(|start| start.eq_ignore_ascii_case(service.name()))
                .map(|start| &segment[start.len()..])?;
            match rest {
                "" => Some((service, Style::Json)),
                _ if rest.eq_ignore_ascii_case(".asmx") => Some((service, Style::Asmx)),
                _ => None,
            }
        })
    }
}

/// The spelling that the permissions know a SOAP method by, written in any case.
pub(crate) fn method_name(written: &str) -> Option<&'static str> {
    table::named(written).map(|row| row.answers.name())
}

/// How an answer goes back.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Soap(Version),
    Xml,
    Json,
}

impl Shape {
    fn media_type(self) -> &'static str {
        match self {
            Self::Soap(version) => version.media_type(),
            Self::Xml => "text/xml; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

/// A request that could be read.
struct Asked {
    shape: Shape,
    row: &'static Row,
    params: Params,
}

/// One request to a service itself: its WSDL, its help page, or an envelope.
pub(crate) async fn service(web: &Web, service: Service, request: Request) -> Response {
    if request.method() == Verb::GET {
        return described(web, service, &request);
    }
    served(web, request, None).await
}

/// One request to `/<service>/<method>`.
pub(crate) async fn method(web: &Web, style: Style, name: &str, request: Request) -> Response {
    let Some(row) = table::named(name) else { return StatusCode::NOT_FOUND.into_response() };
    let shape = if style == Style::Json { Shape::Json } else { Shape::Xml };
    served(web, request, Some((shape, row))).await
}

/// The WSDL when the query asks for it, the help page otherwise.
fn described(web: &Web, service: Service, request: &Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_ascii_lowercase();
    let asks_wsdl = query.split(['&', '=']).any(|word| word == "wsdl");
    let address = address(web, request);
    if asks_wsdl {
        let media_type = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
        return (media_type, wsdl::wsdl(service.name(), &address)).into_response();
    }
    axum::response::Html(help_page::help_page(service.name(), &address)).into_response()
}

/// Where the client found the service, so that its generated code finds it again.
fn address(web: &Web, request: &Request) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    // Without a host, an address of this path alone is still right for who came by hand.
    let host = host.unwrap_or("localhost");
    let (path, extensions) = (request.uri().path(), request.extensions());
    let https = arrival::is_https(request.headers(), extensions, &web.settings.trusted_proxies);
    format!("{}://{host}{path}", if https { "https" } else { "http" })
}

/// Answers in a place of the places, and logs once.
async fn served(web: &Web, request: Request, named: Option<(Shape, &'static Row)>) -> Response {
    let Ok(_place) = web.places.try_acquire() else { return rest::busy() };
    let span = tracing::info_span!(
        "request",
        method = tracing::field::Empty,
        account = tracing::field::Empty
    );
    let answering = async {
        let started_at = web.app.now();
        let response = answer(web, request, named).await;
        let took_us = web.app.now().us_since(started_at);
        let http_status = response.status().as_u16();
        tracing::info!(took_us, http_status, "request by SOAP or its kin answered");
        response
    };
    answering.instrument(span).await
}

async fn answer(web: &Web, request: Request, named: Option<(Shape, &'static Row)>) -> Response {
    if rest::is_multipart(request.headers()) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let (head, body) = request.into_parts();
    let (body, _memory) = match web.read_body(&head.headers, body).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let asked = match asked(&head, body, named).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(fault)) => return fault,
        Err(failure) => return unread(web, &failure),
    };
    let Asked { shape, row, mut params } = asked;
    tracing::Span::current().record("method", row.name);
    let arrival = arrival::of(&head, row.answers.name(), &web.settings.trusted_proxies);
    let caller = match authenticated(web, &head.headers, &mut params, &arrival).await {
        Ok(caller) => caller,
        Err(denied) => return not_let_in(web, shape, row, denied),
    };
    tracing::Span::current().record("account", caller.account.id.0);
    (row.read)(&mut params);
    let reference = rest::idempotency_key(&head.headers);
    match rest::perform(web, row.answers, &caller, params, reference).await {
        Ok(reply) => shown(shape, row, reply),
        Err(Unanswered::Denied(denied)) => not_let_in(web, shape, row, denied),
        Err(Unanswered::Transport(response)) => response,
        Err(Unanswered::Failed(failure) | Unanswered::FailedInMethod(failure)) => {
            failed(web, shape, row, &failure)
        }
    }
}

/// The answer to who may not come in.
fn not_let_in(web: &Web, shape: Shape, row: &Row, denied: Denied) -> Response {
    match denied {
        Denied::Access(refusal) => shown(shape, row, Reply::no_access(row.answers, refusal)),
        Denied::Busy => rest::busy(),
        Denied::TooOften(wait_s) => rest::too_often(wait_s),
        Denied::Failed(failure) => failed(web, shape, row, &failure),
    }
}

/// Reads a request; or the fault that answers it.
async fn asked(
    head: &Parts,
    body: Bytes,
    named: Option<(Shape, &'static Row)>,
) -> Result<Result<Asked, Response>, Failure> {
    if let Some((shape, row)) = named {
        let params = rest::read_params(head.uri.query().unwrap_or_default(), body).await?;
        return Ok(Ok(Asked { shape, row, params }));
    }
    let media_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let announced = Version::announced(media_type.unwrap_or_default());
    let read = rest::apart(body.len(), move || envelope::read(&body)).await?;
    Ok(match read {
        Ok(Envelope { version, method, params }) => match table::named(&method) {
            Some(row) => Ok(Asked { shape: Shape::Soap(version), row, params }),
            None => Err(faulty(version, Fault::UnknownMethod)),
        },
        Err((version, fault)) => Err(faulty(version.unwrap_or(announced), fault)),
    })
}

/// The caller: by the token of a header or parameter if there is one, else by user name and
/// password.
async fn authenticated(
    web: &Web,
    headers: &HeaderMap,
    params: &mut Params,
    arrival: &Arrival<'_>,
) -> Result<Caller, Denied> {
    let (user_name, password) = (credential(params, "username"), credential(params, "password"));
    let token = rest::header_token(headers).or_else(|| params.take("token"));
    if let Some(token) = token.filter(|token| !token.trim().is_empty()) {
        return rest::authenticated(web, &token, arrival).await;
    }
    Ok(app::caller::authenticate_by_password(&web.app, &user_name, &password, arrival).await?)
}

/// A credential, which no method gets to see. One that is too long is a wrong one.
fn credential(params: &mut Params, name: &str) -> String {
    let given = params.take(name).unwrap_or_default();
    if given.len() > CREDENTIAL_MAX { String::new() } else { given }
}

fn faulty(version: Version, fault: Fault) -> Response {
    tracing::info!(?fault, "the request is none");
    let (status, text) = version.fault(fault);
    let status = StatusCode::from_u16(status).expect("faults have statuses of HTTP");
    (status, [(header::CONTENT_TYPE, version.media_type())], text).into_response()
}

/// A request that we failed to read.
fn unread(web: &Web, failure: &Failure) -> Response {
    let reference = rest::logged(web, rest::UNKNOWN_ERROR, failure);
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.headers_mut().insert(rest::X_REFERENCE, reference);
    response
}

/// Our own failure, in the shape of the method.
fn failed(web: &Web, shape: Shape, row: &Row, failure: &Failure) -> Response {
    let code = row.answers.failure_code();
    let reference: HeaderValue = rest::logged(web, code, failure);
    let mut response = shown(shape, row, Reply::refused(row.answers, code));
    response.headers_mut().insert(rest::X_REFERENCE, reference);
    response
}

/// An answer of the REST services as the table shows it, in the shape that was asked for.
fn shown(shape: Shape, row: &Row, reply: Reply) -> Response {
    if let Some(code) = reply.refused {
        tracing::info!(code, "refused");
    }
    let refused = reply.refused.is_some();
    let content = reply.into_content();
    let body = match content {
        Content::Busy => return rest::busy(),
        Content::Listed(listing) => listing.into_body(list_form(shape, row)),
        content => {
            let (json, out) = result(row, refused, content);
            Body::from(match shape {
                Shape::Soap(version) => soap(version, row, &json, &out),
                Shape::Xml => xml::document(row.result, &json),
                Shape::Json => json,
            })
        }
    };
    ([(header::CONTENT_TYPE, shape.media_type())], body).into_response()
}

/// How a list of numbers is written that is told while it is read.
fn list_form(shape: Shape, row: &Row) -> Form {
    if let Shape::Json = shape {
        let (head, tail) = (String::from("["), String::from("]"));
        return Form { head, between: ",", number: rest::number_written, tail };
    }
    // The whole of an empty list, cut where the numbers belong.
    let whole = match shape {
        Shape::Soap(version) => soap(version, row, "[]", &[]),
        _ => xml::document(row.result, "[]"),
    };
    let end = match shape {
        Shape::Soap(_) => format!("</{}Result>", row.name),
        _ => format!("</{}>", xml::root(row.result)),
    };
    let (head, _) = whole.split_once(&end).expect("an empty list is written with its end");
    let tail = whole[head.len()..].to_owned();
    Form { head: head.to_owned(), between: "", number: table::number_written, tail }
}

fn soap(version: Version, row: &Row, json: &str, out: &[String]) -> String {
    let mut parts = String::new();
    xml::element(&mut parts, &format!("{}Result", row.name), row.result, json);
    for ((name, kind), json) in row.out.iter().zip(out) {
        xml::element(&mut parts, name, *kind, json);
    }
    version.response(row.name, &parts)
}

/// The result within an answer, and what is written into parameters; JSON all of it.
fn result(row: &Row, refused: bool, content: Content) -> (String, Vec<String>) {
    let field = if refused { row.code } else { row.value };
    let json = match content {
        Content::Json(json) => json,
        Content::Audio(wav) => return (format!("\"{}\"", STANDARD.encode(wav)), Vec::new()),
        Content::Listed(_) | Content::Busy => unreachable!("they are written otherwise"),
    };
    let fields: Option<Fields<'_>> = json.starts_with('{').then(|| xml::parsed(&json));
    let part = |name: &str| match (&fields, name) {
        (_, "") | (None, _) => json.clone(),
        (Some(fields), _) => fields.get(name).map_or("null", |part| RawValue::get(part)).to_owned(),
    };
    let zero = |name: &str| if fields.is_some() { part(name) } else { String::from("0") };
    let out = row.out.iter().map(|(name, _)| zero(name)).collect();
    let result = part(field);
    // A code where a text is expected is the code's text.
    let text = matches!(row.result, Kind::Text) && !result.starts_with(['"', 'n']);
    (if text { format!("\"{result}\"") } else { result }, out)
}

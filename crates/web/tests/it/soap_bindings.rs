//! Every method of the SOAP services by every binding: SOAP 1.1 and 1.2, GET, POST and JSON mean
//! the same. The same calls go to five platforms, each by one binding, and what comes back is
//! compared.

use std::fmt::Write;

use app::account::Permission;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::events::Event;
use serde_json::{Value, json};

use crate::campaign::first_is_called;
use crate::client::{Answer, answer, encoded, router};
use crate::rest::TEXT;
use crate::world::World;

const USER: &str = "shop";

/// How a method is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binding {
    Soap11,
    Soap12,
    Get,
    Post,
    Json,
}

const BINDINGS: [Binding; 5] =
    [Binding::Json, Binding::Soap11, Binding::Soap12, Binding::Get, Binding::Post];

/// A call and, of what it has to answer, the part that matters.
struct Asked {
    method: &'static str,
    parameters: Vec<(&'static str, String)>,
    means: Value,
}

fn asked(method: &'static str, parameters: &[(&'static str, &str)], means: Value) -> Asked {
    let parameters = parameters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Asked { method, parameters, means }
}

/// Four seconds of a tone with a byte for each sample: what a query has room for.
fn small_wav() -> Vec<u8> {
    let samples: Vec<u8> = (0..4 * 8_000).map(|n| if n / 8 % 2 == 0 { 88 } else { 168 }).collect();
    let length = u32::try_from(samples.len()).unwrap();
    let mut wav = Vec::from(*b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8_000_u32.to_le_bytes());
    wav.extend(8_000_u32.to_le_bytes());
    wav.extend(b"\x01\0\x08\0data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    wav
}

/// All 34 methods, in an order in which each has something to answer.
fn all_methods() -> Vec<Asked> {
    let wav = STANDARD.encode(small_wav());
    let plan = [
        ("title", "کارزار"),
        ("numbers", "09121234567,09121234568"),
        ("maxTryCount", "2"),
        ("minuteBetweenTries", "10"),
        ("startDate", "2026-11-22"),
        ("startTime", "08:00"),
        ("endDate", "1405/09/03"),
        ("endTime", "20:00"),
        ("messageId", "1"),
        ("removeInvalids", "true"),
        ("serverId", "0"),
        ("autoStart", "true"),
        ("vote", "true"),
    ];
    let region = [&plan[..], &[("GISCroods", "35.69,51.33; 35.69,51.35; 35.71,51.35")]].concat();
    let number = ("number", "09121234567");
    let campaign = [("campaignId", "1")];
    let days = [("fromDate", "2026-11-22"), ("toDate", "2026-11-23")];
    let first = json!({ "Id": 16_777_217, "Number": "09121234567", "Status": 10, "Vote": 3 });
    let both = json!([first, { "Number": "09121234568", "Status": 0, "SendDate": null }]);
    let restart = [&campaign[..], &plan[..1], &plan[2..8], &[("serverid", "0")]].concat();
    let speech = [("speaker", "female"), ("text", TEXT), ("title", "گفته"), ("CallFromMobile", "")];
    vec![
        asked("SendOTP", &[("Length", "4"), number, ("text", "1234")], json!("1")),
        asked("QuickSend", &[("messageId", "1"), number, ("vote", "true")], json!(2)),
        asked("QuickSendWithTTS", &[("text", TEXT), number, ("vote", "false")], json!(3)),
        asked(
            "GetQuickSend",
            &[("quickSendId", "2"), ("price", "0")],
            json!({ "reason": 0, "dst": "09121234567", "Id": 2, "vote": -1 }),
        ),
        asked(
            "SendOCV",
            &[number, ("callbackUrl", "http://shop.example/ocv")],
            json!({ "SendId": 4 }),
        ),
        asked(
            "MakeSecureCall",
            &[("srcNumber", "09121234567"), ("dstNumber", "09121234568"), ("holdMessageId", "1")],
            json!(5),
        ),
        asked("CreateCampaign", &plan, json!(1)),
        asked("CreateCampaignGIS", &region, json!(2)),
        asked("StopCampaign", &campaign, json!(true)),
        asked("StartCampaign", &restart, json!(1)),
        asked(
            "GetCampaignById",
            &campaign,
            json!({ "Id": 1, "CampaignTitle": "کارزار", "StatusId": 11, "Vote": true }),
        ),
        asked("GetCampaignsByDate", &days, json!([{ "Id": 2 }, { "Id": 1 }])),
        asked("GetCampaignNumbersByCampaignId", &campaign, both.clone()),
        asked(
            "GetCampaignNumbersByMessageId",
            &[("messageId", "1"), ("lastid", "0"), ("count", "1")],
            json!([first]),
        ),
        asked("GetCampaignNumbersBySendDate", &days, json!([first, {}, {}, {}, {}])),
        asked("GetCampaignNumbersBySubscribeId", &[("subscribeId", "6")], first.clone()),
        asked(
            "GetCampaignNumbersDataByIds",
            &[("campaignNumberIds", "16777218,5,16777217")],
            json!([{ "Id": 16_777_218 }, first]),
        ),
        asked("GetCampaignNumberStatusById", &[("campaignNumberId", "16777218")], json!(0)),
        asked(
            "GetCampaignNumbersStatusByIds",
            &[("campaignNumberIds", "16777217,5")],
            json!([10, -1]),
        ),
        asked(
            "UploadMessage",
            &[("title", "<پ> & \"گ\""), ("file", &wav), ("Persist", "true")],
            json!(5),
        ),
        asked("UploadMessageBase64", &[("title", "b"), ("base64", &wav)], json!(6)),
        asked("GenerateTTS", &speech, json!(7)),
        asked("GenerateTTS2", &speech, json!({ "Id": 8 })),
        asked("DownloadMessage", &[("messageId", "5")], json!("UklGR…")),
        asked(
            "GetMessage",
            &[("messageId", "5")],
            json!({ "Title": "<پ> & \"گ\"", "Lenght": 4, "ShowInGallery": true, "Confirmed": 1 }),
        ),
        asked("GetMessages", &[], json!([{ "Id": 8 }, { "Id": 7 }, {}, {}, { "Id": 1 }])),
        asked(
            "GetMessagesByPage",
            &[("showPersist", "true"), ("count", "2"), ("currentpage", "1"), ("order", "desc")],
            json!([{ "Id": 6 }, { "Id": 5 }]),
        ),
        asked("DeleteMessage", &[("messageId", "8")], json!(true)),
        asked("GetProfile", &[], json!({ "Result": 0, "UserName": USER })),
        asked("GetPrices", &[], json!({ "PulseDuration": 5 })),
        asked("GetTransactions", &[], json!([{ "Amount": -5 }, {}, {}, {}, {}, {}, {}])),
        asked("GetTotalCostByDate", &days, json!(225)),
        asked("GetCredit", &[], json!(null)),
        asked("GetExpirationDate", &[], json!("1500/01/01")),
    ]
}

/// A platform whose customer may do everything.
async fn platform() -> (World, Router, String) {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000_000).await;
    world.message(&caller, 4000).await;
    let id = caller.account.id;
    for permission in [Permission::SecureCalls, Permission::Regions] {
        app::account::set_permission(&world.app, id, permission, true).await.unwrap();
    }
    let map: app::campaign::Open = Box::new(|| Ok(Box::new(&b"09121234569,35.695,51.345\n"[..])));
    app::map::import(&world.app, &map).await.unwrap();
    let password = app::account::set_password(&world.app, id, USER, None).await.unwrap();
    let router = router(&world);
    (world, router, password)
}

/// Calls a method.
async fn call(router: &Router, password: &str, asked: &Asked, binding: Binding) -> Answer {
    let who = [("userName", USER), ("password", password)];
    let given = asked.parameters.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<(&str, &str)> = who.into_iter().chain(given).collect();
    let method = asked.method;
    let (path, media_type, body) = match binding {
        Binding::Get => {
            let path = format!("/webservice3.asmx/{method}?{}", encoded(&all));
            let request = Request::get(path).body(Body::empty()).unwrap();
            return answer(router, request).await;
        }
        Binding::Post => {
            let path = format!("/webservice3.asmx/{method}");
            (path, "application/x-www-form-urlencoded", encoded(&all))
        }
        Binding::Json => {
            let object: serde_json::Map<String, Value> =
                all.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            let body = Value::Object(object).to_string();
            (format!("/webservice3/{method}"), "application/json", body)
        }
        Binding::Soap11 | Binding::Soap12 => {
            let (namespace, media_type) = if binding == Binding::Soap11 {
                ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8")
            } else {
                ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml; charset=utf-8")
            };
            let mut parameters = String::new();
            for (name, value) in &all {
                let value = value.replace('&', "&amp;").replace('<', "&lt;");
                write!(parameters, "<{name}>{value}</{name}>").unwrap();
            }
            let body = format!(
                "<s:Envelope xmlns:s=\"{namespace}\"><s:Body><{method} \
                 xmlns=\"http://tempuri.org/\">{parameters}</{method}></s:Body></s:Envelope>"
            );
            (String::from("/webservice3.asmx"), media_type, body)
        }
    };
    let request = Request::post(path)
        .header("content-type", media_type)
        .header("content-length", body.len())
        .body(Body::from(body))
        .unwrap();
    answer(router, request).await
}

/// An element: its name, the text in it, and its children.
#[derive(Debug, Default)]
struct Element {
    name: String,
    is_nil: bool,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The root of a document.
    fn read(document: &str) -> Self {
        let mut reader = quick_xml::Reader::from_str(document);
        reader.config_mut().expand_empty_elements = true;
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => {
                    let nil = start.attributes().flatten().any(|one| one.key.as_ref() == "xsi:nil");
                    let name = start.local_name().as_ref().to_owned();
                    open.push(Self { name, is_nil: nil, ..Self::default() });
                }
                Event::End(_) => {
                    let closed = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(closed);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let meant = match &*reference {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "quot" => '"',
                        other => panic!("{other}"),
                    };
                    open.last_mut().unwrap().text.push(meant);
                }
                Event::Eof => return open.pop().unwrap().children.pop().unwrap(),
                _ => {}
            }
        }
    }

    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// What a document answers: of an envelope, the result.
fn result_of(method: &str, binding: Binding, answered: &Answer) -> Option<Element> {
    let mut root = Element::read(answered.text());
    if matches!(binding, Binding::Get | Binding::Post) {
        return Some(root).filter(|root| !root.is_nil);
    }
    for name in ["Body", &format!("{method}Response"), &format!("{method}Result")] {
        let place = root.children.iter().position(|child| child.name == name)?;
        root = root.children.swap_remove(place);
    }
    Some(root).filter(|root| !root.is_nil)
}

/// Whether XML says what JSON says. Fields that are ours are in JSON alone.
fn is_same(json: &Value, xml: Option<&Element>) -> bool {
    match (json, xml) {
        (Value::Null, xml) => xml.is_none_or(|element| element.is_nil),
        (_, None) => false,
        (Value::String(text), Some(xml)) => *text == xml.text,
        (Value::Bool(flag), Some(xml)) => xml.text == if *flag { "true" } else { "false" },
        (Value::Number(number), Some(xml)) => number.as_i64() == xml.text.parse().ok(),
        (Value::Array(all), Some(xml)) => {
            let pairs = all.iter().zip(&xml.children);
            all.len() == xml.children.len() && pairs.into_iter().all(|(j, x)| is_same(j, Some(x)))
        }
        (Value::Object(fields), Some(xml)) => {
            let known = |child: &Element| fields.contains_key(&child.name);
            let told = |(name, value): (&String, &Value)| {
                let child = xml.child(name);
                is_same(value, child) || (child.is_none() && OURS.contains(&&**name))
            };
            xml.children.iter().all(known) && fields.iter().all(told)
        }
    }
}

/// Fields that the JSON twin has besides the vendor's, and `price`, which SOAP has beside its
/// result.
const OURS: &[&str] = &[
    "Status",
    "StatusLabel",
    "CampaignID",
    "Title",
    "State",
    "WaitingCount",
    "OpenCount",
    "RetryCount",
    "Results",
    "InternalPrice",
    "ExternalPrice",
    "Rials",
    "price",
];

/// Whether an answer has what it has to.
fn means(expected: &Value, answered: &Value) -> bool {
    match (expected, answered) {
        (Value::Object(fields), _) => fields
            .iter()
            .all(|(name, value)| means(value, answered.get(name).unwrap_or(&Value::Null))),
        (Value::Array(all), Value::Array(told)) => {
            all.len() == told.len() && all.iter().zip(told).all(|(one, told)| means(one, told))
        }
        (Value::String(text), Value::String(told)) if text.ends_with('…') => {
            told.starts_with(text.trim_end_matches('…'))
        }
        _ => expected == answered,
    }
}

/// What is another one each time.
fn without_chance(mut answered: Value) -> Value {
    if let Some(code) = answered.get_mut("Code") {
        assert!((1..=9).contains(&code.as_i64().unwrap()));
        *code = json!(0);
    }
    answered
}

/// Goal: all 34 methods mean the same by all five bindings, and what they have to.
#[tokio::test]
async fn every_method_by_every_binding() {
    let asked = all_methods();
    assert_eq!(asked.len(), 34);
    let mut meant: Vec<Value> = Vec::new();
    for binding in BINDINGS {
        let (world, router, password) = platform().await;
        for (place, one) in asked.iter().enumerate() {
            let method = one.method;
            let answered = call(&router, &password, one, binding).await;
            let what = format!("{method} by {binding:?}: {:.2000}", answered.text());
            assert_eq!(answered.status, StatusCode::OK, "{what}");
            if binding == Binding::Json {
                let told = without_chance(answered.json());
                assert!(method == "GetCredit" || means(&one.means, &told), "{what}");
                meant.push(told);
            } else {
                let mut result = result_of(method, binding, &answered);
                if let Some(code) = result.as_mut().filter(|_| method == "SendOCV") {
                    let code = code.children.iter_mut().find(|child| child.name == "Code").unwrap();
                    code.text = String::from("0");
                }
                assert!(is_same(&meant[place], result.as_ref()), "{what}\n{}", meant[place]);
            }
            if method == "StartCampaign" {
                first_is_called(&world).await;
            }
        }
    }
    let credit = asked.iter().position(|one| one.method == "GetCredit").unwrap();
    assert!(meant[credit].as_i64().unwrap() > 800_000, "{}", meant[credit]);
}

/// Goal: a list that is too long for one page is told to its end by every binding, and no more of
/// them at a time than there are places for.
#[tokio::test]
async fn long_lists_are_told_whole() {
    const NUMBERS: usize = 4_321;
    let (world, router, password) = platform().await;
    let list = (0..NUMBERS).map(|n| format!("0912{n:07}")).collect::<Vec<_>>().join(",");
    let create = [
        ("title", "کارزار"),
        ("numbers", &*list),
        ("maxTryCount", "1"),
        ("minuteBetweenTries", "10"),
        ("startDate", "2026-11-22"),
        ("startTime", "08:00"),
        ("endDate", "2026-11-23"),
        ("endTime", "20:00"),
        ("messageId", "1"),
        ("autoStart", "false"),
    ];
    let create = asked("CreateCampaign", &create, json!(1));
    assert_eq!(call(&router, &password, &create, Binding::Json).await.text(), "1");
    let numbers = asked("GetCampaignNumbersByCampaignId", &[("campaignId", "1")], json!(null));
    let whole = call(&router, &password, &numbers, Binding::Json).await.json();
    assert_eq!(whole.as_array().unwrap().len(), NUMBERS);
    let last = &whole[NUMBERS - 1]["Number"];
    assert_eq!(*last, json!(format!("0912{:07}", NUMBERS - 1)));
    for binding in &BINDINGS[1..] {
        let answered = call(&router, &password, &numbers, *binding).await;
        let result = result_of(numbers.method, *binding, &answered);
        assert!(is_same(&whole, result.as_ref()), "{binding:?}");
    }
    let of_message = asked("GetCampaignNumbersByMessageId", &[("messageId", "1")], json!(null));
    assert_eq!(call(&router, &password, &of_message, Binding::Json).await.json(), whole);
    let (_, token) = (&world, world.customer(0).await.1);
    let rest = format!("/rest/GetCampaignNumbersByCampaignID?campaignid=1&token={token}");
    let stranger = answer(&router, Request::get(rest).body(Body::empty()).unwrap()).await;
    assert_eq!(stranger.text(), "null");
}

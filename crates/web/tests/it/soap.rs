//! The SOAP services and their JSON twin: exact bytes of every binding, faults, and hostile XML.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Answer, answer, encoded, router, settings};
use crate::rest::TEXT;
use crate::world::{World, tone};

const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";
const NAMESPACES: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                          xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"";
/// The user name of every customer here.
const USER: &str = "shop";

/// A platform whose customer has money, a message of four seconds, and a password.
async fn world() -> (World, String) {
    let world = World::new().await;
    let (caller, _) = world.customer(10_000).await;
    world.message(&caller, 4000).await;
    let id = caller.account.id;
    let password = app::account::set_password(&world.app, id, USER, None).await.unwrap();
    (world, password)
}

/// An envelope as a client's library writes it.
fn envelope(namespace: &str, method: &str, parameters: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<s:Envelope xmlns:s=\"{namespace}\">\n  \
         <s:Body>\n    <{method} xmlns=\"http://tempuri.org/\">{parameters}</{method}>\n  \
         </s:Body>\n</s:Envelope>\n"
    )
}

fn credentials(password: &str) -> String {
    format!("<userName>{USER}</userName><password>{password}</password>")
}

fn posted(path: &str, media_type: &str, body: &[u8]) -> Request<Body> {
    Request::post(path)
        .header("content-type", media_type)
        .header("content-length", body.len())
        .body(Body::from(body.to_vec()))
        .unwrap()
}

/// A call by SOAP 1.1.
async fn call(world: &World, method: &str, parameters: &str) -> Answer {
    let body = envelope(SOAP_11, method, parameters);
    let request = posted("/webservice3.asmx", "text/xml; charset=utf-8", body.as_bytes());
    answer(&router(world), request).await
}

/// What stands in the body of an answer.
fn inside(answered: &Answer) -> &str {
    let (_, rest) = answered.text().split_once("<soap:Body>").unwrap();
    rest.split_once("</soap:Body>").unwrap().0
}

/// The exact bytes of an answer with this body.
fn wrapped(namespace: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"{namespace}\" \
         {NAMESPACES}><soap:Body>{body}</soap:Body></soap:Envelope>"
    )
}

/// Goal: both versions answer in their own envelope and media type, byte by byte.
#[tokio::test]
async fn a_send_by_either_soap() {
    let (world, password) = world().await;
    let parameters = format!(
        "{}<messageId>1</messageId><number>۰۹۱۲۱۲۳۴۵۶۷</number><vote>true</vote>",
        credentials(&password)
    );
    let versions = [
        (SOAP_11, "text/xml; charset=utf-8", 1),
        (SOAP_12, "application/soap+xml; charset=utf-8", 2),
    ];
    for (namespace, media_type, id) in versions {
        let body = envelope(namespace, "QuickSend", &parameters);
        let request = posted("/WebService3.ASMX", media_type, body.as_bytes());
        let answered = answer(&router(&world), request).await;
        let expected = wrapped(
            namespace,
            &format!(
                "<QuickSendResponse xmlns=\"http://tempuri.org/\"><QuickSendResult>{id}\
                 </QuickSendResult></QuickSendResponse>"
            ),
        );
        assert_eq!((answered.status, answered.text()), (StatusCode::OK, expected.as_str()));
        assert_eq!(answered.headers["content-type"], media_type);
        assert!(world.dialer.next().await.0.vote);
    }
}

/// Goal: an object, its out parameter, and nothing where there is none.
#[tokio::test]
async fn a_send_is_followed() {
    let (world, password) = world().await;
    let who = credentials(&password);
    let send = format!("{who}<messageId>1</messageId><number>09121234567</number>");
    call(&world, "QuickSend", &send).await;
    let found = call(&world, "GetQuickSend", &format!("{who}<quickSendId>1</quickSendId>")).await;
    assert_eq!(
        inside(&found),
        "<GetQuickSendResponse xmlns=\"http://tempuri.org/\"><GetQuickSendResult>\
         <reason>0</reason><status>در صف ارسال</status><dst>09121234567</dst>\
         <starttime>2026-11-22 12:00:00</starttime><Id>1</Id><subscribeid>1</subscribeid>\
         <duration>0</duration><vote>-1</vote></GetQuickSendResult><price>0</price>\
         </GetQuickSendResponse>"
    );
    let none = call(&world, "GetQuickSend", &format!("{who}<quickSendId>77</quickSendId>")).await;
    assert_eq!(
        inside(&none),
        "<GetQuickSendResponse xmlns=\"http://tempuri.org/\"><price>0</price>\
         </GetQuickSendResponse>"
    );
}

/// Goal: text of any kind comes back as it went, whatever XML thinks of its letters.
#[tokio::test]
async fn texts_survive_xml() {
    let (world, password) = world().await;
    let who = credentials(&password);
    let upload = format!(
        "{who}<file>{}</file><title>&lt;پ&gt; &amp; <![CDATA[<b>]]>&#x6AF;&quot;</title>\
         <Persist>1</Persist>",
        STANDARD.encode(tone(4000))
    );
    let made = call(&world, "UploadMessage", &upload).await;
    assert!(inside(&made).contains("<UploadMessageResult>2</UploadMessageResult>"));
    let found = call(&world, "GetMessage", &format!("{who}<messageId>2</messageId>")).await;
    let expected = "<GetMessageResult><Id>2</Id><Title>&lt;پ&gt; &amp; &lt;b&gt;گ&quot;</Title>\
                    <Lenght>4</Lenght><IsDefault>false</IsDefault>\
                    <ShowInGallery>true</ShowInGallery><Confirmed>1</Confirmed>\
                    <CreateDate>2026-11-22 12:00:00</CreateDate></GetMessageResult>";
    assert!(inside(&found).contains(expected), "{}", found.text());
    let all = call(&world, "GetMessages", &who).await;
    assert_eq!(inside(&all).matches("<Message><Id>").count(), 2, "{}", all.text());
    let wav = call(&world, "DownloadMessage", &format!("{who}<messageId>2</messageId>")).await;
    assert!(inside(&wav).contains("<DownloadMessageResult>UklGR"), "RIFF in base64");
}

/// Goal: GET and POST without envelopes answer with a document; the JSON twin with the result.
#[tokio::test]
async fn the_other_bindings() {
    let (world, password) = world().await;
    let router = router(&world);
    let form = [("UserName", USER), ("Password", &password), ("messageId", "1")];
    let asked = async |path: &str, by_get: bool| {
        let request = if by_get {
            Request::get(format!("{path}?{}", encoded(&form))).body(Body::empty()).unwrap()
        } else {
            posted(path, "application/x-www-form-urlencoded", encoded(&form).as_bytes())
        };
        answer(&router, request).await
    };
    let message = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Message {NAMESPACES} \
         xmlns=\"http://tempuri.org/\"><Id>1</Id><Title>پیام</Title><Lenght>4</Lenght>\
         <IsDefault>false</IsDefault><ShowInGallery>false</ShowInGallery><Confirmed>1</Confirmed>\
         <CreateDate>2026-11-22 12:00:00</CreateDate></Message>"
    );
    for by_get in [true, false] {
        let answered = asked("/webservice3.asmx/getmessage", by_get).await;
        assert_eq!(answered.text(), message);
        assert_eq!(answered.headers["content-type"], "text/xml; charset=utf-8");
    }
    let credit = asked("/soapwebservice.asmx/GetCredit", true).await;
    assert_eq!(
        credit.text(),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><decimal xmlns=\"http://tempuri.org/\">10000\
         </decimal>"
    );
    let none = asked("/webservice3.asmx/GetQuickSend", true).await;
    assert_eq!(
        none.text(),
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><QuickSendState {NAMESPACES} \
             xsi:nil=\"true\" xmlns=\"http://tempuri.org/\" />"
        )
    );
    let json = serde_json::json!({
        "UserName": USER, "Password": password, "text": TEXT, "number": "09121234567",
        "serverid": 20,
    });
    let request =
        posted("/webservice3/QuickSendWithTTS", "application/json", json.to_string().as_bytes());
    let sent = answer(&router, request).await;
    assert_eq!(sent.text(), "1");
    assert_eq!(sent.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(asked("/webservice3/GetExpirationDate", false).await.text(), "\"1500/01/01\"");
    assert_eq!(asked("/webservice3/deletemessage", false).await.text(), "true");
    assert_eq!(asked("/webservice3/GetMessage", false).await.text(), "null");
}

/// Goal: each kind of result has a place for the code of access, and a token works in every place.
#[tokio::test]
async fn who_is_not_known_is_told_so() {
    let (world, password) = world().await;
    let results = [
        ("QuickSend", "<QuickSendResult>-1</QuickSendResult>"),
        ("SendOTP", "<SendOTPResult>-1</SendOTPResult>"),
        ("CreateCampaign", "<CreateCampaignResult>-1</CreateCampaignResult>"),
        ("GetCredit", "<GetCreditResult>-1</GetCreditResult>"),
        ("GetExpirationDate", "<GetExpirationDateResult>-1</GetExpirationDateResult>"),
        ("StopCampaign", "<StopCampaignResult>false</StopCampaignResult>"),
        ("GenerateTTS2", "<GenerateTTS2Result><Id>-1</Id><Length>0</Length></GenerateTTS2Result>"),
        (
            "SendOCV",
            "<SendOCVResult><Result>-1</Result><Code>0</Code><SendId>0</SendId></SendOCVResult>",
        ),
        ("GetMessage", ""),
        ("GetMessages", ""),
        ("DownloadMessage", ""),
    ];
    for (method, result) in results {
        let refused = call(&world, method, &credentials("wrong")).await;
        let expected =
            format!("<{method}Response xmlns=\"http://tempuri.org/\">{result}</{method}Response>");
        assert_eq!((refused.status, inside(&refused)), (StatusCode::OK, expected.as_str()));
    }
    let long = "x".repeat(100_000);
    for who in [String::new(), credentials(&long), format!("<password>{password}</password>")] {
        let refused = call(&world, "GetCredit", &who).await;
        assert!(inside(&refused).contains(">-1<"));
    }
    let (_, token) = world.customer(5).await;
    let by_element = call(&world, "GetCredit", &format!("<Token>{token}</Token>")).await;
    assert!(inside(&by_element).contains(">5<"), "{}", by_element.text());
    let body = envelope(SOAP_11, "GetCredit", "");
    let mut request = posted("/webservice3.asmx", "text/xml", body.as_bytes());
    request.headers_mut().insert("authorization", token.parse().unwrap());
    assert!(inside(&answer(&router(&world), request).await).contains(">5<"));
    let wrong = call(&world, "GetCredit", "<Token>0</Token>").await;
    assert!(inside(&wrong).contains(">-201<"), "{}", wrong.text());
}

/// Goal: codes of the methods stand where their clients look, ours with a reference for the log.
#[tokio::test]
async fn refusals_have_the_methods_codes() {
    let (world, password) = world().await;
    let who = credentials(&password);
    let cases = [
        ("QuickSend", "<messageId>1</messageId><number>12</number>", -2),
        ("QuickSend", "<messageId>9</messageId><number>09121234567</number>", -8),
        ("QuickSendWithTTS", "<number>09121234567</number>", -10),
        ("SendOTP", "<Length>3</Length><number>09121234567</number>", -5),
        ("SendOTP", "<text>123</text><number>09121234567</number>", -5),
        ("UploadMessage", "<file>!</file>", -10),
        ("UploadMessageBase64", "<base64>QUJD</base64>", -10),
        ("GenerateTTS", "<text></text>", -6),
        ("GenerateTTS", "<text>این موتور خراب است و بس</text>", -2),
        (
            "CreateCampaign",
            "<numbers>09121234567</numbers><messageId>1</messageId><maxTryCount>1</maxTryCount>\
             <startDate>2026-11-23</startDate><startTime>20:00</startTime>\
             <endDate>2026-11-23</endDate><endTime>08:00</endTime>",
            -77,
        ),
        ("StartCampaign", "<campaignId>4</campaignId>", -30),
    ];
    for (method, parameters, code) in cases {
        let refused = call(&world, method, &format!("{who}{parameters}")).await;
        let expected = format!("<{method}Result>{code}</{method}Result>");
        assert!(inside(&refused).contains(&expected), "{parameters}: {}", refused.text());
        assert_eq!(refused.headers.contains_key("x-reference"), parameters.contains("خراب"));
    }
}

/// Goal: a region is called however it is written, and what is none, or has nobody, is told.
#[tokio::test]
async fn a_campaign_of_a_region_by_soap() {
    let (world, password) = world().await;
    let create = |croods: &str, besides: &str| {
        format!(
            "{}<title>کارزار</title><numbers>{besides}</numbers><maxTryCount>1</maxTryCount>\
             <minuteBetweenTries>10</minuteBetweenTries><startDate>2026-11-22</startDate>\
             <startTime>08:00</startTime><endDate>2026-11-24</endDate><endTime>20:00</endTime>\
             <messageId>1</messageId><removeInvalids>true</removeInvalids><serverId>0</serverId>\
             <autoStart>true</autoStart><vote>false</vote><GISCroods>{croods}</GISCroods>",
            credentials(&password)
        )
    };
    let asked = async |croods: &str, besides: &str| {
        let answered = call(&world, "CreateCampaignGIS", &create(croods, besides)).await;
        let (_, rest) = inside(&answered).split_once("<CreateCampaignGISResult>").unwrap();
        rest.split_once('<').unwrap().0.parse::<i64>().unwrap()
    };
    let azadi = "35.69,51.33; 35.69,51.35; 35.71,51.35; 35.71,51.33";
    assert_eq!(asked(azadi, "").await, -73, "there is no map");
    let map: app::campaign::Open =
        Box::new(|| Ok(Box::new(&b"09121234567,35.7,51.34\n09171234567,29.6,52.5\n"[..])));
    app::map::import(&world.app, &map).await.unwrap();
    assert_eq!(asked(azadi, "").await, -73, "there is none for who has no permission");
    let permitted = app::account::Permission::Regions;
    app::account::set_permission(&world.app, domain::AccountId(1), permitted, true).await.unwrap();
    let forms = [
        azadi,
        "POLYGON((51.33 35.69, 51.35 35.69, 51.35 35.71, 51.33 35.71, 51.33 35.69))",
        "{\"type\":\"Polygon\",\"coordinates\":[[[51.33,35.69],[51.35,35.69],[51.35,35.71]]]}",
    ];
    for (id, form) in (1..).zip(forms) {
        assert_eq!(asked(form, "").await, id, "{form}");
    }
    let numbers = "<campaignId>3</campaignId>";
    let numbers = format!("{}{numbers}", credentials(&password));
    let numbers = call(&world, "GetCampaignNumbersByCampaignId", &numbers).await;
    let numbers = inside(&numbers);
    assert!(numbers.contains("<Number>09121234567<") && !numbers.contains("0917"), "{numbers}");
    for none in ["", "35.7,51.4", "somewhere", "[[1,2],[3,4]]", "0,0;0,1;1,1"] {
        assert_eq!(asked(none, "09121234567").await, -73, "{none}");
    }
    let mut tx = world.db.begin().await.unwrap();
    tx.execute("UPDATE map_number SET number = 'nobody'", &[]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(asked(azadi, "").await, -74, "the map cannot be read");
}

/// Goal: a campaign is made, looked at and stopped.
#[tokio::test]
async fn a_campaign_by_soap() {
    let (world, password) = world().await;
    let who = credentials(&password);
    let create = format!(
        "{who}<title>کارزار</title><numbers>09121234567,09121234568,1</numbers>\
         <maxTryCount>2</maxTryCount><minuteBetweenTries>10</minuteBetweenTries>\
         <startDate>2026-11-22</startDate><startTime>08:00</startTime>\
         <endDate>1405/09/03</endDate><endTime>20:00:00</endTime><messageId>1</messageId>\
         <removeInvalids>true</removeInvalids><serverId>0</serverId><autoStart>true</autoStart>\
         <vote>false</vote>"
    );
    let made = call(&world, "CreateCampaign", &create).await;
    assert!(inside(&made).contains("<CreateCampaignResult>1<"), "{}", made.text());
    let id = format!("{who}<campaignId>1</campaignId>");
    let found = call(&world, "GetCampaignById", &id).await;
    let campaign = "<GetCampaignByIdResult><Id>1</Id><CampaignTitle>کارزار</CampaignTitle>\
                    <MessageId>1</MessageId><MessageTitle>پیام</MessageTitle>\
                    <MaxTryCount>2</MaxTryCount><MinuteBetweenTries>10</MinuteBetweenTries>\
                    <TotalPrice>0</TotalPrice><InternalCount>0</InternalCount>\
                    <ExternalCount>2</ExternalCount><Vote>false</Vote><StatusId>11</StatusId>\
                    <StartDate>2026-11-22</StartDate><StartTime>08:00</StartTime>\
                    <EndDate>2026-11-24</EndDate><EndTime>20:00</EndTime></GetCampaignByIdResult>";
    assert!(inside(&found).contains(campaign), "{}", found.text());
    let numbers = call(&world, "GetCampaignNumbersByCampaignId", &id).await;
    let first = "<CampaignNumber><CampaignID>1</CampaignID><Id>16777217</Id>\
                 <Number>09121234567</Number><Status>0</Status><Duration>0</Duration>\
                 <Price>0</Price><TryCount>0</TryCount><Vote>-1</Vote><IsMobile>true</IsMobile>\
                 <RequestId>0</RequestId></CampaignNumber>";
    assert!(inside(&numbers).contains(first), "{}", numbers.text());
    let stopped = call(&world, "StopCampaign", &id).await;
    assert!(inside(&stopped).contains(">true<"));
}

/// Goal: what is no request is told so in the version it came in, and never more than that.
#[tokio::test]
async fn what_is_no_soap_is_a_fault() {
    let (world, _) = world().await;
    let router = router(&world);
    let good = envelope(SOAP_11, "GetCredit", "");
    let bomb = format!(
        "<!DOCTYPE x [<!ENTITY a \"{}\">]>{}",
        "x".repeat(1000),
        envelope(SOAP_11, "GetCredit", "<userName>&a;</userName>")
    );
    let must = "<s:Header><h s:mustUnderstand=\"1\"/></s:Header>";
    let cases: [(Vec<u8>, &str, &str); 14] = [
        (Vec::new(), "Client", "not a SOAP envelope"),
        (b"\xff\xfe".to_vec(), "Client", "well-formed"),
        (good[..good.len() - 20].into(), "Client", "well-formed"),
        (format!("{good}<more/>").into(), "Client", "well-formed"),
        (b"<a></b>".to_vec(), "Client", "not a SOAP envelope"),
        (envelope(SOAP_11, "GetCredit", "<a></b>").into(), "Client", "well-formed"),
        (bomb.into(), "Client", "Document types"),
        (envelope(SOAP_11, "GetCredit", "<a>&b;</a>").into(), "Client", "Document types"),
        (envelope(SOAP_11, "GetCredit", "<a>&#xFFFFFFFF;</a>").into(), "Client", "well-formed"),
        (envelope(SOAP_11, "GetCredit", &"<a>".repeat(100_000)).into(), "Client", "elements"),
        (envelope(SOAP_11, "GetCredit", &"<a/>".repeat(300)).into(), "Client", "elements"),
        (envelope("urn:other", "GetCredit", "").into(), "VersionMismatch", "1.1"),
        (good.replace("<s:Body>", &format!("{must}<s:Body>")).into(), "MustUnderstand", "header"),
        (envelope(SOAP_11, "MakeCoffee", "").into(), "Client", "no such method"),
    ];
    for (body, code, reason) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let answered = answer(&router, posted("/webservice3.asmx", "text/xml", &body)).await;
        assert_eq!(answered.status, StatusCode::INTERNAL_SERVER_ERROR, "{shown}");
        let fault = inside(&answered);
        let expected = format!("<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>");
        assert!(fault.starts_with(&expected) && fault.contains(reason), "{shown}: {fault}");
    }
    let answered = answer(&router, posted("/webservice3.asmx", "application/soap+xml", b"x")).await;
    assert_eq!(answered.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answered.text(),
        wrapped(
            SOAP_12,
            "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason>\
             <soap:Text xml:lang=\"en\">The request is not a SOAP envelope with a method in its \
             body.</soap:Text></soap:Reason></soap:Fault>"
        )
    );
}

/// Goal: envelopes that are legal but unusual are read: a byte order mark, comments, headers, other
/// prefixes, nil, nesting, attributes by the thousand.
#[tokio::test]
async fn unusual_envelopes_are_read() {
    let (world, password) = world().await;
    let router = router(&world);
    let who = credentials(&password);
    let plain = envelope(SOAP_11, "GetCredit", &who);
    let attributes: String = (0..20_000).fold(String::new(), |all, n| all + &format!(" a{n}=''"));
    let bodies = [
        format!("\u{feff}{plain}<!-- the end -->\n"),
        plain.replace("<s:Body>", "<s:Header><a>b<c/></a></s:Header><!-- c --><s:Body>"),
        plain.replace("<s:", "<env:").replace("</s:", "</env:").replace("xmlns:s=", "xmlns:env="),
        plain.replace("<s:Body>", &format!("<s:Body{attributes}>")),
        plain.replace(
            "<userName>",
            "<x nil='true'>1</x><y><userName>other</userName></y><userName>",
        ),
        plain.replace("GetCredit", "getcredit").replace("userName", "USERNAME"),
        plain.replace("<s:", "<").replace("</s:", "</").replace("xmlns:s=", "xmlns="),
    ];
    for body in bodies {
        let answered = answer(&router, posted("/webservice3.asmx", "", body.as_bytes())).await;
        assert!(answered.text().contains(">10000<"), "{:.300}\n{}", body, answered.text());
    }
}

/// Goal: paths and verbs that are none, and the limits that all services share.
#[tokio::test]
async fn http_itself_refuses() {
    let (world, password) = world().await;
    let router = router(&world);
    for path in ["/webservice4.asmx", "/webservice3.asm", "/webservice3", "/webservice3.asmx/x"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(answer(&router, request).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let head = Request::head("/webservice3.asmx").body(Body::empty()).unwrap();
    assert_eq!(answer(&router, head).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let multipart = posted("/webservice3.asmx", "multipart/related; boundary=x", b"");
    assert_eq!(answer(&router, multipart).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let small = web::Settings { body_bytes_max: 1000, ..settings() };
    let small = web::router(world.app.clone(), small);
    let large = posted("/webservice3.asmx", "text/xml", &[b'a'; 1001]);
    assert_eq!(answer(&small, large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let none = web::Settings { requests_max: 0, ..settings() };
    let none = web::router(world.app.clone(), none);
    let body = envelope(SOAP_11, "GetCredit", &credentials(&password));
    let request = posted("/webservice3.asmx", "text/xml", body.as_bytes());
    let busy = answer(&none, request).await;
    assert_eq!(
        (busy.status, busy.headers["retry-after"].as_bytes()),
        (StatusCode::SERVICE_UNAVAILABLE, b"1".as_slice())
    );
}

/// Goal: a key makes a send happen once, over SOAP as over REST.
#[tokio::test]
async fn a_key_makes_a_send_happen_once() {
    let (world, password) = world().await;
    let parameters =
        credentials(&password) + "<messageId>1</messageId><number>09121234567</number>";
    let body = envelope(SOAP_11, "QuickSend", &parameters);
    for _ in 0..2 {
        let mut request = posted("/webservice3.asmx", "text/xml", body.as_bytes());
        request.headers_mut().insert("idempotency-key", "k-1".parse().unwrap());
        let sent = answer(&router(&world), request).await;
        assert!(inside(&sent).contains("<QuickSendResult>1<"), "{}", sent.text());
    }
}

/// Goal: the WSDL and the help page say where they were found and name every method; the WSDL of
/// one method is right to the byte.
#[tokio::test]
async fn the_services_describe_themselves() {
    let (world, _) = world().await;
    let router = router(&world);
    let page = async |path: &str| {
        let request = Request::get(path).header("host", "portal.test:8080").body(Body::empty());
        answer(&router, request.unwrap()).await
    };
    for (path, service) in [
        ("/webservice3.asmx?WSDL", "WebService3"),
        ("/SoapWebService.asmx?wsdl", "SoapWebService"),
        ("/webservice3.asmx?singleWsdl&wsdl=", "WebService3"),
    ] {
        let wsdl = page(path).await;
        let text = wsdl.text();
        let address = path.split('?').next().unwrap();
        assert_eq!(wsdl.headers["content-type"], "text/xml; charset=utf-8");
        assert!(text.contains(&format!("<wsdl:service name=\"{service}\">")), "{path}");
        let location = format!("<soap12:address location=\"http://portal.test:8080{address}\" />");
        assert!(text.contains(&location), "{path}");
        assert!(text.contains(
            "<s:element name=\"QuickSend\"><s:complexType><s:sequence>\
             <s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"userName\" type=\"s:string\" />\
             <s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"password\" type=\"s:string\" />\
             <s:element minOccurs=\"1\" maxOccurs=\"1\" name=\"messageId\" type=\"s:int\" />\
             <s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"number\" type=\"s:string\" />\
             <s:element minOccurs=\"1\" maxOccurs=\"1\" name=\"vote\" type=\"s:boolean\" />\
             <s:element minOccurs=\"1\" maxOccurs=\"1\" name=\"serverid\" type=\"s:int\" />\
             </s:sequence></s:complexType></s:element>\n\
             <s:element name=\"QuickSendResponse\"><s:complexType><s:sequence>\
             <s:element minOccurs=\"1\" maxOccurs=\"1\" name=\"QuickSendResult\" type=\"s:int\" />\
             </s:sequence></s:complexType></s:element>\n"
        ));
    }
    let wsdl = page("/webservice3.asmx?wsdl").await;
    let elements = wsdl.text().split("\n<s:element name=\"").skip(1);
    let mut elements: Vec<&str> = elements.map(|rest| rest.split('"').next().unwrap()).collect();
    let all = elements.len();
    elements.sort_unstable();
    elements.dedup();
    assert_eq!(elements.len(), all, "no two elements have one name: {elements:?}");
    let help = page("/webservice3.asmx").await;
    assert!(
        help.text().contains("QuickSend(userName, password, messageId, number, vote, serverid)")
    );
    let hostile =
        Request::get("/webservice3.asmx?wsdl").header("host", "a\"><x>").body(Body::empty());
    assert!(!answer(&router, hostile.unwrap()).await.text().contains("<x>"));
}

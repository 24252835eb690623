//! Audio and templates of the modern API, and what is said to one number alone.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::campaign::world;
use crate::client::{Answer, answer, router, v1};
use crate::world::tone;

async fn post(router: &Router, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    v1(router, token, "POST", path, Some(key).filter(|key| !key.is_empty()), body).await
}

async fn get(router: &Router, token: &str, path: &str) -> Answer {
    v1(router, token, "GET", path, None, &Value::Null).await
}

/// A file, as it is.
async fn upload(router: &Router, token: &str, query: &str, key: &str, file: Vec<u8>) -> Answer {
    let request = Request::post(format!("/v1/audio{query}"))
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", "audio/wav")
        .header("Content-Length", file.len())
        .header("Idempotency-Key", key);
    answer(router, request.body(Body::from(file)).unwrap()).await
}

fn code(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json()["code"].clone())
}

/// Goal: audio is added as a file or as a text, once under its key, and refused with the reason.
#[tokio::test]
async fn audio_is_added() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let file = upload(&router, &token, "?title=a", "k", tone(5_000)).await;
    assert_eq!(file.status, 201, "{}", file.text());
    let shown = file.json();
    assert_eq!((&shown["title"], &shown["state"]), (&json!("a"), &json!("approved")));
    let again = upload(&router, &token, "?title=a", "k", tone(5_000)).await;
    assert_eq!(again.text(), file.text());
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = upload(&router, &token, "?title=a", "k", tone(6_000)).await;
    assert_eq!(code(&other), (409, json!("idempotency_key_reused")));
    let sound = get(&router, &token, &format!("/v1/audio/{}/sound", shown["id"])).await;
    assert_eq!(sound.headers["content-type"], "audio/x-wav");

    let text = json!({ "title": "b", "text": "به یاد داشته باشید که قبض دارید" });
    let spoken = post(&router, &token, "/v1/audio", "t", &text).await;
    assert_eq!(spoken.status, 201, "{}", spoken.text());
    let again = post(&router, &token, "/v1/audio", "t", &text).await;
    assert_eq!(again.text(), spoken.text());
    let all = get(&router, &token, "/v1/audio").await.json();
    assert_eq!(all["data"].as_array().unwrap().len(), 3, "{all}");

    let untitled = upload(&router, &token, "", "u", tone(5_000)).await;
    assert_eq!(code(&untitled), (400, json!("invalid_request")));
    let noise = upload(&router, &token, "?title=a", "n", b"no audio".to_vec()).await;
    assert_eq!(code(&noise), (422, json!("audio_not_taken")));
    let short = upload(&router, &token, "?title=a", "s", tone(500)).await;
    assert_eq!(code(&short), (422, json!("audio_not_taken")));
    let digits = json!({ "title": "d", "text": "4".repeat(1000) });
    let digits = post(&router, &token, "/v1/audio", "", &digits).await;
    assert_eq!(code(&digits), (422, json!("text_not_speakable")), "they become many words");
}

/// Goal: a template is made once, told with its values, and heard in words and sound.
#[tokio::test]
async fn a_template_is_made_and_heard() {
    let (world, token) = world(10_000).await;
    let router = router(&world);
    let wanted = json!({ "title": "بدهی", "template": "{clip 1}{amount:rial debt}" });
    let made = post(&router, &token, "/v1/templates", "k", &wanted).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let again = post(&router, &token, "/v1/templates", "k", &wanted).await;
    assert_eq!(again.text(), made.text());
    let made = made.json();
    assert_eq!(made["template"], "{clip 1} {amount:rial debt}");
    assert_eq!(made["values"], json!([{ "name": "debt", "type": "amount:rial" }]));
    let path = format!("/v1/templates/{}", made["id"]);
    assert_eq!(get(&router, &token, &path).await.json(), made);
    assert_eq!(get(&router, &token, "/v1/templates").await.json()["data"], json!([made]));
    assert_eq!(code(&get(&router, &token, "/v1/templates/1").await), (404, json!("not_found")));
    let audio = get(&router, &token, &format!("/v1/audio/{}", made["id"])).await;
    assert_eq!(code(&audio), (404, json!("not_found")));

    let values = json!({ "values": { "debt": 1500 } });
    let heard = post(&router, &token, &format!("{path}/preview"), "", &values).await.json();
    assert_eq!(
        heard["parts"],
        json!([
            { "object": "clip", "audio_id": 1 },
            { "object": "value", "name": "debt", "value": "1500", "spoken": "هزارُ پانصد ریال" },
        ])
    );
    let sound = post(&router, &token, &format!("{path}/sound"), "", &values).await;
    assert_eq!((sound.status.as_u16(), &sound.body[..4]), (200, &b"RIFF"[..]));
    let wrong = json!({ "values": { "debt": "much" } });
    let wrong = post(&router, &token, &format!("{path}/preview"), "", &wrong).await;
    assert_eq!(code(&wrong), (422, json!("value_not_usable")));
    assert_eq!(wrong.json()["detail"], "debt: not_a_number");

    for (template, told) in [
        ("سلام {clip 1}", "template_not_allowed"),
        ("{clip 9}", "audio_not_usable"),
        ("{clip 1}{amount:toman x}", "template_not_allowed"),
    ] {
        let wanted = json!({ "title": "t", "template": template });
        let refused = post(&router, &token, "/v1/templates", "", &wanted).await;
        assert_eq!(code(&refused), (422, json!(told)), "{template}");
    }
}

/// Goal: messages and campaigns take numbers with values; who brings none is told which.
#[tokio::test]
async fn numbers_come_with_values() {
    let (world, token) = world(100_000).await;
    let router = router(&world);
    let wanted = json!({ "title": "t", "template": "{clip 1}{digits code}" });
    let template = post(&router, &token, "/v1/templates", "", &wanted).await.json()["id"].clone();
    let to = json!([
        { "number": "09121234567", "values": { "code": "۱۲۳" } },
        { "number": "09121234568", "values": { "kode": "1" } },
        "09121234569",
    ]);
    let send = json!({ "to": to, "template_id": template });
    let mut dry = send.clone();
    dry["dry_run"] = json!(true);
    let foretold = post(&router, &token, "/v1/messages", "", &dry).await.json();
    assert!(foretold["clip_seconds"].as_f64().unwrap() > 4.0, "{foretold}");
    let sent = post(&router, &token, "/v1/messages", "k", &send).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let again = post(&router, &token, "/v1/messages", "k", &send).await;
    assert_eq!(again.text(), sent.text());
    let data = sent.json()["data"].clone();
    assert_eq!(data[0]["state"], "queued", "{data}");
    let details: Vec<&Value> = (1..3).map(|n| &data[n]["problem"]["detail"]).collect();
    assert_eq!(details, [&json!("kode: unknown"), &json!("code: missing")], "{data}");
    let one = json!({ "to": to[0], "template_id": template });
    let one = post(&router, &token, "/v1/messages", "", &one).await;
    assert_eq!((one.status.as_u16(), &one.json()["to"]), (202, &json!("09121234567")));
    for wrong in [
        json!({ "to": to[0], "audio_id": 1 }),
        json!({ "to": to, "template_id": template, "audio_id": 1 }),
        json!({ "to": to, "template_id": template, "text": "x" }),
        json!({ "to": [{ "number": "0912", "value": {} }], "template_id": template }),
    ] {
        let refused = post(&router, &token, "/v1/messages", "", &wrong).await;
        assert_eq!(code(&refused), (400, json!("invalid_request")), "{wrong}");
    }

    let plan = json!({
        "title": "t", "template_id": template, "to": to,
        "starts": "2026-11-22 08:00", "ends": "2026-11-30 20:00",
    });
    let made = post(&router, &token, "/v1/campaigns", "c", &plan).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!((&made["audio_id"], &made["template_id"]), (&Value::Null, &template));
    assert_eq!(
        made["list"]["invalid_rows"],
        json!([
            { "row": 2, "text": "09121234568", "value": "kode", "why": "unknown" },
            { "row": 3, "text": "09121234569", "value": "code", "why": "missing" },
        ])
    );
    let numbers = format!("/v1/campaigns/{}/numbers", made["id"].as_str().unwrap());
    let number = get(&router, &token, &numbers).await.json()["data"][0]["id"].clone();
    let path = format!("/v1/campaign_numbers/{}", number.as_str().unwrap());
    let explained = get(&router, &token, &format!("{path}/explain")).await.json();
    let spoken =
        explained["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "spoken");
    assert_eq!(spoken.map(|gate| &gate["open"]), Some(&json!(false)), "{explained}");
    let heard = get(&router, &token, &format!("{path}/preview")).await.json();
    assert_eq!(heard["parts"][1]["spoken"], "یک، دو، سه", "{heard}");
    let sound = get(&router, &token, &format!("{path}/sound")).await;
    assert_eq!(&sound.body[..4], b"RIFF");
    let mut none = plan.clone();
    none["audio_id"] = json!(1);
    let both = post(&router, &token, "/v1/campaigns", "", &none).await;
    assert_eq!(code(&both), (400, json!("invalid_request")));

    let (_, stranger) = world.customer(0).await;
    let of_template = format!("/v1/templates/{template}");
    let delete =
        async |token: &str| v1(&router, token, "DELETE", &of_template, None, &Value::Null).await;
    assert_eq!(code(&delete(&stranger).await), (404, json!("not_found")));
    let gone = delete(&token).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    assert_eq!(code(&delete(&token).await), (404, json!("not_found")));
    assert_eq!(code(&get(&router, &token, &of_template).await), (404, json!("not_found")));
    assert_eq!(get(&router, &token, "/v1/templates").await.json()["data"], json!([]));
    let heard = get(&router, &token, &format!("{path}/preview")).await.json();
    assert_eq!(heard["parts"][1]["spoken"], "یک، دو، سه", "what was begun with it goes on");
    let shown = format!("/v1/campaigns/{}", made["id"].as_str().unwrap());
    assert_eq!(get(&router, &token, &shown).await.json()["template_id"], template);
    let refused = post(&router, &token, "/v1/campaigns", "", &plan).await;
    assert_eq!(code(&refused), (422, json!("audio_not_usable")));
}

//! What the program's log keeps to itself: numbers of people, and tokens.

use serde_json::{Value, json};

use crate::platform::{
    Customer, Options, Platform, config, eventually, request, rising_tone, v1_request,
};

/// Called by each way there is to ask for a call, and so in the log if anything writes a number.
const CALLED: &[&str] = &[
    "09135550101",
    "09135550102",
    "09135550103",
    "09135550104",
    "09135550105",
    "09135550106",
    "09135550107",
    "09135550108",
];
/// One that the sandbox refuses as a broken trunk would, which is worth lines of its own.
const REJECTED: &str = "09990000503";
/// One that presses a key, which the customer's site is to be told.
const PRESSES_THREE: &str = "09990000113";
/// Not a number, but close enough to one to belong to somebody.
const MISTYPED: &str = "0913555010";
/// The customer's own, as `Platform::customer` has it.
const MOBILE: &str = "09120000001";

/// Every line of every level of ours, and all of the libraries' but their single bytes.
fn talkative(format: &str) -> Platform {
    let text = format!(
        "[sandbox]\n[callbacks]\nprivate_addresses = true\n[log]\nformat = '{format}'\n\
         filter = 'debug,app=trace,engine=trace,node=trace,sandbox=trace,server=trace,store=trace,\
         web=trace'\n"
    );
    Platform::start(Options { config: config(&text), ..Options::default() })
}

/// Asks for a call in each way, rightly and wrongly. The quick sends that were taken.
fn ask_in_every_way(platform: &Platform, customer: &Customer) -> Vec<i64> {
    let account = customer.account.to_string();
    let clip = platform.upload(customer, &rising_tone(4_000));
    let broken =
        platform.call(customer, "UploadMessageBase64", &[("Title", "t"), ("Base64", "UklG")]);
    assert!(broken["Id"].as_i64() < Some(0), "{broken}");
    let id = clip.to_string();
    let mut sends = vec![platform.send(customer, clip, CALLED[0])];
    sends.push(platform.send(customer, clip, REJECTED));
    let by_get =
        format!("/Rest/QuickSend?Token={}&MessageID={clip}&Number={}", customer.token, CALLED[1]);
    assert!(platform.get(&by_get).contains("\"QuickSendID\""));
    let json = format!("/webservice3/QuickSend?MessageID={clip}&Number={}", CALLED[1]);
    platform.get(&json);
    platform.get(&format!("/soap/{}?number={}", CALLED[1], CALLED[1]));
    for wrong in [MISTYPED, "+989135550102123456789"] {
        assert!(platform.try_send(customer, clip, wrong).json()["QuickSendID"].as_i64() < Some(0));
    }
    let code = platform.call(customer, "SendOTP", &[("Length", "4"), ("Number", CALLED[2])]);
    assert!(code["QuickSendID"].as_i64() > Some(0), "{code}");
    let permit = ["account", "secure-calls", "--account", &account, "--permitted", "true"];
    assert!(platform.run(&permit).status.success());
    let two = [("srcNumber", CALLED[3]), ("dstNumber", CALLED[4]), ("holdMessageId", &*id)];
    let joined = platform.call(customer, "MakeSecureCall", &two);
    assert!(joined.as_i64() > Some(0), "{joined}");
    // Nothing listens there, so that a failed request with the number in its address is logged.
    let nobody = [("Number", PRESSES_THREE), ("CallbackURL", "http://127.0.0.1:9/ocv")];
    let asked = platform.call(customer, "SendOCV", &nobody);
    assert_eq!(asked["Result"], 0, "{asked}");
    ask_by_v1(platform, customer, clip);
    request(platform.http(), "no-token-of-anyone", "QuickSend", &[("Number", CALLED[7])]).unwrap();
    sends
}

fn ask_by_v1(platform: &Platform, customer: &Customer, clip: i64) {
    let ask = |asked: &str, body: Value| {
        let (method, path) = asked.split_once(' ').unwrap();
        v1_request(platform.http(), &customer.token, method, path, &body).unwrap().json()
    };
    for to in [json!(CALLED[5]), json!([CALLED[5], CALLED[6], MISTYPED])] {
        let sent = ask("POST /v1/messages", json!({ "to": to, "audio_id": clip }));
        assert!(sent["id"].is_string() || sent["data"][1]["id"].is_string(), "{sent}");
    }
    let mistyped = ask("POST /v1/messages", json!({ "to": MISTYPED, "audio_id": clip }));
    assert_eq!(mistyped["status"], 422, "{mistyped}");
    let left = ask("POST /v1/opt-outs", json!({ "numbers": [CALLED[7]] }));
    assert!(left["status"].is_null(), "{left}");
    ask(&format!("GET /v1/{}/{}?number={}", CALLED[5], CALLED[6], CALLED[7]), Value::Null);
}

/// Goal: whoever reads the log at its most talkative learns nobody's number and no token, whatever
/// was asked for, refused, called, rejected, or recovered after a kill.
#[test]
fn the_log_names_no_number_and_no_token() {
    for format in ["text", "json"] {
        let mut platform = talkative(format);
        let customer = platform.customer(1_000_000);
        let sends = ask_in_every_way(&platform, &customer);
        platform.kill();
        platform.restart();
        for send in sends {
            let story = platform.story_of_ended(&customer, send);
            assert!(story["reason"].as_i64() >= Some(10), "{story}");
        }
        eventually("the callback has failed", || {
            (platform.figure("avanak_callbacks_total{outcome=\"failed\"}") > 0.5).then_some(())
        });
        let log = platform.log();
        assert!(log.contains("request answered") && log.contains("DEBUG"), "{log}");
        let refused = log.lines().filter(|line| line.contains("upload refused"));
        assert_eq!(refused.count(), 1, "a broken file has its line: {log}");
        if format == "json" {
            log.lines().for_each(|line| assert!(line.parse::<Value>().is_ok(), "{line}"));
        }
        let others = [REJECTED, PRESSES_THREE, MISTYPED, MOBILE, &customer.token];
        for secret in CALLED.iter().chain(&others) {
            // However its country is written before it.
            let digits = secret.trim_start_matches('0');
            let told: Vec<&str> = log.lines().filter(|line| line.contains(digits)).collect();
            assert!(told.is_empty(), "{secret} is in the log:\n{}", told.join("\n"));
        }
    }
}

//! Kill -9 while a long list is taken in and its campaign starts: asked again under the same key,
//! the customer has one campaign, whole and started, however often the process died in the middle.

use std::time::Duration;

use serde_json::{Value, json};

use crate::database::Database;
use crate::platform::{
    Options, Platform, config, eventually, pause, random, rising_tone, v1_post_once, v1_request,
};

/// Numbers in the list.
const NUMBERS: usize = 150_000;
/// How often the process is killed in the middle, at most.
const KILLS: usize = 15;

#[test]
fn a_list_is_taken_in_once_on_sqlite() {
    taken_in_once(String::new());
}

#[test]
fn a_list_is_taken_in_once_on_postgres() {
    if let Some(database) = Database::fresh("import") {
        taken_in_once(database.url);
    }
}

/// A campaign whose hours come in many years: it starts, and calls nobody.
fn campaign(audio: i64) -> Value {
    let numbers: Vec<String> = (0..NUMBERS).map(|n| format!("0912{n:07}")).collect();
    json!({ "title": "t", "audio_id": audio, "to": numbers, "start": true,
            "starts": "2098-01-01 08:00", "ends": "2099-01-01 20:00" })
}

fn taken_in_once(database: String) {
    let mut platform =
        Platform::start(Options { config: config(""), database, ..Options::default() });
    let customer = platform.customer(1_000_000_000);
    let body = campaign(platform.upload(&customer, &rising_tone(4_000)));
    let (mut seed, mut killed) = (20_261_129, 0);
    let told = loop {
        let (http, token, body) = (platform.http(), customer.token.clone(), body.clone());
        let asked =
            std::thread::spawn(move || v1_post_once(http, &token, "/v1/campaigns", "one", &body));
        if killed < KILLS {
            pause(Duration::from_millis(10 + u64::from(random(&mut seed) % 400)));
            platform.kill();
            if let Ok(told) = asked.join().unwrap() {
                platform.restart();
                break told;
            }
            killed += 1;
            platform.restart();
        } else {
            break asked.join().unwrap().unwrap();
        }
    };
    assert!(killed > 0, "the first answer came before the kill");
    let told = told.json();
    let get = |path: &str| {
        let answer = v1_request(platform.http(), &customer.token, "GET", path, &Value::Null);
        answer.unwrap().json()
    };
    let one = told["id"].as_str().unwrap_or_else(|| panic!("{told}"));
    let all = get("/v1/campaigns");
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all}");
    let shown = eventually("it has started", || {
        let shown = get(&format!("/v1/campaigns/{one}"));
        (shown["state"] == "running").then_some(shown)
    });
    assert_eq!(shown["numbers"]["total"], NUMBERS, "{shown}");
    let again = v1_post_once(platform.http(), &customer.token, "/v1/campaigns", "one", &body);
    assert_eq!(again.unwrap().json()["id"], one);
    let mut other = body;
    other["title"] = json!("another");
    let reused = v1_post_once(platform.http(), &customer.token, "/v1/campaigns", "one", &other);
    assert!(reused.unwrap().head.starts_with("http/1.1 409"));
}

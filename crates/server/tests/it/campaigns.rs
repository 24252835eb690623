//! Campaigns through the whole program: real SIP to a carrier that outlives us and counts what
//! reaches it, the web services, the command line, and kill -9 in the middle.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::database::Database;
use crate::far_end::FarEnd;
use crate::platform::{
    Customer, Options, Platform, config, eventually, eventually_within, now, pause, rising_tone,
};

/// The price of the clip: one pulse of 5 s at 45 rials a second.
const PULSE: i64 = 225;
/// Recipients whose phones are answered.
const ORDINARY: i64 = 240;
/// What the carrier's own numbers must come to, with two tries: the suffix, the status, the calls.
const MAGIC: [(&str, i64, u32); 6] = [
    // Answered, and hung up after two of three seconds.
    ("09990000002", 11, 1),
    ("09990000180", 20, 2),
    ("09990000404", 24, 1),
    ("09990000480", 23, 2),
    ("09990000486", 21, 2),
    ("09990000603", 22, 1),
];

#[test]
fn a_campaign_with_every_outcome_survives_a_kill_on_sqlite() {
    survive(String::new());
}

#[test]
fn a_campaign_with_every_outcome_survives_a_kill_on_postgres() {
    if let Some(database) = Database::fresh("campaign") {
        survive(database.url);
    }
}

fn ordinary() -> Vec<String> {
    (0..ORDINARY).map(|n| format!("0912{n:07}")).collect()
}

/// Makes a campaign and returns its number.
fn create(platform: &Platform, customer: &Customer, message: i64, numbers: &str) -> i64 {
    let form = [
        ("Title", "c"),
        ("Numbers", numbers),
        ("MessageID", &message.to_string()),
        ("StartDateTime", "2026-01-01"),
        ("EndDateTime", "2099-01-01"),
        ("MaxTryCount", "2"),
        ("MinuteBetweenTries", "0"),
    ];
    let made = platform.call(customer, "CreateCampaign", &form).as_i64().unwrap();
    assert!(made > 0, "{made}");
    made
}

fn shown(platform: &Platform, customer: &Customer, campaign: i64) -> Value {
    platform.call(customer, "GetCampaign", &[("CampaignID", &campaign.to_string())])
}

/// How many recipients have ended.
fn ended(shown: &Value) -> i64 {
    let results = shown["Results"].as_array().unwrap();
    results.iter().map(|result| result["Count"].as_i64().unwrap()).sum()
}

/// Goal: whatever phones do, and although the process is killed in the middle: everybody is called,
/// nobody by two calls at once, nobody more often than his tries, and both sides counted the same.
fn survive(database: String) {
    let far_end = FarEnd::start(200);
    let trunk = format!(
        "[calls]\nring_timeout_ms = 5000\n[[trunk]]\nname = 'far'\naddress = '{}'\n\
         max_channels = 60\nmax_cps = 100\n",
        far_end.address
    );
    let mut platform =
        Platform::start(Options { config: config(&trunk), database, ..Options::default() });
    let customer = platform.customer(10_000_000);
    let message = platform.upload(&customer, &rising_tone(3_200));
    // The carrier's own numbers stand last: they are called after the kill.
    let mut numbers = ordinary();
    numbers.extend(MAGIC.iter().map(|(number, ..)| (*number).to_owned()));
    let count = i64::try_from(numbers.len()).unwrap();
    let campaign = create(&platform, &customer, message, &numbers.join(","));
    eventually("a part of it was called", || {
        (ended(&shown(&platform, &customer, campaign)) > 60).then_some(())
    });
    platform.kill();
    let before = far_end.seen();
    let up = i64::try_from(before.values().filter(|seen| seen.live > 0).count()).unwrap();
    platform.restart();
    // Whoever was rung by the killed process is not called again for two minutes.
    let end = eventually_within(Duration::from_mins(5), "the campaign ends", || {
        let shown = shown(&platform, &customer, campaign);
        let counted = ["WaitingCount", "OpenCount", "RetryCount"];
        let open: i64 = counted.map(|name| shown[name].as_i64().unwrap()).iter().sum();
        assert_eq!(open + ended(&shown), count, "{shown}");
        (shown["StatusId"] == 12).then_some(shown)
    });
    let told = platform.call(
        &customer,
        "GetCampaignNumbersByCampaignID",
        &[("CampaignID", &campaign.to_string())],
    );
    let told = told["Numbers"].as_array().unwrap();
    assert_eq!(told.len(), numbers.len());
    judge(told, &end, &far_end, up);
    let charged = end["TotalPrice"].as_i64().unwrap();
    assert_eq!(platform.settled_balance(&customer), 10_000_000 - charged);
    let judged = platform.cli(&["judge", "--campaign", &campaign.to_string(), "--json"]);
    assert_eq!(judged["clean"], true, "{judged}");
    assert!(judged["reports"][0]["allowed"].as_i64().unwrap() >= count, "{judged}");
}

/// Compares what the customer is told with what the carrier saw. `up`: calls that the kill cut.
fn judge(told: &[Value], end: &Value, far_end: &FarEnd, up: i64) {
    let seen = far_end.seen();
    let mut statuses: BTreeMap<i64, i64> = BTreeMap::new();
    let (mut price, mut uncalled) = (0, 0);
    for one in told {
        let number = one["Number"].as_str().unwrap();
        let (status, tries) = (one["Status"].as_i64().unwrap(), &one["TryCount"]);
        let tries = u32::try_from(tries.as_u64().unwrap()).unwrap();
        let at_far_end = seen.get(number).cloned().unwrap_or_default();
        assert!(at_far_end.most_at_once <= 1, "{number}: {at_far_end:?}");
        assert!(at_far_end.started <= tries && tries <= 2, "{one} {at_far_end:?}");
        // Leased when the process was killed, and perhaps never sent.
        uncalled += tries - at_far_end.started;
        price += one["Price"].as_i64().unwrap();
        *statuses.entry(status).or_default() += 1;
        if let Some((_, expected, calls)) = MAGIC.iter().find(|(magic, ..)| *magic == number) {
            assert_eq!((status, tries), (*expected, *calls), "{one}");
        } else {
            assert!([10, 11, 30].contains(&status), "{one}");
            assert!(status != 10 || at_far_end.answered >= 1, "{one} {at_far_end:?}");
        }
    }
    assert!(uncalled <= 60, "{uncalled} of 60 channels were leased and not dialled");
    let in_part = statuses.get(&11).copied().unwrap_or(0) - 1;
    assert!(in_part <= up, "{in_part} cut off, {up} were up");
    assert!(statuses[&10] >= ORDINARY - up, "{statuses:?}");
    let results = end["Results"].as_array().unwrap().iter();
    let results: BTreeMap<i64, i64> = results
        .map(|one| (one["Status"].as_i64().unwrap(), one["Count"].as_i64().unwrap()))
        .collect();
    assert_eq!(results, statuses, "counters are the rows");
    assert_eq!(end["TotalPrice"].as_i64(), Some(price));
    assert!(price >= statuses[&10] * PULSE, "{price}");
}

/// Goal: with real phones at the other end: a stopped campaign's calls go on, and a cancelled one's
/// are hung up, that ring or play; each says so and costs what was heard.
#[test]
fn a_cancelled_campaign_hangs_up() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(60_000));
    // The first rings for as long as it is let, the second listens to all of it.
    let campaign = create(&platform, &customer, message, "09990000180,09121234567").to_string();
    let told = || {
        let form = [("CampaignID", &*campaign)];
        platform.call(&customer, "GetCampaignNumbersByCampaignID", &form)["Numbers"].clone()
    };
    let show = || platform.cli(&["campaign", "show", &campaign, "--json"]);
    eventually("one rings and one listens", || {
        let told = told();
        (told[0]["Status"] == 2 && told[1]["Status"] == 3).then_some(())
    });
    assert!(platform.run(&["campaign", "stop", &campaign]).status.success());
    pause(Duration::from_secs(2));
    assert_eq!(show()["open"], 2, "a stop lets them end by themselves");
    assert!(platform.run(&["campaign", "cancel", &campaign]).status.success());
    let cancelled_at = now();
    let shown = eventually("both are hung up", || {
        let shown = show();
        (shown["open"] == 0).then_some(shown)
    });
    assert!(cancelled_at.elapsed() < Duration::from_secs(10), "long before the minute is over");
    assert_eq!(shown["results"], json!({ "11": 1, "32": 1 }), "{shown}");
    let told = told();
    assert_eq!((&told[0]["Status"], &told[0]["Price"]), (&json!(32), &json!(0)), "{told}");
    assert_eq!(told[1]["Status"], 11, "{told}");
    let heard_s = told[1]["Duration"].as_i64().unwrap();
    let price = told[1]["Price"].as_i64().unwrap();
    let price_fits = (PULSE..=6 * PULSE).contains(&price);
    assert!((2..30).contains(&heard_s) && price_fits, "{told}");
    let send = told[1]["RequestId"].as_i64().unwrap().to_string();
    let story = platform.cli(&["quick-send", "show", &send, "--json"]);
    assert!(story.to_string().contains("\"cancelled\""), "{story}");
    assert_eq!(platform.settled_balance(&customer), 1_000_000 - price);
}

/// The operator sees campaigns and acts on them while the server runs.
#[test]
fn the_operator_sees_campaigns_and_acts_on_them() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(3_200));
    let campaign = create(&platform, &customer, message, &ordinary().join("\n")).to_string();
    let show = || platform.cli(&["campaign", "show", &campaign, "--json"]);
    let verb = |verb: &str| platform.run(&["campaign", verb, &campaign]).status.success();
    eventually("it is called", || (show()["open"].as_i64()? > 0).then_some(()));
    assert!(verb("pause") && !verb("pause"));
    let paused = show();
    assert_eq!(paused["state"], "paused");
    eventually("calls that were up have ended", || (show()["open"] == 0).then_some(()));
    assert_eq!(show()["held_rials"], 0);
    let file = platform.data_dir().join("more.csv");
    std::fs::write(&file, "نام;شماره\nالف;09129999999\nب;0912 000 0000\nپ;۰۹۱۲\n").unwrap();
    let file = file.to_str().unwrap();
    let add = ["campaign", "add-numbers", &campaign, "--file", file, "--json"];
    let foretold = platform.cli(&[&add[..], &["--dry-run"]].concat());
    let added = platform.cli(&add);
    assert_eq!(foretold, added);
    assert_eq!((&added["added"], &added["duplicates"]), (&1.into(), &1.into()), "{added}");
    assert_eq!(added["invalid_rows"], json!([{ "row": 4, "excerpt": "۰۹۱۲" }]));
    assert!(!platform.run(&[&add[..], &["--column", "کد"]].concat()).status.success());
    assert!(verb("resume"));
    eventually("it is called again", || (show()["open"].as_i64()? > 0).then_some(()));
    assert!(verb("stop") && verb("cancel") && !verb("resume"));
    let cancelled = eventually("it is wound up", || {
        let shown = show();
        (shown["open"] == 0 && shown["retrying"] == 0).then_some(shown)
    });
    let results = cancelled["results"].as_object().unwrap();
    let counted: i64 = results.values().map(|count| count.as_i64().unwrap()).sum();
    assert_eq!(counted, ORDINARY + 1, "{cancelled}");
    let listed = platform.cli(&["campaign", "list", "--json"]);
    assert_eq!(listed["campaigns"][0]["state"], "cancelled");
    let (start, end) = ("2026-01-01", "2099-01-01");
    let again =
        platform.cli(&["campaign", "redial", &campaign, "--start", start, "--end", end, "--json"]);
    assert_eq!(again["recipients"], results["32"], "{again}");
    let spoken = platform.run(&["campaign", "show", &campaign]).stdout;
    assert!(String::from_utf8_lossy(&spoken).contains("state       cancelled"));
    assert!(platform.run(&["campaign", "list"]).status.success());
    platform.cli(&["account", "audit", "--json"]);
}

#[test]
fn who_has_opted_out_is_not_counted_as_called_on_sqlite() {
    count(String::new());
}

#[test]
fn who_has_opted_out_is_not_counted_as_called_on_postgres() {
    if let Some(database) = Database::fresh("counted") {
        count(database.url);
    }
}

/// Goal: a call is counted when it begins and not up to a second later, and who has opted out is
/// never counted as called.
fn count(database: String) {
    let platform = Platform::start(Options { config: config(""), database, ..Options::default() });
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(3_200));
    let numbers = ["09121234567", "09121234568", "09121234569"];
    let finished = |campaign| {
        eventually("the campaign ends", || {
            let shown = shown(&platform, &customer, campaign);
            (shown["StatusId"] == 12).then_some(shown)
        })
    };
    let dialled = || platform.figure("avanak_calls_dialled_total");
    finished(create(&platform, &customer, message, &numbers.join(",")));
    assert!((dialled() - 3.0).abs() < 0.5, "{}", dialled());
    let account = customer.account.to_string();
    let add = [&["opt-out", "add", "--account", &account][..], &numbers].concat();
    assert!(platform.run(&add).status.success());
    let barred = finished(create(&platform, &customer, message, &numbers.join(",")));
    assert_eq!(ended(&barred), 3, "{barred}");
    assert_eq!(barred["TotalPrice"], 0, "{barred}");
    pause(Duration::from_secs(2));
    assert!((dialled() - 3.0).abs() < 0.5, "{}", dialled());
    assert!((platform.figure("avanak_sends_barred_total") - 3.0).abs() < 0.5);
}

//! A holiday that the operator enters while a campaign calls, through the whole program.

use std::time::Duration;

use domain::calendar::day::{Day, Weekday};
use serde_json::Value;

use crate::far_end::FarEnd;
use crate::platform::{
    Options, Platform, config, eventually, eventually_within, pause, rising_tone, v1_request,
};

/// Goal: the operator enters a holiday, and a campaign whose class rests on holidays stops dialling
/// within seconds and says why; when that is withdrawn, it goes on. The judge finds it all lawful.
#[test]
fn a_holiday_that_is_entered_stops_a_campaign() {
    let far_end = FarEnd::start(20);
    // Two calls a second: the list lasts longer than the test.
    let trunk = format!(
        "[[trunk]]\nname = 'far'\naddress = '{}'\nmax_channels = 20\nmax_cps = 2\n",
        far_end.address
    );
    let platform = Platform::start(Options { config: config(&trunk), ..Options::default() });
    let customer = platform.customer(10_000_000);
    let account = customer.account.to_string();
    // The customers of tests may call at any hour.
    let revoke = ["account", "hours", "--account", &account, "--revoke"];
    assert!(platform.run(&revoke).status.success());
    let class = ["class", "set", "service", "--json"];
    let hours = ["--hours", "00:00-24:00", "--off-hours", "none"];
    let changed = platform.cli(&[&class[..], &hours].concat());
    let today = Day::parse(&changed["from"].as_str().unwrap()[..10]).unwrap();
    let message = platform.upload(&customer, &rising_tone(3_200));
    let numbers: Vec<String> = (0..400).map(|n| format!("0912{n:07}")).collect();
    let form = [
        ("Title", "c"),
        ("Numbers", &*numbers.join(",")),
        ("MessageID", &message.to_string()),
        ("StartDateTime", "2026-01-01"),
        ("EndDateTime", "2099-01-01"),
    ];
    // A day that is off anyway is made an ordinary one first, but for a Friday, on which the
    // program can only be seen to rest.
    let days = [today, today.next()].map(|day| day.to_string());
    for day in [today, today.next()] {
        for name in names(&platform, day) {
            let withdraw = ["holiday", "withdraw", &day.to_string(), &name];
            assert!(platform.run(&withdraw).status.success());
        }
    }
    let campaign = platform.call(&customer, "CreateCampaign", &form).as_i64().unwrap();
    let started = || far_end.seen().values().map(|seen| seen.started).sum::<u32>();
    let friday = today.weekday() == Weekday::Friday;
    if !friday {
        eventually("it calls", || (started() > 2).then_some(()));
        for day in &days {
            let add = platform.run(&["holiday", "add", day, "تعطیلی آلودگی هوا", "--decree"]);
            assert!(add.status.success(), "{add:?}");
        }
    }
    let path = format!("/v1/campaigns/{campaign}/numbers?limit=100");
    let ask = |path: &str| {
        v1_request(platform.http(), &customer.token, "GET", path, &Value::Null).unwrap().json()
    };
    let last = |page: &Value| page["data"].as_array().unwrap().last().unwrap()["id"].clone();
    let id = last(&ask(&path));
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let closed = eventually("it is told why", || {
        let told = ask(&format!("/v1/campaign_numbers/{id}/explain"));
        let gates = told["gates"].as_array().unwrap().clone();
        gates.into_iter().find(|gate| gate["gate"] == "class_hours" && gate["open"] == false)
    });
    assert!(closed["why_fa"].as_str().unwrap().contains("ساعت"), "{closed}");
    pause(Duration::from_secs(3));
    let at_rest = started();
    pause(Duration::from_secs(5));
    assert_eq!(started(), at_rest, "two calls a second would be ten by now");
    if !friday {
        for day in &days {
            let name = "تعطیلی آلودگی هوا";
            assert!(platform.run(&["holiday", "withdraw", day, name]).status.success());
        }
        // What waits is asked again after a minute at the latest.
        let goes_on = || (started() > at_rest + 2).then_some(());
        eventually_within(Duration::from_mins(2), "it goes on", goes_on);
    }
    let judged = platform.cli(&["judge", "--json"]);
    assert_eq!(judged["clean"], true, "{judged}");
}

/// The holidays of a day that are in force.
fn names(platform: &Platform, day: Day) -> Vec<String> {
    let year = day.to_jalali().0.to_string();
    let listed = platform.cli(&["holiday", "list", &year, "--json"]);
    let of_day = |one: &&Value| one["day"] == day.to_string() && one["status"] != "withdrawn";
    let listed = listed["holidays"].as_array().unwrap().clone();
    listed.iter().filter(of_day).map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

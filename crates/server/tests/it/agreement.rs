//! The agreement on the command line, beside a running server.

use std::io::Write as _;
use std::process::{Command, Stdio};

use domain::calendar::day::Day;
use domain::calendar::month::PersianMonth;
use serde_json::Value;

use crate::commands::{done, platform, refused};
use crate::platform::{Platform, eventually, peer_file, rising_tone, v1_request};
use crate::python_client::interpreter;

/// Goal: the agreement is read in both languages, and a version that its text belies is refused
/// with the reason.
#[test]
fn the_agreement_is_shown_published_and_compared() {
    let platform = platform();
    let persian = done(&platform, &["agreement", "show"]);
    assert!(persian.contains("availability.threshold_ppm = 995800 (seed)"), "{persian}");
    assert!(persian.contains("توافق نامه سطح خدمات سامانه آوانک"), "{persian}");
    let english = done(&platform, &["agreement", "show", "--language", "en"]);
    assert!(english.contains("more than 99.58%"), "{english}");
    let publish = |from: &'static str, set: &'static str| {
        ["agreement", "publish", "--from", from, "--set", set]
    };
    for (from, set, why) in [
        ("1480-01", "report.fix_days=2", "text in Persian does not say report.fix_days"),
        ("1480-01", "report.fix_days=0", "cannot be that"),
        ("1480-01", "report.colour=red", "no parameter is called report.colour"),
        ("1480/01/02", "availability.month_basis=fixed30", "the next one is 1480-02"),
        ("1400-01", "availability.month_basis=fixed30", "from now on or later"),
    ] {
        let said = refused(&platform, &publish(from, set));
        assert!(said.contains(why), "{said}");
    }
    let made = done(&platform, &publish("1480-01", "availability.month_basis=fixed30"));
    assert!(made.contains("version 2"), "{made}");
    let changed = done(&platform, &["agreement", "diff", "1", "2"]);
    let expected = "- availability.month_basis = actual (default)\n\
                    + availability.month_basis = fixed30 (operator)\n";
    assert_eq!(changed, expected);
    done(&platform, &["agreement", "withdraw", "2"]);
    let listed = platform.cli(&["agreement", "list", "--json"])["versions"].clone();
    assert_eq!((&listed[0]["intact"], &listed[1]["intact"]), (&true.into(), &true.into()));
    assert!(listed[1]["withdrawn_at"].is_string(), "{listed}");
}

/// Goal: the operator changes when the desk is open, and everybody reads that; what cannot be is
/// refused with the reason, and what was mistaken is taken back.
#[test]
fn hours_of_the_desk_are_written_down() {
    let platform = platform();
    let shown = platform.cli(&["availability", "--json"])["month"].clone();
    let month = PersianMonth::parse(shown.as_str().unwrap()).unwrap();
    let first = |months: u16| Day::of(month.plus(months).start()).to_string();
    let set = |kind: &str, from: &str, ordinary: &str| {
        let hours = ["hours", "set", kind, "--from", from, "--ordinary", ordinary];
        let rest = ["--off", "08:00-24:00", "--rest", "thursday,friday", "--actor", "Sara"];
        hours.into_iter().chain(rest).map(str::to_owned).collect::<Vec<String>>()
    };
    let words =
        |words: &[String]| refused(&platform, &words.iter().map(|w| &**w).collect::<Vec<_>>());
    for (kind, from, ordinary, why) in [
        ("sending", &*first(1), "08:00-24:00", "support or business"),
        ("support", "1400/01/01", "08:00-24:00", "a day from now"),
        ("support", "1480/01/01", "08:00-24:00", "more than a year ahead"),
        ("support", &first(1), "8-16", "hours are like"),
        ("support", &first(1), "08:00-16:00", "promises more than that (hours.support)"),
    ] {
        let said = words(&set(kind, from, ordinary));
        assert!(said.contains(why), "{said}");
    }
    let write = |from: &str| {
        let words = set("support", from, "08:00-24:00");
        done(&platform, &words.iter().map(|word| &**word).collect::<Vec<_>>())
    };
    let (soon, later) = (first(1), first(2));
    let made = write(&later);
    let line = format!("support 2  from {later}  ordinary 08:00-24:00");
    assert!(made.contains(&line), "{made}");
    let earlier = words(&set("support", &soon, "08:00-24:00"));
    assert!(earlier.contains(&format!("begins on {later}, or later")), "{earlier}");
    done(&platform, &["hours", "withdraw", "support", "2", "--actor", "Sara"]);
    let again = refused(&platform, &["hours", "withdraw", "support", "2", "--actor", "Sara"]);
    assert!(again.contains("no such version"), "{again}");
    assert!(write(&soon).contains("support 3"));
    let text = done(&platform, &["hours", "list"]);
    assert!(text.lines().any(|line| line.contains("support 2") && line.ends_with("taken back")));
    let listed = platform.cli(&["hours", "list", "--json"])["hours"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert_eq!((&listed[2]["withdrawn_by"], &listed[3]["actor"]), (&"Sara".into(), &"Sara".into()));
    let told = v1_request(platform.http(), "", "GET", "/v1/calendar", &Value::Null);
    let told = told.unwrap().json();
    assert_eq!(told["calendars"][1]["versions"][2]["rest_days"], "thursday,friday");
    assert!(told["calendars"][1]["versions"][1]["withdrawn_at"].is_string(), "{told}");
}

/// Goal: maintenance that would count as downtime is not saved before its editor says so, and what
/// was told in time is planned.
#[test]
fn maintenance_is_announced_and_told() {
    let platform = platform();
    let announce = |from: &'static str, to: &'static str| {
        let plan = ["maintenance", "announce", "--title", "disks", "--from", from, "--to", to];
        [&plan[..], &["--author", "Reza", "--scope", "cohort:1", "--paths", "api"]].concat()
    };
    let far = announce("1480/01/10 02:00", "1480/01/10 04:00");
    assert!(refused(&platform, &far).contains("no social network"));
    done(&platform, &["maintenance", "add-network", "bale"]);
    assert!(refused(&platform, &announce("1400/01/01", "1400/01/02")).contains("in the past"));
    assert!(refused(&platform, &announce("1480/01/10", "1480/01/10")).contains("ends after"));
    let saved = done(&platform, &far);
    assert!(saved.contains("maintenance 1") && saved.contains("planned"), "{saved}");
    let told = ["maintenance", "told", "1", "--reference", "7", "--text", "قطعی"];
    done(&platform, &told);
    let elsewhere = refused(&platform, &[&told[..], &["--network", "telegram"]].concat());
    assert!(elsewhere.contains("no network of that name"), "{elsewhere}");
    let state = || {
        let listed = platform.cli(&["maintenance", "list", "--month", "1480-01", "--json"]);
        listed["maintenance"][0]["state"].clone()
    };
    assert_eq!(state(), "announced");
    done(&platform, &[&told[..], &["--network", "bale"]].concat());
    assert_eq!(state(), "noticed");
    // A change keeps what is not given: for the same group, and shorter, it keeps its notice.
    let shorter = ["maintenance", "change", "1", "--from", "1480/01/10 03:00", "--author", "Reza"];
    done(&platform, &shorter);
    let listed = platform.cli(&["maintenance", "list", "--month", "1480-01", "--json"]);
    let kept = &listed["maintenance"][0];
    assert_eq!((&kept["scope"], &kept["paths"]), (&"cohort:1".into(), &"api".into()));
    assert_eq!(state(), "noticed");
    done(&platform, &["maintenance", "cancel", "1", "--author", "Reza"]);
    assert!(refused(&platform, &shorter).contains("it was cancelled"));
    assert_eq!(state(), "cancelled");
}

/// Goal: a month is told with its figures and stretches, frozen once, and revised beside it.
#[test]
fn a_month_is_shown_frozen_and_revised() {
    let platform = platform();
    let month = ["--month", "1404-07"];
    let shown = |more: &[&str]| {
        let show = [&["availability", "--json"][..], &month, more].concat();
        platform.cli(&show)
    };
    let silent = shown(&[]);
    assert_eq!(silent["computed_now"]["verdict"], "undetermined", "{silent}");
    let doctor = done(&platform, &["doctor"]);
    assert!(doctor.contains("100 % is unknown, which counts as down in the end"), "{doctor}");
    let worked = ["outage", "worked", "--source", "m", "--from", "1404/07/01", "--to"];
    done(&platform, &[&worked[..], &["1404/08/01"]].concat());
    let record = |from: &'static str, to: &'static str| {
        let span = ["outage", "record", "--from", from, "--to", to];
        [&span[..], &["--cause", "power", "--evidence", "log 7", "--author", "R"]].concat()
    };
    let outage = record("1404/07/05 10:00", "1404/07/05 11:00");
    assert_eq!(done(&platform, &outage), "outage 1\n");
    let seen = shown(&[]);
    let now = &seen["computed_now"];
    assert_eq!((&now["low_percent"], &now["verdict"]), (&"99.861".into(), &"met".into()));
    assert_eq!(seen["stretches"][0]["class"], "down", "{seen}");
    let frozen = done(&platform, &[&["availability", "freeze"][..], &month].concat());
    assert_eq!(frozen, "1 statements written, 0 were there\n");
    let again = done(&platform, &[&["availability", "freeze"][..], &month].concat());
    assert_eq!(again, "0 statements written, 1 were there\n");
    let waits = done(&platform, &["availability", "unsigned"]);
    // The server itself has frozen the last month.
    assert!(waits.lines().any(|line| line == "1404-07  1 wait"), "{waits}");
    let sign = [&["availability", "sign", "--by", "Sara"][..], &month].concat();
    let nobody = refused(&platform, &sign);
    assert!(nobody.contains("only the manager signs"), "{nobody}");
    let appoint = |name, role| {
        done(&platform, &["staff", "appoint", name, "--role", role, "--by", "the board"])
    };
    assert_eq!(appoint("Reza", "manager"), "Reza is manager now\n");
    appoint("Sara", "expert");
    let deputy = ["staff", "deputy", "Sara", "--of", "Reza", "--from", "1404/01/01"];
    let past = refused(&platform, &[&deputy[..], &["--to", "1404/01/02"]].concat());
    assert!(past.contains("begins from now on"), "{past}");
    let sign = [&["availability", "sign", "--by", "Reza"][..], &month].concat();
    assert_eq!(done(&platform, &sign), "1 statements of 1404-07 are signed\n");
    let again = refused(&platform, &sign);
    assert!(again.contains("or signed already"), "{again}");
    let text = done(&platform, &[&["availability"][..], &month].concat());
    assert!(text.contains("signed by Reza"), "{text}");
    appoint("Ali", "expert");
    let left = done(&platform, &["staff", "leave", "Sara", "--to", "Ali", "--by", "Reza"]);
    let handed = "Ali has 0 tickets, 0 error reports, 0 callbacks and 0 remote sessions more";
    assert!(left.contains(handed), "{left}");
    let listed = platform.cli(&["staff", "list", "--json"]);
    assert_eq!(listed["posts"][1]["ended_by"], "Reza", "{listed}");
    let trace = ["outage", "trace", "1", "--because", "log 7", "--author", "Reza", "--to"];
    let other = refused(&platform, &[&trace[..], &["weather"]].concat());
    assert!(other.contains("force-majeure, customer-equipment"), "{other}");
    done(&platform, &[&trace[..], &["power"]].concat());
    let listed = done(&platform, &[&["outage", "list"][..], &month].concat());
    assert!(listed.contains("power  [power]"), "{listed}");
    done(&platform, &["outage", "reverse", "1", "--because", "a drill", "--author", "Reza"]);
    let revise = ["availability", "revise", "--reason", "a drill", "--signer", "Maryam"];
    let revised = done(&platform, &[&revise[..], &month].concat());
    assert_eq!(revised, "revision 1: met\n");
    let end = shown(&[]);
    assert_eq!(end["state"], "revised 1 times");
    let statements = end["statements"].as_array().unwrap();
    let low = |n: usize| statements[n]["low_percent"].as_str().unwrap();
    assert_eq!((low(0), low(1)), ("99.861", "100.000"));
    assert!(statements.iter().all(|one| one["intact"] == true), "{end}");
    let text = done(&platform, &[&["availability"][..], &month].concat());
    assert!(text.contains("revision 0: 99.861 to 99.861 %"), "{text}");
    let future = refused(&platform, &["availability", "--month", "1480-01"]);
    assert!(future.contains("has not begun"), "{future}");
    let early = refused(&platform, &["availability", "freeze", "--month", "1480-01"]);
    assert!(early.contains("can be frozen from"), "{early}");
    let stranger = refused(&platform, &["availability", "--account", "77", "--month", "1404-07"]);
    assert!(stranger.contains("no such account"), "{stranger}");
}

/// Goal: the promises of speed are judged by calls that were really made, with and without a
/// period that was declared afterwards.
#[test]
fn the_promises_of_speed_are_judged_by_real_calls() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000)).to_string();
    let parameters = [("MessageID", &*message), ("Number", "09121234567")];
    let sent = platform.call(&customer, "QuickSend", &parameters);
    let id = sent["QuickSendID"].as_i64().unwrap();
    eventually("the call has ended", || {
        (platform.state(&customer, id)["reason"].as_i64()? >= 10).then_some(())
    });
    let judged = || platform.cli(&["availability", "promises", "--json"]);
    let first = judged();
    let delivery = &first["delivery"];
    assert_eq!((&delivery["samples"], &delivery["met"]), (&1.into(), &true.into()), "{first}");
    let (mean, raw) = (&delivery["mean_ms"], &delivery["raw_mean_ms"]);
    assert!(mean.as_i64().unwrap() < 5_000 && mean.as_i64() <= raw.as_i64(), "{first}");
    assert_eq!(first["capacity"]["qualifying"], 0, "{first}");
    let month = PersianMonth::parse(first["month"].as_str().unwrap()).unwrap();
    let day = |month: PersianMonth| Day::of(month.start()).to_string();
    let (from, to) = (day(month), day(month.next()));
    let begun = ["availability", "declare", "--from", &from, "--author", "Maryam"];
    let declare = |end: [&str; 4]| refused(&platform, &[&begun[..], &end].concat());
    let nobody = declare(["--to", &to, "--reason", ""]);
    assert!(nobody.contains("a reason and a name"), "{nobody}");
    let decades = declare(["--to", "1480/01/01", "--reason", "a war"]);
    assert!(decades.contains("at most 31 days"), "{decades}");
    let ended = ["--to", &to, "--reason", "a war"];
    let made = done(&platform, &[&begun[..], &ended].concat());
    assert!(made.contains("period 1 is declared"), "{made}");
    let second = judged();
    assert_eq!(second["delivery"]["excluded"]["declared abnormal"], 1, "{second}");
    assert_eq!(second["delivery"]["met"], serde_json::Value::Null);
    assert_eq!(second["delivery"]["with_declared"]["samples"], 1);
    assert_eq!(second["declared"][0]["author"], "Maryam");
    let text = done(&platform, &["availability", "promises"]);
    assert!(text.contains("nothing to judge") && text.contains("NOT REPRESENTATIVE"), "{text}");
    let withdraw = ["availability", "withdraw", "1", "--reason", "it was peace", "--by", "Sara"];
    done(&platform, &withdraw);
    let third = judged();
    assert_eq!(
        (&third["delivery"]["samples"], &third["delivery"]["met"]),
        (&1.into(), &true.into())
    );
    let declared = &third["declared"][0];
    assert_eq!(
        (&declared["author"], &declared["withdrawn"]["by"]),
        (&"Maryam".into(), &"Sara".into())
    );
    let again = refused(&platform, &withdraw);
    assert!(again.contains("no such period that stands"), "{again}");
}

/// Goal: a test of the load calls the sink through the whole program, and is told beside the
/// demand, of which there was none (A17, T195).
#[test]
fn the_load_is_tested_against_the_sandbox() {
    let platform = Platform::with_sandbox();
    let begun = done(&platform, &["availability", "test"]);
    assert!(begun.starts_with("test 1 of "), "{begun}");
    let under_way = refused(&platform, &["availability", "test"]);
    assert!(under_way.contains("under way"), "{under_way}");
    let judged = eventually("the test has ended", || {
        let judged = platform.cli(&["availability", "promises", "--json"]);
        judged["capacity"]["tests"][0]["starts"].is_number().then_some(judged)
    });
    let capacity = &judged["capacity"];
    assert_eq!((&capacity["met"], &capacity["met_by_demand"]), (&true.into(), &Value::Null));
    let test = &capacity["tests"][0];
    assert_eq!(test["waiting"], 2000, "{test}");
    assert!(test["starts"].as_u64().unwrap() >= 1000, "{test}");
    let campaign = test["campaign"].to_string();
    let shown = platform.cli(&["campaign", "show", &campaign, "--json"]);
    assert_eq!(shown["recipients"], 2000, "{shown}");
    let audit = platform.cli(&["account", "audit", "--json"]);
    assert_eq!(audit["violations"], serde_json::json!([]), "{audit}");
}

/// Goal: the export is what OpenSLO's specification says, as a program of its own reads it.
#[test]
fn the_objective_is_openslo() {
    let told = done(&platform(), &["agreement", "openslo"]);
    let mut check = Command::new(interpreter())
        .arg(peer_file("openslo.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python with the peers is installed (cargo x test installs it)");
    check.stdin.take().unwrap().write_all(told.as_bytes()).unwrap();
    let checked = check.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{complaint}{told}");
    assert_eq!(String::from_utf8_lossy(&checked.stdout).trim(), "9");
}

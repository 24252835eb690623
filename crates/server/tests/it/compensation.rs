//! Schedules of compensation and the ledger of violations on the command line, beside a running
//! server.

use crate::commands::{done, platform, refused};

const SCHEDULE: &str = "# a tenth below the promise, a quarter below 99 %\n\
    shape = percent-by-availability\nborder = lower\ncap_bp = 10000\nleast_rials = 0\n\
    review_hours = 24\nrow = 0 990000 2500\nrow = 990000 995800 1000\nrow = 995800 1000000 0\n";

/// Goal: a draft with a hole is refused with its place, one person does not do both, and what is
/// published says what it would pay back.
#[test]
fn a_schedule_is_drafted_and_published_by_two() {
    let platform = platform();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedule.txt");
    let path = file.to_str().unwrap();
    let none = done(&platform, &["compensation", "list"]);
    assert!(none.contains("no schedule is in force"), "{none}");
    let draft = ["compensation", "draft", path, "--author", "Maryam"];
    for (wrong, why) in [
        (SCHEDULE.replace("row = 990000", "row = 991000"), "from 990000 on no row"),
        (SCHEDULE.replace("0 2500", "0 500"), "row 2 more downtime pays back less"),
        (SCHEDULE.replace("cap_bp = 10000", "cap_bp = 10001"), "cap_bp is from 1"),
        (SCHEDULE.replace("border = lower\n", ""), "does not say border"),
        (SCHEDULE.replace("border", "colour"), "line 3 is not understood"),
    ] {
        std::fs::write(&file, wrong).unwrap();
        let said = refused(&platform, &draft);
        assert!(said.contains(why), "{said}");
    }
    std::fs::write(&file, SCHEDULE).unwrap();
    done(&platform, &draft);
    let publish = |approver: &'static str| {
        ["compensation", "publish", "1", "--approver", approver, "--from", "1480-01"]
    };
    assert!(refused(&platform, &publish("maryam")).contains("may not approve it"));
    done(&platform, &publish("Reza"));
    assert!(refused(&platform, &publish("Reza")).contains("or it is published"));
    let listed = platform.cli(&["compensation", "list", "--json"]);
    let schedule = &listed["schedules"][0];
    assert_eq!((&schedule["state"], &schedule["approver"]), (&"published".into(), &"Reza".into()));
    let shown = done(&platform, &["compensation", "show", "1"]);
    assert!(shown.contains("row = 990000 995800 1000"), "{shown}");
    // Four of 720 hours are 99.444 %: a tenth, rounded up.
    let reckon = ["compensation", "try", "1", "--month", "1405-08", "--price", "1234567"];
    let reckoned = done(&platform, &[&reckon[..], &["--down-seconds", "14400"]].concat());
    assert_eq!(reckoned, "99.444 % available: 123457 rials\n");
}

/// Goal: an entry is made with evidence and a name, disputed, and decided by somebody else; nothing
/// of it is lost.
#[test]
fn violations_are_entered_and_decided() {
    let platform = platform();
    let record = |clause: &'static str, more: &[&'static str]| {
        let what = ["violation", "record", "--clause", clause, "--reference", "callback:7"];
        let when = ["--from", "1405/01/01 10:00", "--to", "1405/01/01 11:00", "--by", "Reza"];
        [&what[..], &when, more].concat()
    };
    let clauses = done(&platform, &["violation", "clauses"]);
    assert!(clauses.contains("identity  C18  customer"), "{clauses}");
    let evidence = ["--evidence", "the queue's log"];
    assert!(refused(&platform, &record("weather", &evidence)).contains("violation clauses"));
    assert!(refused(&platform, &record("payment", &evidence)).contains("whose?"));
    assert!(refused(&platform, &record("callback", &["--evidence", ""])).contains("evidence is"));
    assert_eq!(done(&platform, &record("callback", &evidence)), "violation 1\n");
    assert_eq!(done(&platform, &record("callback", &evidence)), "violation 1\n");
    let step = |verb: &'static str, by: &'static str| {
        let reasoned = ["dispute", "uphold", "reverse"].contains(&verb);
        let because: &[&str] = if reasoned { &["--because", "see the log"] } else { &[] };
        [&["violation", verb, "1", "--by", by][..], because].concat()
    };
    assert!(refused(&platform, &step("uphold", "Maryam")).contains("does not follow"));
    done(&platform, &step("dispute", "Sara"));
    assert!(refused(&platform, &step("uphold", "Reza")).contains("who entered it"));
    done(&platform, &step("uphold", "Maryam"));
    done(&platform, &step("reverse", "Maryam"));
    let listed = platform.cli(&["violation", "list", "--json"]);
    let history = listed["violations"][0]["history"].as_array().unwrap();
    let statuses: Vec<&str> = history.iter().map(|step| step["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["recorded", "notified", "disputed", "upheld", "reversed"]);
    let shown = done(&platform, &["violation", "show", "1"]);
    assert!(shown.contains("evidence: the queue's log") && shown.contains("reversed by Maryam"));
    assert_eq!(done(&platform, &["violation", "look"]), "0 entered\n");
}

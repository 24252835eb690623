//! The desk, between a customer at `/v1` and staff at the command line.

use serde_json::{Value, json};

use crate::commands::{done, platform, refused};
use crate::platform::{Customer, Platform, v1_request};

fn v1(platform: &Platform, customer: &Customer, verb: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, verb, path, body).unwrap().json()
}

/// Goal: a ticket is opened by its customer, answered and closed by staff, and both read the same.
#[test]
fn a_ticket_is_opened_by_a_customer_and_answered_by_staff() {
    let mut platform = platform();
    let customer = platform.customer(0);
    let body = json!({ "subject": "reports", "text": "They are empty." });
    let ticket = v1(&platform, &customer, "POST", "/v1/tickets", &body);
    assert_eq!((&ticket["id"], &ticket["state"]), (&json!("1"), &json!("new")));
    let by = ["--by", "Sara"];
    let staff = |words: &[&str]| done(&platform, &[&["ticket"], words, &by].concat());
    assert_eq!(staff(&["assign", "1", "--to", "Sara"]), "ticket 1 is open\n");
    staff(&["note", "1", "--text", "the cache"]);
    let log = platform.data_dir().join("log.txt");
    std::fs::write(&log, "line").unwrap();
    let attached = staff(&["attach", "1", "--file", log.to_str().unwrap()]);
    assert_eq!(attached, "file 1\n");
    assert_eq!(staff(&["ask", "1", "--text", "Which month?"]), "ticket 1 is waiting\n");
    let reply = json!({ "text": "Mehr." });
    let replied = v1(&platform, &customer, "POST", "/v1/tickets/1/replies", &reply);
    assert_eq!(replied["state"], "open", "{replied}");
    platform.kill();
    platform.restart();
    let staff = |words: &[&str]| done(&platform, &[&["ticket"], words, &by].concat());
    assert_eq!(staff(&["answer", "1", "--text", "Mended."]), "ticket 1 is answered\n");
    assert_eq!(staff(&["close", "1", "--text", "Answered."]), "ticket 1 is closed\n");
    let shown = v1(&platform, &customer, "GET", "/v1/tickets/1", &Value::Null);
    assert_eq!((&shown["state"], &shown["attachments"][0]["bytes"]), (&json!("closed"), &json!(4)));
    assert!(!shown.to_string().contains("cache"), "{shown}");
    let copy = platform.data_dir().join("copy.txt");
    let out = copy.to_str().unwrap();
    done(&platform, &["ticket", "file", "1", "--out", out]);
    assert_eq!(std::fs::read(&copy).unwrap(), b"line");
    let told = platform.cli(&["ticket", "show", "1"]);
    assert_eq!(
        (&told["holder"], &told["history"][2]["text"]),
        (&json!("Sara"), &json!("the cache"))
    );
    let wrong = ["ticket", "answer", "1", "--text", "x", "--by", "Sara"];
    assert!(refused(&platform, &wrong).contains("does not follow"));
    let account = customer.account.to_string();
    let open =
        ["ticket", "open", "--account", &account, "--subject", "s", "--text", "t", "--phone"];
    assert_eq!(done(&platform, &[&open[..], &by].concat()), "ticket 2\n");
    let into_closed = ["ticket", "merge", "2", "--into", "1", "--by", "Sara"];
    assert!(refused(&platform, &into_closed).contains("does not follow"));
}

/// Goal: a caller who waits is offered to be called back, registers, and is called back in turn.
#[test]
fn a_caller_is_called_back() {
    let platform = platform();
    let customer = platform.customer(0);
    let account = customer.account.to_string();
    let call = |words: &[&str]| platform.run(&[&["support-call"], words].concat());
    let joined = call(&["joined", "--account", &account, "--caller", "09121234567"]);
    let text = String::from_utf8(joined.stdout).unwrap();
    if !joined.status.success() {
        // Nobody can call while the line is closed.
        let why = String::from_utf8(joined.stderr).unwrap();
        assert!(why.contains("the line is closed at this hour"), "{why}");
        return;
    }
    assert_eq!(text, "support call 1\n");
    let done = |words: &[&str]| done(&platform, &[&["support-call"], words].concat());
    assert!(done(&["offered", "1"]).contains("waiting"));
    let registered = done(&["register", "1"]);
    assert!(registered.contains("registered  09121234567  call back by"), "{registered}");
    assert!(done(&["next", "--by", "Sara"]).contains("dialing"));
    assert!(done(&["talking", "1", "--by", "Sara"]).contains("dialing"));
    let nobody = refused(&platform, &["support-call", "next", "--by", "Reza"]);
    assert!(nobody.contains("nobody is to be called back"), "{nobody}");
    let end = done(&["attempted", "1", "--result", "connected", "--by", "Sara"]);
    assert_eq!(end, "support call 1 is connected  09121234567\n");
    let shown = platform.cli(&["support-call", "show", "1"]);
    assert_eq!((&shown["ticket"], &shown["history"][3]["step"]), (&json!(1), &json!("dialing")));
}

/// Goal: an error is reported at `/v1`, found, announced and delivered at the command line, taken
/// by its customer; and the board shows what runs.
#[test]
fn an_error_is_reported_and_its_clocks_are_on_the_board() {
    let platform = platform();
    let customer = platform.customer(0);
    let body = json!({ "title": "reports", "description": "They are empty." });
    let report = v1(&platform, &customer, "POST", "/v1/error_reports", &body);
    assert_eq!((&report["id"], &report["state"]), (&json!("1"), &json!("triaging")), "{report}");
    let staff =
        |words: &[&str]| done(&platform, &[&["error-report"], words, &["--by", "Sara"]].concat());
    staff(&["assign", "1", "--to", "Sara"]);
    let board = || platform.cli(&["board", "--holder", "Sara", "--json"])["clocks"].clone();
    assert_eq!((&board()[0]["clock"], &board()[0]["id"]), (&json!("triage"), &json!(1)));
    let pause = ["error-report", "pause", "1", "--by", "Sara"];
    assert!(refused(&platform, &pause).contains("nothing proves it"));
    let tried = ["contact", "1", "--channel", "phone", "--to", "0912", "--result", "busy"];
    assert!(staff(&tried).contains("1 tries"));
    let found = staff(&["found", "1", "--is", "structural", "--text", "It needs a new page."]);
    assert_eq!(found, "error report 1 is structural\n");
    let dated =
        |what: &'static str, due: &'static str| [what, "1", "--due", due, "--text", "By then."];
    assert_eq!(staff(&dated("commit", "1480/01/01 00:00")), "error report 1 is committed\n");
    staff(&dated("propose", "1480/02/01 00:00"));
    let agreed = v1(&platform, &customer, "POST", "/v1/error_reports/1/agree", &Value::Null);
    assert_eq!(agreed["dates"][1]["agreed"], true, "{agreed}");
    let text = done(&platform, &["board"]);
    assert!(text.contains("running  delivery 1  1480/01/31 24:00"), "{text}");
    staff(&["deliver", "1", "--text", "run 7"]);
    let accept = ["error-report", "accept", "1", "--by", "Sara"];
    assert!(refused(&platform, &accept).contains("its customer's to say"));
    let taken = v1(&platform, &customer, "POST", "/v1/error_reports/1/accept", &Value::Null);
    assert_eq!(taken["state"], "accepted", "{taken}");
    assert_eq!(board(), json!([]));
    let shown = platform.cli(&["error-report", "show", "1"]);
    assert_eq!((&shown["contacts"][0]["to"], &shown["fault"]), (&json!("0912"), &json!("ours")));

    let asked = ["remote-session", "ask", "1", "--purpose", "to see it", "--by", "Sara"];
    assert_eq!(done(&platform, &asked), "remote session 1\n");
    let body = json!({ "at": "1480/01/01 10:00", "tool": "AnyDesk" });
    v1(&platform, &customer, "POST", "/v1/remote_sessions/1/agree", &body);
    let start = ["remote-session", "start", "1", "--by", "Sara"];
    assert!(refused(&platform, &start).contains("nothing starts without consent"));
    v1(&platform, &customer, "POST", "/v1/remote_sessions/1/consent", &Value::Null);
    assert!(refused(&platform, &start).contains("not of the time"));
    let session = platform.cli(&["remote-session", "show", "1"]);
    assert_eq!((&session["state"], &session["tool"]), (&json!("consented"), &json!("AnyDesk")));
}

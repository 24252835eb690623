//! Plans, subscriptions, invoices and credits on the command line, beside a running server.

use serde_json::Value;

use crate::commands::{done, platform, refused};

/// Goal: a plan is offered, subscribed to, invoiced once, voided, paid once and ended; each step
/// says why it is refused.
#[test]
fn a_subscription_is_invoiced_and_paid() {
    let platform = platform();
    let customer = platform.customer(0);
    let account = customer.account.to_string();
    let add = ["plan", "add", "basic", "--price", "1234567", "--tax-bp", "1000"];
    assert!(refused(&platform, &[&add[..], &["--months", "0"]].concat()).contains("1 to 24"));
    assert_eq!(done(&platform, &add), "plan 1\n");
    let start = ["subscription", "start", "--account", &account, "--by", "Sara", "--plan"];
    assert!(refused(&platform, &[&start[..], &["2"]].concat()).contains("no plan"));
    assert_eq!(done(&platform, &[&start[..], &["1"]].concat()), "subscription 1\n");
    done(&platform, &["plan", "retire", "1"]);
    let list = ["subscription", "list", "--account", &account, "--json"];
    let subscription = || platform.cli(&list)["subscriptions"][0].clone();
    let month = subscription()["first_month"].as_str().unwrap().to_owned();
    assert_eq!(subscription()["state"], "trial");

    let issue = ["invoice", "issue", "--subscription", "1", "--month", &month];
    assert_eq!(done(&platform, &issue), "invoice 1\n");
    assert!(refused(&platform, &issue).contains("has an invoice"));
    let show = |id: &str| -> Value { platform.cli(&["invoice", "show", id]) };
    let made = show("1");
    assert_eq!(
        (&made["total_rials"], &made["discounts"]),
        (&1_358_023.into(), &Value::Array(vec![]))
    );
    assert_eq!(subscription()["state"], "active");
    done(&platform, &["invoice", "void", "1", "--because", "a slip", "--by", "Sara"]);
    assert_eq!(done(&platform, &issue), "invoice 2\n");
    let pay = ["invoice", "pay", "2", "--by", "Sara", "--reference"];
    done(&platform, &[&pay[..], &["bank 7"]].concat());
    done(&platform, &[&pay[..], &["bank 7"]].concat());
    assert!(refused(&platform, &[&pay[..], &["bank 8"]].concat()).contains("it is paid"));
    assert_eq!((&show("1")["state"], &show("2")["state"]), (&"voided".into(), &"paid".into()));
    let listed = done(&platform, &["invoice", "list", "--account", &account]);
    assert!(listed.contains("1234567 - 0 + 123456 = 1358023 rials  paid"), "{listed}");

    let run = done(&platform, &["invoice", "run"]);
    assert!(run.starts_with("0 credits proposed, 0 owed, 0 invoices made"), "{run}");
    let credits = platform.cli(&["credit", "list", "--account", &account, "--json"]);
    assert_eq!(credits["credits"], Value::Array(vec![]));
    assert!(refused(&platform, &["credit", "show", "1"]).contains("no credit"));
    let waive = ["credit", "waive", "1", "--because", "x", "--by", "Reza"];
    assert!(refused(&platform, &waive).contains("no credit"));
    done(&platform, &["subscription", "end", "1", "--because", "left", "--by", "Sara"]);
    assert!(refused(&platform, &issue).contains("not in force"));
    assert_eq!(subscription()["state"], "ended");
    let audit = platform.cli(&["account", "audit", "--json"]);
    assert_eq!(audit["violations"], Value::Array(vec![]), "{audit}");
}

/// Goal: a late claim is taken with a reason, and goes its way only through a committee that may
/// decide it, in amount and method.
#[test]
fn a_claim_is_taken_and_decided() {
    let platform = platform();
    let account = platform.customer(0).account.to_string();
    let file = ["claim", "file-late", "--account", &account, "--by", "Sara", "--statement", "x"];
    let at = ["--because", "was in hospital", "--at"];
    assert!(
        refused(&platform, &[&file[..], &at, &["1480/01/01"]].concat()).contains("in the future")
    );
    let made = done(&platform, &[&file[..], &at, &["1405/01/20 10:00"]].concat());
    assert_eq!(made, "claim 1\n");
    let step = |verb: &'static str, more: &[&'static str]| {
        [&["claim", verb, "1", "--by", "Sara"][..], more].concat()
    };
    done(&platform, &step("complete", &["--handled-by", "t9"]));
    let assign = |first: &'static str| {
        step("assign", &["--technical", first, "--technical", "t2", "--oversight", "o1"])
    };
    assert!(refused(&platform, &assign("t9")).contains("t9 handled the case"));
    done(&platform, &assign("t1"));
    let votes = ["--agree", "t1", "--agree", "o1", "--dissent", "t2", "--reasons", "see the log"];
    let decide = |more: &[&'static str]| {
        step("decide", &[&["--outcome", "partly", "--amount", "5000"][..], &votes, more].concat())
    };
    assert!(refused(&platform, &decide(&[])).contains("an amount and a method"));
    done(&platform, &decide(&["--method", "by card"]));
    done(&platform, &step("announce", &[]));
    done(&platform, &step("settle", &["--how", "by card 1234"]));
    let shown = platform.cli(&["claim", "show", "1"]);
    assert_eq!(
        (&shown["state"], &shown["credits_of_month"]),
        (&"settled".into(), &Value::Array(vec![]))
    );
    assert_eq!(shown["decisions"][0]["votes"].as_array().unwrap().len(), 3);
    assert_eq!(shown["maintenance_of_month"], Value::Array(vec![]));
    let listed = done(&platform, &["claim", "list"]);
    assert!(listed.contains("1  settled  account 1  support"), "{listed}");
}

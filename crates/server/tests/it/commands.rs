//! The command line as an operator uses it: what each command prints, and what it changes for a
//! customer.

use std::process::Output;

use serde_json::Value;

use crate::platform::{
    Customer, Options, Platform, binary, config, data_dir, eventually, free_udp_port, rising_tone,
    run,
};
use crate::reach::ByHand;

/// What a command printed, on both streams, and whether it succeeded.
fn said(output: &Output) -> (bool, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// Runs a command that must succeed; what it printed.
pub fn done(platform: &Platform, arguments: &[&str]) -> String {
    let (success, text) = said(&platform.run(arguments));
    assert!(success, "{arguments:?}: {text}");
    text
}

/// Runs a command that must fail; what it printed.
pub fn refused(platform: &Platform, arguments: &[&str]) -> String {
    let (success, text) = said(&platform.run(arguments));
    assert!(!success, "{arguments:?}: {text}");
    text
}

/// The code that a customer's quick send of a message gets: its id, or a refusal.
fn send(platform: &Platform, customer: &Customer, message: i64) -> i64 {
    let message = message.to_string();
    let parameters = [("MessageID", &*message), ("Number", "09121234567")];
    platform.call(customer, "QuickSend", &parameters)["QuickSendID"].as_i64().unwrap()
}

pub fn platform() -> Platform {
    Platform::start(Options { config: config(""), ..Options::default() })
}

/// Goal: an account that is off or over is refused with its code, and works again afterwards.
#[test]
fn accounts_are_switched_off_and_on_and_their_subscription_moved() {
    let platform = platform();
    let customer = platform.customer(100_000);
    let id = customer.account.to_string();
    let message = platform.upload(&customer, &rising_tone(4_000));
    let list = || platform.cli(&["account", "list", "--json"])["accounts"].clone();
    for (command, state, code) in [
        (&["account", "disable"][..], "off", Some(-103)),
        (&["account", "enable"], "on", None),
        (&["account", "expire", "--days", "0"], "expired", Some(-104)),
        (&["account", "expire", "--never"], "on", None),
        (&["account", "expire", "--days", "1"], "on", None),
    ] {
        done(&platform, &[command, &["--account", &id]].concat());
        let listed = list();
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        assert_eq!((&listed[0]["account_id"], &listed[0]["state"]), (&1.into(), &state.into()));
        let got = send(&platform, &customer, message);
        assert!(code.map_or(got > 0, |code| got == code), "{command:?}: {got}");
    }
    let owe = ["account", "debt-limit", "--json", "--account", &id, "--rials", "5000"];
    assert_eq!(platform.cli(&owe)["debt_limit_rials"], 5_000);
    assert!(done(&platform, &["account", "show", "--account", &id]).contains("may owe   5000"));
    let refund = ["account", "refund", "--send", "99", "--reference", "r", "--because", "x"];
    let why = refused(&platform, &[&refund[..], &["--by", "Sara"]].concat());
    assert!(why.contains("there is no such send"), "{why}");
    for command in [&["disable"][..], &["enable"], &["expire", "--never"]] {
        let why = refused(&platform, &[&["account"], command, &["--account", "77"]].concat());
        assert!(why.contains("there is no account 77"), "{why}");
    }
    assert!(done(&platform, &["account", "list"]).contains("1 accounts"));
}

/// Goal: a second token works beside the first, until it is revoked; the first goes on.
#[test]
fn tokens_are_made_shown_and_revoked() {
    let platform = platform();
    let customer = platform.customer(100_000);
    let id = customer.account.to_string();
    let of_account = |more: &[&str]| {
        platform.cli(&[&["account", "token", "--json", "--account", &id], more].concat())
    };
    let made = of_account(&["--label", "shop"]);
    let token = made["token_id"].to_string();
    let second = Customer { token: made["token"].as_str().unwrap().to_owned(), ..customer.clone() };
    let message = platform.upload(&second, &rising_tone(4_000));
    assert_eq!(of_account(&["--revoke", &token])["revoked"], made["token_id"]);
    assert_eq!(send(&platform, &second, message), -203);
    assert!(send(&platform, &customer, message) > 0);
    let listed = of_account(&["--list"]);
    let seen: Vec<_> = listed["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["label"].as_str().unwrap(), token["state"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [("first", "on"), ("shop", "off")]);
    assert!(!listed.to_string().contains(&second.token), "a secret is shown once");
    let again = ["account", "token", "--account", &id, "--revoke", &token];
    assert!(refused(&platform, &again).contains("was off already"));
    assert!(listed["tokens"][1]["last_used"].is_string(), "{listed}");
    assert_eq!(of_account(&["--enable", &token])["enabled"], made["token_id"]);
    assert!(send(&platform, &second, message) > 0);
    assert!(
        refused(&platform, &["account", "token", "--account", "77"]).contains("no such account")
    );
}

/// Goal: an account has a user name and a password: one that is made, one of the customer's, none;
/// no other account can take the name.
#[test]
fn a_password_is_made_given_and_taken_away() {
    let platform = platform();
    let [id, other] = [(), ()].map(|()| platform.customer(0).account.to_string());
    let of_account = |more: &[&str]| {
        platform.cli(&[&["account", "password", "--json", "--account", &id], more].concat())
    };
    let user_name = || {
        let shown = platform.cli(&["account", "show", "--json", "--account", &id]);
        shown["user_name"].clone()
    };
    let made = of_account(&["--user-name", "Shop"]);
    assert_eq!(made["password"].as_str().unwrap().len(), 20);
    assert_eq!(user_name(), "shop");
    // Standard input is empty, so the password is too short.
    let given = ["account", "password", "--account", &id, "--user-name", "shop", "--stdin"];
    assert!(refused(&platform, &given).contains("8 to 128 characters"));
    let taken = ["account", "password", "--account", &other, "--user-name", "SHOP"];
    assert!(refused(&platform, &taken).contains("another account"));
    assert_eq!(of_account(&["--remove"])["user_name"], serde_json::Value::Null);
    assert_eq!(user_name(), serde_json::Value::Null);
    assert!(done(&platform, &taken).contains("shown only now"));
}

/// Goal: credit arrives once for each reference, and nonsense is refused.
#[test]
fn credit_is_posted_once_for_a_reference() {
    let platform = platform();
    let customer = platform.customer(1_000);
    let id = customer.account.to_string();
    let credit = |rials: &str| {
        platform.run(&[
            "account",
            "credit",
            "--account",
            &id,
            "--rials",
            rials,
            "--reference",
            "pay-7",
            "--json",
        ])
    };
    let (success, text) = said(&credit("500"));
    assert!(success && text.contains("\"balance_rials\":1500"), "{text}");
    let (success, text) = said(&credit("500"));
    assert!(!success && text.contains("was posted before"), "{text}");
    let (success, text) = said(&credit("0"));
    assert!(!success && text.contains("the amount is not between"), "{text}");
    assert_eq!(platform.settled_balance(&customer), 1_500);
}

/// Goal: messages that must be listened to are sent only after a member of staff approved them.
#[test]
fn messages_wait_for_approval_when_the_account_wants_it() {
    let platform = platform();
    let made = platform.cli(&[
        "account",
        "create",
        "--name",
        "T",
        "--mobile",
        "09120000001",
        "--credit",
        "100000",
        "--any-hour",
        "tests",
        "--require-approval",
        "--json",
    ]);
    let customer = Customer {
        account: made["account_id"].as_i64().unwrap(),
        token: made["token"].as_str().unwrap().to_owned(),
    };
    let message = platform.upload(&customer, &rising_tone(4_000));
    let (account, id) = (customer.account.to_string(), message.to_string());
    let id_of = serde_json::json!(message);
    let state = || {
        let listed = platform.cli(&["message", "list", "--account", &account, "--json"]);
        listed["messages"][0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!((state().as_str(), send(&platform, &customer, message)), ("waiting", -8));
    let spoken = [("Text", "سلام. کد شما ۴ ۷ ۱ ۲ است."), ("Number", "09121234567")];
    assert_eq!(platform.call(&customer, "QuickSendWithTTS", &spoken)["QuickSendID"], 0);
    let waiting = || platform.cli(&["message", "waiting", "--json"])["messages"].clone();
    assert_eq!((&waiting()[0]["message_id"], waiting().as_array().unwrap().len()), (&id_of, 1));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.wav");
    let listen = ["message", "listen", &id, "--file", file.to_str().unwrap()];
    done(&platform, &listen);
    let heard = media::wav::read(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(heard, platform.clip(&customer, message), "staff hears what is sent");
    assert!(refused(&platform, &listen).contains("heard.wav"), "nothing is overwritten");
    done(&platform, &["message", "approve", &id]);
    assert_eq!((state().as_str(), waiting().as_array().unwrap().len()), ("approved", 0));
    assert!(send(&platform, &customer, message) > 0);
    done(&platform, &["message", "refuse", &id, "--reason", "نام شرکت گفته نمی‌شود"]);
    assert_eq!((state().as_str(), send(&platform, &customer, message)), ("refused", -8));
    let said = done(&platform, &["message", "list", "--account", &account]);
    assert!(said.contains("because: نام شرکت گفته نمی‌شود"), "{said}");
    let why = refused(&platform, &["message", "approve", "77"]);
    assert!(why.contains("there is no message 77"), "{why}");
    let why = refused(&platform, &["message", "refuse", &id, "--reason", " "]);
    assert!(why.contains("the reason is one line"), "{why}");
}

/// Goal: beside a healthy platform the doctor finds nothing; what is wrong comes with its fix.
#[test]
fn the_doctor_says_what_is_well_and_how_to_mend_the_rest() {
    let trunk = ByHand::start("127.0.0.1:9".parse().unwrap());
    let platform = Platform::with_trunk(trunk.address, "");
    let well = done(&platform, &["doctor"]);
    let names = [
        "configuration",
        "disk",
        "open files",
        "database",
        "http port",
        "sip port",
        "own address",
        "media ports",
        "speech",
        "clock",
        "monitoring",
        "evidence",
        "trunk",
    ];
    for name in names {
        assert!(
            well.lines().any(|line| line.starts_with(&format!("ok    {name}"))),
            "{name}: {well}"
        );
    }
    assert_eq!(well.lines().count(), names.len(), "{well}");
    for (ill, name, fix) in [
        ("[speech]\nespeak = '/nowhere/espeak-ng'\n", "speech", "apt-get install espeak-ng"),
        ("[sip]\nlisten = '192.0.2.77:0'\n", "sip port", "is it an address of ours?"),
        ("[sip]\nlisten = '192.0.2.77:0'\nmedia_port_first = 20000\n", "media ports", "of ours?"),
        ("[database]\nurl = 'sqlite:/nowhere/avanak.db'\n", "database", "is the URL right"),
        ("[[trunk]]\nname = 'far'\naddress = '192.0.2.10'\n", "trunk", "set sip.listen"),
    ] {
        let options = Options { config: ill.to_owned(), ..Options::default() };
        let dir = data_dir(&options);
        let (success, text) = said(&run(dir.path(), &options, &["doctor"]));
        let line = text.lines().find(|line| line.starts_with(&format!("FAIL  {name}")));
        assert!(!success && line.is_some_and(|line| line.contains(fix)), "{ill}: {text}");
    }
}

/// Goal: a trunk that answers is explained; one that is not there is told at once.
#[test]
fn a_trunk_is_checked_from_end_to_end() {
    let trunk = ByHand::start("127.0.0.1:9".parse().unwrap());
    let dead = format!("127.0.0.1:{}", free_udp_port());
    let trunks = format!(
        "[[trunk]]\nname = 'good'\naddress = '{}'\n[[trunk]]\nname = 'dead'\naddress = '{dead}'\n",
        trunk.address
    );
    let options = Options { config: config(&trunks), ..Options::default() };
    let dir = data_dir(&options);
    let check = |name: &str| said(&run(dir.path(), &options, &["trunk", "check", name]));
    let (success, text) = check("good");
    assert!(success, "{text}");
    for part in ["trunk good", "reach us at 127.0.0.1", "answered OPTIONS with 200", "30 calls"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (success, text) = check("dead");
    assert!(!success && text.contains(&format!("nobody listens at {dead}")), "{text}");
    let (success, text) = check("other");
    assert!(!success && text.contains("there is no trunk 'other'"), "{text}");
}

/// Goal: `--database` says where the database is, for the server and for every other command.
#[test]
fn the_database_is_where_the_command_line_says() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("here.db");
    let database = format!("sqlite:{}", path.display());
    let platform = Platform::start(Options { config: config(""), database, ..Options::default() });
    let customer = platform.customer(1_000);
    assert_eq!(platform.call(&customer, "AccountStatus", &[])["RemaindCredit"], 1_000);
    assert!(path.is_file(), "the database is there");
    assert!(!platform.data_dir().join("avanak.db").exists(), "and not at its usual place");
}

/// Goal: the environment wins over the file, trunks included, and its slips are told by name.
#[test]
fn the_environment_wins_over_the_file_and_its_unknown_keys_are_named() {
    let file = "[speech]\nespeak = '/from/the/file'\n[[trunk]]\nname = 'file'\naddress = 'x'\n";
    let options = Options { config: file.to_owned(), ..Options::default() };
    let dir = data_dir(&options);
    let with = |name: &str, value: &str, command: &[&str]| {
        let output = binary()
            .env(name, value)
            .args(command)
            .arg(format!("--config={}", dir.path().join("avanak.toml").display()))
            .arg(format!("--data-dir={}", dir.path().display()))
            .output();
        said(&output.unwrap())
    };
    let (_, text) = with("AVANAK_SPEECH__ESPEAK", "/from/the/environment", &["doctor"]);
    assert!(text.contains("/from/the/environment") && !text.contains("/from/the/file"), "{text}");
    let dead = free_udp_port();
    let trunks = format!("[{{name=\"env\", address=\"127.0.0.1:{dead}\", prefixes=[\"09\"]}}]");
    let (_, text) = with("AVANAK_TRUNK", &trunks, &["trunk", "check"]);
    assert!(text.contains("trunk env") && !text.contains("trunk file"), "{text}");
    for (name, named) in [
        ("AVANAK_SIP__LISTN", "listn"),
        ("AVANAK_SPI__LISTEN", "spi"),
        ("AVANAK_SIP_LISTEN", "did you mean AVANAK_SIP__LISTEN?"),
    ] {
        let (success, text) = with(name, "127.0.0.1:0", &["account", "list"]);
        assert!(!success && text.contains(named), "{name}: {text}");
    }
    let (success, text) = with("AVANAK_OF_ANOTHER_PROGRAM", "1", &["account", "list"]);
    assert!(success, "{text}");
}

/// Goal: every command explains itself.
#[test]
fn every_command_has_its_help() {
    for (command, phrases) in [
        ("", &["voice-message platform", "--config", "--data-dir", "--database", "serve"][..]),
        ("serve", &["SIGTERM", "listening http://", "--http <ADDR:PORT>"]),
        ("account", &["create", "credit", "token", "list", "disable", "enable", "expire", "audit"]),
        (
            "account create",
            &["first token", "--name", "--mobile", "--credit", "--require-approval"],
        ),
        ("account hours", &["--document", "--revoke"]),
        ("account credit", &["--rials", "--reference", "never credits twice"]),
        ("account token", &["--label", "--days", "--list", "--revoke"]),
        ("account list", &["Show all accounts", "--json"]),
        ("account show", &["its money", "--account"]),
        ("account disable", &["tokens works", "--account"]),
        ("account enable", &["on again", "--account"]),
        ("account expire", &["subscription", "--days", "--never"]),
        ("account audit", &["books"]),
        ("class", &["list", "show", "set", "one_time_code"]),
        ("holiday", &["add", "withdraw", "import", "list", "nothing here speaks against"]),
        ("hours", &["set", "list", "business days"]),
        ("staff", &["appoint", "leave", "deputy", "end-deputy", "list"]),
        ("oversight", &["list", "seen", "the manager is told of"]),
        ("staff leave", &["in one step or not at all", "--to", "--by"]),
        ("availability", &["sign", "unsigned", "revise"]),
        ("opt-out", &["add", "remove", "import", "list", "show"]),
        ("opt-out add", &["--national", "--operator", "--account"]),
        ("class set", &["--hours", "--off-hours", "--daily-cap", "--opt-out-key"]),
        ("message", &["list", "waiting", "listen", "approve", "by-phone", "refuse"]),
        ("message waiting", &["of all accounts", "--after"]),
        ("message listen", &["Write the sound", "--file"]),
        ("message list", &["newest messages", "--account"]),
        ("message approve", &["Let a message be sent", "<ID>"]),
        ("message refuse", &["Keep a message", "<ID>", "--reason"]),
        ("phone", &["add", "show"]),
        ("phone add", &["--extension", "--contact", "sip:me@"]),
        ("phone show", &["can be reached", "--account"]),
        ("quick-send show", &["its money", "<ID>"]),
        (
            "trunk",
            &["add", "set", "list", "show", "enable", "disable", "remove", "caller-id", "check"],
        ),
        ("trunk add", &["--address", "{national}", "--prefixes", "--priority", "standard input"]),
        ("trunk set", &["stays as it is", "--max-channels"]),
        ("trunk caller-id", &["--account", "--number"]),
        ("trunk check", &["end to end", "[NAME]"]),
        ("judge", &["opted out", "--campaign", "--since"]),
        ("doctor", &["say the fix", "Ports in use are no failure"]),
        ("migrate", &["copied first"]),
    ] {
        let output = binary().args(command.split_whitespace()).arg("--help").output().unwrap();
        let (success, text) = said(&output);
        assert!(success, "{command}: {text}");
        // Lines are folded at the terminal's width.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for phrase in phrases {
            assert!(text.contains(phrase), "{command}: '{phrase}' is not in {text}");
        }
    }
}

/// T007: what time the host says it is in, or that it knows no zones, changes no moment that is
/// shown, and none that is understood.
#[test]
fn the_zone_of_the_host_changes_nothing() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(1_000);
    let id = customer.account.to_string();
    let file = platform.data_dir().join("statement.csv");
    let told = |environment: &[(&str, &str)]| {
        let run = |command: &[&str]| {
            let output = platform.run_in(environment, command);
            assert!(output.status.success(), "{environment:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let path = file.to_str().unwrap();
        let span = ["--from", "2026-01-01", "--to", "2100-01-01", "--jalali", "--file", path];
        run(&[&["export", "statement", "--account", &id], &span[..]].concat());
        let exported = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let shown = run(&["account", "statement", "--account", &id]);
        let month = run(&["availability", "--account", &id, "--month", "1405-08", "--json"]);
        (exported, shown, month)
    };
    let plain = told(&[]);
    assert!(plain.0.contains("1405/") && plain.2.contains("1405-08"), "{plain:?}");
    for zone in ["UTC", "America/St_Johns", "Asia/Tehran", "Pacific/Kiritimati", "no such zone"] {
        assert_eq!(told(&[("TZ", zone)]), plain, "{zone}");
        assert_eq!(told(&[("TZ", zone), ("TZDIR", "/nowhere")]), plain, "{zone} without files");
    }
}

/// Goal: new prices apply to what is accepted after their start; what was accepted before is
/// charged by the old ones, and the statement has both.
#[test]
fn prices_start_when_they_are_told_to() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000)).to_string();
    let send = |number: &str| {
        let parameters = [("MessageID", &*message), ("Number", number)];
        platform.call(&customer, "QuickSend", &parameters)
    };
    let price = |sent: &Value| sent["CreditDecrease_InPrice"].as_i64().unwrap();
    let first = send("09121234567");
    let old = price(&first);
    let prices =
        ["--pulse-seconds", "1", "--internal", "10", "--external", "100", "--tts", "7", "--json"];
    let added = platform.cli(&[&["tariff", "add"], &prices[..]].concat());
    let mut numbers = (0..).map(|n| format!("0912123{n:04}"));
    let second = eventually("the new prices are in force", || {
        let sent = send(&numbers.next()?);
        (price(&sent) != old).then_some(sent)
    });
    assert_eq!(price(&second), 400, "four seconds of 100 rials: {second}");
    let listed = platform.cli(&["tariff", "list", "--json"])["tariffs"].clone();
    assert_eq!((&listed[0], listed.as_array().unwrap().len()), (&added, 2));
    for id in [&first, &second].map(|sent| sent["QuickSendID"].as_i64().unwrap()) {
        eventually("the call has ended", || {
            (platform.state(&customer, id)["reason"].as_i64()? >= 10).then_some(())
        });
    }
    let id = customer.account.to_string();
    let statement = platform.cli(&["account", "statement", "--account", &id, "--json"]);
    let charged = |sent: &Value| {
        let lines = statement["lines"].as_array().unwrap().iter();
        lines.clone().find(|line| line["quick_send_id"] == sent["QuickSendID"]).unwrap()["rials"]
            .as_i64()
    };
    assert_eq!((charged(&first), charged(&second)), (Some(-old), Some(-400)), "{statement}");
    let sum: i64 = statement["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["rials"].as_i64().unwrap())
        .sum();
    assert_eq!(
        (statement["sum_rials"].as_i64(), &statement["complete"]),
        (Some(sum), &true.into())
    );
    let whole = done(&platform, &["account", "statement", "--account", &id, "--limit", "1"]);
    assert!(whole.contains("1 lines") && whole.contains("there are older ones"), "{whole}");
}

/// Goal: prices that make no sense, or rewrite the past, are refused with the reason.
#[test]
fn nonsense_is_no_tariff() {
    let platform = platform();
    let add = |from: &str, pulse: &str, external: &str| {
        let start = ["tariff", "add", "--from", from, "--pulse-seconds", pulse];
        let prices = ["--internal", "1", "--tts", "1", "--external", external];
        [&start[..], &prices].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (arguments, why) in [
        (add("2020-01-01", "5", "10"), "starts now or later"),
        (add("soon", "5", "10"), "is no moment"),
        (add("2100-01-01", "0", "10"), "between 1 and 3600 seconds"),
        (add("2100-01-01", "5", "1000001"), "between 0 and 1000000 rials"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = refused(&platform, &arguments);
        assert!(said.contains(why), "{said}");
    }
    let later = add("1480/01/01 08:00", "5", "10");
    let later: Vec<&str> = later.iter().map(String::as_str).collect();
    assert!(done(&platform, &later).contains("external 10"));
    assert!(refused(&platform, &later).contains("another tariff starts at that moment"));
    let none = refused(&platform, &["account", "statement", "--account", "77"]);
    assert!(none.contains("there is no account 77"), "{none}");
}

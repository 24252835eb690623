//! The support line with real phones: a caller waits behind a carrier's proxy, presses the star,
//! is called back and talks with an expert; an expert who is free answers at once; a killed switch
//! loses nobody.

use std::time::Duration;

use serde_json::Value;

use crate::baresip::Baresip;
use crate::kamailio::{Kamailio, PASSWORD};
use crate::platform::{Customer, Options, Platform, config, eventually, eventually_within, pause};

/// The number of the line, which is the name that we register with at the proxy.
const LINE: &str = "02191000000";
/// Who calls it from outside.
const CALLER: &str = "09121110009";
/// An expert's phone, and a customer's.
const EXPERT: &str = "100";
const CUSTOMER: &str = "101";
/// The offer comes after 80 s (N6), and a second later at the most.
const OFFERED_WITHIN: Duration = Duration::from_secs(100);

/// A platform that is the switch of its line, which is open at all hours.
fn platform(more: &str) -> Platform {
    let text = format!("[support]\nline = ['{LINE}']\n{more}");
    let config = config(&text).replace("drain_seconds = 20", "drain_seconds = 1");
    let platform = Platform::start(Options { config, ..Options::default() });
    let rows = rusqlite::Connection::open(platform.data_dir().join("avanak.db")).unwrap();
    // As if the operator had written them down long ago.
    let always = "INSERT INTO opening_hours (kind, number, valid_from_us, rest_days,
                      ordinary_hours, off_hours, entered_at_us, actor)
                  VALUES ('support', 2, 1711053000000000, 'none', '00:00-24:00', '00:00-24:00', 1,
                          'test')";
    rows.execute(always, ()).unwrap();
    platform
}

fn done(platform: &Platform, words: &[&str]) -> String {
    let output = platform.run(words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The newest call to the line, once there is one.
fn shown(platform: &Platform) -> Option<Value> {
    let all = platform.cli(&["support-call", "list", "--json"]);
    let id = all["support_calls"].as_array().unwrap().first()?["support_call"].to_string();
    Some(platform.cli(&["support-call", "show", &id]))
}

/// Waits until this step of the newest call was taken.
fn took(platform: &Platform, step: &str, within: Duration) -> Value {
    eventually_within(within, step, || {
        let call = shown(platform)?;
        let steps = call["history"].as_array().unwrap();
        steps.iter().any(|taken| taken["step"] == *step).then_some(call)
    })
}

/// A softphone of this account that is registered with us.
fn phone(platform: &Platform, customer: &Customer, extension: &str) -> (Baresip, String) {
    let account = customer.account.to_string();
    let phone =
        platform.cli(&["phone", "add", "--account", &account, "--extension", extension, "--json"]);
    let text = |name: &str| phone[name].as_str().unwrap().to_owned();
    let registrar = ([127, 0, 0, 1], platform.sip_port()).into();
    let (username, password) = (text("username"), text("password"));
    // The registrar learns of a new phone within a second.
    let running = eventually("the phone registers", || {
        let running = Baresip::start(registrar, &username, &password);
        let is_there = || {
            let shown =
                platform.cli(&["phone", "show", "--account", &account, extension, "--json"]);
            shown["registered"].as_bool().unwrap().then_some(())
        };
        (0..80).find_map(|_| {
            pause(Duration::from_millis(25));
            is_there()
        })?;
        Some(running)
    });
    (running, username)
}

fn expert(platform: &Platform, customer: &Customer, name: &str) -> Baresip {
    let (running, username) = phone(platform, customer, EXPERT);
    done(platform, &["support-line", "on", "--expert", name, "--phone", &username]);
    running
}

fn dial(phone: &Baresip, platform: &Platform) {
    phone.command("dial", &format!("sip:{LINE}@127.0.0.1:{};transport=udp", platform.sip_port()));
}

/// T110, T112, T121, T128: a call that comes through a carrier's proxy waits 80 s, hears the offer,
/// and its star, sent by RFC 4733 through that proxy, is taken by the line and by nothing before
/// it. The caller is called back, presses one, and talks with the expert.
#[test]
fn a_caller_behind_a_proxy_is_called_back() {
    let proxy = Kamailio::start();
    let trunk = format!(
        "[[trunk]]\nname = 'proxy'\naddress = '{}'\nregister = true\nusername = '{LINE}'\n\
         password = '{PASSWORD}'\n",
        proxy.address
    );
    let platform = platform(&trunk);
    eventually("we are registered", || {
        let figure = platform.figure("avanak_trunk_registered{trunk=\"proxy\"}");
        (figure > 0.5).then_some(())
    });
    let customer = platform.customer(1_000_000);
    let caller = Baresip::start(proxy.address, CALLER, PASSWORD);
    caller.says("200 OK");
    caller.command("dial", &format!("sip:{LINE}@{};transport=udp", proxy.address));
    caller.says("Call established");
    // Nothing was offered yet: this star is nobody's.
    caller.command("sndcode", "*");
    let offered = took(&platform, "offered", OFFERED_WITHIN);
    assert_eq!((&offered["caller"], &offered["state"]), (&CALLER.into(), &"waiting".into()));
    caller.command("sndcode", "*");
    let registered = took(&platform, "registered", Duration::from_secs(20));
    assert_eq!(registered["number"], CALLER, "{registered}");
    caller.says("session closed");
    assert_eq!(proxy.count("routed BYE"), 1, "the line ends the call, and politely");

    let expert = expert(&platform, &customer, "Sara");
    took(&platform, "talking", Duration::from_secs(30));
    // The caller is there and is asked.
    eventually("one is pressed until the expert is there", || {
        caller.command("sndcode", "1");
        pause(Duration::from_secs(1));
        let shown = platform.cli(&["support-line", "show", "--json"]);
        assert_eq!(shown["experts"][0]["support_call"], 1, "{shown}");
        expert.has_said("Call established").then_some(())
    });
    pause(Duration::from_secs(2));
    expert.command("hangup", "");
    let over = took(&platform, "attempted", Duration::from_secs(20));
    assert_eq!(over["state"], "connected", "{over}");
    let board = done(&platform, &["support-line", "show"]);
    assert!(board.starts_with("Sara at "), "{board}");
    assert_eq!(platform.cli(&["violation", "list", "--json"])["violations"], serde_json::json!([]));
}

/// T111: an expert who is free answers at once; and with the expert gone the next caller waits.
#[test]
fn an_expert_who_is_free_answers_at_once() {
    let platform = platform("");
    let customer = platform.customer(0);
    let expert = expert(&platform, &customer, "Sara");
    let (caller, _) = phone(&platform, &customer, CUSTOMER);
    dial(&caller, &platform);
    let call = took(&platform, "answered", Duration::from_secs(20));
    assert_eq!((&call["account"], &call["state"]), (&customer.account.into(), &"answered".into()));
    let steps = call["history"].as_array().unwrap();
    assert_eq!(steps[1]["by"], "Sara", "{call}");
    expert.command("hangup", "");
    caller.says("session closed");
    done(&platform, &["support-line", "off", "--expert", "Sara"]);
    eventually("nobody is on duty", || {
        (done(&platform, &["support-line", "show"]) == "nobody is on duty\n").then_some(())
    });
    dial(&caller, &platform);
    eventually("the next call waits", || {
        (platform.figure("avanak_support_callers_waiting") > 0.5).then_some(())
    });
    caller.command("hangup", "");
    assert_eq!(took(&platform, "left", Duration::from_secs(20))["state"], "left");
}

/// T127: the switch is killed while a caller waits: the call is lost, the place is not.
#[test]
fn a_killed_switch_calls_back_who_waited() {
    let mut platform = platform("");
    let customer = platform.customer(0);
    let (caller, _) = phone(&platform, &customer, CUSTOMER);
    dial(&caller, &platform);
    let before = took(&platform, "joined", Duration::from_secs(20));
    caller.says("Call established");
    platform.kill();
    platform.restart();
    let call = took(&platform, "registered", Duration::from_secs(20));
    assert_eq!((&call["number"], &call["state"]), (&"09120000001".into(), &"registered".into()));
    assert_eq!(call["joined_at"], before["joined_at"]);
    assert_eq!(call["history"][1]["note"], "the line was lost");
    assert!(call["ticket"].is_i64(), "its customer sees that: {call}");
}

/// A stop, as for an upgrade: who waits is owed a callback before anything starts again, which
/// another node would make at once.
#[test]
fn a_stopped_switch_owes_a_callback_to_who_waited() {
    let mut platform = platform("");
    let customer = platform.customer(0);
    let (caller, _) = phone(&platform, &customer, CUSTOMER);
    dial(&caller, &platform);
    took(&platform, "joined", Duration::from_secs(20));
    caller.says("Call established");
    platform.terminate();
    assert!(platform.ended().success());
    let call = shown(&platform).unwrap();
    assert_eq!((&call["number"], &call["state"]), (&"09120000001".into(), &"registered".into()));
}

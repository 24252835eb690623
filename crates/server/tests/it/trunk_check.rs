//! `avanak trunk check` explains a trunk end to end, whatever is wrong with it. The far ends are
//! real: the sandbox carrier, a second platform as registrar, one with a certificate, a name
//! server.

use std::path::Path;

use serde_json::Value;

use crate::baresip::with_phone_and;
use crate::connections::Certificates;
use crate::name_server::NameServer;
use crate::platform::{Options, Platform, config, data_dir, free_udp_port, run};

/// What a check found: whether it succeeded, and its steps.
struct Checked {
    success: bool,
    steps: Vec<Value>,
}

impl Checked {
    /// The verdict and all words of the steps of this name.
    fn step(&self, name: &str) -> (String, String) {
        let mut named = self.steps.iter().filter(|step| step["step"] == name).peekable();
        assert!(named.peek().is_some(), "there is no step {name}: {:?}", self.steps);
        let all: Vec<&Value> = named.collect();
        let verdict = all.iter().map(|step| step["verdict"].as_str().unwrap()).collect();
        (verdict, all.into_iter().cloned().collect::<Value>().to_string())
    }

    fn verdict(&self, name: &str) -> String {
        self.step(name).0
    }
}

/// Checks a trunk with these lines, with more lines of `[sip]`.
fn check(sip: &str, trunk: &str, more: &[&str]) -> Checked {
    let ours = if trunk.contains("'[::1]") { "'[::1]:0'" } else { "'127.0.0.1:0'" };
    let trunk = format!("[[trunk]]\nname = 'peer'\n{trunk}");
    let config =
        config(&trunk).replace("[sip]\n", &format!("[sip]\n{sip}")).replace("'127.0.0.1:0'", ours);
    let options = Options { config, ..Options::default() };
    let dir = data_dir(&options);
    let arguments = [&["trunk", "check", "peer", "--json"], more].concat();
    let output = run(dir.path(), &options, &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"));
    let trunk = &shown["trunks"][0];
    assert_eq!(trunk["passed"], output.status.success());
    assert!(!text.contains("s3cret"), "no secret is shown: {text}");
    Checked { success: output.status.success(), steps: trunk["steps"].as_array().unwrap().clone() }
}

/// A platform whose sandbox carrier is at a known port of this address: its address.
fn sandbox_at(ip: &str) -> (Platform, String) {
    let address = format!("{ip}:{}", free_udp_port());
    let config = config(&format!("[sandbox]\nlisten = '{address}'\n"));
    (Platform::start(Options { config, ..Options::default() }), address)
}

fn sandbox() -> (Platform, String) {
    sandbox_at("127.0.0.1")
}

const LOGIN: &str = "username = 'sandbox'\npassword = 'sandbox'\n";

/// Goal: a good trunk passes each step, and a test call over it is told as a ladder.
#[test]
fn a_good_trunk_is_explained_with_a_call() {
    let (_carrier, address) = sandbox();
    let trunk = format!("address = '{address}'\n{LOGIN}codecs = ['pcmu', 'pcma']\n");
    let checked = check("", &trunk, &["--call", "09121234567"]);
    assert!(checked.success, "{:?}", checked.steps);
    for step in ["dns", "own address", "transport", "options", "codecs", "call", "caps"] {
        assert_eq!(checked.verdict(step), "pass", "{step}");
    }
    assert_eq!(checked.verdict("registration"), "skipped");
    let (_, call) = checked.step("call");
    for part in ["→ INVITE", "← 180", "← 200", "→ ACK", "→ the first sound", "PCMU"] {
        assert!(call.contains(part), "{part}: {call}");
    }
    let (_, codecs) = checked.step("codecs");
    assert!(codecs.contains("PCMU, PCMA are offered, PCMU was answered"), "{codecs}");
}

/// Goal: the same over IPv6.
#[test]
fn a_trunk_over_ipv6_is_explained_with_a_call() {
    let (_carrier, address) = sandbox_at("[::1]");
    let checked = check("", &format!("address = '{address}'\n{LOGIN}"), &["--call", "09121234567"]);
    assert!(checked.success, "{:?}", checked.steps);
    let (_, own) = checked.step("own address");
    assert!(own.contains("reach us at ::1"), "{own}");
}

/// Goal: a call that comes to nothing fails its step, with the code; without one it is skipped.
#[test]
fn a_call_that_is_refused_fails_its_step() {
    let (_carrier, address) = sandbox();
    let trunk = format!("address = '{address}'\n{LOGIN}");
    let checked = check("", &trunk, &["--call", "09990000486"]);
    assert!(!checked.success);
    let (verdict, call) = checked.step("call");
    assert_eq!(verdict, "fail");
    assert!(call.contains("486"), "{call}");
    let checked = check("", &trunk, &[]);
    assert!(checked.success, "{:?}", checked.steps);
    assert_eq!(checked.verdict("call"), "skipped");
    assert_eq!(checked.verdict("codecs"), "skipped");
}

/// Goal: the registration is asked about and not changed; a wrong password is told with its fix.
#[test]
fn a_registration_is_asked_about() {
    let (_registrar, address, _, username, password) = with_phone_and("");
    let trunk = |password: &str| {
        format!(
            "address = '{address}'\nregister = true\nusername = '{username}'\n\
             password = '{password}'\n"
        )
    };
    let checked = check("", &trunk(&password), &[]);
    let (verdict, words) = checked.step("registration");
    assert_eq!(verdict, "pass", "{words}");
    assert!(words.contains("the registrar knows us") && words.contains("Digest"), "{words}");
    let checked = check("", &trunk("s3cret"), &[]);
    assert!(!checked.success);
    let (verdict, words) = checked.step("registration");
    assert_eq!(verdict, "fail");
    assert!(words.contains("403") && words.contains("check username, password"), "{words}");
}

/// Goal: over TLS the certificate is shown, and one with another name, or that nobody vouches for,
/// is told as such.
#[test]
fn a_certificate_is_shown_or_told_to_be_wrong() {
    let (files, others) = (Certificates::new(), Certificates::new());
    let port = free_udp_port();
    let config = config("").replace("[sip]\n", &format!("[sip]\n{}", files.keys(port)));
    let _carrier = Platform::start(Options { config, ..Options::default() });
    let trusting = |files: &Certificates| {
        format!("tls_authorities = '{}'\n", Path::new(&files.file("authority.pem")).display())
    };
    let at = |host: &str| format!("address = '{host}:{port}'\ntransport = 'tls'\n");
    let checked = check(&trusting(&files), &at("127.0.0.1"), &[]);
    assert!(checked.success, "{:?}", checked.steps);
    let (_, words) = checked.step("transport");
    assert!(words.contains("its certificate is good") && words.contains("until "), "{words}");
    for (authorities, host, why) in
        [(&files, "localhost", "not valid for name"), (&others, "127.0.0.1", "certificate")]
    {
        let checked = check(&trusting(authorities), &at(host), &[]);
        assert!(!checked.success);
        let (verdict, words) = checked.step("transport");
        assert_eq!(verdict, "fail");
        assert!(words.contains(why) && words.contains("vouched for by"), "{words}");
        assert_eq!(checked.verdict("call"), "skipped");
    }
}

/// Goal: what DNS says is shown record by record, each server is asked, and a name that nobody
/// knows, or a name server that says nothing, is told.
#[test]
fn dns_is_shown_record_by_record() {
    let (_carrier, address) = sandbox();
    let port = address.rsplit(':').next().unwrap();
    let names = NameServer::start(&format!(
        "_sip._udp.good.example SRV 10 5 {port} a.good.example
         _sip._udp.good.example SRV 20 5 {} a.good.example
         a.good.example A 127.0.0.1",
        free_udp_port()
    ));
    let trunk = |name: &str| format!("address = '{name}'\n{LOGIN}");
    let checked = check(&names.setting(), &trunk("good.example"), &[]);
    let (verdict, words) = checked.step("dns");
    assert_eq!(verdict, "pass");
    for part in [
        &*format!("SRV _sip._udp.good.example: 10 5 {port} a.good.example"),
        "addresses of a.good.example: 127.0.0.1",
        &*format!("127.0.0.1:{port} by udp, then 127.0.0.1:"),
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let (verdict, words) = checked.step("options");
    assert_eq!(verdict, "passfail", "the second server is dead: {words}");
    assert!(!checked.success);

    let checked = check(&names.setting(), &trunk("bad.example"), &[]);
    let (verdict, words) = checked.step("dns");
    assert_eq!(verdict, "fail");
    assert!(words.contains("bad.example has no IPv4 address"), "{words}");
    names.fall_silent();
    let checked = check(&names.setting(), &trunk("good.example"), &[]);
    let (verdict, words) = checked.step("dns");
    assert_eq!(verdict, "fail");
    assert!(words.contains("asking DNS for SRV") && words.contains("sip.name_servers"), "{words}");
}

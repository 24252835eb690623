//! Vantage points: the real binary looks at a real platform, which dies and comes back.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::platform::{Options, Platform, binary, config, eventually, pause};

/// Looks come each second, so that a test sees many.
const EVERY_SECOND: &str = "[measurement]\ninterval_s = 1\ncampaign_interval_s = 1\n";

/// For a test that looks at gaps: what is late by seconds on a busy machine must not be one.
const EVERY_OTHER_SECOND: &str = "[measurement]\ninterval_s = 2\ncampaign_interval_s = 2\n";

/// A fixed address before a platform, whose own changes with each start.
struct Front {
    address: SocketAddr,
    behind: Arc<Mutex<SocketAddr>>,
}

impl Front {
    fn before(platform: &Platform) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let behind = Arc::new(Mutex::new(platform.http()));
        let to = Arc::clone(&behind);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let to = *to.lock().unwrap();
                std::thread::spawn(move || relay(&client.unwrap(), to));
            }
        });
        Self { address, behind }
    }

    fn moved(&self, platform: &Platform) {
        *self.behind.lock().unwrap() = platform.http();
    }
}

/// Carries bytes both ways; when nobody is behind, the client is hung up on.
fn relay(client: &TcpStream, to: SocketAddr) {
    let Ok(server) = TcpStream::connect(to) else { return };
    let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let ended = std::io::copy(&mut from, &mut into);
        ended.and_then(|_| into.shutdown(std::net::Shutdown::Write))
    });
    // A side that breaks off ends both.
    let _ = std::io::copy(&mut (&server), &mut (&*client));
    let _ = client.shutdown(std::net::Shutdown::Both);
}

/// A probe process of its own.
struct Probe {
    child: Child,
}

impl Probe {
    fn start(dir: &Path, front: &Front, token: &str) -> Self {
        std::fs::write(dir.join("avanak.toml"), EVERY_OTHER_SECOND).unwrap();
        let mut child = binary()
            .arg("probe")
            .arg(format!("--config={}", dir.join("avanak.toml").display()))
            .arg(format!("--data-dir={}", dir.display()))
            .arg(format!("--url=http://{}", front.address))
            .env("AVANAK_PROBE__TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("looking at http://"), "{line}");
        Self { child }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // It may have been killed already, by the test's own hand.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn add_vantage(platform: &Platform, name: &str) -> String {
    let customer = platform.customer(0);
    let account = customer.account.to_string();
    let added = platform.cli(&["vantage", "add", name, "--account", &account, "--json"]);
    added["token"].as_str().unwrap().to_owned()
}

/// All samples of a path, by their time.
fn samples(platform: &Platform, path: &str) -> Vec<Value> {
    let from = ["--from", "2026-01-01 00:00", "--json"];
    let told = platform.cli(&[&["vantage", "samples", "--path", path], &from[..]].concat());
    told["samples"].as_array().unwrap().clone()
}

fn count(samples: &[Value], worked: bool) -> usize {
    samples.iter().filter(|sample| sample["worked"] == worked).count()
}

/// Of each run of the probe every look is there: none was lost on the way, none is there twice.
fn whole(platform: &Platform) {
    let mut runs: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let all = ["panel", "api", "quick-send", "campaign"].map(|path| samples(platform, path));
    for sample in all.iter().flatten() {
        let (run, number) = (sample["run"].as_i64().unwrap(), sample["number"].as_i64().unwrap());
        runs.entry(run).or_default().push(number);
    }
    assert_eq!(runs.len(), 2);
    for numbers in runs.values_mut() {
        numbers.sort_unstable();
        assert!((1..).zip(&*numbers).all(|(n, number)| n == *number), "{numbers:?}");
    }
}

/// Goal: one look at each path, by real calls in the sandbox, is made, told and kept; a token that
/// is no vantage point's is refused, and one that was removed opens nothing.
#[test]
fn a_look_is_made_at_each_path() {
    let platform = Platform::start(Options { config: config(""), ..Options::default() });
    let customer = platform.customer(0);
    let token = add_vantage(&platform, "tehran-1");
    let dir = tempfile::tempdir().unwrap();
    let look = |token: &str| {
        binary()
            .args(["probe", "--once", "--json"])
            .arg(format!("--data-dir={}", dir.path().display()))
            .arg(format!("--url=http://{}", platform.http()))
            .env("AVANAK_PROBE__TOKEN", token)
            .output()
            .unwrap()
    };
    let output = look(&token);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_str(&text).unwrap();
    for (place, path) in ["panel", "api", "quick-send", "campaign"].into_iter().enumerate() {
        assert_eq!(told["looks"][place]["worked"], true, "{told}");
        assert_eq!(count(&samples(&platform, path), true), 1, "{path}");
    }
    let stranger = look(&customer.token);
    let errors = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(!stranger.status.success() && errors.contains("it answers 403"), "{errors}");
    let listed = platform.cli(&["vantage", "list", "--json"]);
    assert_eq!(listed["vantages"][0]["name"], "tehran-1");
    assert!(listed["vantages"][0]["heard_at"].is_string(), "{listed}");
    let id = listed["vantages"][0]["vantage"].to_string();
    assert!(platform.run(&["vantage", "remove", &id]).status.success());
    assert!(!look(&token).status.success());
    assert_eq!(samples(&platform, "api").len(), 1);
}

/// The part of the evidence that is about the API, and all outages.
fn evidence(platform: &Platform) -> (Value, Vec<Value>) {
    let (from, to) = ("2026-01-01", "2100-01-01");
    let told = platform.cli(&["availability", "evidence", "--from", from, "--to", to, "--json"]);
    let paths = told["paths"].as_array().unwrap();
    let api = paths.iter().find(|path| path["path"] == "api").unwrap().clone();
    (api, told["outages"].as_array().unwrap().clone())
}

/// The outage of the API, once it is over.
fn outage_of_the_api(platform: &Platform) -> Value {
    eventually("the outage is over", || {
        let (_, outages) = evidence(platform);
        let of_api = outages.iter().filter(|one| one["paths"] == "api");
        let standing: Vec<&Value> = of_api.filter(|one| one["reversed_at"].is_null()).collect();
        assert!(standing.len() <= 1, "{outages:?}");
        let outage = *standing.first()?;
        outage["to"].is_string().then(|| outage.clone())
    })
}

/// Goal: while the collector is away, a probe keeps what it sees, also over its own death; when it
/// is back, all of it is there once, in order, dated when it was seen, and the time is judged: down
/// from the first failure to the first success. When the probe is away, nothing is known.
#[test]
fn a_probe_outlives_its_collector() {
    let one_is_enough = config(&format!("{EVERY_OTHER_SECOND}quorum = 1\n"));
    let mut platform = Platform::start(Options { config: one_is_enough, ..Options::default() });
    let token = add_vantage(&platform, "tehran-1");
    let front = Front::before(&platform);
    let dir = tempfile::tempdir().unwrap();
    let mut probe = Probe::start(dir.path(), &front, &token);
    eventually("it reports", || (count(&samples(&platform, "api"), true) >= 3).then_some(()));
    platform.kill();
    let spool = dir.path().join("probe/spool");
    let failed = || {
        let text = std::fs::read_to_string(&spool).unwrap_or_default();
        text.matches("\"path\":\"api\"").count()
    };
    eventually("it sees that nobody answers", || (failed() >= 3).then_some(()));
    probe.kill();
    let mut probe = Probe::start(dir.path(), &front, &token);
    eventually("it goes on", || (failed() >= 5).then_some(()));
    platform.restart();
    front.moved(&platform);
    let seen = eventually("all is reported", || {
        let seen = samples(&platform, "api");
        let back = seen.iter().rev().take_while(|sample| sample["worked"] == true).count();
        (back >= 3 && count(&seen, false) >= 5).then_some(seen)
    });
    let first_failed = seen.iter().position(|sample| sample["worked"] == false).unwrap();
    assert!(first_failed >= 3, "the order is kept");
    let late = &seen[first_failed];
    let waited = late["received_at_us"].as_i64().unwrap() - late["at_us"].as_i64().unwrap();
    assert!(waited > 1_000_000, "it waited in the spool: {late}");
    eventually("the spool is empty", || (std::fs::metadata(&spool).ok()?.len() == 0).then_some(()));
    let outage = outage_of_the_api(&platform);
    assert_eq!(outage["measured"], true, "{outage}");
    let first_success = seen.iter().skip(first_failed).find(|one| one["worked"] == true).unwrap();
    let minute_of = |rfc3339: &Value| rfc3339.as_str().unwrap()[..19].replace('T', " ");
    assert_eq!(outage["from"], minute_of(&late["at"]));
    assert_eq!(outage["to"], minute_of(&first_success["at"]));
    probe.kill();
    pause(Duration::from_millis(200));
    whole(&platform);
    let alerts = || platform.run(&["alerts", "--json"]);
    pause(Duration::from_secs(9));
    let mut probe = Probe::start(dir.path(), &front, &token);
    let silent = eventually("it looks again, and the time between is unknown", || {
        let (api, _) = evidence(&platform);
        let up = api["up"].as_array().unwrap();
        let over = outage["to"].as_str().unwrap().replace(' ', "T");
        let gap = up.windows(2).find(|two| two[0]["to"].as_str().unwrap() > over.as_str())?;
        Some(gap.to_vec())
    });
    assert!(silent[0]["to"].as_str() < silent[1]["from"].as_str(), "{silent:?}");
    assert_eq!(outage_of_the_api(&platform)["to"], outage["to"], "silence is no outage");
    let burning = alerts();
    let told: Value = serde_json::from_slice(&burning.stdout).unwrap();
    assert_eq!(told["holding"], serde_json::json!([]), "a few seconds are no alert: {told}");
    assert!(burning.status.success());
    let id = outage["outage"].to_string();
    let because = ["--because", "the test pulled the plug", "--author", "Reza"];
    let word = [&["outage", "reverse", &id][..], &because].concat();
    assert!(platform.run(&word).status.success());
    probe.kill();
}

/// Goal: a server with a token of its own looks at itself while it runs.
#[test]
fn a_server_looks_at_itself() {
    let mut platform = Platform::start(Options { config: config(""), ..Options::default() });
    let token = add_vantage(&platform, "self");
    platform.kill();
    platform.configure(config(&format!("{EVERY_SECOND}token = '{token}'\n")));
    platform.restart();
    for path in ["panel", "api", "quick-send", "campaign"] {
        eventually(path, || (count(&samples(&platform, path), true) >= 2).then_some(()));
    }
    platform.terminate();
    assert!(platform.ended().success());
    platform.restart();
    let failed = ["panel", "api"].map(|path| count(&samples(&platform, path), false));
    assert_eq!(failed, [0, 0], "its own stop is no failure");
}

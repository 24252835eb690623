//! `cargo x demo` as a newcomer and a machine run it, with the program under test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::baresip::Baresip;
use crate::platform::eventually;
use crate::sipp::Sipp;

/// What the object of `--json` holds, in the alphabet's order.
const CONTRACT: [&str; 7] =
    ["charged_rials", "heard_seconds", "heard_wav", "ladder", "quick_send_id", "reason", "status"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A running `cargo x demo --once --json`.
struct Demo {
    child: Child,
    /// What it tells people.
    told: BufReader<ChildStderr>,
    _data: TempDir,
}

impl Demo {
    fn start(to: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO"))
            .args(["x", "demo", "--once", "--json", "--data-dir"])
            .arg(data.path())
            .args(to)
            .current_dir(repository())
            .env("AVANAK_BIN", env!("CARGO_BIN_EXE_avanak"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        Self { child, told, _data: data }
    }

    /// The first word behind `name` in the next line that begins with it.
    fn field(&mut self, name: &str) -> String {
        let mut lines = self.told.by_ref().lines().map(Result::unwrap);
        let line = lines.find_map(|line| Some(line.trim().strip_prefix(name)?.to_owned()));
        let line = line.unwrap_or_else(|| panic!("the demo tells no {name}"));
        line.split_whitespace().next().unwrap().to_owned()
    }

    /// Its end: the object of its last line, and whether it claims that the message was heard.
    fn result(mut self) -> (Value, bool) {
        let (mut told, mut shown) = (String::new(), String::new());
        self.told.read_to_string(&mut told).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        let status = eventually("the demo ends", || self.child.try_wait().unwrap());
        let last = shown.lines().last().unwrap_or_else(|| panic!("{told}"));
        let object: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{last}\n{told}"));
        let keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, CONTRACT);
        assert!(object["quick_send_id"].as_i64() > Some(0), "{object}");
        assert!(!object["status"].as_str().unwrap().is_empty(), "{object}");
        (object, status.success())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended by itself when the test passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The steps of a ladder, whose times never go back.
fn steps(object: &Value) -> Vec<String> {
    let rungs = object["ladder"].as_array().unwrap();
    let times: Vec<f64> = rungs.iter().map(|rung| rung["at_ms"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{object}");
    rungs.iter().map(|rung| rung["event"].as_str().unwrap().to_owned()).collect()
}

/// The steps of the picture in README.md.
fn steps_of_the_readme() -> Vec<String> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let rungs = readme.lines().filter_map(|line| line.split_once('│'));
    rungs.map(|(_, rung)| rung.replace(['│', '─', '<', '>'], " ").trim().to_owned()).collect()
}

#[test]
fn the_demo_keeps_its_contract_and_shows_what_the_readme_shows() {
    let (object, heard) = Demo::start(&[]).result();
    assert!(heard, "{object}");
    assert_eq!(object["reason"], 10, "{object}");
    assert!(object["charged_rials"].as_i64() > Some(0), "{object}");
    assert!(object["heard_seconds"].as_f64() > Some(3.0), "{object}");
    let wav = Path::new(object["heard_wav"].as_str().unwrap());
    assert!(wav.extension().is_some_and(|ending| ending == "wav"), "{object}");
    assert_eq!(steps(&object), steps_of_the_readme());
}

#[test]
fn the_demo_calls_a_softphone_at_an_address() {
    let mut phone = Sipp::start("uas_answer.xml");
    let (object, heard) =
        Demo::start(&["--to", &format!("sip:me@127.0.0.1:{}", phone.port)]).result();
    assert!(heard, "{object}");
    assert_eq!(object["reason"], 10, "{object}");
    assert!(phone.passed());
}

#[test]
fn the_demo_fails_when_the_message_was_not_heard() {
    let phone = Sipp::start("uas_busy.xml");
    let (object, heard) =
        Demo::start(&["--to", &format!("sip:me@127.0.0.1:{}", phone.port)]).result();
    assert!(!heard, "{object}");
    assert_eq!((&object["reason"], &object["charged_rials"]), (&21.into(), &0.into()), "{object}");
}

#[test]
fn the_demo_calls_a_softphone_that_registers_first() {
    let mut demo = Demo::start(&["--to", "phone"]);
    let (username, password) = (demo.field("user"), demo.field("password"));
    let registrar: SocketAddr = demo.field("server").parse().unwrap();
    let _phone = Baresip::start(registrar, &username, &password);
    let (object, heard) = demo.result();
    assert!(heard, "{object}");
    assert_eq!(object["reason"], 10, "{object}");
}

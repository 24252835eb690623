//! Evidence that cannot be bent, through the whole program: writers that are killed, backups that
//! are put back, and staff whose deeds are noted.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::commands::{done, platform};
use crate::database::Database;
use crate::platform::{
    Options, Platform, binary, config, data_dir, eventually, pause, random, run,
};

/// The words that enter something into the ledger under this reference.
fn record(reference: &str) -> Vec<&str> {
    let time = ["--from", "2026-11-01 10:00", "--to", "2026-11-01 11:00"];
    let rest = ["--evidence", "log 7", "--reference", reference, "--by", "Reza"];
    [&["violation", "record", "--clause", "capacity"][..], &time, &rest].concat()
}

/// Puts back what was copied of a SQLite database.
fn put_back(directory: &Path, copy: &Path) {
    for beside in ["avanak.db-wal", "avanak.db-shm"] {
        // It may have been tidied away at the end.
        let _ = std::fs::remove_file(directory.join(beside));
    }
    std::fs::copy(copy, directory.join("avanak.db")).unwrap();
}

/// Waits until there is nothing to say of it but that it is ready.
fn is_ready(platform: &Platform) {
    eventually("it is ready", || {
        let ready = platform.get("/readyz");
        (ready.starts_with("HTTP/1.1 200") && ready.ends_with("ready\n")).then_some(())
    });
}

/// Goal: a backup that is put back takes nothing away silently: the start, `/readyz`, the alerts,
/// the doctor and the verification say so until somebody goes on with it by name, which stays to
/// be seen.
#[test]
fn a_backup_that_is_put_back_is_noticed() {
    let mut platform = platform();
    done(&platform, &record("test:1"));
    platform.terminate();
    assert!(platform.ended().success());
    let directory = platform.data_dir().to_path_buf();
    let copy = directory.join("copy");
    std::fs::copy(directory.join("avanak.db"), &copy).unwrap();
    platform.restart();
    is_ready(&platform);
    done(&platform, &record("test:2"));
    let head = done(&platform, &["chain", "head"]);
    platform.kill();
    put_back(&directory, &copy);
    platform.restart();
    eventually("it is ready, and says what is wrong", || {
        let ready = platform.get("/readyz");
        (ready.starts_with("HTTP/1.1 200") && ready.contains("but: entry")).then_some(())
    });
    assert!(platform.log().contains("the chain of evidence is broken"));
    eventually("the alert is told", || {
        let alerts = platform.run(&["alerts"]);
        String::from_utf8_lossy(&alerts.stdout).contains("chain:avanak").then_some(())
    });
    let said = |arguments: &[&str]| {
        let output = platform.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text)
    };
    let (well, doctor) = said(&["doctor"]);
    assert!(!well && doctor.contains("FAIL  evidence"), "{doctor}");
    let (well, verified) = said(&["chain", "verify"]);
    assert!(!well && verified.contains("another entry of this number was seen"), "{verified}");
    let resume = ["chain", "resume", "--because", "the disk was lost", "--by", "Reza"];
    done(&platform, &resume);
    let (well, verified) = said(&["chain", "verify"]);
    assert!(well && verified.contains("gone on with by Reza"), "{verified}");
    // Who kept a head elsewhere is not told anything else.
    let (well, verified) = said(&["chain", "verify", "--head", head.trim()]);
    assert!(!well && verified.contains("WRONG"), "{verified}");
    is_ready(&platform);
}

/// Copies a directory with all that is in it.
fn copied(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// Goal: a backup of the whole data directory is noticed, too, when what was seen of the chain lies
/// elsewhere; without that, the start says that it cannot tell.
#[test]
fn a_directory_that_is_put_back_is_noticed_by_what_lies_elsewhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("seen");
    let text = format!("[database]\nchain_head = '{}'\n", file.display());
    let mut platform = Platform::start(Options { config: config(&text), ..Options::default() });
    done(&platform, &record("test:1"));
    platform.terminate();
    assert!(platform.ended().success());
    let directory = platform.data_dir().to_path_buf();
    let copy = elsewhere.path().join("copy");
    copied(&directory, &copy);
    platform.restart();
    done(&platform, &record("test:2"));
    platform.kill();
    std::fs::remove_dir_all(&directory).unwrap();
    copied(&copy, &directory);
    let unseen = "cannot tell whether an old backup was put back";
    assert!(!platform.log().contains(unseen));
    platform.restart();
    eventually("it says what is wrong", || {
        platform.get("/readyz").contains("but: entry").then_some(())
    });
    platform.kill();
    std::fs::remove_file(&file).unwrap();
    platform.restart();
    eventually("it cannot tell", || platform.log().contains(unseen).then_some(()));
}

/// Goal: what staff does is noted with who did it, without its secrets; what only looks is not.
#[test]
fn deeds_of_staff_are_listed() {
    let platform = platform();
    platform.customer(1_000);
    done(&platform, &["account", "list"]);
    let listed = platform.cli(&["chain", "list", "--staff", "--json"]);
    let [deed] = &listed["entries"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!(deed["subject"], "account create");
    let note = deed["note"].as_str().unwrap();
    assert!(note.contains("--mobile 0912***0001") && !note.contains("--data-dir"), "{note}");
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    assert!(deed["actor"].as_str().unwrap().starts_with(user.trim()), "{deed} {user}");
    let verified = platform.cli(&["chain", "verify", "--json"]);
    assert_eq!(verified["wrong"].as_array().unwrap().len(), 0, "{verified}");
}

/// A process that enters something, killed before it is done with that or not.
fn writer(directory: &Path, options: &Options, reference: &str) -> Child {
    let mut command = binary();
    command.arg("--data-dir").arg(directory);
    if !options.database.is_empty() {
        command.args(["--database", &options.database]);
    }
    command.args(record(reference));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Goal: however many processes write at once, and wherever they are killed, what is there is one
/// chain, and each fact has its entry.
fn writers_are_killed(options: &Options) {
    let directory = data_dir(options);
    let told = |arguments: &[&str]| {
        let output = run(directory.path(), options, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    told(&["migrate"]);
    let mut seed = 7;
    for round in 0..12 {
        let mut writers: Vec<Child> = (0..3)
            .map(|n| writer(directory.path(), options, &format!("test:{round}:{n}")))
            .collect();
        pause(Duration::from_millis(u64::from(random(&mut seed) % 250)));
        for writer in &mut writers {
            // It may have ended by itself.
            let _ = writer.kill();
            writer.wait().unwrap();
        }
    }
    told(&record("test:last"));
    let verified: serde_json::Value =
        serde_json::from_str(&told(&["chain", "verify", "--json"])).unwrap();
    let listed: serde_json::Value =
        serde_json::from_str(&told(&["violation", "list", "--json"])).unwrap();
    let entered = listed["violations"].as_array().unwrap().len();
    // Each was recorded and, being ours, told at once.
    assert_eq!(verified["facts"], entered * 2, "{verified}");
    assert!(entered > 1, "{listed}");
}

#[test]
fn writers_are_killed_on_sqlite() {
    writers_are_killed(&Options { config: config(""), ..Options::default() });
}

#[test]
fn writers_are_killed_on_postgres() {
    let Some(database) = Database::fresh("avanak_chain") else { return };
    let database = database.url.clone();
    writers_are_killed(&Options { config: config(""), database, ..Options::default() });
}

/// Goal: a figure that proves evidence is nothing that this program alone can make: what is sealed
/// is a text that anybody can hash.
#[test]
fn anybody_can_verify_the_chain() {
    let platform: Platform = platform();
    for n in 0..3 {
        done(&platform, &record(&format!("test:{n}")));
    }
    let listed = platform.cli(&["chain", "list", "--json"]).to_string();
    let script = r#"
import hashlib, json, sys
before, expected = "", 1
for e in reversed(json.load(sys.stdin)["entries"]):
    esc = lambda text: text.replace("\\", "\\\\").replace("\n", "\\n")
    text = (f"avanak chain 1\nbefore={before}\nnumber={e['number']}\nat_us={e['at_us']}\n"
            f"kind={esc(e['kind'])}\nsubject={esc(e['subject'])}\nactor={esc(e['actor'])}\n"
            f"digest={e['digest']}\n")
    assert e["number"] == expected, e
    assert hashlib.sha256(text.encode()).hexdigest() == e["seal"], (text, e)
    before, expected = e["seal"], expected + 1
print(f"{expected - 1}:{before}")
"#;
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), listed.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let head = done(&platform, &["chain", "head"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), head);
}

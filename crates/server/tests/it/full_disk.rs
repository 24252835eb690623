//! A disk that is full: what cannot be kept is refused with a reference, what was accepted is kept,
//! and it goes on by itself once there is room.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::far_end::FarEnd;
use crate::platform::{Options, Platform, config, eventually, rising_tone};

/// What the customer starts with.
const CREDIT: i64 = 1_000_000;
/// One pulse of 5 s at 45 rials a second.
const PULSE: i64 = 225;
/// Tells the test that it runs where it may mount.
const INSIDE: &str = "AVANAK_TEST_MAY_MOUNT";

/// Runs this test again where it may mount a file system that nobody else sees and that ends with
/// it. True inside.
fn may_mount(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    // Root may have no right to namespaces of users, and others have none without them.
    let ways = [&["--mount"][..], &["--map-root-user", "--mount"]];
    let unshare = |way: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way);
        command
    };
    let works = |way: &&&[&str]| {
        let tried = unshare(way).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(works) else {
        // The runner keeps what a passing test prints, but not what is written to the error output.
        let skip = "SKIPPED: no private file system can be mounted here (unshare, mount)";
        std::io::stderr().write_all(format!("{skip}\n").as_bytes()).unwrap();
        return false;
    };
    let mut again = unshare(way);
    again.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let output = again.env(INSIDE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    false
}

/// Takes all the room that is left.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_refuses_what_is_new_and_loses_nothing() {
    if !may_mount("full_disk::a_full_disk_refuses_what_is_new_and_loses_nothing") {
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=32m", "tmpfs"];
    assert!(Command::new("mount").args(mount).arg(disk.path()).status().unwrap().success());
    let far_end = FarEnd::start(300);
    let trunk = format!(
        "[[trunk]]\nname = 'far'\naddress = '{}'\nmax_channels = 300\nmax_cps = 100\n",
        far_end.address
    );
    let options =
        Options { config: config(&trunk), within: disk.path().to_owned(), ..Options::default() };
    let platform = Platform::start(options);
    let customer = platform.customer(CREDIT);
    let clip = rising_tone(4_000);
    let message = platform.upload(&customer, &clip);
    let mut accepted = vec![platform.send(&customer, message, "09120000000")];
    platform.wait_for_answer(&customer, accepted[0]);

    let filler = disk.path().join("filler");
    fill(&filler);
    let refused = eventually("a send is refused", || {
        let number = format!("0912{:07}", accepted.len());
        let answer = platform.try_send(&customer, message, &number);
        let id = answer.json()["QuickSendID"].as_i64().unwrap();
        if id > 0 {
            accepted.push(id);
            return None;
        }
        assert_eq!(id, -20);
        Some(answer.field("x-reference").unwrap().to_owned())
    });
    let log = platform.log();
    let line = log.lines().find(|line| line.contains(&refused)).expect("the log has the reference");
    assert!(line.contains("disk is full"), "the log says why: {line}");
    let upload = {
        use base64::Engine as _;
        let audio = base64::engine::general_purpose::STANDARD.encode(&clip);
        platform.ask(&customer, "UploadMessageBase64", &[("Title", "x"), ("Base64", &audio)])
    };
    assert_eq!(upload.json()["Id"], -500);
    let reference = upload.field("x-reference").expect("a failure has a reference").to_owned();
    assert!(platform.log().contains(&reference));
    eventually("it says that it is not ready", || {
        platform.get("/readyz").starts_with("HTTP/1.1 503").then_some(())
    });
    eventually("the calls go on to their ends", || {
        far_end.seen().values().all(|seen| seen.live == 0).then_some(())
    });

    std::fs::remove_file(&filler).unwrap();
    eventually("it is ready again by itself", || {
        platform.get("/readyz").starts_with("HTTP/1.1 200").then_some(())
    });
    accepted.push(platform.send(&customer, message, "09129999999"));
    for send in &accepted {
        let story = platform.story_of_ended(&customer, *send);
        assert_eq!(story["reason"], 10, "{story}");
    }
    let seen = far_end.seen();
    assert!(seen.values().all(|seen| seen.started == 1), "nobody was called twice: {seen:?}");
    assert_eq!(seen.len(), accepted.len(), "exactly those that were accepted were called");
    let sends = i64::try_from(accepted.len()).unwrap();
    assert_eq!(platform.settled_balance(&customer), CREDIT - sends * PULSE);
}

//! The audit of the books that a server makes by itself, as an operator sees it.

use crate::database::Database;
use crate::platform::{Options, Platform, config, eventually};

const AUDITED: &str = "avanak_ledger_audited_timestamp_seconds";
const VIOLATIONS: &str = "avanak_ledger_violations";

/// Goal: a server audits the books by itself and shows when, and what it found.
#[test]
fn a_server_audits_the_books_by_itself() {
    let platform = Platform::with_sandbox();
    eventually("the books are audited", || (platform.figure(AUDITED) > 1.7e9).then_some(()));
    assert!(platform.figure(VIOLATIONS).abs() < 0.5);
    assert!(platform.log().contains("the books add up"), "{}", platform.log());
}

/// Goal: what does not add up is in the gauge, in the log and in the alerts, until an audit finds
/// it mended.
#[test]
fn books_that_do_not_add_up_are_told() {
    let Some(database) = Database::fresh("audit") else { return };
    let options = Options {
        config: config("[sandbox]\nrecord = false\n"),
        database: database.url.clone(),
        ..Options::default()
    };
    let mut platform = Platform::start(options);
    platform.customer(10_000);
    let audited = |platform: &Platform| {
        eventually("the books are audited", || (platform.figure(AUDITED) > 1.7e9).then_some(()));
        platform.figure(VIOLATIONS)
    };
    let alerts = |platform: &Platform| {
        let told = platform.run(&["alerts"]);
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    assert!(audited(&platform).abs() < 0.5);
    assert!(!alerts(&platform).contains("ledger"));
    // Somebody bends a balance. The next audit is that of the next day: here, of the next start.
    let mut after = |bent: &str| {
        platform.kill();
        database.says(&format!("UPDATE account SET balance_rials = balance_rials {bent}"));
        database.says("DELETE FROM ledger_audit");
        platform.restart();
        (audited(&platform), alerts(&platform), platform.log())
    };
    let (violations, alerts, log) = after("+ 7");
    assert!(violations > 0.5, "{violations}");
    assert!(alerts.contains("ledger  ") && alerts.contains("10007 found"), "{alerts}");
    assert!(log.contains("the books do not add up"), "{log}");
    let (violations, alerts, _) = after("- 7");
    assert!(violations.abs() < 0.5 && !alerts.contains("ledger"), "{violations} {alerts}");
}

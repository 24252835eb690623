//! Worlds that must hold, and planted bugs that must be found: a simulation that cannot fail proves
//! nothing.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]

use std::time::Duration;

use sim::soak::{Load, soak};
use sim::{Failed, Plan, Sabotage, Totals, run};

/// The seeds in which a planted bug has to show.
const SEEDS: u64 = 40;

fn world(plan: Plan) -> Result<Totals, Box<Failed>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(plan, false)).unwrap()
}

#[test]
fn nothing_breaks_in_the_first_seeds() {
    // In 129 a network that comes back after half a minute lets a phone ring late.
    for seed in (0..16).chain([129]) {
        if let Err(failed) = world(Plan::of(seed)) {
            panic!("seed {seed}: {:?}\n{}", failed.breach, failed.story.join("\n"));
        }
    }
}

/// Goal: calls at once for a while, with loss: nothing grows, nothing is left, and both sides have
/// counted the same. `cargo x soak` does it for an hour.
#[test]
fn a_soak_leaves_nothing_and_both_sides_count_the_same() {
    let load = Load { calls: 40, time: Duration::from_mins(2), loss_permille: 20, seed: 1 };
    let report = soak(load);
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.ours.started > 100 && report.packets[1] > 1_000, "{report}");
}

#[test]
fn a_seed_is_the_same_world_every_time() {
    for seed in [3, 8] {
        assert_eq!(world(Plan::of(seed)).unwrap(), world(Plan::of(seed)).unwrap());
    }
}

/// Plants a bug in one seed after the other until an invariant breaks.
fn caught_by(sabotage: Sabotage) -> &'static str {
    for seed in 0..SEEDS {
        if let Err(failed) = world(Plan::of(seed).with(sabotage)) {
            return failed.breach.rule;
        }
    }
    panic!("{sabotage:?} was not noticed in {SEEDS} seeds");
}

#[test]
fn calls_that_recovery_dials_again_are_noticed() {
    // The second is seen first where the forgotten call still rings.
    let rules =
        ["what was dialled is never dialled again", "a number is never in two calls at once"];
    for sabotage in [Sabotage::ForgetRecords, Sabotage::SendBeforeRecording, Sabotage::PassForOwn] {
        let rule = caught_by(sabotage);
        assert!(rules.contains(&rule), "{sabotage:?} broke another rule: {rule}");
    }
}

/// Goal: a phone that rang and was not answered is not called by the next trunk.
#[test]
fn a_second_trunk_after_a_ringing_tone_is_noticed() {
    assert_eq!(caught_by(Sabotage::ForgetRinging), "what was dialled is never dialled again");
}

/// Goal: the seeds do what they are to prove.
#[test]
fn trunks_fail_over_in_some_seeds() {
    let over: u64 = (0..SEEDS).map(|seed| world(Plan::of(seed)).unwrap().failed_over).sum();
    assert!(over > 20, "{over}");
}

#[test]
fn two_calls_to_a_number_are_noticed() {
    assert_eq!(caught_by(Sabotage::CallTwice), "a number is never in two calls at once");
}

#[test]
fn a_gate_that_lets_too_many_through_is_noticed() {
    assert_eq!(caught_by(Sabotage::MoreChannels), "never more calls than channels");
    assert_eq!(caught_by(Sabotage::FasterPace), "never faster than the trunk's pace");
}

#[test]
fn an_end_that_gets_lost_is_noticed() {
    assert_eq!(caught_by(Sabotage::LoseEnds), "everything ends");
}

/// Goal: a campaign that calls after its hours, or counts wrong, is found out.
#[test]
fn campaigns_that_call_too_late_or_count_wrong_are_noticed() {
    assert_eq!(caught_by(Sabotage::CallAfterHours), "nobody is called outside the hours");
    assert_eq!(caught_by(Sabotage::Miscount), "the ledger adds up");
}

/// Goal: the seeds do what they are to prove.
#[test]
fn campaigns_end_in_most_seeds() {
    let ended: u64 = (0..16).map(|seed| world(Plan::of(seed)).unwrap().recipients).sum();
    assert!(ended > 40, "{ended}");
}

#[test]
fn wrong_money_is_noticed() {
    assert_eq!(caught_by(Sabotage::TouchMoney), "the ledger adds up");
    assert_eq!(caught_by(Sabotage::ShortenHearing), "the charge is what the tariff says");
}

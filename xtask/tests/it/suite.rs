//! Goal: the closing line counts what the runners said, and nothing else.

use xtask::suite::{Options, Tally};

#[test]
fn results_of_all_binaries_are_summed() {
    let mut tally = Tally::default();
    for line in [
        "running 3 tests",
        "test a ... ok",
        "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in 0.01s",
        "test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 5 filtered out; \
         finished in 1.20s",
        "9 passed; 9 failed",
    ] {
        tally.count_line(line);
    }
    assert_eq!(tally, Tally { passed: 13, failed: 2, skipped: 1 });
    assert_eq!(tally.line(), "13 passed, 2 failed, 1 skipped");
}

#[test]
fn what_the_suite_does_not_know_goes_to_cargo_test() {
    let arguments = ["--fast", "-p", "store"].map(str::to_owned);
    let options = Options::parse(&arguments);
    assert!(options.fast && !options.no_setup);
    assert_eq!(options.rest, ["-p", "store"]);
}

#[test]
fn a_fuzz_run_is_of_one_target_or_of_all_and_has_an_end() {
    let parse = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        xtask::fuzz::Options::parse(&arguments)
    };
    let all = parse(&["--seconds", "5"]).unwrap();
    assert_eq!((all.target, all.seconds), (None, 5));
    assert_eq!(parse(&["sdp"]).unwrap().target.as_deref(), Some("sdp"));
    for bad in [&["--seconds"][..], &["--seconds", "long"], &["sdp", "rtp"], &["--fast"]] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}

//! The corpora, replayed without a fuzzer, and as many made-up inputs as take no time. One test
//! binary.

use std::path::Path;

/// What libFuzzer found worth keeping stays true, for each target.
#[test]
fn every_file_of_every_corpus_is_taken_without_a_panic() {
    for (name, target) in fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
        assert!(files.len() >= 3, "{name} has no corpus to speak of");
        for file in files {
            target(&std::fs::read(&file).unwrap());
        }
    }
}

/// What the tapes of the engine are named for happens in them.
#[test]
fn the_tapes_of_the_engine_reach_what_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/engine_input");
    let happens = |name: &str| fuzz::what_happens(&std::fs::read(folder.join(name)).unwrap());
    let mut missing = Vec::new();
    for (tape, wanted) in [
        ("gather", &["answered", "recorded", "key", "vote"][..]),
        ("machine", &["answered", "early media", "machine or person"]),
        ("sealed", &["answered", "sealed", "key", "report of the peer"]),
        ("bridge", &["answered", "second leg"]),
        ("loop", &["answered", "in the clear"]),
        ("g722", &["G.722", "recorded"]),
        ("over_tcp", &["answered"]),
        ("over_tls", &["sealed"]),
        ("refused_packet", &["packet refused"]),
        ("trunk_calls", &["came in", "answered a call that came in", "in the clear"]),
        ("phone_calls", &["came in", "answered a call that came in", "in the clear"]),
        ("phone_registers", &["phone registered", "answered"]),
        ("we_register", &["registered with a trunk", "left a trunk"]),
        ("filtered", &["loss not known"]),
    ] {
        let happened = happens(tape);
        let not = wanted.iter().filter(|what| !happened.contains(*what));
        missing.extend(not.map(|what| format!("{tape} has no '{what}': {happened:?}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(!happens("not_sealed").contains("in the clear"), "there were no keys");
}

/// A seed is a byte away from many others: each is taken as well as the seed itself.
#[test]
fn damaged_files_of_every_corpus_are_taken_without_a_panic() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for (name, target) in fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in files {
            let seed = std::fs::read(&file).unwrap();
            for _ in 0..32 {
                let mut bytes = seed.clone();
                for _ in 0..=random(4) {
                    if !bytes.is_empty() {
                        let at = random(bytes.len());
                        bytes[at] = u8::try_from(random(256)).unwrap();
                    }
                }
                target(&bytes);
            }
        }
    }
}

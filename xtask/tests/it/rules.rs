//! Goal: each rule finds the bad example and leaves the good one alone.

use serde_json::json;
use xtask::tidy::{File, Tree, arrows, layout, licences, limits, words};

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

fn tree(files: Vec<File>) -> Tree {
    let nothing = json!({"packages": []});
    Tree { files, metadata: nothing.clone(), dependencies: nothing }
}

fn metadata(from: &str, to: &str, internal: bool, dev: bool) -> serde_json::Value {
    let path = if internal { json!("/somewhere") } else { json!(null) };
    let kind = if dev { json!("dev") } else { json!(null) };
    let dependency = json!({"name": to, "path": path, "kind": kind});
    json!({"packages": [{"name": from, "dependencies": [dependency]}]})
}

#[test]
fn a_function_of_71_lines_is_too_long() {
    let text = |lines: usize| format!("fn long() {{\n{}}}\n", "    x();\n".repeat(lines - 2));
    assert_eq!(limits::long_functions(&file("crates/a/src/b.rs", &text(70))).len(), 0);
    assert_eq!(limits::long_functions(&file("crates/a/src/b.rs", &text(71))).len(), 1);
    let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", text(71));
    assert_eq!(limits::long_functions(&file("crates/a/src/b.rs", &test)).len(), 0);
}

#[test]
fn a_file_of_601_lines_is_too_long_tests_apart() {
    let lines = |n: usize| "// line\n".repeat(n);
    let tests = "#[cfg(test)]\nmod tests {\n    // long\n}\n";
    let files = |path: &str, text: &str| limits::files(&tree(vec![file(path, text)])).len();
    assert_eq!(files("crates/a/src/b.rs", &(lines(600) + tests)), 0);
    assert_eq!(files("crates/a/src/b.rs", &(lines(601) + tests)), 1);
    assert_eq!(files("crates/a/tests/it/b.rs", &lines(900)), 0);
}

#[test]
fn columns_are_characters_and_data_may_be_long() {
    let long = "س".repeat(101);
    assert_eq!(limits::long_lines(&file("a.rs", &"س".repeat(100))).len(), 0);
    assert_eq!(limits::long_lines(&file("a.rs", &format!("// {long}"))).len(), 1);
    assert_eq!(limits::long_lines(&file("a.rs", &format!("f(r\"\n{long}\n\");"))).len(), 0);
}

#[test]
fn unfinished_business_is_found() {
    let found = |text: &str| words::unfinished_in(&file("a.rs", text)).len();
    assert_eq!(found(concat!("// TO", "DO: later")), 1);
    assert_eq!(found(concat!("    todo", "!()")), 1);
    assert_eq!(found("// the method todos() lists what is due"), 0);
}

#[test]
fn modules_called_after_nothing_are_found() {
    let names = |path: &str| words::module_names(&tree(vec![file(path, "")])).len();
    assert_eq!(names("crates/app/src/utils.rs"), 1);
    assert_eq!(names("crates/app/src/common/mod.rs"), 1);
    assert_eq!(names("crates/app/src/quick_send.rs"), 0);
}

#[test]
fn vendor_spellings_stay_in_web() {
    let spelt = concat!("let x = \"Remaind", "Credit\";");
    let found = |path: &str| words::vendor_spellings(&tree(vec![file(path, spelt)])).len();
    assert_eq!(found("crates/app/src/billing.rs"), 1);
    assert_eq!(found("crates/web/src/rest/account.rs"), 0);
    assert_eq!(found("crates/server/tests/it/client.rs"), 0);
}

#[test]
fn arrows_point_one_way() {
    let edges =
        |from, to, dev| arrows::against_table(&arrows::read(&metadata(from, to, true, dev)));
    assert_eq!(edges("web", "app", false).len(), 0);
    assert_eq!(edges("app", "web", false), ["app must not import web"]);
    assert_eq!(edges("engine", "domain", false), ["engine must not import domain"]);
    assert_eq!(edges("engine", "carrier", false), ["engine must not import carrier"]);
    assert_eq!(edges("engine", "carrier", true).len(), 0);
}

#[test]
fn libraries_stay_behind_their_wrapper() {
    let found = |from, to, dev| {
        let edges = arrows::read(&metadata(from, to, false, dev));
        arrows::behind_wrappers(&edges).len() + arrows::only_listed(&edges).len()
    };
    assert_eq!(found("store", "rusqlite", false), 0);
    assert_eq!(found("app", "rusqlite", false), 1);
    assert_eq!(found("domain", "serde", false), 1);
    assert_eq!(found("sip", "sha2", false), 0);
    assert_eq!(found("sip", "proptest", true), 0);
}

#[test]
fn a_second_test_binary_is_found() {
    let found = |path: &str| layout::test_binaries(&tree(vec![file(path, "")])).len();
    assert_eq!(found("crates/a/tests/it/main.rs"), 0);
    assert_eq!(found("crates/a/tests/it/b.rs"), 0);
    assert_eq!(found("crates/a/tests/b.rs"), 1);
    assert_eq!(found("crates/a/tests/more/main.rs"), 1);
}

#[test]
fn unequal_clippy_twins_are_found() {
    let twins = |text: &'static str| {
        let mut files: Vec<File> = ["domain", "sip", "media", "engine"]
            .iter()
            .map(|name| file(&format!("crates/{name}/clippy.toml"), "a"))
            .collect();
        files.push(file("crates/carrier/clippy.toml", text));
        layout::clippy_twins(&tree(files)).len()
    };
    assert_eq!(twins("a"), 0);
    assert_eq!(twins("b"), 1);
}

#[test]
fn a_crate_off_the_map_is_found() {
    let of = |map: &str| {
        let files = vec![file("ARCHITECTURE.md", map), file("crates/sip/Cargo.toml", "")];
        layout::crates_are_named(&tree(files)).len()
    };
    assert_eq!(of("`crates/sip` speaks SIP."), 0);
    assert_eq!(of("`crates/media` speaks RTP."), 1);
}

#[test]
fn documents_may_name_only_what_exists() {
    let of = |text: &str| {
        let tree = tree(vec![file("crates/a/src/b.rs", "pub fn submit() {}")]);
        layout::dead_names(&tree, &file("ARCHITECTURE.md", text)).len()
    };
    assert_eq!(of("`crates/a/src/b.rs` and `crates/a` and `b + c`"), 0);
    assert_eq!(of("`crates/a/src/b.rs::submit`"), 0);
    assert_eq!(of("`crates/a/src/b.rs::sub`"), 1);
    assert_eq!(of("`crates/a/src/gone.rs`"), 1);
    assert_eq!(of("```\n`crates/a/src/gone.rs`\n```"), 0);
}

#[test]
fn code_may_cite_only_documents_that_exist() {
    let of = |text: &str| {
        let files = vec![file("crates/a/src/b.rs", text), file("docs/ERRORS.md", "")];
        layout::cited_documents_exist(&tree(files)).len()
    };
    assert_eq!(of("//! Its rows stand in docs/ERRORS.md."), 0);
    assert_eq!(of("//! See `docs/GONE.md` and docs/decisions."), 1);
}

#[test]
fn a_licence_that_binds_our_users_is_found() {
    let found = |licence: serde_json::Value| {
        let dependencies = json!({"packages": [{"name": "a", "license": licence}]});
        licences::allowed(&Tree { dependencies, ..tree(Vec::new()) }).len()
    };
    for good in ["MIT", "MIT/Apache-2.0", "(MIT OR GPL-3.0-only) AND Unicode-3.0"] {
        assert_eq!(found(json!(good)), 0, "{good}");
    }
    for bad in ["GPL-3.0-or-later", "AGPL-3.0-only", "MIT AND LGPL-2.1-or-later", "made up"] {
        assert_eq!(found(json!(bad)), 1, "{bad}");
    }
    assert_eq!(found(json!(null)), 1);
}

//! Goal: the repository keeps its own rules, so that `cargo test` alone tells a broken one.

use std::sync::OnceLock;

use xtask::tidy::{RULES, Tree, arrows, layout, licences, limits, words};

fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| Tree::read().expect("the tree can be read"))
}

fn holds(rule: fn(&Tree) -> Vec<String>) {
    let findings = rule(tree());
    assert!(findings.is_empty(), "\n  {}\n", findings.join("\n  "));
}

macro_rules! rules {
    ($($name:ident: $rule:path;)*) => {
        $(
            #[test]
            fn $name() {
                holds($rule);
            }
        )*

        #[test]
        fn every_rule_is_a_test() {
            let tested = [$(stringify!($name)),*].len();
            assert_eq!(tested, RULES.len());
        }
    };
}

rules! {
    functions_have_at_most_70_lines: limits::functions;
    files_have_at_most_600_lines: limits::files;
    lines_have_at_most_100_columns: limits::columns;
    documents_are_read_in_one_sitting: limits::documents;
    nothing_is_left_for_later: words::unfinished;
    modules_are_named_after_what_they_hold: words::module_names;
    vendor_spellings_stay_in_web: words::vendor_spellings;
    nothing_names_the_place_it_was_written_in: words::workplace;
    crates_depend_as_the_table_says: arrows::edges;
    libraries_stay_behind_their_wrapper: arrows::wrappers;
    pure_crates_import_only_what_is_listed: arrows::pure_crates;
    dependencies_leave_a_choice_of_free_licences: licences::allowed;
    pure_crates_deny_the_same_things: layout::clippy_twins;
    a_crate_has_one_test_binary: layout::test_binaries;
    architecture_names_every_crate: layout::crates_are_named;
    documents_name_only_what_exists: layout::named_paths_exist;
    code_cites_only_documents_that_exist: layout::cited_documents_exist;
}

#[test]
fn the_readme_and_the_automatic_run_use_the_same_command() {
    let run = &tree().file(".ci/run").unwrap().text;
    let readme = &tree().file("README.md").unwrap().text;
    assert!(run.lines().any(|line| line == "cargo x test"), "{run}");
    assert!(readme.lines().any(|line| line == "cargo x test"), "{readme}");
    assert!(readme.lines().any(|line| line == "cargo x demo"), "{readme}");
}

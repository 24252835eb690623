//! Goal: the scanner knows code from what only looks like code.

use xtask::tidy::source::Source;

fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let found = Source::scan(text).functions();
    found.into_iter().map(|f| (f.name, f.first_line, f.last_line)).collect()
}

#[test]
fn a_function_ends_at_its_own_brace() {
    let text = "fn one() {\n    if x {\n    }\n}\n\nfn two() -> [u8; { 2 }] {\n    [0, 0]\n}\n";
    assert_eq!(functions(text), [("one".into(), 1, 4), ("two".into(), 6, 8)]);
}

#[test]
fn braces_in_literals_and_comments_count_nothing() {
    let text = concat!(
        "fn one() {\n",
        "    // }\n",
        "    /* } /* } */ } */\n",
        "    let a = \"}\\\"}\";\n",
        "    let b = r#\"}\"}\"#;\n",
        "    let c = '}';\n",
        "    let d = b'}';\n",
        "    let e = '\\'';\n",
        "    let f = '\\u{7d}';\n",
        "    let g = br\"}\";\n",
        "}\n",
    );
    assert_eq!(functions(text), [("one".into(), 1, 11)]);
}

#[test]
fn lifetimes_are_no_characters() {
    let text = "fn one<'a>(x: &'a str) -> &'a str {\n    'outer: loop {\n    }\n}\n";
    assert_eq!(functions(text), [("one".into(), 1, 4)]);
}

#[test]
fn declarations_and_pointers_have_no_body() {
    let text =
        "trait T {\n    fn one(&self);\n    fn two(&self) {\n    }\n}\ntype F = fn (u8) -> u8;\n";
    assert_eq!(functions(text), [("two".into(), 3, 4)]);
}

#[test]
fn functions_in_strings_are_no_functions() {
    assert_eq!(functions("const TEXT: &str = \"\nfn one() {\n}\n\";\n"), []);
    assert_eq!(functions("// fn one() {}\n"), []);
}

#[test]
fn raw_identifiers_are_words() {
    assert_eq!(functions("fn one(r#type: u8) {\n}\n"), [("one".into(), 1, 2)]);
}

#[test]
fn test_modules_are_known() {
    let text = "fn one() {}\n#[cfg(test)]\nmod tests {\n    fn two() {}\n}\nfn three() {}\n";
    let test = Source::scan(text).test_lines();
    assert_eq!(test, [false, true, true, true, true, false, false]);
}

#[test]
fn a_test_module_in_its_own_file_ends_at_its_semicolon() {
    let test = Source::scan("#[cfg(test)]\nmod tests;\nfn one() {\n}\n").test_lines();
    assert_eq!(test, [true, false, false, false, false]);
}

#[test]
fn scanning_never_loses_a_line() {
    for text in ["", "\n", "'", "'\\", "\"", "r#\"", "/*", "//", "a\n'x\n\"\n", "b'\\x"] {
        assert_eq!(Source::scan(text).code.len(), text.split('\n').count(), "{text:?}");
    }
}

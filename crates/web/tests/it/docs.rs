//! docs/ERRORS.md and docs/DISPOSITIONS.md say what the code says.

/// Compares a page with the file in docs/, or writes it there.
fn compare(name: &str, page: &str) {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/{name} is stale: UPDATE_DOCS=1 cargo test -p web docs");
}

#[test]
fn the_catalogue_of_errors_is_fresh() {
    compare("ERRORS.md", &web::errors_page());
}

#[test]
fn the_table_of_dispositions_is_fresh() {
    compare("DISPOSITIONS.md", &web::dispositions_page());
}

#[test]
fn the_reference_of_soap_is_fresh() {
    compare("SOAP.md", &web::soap_page());
}

/// Each test that the table of checks names is there.
#[test]
fn the_table_of_checks_names_tests_that_exist() {
    let root = format!("{}/../..", env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(format!("{root}/docs/CHECKS.md")).unwrap();
    let named: Vec<(&str, &str)> =
        table.split('`').filter_map(|text| text.split_once(".rs::")).collect();
    assert!(named.len() > 150, "the table names {} tests", named.len());
    for (file, test) in named {
        let path = format!("{root}/crates/{file}.rs");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text.contains(&format!("fn {test}(")), "docs/CHECKS.md: {file}.rs has no {test}");
    }
    let row = |id: &str| {
        let start = format!("| {id} |");
        let found = table.lines().find(|line| line.starts_with(&start));
        found.unwrap_or_else(|| panic!("docs/CHECKS.md has no {id}"))
    };
    let all = [('I', 19), ('C', 32), ('A', 37)].map(|(letter, last)| (1..=last, letter));
    for (numbers, letter) in all {
        for number in numbers {
            row(&format!("{letter}{number:02}"));
        }
    }
    let is_check = |line: &&str| {
        let id = line.strip_prefix("| ").and_then(|line| line.split_once(' ')).map(|(id, _)| id);
        let number = id.and_then(|id| id.strip_prefix(['T', 'I', 'C', 'A']));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    for check in table.lines().filter(is_check) {
        let proven = check.contains(".rs::") || check.contains("— ");
        assert!(proven, "a check has neither a test nor a reason: {check}");
    }
}

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

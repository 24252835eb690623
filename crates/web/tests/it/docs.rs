//! docs/ERRORS.md says what the code says.

#[test]
fn the_catalogue_of_errors_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ERRORS.md");
    let page = web::errors_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == page, "docs/ERRORS.md is stale: UPDATE_DOCS=1 cargo test -p web docs");
}

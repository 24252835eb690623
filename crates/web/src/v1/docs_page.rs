//! The documentation that the server itself serves: nothing in it comes from another host, so it
//! works where there is no internet. The list of problems is printed from their table.

use std::fmt::Write;

use axum::response::Html;

use super::problem::Kind;

/// `/v1/docs`.
pub(super) async fn docs() -> Html<String> {
    let mut rows = String::new();
    for kind in Kind::ALL {
        let words = kind.words();
        let (code, status, title, fix) = (words.code, words.status, words.title, words.fix);
        let (title_fa, fix_fa) = (words.title_fa, words.fix_fa);
        writeln!(
            rows,
            "<tr id=\"{code}\"><td><code>{code}</code><td>{status}<td>{title}<td>{fix}\
             <td lang=\"fa\" dir=\"rtl\">{title_fa} {fix_fa}"
        )
        .expect("a String takes any text");
    }
    Html(include_str!("docs.html").replace("<!--problems-->", &rows))
}

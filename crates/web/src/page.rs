//! The front page: where a person who opens the address finds the documentation.

use axum::response::Html;

/// One page in both languages.
pub(crate) async fn front() -> Html<&'static str> {
    Html(include_str!("front.html"))
}

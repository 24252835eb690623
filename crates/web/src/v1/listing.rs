//! Pages of lists: which part is asked for, and after which place the next one begins.

use std::fmt::Display;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::messages::{json as answer, limit, query_of};
use super::problem::{Kind, Problem};

/// How many things a page is to have, and the place that it begins after, which `place` reads. A
/// query that asks for a page has nothing else.
pub(super) fn part<T>(
    query: &str,
    place: impl FnOnce(&str) -> Option<T>,
) -> Result<(u32, Option<T>), Problem> {
    let params = query_of(query, &["limit", "after"])?;
    let limit = limit(&params)?;
    let no_page = || {
        Problem::with(
            Kind::InvalidRequest,
            ("after is no next_page of ours", "after هیچ next_page ما نیست"),
        )
    };
    let after = params.text("after").map(|text| place(text).ok_or_else(no_page));
    Ok((limit, after.transpose()?))
}

/// The number of something, as we write it.
pub(super) fn id_of(text: &str) -> Option<i64> {
    text.parse().ok().filter(|&id| id > 0)
}

/// A page of what was found, each at its place.
pub(super) fn page<'a, T, P: Display, S: Serialize>(
    found: &'a [T],
    limit: u32,
    place: impl FnOnce(&T) -> P,
    shown: impl Fn(&'a T) -> S,
) -> Response {
    let data: Vec<S> = found.iter().map(shown).collect();
    listed(&data, next_page(found, limit, place).as_deref())
}

/// The place after which the next page begins; none when this one is not full.
pub(super) fn next_page<T, P: Display>(
    found: &[T],
    limit: u32,
    place: impl FnOnce(&T) -> P,
) -> Option<String> {
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    found.last().filter(|_| is_full).map(|last| place(last).to_string())
}

/// A page as it is told.
pub(super) fn listed(data: &[impl Serialize], next_page: Option<&str>) -> Response {
    answer(StatusCode::OK, &json!({ "object": "list", "data": data, "next_page": next_page }))
}

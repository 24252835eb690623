//! Billing: money, tariffs and rating. Exact, integer, checked.

pub mod money;
pub mod rating;
pub mod tariff;

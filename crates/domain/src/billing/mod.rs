//! Billing: money, tariffs, rating, subscriptions and invoices. Exact, integer, checked.

pub mod invoice;
pub mod money;
pub mod payment;
pub mod plan_change;
pub mod rating;
pub mod subscription;
pub mod tariff;

//! HTTP: the vendor's REST and SOAP services, the modern API, and the probes an operator needs.
//! Translates; decides nothing.
//! The only crate that knows axum, and where the vendor's spellings stop.

mod arrival;
mod page;
mod params;
mod probe;
mod region;
mod remainder;
mod rest;
mod router;
mod serve;
mod soap;
mod v1;

pub use page::on_page as announcement_on_page;
pub use probe::Readiness;
pub use rest::{dispositions_page, errors_page, status_label};
pub use router::{Settings, router};
pub use serve::serve;
pub use soap::soap_page;
pub use v1::{Posted, posted, secret_of as webhook_secret, signed as webhook_signed};

/// The spelling that the permissions know a method of any service by, written in any case; `None`
/// when there is no such method.
pub fn method_name(written: &str) -> Option<&'static str> {
    rest::method_name(written)
        .or_else(|| soap::method_name(written))
        .or_else(|| v1::operation_name(written))
}

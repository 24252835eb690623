//! HTTP: the vendor's REST services, and the probes an operator needs. Translates; decides nothing.
//! The only crate that knows axum, and where the vendor's spellings stop.

mod arrival;
mod page;
mod probe;
mod rest;
mod router;
mod serve;

pub use probe::Readiness;
pub use rest::{dispositions_page, errors_page, method_name, status_label};
pub use router::{Settings, router};
pub use serve::serve;

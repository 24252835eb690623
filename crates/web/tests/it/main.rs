//! The web services as their clients see them: the router over the real use cases and store.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]

#[path = "../../../app/tests/it/calls.rs"]
mod calls;
mod campaign;
mod client;
mod codes;
mod docs;
mod events;
mod exports;
mod hostile;
mod kept_codes;
mod lists;
mod once;
mod one_time_code;
mod probes;
mod reports;
mod rest;
mod serving;
mod soap;
mod soap_bindings;
mod v1;
mod v1_announcements;
mod v1_calls;
mod v1_campaigns;
mod v1_claims;
mod v1_error_reports;
mod v1_identity;
mod v1_invoices;
mod v1_payments;
mod v1_promises;
mod v1_sms;
mod v1_statement;
mod v1_templates;
mod v1_tickets;
mod v1_violations;
mod verification;
#[path = "../../../app/tests/it/world.rs"]
mod world;

//! The service agreement: what is promised, how it is measured, and what follows when a promise is
//! missed. Clauses (C..), resolutions (A..) and invariants (I..) are those of its specification.

pub mod alert;
pub mod attachment;
pub mod availability;
pub mod board;
pub mod callback;
pub mod capacity;
pub mod cause;
pub mod claim;
pub mod clock;
pub mod compensation;
pub mod contact;
pub mod credit;
pub mod delivery;
pub mod error_report;
pub mod identity;
pub mod maintenance;
pub mod measurement;
pub mod openslo;
pub mod parameter;
pub mod remote_session;
pub mod scope;
pub mod staff;
pub mod state_interval;
pub mod statement;
pub mod support_call;
pub mod support_line;
pub mod support_queue;
pub mod ticket;
pub mod vantage;
pub mod version;
pub mod violation;

//! The service agreement: what is promised, how it is measured, and what follows when a promise is
//! missed. Clauses (C..), resolutions (A..) and invariants (I..) are those of its specification.

pub mod availability;
pub mod maintenance;
pub mod scope;

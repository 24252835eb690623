//! A node with a real database and hand-fed engine events: what is dialled, when, and what becomes
//! of it.

mod dialling;
mod fixture;
mod recovering;
mod settling;

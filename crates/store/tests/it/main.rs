//! What the store promises, on both engines.

mod cold;
mod engines;
mod faults;
mod hot;
mod races;
mod random;
mod recovery;
mod schema;
mod world;

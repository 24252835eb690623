//! A whole platform in one thread: virtual time, seeded carrier and network, invariants.

//! Use cases: one function is one thing a person or node may do, in one transaction.

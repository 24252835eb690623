//! The only crate that knows SQL. One file per aggregate: functions over a transaction. hot/: the batch verbs of the dialer.

//! The database.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Key, Secret};

section! {
    /// Where accounts, sends and money are kept.
    Database {
        /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`.
        /// Empty: `avanak.db` in the data directory.
        /// The connection to PostgreSQL is not encrypted: keep it on this machine, in a private
        /// network or in a tunnel. A URL with `sslmode=require` is refused.
        url: Secret = Secret::default(),
        /// How far this machine's clock may be off from that of PostgreSQL, in milliseconds. With
        /// more, nothing that is evidence is written here, and an alert says so. SQLite has no
        /// clock of its own.
        clock_limit_ms: u32 = 5_000,
        /// Where this node keeps the last entry of the chain of evidence that it saw. Empty:
        /// `chain-head` in the data directory. If backups take that directory along, name another
        /// place: only what is not put back shows that an old backup was.
        chain_head: PathBuf = PathBuf::new(),
    }
}

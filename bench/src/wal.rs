//! What SQLite's write-ahead log tells of itself.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Where the SQLite index of the write-ahead log counts commits (`iChange` in `wal.c`).
const COMMITS_AT: usize = 8;

/// The commits of a SQLite database in WAL mode; with `synchronous=FULL` each is one flush.
pub struct Commits {
    index: PathBuf,
    before: u32,
}

impl Commits {
    /// Those from now on.
    ///
    /// # Errors
    /// There is no such database.
    pub fn of(database: &Path) -> Result<Self> {
        let index = PathBuf::from(format!("{}-shm", database.display()));
        let before = read_commits(&index)?;
        Ok(Self { index, before })
    }

    /// How many there were since.
    ///
    /// # Errors
    /// The database is gone.
    pub fn since(&self) -> Result<u64> {
        Ok(read_commits(&self.index)?.wrapping_sub(self.before).into())
    }
}

fn read_commits(index: &Path) -> Result<u32> {
    let bytes = std::fs::read(index).context("reading the index of the write-ahead log")?;
    let count = bytes.get(COMMITS_AT..).and_then(<[u8]>::first_chunk);
    Ok(u32::from_ne_bytes(*count.context("the index is too short")?))
}

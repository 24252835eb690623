//! Where benchmarks write, and what the disk below costs by itself.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use server::clock;
use tempfile::TempDir;

/// A fresh folder beside the benchmark's own program: temporary folders are often in memory,
/// where a flush costs nothing.
///
/// # Errors
/// There is no room to make it.
pub fn scratch() -> Result<TempDir> {
    TempDir::with_prefix_in("bench-", beside()?).context("making a folder")
}

/// The folder of the benchmark's own program.
///
/// # Errors
/// The system does not say.
pub fn beside() -> Result<PathBuf> {
    let program = std::env::current_exe().context("asking where this program is")?;
    Ok(program.parent().context("the program lies in no folder")?.to_owned())
}

/// Bytes that are free on the disk of `folder`.
///
/// # Errors
/// There is no such folder.
pub fn free(folder: &Path) -> Result<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).context("asking how full the disk is")?;
    Ok(disk.blocks_available() * disk.fragment_size())
}

/// A log that is made durable after each append, as the yardstick of every durable answer.
pub struct RawLog {
    file: File,
}

impl RawLog {
    /// Opens a new log in `folder`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("raw.log");
        Ok(Self { file: File::create(path).context("making the raw log")? })
    }

    /// Appends a page of 4 KiB and waits until it is on the disk. Returns how long that took.
    ///
    /// # Errors
    /// The disk failed.
    pub fn append(&mut self) -> Result<Duration> {
        let page = [0x5A; 4096];
        let before = clock::instant();
        self.file.write_all(&page).context("appending to the raw log")?;
        self.file.sync_data().context("flushing the raw log")?;
        Ok(clock::instant() - before)
    }
}

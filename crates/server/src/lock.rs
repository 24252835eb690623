//! One server a data directory: two would share one flight recorder and one secret.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg};

/// The lock, held until it is dropped or the process dies, however it dies.
#[derive(Debug)]
pub struct DirLock {
    _file: Flock<File>,
}

/// Takes the data directory for this process.
///
/// # Errors
/// Another server has it.
pub fn take(dir: &Path) -> Result<DirLock> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(DirLock { _file: file }),
        Err(_) => bail!(
            "another server runs on {}: stop it, or give this one its own directory",
            dir.display()
        ),
    }
}

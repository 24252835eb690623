//! The flight recorder's file: fixed slots written in place. What `write_at` has written is in the
//! kernel's page cache and survives the death of this process, kill -9 included; it is not flushed
//! to the disk, because after a loss of power the boot id says not to trust it anyway
//! (docs/decisions/0003).

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use node::{SLOT_BYTES, SlotError, SlotFile, SlotImage};
use sha2::{Digest as _, Sha256};

/// The largest file that is read at the start: far beyond the slots of any node.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The recorder over its file.
pub type Recorder = node::Recorder<SlotsOnDisk>;

/// Slots in a file, which the shards share: each writes to slots of its own.
#[derive(Debug, Clone)]
pub struct SlotsOnDisk {
    file: Arc<File>,
}

impl SlotsOnDisk {
    /// Opens the file, and takes the disk space of `slots` slots now: a disk that fills up later
    /// cannot stop a call from being recorded.
    fn open(path: &Path, slots: u32) -> std::io::Result<Self> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let wanted = (u64::from(slots) + 1) * SLOT_BYTES as u64;
        let mut length = file.seek(SeekFrom::End(0))?;
        let zeros = [0; SLOT_BYTES];
        while length < wanted {
            let missing = usize::try_from(wanted - length).unwrap_or(SLOT_BYTES).min(SLOT_BYTES);
            file.write_all(&zeros[..missing])?;
            length += missing as u64;
        }
        Ok(Self { file: Arc::new(file) })
    }
}

impl SlotFile for SlotsOnDisk {
    fn write_at(&mut self, slot: u32, bytes: &SlotImage) -> Result<(), SlotError> {
        let offset = u64::from(slot) * SLOT_BYTES as u64;
        self.file.write_all_at(bytes, offset).map_err(|error| SlotError(error.to_string()))
    }

    fn read_all(&mut self) -> Result<Vec<u8>, SlotError> {
        let mut bytes = Vec::new();
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|error| SlotError(error.to_string()))?;
        Ok(bytes)
    }
}

/// Opens the recorder of a node, with room for `slots` calls that stand in the database at the
/// URL `database`.
///
/// # Errors
/// The file cannot be opened or read, or the disk has no room for it.
pub fn open(path: &Path, slots: u32, database: &str) -> Result<Recorder> {
    let most = FILE_BYTES_MAX / SLOT_BYTES as u64 / 2;
    if u64::from(slots) > most {
        bail!("sip.max_calls is {slots}: the flight recorder has room for at most {most} calls");
    }
    let file = SlotsOnDisk::open(path, slots)
        .with_context(|| format!("opening the flight recorder {}", path.display()))?;
    Recorder::open_file(file, &origin(&boot_id()?, database), slots)
        .with_context(|| format!("reading the flight recorder {}", path.display()))
}

/// What a file of ours is bound to: calls of another boot may be missing in it, and calls of
/// another database are other calls, whatever their numbers are.
fn origin(boot_id: &str, database: &str) -> String {
    let digest = Sha256::digest(database.as_bytes());
    let short = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{boot_id} {short:016x}")
}

/// The identity of the machine's running boot.
fn boot_id() -> Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("asking the kernel for its boot id")?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file's calls are told apart by boot and database, in what the header has room for.
    #[test]
    fn an_origin_is_a_boot_and_a_database() {
        let boot = "0f0b6a1e-5d0c-4a52-9d2b-6f7f3f1f9f11";
        let here = origin(boot, "sqlite:var/avanak.db");
        assert_eq!(here, origin(boot, "sqlite:var/avanak.db"));
        assert_ne!(here, origin(boot, "postgres://db.example/avanak"));
        assert!(here.starts_with(boot) && here.len() <= 64, "{here}");
    }
}

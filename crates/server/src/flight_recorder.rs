//! The flight recorder's file: fixed slots written in place. What `write_at` has written is in the
//! kernel's page cache and survives the death of this process, kill -9 included; it is not flushed
//! to the disk, because after a loss of power the boot id says not to trust it anyway
//! (docs/decisions/0003).

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use node::{SLOT_BYTES, SlotError, SlotFile, SlotImage};

/// The largest file that is read at the start: far beyond the slots of any node.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The recorder over its file.
pub type Recorder = node::Recorder<SlotsOnDisk>;

/// Slots in a file.
#[derive(Debug)]
pub struct SlotsOnDisk {
    file: File,
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
        Ok(Self { file })
    }
}

impl SlotFile for SlotsOnDisk {
    fn write_at(&mut self, slot: u32, bytes: &SlotImage) -> Result<(), SlotError> {
        let offset = u64::from(slot) * SLOT_BYTES as u64;
        self.file.write_all_at(bytes, offset).map_err(|error| SlotError(error.to_string()))
    }

    fn read_all(&mut self) -> Result<Vec<u8>, SlotError> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| (&self.file).take(FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|error| SlotError(error.to_string()))?;
        Ok(bytes)
    }
}

/// Opens the recorder of one shard, with room for `slots` calls.
///
/// # Errors
/// The file cannot be opened or read, or the disk has no room for it.
pub fn open(path: &Path, slots: u32) -> Result<Recorder> {
    let file = SlotsOnDisk::open(path, slots)
        .with_context(|| format!("opening the flight recorder {}", path.display()))?;
    Recorder::open_file(file, &boot_id()?, slots)
        .with_context(|| format!("reading the flight recorder {}", path.display()))
}

/// The identity of the machine's running boot.
fn boot_id() -> Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("asking the kernel for its boot id")?;
    Ok(text.trim().to_owned())
}

//! Audio as files in the data directory: written beside, flushed, then renamed into place, so that
//! a name is either whole or absent.

use std::path::{Path, PathBuf};

use app::Failure;
use app::ports::{Blobs, BoxFuture};
use tokio::io::AsyncWriteExt as _;

/// The longest name of a blob, in bytes.
const NAME_MAX: usize = 100;

/// Blobs below one directory.
#[derive(Debug, Clone)]
pub struct FileBlobs {
    root: PathBuf,
}

impl FileBlobs {
    /// Blobs below `root`, which is made if it is missing.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(root: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        if !is_name(name) {
            return Err(Failure::of(format!("'{name}' is not a name for a blob")));
        }
        Ok(self.root.join(name))
    }
}

/// Puts a file in its place, whole and on the disk, with the folder that it is in.
///
/// # Errors
/// It cannot be written; what was there stays.
pub(crate) async fn put_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    tokio::fs::create_dir_all(folder).await?;
    let beside = unique_beside(path);
    let written = write_durably(&beside, bytes).await;
    if let Err(error) = written {
        // The name was never in use; what is left of a full disk's try is of no use.
        tokio::fs::remove_file(&beside).await.ok();
        return Err(error);
    }
    tokio::fs::rename(&beside, path).await?;
    tokio::fs::File::open(folder).await?.sync_all().await
}

async fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tokio::fs::File::create(path).await?;
    file.write_all(bytes).await?;
    file.sync_all().await
}

/// A name that no other writer uses at the same time.
fn unique_beside(path: &Path) -> PathBuf {
    let mut tag = [0; 8];
    crate::clock::fill_random(&mut tag);
    path.with_extension(format!("{:016x}.part", u64::from_le_bytes(tag)))
}

/// Names are made by us, of a few characters only; anything else could leave the directory.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/.-".contains(&b);
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name.bytes().all(plain)
        && !name.contains("..")
        && !name.starts_with('/')
}

impl Blobs for FileBlobs {
    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let path = self.path(name)?;
            put_whole(&path, &bytes)
                .await
                .map_err(|error| Failure::because(format!("storing audio {name}"), error))
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            match tokio::fs::read(self.path(name)?).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Failure::because(format!("reading audio {name}"), error)),
            }
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            match tokio::fs::remove_file(self.path(name)?).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Failure::because(format!("removing audio {name}"), error))
                }
                _ => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_is_got_until_it_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(dir.path().join("audio")).unwrap();
        blobs.put("clip/1.wav", b"one".to_vec()).await.unwrap();
        blobs.put("clip/1.wav", b"two".to_vec()).await.unwrap();
        assert_eq!(blobs.get("clip/1.wav").await.unwrap(), Some(b"two".to_vec()));
        blobs.delete("clip/1.wav").await.unwrap();
        blobs.delete("clip/1.wav").await.unwrap();
        assert_eq!(blobs.get("clip/1.wav").await.unwrap(), None);
        let left = std::fs::read_dir(dir.path().join("audio/clip")).unwrap().count();
        assert_eq!(left, 0, "nothing is left behind");
    }

    #[tokio::test]
    async fn a_name_cannot_leave_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(dir.path().to_owned()).unwrap();
        for name in ["../x", "/etc/passwd", "", "A", "a\0b"] {
            assert!(blobs.get(name).await.is_err(), "{name}");
        }
    }
}

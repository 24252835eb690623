//! Checkpoints: what the write-ahead log holds goes back into the database, so that the log begins
//! anew. Copying is the work of a thread of its own: in the writer, which would do it at a commit,
//! everybody would wait for some 16 MB to be written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::OpenFlags;

use super::BUSY_TIMEOUT;

/// Pages in the log after which they are copied; 16 MB keeps checkpoints rare under load.
const PAGES: usize = 4_000;
/// Pages that come to a log which could not begin anew, a reader being at it, until it is tried
/// again.
const PAGES_MORE: usize = 1_000;
/// Both ways of copying: as far as nobody has to wait.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// The checkpoints of one database, led by its writer.
pub(crate) struct Checkpoints {
    path: PathBuf,
    /// In the log at the last commit.
    pages: Arc<AtomicUsize>,
    /// In the log at the last but one.
    pages_before: usize,
    /// When so many are in the log, they are copied.
    due_at: usize,
    /// Whether the thread is at it.
    copying: bool,
    /// Whether it has ended since the writer looked.
    copied: Arc<AtomicBool>,
    thread: Option<Thread>,
}

struct Thread {
    orders: SyncSender<()>,
    handle: JoinHandle<()>,
}

impl Checkpoints {
    /// Takes the checkpoints of the database at `path` from the connection that writes.
    pub(crate) fn of(path: &Path, connection: &mut rusqlite::Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&pages);
        // SQLite's own way to copy at a commit is a hook, too, which this one replaces.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            counted.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            path: path.to_path_buf(),
            pages,
            pages_before: 0,
            due_at: PAGES,
            copying: false,
            copied: Arc::new(AtomicBool::new(false)),
            thread: None,
        })
    }

    /// Looks after the log between two groups.
    pub(crate) fn after_group(&mut self, connection: &rusqlite::Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.pages_before {
            self.due_at = PAGES;
        }
        self.pages_before = pages;
        if self.copying {
            if self.copied.swap(false, Ordering::Acquire) {
                // What was committed meanwhile is little. When nothing is left to copy, the next
                // commit begins the log anew.
                copy(connection);
                self.copying = false;
                self.due_at = pages + PAGES_MORE;
            }
        } else if pages >= self.due_at {
            self.copying = true;
            self.order();
        }
    }

    /// Lets the thread copy; without one, the writer does it all at the next group.
    fn order(&mut self) {
        if self.thread.is_none() {
            self.thread = self.start();
        }
        let ordered = self.thread.as_ref().is_some_and(|thread| thread.orders.send(()).is_ok());
        if !ordered {
            self.copied.store(true, Ordering::Release);
        }
    }

    fn start(&self) -> Option<Thread> {
        let (orders, inbox) = sync_channel(1);
        let (path, copied) = (self.path.clone(), Arc::clone(&self.copied));
        let started = std::thread::Builder::new()
            .name(String::from("sqlite-copier"))
            .spawn(move || serve(&path, &inbox, &copied));
        match started {
            Ok(handle) => Some(Thread { orders, handle }),
            Err(error) => {
                tracing::warn!(%error, "no thread for checkpoints: the writer makes them");
                None
            }
        }
    }
}

impl Drop for Checkpoints {
    /// The writer's connection is to be the last, which leaves no log behind.
    fn drop(&mut self) {
        let Some(Thread { orders, handle }) = self.thread.take() else { return };
        drop(orders);
        if handle.join().is_err() {
            tracing::error!("the thread of checkpoints ended by a panic");
        }
    }
}

/// The thread: a copy for each order.
fn serve(path: &Path, inbox: &Receiver<()>, copied: &AtomicBool) {
    let mut connection = None;
    while let Ok(()) = inbox.recv() {
        if connection.is_none() {
            connection = match open(path) {
                Ok(opened) => Some(opened),
                Err(error) => {
                    tracing::warn!(%error, "a checkpoint found no connection: the writer makes it");
                    None
                }
            };
        }
        if let Some(connection) = &connection {
            copy(connection);
        }
        copied.store(true, Ordering::Release);
    }
}

fn open(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Copies what can be copied. Nothing is lost when that fails: the log keeps it.
fn copy(connection: &rusqlite::Connection) {
    if let Err(error) = connection.query_row(COPY, [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log could not be copied, and grows");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAL_HEADER: u64 = 32;
    const FRAME: u64 = 4_096 + 24;

    /// A database with a table, its writer, and its checkpoints.
    fn database(dir: &Path) -> (rusqlite::Connection, Checkpoints) {
        let path = dir.join("a.db");
        let mut writer = rusqlite::Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.pragma_update(None, "synchronous", "FULL").unwrap();
        writer.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, what BLOB)").unwrap();
        let checkpoints = Checkpoints::of(&path, &mut writer).unwrap();
        (writer, checkpoints)
    }

    /// Commits about `pages` pages, and looks after the log.
    fn commit(writer: &rusqlite::Connection, checkpoints: &mut Checkpoints, pages: usize) {
        let what = vec![7_u8; pages * 4_000];
        writer.execute("INSERT INTO t (what) VALUES (?1)", [what]).unwrap();
        checkpoints.after_group(writer);
    }

    fn pages_of_log(dir: &Path) -> u64 {
        let bytes = std::fs::metadata(dir.join("a.db-wal")).unwrap().len();
        bytes.saturating_sub(WAL_HEADER) / FRAME
    }

    /// Goal: the log is copied beside the commits and begins anew; every row stays, and the file of
    /// the log does not grow with what is written.
    #[test]
    fn the_log_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, mut checkpoints) = database(dir.path());
        let commits = 400;
        for _ in 0..commits {
            commit(&writer, &mut checkpoints, 100);
            // The thread is given the time that it would have beside real work.
            while checkpoints.copying && !checkpoints.copied.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }
        assert!(pages_of_log(dir.path()) < 5_000, "{}", pages_of_log(dir.path()));
        let count = "SELECT COUNT(*) FROM t WHERE length(what) = 400000";
        let kept: u32 = writer.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, commits);
        drop(checkpoints);
        drop(writer);
        assert!(!dir.path().join("a.db-wal").exists(), "the last connection leaves no log");
    }

    /// Goal: while a reader holds the log up, it is not copied at every commit; when the reader has
    /// gone, the log begins anew.
    #[test]
    fn a_reader_holds_the_log_up_and_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, mut checkpoints) = database(dir.path());
        let reader = rusqlite::Connection::open(dir.path().join("a.db")).unwrap();
        reader.execute_batch("BEGIN; SELECT COUNT(*) FROM t").unwrap();
        let mut orders = 0;
        let mut run = |commits: usize, checkpoints: &mut Checkpoints| {
            for _ in 0..commits {
                let before = checkpoints.copying;
                commit(&writer, checkpoints, 100);
                orders += usize::from(checkpoints.copying && !before);
                while checkpoints.copying && !checkpoints.copied.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
            }
            orders
        };
        // Ten thousand pages: at 4000, and then at each 1000 more.
        let held = run(100, &mut checkpoints);
        assert!((4..=8).contains(&held), "{held}");
        reader.execute_batch("COMMIT").unwrap();
        run(30, &mut checkpoints);
        let pages = checkpoints.pages.load(Ordering::Relaxed);
        assert!(pages < 3_100, "the log began anew: {pages}");
    }

    /// Goal: without the thread, the writer copies by itself.
    #[test]
    fn the_writer_copies_when_no_thread_does() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, mut checkpoints) = database(dir.path());
        // A path at which no connection can be opened.
        checkpoints.path = dir.path().join("nowhere").join("a.db");
        for _ in 0..200 {
            commit(&writer, &mut checkpoints, 100);
            while checkpoints.copying && !checkpoints.copied.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }
        assert!(pages_of_log(dir.path()) < 5_000, "{}", pages_of_log(dir.path()));
    }
}

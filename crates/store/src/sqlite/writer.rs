//! The writer thread. Requests that wait at the same time become one group, each in a savepoint
//! of its own, and share one commit; they are answered after it.
//!
//! An open [`Transaction`] holds the thread: every other writer waits for its next statement, so
//! it is undone when none comes for a while.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::checkpoint::Checkpoints;
use super::{Connection, answer, execute, query};
use crate::{Error, Result, Row, Value};

/// The most requests in one group, so that the first of them is not kept waiting for long.
const GROUP_MAX: usize = 1024;
/// How long a transaction may go without a statement.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The way to the writer thread.
#[derive(Clone)]
pub(crate) struct Writer {
    requests: SyncSender<Request>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What the thread is asked for.
enum Request {
    Work(Box<dyn FnOnce(&Connection<'_>) -> Waiting + Send>),
    Begin { started: oneshot::Sender<Result<()>>, steps: Receiver<Step> },
    Query { sql: &'static str, values: Vec<Value>, reply: oneshot::Sender<Result<Vec<Row>>> },
    Stop,
}

/// A member of the group that waits for the commit.
type Waiting = Box<dyn FnOnce(Group)>;

/// How the commit of a group went.
#[derive(Clone)]
enum Group {
    /// It is durable.
    Committed,
    /// It was undone, because of this.
    Undone(Arc<rusqlite::Error>),
}

/// The next step of an open transaction.
enum Step {
    Execute { sql: &'static str, values: Vec<Value>, reply: oneshot::Sender<Result<u64>> },
    Query { sql: &'static str, values: Vec<Value>, reply: oneshot::Sender<Result<Vec<Row>>> },
    Commit { reply: oneshot::Sender<Result<()>> },
}

/// An open transaction; dropping it undoes it.
pub(crate) struct Transaction {
    steps: Sender<Step>,
}

impl Group {
    /// What a member is told: its own answer, unless all of it was undone.
    fn tell<T>(self, answer: Result<T>) -> Result<T> {
        match self {
            Self::Committed => answer,
            Self::Undone(error) => Err(Error::Unavailable(error.into())),
        }
    }
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        connection: rusqlite::Connection,
        checkpoints: Option<Checkpoints>,
        queue: usize,
    ) -> Result<Self> {
        let (requests, inbox) = std::sync::mpsc::sync_channel(queue);
        let thread = std::thread::Builder::new()
            .name(String::from("sqlite-writer"))
            .spawn(move || serve(&Connection::new(&connection), &inbox, checkpoints))
            .map_err(|error| Error::Unavailable(error.into()))?;
        Ok(Self { requests, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Runs `work` in the next group.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, done) = oneshot::channel();
        self.send(Request::Work(Box::new(move |connection| {
            let result = in_savepoint(connection, work);
            Box::new(move |group| tell(reply, group.tell(result)))
        })))?;
        answer(done).await
    }

    /// Opens a transaction in the next group.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        let (steps, inbox) = channel();
        let (started, ready) = oneshot::channel();
        self.send(Request::Begin { started, steps: inbox })?;
        answer(ready).await?;
        Ok(Transaction { steps })
    }

    /// Reads between two groups.
    pub(crate) async fn query(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        let (reply, done) = oneshot::channel();
        self.send(Request::Query { sql, values, reply })?;
        answer(done).await
    }

    /// Ends the thread after the group it is at.
    pub(crate) async fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let requests = self.requests.clone();
        let joined = tokio::task::spawn_blocking(move || {
            // A full queue is waited for: what was taken in is ended. A thread that is gone
            // already needs no telling.
            drop(requests.send(Request::Stop));
            thread.join()
        });
        if !matches!(joined.await, Ok(Ok(()))) {
            tracing::error!("the SQLite writer thread ended by a panic");
        }
    }

    fn send(&self, request: Request) -> Result<()> {
        self.requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => Error::unavailable("the writer's queue is full"),
            TrySendError::Disconnected(_) => Error::unavailable("the writer has stopped"),
        })
    }
}

impl Transaction {
    /// How many rows `sql` changed.
    pub(crate) async fn execute(&self, sql: &'static str, values: &[Value]) -> Result<u64> {
        let (reply, done) = oneshot::channel();
        self.send(Step::Execute { sql, values: values.to_vec(), reply })?;
        answer(done).await
    }

    /// The rows that `sql` answers with.
    pub(crate) async fn query(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        let (reply, done) = oneshot::channel();
        self.send(Step::Query { sql, values: values.to_vec(), reply })?;
        answer(done).await
    }

    /// Ends the transaction; answers after the commit of its group.
    pub(crate) async fn commit(self) -> Result<()> {
        let (reply, done) = oneshot::channel();
        self.send(Step::Commit { reply })?;
        answer(done).await
    }

    fn send(&self, step: Step) -> Result<()> {
        let sent = self.steps.send(step);
        sent.map_err(|_| Error::unavailable("the transaction was undone, it was idle for too long"))
    }
}

/// The thread: one group after the other, until it is told to stop or nobody is left to ask.
fn serve(
    connection: &Connection<'_>,
    inbox: &Receiver<Request>,
    mut checkpoints: Option<Checkpoints>,
) {
    while let Ok(request) = inbox.recv() {
        match request {
            Request::Stop => return,
            Request::Query { sql, values, reply } => {
                tell(reply, query(connection, sql, &values));
            }
            first => {
                let ended_by = run_group(connection, inbox, first);
                if let Some(checkpoints) = &mut checkpoints {
                    checkpoints.after_group(connection.raw());
                }
                match ended_by {
                    None => {}
                    Some(Request::Query { sql, values, reply }) => {
                        tell(reply, query(connection, sql, &values));
                    }
                    Some(_) => return,
                }
            }
        }
    }
}

/// One group from `first` on. Returns the request that ended it early: a read, which must not see
/// what is not committed, or the order to stop.
fn run_group(
    connection: &Connection<'_>,
    inbox: &Receiver<Request>,
    first: Request,
) -> Option<Request> {
    let mut waiting = Vec::new();
    let mut ended_by = None;
    let mut group = attempt(connection, "BEGIN IMMEDIATE");
    let mut next = Some(first);
    while let Some(request) = next.take() {
        match request {
            Request::Work(work) => waiting.push(work(connection)),
            Request::Begin { started, steps } => {
                if matches!(group, Group::Committed) {
                    waiting.extend(run_transaction(connection, started, &steps));
                } else {
                    waiting.push(Box::new(|group| tell(started, group.tell(Ok(())))));
                }
            }
            other => ended_by = Some(other),
        }
        // Some errors, a full disk among them, make SQLite undo the whole group.
        if connection.is_autocommit() && matches!(group, Group::Committed) {
            group = Group::Undone(Arc::new(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
                Some(String::from("SQLite undid the group")),
            )));
        }
        let open = matches!(group, Group::Committed) && ended_by.is_none();
        if open && waiting.len() < GROUP_MAX {
            next = inbox.try_recv().ok();
        }
    }
    if matches!(group, Group::Committed) {
        group = attempt(connection, "COMMIT");
    }
    roll_back(connection);
    for member in waiting {
        member(group.clone());
    }
    ended_by
}

fn attempt(connection: &Connection<'_>, sql: &'static str) -> Group {
    match connection.execute(sql, &[]) {
        Ok(_) => Group::Committed,
        Err(error) => Group::Undone(Arc::new(error)),
    }
}

/// Runs `work` so that all or nothing of it stays in the group.
fn in_savepoint<T>(
    connection: &Connection<'_>,
    work: impl FnOnce(&Connection<'_>) -> Result<T>,
) -> Result<T> {
    if connection.is_autocommit() {
        return Err(Error::unavailable("the group was undone"));
    }
    execute(connection, "SAVEPOINT request", &[])?;
    let result = work(connection);
    leave_savepoint(connection, result.is_ok())?;
    result
}

fn leave_savepoint(connection: &Connection<'_>, keep: bool) -> Result<()> {
    // When SQLite undid the whole group, the savepoint is gone with it.
    if connection.is_autocommit() {
        return Ok(());
    }
    let undone = if keep { Ok(0) } else { execute(connection, "ROLLBACK TO request", &[]) };
    let left = undone.and_then(|_| execute(connection, "RELEASE request", &[]));
    if left.is_err() {
        // Half of a request must not be committed with the others: the group is undone instead.
        roll_back(connection);
    }
    left.map(drop)
}

/// Undoes the group if it is open still.
fn roll_back(connection: &Connection<'_>) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute("ROLLBACK", &[])
    {
        tracing::error!(%error, "a group could not be rolled back");
    }
}

/// Answers a caller; one that went away needs no answer.
fn tell<T>(reply: oneshot::Sender<T>, answer: T) {
    drop(reply.send(answer));
}

/// Serves a transaction until it commits, is dropped or stalls. `Some` when it committed.
fn run_transaction(
    connection: &Connection<'_>,
    started: oneshot::Sender<Result<()>>,
    steps: &Receiver<Step>,
) -> Option<Waiting> {
    let opened = execute(connection, "SAVEPOINT request", &[]).map(drop);
    let open = opened.is_ok();
    if started.send(opened).is_err() || !open {
        if open {
            leave_or_log(connection);
        }
        return None;
    }
    loop {
        match steps.recv_timeout(IDLE_MAX) {
            Ok(Step::Execute { sql, values, reply }) => {
                tell(reply, still_open(connection, || execute(connection, sql, &values)));
            }
            Ok(Step::Query { sql, values, reply }) => {
                tell(reply, still_open(connection, || query(connection, sql, &values)));
            }
            Ok(Step::Commit { reply }) => {
                let left = still_open(connection, || leave_savepoint(connection, true));
                return Some(Box::new(move |group| tell(reply, group.tell(left))));
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!("a transaction was idle for too long and is undone");
                break;
            }
        }
    }
    leave_or_log(connection);
    None
}

/// Statements after SQLite undid the group would commit by themselves: they must not run.
fn still_open<T>(connection: &Connection<'_>, step: impl FnOnce() -> Result<T>) -> Result<T> {
    if connection.is_autocommit() {
        return Err(Error::unavailable("the transaction was undone"));
    }
    step()
}

/// Undoes what a transaction did that nobody waits for any more.
fn leave_or_log(connection: &Connection<'_>) {
    if let Err(error) = leave_savepoint(connection, false) {
        tracing::error!(%error, "a transaction could not be undone, its group is");
    }
}

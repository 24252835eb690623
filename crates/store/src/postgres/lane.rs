//! A lane: the queue of one hot verb. Calls that wait at the same time become one batch in one
//! transaction on one connection.

use std::sync::{Mutex, PoisonError};

use deadpool_postgres::{Client, Pool};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::error::{RACE, class};
use crate::hot::Verb;
use crate::{Error, Result};

/// The most elements in one batch.
const BATCH_MAX: usize = 1024;
/// How often a batch is tried that lost a race or its connection before it was committed.
const TRIES_MAX: u32 = 5;

/// The queue of the verb `V`.
pub(crate) struct Lane<V: Verb> {
    calls: mpsc::Sender<Request<V>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

enum Request<V: Verb> {
    Call(Call<V>),
    Stop,
}

/// One caller's elements.
struct Call<V: Verb> {
    elements: Vec<V::Element>,
    reply: oneshot::Sender<Result<Vec<V::Answer>>>,
}

/// Why a batch was not committed.
enum Failure {
    /// Nothing of it was kept, and it may work the next time.
    Again(Error),
    /// One of its elements contradicts what is stored.
    Refused(Error),
    /// Trying again does not help or is not safe.
    Final(Error),
}

impl<V: Verb> Lane<V> {
    /// Starts the task that serves the queue.
    pub(crate) fn start(pool: Pool, queue: usize) -> Self {
        let (calls, inbox) = mpsc::channel(queue);
        let task = tokio::spawn(serve::<V>(pool, inbox));
        Self { calls, task: Mutex::new(Some(task)) }
    }

    /// Runs the verb for `elements`, in a batch with whoever else waits.
    pub(crate) async fn call(&self, elements: Vec<V::Element>) -> Result<Vec<V::Answer>> {
        let (reply, done) = oneshot::channel();
        let request = Request::Call(Call { elements, reply });
        self.calls.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => Error::unavailable("the queue of the verb is full"),
            TrySendError::Closed(_) => Error::unavailable("the database is closed"),
        })?;
        done.await.unwrap_or_else(|_| Err(Error::unavailable("the database is closed")))
    }

    /// Ends the task after what waits already.
    pub(crate) async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(task) = task else { return };
        // A task that is gone already needs no telling.
        drop(self.calls.send(Request::Stop).await);
        if let Err(error) = task.await {
            tracing::error!(%error, "the task of a verb ended by a panic");
        }
    }
}

async fn serve<V: Verb>(pool: Pool, mut inbox: mpsc::Receiver<Request<V>>) {
    let mut stopped = false;
    while !stopped {
        let mut calls = Vec::new();
        let mut waiting = 0;
        let mut next = inbox.recv().await;
        stopped = next.is_none();
        while let Some(request) = next.take() {
            match request {
                Request::Stop => stopped = true,
                Request::Call(call) => {
                    waiting += call.elements.len();
                    calls.push(call);
                }
            }
            if !stopped && waiting < BATCH_MAX {
                next = inbox.try_recv().ok();
            }
        }
        run_calls(&pool, calls).await;
    }
}

/// Runs calls as one batch; when that is refused, each alone, so that a caller whose element is
/// impossible harms nobody else.
async fn run_calls<V: Verb>(pool: &Pool, calls: Vec<Call<V>>) {
    let alone = calls.len() == 1;
    let counts: Vec<usize> = calls.iter().map(|call| call.elements.len()).collect();
    let (mut elements, mut replies) = (Vec::new(), Vec::new());
    for call in calls {
        elements.extend(call.elements);
        replies.push(call.reply);
    }
    let mut answers = match run_batch::<V>(pool, &elements).await {
        Ok(answers) => answers.into_iter(),
        Err(Failure::Refused(_)) if !alone => {
            let mut rest = elements.into_iter();
            for (count, reply) in counts.into_iter().zip(replies) {
                let own: Vec<V::Element> = rest.by_ref().take(count).collect();
                let answer = run_batch::<V>(pool, &own).await.map_err(Failure::into_error);
                tell(reply, answer);
            }
            return;
        }
        Err(failure) => {
            let error = failure.into_error();
            for reply in replies {
                tell(reply, Err(error.for_another()));
            }
            return;
        }
    };
    for (count, reply) in counts.into_iter().zip(replies) {
        tell(reply, Ok(answers.by_ref().take(count).collect()));
    }
}

/// One batch, tried again while that is safe and may help.
async fn run_batch<V: Verb>(
    pool: &Pool,
    elements: &[V::Element],
) -> std::result::Result<Vec<V::Answer>, Failure> {
    let mut tries = 1;
    loop {
        match try_batch::<V>(pool, elements).await {
            Err(Failure::Again(error)) if tries < TRIES_MAX => {
                tracing::debug!(verb = V::NAME, %error, tries, "a batch is tried again");
                tries += 1;
            }
            ended => return ended,
        }
    }
}

async fn try_batch<V: Verb>(
    pool: &Pool,
    elements: &[V::Element],
) -> std::result::Result<Vec<V::Answer>, Failure> {
    // No connection at all: the pool has tried for as long as is sensible.
    let mut client: Client = pool.get().await.map_err(|error| Failure::Final(error.into()))?;
    let tx = client.transaction().await.map_err(Failure::before_commit)?;
    let answers = V::postgres(&tx, elements).await.map_err(Failure::before_commit)?;
    debug_assert_eq!(answers.len(), elements.len(), "one answer for one element");
    // Only a lost race says for sure that nothing was kept; a connection that ends now does not,
    // and accepting again could call somebody twice.
    tx.commit().await.map_err(|error| match class(&error) {
        Some(RACE) => Failure::Again(error.into()),
        _ => Failure::Final(error.into()),
    })?;
    Ok(answers)
}

impl Failure {
    /// What an error means before anything was committed.
    fn before_commit(error: tokio_postgres::Error) -> Self {
        match class(&error) {
            // 57 is a connection that the server ended, none one that broke.
            Some(RACE | "57") | None => Self::Again(error.into()),
            Some("22" | "23") => Self::Refused(error.into()),
            Some(_) => Self::Final(error.into()),
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::Again(error) | Self::Refused(error) | Self::Final(error) => error,
        }
    }
}

/// Answers a caller; one that went away needs no answer.
fn tell<T>(reply: oneshot::Sender<T>, answer: T) {
    drop(reply.send(answer));
}

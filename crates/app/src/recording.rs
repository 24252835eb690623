//! Recordings of callees: begun by a call, kept in the blob store, fetched by their customer.

use domain::{AttemptId, QuickSendId};
use store::recording::{NewRecording, State};

pub use store::recording::Recording;

use crate::account::never_refused;
use crate::{App, Caller, Failure};

/// Recordings that are looked at in one go after a restart.
const LEFT_MAX: u32 = 1_000;

/// Writes down that the recording of an attempt began on this node. `false`: the send has one.
///
/// # Errors
/// The database failed.
pub async fn begin(app: &App, attempt: AttemptId, node: &str) -> Result<bool, Failure> {
    let new =
        NewRecording { attempt, node: node.to_owned(), blob: blob(attempt), started_at: app.now() };
    app.write(async |tx| Ok(store::recording::start(tx, &new).await?)).await.map_err(never_refused)
}

/// Keeps the audio of a recording: a whole WAV file of this length. When it cannot be kept, the
/// recording failed, and that is written down instead.
///
/// # Errors
/// The database failed; the recording is still begun and can be kept later.
pub async fn keep(
    app: &App,
    attempt: AttemptId,
    wav: Vec<u8>,
    length_ms: u32,
) -> Result<(), Failure> {
    match app.blobs().put(&blob(attempt), wav).await {
        Ok(()) => end(app, attempt, State::Ready { length_ms }).await,
        Err(failure) => fail(app, attempt, failure.to_string()).await,
    }
}

/// Writes down that a recording failed, and why.
///
/// # Errors
/// The database failed; the recording is still begun.
pub async fn fail(app: &App, attempt: AttemptId, error: String) -> Result<(), Failure> {
    tracing::warn!(send = attempt.quick_send.0, error, "a recording failed");
    end(app, attempt, State::Failed { error }).await
}

/// What this node began and never ended, as after a kill.
///
/// # Errors
/// The database failed.
pub async fn left(app: &App, node: &str) -> Result<Vec<Recording>, Failure> {
    Ok(store::recording::started(&mut app.read().await?, node, LEFT_MAX).await?)
}

/// The WAV file of the caller's send; `None` when there is none (yet).
///
/// # Errors
/// The database or the blob store failed.
pub async fn download(
    app: &App,
    caller: &Caller,
    send: QuickSendId,
) -> Result<Option<Vec<u8>>, Failure> {
    let account = caller.account.id;
    let found = store::recording::find(&mut app.read().await?, account, send).await?;
    let ready = |recording: &Recording| matches!(recording.state, State::Ready { .. });
    let Some(recording) = found.filter(ready) else { return Ok(None) };
    let wav = app.blobs().get(&recording.blob).await?;
    wav.map(Some).ok_or_else(|| Failure::of(format!("reading the recording of send {send}: gone")))
}

async fn end(app: &App, attempt: AttemptId, state: State) -> Result<(), Failure> {
    let (send, now) = (attempt.quick_send, app.now());
    let ended = app.write(async |tx| Ok(store::recording::end(tx, send, &state, now).await?)).await;
    ended.map(drop).map_err(never_refused)
}

fn blob(attempt: AttemptId) -> String {
    format!("recording/{}-{}.wav", attempt.quick_send, attempt.n)
}

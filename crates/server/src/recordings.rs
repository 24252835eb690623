//! Recordings on their way to the blob store. What a call records is appended to a file in the data
//! directory as it comes, so that a killed process loses half a second of it; when it is over, the
//! file becomes a WAV file in the blob store.
//!
//! A recording may fail, a call never does because of it: the shard does not wait for this file,
//! and what it cannot hand over fails the recording.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use app::{App, Failure};
use domain::AttemptId;
use engine::{CallKey, Recorded};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Parts that may wait: a second of five hundred recordings, and some.
const INBOX: usize = 2_048;
/// Bytes of a sample.
const SAMPLE_BYTES: usize = 2;
/// Samples of a millisecond.
const SAMPLES_PER_MS: usize = 8;

/// The shards' end: never waits.
#[derive(Debug, Clone)]
pub struct Tape {
    parts: mpsc::Sender<Recorded>,
}

impl Tape {
    /// Hands over what was recorded.
    pub fn take(&self, recorded: &mut Vec<Recorded>) {
        for part in recorded.drain(..) {
            if self.parts.try_send(part).is_err() {
                metrics::counter!("avanak_recording_parts_dropped_total").increment(1);
            }
        }
    }
}

/// The other end: a task that writes.
pub struct Recordings {
    app: Arc<App>,
    node: String,
    spool: PathBuf,
    open: BTreeMap<CallKey, Spooled>,
}

/// A recording that is being written.
struct Spooled {
    file: tokio::fs::File,
    samples: usize,
    /// Why it cannot be kept.
    failure: Option<String>,
}

/// Makes both ends, after what an earlier process left has been kept. The task ends when the tape
/// and every copy of it is dropped.
///
/// # Errors
/// The directory cannot be made, or the database failed.
pub async fn start(app: Arc<App>, node: String, spool: PathBuf) -> Result<(Tape, JoinHandle<()>)> {
    tokio::fs::create_dir_all(&spool)
        .await
        .with_context(|| format!("making {}", spool.display()))?;
    let mut recordings = Recordings { app, node, spool, open: BTreeMap::new() };
    recordings.recover().await.map_err(anyhow::Error::new).context("keeping old recordings")?;
    let (parts, mut inbox) = mpsc::channel(INBOX);
    let task = tokio::spawn(async move {
        while let Some(part) = inbox.recv().await {
            recordings.take(part).await;
        }
        recordings.close().await;
    });
    Ok((Tape { parts }, task))
}

impl Recordings {
    /// Keeps what an earlier process began and did not end.
    async fn recover(&self) -> std::result::Result<(), Failure> {
        for left in app::recording::left(&self.app, &self.node).await? {
            self.keep(left.attempt, None).await?;
        }
        Ok(())
    }

    async fn take(&mut self, part: Recorded) {
        match part {
            Recorded::Started { call } => self.begin(call).await,
            Recorded::Audio { call, samples } => {
                if let Some(spooled) = self.open.get_mut(&call) {
                    spooled.append(&samples).await;
                }
            }
            Recorded::Ended { call, length_ms } => {
                let Some(mut spooled) = self.open.remove(&call) else { return };
                let wanted = usize::try_from(length_ms).unwrap_or(usize::MAX);
                if spooled.samples / SAMPLES_PER_MS < wanted && spooled.failure.is_none() {
                    spooled.failure = Some(String::from("a part of it was lost on the way"));
                }
                self.end(call, spooled).await;
            }
        }
    }

    async fn begin(&mut self, call: CallKey) {
        let attempt = AttemptId::unpack(call.0);
        match app::recording::begin(&self.app, attempt, &self.node).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(failure) => {
                tracing::error!(send = attempt.quick_send.0, %failure, "no recording is begun");
                return;
            }
        }
        match tokio::fs::File::create(self.path(attempt)).await {
            Ok(file) => {
                self.open.insert(call, Spooled { file, samples: 0, failure: None });
            }
            Err(error) => self.fail(attempt, format!("opening its file: {error}")).await,
        }
    }

    async fn end(&self, call: CallKey, mut spooled: Spooled) {
        let attempt = AttemptId::unpack(call.0);
        let flushed = spooled.file.flush().await;
        let failure =
            spooled.failure.or_else(|| flushed.err().map(|error| format!("writing it: {error}")));
        if let Err(failure) = self.keep(attempt, failure).await {
            // It stays begun, and the next start keeps it.
            tracing::error!(send = attempt.quick_send.0, %failure, "a recording is not kept yet");
        }
    }

    /// Turns the file of a recording into the recording, or writes down why there is none.
    async fn keep(
        &self,
        attempt: AttemptId,
        failure: Option<String>,
    ) -> std::result::Result<(), Failure> {
        let path = self.path(attempt);
        let read = match failure {
            Some(failure) => Err(failure),
            None => tokio::fs::read(&path).await.map_err(|error| format!("its file: {error}")),
        };
        match read {
            Ok(bytes) => {
                let (pairs, _) = bytes.as_chunks::<SAMPLE_BYTES>();
                let samples: Vec<i16> =
                    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
                let length_ms = u32::try_from(samples.len() / SAMPLES_PER_MS).unwrap_or(u32::MAX);
                let wav = media::wav::write_pcm16(&samples);
                app::recording::keep(&self.app, attempt, wav, length_ms).await?;
            }
            Err(error) => app::recording::fail(&self.app, attempt, error).await?,
        }
        if let Err(error) = tokio::fs::remove_file(&path).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "a recording's file is left behind");
        }
        Ok(())
    }

    async fn fail(&self, attempt: AttemptId, error: String) {
        if let Err(failure) = app::recording::fail(&self.app, attempt, error).await {
            tracing::error!(send = attempt.quick_send.0, %failure, "a recording is not ended yet");
        }
    }

    /// The shard has stopped: what its live calls recorded so far is kept.
    async fn close(&mut self) {
        for (call, spooled) in std::mem::take(&mut self.open) {
            self.end(call, spooled).await;
        }
    }

    fn path(&self, attempt: AttemptId) -> PathBuf {
        self.spool.join(format!("{}-{}.pcm", attempt.quick_send, attempt.n))
    }
}

impl Spooled {
    async fn append(&mut self, samples: &[i16]) {
        if self.failure.is_some() {
            return;
        }
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        match self.file.write_all(&bytes).await {
            // What is in the file outlives the process; a full disk is told at the flush.
            Ok(()) => match self.file.flush().await {
                Ok(()) => self.samples += samples.len(),
                Err(error) => self.failure = Some(format!("writing it: {error}")),
            },
            Err(error) => self.failure = Some(format!("writing it: {error}")),
        }
    }
}

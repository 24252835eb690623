//! What this node has seen of the chain of evidence, in a file beside the database: a backup that
//! is put back takes the database back, and not the file. Where that is, the configuration says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use app::App;
use app::chain::Standing;
use domain::chain::Head;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::blob;
use crate::cli::open;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(10);

/// The chain beside the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It has what the file says; so much is sealed.
    Holds(Head),
    /// It does not, and what to say of it.
    Broken(String),
}

/// What was seen last; `None` when nothing ever was.
///
/// # Errors
/// The file cannot be read, or is none of ours.
pub fn seen(path: &Path) -> Result<Option<Head>> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let head = Head::parse(&text);
            Some(head.with_context(|| format!("{} was bent: it is no head", path.display())))
                .transpose()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Keeps what is seen now.
///
/// # Errors
/// The file cannot be written.
pub async fn keep(path: &Path, head: &Head) -> Result<()> {
    let written = blob::put_whole(path, format!("{head}\n").as_bytes()).await;
    written.with_context(|| format!("writing {}", path.display()))
}

/// Compares the chain with the file, and brings the file forward if it has what that says.
///
/// # Errors
/// The database failed, or the file cannot be written.
pub async fn look(app: &App, path: &Path) -> Result<Found> {
    let seen = match seen(path) {
        Ok(seen) => seen.unwrap_or_else(Head::start),
        Err(error) => return Ok(Found::Broken(format!("{error:#}"))),
    };
    match app::chain::standing(app, &seen).await.map_err(open::failed)? {
        Standing::Holds(head) => {
            if head.number > seen.number {
                keep(path, &head).await?;
            }
            Ok(Found::Holds(head))
        }
        Standing::Lost(head) => Ok(Found::Broken(format!(
            "entry {} that was seen here is not in the chain, which has {} entries: an old backup \
             was put back, or somebody bent it; 'avanak chain verify' says more",
            seen.number, head.number
        ))),
    }
}

/// Looks again and again, tells what is found, and gives it to whoever asks. It ends when it is
/// told to stop, after a last look.
pub async fn start(
    app: Arc<App>,
    node: String,
    path: PathBuf,
    mut stop: watch::Receiver<bool>,
) -> (JoinHandle<()>, watch::Receiver<Option<String>>) {
    let (publish, broken) = watch::channel(None);
    if let Ok(None) = seen(&path)
        && app::chain::head(&app).await.is_ok_and(|head| head.number > 0)
    {
        let path = path.display();
        let what = "the chain of evidence was never seen from here, so that this node cannot tell \
                    whether an old backup was put back";
        tracing::warn!(%path, "{what}");
    }
    tell(&app, &node, &path, &publish).await;
    let task = tokio::spawn(async move {
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
            tell(&app, &node, &path, &publish).await;
        }
    });
    (task, broken)
}

async fn tell(app: &App, node: &str, path: &Path, publish: &watch::Sender<Option<String>>) {
    let broken = match look(app, path).await {
        Ok(Found::Holds(head)) => {
            let entries = u32::try_from(head.number).unwrap_or(u32::MAX);
            metrics::gauge!("avanak_chain_entries").set(entries);
            None
        }
        Ok(Found::Broken(why)) => Some(why),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(error, "the chain of evidence could not be looked at");
            return;
        }
    };
    metrics::gauge!("avanak_chain_broken").set(u32::from(broken.is_some()));
    if broken != *publish.borrow() {
        if let Some(why) = &broken {
            tracing::error!(why, "the chain of evidence is broken");
        }
        publish.send_replace(broken.clone());
    }
    let told = match app::chain::ahead_us(app).await {
        Ok(ahead_us) => app::chain::tell(app, node, ahead_us, broken).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = told {
        let error = failure.chain();
        tracing::warn!(error, "what is found of the chain of evidence could not be told");
    }
}

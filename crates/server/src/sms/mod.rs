//! SMS that follow calls: the services that send them behind one port, and the task that gives them
//! what is due.

mod kavenegar;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use app::App;
use app::ports::{Blobs as _, BoxFuture, SmsFailure, SmsGateway, SmsOut};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::blob::FileBlobs;
use crate::config::{Config, SmsService};

use kavenegar::Kavenegar;

/// How often it is looked for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The service of the configuration.
///
/// # Errors
/// It is not set up, or the spool's folder cannot be made.
pub fn gateway(config: &Config) -> Result<Arc<dyn SmsGateway>> {
    Ok(match config.sms.service {
        SmsService::Spool => Arc::new(Spool::open(config.node.data_dir.join("sms"))?),
        SmsService::Kavenegar => Arc::new(Kavenegar::new(config)?),
    })
}

/// Starts the task. It ends when it is told to stop, after the SMS that it is at.
pub fn start(app: Arc<App>, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !*stop.borrow() {
            match app::sms::send_due(&app).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(failure) => {
                    tracing::warn!(error = failure.chain(), "SMS wait to be sent");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    })
}

/// SMS as files, for whatever fetches them: one JSON object in each, called by our name for it, so
/// that a second try writes the same file again.
#[derive(Debug)]
pub struct Spool {
    files: FileBlobs,
}

impl Spool {
    /// A spool in this folder, which is made.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self> {
        let files = FileBlobs::open(folder).context("making the folder of SMS")?;
        Ok(Self { files })
    }
}

impl SmsGateway for Spool {
    fn name(&self) -> &'static str {
        "spool"
    }

    fn send<'a>(&'a self, sms: SmsOut<'a>) -> BoxFuture<'a, Result<String, SmsFailure>> {
        Box::pin(async move {
            let name = format!("{}.json", sms.name);
            let text = json!({ "id": sms.name, "to": sms.number, "text": sms.text }).to_string();
            match self.files.put(&name, text.into_bytes()).await {
                Ok(()) => Ok(name),
                Err(failure) => {
                    tracing::warn!(error = failure.chain(), "an SMS could not be spooled");
                    Err(SmsFailure { why: String::from("not_spooled"), for_good: false })
                }
            }
        })
    }
}

//! What a one-shot command stands on: the application without a dialer.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use app::dialing::ReadyJob;
use app::ports::{Dispatch, Reservation};
use app::{App, Failure, LiveCalls, Ports, Settings};
use domain::{Destination, Timestamp};
use store::{Db, Options};

use crate::announcements;
use crate::blob::FileBlobs;
use crate::clock::{SystemClock, SystemRng};
use crate::config::Config;
use crate::gateways::HttpGateways;
use crate::tts::Engines;

/// Opens the database of the configuration.
pub async fn database(config: &Config) -> Result<Db> {
    let dir = &config.node.data_dir;
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let clock_limit_us = Some(i64::from(config.database.clock_limit_ms) * 1_000);
    let options = Options { clock_limit_us, ..Options::default() };
    Db::open(&config.database_url(), options).await.context("opening the database")
}

/// The application for a command that dials nothing. It works beside a running server.
pub async fn app(config: &Config) -> Result<App> {
    app_over(config, database(config).await?)
}

/// The same over a database that is open already.
pub fn app_over(config: &Config, db: Db) -> Result<App> {
    let ports = ports(config, Arc::new(NoDialer))?;
    let settings = Settings {
        measurement: config.measurement.settings(),
        places: announcements::places(config),
        identity: config.identity.settings(),
        ..Settings::default()
    };
    Ok(App::new(db, ports, Arc::new(LiveCalls::default()), settings))
}

/// The outside world of this process, with the dialer given.
pub fn ports(config: &Config, dispatch: Arc<dyn Dispatch>) -> Result<Ports> {
    let blobs = FileBlobs::open(config.audio_dir()).context("opening the audio directory")?;
    Ok(Ports {
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        tts: Arc::new(Engines::new(config)?),
        blobs: Arc::new(blobs),
        dispatch,
        sms: crate::sms::gateway(config)?,
        gateways: Arc::new(HttpGateways::new(config)?),
    })
}

/// A failure as the command line's error, with its whole chain.
pub fn failed(failure: Failure) -> anyhow::Error {
    anyhow::Error::new(failure)
}

/// What a use case refused as the command line's error, in words that `why` finds; a failure as
/// [`failed`].
pub fn refused<R>(error: app::Error<R>, why: impl FnOnce(R) -> anyhow::Error) -> anyhow::Error {
    match error {
        app::Error::Failed(failure) => failed(failure),
        app::Error::Refused(refusal) => why(refusal),
    }
}

/// The dialer of a process that dials nothing: sends that it accepts wait for the server.
struct NoDialer;

impl Dispatch for NoDialer {
    /// Whether a trunk takes it is found out by the server.
    fn routes(&self, _: &Destination, _: Option<u32>, _: bool) -> bool {
        true
    }

    fn reaches_people(&self) -> bool {
        true
    }

    fn reserve(&self, _: &ReadyJob, _: Timestamp) -> Option<Reservation> {
        None
    }

    fn accepted(&self, _: ReadyJob, _: Option<Reservation>) {}
}

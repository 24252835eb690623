//! `avanak probe`: a vantage point of its own, on this machine or far from the platform.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;
use tokio::sync::watch;

use super::{say, serve};
use crate::config::Config;
use crate::probe::{self, Settings, Site, Told};
use crate::telemetry;

/// Look at a platform as its customers do, from here, and report to it what was seen.
///
/// The token is one of `avanak vantage add`, in `[probe]` of the configuration or in the
/// environment as AVANAK_PROBE__TOKEN. It runs until it is told to stop.
#[derive(Debug, Args)]
pub struct Probe {
    /// Where the platform is, like `https://avanak.example`; without it, `probe.url`.
    #[arg(long)]
    url: Option<String>,
    /// Look at each path once, tell what was seen, report it and end.
    #[arg(long)]
    once: bool,
    /// With --once: print one JSON object.
    #[arg(long, requires = "once")]
    json: bool,
}

/// Runs the command. With `--once` it fails when a path did not work.
pub async fn run(config: &Config, command: Probe) -> Result<ExitCode> {
    telemetry::start_logs(&config.log)?;
    let url = command.url.as_deref().unwrap_or(&config.probe.url);
    let directory = if config.probe.directory.as_os_str().is_empty() {
        config.node.data_dir.join("probe")
    } else {
        config.probe.directory.clone()
    };
    let site = Site::new(url, config.probe.token.clone(), config)?;
    let settings = settings(config, site, directory);
    if command.once {
        let told = probe::look_once(settings).await?;
        return once(&told, command.json);
    }
    let (stop, stopped) = watch::channel(false);
    let probing = probe::start(settings, stopped).await?;
    say(&format!("looking at {url}"))?;
    serve::told_to_stop().await?;
    stop.send_replace(true);
    probing.await.context("the task of the probe")?;
    Ok(ExitCode::SUCCESS)
}

/// How a vantage point works, as the configuration has it.
pub fn settings(config: &Config, site: Site, directory: PathBuf) -> Settings {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    Settings {
        site,
        directory,
        spool_bytes_max: config.probe.spool_bytes_max,
        interval: seconds(config.measurement.interval_s),
        campaign_interval: seconds(config.measurement.campaign_interval_s),
    }
}

fn once(told: &[Told], json: bool) -> Result<ExitCode> {
    let ms = |told: &Told| u64::try_from(told.took.as_millis()).unwrap_or(u64::MAX);
    if json {
        let looks: Vec<_> = told
            .iter()
            .map(|one| {
                json!({ "path": one.path.word(), "worked": one.worked, "ms": ms(one),
                        "error": one.why })
            })
            .collect();
        say(&json!({ "looks": looks }).to_string())?;
    } else {
        for one in told {
            let came = match one.worked {
                Some(true) => "worked",
                Some(false) => "FAILED",
                None => "not known",
            };
            let why = one.why.as_deref().map_or(String::new(), |why| format!("  {why}"));
            say(&format!("{}  {came} after {} ms{why}", one.path.word(), ms(one)))?;
        }
    }
    let all = told.iter().all(|one| one.worked == Some(true));
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! `avanak migrate`: brings the database to this program's version.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::{open, say};
use crate::config::Config;

/// Bring the database to this program's version. SQLite files are copied first; PostgreSQL nodes
/// of the version before may keep running.
#[derive(Debug, Args)]
pub struct Migrate {}

/// Runs the command.
pub async fn run(config: &Config, _: &Migrate) -> Result<ExitCode> {
    let db = open::database(config).await?;
    let applied = db.migrate().await.context("migrating the database")?;
    say(&format!("{} migrations applied; the schema is at {}", applied.count, applied.version))?;
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

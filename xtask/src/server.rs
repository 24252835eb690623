//! The server as a child process: built, started, spoken to by its command line, stopped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{cargo, output, run, signal, target_dir};
use crate::say::{say, warn};

const START_TIMEOUT: Duration = Duration::from_mins(1);
const STOP_TIMEOUT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// How the server is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Fast enough to be shown, and built in a few minutes.
    Quick,
    /// As operators run it, for the benchmarks.
    Release,
}

/// Builds the server and returns its path.
pub fn build(profile: Profile) -> Result<PathBuf> {
    let name = match profile {
        Profile::Quick => "quick",
        Profile::Release => "release",
    };
    run(cargo().args(["build", "--package", "server", "--bin", "avanak", "--profile", name]))?;
    Ok(target_dir()?.join(name).join("avanak"))
}

/// The server to show: the one that `AVANAK_BIN` names, or a fresh build.
pub fn program() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("AVANAK_BIN") {
        return Ok(PathBuf::from(program));
    }
    say("Building the server (the first time takes some minutes) …");
    build(Profile::Quick)
}

/// A running `avanak serve` on a data folder of ours.
pub struct Server {
    program: PathBuf,
    data_dir: PathBuf,
    child: Child,
    /// `host:port` of its web services.
    pub address: String,
}

impl Server {
    /// Starts the server with these settings (environment variables) and waits until it says where
    /// its web services listen. Call it from the main thread:
    /// the server is told to stop when the thread that started it dies.
    pub fn start(program: &Path, data_dir: &Path, settings: &[(&str, String)]) -> Result<Self> {
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("cannot make {}", data_dir.display()))?;
        let log = data_dir.join("server.log");
        // Ctrl-C is for us; the server gets one SIGTERM, when we stop it or when we die.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(program)
            .args(["serve", "--http", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .envs(settings.iter().map(|(key, value)| (key, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start the server")?;
        let stdout = child.stdout.take().expect("stdout was piped above");
        let (found, address) = channel();
        std::thread::spawn(move || {
            // Read on after the address: a full pipe would stop the server.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line.trim().strip_prefix("listening http://") {
                    // The receiver may be gone once it has its address.
                    drop(found.send(address.trim_end_matches('/').to_owned()));
                }
            }
        });
        match address.recv_timeout(START_TIMEOUT) {
            Ok(address) => Ok(Self {
                program: program.to_owned(),
                data_dir: data_dir.to_owned(),
                child,
                address,
            }),
            Err(reason) => {
                if reason == RecvTimeoutError::Timeout {
                    child.kill()?;
                }
                child.wait()?;
                bail!("the server did not start; it said:\n{}", tail(&log))
            }
        }
    }

    /// Runs an administrator's command of the server's program on the same data, as JSON.
    pub fn command(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--data-dir").arg(&self.data_dir).arg("--json");
        let text = output(&mut command)?;
        let what = arguments.join(" ");
        serde_json::from_str(&text).with_context(|| format!("`avanak {what}` printed: {text}"))
    }

    /// The last lines of the server's log, for an error message.
    pub fn log_tail(&self) -> String {
        tail(&self.data_dir.join("server.log"))
    }

    /// Waits until the server ends by itself.
    pub fn wait(mut self) -> Result<()> {
        let status = self.child.wait()?;
        bail!("the server ended ({status}); it said:\n{}", self.log_tail())
    }

    /// Asks the server to end (SIGTERM) and waits for it.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        signal("TERM", self.child.id())?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                if !status.success() {
                    say(&format!("the server ended with {status}"));
                }
                return Ok(());
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("the server did not end within {} s of SIGTERM", STOP_TIMEOUT.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            warn(&format!("{error:#}"));
        }
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

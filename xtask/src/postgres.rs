//! A PostgreSQL cluster that lives as long as one test run.
//!
//! Durability is on as in production (`fsync`), so that the tests of recovery mean something.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{is_root, output, run, signal};

const START_TIMEOUT: Duration = Duration::from_mins(1);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// The folder with `initdb` and `postgres`: the newest that Debian has installed.
pub fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            let complete =
                ["initdb", "postgres", "pg_isready"].iter().all(|p| programs.join(p).is_file());
            complete.then_some((version, programs))
        })
        .max()
        .map(|(_, programs)| programs)
}

/// A running throw-away cluster; dropping it stops the server and removes the data.
pub struct Cluster {
    server: Child,
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    /// Creates and starts a cluster on a free loopback port. Call it from the main thread: the
    /// server is told to stop when the thread that started it dies.
    pub fn start() -> Result<Self> {
        let programs = programs().context("PostgreSQL is not installed")?;
        remove_leftovers();
        let folder = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&folder).context("cannot make the cluster's folder")?;
        let user = unprivileged_user()?;
        if let Some(user) = &user {
            run(Command::new("chown").arg(user).arg(&folder))?;
        }
        let data = folder.join("data");
        let mut initdb = unprivileged(user.as_deref(), &programs.join("initdb"), &folder);
        initdb.arg("--pgdata").arg(&data);
        initdb.args(["--username", "avanak", "--auth", "trust", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C", "--no-sync"]);
        output(&mut initdb).context("cannot create the test cluster")?;

        let port = free_port()?;
        let mut postgres = unprivileged(user.as_deref(), &programs.join("postgres"), &folder);
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        postgres.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300"]);
        postgres.arg("-c").arg(format!("unix_socket_directories={}", folder.display()));
        let log = std::fs::File::create(folder.join("log"))?;
        let server = postgres
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for us: the server is stopped by our death or our drop, not by both.
            .process_group(0)
            .spawn()
            .context("cannot start the test cluster")?;
        let mut cluster = Self { server, folder, port };
        cluster.wait_until_ready(&programs.join("pg_isready"))?;
        Ok(cluster)
    }

    /// What a client is given to connect.
    pub fn url(&self) -> String {
        format!("postgres://avanak@127.0.0.1:{}/postgres", self.port)
    }

    fn wait_until_ready(&mut self, pg_isready: &Path) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let port = self.port.to_string();
            let mut probe = Command::new(pg_isready);
            probe.args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "avanak", "-d", "postgres"]);
            if crate::process::succeeds(&mut probe)? {
                return Ok(());
            }
            if self.server.try_wait()?.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("the test cluster did not start:\n{log}");
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown: clients are disconnected, nothing is waited for.
        let stopped = signal("INT", self.server.id()).and_then(|()| {
            let deadline = Instant::now() + STOP_TIMEOUT;
            while self.server.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    self.server.kill()?;
                }
                std::thread::sleep(POLL);
            }
            std::fs::remove_dir_all(&self.folder).context("cannot remove the cluster's folder")
        });
        if let Err(error) = stopped {
            crate::say::warn(&format!("the test cluster was not stopped cleanly: {error:#}"));
        }
    }
}

const PREFIX: &str = "avanak-test-postgres-";

/// Removes the folders of runs that were killed before they could do it themselves.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if let Some(pid) = pid
            && !Path::new("/proc").join(pid).exists()
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            crate::say::warn(&format!("left alone: {}: {error}", entry.path().display()));
        }
    }
}

/// PostgreSQL refuses to run as root; the user to run it as when we are root.
fn unprivileged_user() -> Result<Option<String>> {
    if !is_root() {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let exists = |user: &&str| passwd.lines().any(|line| line.split(':').next() == Some(user));
    let user = ["postgres", "nobody"].into_iter().find(exists);
    Ok(Some(user.context("PostgreSQL needs a user that is not root")?.to_owned()))
}

/// A command that runs as `user` if one is given, and is told to stop when we die.
fn unprivileged(user: Option<&str>, program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if let Some(user) = user {
        let group = if user == "nobody" { "nogroup" } else { user };
        command.args(["--reuid", user, "--regid", group, "--clear-groups"]);
    }
    command.arg(program).current_dir(folder);
    command
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

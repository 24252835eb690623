//! SIPp as the far end and as the yardstick.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use server::clock;

/// How long SIPp may take to open its port.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A SIPp that takes calls; dropping it ends it.
pub struct Callee {
    child: Child,
    /// Where it takes them.
    pub address: SocketAddr,
}

impl Callee {
    /// Starts one with the scenario `uas_bench`.
    ///
    /// # Errors
    /// SIPp is not installed, or does not open its port.
    pub fn start() -> Result<Self> {
        Self::with(|address| sipp("uas_bench.xml", address))
    }

    /// Starts one with the scenario `uas_campaign`, which ends after `calls` calls and counts them
    /// in the file `statistics` (see [`counted`]).
    ///
    /// # Errors
    /// As [`Callee::start`].
    pub fn of_campaigns(calls: u64, statistics: &Path) -> Result<Self> {
        Self::with(|address| counting("uas_campaign.xml", address, calls, statistics))
    }

    /// Starts one with the scenario `uas_answer`, which ends after `calls` calls and counts them in
    /// the file `statistics`.
    ///
    /// # Errors
    /// As [`Callee::start`].
    pub fn counted_to(calls: u64, statistics: &Path) -> Result<Self> {
        Self::with(|address| counting("uas_answer.xml", address, calls, statistics))
    }

    fn with(command: impl FnOnce(SocketAddr) -> Command) -> Result<Self> {
        let address = free_address()?;
        let mut command = command(address);
        let child = command.spawn().context("starting sipp; is sip-tester installed?")?;
        let mut callee = Self { child, address };
        let deadline = clock::instant() + START_TIMEOUT;
        while !is_bound(address.port())? {
            if callee.child.try_wait()?.is_some() || clock::instant() > deadline {
                bail!("sipp did not open {address}");
            }
            std::thread::yield_now();
        }
        Ok(callee)
    }
}

impl Callee {
    /// How it ended, once it has.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("asking for sipp's end")
    }
}

/// What a SIPp that has ended counted under this name.
///
/// # Errors
/// It did not count that.
pub fn counted(statistics: &Path, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(statistics).context("reading sipp's statistics")?;
    let mut lines = text.lines();
    let wanted = format!("{name}(C)");
    let place = lines.next().and_then(|names| names.split(';').position(|one| one == wanted));
    let figure = place.zip(lines.last()).and_then(|(place, last)| last.split(';').nth(place));
    figure.and_then(|figure| figure.parse().ok()).with_context(|| format!("sipp has no {wanted}"))
}

/// Why calls of a SIPp that has ended failed, in its own words, and how many.
///
/// # Errors
/// It left no statistics.
pub fn failures(statistics: &Path) -> Result<BTreeMap<String, u64>> {
    let text = std::fs::read_to_string(statistics).context("reading sipp's statistics")?;
    let mut lines = text.lines();
    let (names, last) = lines.next().zip(lines.last()).context("sipp counted nothing")?;
    let of_all = names.split(';').zip(last.split(';')).filter_map(|(name, figure)| {
        let name = name.strip_suffix("(C)").filter(|name| name.starts_with("Failed"))?;
        Some((name.to_owned(), figure.parse().ok().filter(|count| *count > 0)?))
    });
    Ok(of_all.collect())
}

impl Drop for Callee {
    fn drop(&mut self) {
        // It may have ended by itself; it must not be left either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets SIPp place `calls` calls to `callee`, `per_second` in a second, and waits for its end.
///
/// # Errors
/// SIPp is not installed.
pub fn call(callee: SocketAddr, calls: u64, per_second: u32) -> Result<ExitStatus> {
    let mut command = sipp("uac_bench.xml", free_address()?);
    command.arg(callee.to_string()).args(["-s", "982100000001", "-rp", "1000"]);
    command.args(["-m", &calls.to_string(), "-r", &per_second.to_string()]);
    command.status().context("starting sipp; is sip-tester installed?")
}

/// The file that `uac_play_bench` plays.
const CLIP: &str = "clip.pcma";
/// A-law bytes of a second, and the one that says nothing.
const SECOND_BYTES: usize = 8_000;
const SILENCE: u8 = 0xD5;

/// Lets SIPp place `calls` calls, play `seconds` of sound in each, and hang up; waits for its end.
/// What it plays is written into `folder`.
///
/// # Errors
/// SIPp is not installed, or the folder cannot be written to.
pub fn play(
    callee: SocketAddr,
    (calls, per_second): (u64, u32),
    seconds: usize,
    folder: &Path,
) -> Result<ExitStatus> {
    let clip = vec![SILENCE; seconds * SECOND_BYTES];
    std::fs::write(folder.join(CLIP), clip).context("writing what sipp plays")?;
    let mut command = sipp("uac_play_bench.xml", free_address()?);
    command.arg(callee.to_string()).args(["-s", "982100000001", "-rp", "1000"]);
    command.args(["-m", &calls.to_string(), "-r", &per_second.to_string()]);
    command.args(["-l", &calls.to_string(), "-d", &(seconds * 1_000).to_string()]);
    command.current_dir(folder).status().context("starting sipp; is sip-tester installed?")
}

/// A SIPp that ends after so many calls and counts them.
fn counting(scenario: &str, local: SocketAddr, calls: u64, statistics: &Path) -> Command {
    let mut command = sipp(scenario, local);
    command.args(["-m", &calls.to_string(), "-trace_stat", "-fd", "5", "-stf"]);
    command.arg(statistics);
    command
}

fn sipp(scenario: &str, local: SocketAddr) -> Command {
    let mut command = Command::new("sipp");
    command.arg("-sf").arg(scenarios().join(scenario));
    command.args(["-i", &local.ip().to_string(), "-p", &local.port().to_string(), "-nostdin"]);
    // On a loaded machine its watchdog would end the run.
    command.args(["-watchdog_minor_maxtriggers", "999999"]);
    command.args(["-watchdog_major_maxtriggers", "999999"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The scenarios that the tests of the server use.
fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/server/tests/peers/sipp")
}

fn free_address() -> Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    socket.local_addr().context("looking for a free port")
}

/// Whether somebody has bound this UDP port.
fn is_bound(port: u16) -> Result<bool> {
    let table = std::fs::read_to_string("/proc/net/udp").context("reading /proc/net/udp")?;
    let wanted = format!(":{port:04X} ");
    Ok(table.lines().filter_map(|line| line.get(..24)).any(|local| local.contains(&wanted)))
}

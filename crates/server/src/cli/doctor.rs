//! `avanak doctor`: checks everything the program needs and says the fix for what is missing.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use app::App;
use clap::Args;
use domain::calendar::month::PersianMonth;
use store::Kind;

use super::{chain, open, say, trunk, trunk_check};
use crate::config::Config;
use crate::{clock, open_files, trunks, tts, udp};

/// Check configuration, disk, open files, database, ports, speech, clock, monitoring and trunks,
/// and say the fix for each that fails. Ports in use are no failure: a running server has them.
#[derive(Debug, Args)]
pub struct Doctor {}

/// Free space under which the disk check fails: room for a day of a busy node's database.
const FREE_BYTES_MIN: u64 = 512 * 1024 * 1024;
/// 2026-01-01 in microseconds: a clock before this program was written is wrong.
const EARLIEST_US: i64 = 1_767_225_600_000_000;

/// Runs the command. It fails when a check failed.
pub async fn run(config: &Config, _: &Doctor) -> Result<ExitCode> {
    let mut checks = vec![
        ("configuration", Ok(String::from("read, and it makes sense"))),
        ("disk", disk(&config.node.data_dir)),
        ("open files", files(config)),
        ("database", database(config).await),
        ("http port", port(config.http.listen, false)),
        ("sip port", sip_ports(config)),
        ("own address", own_address(config).await),
        ("media ports", media_ports(config)),
    ];
    checks.extend(tts::check(config).await);
    checks.push(("clock", clock_is_sane()));
    // A database that cannot be read was told above; the configuration's trunks can be asked.
    let trunks = match open::app(config).await {
        Ok(app) => {
            checks.push(("monitoring", monitoring(&app).await));
            checks.push(("evidence", chain::check(config, &app).await));
            trunk::all(config, &app).await.or_else(|_| config.trunks())?
        }
        Err(_) => config.trunks()?,
    };
    if trunks.is_empty() {
        let note = "there is none: calls go to the sandbox carrier and reach no real phone";
        checks.push(("trunks", Ok(String::from(note))));
    }
    for trunk in &trunks {
        let found = trunk_check::check(config, trunk, None).await.and_then(|report| {
            let summary = format!("{}: {}", trunk.name, report.summary());
            if report.passed() { Ok(summary) } else { bail!(summary) }
        });
        checks.push(("trunk", found));
    }
    let mut all_well = true;
    for (name, result) in checks {
        match result {
            Ok(found) => say(&format!("ok    {name:<14} {found}"))?,
            Err(error) => {
                all_well = false;
                say(&format!("FAIL  {name:<14} {error:#}"))?;
            }
        }
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn disk(dir: &Path) -> Result<String> {
    std::fs::create_dir_all(dir).and_then(|()| tempfile_in(dir)).with_context(|| {
        format!("{} cannot be written: give this user the directory", dir.display())
    })?;
    let stat = nix::sys::statvfs::statvfs(dir).context("asking how much room the disk has")?;
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    let free_mb = free / (1024 * 1024);
    ensure!(free >= FREE_BYTES_MIN, "only {free_mb} MB are free in {}: make room", dir.display());
    Ok(format!("{} can be written; {free_mb} MB are free", dir.display()))
}

fn files(config: &Config) -> Result<String> {
    let files = open_files::expected(config)?;
    let (allowed, wanted) = (files.allowed, files.wanted);
    ensure!(
        files.suffices(config),
        "{allowed} are allowed, {wanted} are wanted: raise the hard limit (LimitNOFILE={wanted} in \
         the systemd unit, or 'ulimit -Hn {wanted}')"
    );
    Ok(format!("{allowed} allowed, {wanted} wanted; {} clients at a time", files.connections))
}

/// Writes and removes a file: the only proof that a directory can be written.
fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(".doctor");
    std::fs::write(&path, b"ok")?;
    std::fs::remove_file(&path)
}

async fn database(config: &Config) -> Result<String> {
    let db = open::database(config).await.context(
        "is the URL right, and does the server run? For PostgreSQL: CREATE DATABASE … TEMPLATE \
         template0 LC_COLLATE 'C'",
    )?;
    let health = db.check().await.context("asking the database")?;
    let schema = health.schema.unwrap_or(0);
    ensure!(
        schema == health.newest_schema,
        "its schema is at {schema}, this program needs {}: run 'avanak migrate'",
        health.newest_schema
    );
    ensure!(health.writable, "it is read-only: check its permissions and the disk");
    ensure!(
        health.bytewise_order,
        "it orders text by a language's rules: create it with LC_COLLATE 'C'"
    );
    let audit = db.audit().await.context("checking the books")?;
    ensure!(audit.is_clean(), "the books do not add up: {:?}", audit.violations.first());
    let kind = match health.kind {
        Kind::Sqlite => "SQLite",
        Kind::Postgres => "PostgreSQL",
    };
    Ok(format!("{kind} {}, schema {schema}, writable, the books add up", health.version))
}

/// Without evidence no month is met, which is no failure of the program and to be known all the
/// same.
async fn monitoring(app: &App) -> Result<String> {
    let month = PersianMonth::of(app.now());
    let shown = app::availability::month(app, None, month).await;
    let why = |refusal| anyhow!("{month} cannot be computed: {refusal:?}");
    let shown = shown.map_err(|error| open::refused(error, why))?;
    let totals = shown.judged.totals;
    let unknown = i128::from(totals.unknown_us) * 100 / i128::from(totals.covered_us().max(1));
    if unknown == 0 {
        return Ok(format!("of {month} all is known"));
    }
    Ok(format!(
        "of {month} {unknown} % is unknown, which counts as down in the end: note what monitors \
         see by 'avanak outage worked'"
    ))
}

fn port(address: SocketAddr, udp: bool) -> Result<String> {
    let bound = if udp {
        udp::bind(address).map(drop)
    } else {
        std::net::TcpListener::bind(address).map(drop)
    };
    Ok(if is_free(bound, address)? {
        format!("{address} is free")
    } else {
        format!("{address} is in use, by a running server or another program")
    })
}

fn is_free(bound: std::io::Result<()>, address: SocketAddr) -> Result<bool> {
    match bound {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error)
            .with_context(|| format!("{address} cannot be bound: is it an address of ours?")),
    }
}

/// The ports for SIP at each of our addresses.
fn sip_ports(config: &Config) -> Result<String> {
    let ports = config.sip.sides().map(|side| port(side.listen, true));
    Ok(ports.collect::<Result<Vec<_>>>()?.join("; "))
}

async fn own_address(config: &Config) -> Result<String> {
    let advertised = trunks::advertised_by(config).await?;
    Ok(format!("trunks and phones are told to reach us at {advertised}"))
}

fn media_ports(config: &Config) -> Result<String> {
    let told = config.sip.sides().map(|side| media_ports_at(side.listen.ip(), config));
    Ok(told.collect::<Result<Vec<_>>>()?.join("; "))
}

fn media_ports_at(ip: IpAddr, config: &Config) -> Result<String> {
    let (first, count) = (config.sip.media_port_first, config.sip.media_ports);
    if first == 0 {
        port(SocketAddr::new(ip, 0), true)?;
        return Ok(format!(
            "{count} free ports at {ip}, others each time: a firewall needs \
                           sip.media_port_first"
        ));
    }
    let mut in_use = 0;
    for number in first..first + count {
        let address = SocketAddr::new(ip, number);
        in_use += u16::from(!is_free(udp::bind(address).map(drop), address)?);
    }
    let last = first + count - 1;
    Ok(format!("{first} to {last} at {ip}, {in_use} of them in use, by a running server or others"))
}

fn clock_is_sane() -> Result<String> {
    let now = clock::timestamp();
    ensure!(now.0 > EARLIEST_US, "it stands before 2026: set it, and keep it by NTP");
    let tehran = domain::calendar::jalali::gregorian_date_time(now);
    Ok(format!("it is {tehran} in Tehran"))
}

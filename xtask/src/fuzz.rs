//! `cargo x fuzz`: lets libFuzzer look for bytes that break a target of the crate `fuzz`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, root, run, succeeds, target_dir};
use crate::say::say;
use crate::setup::{self, Goal};

/// The driver, at the version whose arguments we use.
const DRIVER: &str = "0.13.2";

/// What `cargo x fuzz` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The one target to run; every target when absent.
    pub target: Option<String>,
    /// How long each runs.
    pub seconds: u32,
}

impl Options {
    /// Reads the arguments behind `cargo x fuzz`.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { target: None, seconds: 60 };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--seconds" {
                let number = arguments.next().and_then(|number| number.parse().ok());
                options.seconds = number.context("--seconds wants a whole number")?;
            } else if argument.starts_with('-') || options.target.is_some() {
                bail!("cargo x fuzz [target] [--seconds N]; {argument} is none of these");
            } else {
                options.target = Some(argument.clone());
            }
        }
        Ok(options)
    }
}

/// Runs the targets one after another. True when none was broken.
pub fn run_targets(options: &Options) -> Result<bool> {
    let known = targets()?;
    if let Some(unknown) = options.target.as_ref().filter(|name| !known.contains(name)) {
        bail!("no target is called {unknown}; there are: {}", known.join(", "));
    }
    setup::ready(Goal::Demo)?;
    let driver = install_driver()?;
    let mut unbroken = true;
    for name in known.iter().filter(|name| options.target.as_ref().is_none_or(|t| t == *name)) {
        say(&format!("\n== {name}, {} s", options.seconds));
        unbroken &= fuzz(&driver, name, options.seconds)?;
    }
    Ok(unbroken)
}

/// One target: what is found is kept beside the build, what was committed is only read.
fn fuzz(driver: &PathBuf, name: &str, seconds: u32) -> Result<bool> {
    let built = target_dir()?.join("fuzz");
    let found = built.join("corpus").join(name);
    std::fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let mut command = Command::new(driver);
    // No sanitizer: nothing here is unsafe, and without one the stable toolchain does.
    command.current_dir(root()).args(["fuzz", "run", "--sanitizer", "none"]);
    // Linking ten programs as the product is linked takes longer than a short run of them.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command.args(["--features", "libfuzzer", "--fuzz-dir", "fuzz", "--target-dir"]).arg(&built);
    command.arg(name).arg(&found).arg(root().join("fuzz/corpus").join(name));
    command.args(["--", "-timeout=20", "-max_len=2048"]);
    command.arg(format!("-max_total_time={seconds}"));
    succeeds(&mut command)
}

/// The targets, which are the folders of the corpora.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/corpus");
    let mut names = Vec::new();
    for entry in
        std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The driver below `.tools`, where nothing else on the machine notices it.
fn install_driver() -> Result<PathBuf> {
    let folder = root().join(".tools/cargo-fuzz");
    let driver = folder.join("bin/cargo-fuzz");
    if !driver.is_file() {
        say(&format!("Installing cargo-fuzz {DRIVER} into {}", folder.display()));
        say("  It builds the targets so that libFuzzer sees which code an input reaches.");
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked", "--version", DRIVER, "--root"]);
        run(install.arg(&folder).arg("cargo-fuzz"))?;
    }
    Ok(driver)
}

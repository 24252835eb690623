//! From asking for a call to its INVITE: a client writes QuickSend to the program's web service,
//! and the INVITE's arrival at the trunk is stamped by the kernel. In between the program has made
//! the send durable, so the yardstick is what the disk needs for one flush, measured in turns with
//! the requests.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bench::disk::{self, RawLog};
use bench::far_end::FarEnd;
use bench::platform::{Client, Platform};
use bench::say::{say, verdict};
use bench::stats::quantile;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use server::clock;

/// Requests of each part.
const REQUESTS: u32 = 300;
/// Calls that play during the second part.
const IN_PROGRESS: u32 = 300;
/// How long the message is; longer than the second part.
const MESSAGE_SECONDS: u32 = 60;
/// Between two requests, so that each meets a program at rest.
const GAP: Duration = Duration::from_millis(15);
/// An INVITE that takes longer has got lost.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Numbers that are answered; others are busy at once.
const ANSWERED: &str = "0912";
const BUSY: &str = "0913";

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let requests = if quick { REQUESTS / 6 } else { REQUESTS };
    let folder = disk::scratch()?;
    let far_end = FarEnd::start(|number| number.contains(&ANSWERED[1..]))?;
    let platform = Platform::start(folder.path(), far_end.sip)?;
    let mut side = Side {
        client: platform.client()?,
        raw: RawLog::new(folder.path())?,
        message: 0,
        number: 0,
        far_end: &far_end,
    };
    side.message = side.client.upload(MESSAGE_SECONDS)?;
    // The first call loads the clip; it is no part of the figure.
    side.dial(BUSY)?;

    let alone = side.measure("alone", requests)?;
    for _ in 0..IN_PROGRESS {
        side.dial(ANSWERED)?;
    }
    let busy = side.measure(&format!("with {IN_PROGRESS} calls in progress"), requests)?;
    drop(platform);
    far_end.stop()?;
    verdict(&alone.0, alone.1, TARGET);
    verdict(&busy.0, busy.1, TARGET);
    Ok(())
}

const TARGET: &str = "p50 at most twice the disk's p50 plus 0.5 ms";

struct Side<'a> {
    client: Client,
    raw: RawLog,
    message: i64,
    number: u32,
    far_end: &'a FarEnd,
}

impl Side<'_> {
    /// Asks for one call. Returns the milliseconds until its INVITE arrived, and until the answer.
    fn dial(&mut self, prefix: &str) -> Result<(f64, f64)> {
        self.number += 1;
        let number = format!("{prefix}{:07}", self.number);
        let before = clock::timestamp();
        self.client.quick_send(self.message, &number)?;
        let answered = clock::timestamp();
        loop {
            let invite = self.far_end.invites.recv_timeout(TIMEOUT).context("no INVITE came")?;
            // Another call's INVITE that was sent again is passed over.
            if invite.number.ends_with(&number[1..]) {
                let dialled_us = invite.at_ns / 1000 - before.0;
                return Ok((milliseconds(dialled_us), milliseconds(answered.us_since(before))));
            }
        }
    }

    /// Flushes and requests in turns. Returns the figure in words and whether it meets the target.
    fn measure(&mut self, when: &str, requests: u32) -> Result<(String, bool)> {
        let (mut flushes, mut dials, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..requests {
            flushes.push(self.raw.append()?.as_secs_f64() * 1e3);
            rest();
            let (dialled, answered) = self.dial(BUSY)?;
            dials.push(dialled);
            answers.push(answered);
            rest();
        }
        if dials.iter().any(|ms| *ms < 0.0) {
            bail!("the wall clock was set back meanwhile");
        }
        let [flush, flush_high] = [0.5, 0.95].map(|q| quantile(&mut flushes, q));
        let [dial, dial_high] = [0.5, 0.95].map(|q| quantile(&mut dials, q));
        let answer = quantile(&mut answers, 0.5);
        say(&format!(
            "{when}: flush p50 {flush:.3} ms, p95 {flush_high:.3}; request to INVITE p50 \
             {dial:.3} ms, p95 {dial_high:.3}; request to answer p50 {answer:.3} ms"
        ));
        let most = 2.0 * flush + 0.5;
        Ok((format!("{when}: p50 {dial:.3} ms of {most:.3} ms"), dial <= most))
    }
}

fn milliseconds(us: i64) -> f64 {
    f64::from(i32::try_from(us).unwrap_or(i32::MAX)) / 1e3
}

fn rest() {
    // An interrupted wait is a short one.
    let _ = ppoll(&mut [], Some(TimeSpec::from_duration(GAP)), None);
}

//! `avanak quick-send show`: the story of one send, for support and for the demo.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use app::quick_send::{Step, Story};
use clap::Subcommand;
use domain::QuickSendId;
use serde_json::json;
use store::quick_send::{Ended, State};

use super::attempts::{self, at_ms, signs};
use super::{open, say};
use crate::config::Config;
use crate::{address, sandbox, trunks};

/// What can be asked about quick sends.
#[derive(Debug, Subcommand)]
pub enum QuickSend {
    /// Show a quick send: its state, its money, and each step of each attempt with its time.
    Show {
        /// The quick send.
        id: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: QuickSend) -> Result<ExitCode> {
    let QuickSend::Show { id, json } = command;
    let app = open::app(config).await?;
    let story = app::quick_send::story(&app, QuickSendId(id)).await.map_err(open::failed)?;
    let Some(story) = story else { bail!("there is no quick send {id}") };
    let heard = heard(config, &story).await?;
    if json {
        say(&as_json(&story, heard.as_ref()).to_string())?;
    } else {
        as_text(&story, heard.as_ref())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the sandbox's phone heard, when that was kept.
struct Heard {
    wav: PathBuf,
    ms: u64,
}

async fn heard(config: &Config, story: &Story) -> Result<Option<Heard>> {
    let State::Ended(ended) = &story.send.state else { return Ok(None) };
    if ended.trunk.as_deref() != Some(sandbox::TRUNK) {
        return Ok(None);
    }
    let host = address::host(trunks::advertised_by(config).await?.first);
    let call_id = node::call_id(ended.attempt, &host);
    let dir = config.heard_dir();
    let Some(wav) = sandbox::file_name(&call_id).map(|name| dir.join(format!("{name}.wav"))) else {
        return Ok(None);
    };
    if !wav.is_file() {
        return Ok(None);
    }
    let ms = wav_ms(&wav)?;
    Ok(Some(Heard { wav, ms }))
}

fn wav_ms(path: &Path) -> Result<u64> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let samples = media::wav::read(&bytes)
        .ok()
        .with_context(|| format!("{} is not a telephone WAV file", path.display()))?;
    Ok(samples.len() as u64 * 1000 / u64::from(media::SAMPLE_RATE_HZ))
}

fn ended(story: &Story) -> Option<&Ended> {
    match &story.send.state {
        State::Ended(ended) => Some(ended),
        State::Ready { .. } | State::Attempt { .. } => None,
    }
}

/// The name of a step in the ladder.
fn name(step: Step) -> &'static str {
    match step {
        Step::Accepted => "accepted",
        Step::Leased => "leased",
        Step::Invited => "INVITE",
        Step::Ringing => "ringing",
        Step::Answered => "answered",
        Step::FirstAudio => "first audio",
        Step::Ended => "end",
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people to read; a message is short")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn ms(us: u32) -> f64 {
    f64::from(us) / 1000.0
}

/// How the packets of one direction fared, as far as it is known.
fn packets(count: u32, lost: Option<u32>, jitter_us: Option<u32>) -> String {
    let lost = lost.map_or(String::new(), |lost| format!(", {lost} lost"));
    let jitter = jitter_us.map_or(String::new(), |us| format!(", jitter {} ms", ms(us)));
    format!("{count} packets{lost}{jitter}")
}

fn as_json(story: &Story, heard: Option<&Heard>) -> serde_json::Value {
    let ended = ended(story);
    let ladder: Vec<serde_json::Value> = story
        .steps
        .iter()
        .map(|(at, step)| json!({ "at_ms": at_ms(story, *at), "event": name(*step) }))
        .collect();
    let failed: Vec<serde_json::Value> = story
        .failed
        .iter()
        .map(|one| {
            json!({
                "trunk": one.trunk,
                "at_ms": at_ms(story, one.ended_at),
                "cause": one.failure.cause,
                "sip_code": one.failure.sip_code,
                "q850": one.failure.q850,
            })
        })
        .collect();
    let attempts = attempts::of(story);
    let attempts: Vec<_> = attempts.iter().map(|attempt| attempt.as_json(story)).collect();
    json!({
        "quick_send_id": story.send.id.0,
        "reason": story.status.code(),
        "status": web::status_label(story.status),
        "held_rials": story.send.hold.0,
        "charged_rials": ended.map_or(0, |ended| ended.charge.0),
        "trunk": ended.and_then(|ended| ended.trunk.clone()),
        "cause": ended.map(|ended| ended.facts.cause.clone()),
        "sip_code": ended.and_then(|ended| ended.facts.sip_code),
        "q850": ended.and_then(|ended| ended.facts.q850),
        "clip_seconds": seconds(story.send.clip_ms.into()),
        "played_seconds": seconds(ended.map_or(0, |ended| ended.facts.heard_ms).into()),
        "heard_wav": heard.map(|heard| heard.wav.display().to_string()),
        "heard_seconds": heard.map(|heard| seconds(heard.ms)),
        "failed_trunks": failed,
        "sound": ended.and_then(|ended| ended.facts.quality).map(|sound| json!({
            "sent": sound.sent,
            "received": sound.received,
            "lost": sound.lost,
            "jitter_ms": sound.jitter_us.map(ms),
            "peer_lost": sound.peer_lost,
            "peer_jitter_ms": sound.peer_jitter_us.map(ms),
            "round_trip_ms": sound.round_trip_us.map(ms),
        })),
        "ladder": ladder,
        "attempts": attempts,
    })
}

fn as_text(story: &Story, heard: Option<&Heard>) -> Result<()> {
    let send = &story.send;
    let joined = send.second.as_ref().map(|second| format!(", joined with {}", second.masked()));
    let (to, joined) = (send.destination.masked(), joined.unwrap_or_default());
    say(&format!("quick send {} to {to}{joined}", send.id))?;
    say(&format!("status     {} {}", story.status.code(), web::status_label(story.status)))?;
    say(&format!("held       {} rials", send.hold))?;
    if let Some(ended) = ended(story) {
        say(&format!("charged    {} rials", ended.charge))?;
        let facts = &ended.facts;
        say(&format!("trunk      {}", ended.trunk.as_deref().unwrap_or("none")))?;
        say(&format!("cause      {}", signs(&facts.cause, facts.sip_code, facts.q850)))?;
        say(&format!(
            "played     {} of {} s",
            seconds(ended.facts.heard_ms.into()),
            seconds(send.clip_ms.into())
        ))?;
    }
    if let Some(sound) = ended(story).and_then(|ended| ended.facts.quality) {
        say(&format!("sent       {}", packets(sound.sent, sound.peer_lost, sound.peer_jitter_us)))?;
        say(&format!("received   {}", packets(sound.received, sound.lost, sound.jitter_us)))?;
        if let Some(round_trip_us) = sound.round_trip_us {
            say(&format!("round trip {} ms", ms(round_trip_us)))?;
        }
    }
    if let Some(heard) = heard {
        say(&format!("heard      {} s, {}", seconds(heard.ms), heard.wav.display()))?;
    }
    let attempts = attempts::of(story);
    // The attempts tell the steps of a call in more detail.
    let told = matches!(ended(story), Some(ended) if ended.attempt.n > 0);
    for (at, step) in story.steps.iter().take(if told { 1 } else { usize::MAX }) {
        say(&format!("{:>12.3} ms  {}", at_ms(story, *at), name(*step)))?;
    }
    for line in attempts.iter().flat_map(|attempt| attempt.as_text(story)) {
        say(&line)?;
    }
    Ok(())
}

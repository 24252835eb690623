//! The story of every attempt of a send, as support reads it: its trunk, its server, each message
//! of its signalling, each turn that it took, and what it came to. Numbers and secrets are not in
//! it, because they never were in what is kept.

use app::dialing::Ladder;
use app::quick_send::{FailedAttempt, Story};
use domain::{AttemptId, Disposition, Rials, Status, Timestamp};
use engine::Turn;
use serde_json::{Value, json};
use store::quick_send::{Ended, State};

/// An attempt and what is known of it.
pub(super) struct Attempt {
    n: u16,
    trunk: String,
    server: Option<String>,
    cause: String,
    sip_code: Option<u16>,
    q850: Option<u8>,
    /// What it came to, and its price; `None` when the send was called again.
    settled: Option<(Disposition, Rials)>,
    steps: Vec<Step>,
}

/// A step of an attempt.
struct Step {
    at: Timestamp,
    event: String,
    times: u16,
}

impl Step {
    fn once(at: Timestamp, event: impl Into<String>) -> Self {
        Self { at, event: event.into(), times: 1 }
    }
}

/// The attempts of a send that are over, in order.
pub(super) fn of(story: &Story) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = story.failed.iter().map(|one| failed(story, one)).collect();
    if let State::Ended(ended) = &story.send.state
        && ended.attempt.n > 0
    {
        attempts.push(last(story, ended));
    }
    attempts
}

fn failed(story: &Story, one: &FailedAttempt) -> Attempt {
    let failure = &one.failure;
    let times = [(failure.invite_at, "INVITE"), (Some(one.ended_at), "end")];
    let (server, steps) = told(story, one.attempt, Some(one.started_at), &times);
    Attempt {
        n: one.attempt.n,
        trunk: one.trunk.clone(),
        server,
        cause: failure.cause.clone(),
        sip_code: failure.sip_code,
        q850: failure.q850,
        settled: None,
        steps,
    }
}

fn last(story: &Story, ended: &Ended) -> Attempt {
    let facts = &ended.facts;
    let times = [
        (facts.invite_at, "INVITE"),
        (facts.ringing_at, "ringing"),
        (facts.answered_at, "answered"),
        (facts.first_audio_at, "first audio"),
        (Some(ended.ended_at), "end"),
    ];
    let (server, steps) = told(story, ended.attempt, ended.started_at, &times);
    Attempt {
        n: ended.attempt.n,
        trunk: ended.trunk.clone().unwrap_or_default(),
        server,
        cause: facts.cause.clone(),
        sip_code: facts.sip_code,
        q850: facts.q850,
        settled: Some((ended.disposition, ended.charge)),
        steps,
    }
}

/// The server and the steps of an attempt. Where its story was forgotten, or begins with the
/// recovery from a kill, `times` are all that is known.
fn told(
    story: &Story,
    attempt: AttemptId,
    leased_at: Option<Timestamp>,
    times: &[(Option<Timestamp>, &str)],
) -> (Option<String>, Vec<Step>) {
    let mut steps: Vec<Step> = leased_at.map(|at| Step::once(at, "leased")).into_iter().collect();
    let kept = story.ladders.iter().find(|(of, _)| *of == attempt).map(|(_, ladder)| ladder);
    let rungs =
        kept.map(|Ladder { began_at, rungs, .. }| (*began_at, engine::Ladder::decode(rungs)));
    let whole = match rungs {
        None => false,
        Some((began_at, None)) => {
            steps.push(Step::once(began_at, "its story is of another version of this program"));
            false
        }
        Some((began_at, Some(ladder))) => {
            let step = |rung: &engine::Rung| Step {
                at: began_at.plus_us(i64::try_from(rung.at_us()).unwrap_or(i64::MAX)),
                event: rung.turn().to_string(),
                times: rung.times(),
            };
            steps.extend(ladder.rungs().iter().map(step));
            !ladder.rungs().iter().any(|rung| matches!(rung.turn(), Turn::Recovered(_)))
        }
    };
    if !whole {
        let known = times.iter().filter_map(|(at, event)| Some(Step::once((*at)?, *event)));
        steps.extend(known);
    }
    steps.sort_by_key(|step| step.at);
    (kept.and_then(|ladder| ladder.server.clone()), steps)
}

/// Milliseconds since the send was accepted, to the microsecond.
#[expect(clippy::cast_precision_loss, reason = "for people to read; a call is short")]
pub(super) fn at_ms(story: &Story, at: Timestamp) -> f64 {
    at.us_since(story.send.accepted_at) as f64 / 1000.0
}

impl Attempt {
    pub(super) fn as_json(&self, story: &Story) -> Value {
        let step = |step: &Step| {
            let at_ms = at_ms(story, step.at);
            json!({ "at_ms": at_ms, "event": step.event, "times": step.times })
        };
        json!({
            "n": self.n,
            "trunk": self.trunk,
            "server": self.server,
            "cause": self.cause,
            "sip_code": self.sip_code,
            "q850": self.q850,
            "reason": self.settled.map(|(disposition, _)| Status::Ended(disposition).code()),
            "charged_rials": self.settled.map(|(_, charge)| charge.0),
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }

    /// One line for the attempt, and one for each step.
    pub(super) fn as_text(&self, story: &Story) -> Vec<String> {
        let at = self.server.as_ref().map_or(String::new(), |server| format!(", {server}"));
        let came_to = match self.settled {
            Some((disposition, charge)) => {
                format!("{}, {charge} rials", web::status_label(Status::Ended(disposition)))
            }
            None => String::from("called again"),
        };
        let signs = signs(&self.cause, self.sip_code, self.q850);
        let mut lines =
            vec![format!("attempt {} by {}{at}: {signs}; {came_to}", self.n, self.trunk)];
        lines.extend(self.steps.iter().map(|step| {
            let times =
                if step.times > 1 { format!(", {} times", step.times) } else { String::new() };
            format!("{:>12.3} ms  {}{times}", at_ms(story, step.at), step.event)
        }));
        lines
    }
}

/// Why a call ended, with the codes as they came.
pub(super) fn signs(cause: &str, sip_code: Option<u16>, q850: Option<u8>) -> String {
    let sip_code = sip_code.map_or(String::new(), |code| format!(", SIP {code}"));
    let q850 = q850.map_or(String::new(), |cause| format!(", Q.850 {cause}"));
    format!("{cause}{sip_code}{q850}")
}

//! Whose turn it is, with which expert, and what becomes of callbacks.

use std::collections::BTreeSet;
use std::sync::Arc;

use app::Failure;
use app::support_call::Kept;
use app::support_line::{self as line, Agent, Prompt, Try, View};
use domain::PhoneNumber;
use domain::agreement::support_call::{State, Step};
use domain::agreement::support_queue::{REST_US, next};
use engine::{CallKey, Clip, Command, SecondLeg, Srtp, Target};

use super::{Expert, Stage, SupportLine, scripts, words};
use crate::spec::phone_target;

/// How long an expert's phone rings, milliseconds.
const RING_MS: u32 = 20_000;
/// Samples of a clip in a millisecond.
const SAMPLES_PER_MS: usize = 8;
/// Room on both legs for a slow answer, milliseconds.
const SLACK_MS: u32 = 60_000;
/// An expert whose phone is registered nowhere for so long is off duty, microseconds.
const UNREACHABLE_US: i64 = 60_000_000;

impl SupportLine {
    /// Goes on with the callbacks that experts have.
    pub(super) async fn look_after_callbacks(&mut self, view: &View) -> Result<(), Failure> {
        for agent in &view.agents {
            let called = view
                .in_order
                .iter()
                .find(|kept| agent.busy_with == Some(kept.id) && kept.call.state == State::Dialing);
            if let Some(kept) = called {
                self.look_after(agent, kept).await?;
            }
        }
        Ok(())
    }

    async fn look_after(&mut self, agent: &Agent, kept: &Kept) -> Result<(), Failure> {
        let (app, id) = (Arc::clone(&self.app), kept.id);
        let prompt = self.callback_prompt().await?;
        match line::call_back(&app, agent, kept, &prompt).await? {
            Try::UnderWay => Ok(()),
            Try::Talking => {
                let noted = kept.steps.last().and_then(|taken| taken.step.clone());
                if noted == Some(Step::Talking) {
                    return Ok(());
                }
                line::is_there(&app, agent, kept).await
            }
            Try::Came(attempt) => {
                tracing::info!(support_call = id, result = attempt.word(), "a callback is over");
                let step = Step::Attempted(attempt);
                line::conclude(&app, agent, kept, step, ("", REST_US)).await
            }
            Try::NoExpert => {
                let why = "the customer was there, and the expert did not answer";
                tracing::warn!(expert = agent.name, support_call = id, "did not answer: off duty");
                line::end_turn(&app, agent.id).await?;
                line::conclude(&app, agent, kept, Step::Returned, (why, 0)).await
            }
            Try::Failed(why) => {
                tracing::error!(support_call = id, why, "a callback came to nothing");
                line::conclude(&app, agent, kept, Step::Returned, (why, REST_US)).await
            }
        }
    }

    async fn callback_prompt(&mut self) -> Result<Prompt, Failure> {
        line::speak(&self.app, words::CALLBACK).await
    }

    /// Gives those whose turn it is to the experts who are free.
    pub(super) async fn serve_next(&mut self, commands: &mut Vec<Command>) -> Result<(), Failure> {
        // Whom no expert could be given is passed by for this time.
        let mut passed = BTreeSet::new();
        loop {
            let view = line::view(&self.app).await?;
            let free = self.reachable(&view).await?;
            let Some(kept) = self.whose_turn(&view, &passed) else { return Ok(()) };
            if free.is_empty() {
                return Ok(());
            }
            if !self.give(kept, free, commands).await? {
                passed.insert(kept.id);
            }
        }
    }

    /// The free experts whose phones can be rung now. One whose phone is gone for long is off duty:
    /// nobody is there to answer.
    async fn reachable(&mut self, view: &View) -> Result<Vec<(Agent, Target)>, Failure> {
        let mut reachable = Vec::new();
        for agent in view.agents.iter().filter(|agent| agent.is_free(view.at)) {
            let contact = line::contact(&self.app, agent).await?;
            if let Some(target) = contact.as_ref().and_then(phone_target) {
                self.unreachable.remove(&agent.id);
                reachable.push((agent.clone(), target));
                continue;
            }
            let since = *self.unreachable.entry(agent.id).or_insert(view.at);
            if view.at.us_since(since) >= UNREACHABLE_US {
                let Agent { name, username, .. } = agent;
                tracing::warn!(expert = name, phone = username, "phone is gone: off duty");
                line::end_turn(&self.app, agent.id).await?;
                self.unreachable.remove(&agent.id);
            }
        }
        Ok(reachable)
    }

    /// Gives a call to the first of these experts who takes it. `false`: none did.
    async fn give(
        &mut self,
        kept: &Kept,
        free: Vec<(Agent, Target)>,
        commands: &mut Vec<Command>,
    ) -> Result<bool, Failure> {
        for (agent, target) in free {
            if !line::claim(&self.app, &agent, kept, &self.settings.node).await? {
                continue;
            }
            let on_line = self.callers.iter().find(|(_, caller)| caller.id == kept.id);
            if let Some(call) = on_line.map(|(call, _)| *call) {
                commands.extend(self.ring(call, &agent, target).await);
            } else {
                // It is placed by the next look at it, as is one that a killed node had.
                tracing::info!(support_call = kept.id, expert = agent.name, "calls back");
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Who is served next, if that is this node's to do: somebody on its line, or to be called
    /// back. While it is somebody's turn on another node's line, or somebody types, nobody is
    /// passed by (I13).
    fn whose_turn<'a>(&self, view: &'a View, passed: &BTreeSet<i64>) -> Option<&'a Kept> {
        let has_expert = |id| view.agents.iter().any(|agent| agent.busy_with == Some(id));
        let is_ours = |kept: &Kept| match kept.call.state {
            // Those of another switch are that one's.
            State::Waiting => kept.node.is_some() && !self.has_expert(kept.id),
            _ => view.is_open,
        };
        let stands =
            |kept: &&Kept| is_ours(kept) && !has_expert(kept.id) && !passed.contains(&kept.id);
        let queue: Vec<&Kept> = view.in_order.iter().filter(stands).collect();
        let kept = queue[next(queue.iter().map(|kept| &kept.call), view.at)?];
        let here = self.callers.values().find(|caller| caller.id == kept.id);
        if kept.call.state != State::Waiting {
            // Who still hears the last words is called back after them.
            return here.is_none().then_some(kept);
        }
        let here = here?;
        here.may_be_served(view.at).then_some(kept)
    }

    /// Whether this caller is rung for at this moment.
    fn has_expert(&self, id: i64) -> bool {
        self.callers.values().any(|caller| caller.id == id && caller.stage != Stage::Waiting)
    }

    async fn ring(&mut self, call: CallKey, agent: &Agent, target: Target) -> Option<Command> {
        let now = self.app.now();
        let caller = self.callers.get_mut(&call)?;
        caller.stage = Stage::Ringing(Expert { duty: agent.id, name: agent.name.clone() });
        let sent = caller.identity.number.clone();
        let offer_in_ms = caller.offer_at.map(|at| at.us_since(now).max(0) / 1_000);
        let offer_in_ms = offer_in_ms.and_then(|ms| u32::try_from(ms).ok());
        let offer_in_ms = offer_in_ms.filter(|ms| *ms < RING_MS);
        let listens = caller.offered || offer_in_ms.is_some();
        let hold = match offer_in_ms {
            Some(ms) => self.music_with_offer(ms, words::offer(sent.is_some())).await,
            None => Arc::clone(&self.music),
        };
        let shown = sent.as_ref().map_or("anonymous", PhoneNumber::national);
        let (Target::Address { address, .. } | Target::Phone { address, .. }) = &target;
        let host = self.settings.host_v6.as_ref().filter(|_| address.is_ipv6());
        let host = host.unwrap_or(&self.settings.host);
        let leg = SecondLeg {
            from_uri: format!("sip:{shown}@{host}"),
            target,
            credentials: None,
            codecs: Vec::new(),
            srtp: Srtp::Optional,
            symmetric_rtp: true,
            script: scripts::expert(),
            ring_timeout_ms: RING_MS,
            max_duration_ms: scripts::TALK_MS + RING_MS + SLACK_MS,
        };
        let script = scripts::connecting(leg, hold, Arc::clone(&self.music), listens);
        Some(Command::Follow { call, script })
    }

    /// Music in which the offer comes after so many milliseconds: it is due while an expert is
    /// rung, and who rings is not kept from it (T110).
    async fn music_with_offer(&mut self, in_ms: u32, offer: &str) -> Arc<Clip> {
        let Some(offer) = self.speech.say(offer).await else { return Arc::clone(&self.music) };
        let [music, offer] = [&self.music, &offer].map(|clip| clip.samples());
        let before = music.iter().copied().cycle().take(in_ms as usize * SAMPLES_PER_MS);
        let after = music.iter().copied().cycle().take(RING_MS as usize * SAMPLES_PER_MS);
        let samples: Vec<i16> = before.chain(offer).chain(after).collect();
        Arc::new(Clip::from_samples(&samples))
    }
}

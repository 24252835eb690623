//! The support line where this program is its switch (C14, C15): callers wait with music in the
//! order in which they came, are offered to be called back, are joined with the expert who is free
//! the longest, and are called back when their turn comes.
//!
//! ```text
//! Waiting ──an expert is free──▶ Ringing ──answered──▶ Talking
//!    │  ▲────not answered────────────┘
//!    └──star, or a number and the square──▶ Leaving: it is a callback, in the same order
//! ```
//!
//! What waits is in the database, and so is who is on duty; here is just what this node has on its
//! lines. A callback is a send like any other ([`app::support_line::call_back`]): whoever looks at
//! it next goes on with it. It opens no socket and asks no clock but the application's.

use std::collections::BTreeMap;
use std::sync::Arc;

use app::support_call::{self, Kept, SupportCallRefusal};
use app::support_line::{self as line, Agent, Identity, Prompt, SWITCH, Try, View};
use app::{App, Error, Failure};
use domain::agreement::callback::{OFFER_EVERY_US, offer_at};
use domain::agreement::support_call::{Refusal, State, Step};
use domain::agreement::support_queue::{REST_US, estimate_minutes, next, place};
use domain::calendar::day::due_text;
use domain::{PhoneNumber, Timestamp};
use engine::{CallKey, Caller, Clip, Command, Event, SecondLeg, Srtp};

use crate::sounds;
use crate::spec::phone_target;

mod scripts;
mod speech;
mod typing;
pub mod words;

use speech::Speech;

/// How long a call of the line may last in all, milliseconds.
const CALL_MS_MAX: u32 = 4 * 60 * 60 * 1_000;
/// How long an expert's phone rings, milliseconds.
const RING_MS: u32 = 20_000;
/// Room on both legs for a slow answer, milliseconds.
const SLACK_MS: u32 = 60_000;
/// How often lines of nodes that are gone are looked for, and hours without an expert,
/// microseconds.
const LOOK_EVERY_US: i64 = 30_000_000;
/// 480 Temporarily Unavailable.
const UNAVAILABLE: u16 = 480;

/// What the operator says of the line.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of this node.
    pub node: String,
    /// The numbers of the line, as phones and trunks dial them.
    pub numbers: Vec<String>,
    /// What is said first.
    pub greeting: String,
    /// The host of our URIs.
    pub host: String,
}

/// The switch of this node.
pub struct SupportLine {
    app: Arc<App>,
    settings: Settings,
    speech: Speech,
    music: Arc<Clip>,
    callers: BTreeMap<CallKey, OnLine>,
    /// The callers of experts' legs.
    legs: BTreeMap<CallKey, CallKey>,
    looked_at: Option<Timestamp>,
}

/// A caller on a line of this node.
struct OnLine {
    id: i64,
    identity: Identity,
    joined_at: Timestamp,
    stage: Stage,
    /// The digits typed so far, and when the last one was.
    typed: (String, Timestamp),
    /// When the next offer is to begin; `None` before that is known.
    offer_at: Option<Timestamp>,
    /// Whether an offer was made: keys count from then on.
    offered: bool,
}

/// How far a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Waiting,
    Ringing(Expert),
    Talking(Expert),
    /// Nothing is owed any more: the last words are said.
    Leaving,
}

/// The expert whom a caller has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expert {
    duty: i64,
    name: String,
}

impl OnLine {
    /// Whether digits are being typed.
    fn is_typing(&self, now: Timestamp) -> bool {
        let until = self.typed.1.plus_ms(scripts::NEXT_KEY_MS.into());
        !self.typed.0.is_empty() && now < until
    }

    fn may_be_served(&self, now: Timestamp) -> bool {
        self.stage == Stage::Waiting && !self.is_typing(now)
    }
}

impl SupportLine {
    /// A line without callers.
    pub fn new(app: Arc<App>, settings: Settings) -> Self {
        Self {
            speech: Speech::new(Arc::clone(&app)),
            app,
            settings,
            music: Arc::new(Clip::from_samples(&sounds::music())),
            callers: BTreeMap::new(),
            legs: BTreeMap::new(),
            looked_at: None,
        }
    }

    /// Speaks what will be said, so that no caller waits for it.
    pub async fn learn_its_words(&mut self) {
        let texts = [&*self.settings.greeting, words::OFFER, words::OFFER_HIDDEN]
            .into_iter()
            .chain([words::ASK_NUMBER, words::WRONG_NUMBER, words::SORRY])
            .chain(words::REGISTERED)
            .chain(words::DIGITS);
        for text in texts {
            self.speech.say(text).await;
        }
    }

    /// How many callers wait on a line of this node.
    pub fn waiting(&self) -> usize {
        self.callers.values().filter(|caller| caller.stage == Stage::Waiting).count()
    }

    /// Takes an event of a call to the line or of an expert's leg; the answer is what the engine
    /// is to do. What a failed database kept from being noted is logged, and the caller waits on.
    pub async fn take(&mut self, event: Event) -> Vec<Command> {
        let done = match event {
            Event::Incoming { call, caller, from, .. } => {
                self.comes_in(call, caller, from.as_deref()).await
            }
            Event::Key { call, digit } => self.pressed(call, digit).await,
            Event::SecondLeg { call, leg } => {
                self.legs.insert(leg, call);
                Ok(Vec::new())
            }
            Event::Answered { call, .. } => self.answered(call).await.map(|()| Vec::new()),
            Event::Ended { call, .. } | Event::NotAnswered { call } => {
                self.ended(call).await.map(|()| Vec::new())
            }
            _ => Ok(Vec::new()),
        };
        or_log(done)
    }

    /// Does what is due: offers, whoever is next, what became of callbacks.
    pub async fn step(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        if let Err(failure) = self.do_what_is_due(&mut commands).await {
            let error = failure.chain();
            tracing::warn!(error, "the support line could not be looked at; trying again");
        }
        commands
    }

    async fn do_what_is_due(&mut self, commands: &mut Vec<Command>) -> Result<(), Failure> {
        self.look_for_lost().await?;
        let view = line::view(&self.app).await?;
        self.let_go(&view, commands).await;
        self.make_offers(&view, commands).await?;
        self.look_after_callbacks(&view).await?;
        self.serve_next(commands).await
    }

    /// Looks for lines that were lost, and for hours without an expert, if it is time. The first
    /// look is before anybody waits here: who waited on this node's lines did so before it began.
    async fn look_for_lost(&mut self) -> Result<(), Failure> {
        let now = self.app.now();
        if self.looked_at.is_some_and(|at| now.us_since(at) < LOOK_EVERY_US) {
            return Ok(());
        }
        let began = self.looked_at.is_none();
        let lost = line::take_up_lost(&self.app, &self.settings.node, began).await?;
        if lost > 0 {
            tracing::warn!(lost, "callers of a lost line are called back");
        }
        self.looked_at = Some(now);
        line::look_at_staffing(&self.app).await.map(|_| ())
    }

    /// Somebody calls.
    async fn comes_in(
        &mut self,
        call: CallKey,
        caller: Caller,
        from: Option<&str>,
    ) -> Result<Vec<Command>, Failure> {
        if self.looked_at.is_none()
            && let Err(failure) = self.look_for_lost().await
        {
            return Ok(vec![refuse(call, &failure)]);
        }
        let identity = match caller {
            Caller::Phone(username) => line::identity_of_phone(&self.app, &username).await,
            Caller::Trunk(_) => line::identity_of_number(&self.app, from).await,
        };
        let identity = match identity {
            Ok(identity) => identity,
            Err(failure) => return Ok(vec![refuse(call, &failure)]),
        };
        match line::joined(&self.app, &self.settings.node, &identity).await {
            Ok(id) => {
                let joined_at = self.app.now();
                tracing::info!(support_call = id, "somebody calls the support line");
                self.callers.insert(
                    call,
                    OnLine {
                        id,
                        identity,
                        joined_at,
                        stage: Stage::Waiting,
                        typed: (String::new(), joined_at),
                        offer_at: None,
                        offered: false,
                    },
                );
                Ok(vec![answer(call, self.greeting(id).await)])
            }
            Err(Error::Refused(SupportCallRefusal::Rule(Refusal::Closed))) => {
                tracing::info!("somebody calls the support line, which is closed");
                let view = line::view(&self.app).await?;
                let opens = view.hours.next_open(view.at).map(|open| due_text(open.from));
                let said = self.speech.say(&words::closed(opens.as_deref())).await;
                Ok(vec![answer(call, scripts::saying(said.into_iter().collect()))])
            }
            Err(Error::Refused(refusal)) => {
                let why = format!("noting a call to the line: {refusal:?}");
                Ok(vec![refuse(call, &Failure::of(why))])
            }
            Err(Error::Failed(failure)) => Ok(vec![refuse(call, &failure)]),
        }
    }

    /// What is said first: the greeting, and the place in the line.
    async fn greeting(&mut self, id: i64) -> Arc<engine::Script> {
        let mut clips: Vec<_> =
            self.speech.say(&self.settings.greeting).await.into_iter().collect();
        match line::view(&self.app).await {
            Ok(view) => {
                let at = view.in_order.iter().position(|kept| kept.id == id);
                let calls = view.in_order.iter().map(|kept| &kept.call);
                let place = place(calls, at.unwrap_or(view.in_order.len()));
                let experts = view.agents.iter().filter(|agent| agent.until.is_none()).count();
                let experts = u32::try_from(experts).unwrap_or(u32::MAX);
                let told = words::place(place, estimate_minutes(place, experts));
                clips.extend(self.speech.say(&told).await);
            }
            Err(failure) => {
                let error = failure.chain();
                tracing::warn!(error, "a caller is not told the place in the line");
            }
        }
        scripts::waiting(clips, Arc::clone(&self.music), false)
    }

    async fn say_and_wait(&mut self, call: CallKey, text: &str) -> Vec<Command> {
        let clips = self.speech.say(text).await.into_iter().collect();
        vec![Command::Follow {
            call,
            script: scripts::waiting(clips, Arc::clone(&self.music), true),
        }]
    }

    /// An expert answered: the two are joined at once.
    async fn answered(&mut self, leg: CallKey) -> Result<(), Failure> {
        let caller = self.legs.get(&leg).and_then(|call| self.callers.get_mut(call));
        let Some(caller) = caller else { return Ok(()) };
        let Stage::Ringing(expert) = &caller.stage else { return Ok(()) };
        let (id, expert) = (caller.id, expert.clone());
        caller.stage = Stage::Talking(expert.clone());
        tracing::info!(support_call = id, expert = expert.name, "an expert answers");
        unless_refused(support_call::answered(&self.app, id, &expert.name).await)
    }

    async fn ended(&mut self, call: CallKey) -> Result<(), Failure> {
        match self.legs.remove(&call) {
            Some(first) => self.expert_left(first).await,
            None => self.caller_left(call).await,
        }
    }

    /// An expert's leg is over. Who did not take the call is off duty: the phone is not rung again
    /// for every caller.
    async fn expert_left(&mut self, first: CallKey) -> Result<(), Failure> {
        let Some(caller) = self.callers.get_mut(&first) else { return Ok(()) };
        let Stage::Ringing(expert) = &caller.stage else { return Ok(()) };
        let (id, expert) = (caller.id, expert.clone());
        caller.stage = Stage::Waiting;
        self.missed(&expert, id).await
    }

    async fn missed(&self, expert: &Expert, call: i64) -> Result<(), Failure> {
        tracing::warn!(expert = expert.name, support_call = call, "did not answer: off duty now");
        line::release(&self.app, expert.duty, call, 0).await?;
        unless_refused(line::off_duty(&self.app, &expert.name).await)
    }

    async fn caller_left(&mut self, call: CallKey) -> Result<(), Failure> {
        let Some(OnLine { id, stage, .. }) = self.callers.remove(&call) else { return Ok(()) };
        self.legs.retain(|_, first| *first != call);
        match stage {
            Stage::Waiting => unless_refused(support_call::left(&self.app, id, SWITCH).await),
            Stage::Ringing(expert) => {
                line::release(&self.app, expert.duty, id, 0).await?;
                unless_refused(support_call::left(&self.app, id, SWITCH).await)
            }
            Stage::Talking(expert) => line::release(&self.app, expert.duty, id, REST_US).await,
            Stage::Leaving => Ok(()),
        }
    }

    /// Lets callers go who wait no more as far as the database knows: another node took this one
    /// for gone, and they are called back.
    async fn let_go(&mut self, view: &View, commands: &mut Vec<Command>) {
        let waits = |id| {
            view.in_order.iter().any(|kept| kept.id == id && kept.call.state == State::Waiting)
        };
        let gone = self.callers.iter().filter(|(_, caller)| {
            caller.stage == Stage::Waiting && caller.joined_at < view.at && !waits(caller.id)
        });
        for call in gone.map(|(call, _)| *call).collect::<Vec<_>>() {
            let Some(caller) = self.callers.get_mut(&call) else { continue };
            caller.stage = Stage::Leaving;
            let number = caller.identity.number.clone();
            let clips = match number {
                Some(number) => self.confirmation(Some(&number)).await,
                None => self.speech.say(words::SORRY).await.into_iter().collect(),
            };
            commands.push(Command::Follow { call, script: scripts::saying(clips) });
        }
    }

    /// The first offer comes when the agreement says, the others at intervals (T110); nobody is
    /// interrupted who types.
    async fn make_offers(
        &mut self,
        view: &View,
        commands: &mut Vec<Command>,
    ) -> Result<(), Failure> {
        let now = view.at;
        let mut due = Vec::new();
        for (call, caller) in &mut self.callers {
            if caller.offer_at.is_none() {
                caller.offer_at = offer_at(caller.joined_at, view.offer_after_us, &view.hours);
            }
            if caller.may_be_served(now) && caller.offer_at.is_some_and(|at| at <= now) {
                due.push(*call);
            }
        }
        for call in due {
            let Some(caller) = self.callers.get_mut(&call) else { continue };
            caller.offer_at = Some(now.plus_us(OFFER_EVERY_US));
            caller.offered = true;
            let text = match caller.identity.number {
                Some(_) => words::OFFER,
                None => words::OFFER_HIDDEN,
            };
            let id = caller.id;
            commands.extend(self.say_and_wait(call, text).await);
            unless_refused(support_call::offered(&self.app, id, SWITCH).await)?;
        }
        Ok(())
    }

    /// Goes on with the callbacks that experts have.
    async fn look_after_callbacks(&mut self, view: &View) -> Result<(), Failure> {
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
                unless_refused(support_call::talking(&app, id, &agent.name).await)
            }
            Try::Came(attempt) => {
                tracing::info!(support_call = id, result = attempt.word(), "a callback is over");
                let done = support_call::attempted(&app, id, attempt, &agent.name, "").await;
                unless_refused(done)?;
                line::release(&app, agent.id, id, REST_US).await
            }
            Try::NoExpert => {
                let why = "the customer was there, and the expert did not answer";
                unless_refused(support_call::returned(&app, id, &agent.name, why).await)?;
                self.missed(&Expert { duty: agent.id, name: agent.name.clone() }, id).await
            }
            Try::Failed(why) => {
                tracing::error!(support_call = id, why, "a callback came to nothing");
                unless_refused(support_call::returned(&app, id, &agent.name, why).await)?;
                line::release(&app, agent.id, id, REST_US).await
            }
        }
    }

    async fn callback_prompt(&mut self) -> Result<Prompt, Failure> {
        line::speak(&self.app, words::CALLBACK).await
    }

    /// Gives those whose turn it is to the experts who are free.
    async fn serve_next(&mut self, commands: &mut Vec<Command>) -> Result<(), Failure> {
        loop {
            let view = line::view(&self.app).await?;
            let Some(kept) = self.whose_turn(&view) else { return Ok(()) };
            let mut given = false;
            for agent in view.agents.iter().filter(|agent| agent.is_free(view.at)) {
                let Some(contact) = line::contact(&self.app, agent).await? else { continue };
                let Some(target) = phone_target(&contact) else { continue };
                if !line::claim(&self.app, agent, kept, &self.settings.node).await? {
                    continue;
                }
                let on_line = self.callers.iter().find(|(_, caller)| caller.id == kept.id);
                match on_line.map(|(call, _)| *call) {
                    Some(call) => commands.extend(self.ring(call, agent, target)),
                    // It is placed by the next look at it, as is one that a killed node had.
                    None => {
                        tracing::info!(support_call = kept.id, expert = agent.name, "calls back");
                    }
                }
                given = true;
                break;
            }
            if !given {
                return Ok(());
            }
        }
    }

    /// Who is served next, if that is this node's to do: somebody on its line, or to be called
    /// back. While it is somebody's turn on another node's line, or somebody types, nobody is
    /// passed by (I13).
    fn whose_turn<'a>(&self, view: &'a View) -> Option<&'a Kept> {
        let is_ours = |kept: &Kept| match kept.call.state {
            // Those of another switch are that one's.
            State::Waiting => kept.node.is_some() && !self.has_expert(kept.id),
            _ => view.is_open && view.agents.iter().all(|agent| agent.busy_with != Some(kept.id)),
        };
        let queue: Vec<&Kept> = view.in_order.iter().filter(|kept| is_ours(kept)).collect();
        let kept = queue[next(queue.iter().map(|kept| &kept.call), view.at)?];
        if kept.call.state != State::Waiting {
            return Some(kept);
        }
        let here = self.callers.values().find(|caller| caller.id == kept.id)?;
        here.may_be_served(view.at).then_some(kept)
    }

    /// Whether this caller is rung for at this moment.
    fn has_expert(&self, id: i64) -> bool {
        self.callers.values().any(|caller| caller.id == id && caller.stage != Stage::Waiting)
    }

    fn ring(&mut self, call: CallKey, agent: &Agent, target: engine::Target) -> Option<Command> {
        let caller = self.callers.get_mut(&call)?;
        caller.stage = Stage::Ringing(Expert { duty: agent.id, name: agent.name.clone() });
        let shown = caller.identity.number.as_ref().map_or("anonymous", PhoneNumber::national);
        let leg = SecondLeg {
            target,
            from_uri: format!("sip:{shown}@{}", self.settings.host),
            credentials: None,
            codecs: Vec::new(),
            srtp: Srtp::Optional,
            symmetric_rtp: true,
            script: scripts::expert(),
            ring_timeout_ms: RING_MS,
            max_duration_ms: scripts::TALK_MS + RING_MS + SLACK_MS,
        };
        let script = scripts::connecting(leg, Arc::clone(&self.music), caller.offered);
        Some(Command::Follow { call, script })
    }
}

fn refuse(call: CallKey, failure: &Failure) -> Command {
    let error = failure.chain();
    tracing::error!(error, "a caller of the support line is refused");
    Command::Reject { call, sip_code: UNAVAILABLE }
}

fn answer(call: CallKey, script: Arc<engine::Script>) -> Command {
    Command::Answer { call, script, max_duration_ms: CALL_MS_MAX }
}

/// What was refused is what somebody else did a moment before; what failed is a failure.
fn unless_refused<T, R: std::fmt::Debug>(done: app::Result<T, R>) -> Result<(), Failure> {
    match done {
        Ok(_) => Ok(()),
        Err(Error::Refused(refusal)) => {
            tracing::info!(?refusal, "the support line was told something that holds no more");
            Ok(())
        }
        Err(Error::Failed(failure)) => Err(failure),
    }
}

fn or_log(done: Result<Vec<Command>, Failure>) -> Vec<Command> {
    done.unwrap_or_else(|failure| {
        let error = failure.chain();
        tracing::error!(error, "what happens on the support line could not be noted");
        Vec::new()
    })
}

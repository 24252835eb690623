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
use app::support_line::{self as line, Identity, SWITCH, View};
use app::{App, Error, Failure};
use domain::agreement::callback::{OFFER_EVERY_US, offer_at};
use domain::agreement::support_call::{Refusal, State};
use domain::agreement::support_queue::{REST_US, estimate_minutes, place};
use domain::calendar::day::due_text;
use domain::{PhoneNumber, Timestamp};
use engine::{CallKey, Caller, Cause, Clip, Command, Event};

use crate::sounds;

mod links;
mod scripts;
mod serving;
mod speech;
mod typing;
pub mod words;

pub use links::LinkSms;
use links::Links;
use speech::Speech;
use typing::Typed;

/// How long a call of the line may last in all, milliseconds.
const CALL_MS_MAX: u32 = 4 * 60 * 60 * 1_000;
/// How often lines of nodes that are gone are looked for, and hours without an expert,
/// microseconds.
const LOOK_EVERY_US: i64 = 30_000_000;
/// How long the longer of the offers takes to be said, and more, microseconds.
const OFFER_US: i64 = 25_000_000;
/// Calls from one number on the line at a time: the others find it busy.
const CALLS_PER_NUMBER: usize = 2;
/// 486 Busy Here.
const BUSY: u16 = 486;
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
    /// The same for phones of IPv6, when others are reached by IPv4.
    pub host_v6: Option<String>,
    /// Where requests can be left while the line is closed, for an SMS to who calls then; empty
    /// for none.
    pub ticket_link: String,
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
    links: Links,
    /// Since when phones of experts are registered nowhere, by their duty.
    unreachable: BTreeMap<i64, Timestamp>,
}

/// A caller on a line of this node.
struct OnLine {
    id: i64,
    identity: Identity,
    joined_at: Timestamp,
    stage: Stage,
    typed: Typed,
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
    /// Who types is not disturbed, for as long as a number takes: the line waits for it.
    fn may_be_served(&self, now: Timestamp) -> bool {
        let types = self.typed.goes_on(now) && !self.typed.takes_too_long(now);
        self.stage == Stage::Waiting && !types
    }

    /// An offer that began while an expert was rung is cut off where the ringing ends, and made
    /// anew.
    fn repeat_cut_offer(&mut self, now: Timestamp) {
        let since = self.offer_at.map(|next| now.us_since(next.plus_us(-OFFER_EVERY_US)));
        if self.offered && since.is_some_and(|us| us < OFFER_US) {
            self.offer_at = Some(now);
        }
    }

    /// Who was made the offer may take it until somebody answers.
    fn may_register(&self) -> bool {
        self.offered && matches!(self.stage, Stage::Waiting | Stage::Ringing(_))
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
            links: Links::default(),
            unreachable: BTreeMap::new(),
        }
    }

    /// Speaks what will be said, so that no caller waits for it.
    pub async fn learn_its_words(&mut self) {
        let texts = [&*self.settings.greeting, words::OFFER, words::OFFER_HIDDEN]
            .into_iter()
            .chain([words::ASK_NUMBER, words::WRONG_NUMBER, words::SORRY])
            .chain(words::READ_BACK)
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
            Event::Ended { call, outcome } => {
                let rung = !matches!(outcome.cause, Cause::Refused(_));
                self.ended(call, rung).await.map(|()| Vec::new())
            }
            Event::NotAnswered { call } => self.ended(call, true).await.map(|()| Vec::new()),
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
        self.make_good(&view).await?;
        self.let_go(&view, commands).await;
        self.take_for_right(view.at, commands).await?;
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
        // Who sends our own number hides another: nobody calls ourselves back.
        let identity = match identity {
            Identity { number: Some(number), account } if self.is_ours(&number) => {
                Identity { account, number: None }
            }
            identity => identity,
        };
        let same = self.callers.values().filter(|caller| {
            identity.number.is_some() && caller.identity.number == identity.number
        });
        if same.count() >= CALLS_PER_NUMBER {
            return Ok(vec![Command::Reject { call, sip_code: BUSY }]);
        }
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
                        typed: Typed::nothing(joined_at),
                        offer_at: None,
                        offered: false,
                    },
                );
                Ok(vec![answer(call, self.greeting(id).await)])
            }
            Err(Error::Refused(SupportCallRefusal::Rule(Refusal::Closed))) => {
                let number = identity.number.as_ref();
                self.is_closed(call, number).await.map(|command| vec![command])
            }
            Err(Error::Refused(refusal)) => {
                let why = format!("noting a call to the line: {refusal:?}");
                Ok(vec![refuse(call, &Failure::of(why))])
            }
            Err(Error::Failed(failure)) => Ok(vec![refuse(call, &failure)]),
        }
    }

    /// The line is closed: the caller hears when it opens, and is written where a request can be
    /// left.
    async fn is_closed(
        &mut self,
        call: CallKey,
        number: Option<&PhoneNumber>,
    ) -> Result<Command, Failure> {
        tracing::info!("somebody calls the support line, which is closed");
        let view = line::view(&self.app).await?;
        let opens_at = view.hours.next_open(view.at).map(|open| open.from);
        let opens = opens_at.map(due_text);
        let said = self.speech.say(&words::closed(opens.as_deref())).await;
        if let Some(number) = number.filter(|_| !self.settings.ticket_link.is_empty()) {
            let text = words::closed_sms(opens.as_deref(), &self.settings.ticket_link);
            self.links.add(number, text, (view.at, opens_at));
        }
        Ok(answer(call, scripts::saying(said.into_iter().collect())))
    }

    /// The SMS that are to be sent to callers of the closed line since this was asked last.
    pub fn take_links(&mut self) -> Vec<LinkSms> {
        self.links.take()
    }

    /// Whether a number is one of the line's.
    fn is_ours(&self, number: &PhoneNumber) -> bool {
        let ours = self.settings.numbers.iter().filter_map(|ours| PhoneNumber::parse(ours));
        ours.into_iter().any(|ours| ours == *number)
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

    async fn say_and_wait(&mut self, call: CallKey, text: &str) -> Result<Vec<Command>, Failure> {
        let clips = self.speech.say(text).await.into_iter().collect();
        self.wait_with(call, clips).await
    }

    /// A caller hears this and waits on. An expert who is rung meanwhile is rung no more.
    async fn wait_with(
        &mut self,
        call: CallKey,
        clips: Vec<Arc<Clip>>,
    ) -> Result<Vec<Command>, Failure> {
        let id = self.callers.get(&call).map(|caller| caller.id);
        if let (Some(id), Some(Stage::Ringing(expert))) = (id, self.now_is(call, Stage::Waiting)) {
            line::release(&self.app, expert.duty, id, 0).await?;
        }
        let script = scripts::waiting(clips, Arc::clone(&self.music), true);
        Ok(vec![Command::Follow { call, script }])
    }

    /// A caller is at another stage from now on, whatever comes of a leg that is rung. The answer
    /// is the stage before.
    fn now_is(&mut self, call: CallKey, stage: Stage) -> Option<Stage> {
        let caller = self.callers.get_mut(&call)?;
        self.legs.retain(|_, first| *first != call);
        Some(std::mem::replace(&mut caller.stage, stage))
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

    /// A call or an expert's leg is over; `rung` unless the engine had no room for it.
    async fn ended(&mut self, call: CallKey, rung: bool) -> Result<(), Failure> {
        match self.legs.remove(&call) {
            Some(first) => self.expert_left(first, rung).await,
            None => self.caller_left(call).await,
        }
    }

    /// An expert's leg is over. Who did not take the call is off duty: the phone is not rung again
    /// for every caller.
    async fn expert_left(&mut self, first: CallKey, rung: bool) -> Result<(), Failure> {
        let Some(caller) = self.callers.get_mut(&first) else { return Ok(()) };
        let Stage::Ringing(expert) = &caller.stage else { return Ok(()) };
        let (id, expert) = (caller.id, expert.clone());
        caller.stage = Stage::Waiting;
        caller.repeat_cut_offer(self.app.now());
        if !rung {
            tracing::warn!(expert = expert.name, support_call = id, "no room to ring; again soon");
            return line::release(&self.app, expert.duty, id, REST_US).await;
        }
        self.missed(&expert, id).await
    }

    async fn missed(&self, expert: &Expert, call: i64) -> Result<(), Failure> {
        tracing::warn!(expert = expert.name, support_call = call, "did not answer: off duty now");
        line::end_turn(&self.app, expert.duty).await?;
        line::release(&self.app, expert.duty, call, 0).await
    }

    async fn caller_left(&mut self, call: CallKey) -> Result<(), Failure> {
        let Some(caller) = self.callers.remove(&call) else { return Ok(()) };
        self.legs.retain(|_, first| *first != call);
        match &caller.stage {
            Stage::Waiting => self.gave_up(&caller).await,
            Stage::Ringing(expert) => {
                line::release(&self.app, expert.duty, caller.id, 0).await?;
                self.gave_up(&caller).await
            }
            Stage::Talking(expert) => {
                line::release(&self.app, expert.duty, caller.id, REST_US).await
            }
            Stage::Leaving => Ok(()),
        }
    }

    /// Notes what a failed database kept from being noted: callers who are gone, conversations that
    /// began, experts who are free.
    async fn make_good(&self, view: &View) -> Result<(), Failure> {
        let node = Some(&self.settings.node);
        let waits = |kept: &&Kept| kept.call.state == State::Waiting && kept.node.as_ref() == node;
        for kept in view.in_order.iter().filter(waits) {
            let caller = self.callers.values().find(|caller| caller.id == kept.id);
            match caller.map(|caller| &caller.stage) {
                None => unless_refused(support_call::left(&self.app, kept.id, SWITCH).await)?,
                Some(Stage::Talking(expert)) => {
                    let name = &expert.name;
                    unless_refused(support_call::answered(&self.app, kept.id, name).await)?;
                }
                Some(_) => {}
            }
        }
        for agent in view.agents.iter().filter(|agent| agent.busy_node.as_ref() == node) {
            let Some(call) = agent.busy_with else { continue };
            let calls_back = view
                .in_order
                .iter()
                .any(|kept| kept.id == call && kept.call.state == State::Dialing);
            let talks = self.callers.values().any(|caller| match &caller.stage {
                Stage::Ringing(expert) | Stage::Talking(expert) => expert.duty == agent.id,
                Stage::Waiting | Stage::Leaving => false,
            });
            if !calls_back && !talks {
                line::release(&self.app, agent.id, call, 0).await?;
            }
        }
        Ok(())
    }

    /// Lets callers go who wait no more as far as the database knows: another node took this one
    /// for gone, and they are called back.
    async fn let_go(&mut self, view: &View, commands: &mut Vec<Command>) {
        if view.in_order.len() >= line::QUEUE_MAX as usize {
            // More than are looked at: who is not among them may wait all the same.
            return;
        }
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
                Some(number) => self.with_number(words::REGISTERED, Some(&number)).await,
                None => self.speech.say(words::SORRY).await.into_iter().collect(),
            };
            commands.push(Command::Follow { call, script: scripts::saying(clips) });
        }
    }

    /// The first offer comes when the agreement says, the others at intervals (T110); nobody is
    /// interrupted who types. For whom an expert is rung hears it where the music would be
    /// ([`Self::ring`]).
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
            let is_rung = matches!(caller.stage, Stage::Ringing(_));
            if (is_rung || caller.may_be_served(now)) && caller.offer_at.is_some_and(|at| at <= now)
            {
                due.push((*call, is_rung));
            }
        }
        for (call, is_rung) in due {
            let Some(caller) = self.callers.get_mut(&call) else { continue };
            caller.offer_at = Some(now.plus_us(OFFER_EVERY_US));
            caller.offered = true;
            let (id, text) = (caller.id, words::offer(caller.identity.number.is_some()));
            if !is_rung {
                commands.extend(self.say_and_wait(call, text).await?);
            }
            // The first one is noted; what a failed database lost of it is made good here, too.
            let kept = view.in_order.iter().find(|kept| kept.id == id);
            if kept.is_some_and(|kept| kept.call.offered_at.is_none()) {
                unless_refused(support_call::offered(&self.app, id, SWITCH).await)?;
            }
        }
        Ok(())
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

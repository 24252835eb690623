//! What a caller types: the star for the number that was sent, or a number and the square (N7).

use std::sync::Arc;

use app::support_call::{self, SupportCallRefusal};
use app::support_line::{self as line, SWITCH};
use app::{Error, Failure};
use domain::agreement::support_call::{Refusal, callable_number};
use domain::{PhoneNumber, Timestamp};
use engine::{CallKey, Clip, Command, Play};

use super::{OnLine, Stage, SupportLine, scripts, unless_refused, words};

/// How long the line waits for who types a number and hears it said back, microseconds.
const TYPING_US_MAX: i64 = 60_000_000;
/// A number that is said back and not answered by a key is taken for right after this time,
/// milliseconds: saying it takes about ten seconds.
const READ_BACK_MS: i64 = 25_000;

/// What a caller has typed.
#[derive(Debug)]
pub(super) struct Typed {
    digits: String,
    began_at: Timestamp,
    last_at: Timestamp,
    /// A number that the square ended and that was said back; the next key tells whether it is
    /// right.
    read_back: Option<PhoneNumber>,
}

impl Typed {
    /// Nothing, so far.
    pub(super) fn nothing(now: Timestamp) -> Self {
        Self { digits: String::new(), began_at: now, last_at: now, read_back: None }
    }

    /// Whether a number is being typed, or told to be right.
    pub(super) fn goes_on(&self, now: Timestamp) -> bool {
        let (is_begun, ms) = match self.read_back {
            Some(_) => (true, READ_BACK_MS),
            None => (!self.digits.is_empty(), scripts::NEXT_KEY_MS.into()),
        };
        is_begun && now < self.last_at.plus_ms(ms)
    }

    /// Whether who types is served all the same: nobody holds the line for long.
    pub(super) fn takes_too_long(&self, now: Timestamp) -> bool {
        now.us_since(self.began_at) >= TYPING_US_MAX
    }

    fn digit(&mut self, digit: char, now: Timestamp) {
        self.read_back = None;
        if self.digits.len() < usize::from(scripts::NUMBER_MAX) {
            self.digits.push(digit);
            self.touched(now);
        }
    }

    fn said_back(&mut self, number: PhoneNumber, now: Timestamp) {
        self.digits.clear();
        self.read_back = Some(number);
        self.touched(now);
    }

    fn touched(&mut self, now: Timestamp) {
        // After a longer pause it is another time: whoever paused was waited for no more.
        if now >= self.last_at.plus_ms(READ_BACK_MS) {
            self.began_at = now;
        }
        self.last_at = now;
    }

    /// Forgets it all. Whether there was something.
    fn forget(&mut self) -> bool {
        let had_number = self.read_back.take().is_some();
        !std::mem::take(&mut self.digits).is_empty() || had_number
    }
}

impl SupportLine {
    /// A key of a caller to whom the offer was made; others press in vain.
    pub(super) async fn pressed(
        &mut self,
        call: CallKey,
        key: char,
    ) -> Result<Vec<Command>, Failure> {
        let now = self.app.now();
        let Some(caller) = self.callers.get_mut(&call) else { return Ok(Vec::new()) };
        if !caller.may_register() {
            return Ok(Vec::new());
        }
        let typed = &mut caller.typed;
        if !typed.goes_on(now) && typed.read_back.is_none() {
            typed.forget();
        }
        match key {
            '0'..='9' => {
                typed.digit(key, now);
                Ok(Vec::new())
            }
            // Whoever mistyped begins anew.
            '*' if typed.forget() => Ok(Vec::new()),
            '*' if caller.identity.number.is_none() => {
                self.say_and_wait(call, words::ASK_NUMBER).await
            }
            '*' => self.register(call, None).await,
            '#' => match typed.read_back.take() {
                Some(number) => self.register(call, Some(number)).await,
                None if typed.digits.is_empty() => Ok(Vec::new()),
                None => self.read_back(call, now).await,
            },
            _ => Ok(Vec::new()),
        }
    }

    /// Says the number back that was typed, for the caller to tell whether it is right (T113).
    async fn read_back(&mut self, call: CallKey, now: Timestamp) -> Result<Vec<Command>, Failure> {
        let Some(caller) = self.callers.get_mut(&call) else { return Ok(Vec::new()) };
        let digits = std::mem::take(&mut caller.typed.digits);
        let number = callable_number(&digits).ok().filter(|number| !self.is_ours(number));
        let Some(number) = number else {
            return self.say_and_wait(call, words::WRONG_NUMBER).await;
        };
        let clips = self.with_number(words::READ_BACK, Some(&number)).await;
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.typed.said_back(number, now);
        }
        self.wait_with(call, clips).await
    }

    /// Takes the numbers for right that were said back and not spoken against: the agreement asks
    /// for a number and the square, and for no more.
    pub(super) async fn take_for_right(
        &mut self,
        now: Timestamp,
        commands: &mut Vec<Command>,
    ) -> Result<(), Failure> {
        let stands = |caller: &OnLine| {
            caller.may_register() && caller.typed.read_back.is_some() && !caller.typed.goes_on(now)
        };
        let calls: Vec<_> = self
            .callers
            .iter()
            .filter(|(_, caller)| stands(caller))
            .map(|(call, _)| *call)
            .collect();
        for call in calls {
            let caller = self.callers.get_mut(&call);
            if let Some(number) = caller.and_then(|caller| caller.typed.read_back.take()) {
                commands.extend(self.register(call, Some(number)).await?);
            }
        }
        Ok(())
    }

    /// The caller hung up while waiting: who had ended a number by the square is called back there.
    pub(super) async fn gave_up(&self, caller: &OnLine) -> Result<(), Failure> {
        let number = caller.typed.read_back.as_ref().map(PhoneNumber::national);
        if let Some(number) = number {
            match support_call::register(&self.app, caller.id, Some(number), SWITCH).await {
                Ok(_) => return Ok(()),
                Err(Error::Refused(why)) => {
                    tracing::warn!(?why, support_call = caller.id, "a callback was not registered");
                }
                Err(Error::Failed(failure)) => return Err(failure),
            }
        }
        unless_refused(support_call::left(&self.app, caller.id, SWITCH).await)
    }

    /// The caller wants to be called back, at the number that was sent or at this one.
    async fn register(
        &mut self,
        call: CallKey,
        number: Option<PhoneNumber>,
    ) -> Result<Vec<Command>, Failure> {
        let Some(caller) = self.callers.get(&call) else { return Ok(Vec::new()) };
        let (id, sent) = (caller.id, caller.identity.number.clone());
        let text = number.as_ref().map(PhoneNumber::national);
        match support_call::register(&self.app, id, text, SWITCH).await {
            Ok(kept) => {
                let state = kept.call.state.word();
                tracing::info!(support_call = kept.id, state, "registered");
                let rung = self.now_is(call, Stage::Leaving);
                if let Some(Stage::Ringing(expert)) = rung {
                    line::release(&self.app, expert.duty, id, 0).await?;
                }
                let clips = self.with_number(words::REGISTERED, number.or(sent).as_ref()).await;
                Ok(vec![Command::Follow { call, script: scripts::saying(clips) }])
            }
            Err(Error::Refused(SupportCallRefusal::Rule(Refusal::Number))) => {
                self.say_and_wait(call, words::WRONG_NUMBER).await
            }
            Err(Error::Refused(refusal)) => {
                tracing::warn!(?refusal, support_call = id, "a callback was not registered");
                self.say_and_wait(call, words::SORRY).await
            }
            Err(Error::Failed(failure)) => {
                let error = failure.chain();
                tracing::error!(error, "a callback could not be registered");
                self.say_and_wait(call, words::SORRY).await
            }
        }
    }

    /// A number, digit by digit, between two texts.
    pub(super) async fn with_number(
        &mut self,
        [before, after]: [&str; 2],
        number: Option<&PhoneNumber>,
    ) -> Vec<Arc<Clip>> {
        let mut clips: Vec<_> = self.speech.say(before).await.into_iter().collect();
        if let (Some(number), Some(digits)) = (number, self.speech.digits().await) {
            clips.extend(Play::digits(&digits, number.national()).clips);
        }
        clips.extend(self.speech.say(after).await);
        clips
    }
}

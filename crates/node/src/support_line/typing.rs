//! What a caller types: the star for the number that was sent, or a number and the square (N7).

use std::sync::Arc;

use app::support_call::{self, SupportCallRefusal};
use app::support_line::SWITCH;
use app::{Error, Failure};
use domain::PhoneNumber;
use domain::agreement::support_call::{Refusal, callable_number};
use engine::{CallKey, Clip, Command, Play};

use super::{Stage, SupportLine, scripts, words};

impl SupportLine {
    /// A key of a caller to whom the offer was made; others press in vain.
    pub(super) async fn pressed(
        &mut self,
        call: CallKey,
        key: char,
    ) -> Result<Vec<Command>, Failure> {
        let now = self.app.now();
        let Some(caller) = self.callers.get_mut(&call) else { return Ok(Vec::new()) };
        if caller.stage != Stage::Waiting || !caller.offered {
            return Ok(Vec::new());
        }
        if !caller.is_typing(now) {
            caller.typed.0.clear();
        }
        match key {
            '0'..='9' => {
                if caller.typed.0.is_empty() {
                    caller.typed.1 = now;
                }
                if caller.typed.0.len() < usize::from(scripts::NUMBER_MAX) {
                    caller.typed.0.push(key);
                    caller.typed.2 = now;
                }
                Ok(Vec::new())
            }
            // Whoever mistyped begins anew.
            '*' if !caller.typed.0.is_empty() => {
                caller.typed.0.clear();
                Ok(Vec::new())
            }
            '*' if caller.identity.number.is_none() => {
                Ok(self.say_and_wait(call, words::ASK_NUMBER).await)
            }
            '*' => self.register(call, None).await,
            '#' if !caller.typed.0.is_empty() => {
                let number = std::mem::take(&mut caller.typed.0);
                self.register(call, Some(number)).await
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The caller wants to be called back, at the number that was sent or at this one.
    async fn register(
        &mut self,
        call: CallKey,
        number: Option<String>,
    ) -> Result<Vec<Command>, Failure> {
        let typed = number.as_deref().and_then(PhoneNumber::parse);
        if typed.is_some_and(|typed| self.is_ours(&typed)) {
            return Ok(self.say_and_wait(call, words::WRONG_NUMBER).await);
        }
        let Some(caller) = self.callers.get_mut(&call) else { return Ok(Vec::new()) };
        match support_call::register(&self.app, caller.id, number.as_deref(), SWITCH).await {
            Ok(kept) => {
                caller.stage = Stage::Leaving;
                tracing::info!(
                    support_call = kept.id,
                    state = kept.call.state.word(),
                    "registered"
                );
                let sent = caller.identity.number.clone();
                let typed = number.as_deref().and_then(|text| callable_number(text).ok());
                let number = typed.or(sent);
                let clips = self.confirmation(number.as_ref()).await;
                Ok(vec![Command::Follow { call, script: scripts::saying(clips) }])
            }
            Err(Error::Refused(SupportCallRefusal::Rule(Refusal::Number))) => {
                Ok(self.say_and_wait(call, words::WRONG_NUMBER).await)
            }
            Err(Error::Refused(refusal)) => {
                tracing::warn!(?refusal, support_call = caller.id, "a callback was not registered");
                Ok(self.say_and_wait(call, words::SORRY).await)
            }
            Err(Error::Failed(failure)) => {
                let error = failure.chain();
                tracing::error!(error, "a callback could not be registered");
                Ok(self.say_and_wait(call, words::SORRY).await)
            }
        }
    }

    /// The number is said back, digit by digit.
    pub(super) async fn confirmation(&mut self, number: Option<&PhoneNumber>) -> Vec<Arc<Clip>> {
        let [before, after] = words::REGISTERED;
        let mut clips: Vec<_> = self.speech.say(before).await.into_iter().collect();
        if let (Some(number), Some(digits)) = (number, self.speech.digits().await) {
            clips.extend(Play::digits(&digits, number.national()).clips);
        }
        clips.extend(self.speech.say(after).await);
        clips
    }
}

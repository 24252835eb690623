//! What speaking a code would come to, if it were asked for now.

use audio::text::digits;
use domain::MessageClass;
use domain::one_time_code::OneTimeCode;

use super::{GAP_MS, NewCode, SendRefusal, Wanted, order, said, spend, wanted, words};
use crate::bulk::{Estimate, barred};
use crate::quick_send::{TextRefusal, judge_speech};
use crate::speech;
use crate::{App, Caller, Error, Failure, Result};

/// What became of a count that is taken back: nothing is counted for an estimate.
enum Counted {
    Well,
    Not(SendRefusal),
}

/// What a code would come to, its digits being those that take longest unless they are given.
/// Nothing is kept, counted, held or charged, and nobody is called.
///
/// # Errors
/// Refused as starting it would be, but for what it may cost.
pub async fn estimate(app: &App, caller: &Caller, new: &NewCode) -> Result<Estimate, SendRefusal> {
    let Wanted { mut digits, template, .. } = wanted(app, caller, new).map_err(Error::Refused)?;
    let order = order(app, caller, new, said("", 1)).await?;
    let text = |error: Error<TextRefusal>| error.map(SendRefusal::Text);
    if new.own.is_none() && !caller.account.is_sandbox() {
        digits = longest(app, new, digits).await?;
    }
    let words = words(&digits, template.as_ref())?;
    let recording = speech::assembled(app, &words, new.speaker, GAP_MS).await;
    let recording = recording.map_err(|error| error.map(|it| SendRefusal::Text(it.into())))?;
    let judged = judge_speech(app, order, &recording).await;
    recording.remove(app).await;
    let judged = judged.map_err(text)?;
    let ((speech, admission), held) = (judged.costs(), judged.cost_max());
    let admission = *admission;
    let order = judged.order();
    let told = (order.destination(), app.now());
    let counted = app.write(async |tx| {
        let counted = spend(app, tx, &caller.account, told).await;
        counted.map_err(|error| error.map(Counted::Not))?;
        Err::<(), _>(Error::Refused(Counted::Well))
    });
    match counted.await {
        Err(Error::Refused(Counted::Not(refusal))) => return Err(Error::Refused(refusal)),
        Err(Error::Failed(failure)) => return Err(failure.into()),
        Ok(()) | Err(Error::Refused(Counted::Well)) => {}
    }
    let orders = [Ok(order)];
    let barred = barred(app, caller, MessageClass::OneTimeCode, &orders).await?;
    let calls = vec![Ok(admission.hold.price)];
    let clip_ms = recording.length_ms;
    let estimate = Estimate { speech, calls, barred, held, clip_ms, expected: None };
    Ok(estimate.foretold(app, &caller.account, &[admission]).await?)
}

/// The digits that take longest to be said, as many as there will be: which they are is not known
/// before they are made.
async fn longest(app: &App, new: &NewCode, like: OneTimeCode) -> Result<OneTimeCode, SendRefusal> {
    let (mut longest, mut longest_ms) = (like, 0);
    for digit in '0'..='9' {
        let ours = |error| Failure::because("speaking a digit", error);
        let word = digits::spoken(&digit.to_string()).map_err(ours)?;
        let said = speech::assembled(app, &[word], new.speaker, GAP_MS).await;
        let said = said.map_err(|error| error.map(|it| SendRefusal::Text(it.into())))?;
        said.remove(app).await;
        let all = digit.to_string().repeat(longest.as_str().len());
        if said.length_ms > longest_ms
            && let Some(code) = OneTimeCode::parse(&all)
        {
            (longest, longest_ms) = (code, said.length_ms);
        }
    }
    Ok(longest)
}

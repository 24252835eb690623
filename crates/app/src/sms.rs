//! Follow-ups by SMS: taken with a price or not at all, and tried for hours. What was reserved is
//! charged when a service has taken the SMS, and released when none does.

use domain::class::Opening;
use domain::opt_out::OptOutList;
pub use domain::sms::{FollowUp, FollowUpRefusal, TEXT_CHARS_MAX};
use domain::sms::{again_at, is_forgotten, name, too_late_at};
use domain::{AccountId, CampaignId, Rials, Timestamp};
use store::sms::{Due, NewFollowUp, Taken};
pub use store::sms::{Kept, Sms, State};

use crate::account::never_refused;
use crate::ports::{SmsFailure, SmsOut};
use crate::{App, Caller, Error, Failure, Result, class, prices};

/// How long an SMS is ours that is being sent, milliseconds: longer than any service takes.
const TURN_MS: i64 = 5 * 60_000;
/// SMS that are looked at together.
pub const TOGETHER_MAX: u32 = 100;
/// Characters of a service's complaint that are kept.
const PROBLEM_CHARS_MAX: usize = 200;
/// Who takes what a sandbox writes.
const SANDBOX: &str = "sandbox";

/// A follow-up as it is written by a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFollowUp {
    /// The text.
    pub text: String,
    /// After which ends ([`FollowUp::new`]).
    pub after: Vec<String>,
}

/// Why a follow-up was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsRefusal {
    /// It is none.
    Written(FollowUpRefusal),
    /// The operator has no price for SMS.
    NoPrice,
}

/// What a follow-up would be, and what one of it costs now.
///
/// # Errors
/// Refused as [`SmsRefusal`] says.
pub async fn judge(app: &App, written: &WrittenFollowUp) -> Result<(FollowUp, Rials), SmsRefusal> {
    let follow_up = FollowUp::new(&written.text, &written.after);
    let follow_up = follow_up.map_err(|why| Error::Refused(SmsRefusal::Written(why)))?;
    let no_price = || Error::Refused(SmsRefusal::NoPrice);
    let part = prices::in_force(app, app.now()).await?.sms_part.ok_or_else(no_price)?;
    let price = follow_up.price(part).ok_or_else(no_price)?;
    Ok((follow_up, price))
}

/// Keeps a follow-up for sends that are about to be made.
///
/// # Errors
/// Refused as [`SmsRefusal`] says.
pub async fn keep(
    app: &App,
    caller: &Caller,
    written: &WrittenFollowUp,
) -> Result<i64, SmsRefusal> {
    let (follow_up, price) = judge(app, written).await?;
    let new = NewFollowUp { account: caller.account.id, follow_up, price, created_at: app.now() };
    app.write(async |tx| Ok(store::sms::insert(tx, &new).await?)).await
}

/// Forgets what [`keep`] kept for sends of which none was made.
///
/// # Errors
/// The database failed.
pub async fn forget(app: &App, follow_up: i64) -> std::result::Result<(), Failure> {
    written(app, async |tx| store::sms::delete(tx, follow_up).await).await
}

/// The account's follow-up of a campaign.
///
/// # Errors
/// The database failed.
pub async fn of_campaign(
    app: &App,
    account: AccountId,
    id: CampaignId,
) -> std::result::Result<Option<Kept>, Failure> {
    Ok(store::sms::of_campaign(&mut app.read().await?, account, id).await?)
}

/// How many SMS of the follow-up of one campaign there are in each state.
///
/// # Errors
/// The database failed.
pub async fn counts(
    app: &App,
    follow_up: &Kept,
) -> std::result::Result<Vec<(State, u32)>, Failure> {
    Ok(store::sms::counts(&mut app.read().await?, follow_up.id).await?)
}

/// The caller's SMS, the newest first: at most `limit` that are older than `before`.
///
/// # Errors
/// The database failed.
pub async fn page(
    app: &App,
    caller: &Caller,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Sms>, Failure> {
    Ok(store::sms::list(&mut app.read().await?, caller.account.id, before, limit).await?)
}

/// The caller's SMS `id`.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    caller: &Caller,
    id: i64,
) -> std::result::Result<Option<Sms>, Failure> {
    Ok(store::sms::find(&mut app.read().await?, caller.account.id, id).await?)
}

/// Sends what is due, one after the other. Tells whether there may be more.
///
/// # Errors
/// The database failed; asking again is safe.
pub async fn send_due(app: &App) -> std::result::Result<bool, Failure> {
    let due = store::sms::due(&mut app.read().await?, app.now(), TOGETHER_MAX).await?;
    for one in &due {
        send(app, one).await?;
    }
    Ok(due.len() == TOGETHER_MAX as usize)
}

/// Whether an SMS may be sent now.
enum Gate {
    Open,
    /// Not before then.
    Until(Timestamp),
    /// Never, and why.
    Never(&'static str),
}

/// Gives one SMS to the service, if it may be sent now.
async fn send(app: &App, due: &Due) -> std::result::Result<(), Failure> {
    let now = app.now();
    match gate(app, due, now).await? {
        Gate::Open => {}
        Gate::Until(at) => {
            return written(app, async |tx| store::sms::put_off(tx, due, at, None).await).await;
        }
        Gate::Never(why) => {
            return written(app, async |tx| store::sms::failed(tx, due, why, now).await).await;
        }
    }
    let until = now.plus_ms(TURN_MS);
    let take = app.write(async |tx| match store::sms::take(tx, due, now, until).await? {
        Taken::InsufficientCredit => Err(Error::Refused(())),
        taken => Ok(taken),
    });
    match take.await {
        Ok(Taken::Ours) => {}
        Ok(_) => return Ok(()),
        Err(Error::Refused(())) => {
            let why = "insufficient_credit";
            return written(app, async |tx| store::sms::failed(tx, due, why, now).await).await;
        }
        Err(Error::Failed(failure)) => return Err(failure),
    }
    if due.sandbox {
        let by = (SANDBOX, "");
        return written(app, async |tx| store::sms::sent(tx, due, by, now).await.map(drop)).await;
    }
    let out = SmsOut {
        name: name(due.id, due.created_at),
        again: due.tries > 0,
        number: &due.number,
        text: &due.text,
    };
    let answer = app.sms().send(out).await;
    let (tries, now) = (due.tries + 1, app.now());
    match answer {
        Ok(provider_id) => {
            let by = (app.sms().name(), &*provider_id);
            written(app, async |tx| store::sms::sent(tx, due, by, now).await.map(drop)).await
        }
        Err(SmsFailure { why, for_good }) => {
            let why: String = why.chars().take(PROBLEM_CHARS_MAX).collect();
            let again = again_at(tries, now, due.created_at).filter(|_| !for_good);
            tracing::info!(sms = due.id, tries, why, again = again.is_some(), "an SMS failed");
            match again {
                Some(at) => {
                    let put_off =
                        async |tx: &mut _| store::sms::put_off(tx, due, at, Some(&why)).await;
                    written(app, put_off).await
                }
                None => written(app, async |tx| store::sms::failed(tx, due, &why, now).await).await,
            }
        }
    }
}

/// What bars an SMS now: its time, the hours and terms of its class, and the lists of those who
/// opted out. A sandbox writes to nobody and keeps none of these.
async fn gate(app: &App, due: &Due, now: Timestamp) -> std::result::Result<Gate, Failure> {
    if now >= too_late_at(due.created_at) {
        return Ok(Gate::Never("expired"));
    }
    if due.first_tried_at.is_some_and(|at| is_forgotten(at, now)) {
        return Ok(Gate::Never("unanswered"));
    }
    if due.sandbox {
        return Ok(Gate::Open);
    }
    let rules = class::rules(app, now).await?;
    let any_hour = rules.any_hour(due.account);
    match rules.policies.opening(due.class, (any_hour, true), now) {
        Opening::Open { .. } => {}
        Opening::Closed { opens_at: Some(at) } => return Ok(Gate::Until(at)),
        Opening::Closed { opens_at: None } => return Ok(Gate::Never("class_not_allowed")),
    }
    let mut reads = app.read().await?;
    let lists = store::opt_out::lists_of(&mut reads, &due.number, due.account).await?;
    let barred = |list: &OptOutList| due.class.obeys(*list);
    Ok(if lists.iter().any(barred) { Gate::Never("opted_out") } else { Gate::Open })
}

async fn written(
    app: &App,
    work: impl AsyncFnOnce(&mut store::Tx) -> std::result::Result<(), store::Error> + Clone,
) -> std::result::Result<(), Failure> {
    app.write(async |tx| Ok(work(tx).await?)).await.map_err(never_refused)
}

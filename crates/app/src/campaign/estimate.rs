//! What calls would come to if they were begun now: of a campaign that is to be made, of one that
//! is to be started, of those whom one did not reach. Nothing is kept, held or charged.

use domain::calendar::day::Day;
use domain::campaign::Schedule;
use domain::campaign::admission::{CallPrices, Plan, Zones, is_covered};
use domain::campaign::numbers::{CompactNumber, Sifted};
use domain::sms::FollowUp;
use domain::{Account, CampaignId, Rials};

use super::change::{Start, StartRefusal, to_be_started};
use super::create::{Added, CreateRefusal, NewCampaign, followed, gone_through, zones_of};
use super::played::{self, Sound};
use super::redial::{NewRedial, Redial};
use crate::class::{Bar, Skipped};
use crate::forecast::Expected;
use crate::{App, Caller, Error, Failure, Result, class, prices};

/// What a campaign would come to, if it began now.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// What would become of its list.
    pub added: Added,
    /// How long its message plays.
    pub clip_ms: u32,
    /// Who would not be called: opted out, or capped on the only day that it has.
    pub skipped: Skipped,
    /// What it costs when everybody else is reached once and hears the message to its end, its
    /// speech included.
    pub cost_max: Rials,
    /// Whether the balance covers its start, which asks for everybody, or for the plan's ceiling if
    /// that is lower.
    pub is_covered: bool,
    /// What it will probably cost, as far as calls that were made tell.
    pub expected: Option<Expected>,
    /// The most that it may cost before it pauses, if there is a ceiling.
    pub ceiling: Option<Rials>,
    /// What speaking its text costs, whatever becomes of its calls; in what it costs at most.
    pub speech: Rials,
    /// What an SMS after a call costs, beside all of this.
    pub sms_price: Option<Rials>,
}

/// What a campaign would come to. Nothing is kept.
///
/// # Errors
/// Refused as [`CreateRefusal`] says, but for the balance.
pub async fn estimate(
    app: &App,
    caller: &Caller,
    new: NewCampaign,
) -> Result<Estimate, CreateRefusal> {
    let plan = new.plan.read().map_err(|refusal| Error::Refused(refusal.into()))?;
    let account = &caller.account;
    let judged = played::judge(app, account, &new.message, &plan).await?;
    let follow_up = followed(app, new.sms.as_ref()).await?;
    let sifted = gone_through(app, account, new.numbers, judged.template().cloned()).await?;
    if sifted.numbers.is_empty() {
        return Err(Error::Refused(CreateRefusal::Invalid));
    }
    let sound = played::sound(app, account, judged).await?;
    of_new(app, account, (&plan, &sound, follow_up), sifted).await
}

/// What a campaign of those whom another one did not reach would come to.
///
/// # Errors
/// Refused as making it would be, but for the balance.
pub async fn estimate_redial(
    app: &App,
    caller: &Caller,
    id: CampaignId,
    new: &NewRedial,
) -> Result<Estimate, CreateRefusal> {
    let account = &caller.account;
    let Redial { plan, judged, follow_up, sifted } = Redial::of(app, account, id, new).await?;
    let sound = played::sound(app, account, judged).await?;
    of_new(app, account, (&plan, &sound, follow_up), sifted).await
}

async fn of_new(
    app: &App,
    account: &Account,
    (plan, sound, follow_up): (&Plan, &Sound, Option<(FollowUp, Rials)>),
    mut sifted: Sifted,
) -> Result<Estimate, CreateRefusal> {
    sound.remove(app).await;
    let numbers = std::mem::take(&mut sifted.numbers);
    let (prices, clip_ms, speech) = (sound.prices(app).await?, sound.clip_ms, sound.speech);
    let is_covered =
        is_covered(&sound.paid_by(account), &prices, zones_of(&numbers), plan.max_cost);
    let estimate = begun(app, account, plan, (&numbers, &prices), (clip_ms, speech)).await?;
    Ok(Estimate {
        added: Added { rest: sifted, ..estimate.added },
        is_covered,
        sms_price: follow_up.map(|(_, price)| price),
        ..estimate
    })
}

/// What starting a campaign would come to: of those who are still to be called. `None`: the account
/// has no such campaign.
///
/// # Errors
/// Refused as the start would be, but for the balance.
pub async fn estimate_start(
    app: &App,
    account: &Account,
    id: CampaignId,
    how: Start,
) -> Result<Option<Estimate>, StartRefusal> {
    if super::find(app, account.id, id).await?.is_none() {
        return Ok(None);
    }
    let start = to_be_started(app, account.id, id, how).await?;
    let start = start.ok_or(Error::Refused(StartRefusal::CannotStart))?;
    let numbers = to_be_called(app, account, id).await?;
    let (plan, snapshot) = (&start.plan, &start.snapshot);
    let calls = (&*numbers, &snapshot.holds);
    let estimate = begun(app, account, plan, calls, (snapshot.clip_ms, Rials::ZERO)).await?;
    let follow_up = store::sms::of_campaign(&mut app.read().await?, account.id, id).await?;
    Ok(Some(Estimate {
        is_covered: start.is_covered,
        ceiling: start.left,
        sms_price: follow_up.map(|kept| kept.price),
        ..estimate
    }))
}

/// Who of a campaign is still to be called, for the first time or again.
async fn to_be_called(
    app: &App,
    account: &Account,
    id: CampaignId,
) -> std::result::Result<Vec<CompactNumber>, Failure> {
    let (mut numbers, mut after) = (Vec::new(), 0);
    let mut reads = app.read().await?;
    loop {
        let page = store::recipient::page(&mut reads, account.id, id, after, super::PAGE).await?;
        let Some(last) = page.last() else { return Ok(numbers) };
        after = last.id.n;
        let left = page.iter().filter(|one| one.standing.is_to_be_called());
        numbers.extend(left.filter_map(|one| CompactNumber::parse(&one.number)));
    }
}

/// What calling these numbers costs, as things stand.
async fn begun(
    app: &App,
    account: &Account,
    plan: &Plan,
    (numbers, prices): (&[CompactNumber], &CallPrices),
    (clip_ms, speech): (u32, Rials),
) -> std::result::Result<Estimate, Failure> {
    let zones = zones_of(numbers);
    let (skipped, called) = skipped(app, account, plan, numbers).await?;
    let tariff = prices::in_force(app, app.now()).await?;
    let expected = Expected::of(app, account, |history| {
        history.forecast(&tariff, called, (clip_ms, plan.max_tries))?.beside(speech)
    });
    Ok(Estimate {
        expected: expected.await?,
        added: Added { accepted: zones.total(), rest: Sifted::default() },
        clip_ms,
        skipped,
        cost_max: prices
            .of_all(called)
            .and_then(|calls| calls.checked_add(speech))
            .unwrap_or(Rials(i64::MAX)),
        is_covered: true,
        ceiling: plan.max_cost,
        speech,
        sms_price: None,
    })
}

/// Who of the numbers would not be called as things stand, and the zones of the others. Whoever is
/// capped today is called on another day, if the campaign has one.
async fn skipped(
    app: &App,
    account: &Account,
    plan: &Plan,
    numbers: &[CompactNumber],
) -> std::result::Result<(Skipped, Zones), Failure> {
    if account.is_sandbox() {
        return Ok((Skipped::default(), zones_of(numbers)));
    }
    let now = app.now();
    let policies = class::policies(app, now).await?;
    let policy = policies.of(plan.class);
    let written: Vec<String> = numbers.iter().map(|number| number.national()).collect();
    let bars = class::bars(app, policy, account.id, &written, now).await?;
    let Schedule { starts_at, ends_at, .. } = plan.schedule;
    let days = [starts_at.max(now), ends_at.plus_ms(-1)].map(Day::of);
    let is_for_today = days.iter().all(|day| *day == Day::of(now));
    let counts = |bar: &Bar| is_for_today || *bar == Bar::OptedOut;
    let bars: Vec<Option<Bar>> = bars.into_iter().map(|bar| bar.filter(counts)).collect();
    let called = numbers.iter().zip(&bars).filter(|(_, bar)| bar.is_none());
    let zones = called.fold(Zones::default(), |zones, (number, _)| zones.and(number.zone()));
    Ok((Skipped::of(bars.into_iter().flatten()), zones))
}

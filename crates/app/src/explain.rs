//! Why has this number not been called yet? The gates are asked one after the other, as the dialer
//! asks them; what is told is how they stand this moment, and nothing is changed.

use domain::calendar::day::Day;
use domain::campaign::RecipientStatus;
use domain::campaign::State as CampaignState;
use domain::class::Opening;
use domain::explanation::{Gate, Standing, next_try};
use domain::{
    AccountId, Destination, MessageClass, QuickSendId, RecipientId, Status, Timestamp, Zone,
};
use store::quick_send::State;
use store::recipient::Standing as Place;

use crate::campaign::Recipient;
use crate::class::Bar;
use crate::{App, Caller, Failure, class};

/// Sends before this one that are counted; more are told as so many.
pub const AHEAD_MAX: u32 = 1_000;

/// Why something waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Where it stands.
    pub status: RecipientStatus,
    /// What it has to pass, in order; empty once it was called.
    pub gates: Vec<Standing>,
    /// How many stand before it in the line or in its list, as far as [`AHEAD_MAX`].
    pub ahead: u32,
    /// When the next try may be, as far as that is known.
    pub next_try: Option<Timestamp>,
    /// When it is too late to call.
    pub expires_at: Option<Timestamp>,
}

impl Explanation {
    fn of(status: RecipientStatus) -> Self {
        Self { status, gates: Vec::new(), ahead: 0, next_try: None, expires_at: None }
    }
}

/// Why the caller's send waits; `None` when there is none.
///
/// # Errors
/// The database failed.
pub async fn send(
    app: &App,
    caller: &Caller,
    id: QuickSendId,
) -> Result<Option<Explanation>, Failure> {
    let live = app.live().get(id);
    let found = store::quick_send::find(&mut app.read().await?, caller.account.id, id).await?;
    let Some(send) = found else { return Ok(None) };
    let status = crate::quick_send::Progress::of(&send, live).status;
    let mut told = Explanation::of(RecipientStatus::Of(status));
    if let State::Ready { due_at, attempts } = send.state {
        told.expires_at = Some(send.expires_at);
        pass_the_line(app, id, (due_at, attempts), &mut told).await?;
    }
    Ok(Some(told))
}

/// Why a number of a campaign of the caller's waits; `None` when there is none.
///
/// # Errors
/// The database failed.
pub async fn recipient(
    app: &App,
    caller: &Caller,
    id: RecipientId,
) -> Result<Option<Explanation>, Failure> {
    let account = caller.account.id;
    let found = crate::campaign::recipients_by_id(app, account, &[Some(id)]).await?;
    let Some(Recipient { stored, status, .. }) = found.into_iter().next().flatten() else {
        return Ok(None);
    };
    let mut told = Explanation::of(status);
    if !matches!(stored.standing, Place::Uncalled | Place::InLine | Place::Retrying { .. })
        || stored.campaign.is_over()
    {
        return Ok(Some(told));
    }
    let now = app.now();
    let campaign = store::campaign::find(&mut app.read().await?, account, id.campaign).await?;
    let campaign = campaign.ok_or_else(|| Failure::of("explaining: the campaign is gone"))?;
    let schedule = campaign.plan.schedule;
    told.expires_at = Some(schedule.ends_at);
    told.gates.push(Gate::CampaignRunning.when(campaign.state == CampaignState::Running));
    told.gates.push(match schedule.opens_at(app.settings().window, now) {
        Some(at) => Gate::CampaignHours.from(at, now),
        None => Gate::CampaignHours.closed_until(None),
    });
    match (stored.standing, stored.send) {
        (Place::Uncalled, _) => {
            told.ahead = id.n.saturating_sub(campaign.cursor).saturating_sub(1).min(AHEAD_MAX);
            told.gates.push(Gate::ListPlace.when(told.ahead == 0));
            let said = store::template::said(&mut app.read().await?, account, id).await?;
            told.gates.extend(said.map(|said| Gate::Spoken.when(said.sound.is_some())));
        }
        (Place::Retrying { due_at }, _) => told.gates.push(Gate::RetryPause.from(due_at, now)),
        (_, Some(send)) => {
            let found = store::quick_send::find(&mut app.read().await?, account, send).await?;
            if let Some(State::Ready { due_at, attempts }) = found.map(|send| send.state) {
                pass_the_line(app, send, (due_at, attempts), &mut told).await?;
            }
        }
        (_, None) => {}
    }
    if matches!(stored.standing, Place::Uncalled | Place::Retrying { .. }) {
        let whose = (account, caller.account.is_sandbox(), campaign.plan.class);
        told.gates.push(class_hours(app, whose, !whose.1, now).await?);
        told.gates.extend(heeded(app, whose, &[stored.number], true).await?);
        // Before its first start nobody knows what a call holds.
        let holds = campaign.snapshot.tariff.map(|_| match stored.zone {
            Zone::Internal => campaign.snapshot.holds.internal,
            Zone::External => campaign.snapshot.holds.external,
        });
        told.gates.extend(holds.map(|hold| Gate::Credit.when(hold <= caller.account.spendable())));
    }
    told.next_try = next_try(&told.gates, now);
    Ok(Some(told))
}

/// The gates of a send that stands in the line.
async fn pass_the_line(
    app: &App,
    id: QuickSendId,
    (due_at, attempts): (Timestamp, u16),
    told: &mut Explanation,
) -> Result<(), Failure> {
    let before = QuickSendId(id.0 - 1);
    let jobs = app.hot().load_ready(due_at, before, 1).await?;
    // It may have been leased since it was looked at.
    let Some(job) = jobs.into_iter().next().filter(|job| job.quick_send == id) else {
        told.status = RecipientStatus::Of(Status::Calling);
        return Ok(());
    };
    let now = app.now();
    told.gates.push(Gate::Due.from(due_at, now));
    told.gates.push(Gate::OperatorHours.from(app.settings().window.opens_at(now), now));
    let whose = (job.account, job.sandbox, job.message_class);
    let is_public = matches!(job.destination, Destination::Number(_)) && !job.sandbox;
    told.gates.push(class_hours(app, whose, is_public, now).await?);
    let takes = app.dispatch().routes(&job.destination, job.server, job.sandbox);
    told.gates.push(Gate::Trunk.when(takes));
    let mut reads = app.read().await?;
    let (mut busy, mut numbers) = (false, Vec::new());
    for destination in [Some(&job.destination), job.second.as_ref()].into_iter().flatten() {
        // A phone is its account's, and a sandbox plays by itself; a person is called once.
        let of_all = !job.sandbox && matches!(destination, Destination::Number(_));
        let whose = (job.account, of_all);
        busy |= store::quick_send::is_called(&mut reads, destination, whose, id).await?;
        if let Destination::Number(number) = destination {
            numbers.push(number.national().to_owned());
        }
    }
    told.gates.push(Gate::NumberFree.when(!busy));
    told.ahead = store::quick_send::ahead(&mut reads, (job.class, due_at, id), AHEAD_MAX).await?;
    told.gates.push(Gate::Line.when(told.ahead == 0));
    drop(reads);
    // An attempt that came to nothing has been counted.
    let is_counted = attempts == 0 && matches!(job.destination, Destination::Number(_));
    told.gates.extend(heeded(app, whose, &numbers, is_counted).await?);
    told.next_try = next_try(&told.gates, now);
    Ok(())
}

/// The lists and the count of the day, which are asked as the call begins; the first number
/// `is_counted`. A sandbox has neither.
async fn heeded(
    app: &App,
    (account, sandbox, class): (AccountId, bool, MessageClass),
    numbers: &[String],
    is_counted: bool,
) -> Result<Vec<Standing>, Failure> {
    if sandbox {
        return Ok(Vec::new());
    }
    let now = app.now();
    let policies = class::policies(app, now).await?;
    let bars = class::bars(app, policies.of(class), account, numbers, now).await?;
    let is_capped = is_counted && bars.first() == Some(&Some(Bar::Capped));
    let tomorrow = Day::of(now).next().start();
    Ok(vec![
        Gate::OptOut.when(!bars.contains(&Some(Bar::OptedOut))),
        if is_capped { Gate::DailyCap.closed_until(Some(tomorrow)) } else { Gate::DailyCap.open() },
    ])
}

/// The hours and days of a class, which go for calls to public numbers by trunks that reach people.
async fn class_hours(
    app: &App,
    (account, _, class): (AccountId, bool, MessageClass),
    is_public: bool,
    now: Timestamp,
) -> Result<Standing, Failure> {
    let rules = class::rules(app, now).await?;
    let person = is_public && app.dispatch().reaches_people();
    Ok(match rules.policies.opening(class, (rules.any_hour(account), person), now) {
        Opening::Open { .. } => Gate::ClassHours.open(),
        Opening::Closed { opens_at } => Gate::ClassHours.closed_until(opens_at),
    })
}

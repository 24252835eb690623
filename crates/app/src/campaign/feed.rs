//! Recipients step into the line: a block of each campaign whose hours are open, fair between
//! campaigns, paid for before it is dialled. And what is over is brought to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::calendar::calling_window::CallingWindow;
use domain::campaign::failing::Look;
use domain::campaign::feed::{Dry, Feed, Spent, is_low};
use domain::campaign::{PauseReason, State, Verb};
use domain::class::Opening;
use domain::{AccountId, QuickSendId, Rials, Timestamp};
use store::campaign::Campaign;
use store::hot::FeedOrder;
use store::{Queries, Tx};

use super::CLASS;
use super::change::moved;
use crate::account::never_refused;
use crate::class::Rules;
use crate::dialing::ReadyJob;
use crate::{App, Failure, class};

/// Campaigns that are looked after at a time.
const CAMPAIGNS_MAX: u32 = 10_000;

/// Looks after every campaign once: feeds the line, pauses what cannot be paid, ends what is over.
/// Returns what has stepped into the line.
///
/// # Errors
/// The database failed; asking again is safe.
pub async fn feed(app: &App, now: Timestamp) -> Result<Vec<ReadyJob>, Failure> {
    let hours = Hours::read(app, now).await?;
    let at_work = store::campaign::at_work(&mut app.read().await?, CAMPAIGNS_MAX).await?;
    let open = |one: &&Campaign| one.state == State::Running && hours.open_until(one).is_some();
    let calling = at_work.iter().filter(open).filter(|one| one.uncalled() + one.retrying > 0);
    let mut first: BTreeMap<AccountId, i64> = BTreeMap::new();
    let mut campaigns = 0;
    for one in calling {
        let priority = first.entry(one.account).or_insert(one.plan.priority);
        *priority = one.plan.priority.max(*priority);
        campaigns += 1;
    }
    let (mut stepped, mut count) = (None, 0);
    for campaign in at_work {
        let others_first =
            first.get(&campaign.account).is_some_and(|&first| campaign.plan.priority < first);
        if !has_work(app, &campaign, campaigns, &hours).await? {
            continue;
        }
        let room = if others_first { None } else { Some(campaigns) };
        let fed = looked_after(app, campaign, room, &hours).await?;
        if let Some((send, more)) = fed {
            stepped = Some(stepped.map_or(send, |first: QuickSendId| first.min(send)));
            count += more;
        }
    }
    let Some(first) = stepped else { return Ok(Vec::new()) };
    let before = QuickSendId(first.0 - 1);
    Ok(app.hot().load_ready(now, before, count).await?)
}

/// What decides when campaigns may call.
struct Hours {
    now: Timestamp,
    operator: CallingWindow,
    rules: Arc<Rules>,
    people: bool,
}

impl Hours {
    async fn read(app: &App, now: Timestamp) -> Result<Self, Failure> {
        let rules = class::rules(app, now).await?;
        let (operator, people) = (app.settings().window, app.dispatch().reaches_people());
        Ok(Self { now, operator, rules, people })
    }

    /// When calling must end that may go on now: by the schedule, the operator and the class. A
    /// sandbox, which calls nobody, keeps its schedule alone.
    fn open_until(&self, campaign: &Campaign) -> Option<Timestamp> {
        if campaign.is_sandbox {
            return campaign.plan.schedule.open_until(CallingWindow::ALWAYS, self.now);
        }
        let planned = campaign.plan.schedule.open_until(self.operator, self.now)?;
        let any_hour = self.rules.any_hour(campaign.account);
        let policies = &self.rules.policies;
        match policies.opening(campaign.plan.class, (any_hour, self.people), self.now) {
            Opening::Open { until, .. } => Some(planned.min(until)),
            Opening::Closed { .. } => None,
        }
    }

    /// The key by which a campaign's callees opt out.
    fn opt_out_key(&self, campaign: &Campaign) -> Option<char> {
        campaign.plan.opt_out_key.or(self.rules.policies.of(campaign.plan.class).opt_out_key)
    }
}

/// Whether a campaign needs a transaction, as far as can be seen without one.
async fn has_work(
    app: &App,
    campaign: &Campaign,
    campaigns: u32,
    hours: &Hours,
) -> Result<bool, Failure> {
    let now = hours.now;
    if campaign.state != State::Running {
        // Calls that are up end by themselves, unless one of them went back into the line.
        return Ok(true);
    }
    if campaign.recent.look() != Look::TooFew {
        return Ok(true);
    }
    if now >= campaign.plan.schedule.ends_at || campaign.uncalled() + campaign.retrying == 0 {
        return Ok(campaign.open == 0 || now >= campaign.plan.schedule.ends_at);
    }
    let is_low = is_low(campaigns, campaign.open) && campaign.slots(now).is_low(now);
    if hours.open_until(campaign).is_none() || !is_low {
        return Ok(false);
    }
    if campaign.uncalled() > 0 {
        return Ok(true);
    }
    let due = store::campaign::next_retry(&mut app.read().await?, campaign.id).await?;
    Ok(due.is_some_and(|due| due <= now))
}

/// One campaign's turn. `campaigns`: how many share the line; `None` keeps it out of the line.
async fn looked_after(
    app: &App,
    seen: Campaign,
    campaigns: Option<u32>,
    hours: &Hours,
) -> Result<Option<(QuickSendId, u32)>, Failure> {
    let (now, closes_at) = (hours.now, hours.open_until(&seen));
    let done = app.write(async |tx| {
        let Some((available, campaign)) = store::campaign::lock(tx, seen.account, seen.id).await?
        else {
            return Ok(None);
        };
        if campaign.state != State::Running {
            wind_up(tx, &campaign, now).await?;
            return Ok(None);
        }
        let left = campaign.uncalled() + campaign.retrying + campaign.open;
        let over = now >= campaign.plan.schedule.ends_at;
        if left == 0 || over {
            store::hot::withdraw(tx, &campaign, CLASS, now).await?;
            let rest = store::campaign::find(tx, campaign.account, campaign.id).await?;
            if let Some(rest) = rest.filter(|rest| rest.open == 0) {
                moved(tx, rest, Verb::Finish, now).await?;
            }
            return Ok(None);
        }
        match campaign.recent.look() {
            Look::TooFew => {}
            Look::Usual => store::campaign::forget_recent(tx, campaign.id).await?,
            Look::Abnormal => {
                moved(tx, campaign, Verb::Pause(PauseReason::Failing), now).await?;
                return Ok(None);
            }
        }
        let (Some(expires_at), Some(campaigns)) = (closes_at, campaigns) else { return Ok(None) };
        let price = campaign.snapshot.holds.most();
        let (below_ceiling, follow_up) = below_ceiling(tx, &campaign, price).await?;
        let feed =
            Feed { campaigns, open: campaign.open, available, below_ceiling, price, follow_up };
        let slots = campaign.slots(now);
        match feed.room().map(|room| room.min(slots.count(now))) {
            Ok(0) => Ok(None),
            Ok(room) => {
                let opt_out_key = hours.opt_out_key(&campaign);
                let order = FeedOrder { room, now, expires_at, class: CLASS, opt_out_key, slots };
                Ok(store::hot::step_in(tx, &campaign, order).await?)
            }
            Err(dry) => {
                let reason = match dry {
                    Dry::Credit => PauseReason::InsufficientCredit,
                    Dry::Ceiling => PauseReason::Ceiling,
                };
                moved(tx, campaign, Verb::Pause(reason), now).await?;
                Ok(None)
            }
        }
    });
    done.await.map_err(never_refused)
}

/// What is left below the ceiling, if there is one, and what the SMS after a call costs. SMS are
/// counted only when all that there could be would come close to the ceiling.
pub(super) async fn below_ceiling(
    reads: &mut impl Queries,
    campaign: &Campaign,
    price: Rials,
) -> Result<(Option<Rials>, Rials), store::Error> {
    let Some(ceiling) = campaign.plan.max_cost else { return Ok((None, Rials::ZERO)) };
    let follow_up = match campaign.follow_up {
        Some(id) => store::sms::price(reads, id).await?.unwrap_or(Rials::ZERO),
        None => Rials::ZERO,
    };
    let spent = Spent {
        calls: Rials(campaign.charged.0.saturating_add(campaign.held.0)),
        follow_up,
        stepped_in: campaign.cursor,
        unended: campaign.open.saturating_add(campaign.retrying),
    };
    let mut left = spent.left_at_worst(ceiling);
    if let Some(id) = campaign.follow_up.filter(|_| spent.is_close(left, price)) {
        left = spent.left_after(ceiling, store::sms::written(reads, id).await?);
    }
    Ok((Some(left), follow_up))
}

/// What went back into the line of a campaign that does not call any more steps out again; whoever
/// waits for another try of one that is over is counted.
async fn wind_up(tx: &mut Tx, campaign: &Campaign, now: Timestamp) -> Result<(), store::Error> {
    if campaign.open > 0 {
        store::hot::withdraw(tx, campaign, CLASS, now).await?;
        if campaign.state == State::Cancelled {
            store::cancellation::mark_calls(tx, campaign.id, now).await?;
        }
    }
    if campaign.state.is_over() && campaign.retrying > 0 {
        store::hot::fold(tx, campaign.id, now).await?;
    }
    Ok(())
}

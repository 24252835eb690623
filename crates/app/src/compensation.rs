//! Schedules of compensation: written by one person, published by another, in force from the start
//! of a month. As long as none is, no number is invented.

use domain::agreement::compensation::{self, Draft, Refusal, Schedule, Unread};
use domain::billing::plan_change::price_of;
use domain::billing::subscription::{coverage, ended_on_trial};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials};
use store::Queries;
pub use store::compensation::Kept;
use store::subscription::Subscription;

use crate::{App, Error, Failure, Result, claim};

/// Longest name, bytes.
pub const NAME_MAX: usize = 200;

/// Why nothing was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleRefusal {
    /// The text is no draft.
    Unread(Unread),
    /// The rules of schedules speak against it.
    Rule(Refusal),
    /// There is no draft of that number that is not published yet.
    NoSuchDraft,
    /// A name is missing or too long.
    Name,
    /// Somebody else published one at this moment.
    Meanwhile,
}

/// Where a schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a second person.
    Draft,
    /// It is not in force yet.
    Published,
    /// It is in force this month.
    Effective,
    /// Another one is.
    Superseded,
}

impl Stage {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Effective => "effective",
            Self::Superseded => "superseded",
        }
    }
}

/// Writes a draft down, once it would be a schedule. The answer is its number.
///
/// # Errors
/// Refused as [`ScheduleRefusal`] says.
pub async fn draft(app: &App, text: &str, author: &str) -> Result<u32, ScheduleRefusal> {
    named(author)?;
    let refused = |refusal| Error::Refused(ScheduleRefusal::Unread(refusal));
    let draft = Draft::parse(text, author).map_err(refused)?;
    draft.validate().map_err(|rule| Error::Refused(ScheduleRefusal::Rule(rule)))?;
    let now = app.now();
    app.write(async |tx| Ok(store::compensation::insert(tx, &draft, now).await?)).await
}

/// Publishes a draft from the start of a month on, by another person than who wrote it.
///
/// # Errors
/// Refused as [`ScheduleRefusal`] says.
pub async fn publish(
    app: &App,
    number: u32,
    approver: &str,
    effective_from: PersianMonth,
) -> Result<Schedule, ScheduleRefusal> {
    named(approver)?;
    let now = app.now();
    app.write(async |tx| {
        let all = store::compensation::list(tx).await?;
        let draft = all.iter().find(|kept| kept.number == number && kept.published.is_none());
        let draft = draft.ok_or(Error::Refused(ScheduleRefusal::NoSuchDraft))?.draft.clone();
        let published: Vec<Schedule> = Published::of(all).schedules();
        let schedule = draft
            .approve(approver, effective_from, now, &published)
            .map_err(|rule| Error::Refused(ScheduleRefusal::Rule(rule)))?;
        let place = u32::try_from(published.len()).unwrap_or(u32::MAX);
        match store::compensation::publish(tx, number, &schedule, place).await {
            Ok(true) => Ok(schedule),
            Ok(false) => Err(Error::Refused(ScheduleRefusal::NoSuchDraft)),
            Err(store::Error::Conflict(_)) => Err(Error::Refused(ScheduleRefusal::Meanwhile)),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// Every schedule and draft with where it stands, by number.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App) -> std::result::Result<Vec<(Kept, Stage)>, Failure> {
    let month = PersianMonth::of(app.now());
    let all = store::compensation::list(&mut app.read().await?).await?;
    let in_force = Published::of(all.clone()).in_force(month).map(|(number, _)| number);
    let stage = |kept: &Kept| match &kept.published {
        None => Stage::Draft,
        Some(_) if in_force == Some(kept.number) => Stage::Effective,
        Some((schedule, _)) if schedule.effective_from() > month => Stage::Published,
        Some(_) => Stage::Superseded,
    };
    Ok(all
        .into_iter()
        .map(|kept| (stage(&kept), kept))
        .map(|(stage, kept)| (kept, stage))
        .collect())
}

/// Every schedule that is published, to ask which one was in force when.
pub(crate) struct Published(Vec<(u32, Schedule)>);

impl Published {
    /// Reads them.
    pub(crate) async fn read(reads: &mut impl Queries) -> store::Result<Self> {
        Ok(Self::of(store::compensation::list(reads).await?))
    }

    fn of(all: Vec<Kept>) -> Self {
        let published = all.into_iter().filter_map(|kept| {
            let (schedule, place) = kept.published?;
            Some((place, kept.number, schedule))
        });
        let mut published: Vec<(u32, u32, Schedule)> = published.collect();
        published.sort_by_key(|(place, ..)| *place);
        Self(published.into_iter().map(|(_, number, schedule)| (number, schedule)).collect())
    }

    fn schedules(&self) -> Vec<Schedule> {
        self.0.iter().map(|(_, schedule)| schedule.clone()).collect()
    }

    /// The number of the schedule in force for a month, and what it says.
    pub(crate) fn in_force(&self, month: PersianMonth) -> Option<(u32, &Schedule)> {
        let schedules = self.schedules();
        let held = compensation::in_effect(&schedules, month)?;
        let found = self.0.iter().find(|(_, schedule)| schedule == held);
        found.map(|(number, schedule)| (*number, schedule))
    }
}

/// How much of a month may still be paid back to an account, by the automatic track and by claims
/// together (A27); `None` when no schedule bounds that. What `but` stands for does not count.
pub(crate) async fn left_of_month(
    reads: &mut impl Queries,
    published: &Published,
    (account, month): (AccountId, PersianMonth),
    but: But,
) -> store::Result<Option<Rials>> {
    let Some((_, schedule)) = published.in_force(month) else { return Ok(None) };
    if schedule.draft().total_cap_bp.is_none() {
        return Ok(None);
    }
    let time = Span { from: month.start(), to: month.end() };
    let subscriptions = store::subscription::of_accounts(reads, account, account).await?;
    let covered = subscriptions.iter().filter(|one| !coverage(&one.history(), time).is_empty());
    let prices = covered.filter_map(|one| asked_for(one, month));
    let price = prices.fold(Rials::ZERO, |sum, price| Rials(sum.0.saturating_add(price.0)));
    // Where nothing was paid by the month, there is no price that bounds what the committee grants.
    if price == Rials::ZERO {
        return Ok(None);
    }
    let credits = store::credit::of_month(reads, account, month).await?;
    let counts = |kept: &&store::credit::Kept| {
        let key = kept.new.key;
        match (key.claim(), but) {
            (None, But::Automatic(subscription)) => key.subscription != subscription,
            // What it was granted before an appeal is a part of what it is granted now.
            (Some(of), But::Claim(claim)) => of != claim,
            _ => true,
        }
    };
    let both =
        |kept: &store::credit::Kept| kept.credit.given().0.saturating_add(kept.credit.coming().0);
    let paid = credits.iter().filter(counts).map(both);
    let had = |claim: i64| {
        let of = credits.iter().filter(|kept| kept.new.key.claim() == Some(claim));
        Rials(of.map(both).fold(0, i64::saturating_add))
    };
    let claims = store::claim::decided_within(reads, account, time).await?;
    let granted = claims.iter().filter(|kept| But::Claim(kept.id) != but);
    let granted = granted.map(|kept| claim::granted_without_credit(&kept.claim, had(kept.id)).0);
    let taken = paid.chain(granted).fold(0, i64::saturating_add);
    Ok(schedule.draft().left_of(price, Rials(taken)))
}

/// What was asked for a month of a subscription, as its price that a part is paid back of; nothing
/// of a month on trial. `None` for a plan of no months.
pub(crate) fn asked_for(subscription: &Subscription, month: PersianMonth) -> Option<Rials> {
    let price = price_of(&subscription.terms(), month)?;
    Some(if ended_on_trial(&subscription.history()) { Rials::ZERO } else { price })
}

/// What is being decided, and so is not yet a part of what was paid back before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum But {
    /// What the month pays back by itself for this subscription.
    Automatic(i64),
    /// This claim.
    Claim(i64),
}

fn named(name: &str) -> Result<(), ScheduleRefusal> {
    if name.trim().is_empty() || name.len() > NAME_MAX {
        return Err(Error::Refused(ScheduleRefusal::Name));
    }
    Ok(())
}

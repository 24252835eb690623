//! Schedules of compensation: written by one person, published by another, in force from the start
//! of a month. As long as none is, no number is invented.

use domain::agreement::compensation::{self, Draft, Refusal, Schedule, Unread};
use domain::calendar::month::PersianMonth;
pub use store::compensation::Kept;

use crate::{App, Error, Failure, Result};

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
struct Published(Vec<(u32, Schedule)>);

impl Published {
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
    fn in_force(&self, month: PersianMonth) -> Option<(u32, &Schedule)> {
        let schedules = self.schedules();
        let held = compensation::in_effect(&schedules, month)?;
        let found = self.0.iter().find(|(_, schedule)| schedule == held);
        found.map(|(number, schedule)| (*number, schedule))
    }
}

fn named(name: &str) -> Result<(), ScheduleRefusal> {
    if name.trim().is_empty() || name.len() > NAME_MAX {
        return Err(Error::Refused(ScheduleRefusal::Name));
    }
    Ok(())
}

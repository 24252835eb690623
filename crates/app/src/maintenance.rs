//! Planned maintenance: announced by the operator, judged before it is saved, told on the first
//! page and in social networks. What is told carries the time of the authority's
//! clock, never one of a client.

use domain::Timestamp;
use domain::agreement::availability::Window;
use domain::agreement::maintenance::{Channel, Judgement, Proof, Refusal, State, Version};
use domain::announcement::is_line;
use domain::calendar::span::Span;
use sha2::{Digest as _, Sha256};
pub use store::maintenance::Kept;
use store::maintenance::Notice;

use crate::agreement::{Held, at as agreement_at};
use crate::announcement::{self, Place};
use crate::{App, Error, Failure, Result};

/// Longest title, reason, author, name of a network, or reference, bytes.
pub const TEXT_MAX: usize = 500;
/// Longest text of a notice, bytes.
pub const NOTICE_MAX: usize = 20_000;
/// The most notices of one maintenance.
const NOTICES_MAX: usize = 1000;
/// The place of a notice on the first page.
pub const FIRST_PAGE: &str = "panel";

/// Why nothing was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaintenanceRefusal {
    /// The rules of maintenance speak against it.
    Rule(Refusal),
    /// There is no maintenance of that number.
    NoSuchMaintenance,
    /// There is no such notice, or it was withdrawn before.
    NoSuchNotice,
    /// No social network of that name is set up.
    NoSuchChannel,
    /// It was told so often that nobody can say when.
    TooManyNotices,
    /// A text is missing, too long, or has several lines or characters that cannot be shown.
    Text(&'static str),
    /// Its time is not over yet, or it was verified before.
    NotOver,
    /// Somebody else changed it at this moment.
    Meanwhile,
}

/// A maintenance as its editor has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlan {
    /// What is away, for whom, and when; `None` cancels it.
    pub plan: Option<Window>,
    /// Who saves it.
    pub author: String,
    /// Whether the editor has seen what would count as downtime, and wants it all the same.
    pub confirmed: bool,
}

/// What was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// The number of the maintenance.
    pub id: i64,
    /// What it comes to if it is told everywhere at once.
    pub judgement: Judgement,
}

/// Announces a maintenance.
///
/// # Errors
/// Refused as [`MaintenanceRefusal`] says; nothing is saved then.
pub async fn announce(
    app: &App,
    title: &str,
    essential_because: Option<&str>,
    new: NewPlan,
) -> Result<Saved, MaintenanceRefusal> {
    said(title, "title")?;
    essential_because.map_or(Ok(()), |text| said(text, "reason"))?;
    let now = app.now();
    save(app, now, new, async |tx| {
        Ok(store::maintenance::insert(tx, title, essential_because).await?)
    })
    .await
}

/// Saves another version of a maintenance, or cancels it.
///
/// # Errors
/// Refused as [`MaintenanceRefusal`] says; nothing is saved then.
pub async fn change(app: &App, id: i64, new: NewPlan) -> Result<Saved, MaintenanceRefusal> {
    let now = app.now();
    save(app, now, new, async |_| Ok(id)).await
}

async fn save(
    app: &App,
    now: Timestamp,
    new: NewPlan,
    number: impl AsyncFnOnce(&mut store::Tx) -> Result<i64, MaintenanceRefusal> + Clone,
) -> Result<Saved, MaintenanceRefusal> {
    said(&new.author, "author")?;
    let places = &app.settings().places;
    app.write(async |tx| {
        let now = store::chain::now(tx, now).await?;
        let id = number(tx).await?;
        let kept = store::maintenance::find(tx, id).await?;
        let mut kept = kept.ok_or(Error::Refused(MaintenanceRefusal::NoSuchMaintenance))?;
        let version = Version { saved_at: now, plan: new.plan };
        let start = version.plan.as_ref().map_or(now, |plan| plan.span.from);
        let lead_us = agreement_at(tx, start).await?.draft.parameters.lead_us();
        let is_social = |place: &Place| place.proves == Some(Channel::Social);
        let has_social =
            places.iter().any(is_social) || !store::maintenance::channels(tx).await?.is_empty();
        let place = kept.maintenance.versions.len();
        let judgement = kept
            .maintenance
            .save(version.clone(), has_social, lead_us, new.confirmed)
            .map_err(|refusal| Error::Refused(MaintenanceRefusal::Rule(refusal)))?;
        match store::maintenance::insert_version(tx, id, place, &new.author, &version).await {
            Err(store::Error::Conflict(_)) => Err(Error::Refused(MaintenanceRefusal::Meanwhile)),
            saved => {
                saved?;
                announcement::of_maintenance(tx, app, &kept, &new.author, now).await?;
                Ok(Saved { id, judgement })
            }
        }
    })
    .await
}

/// The plan in force of a maintenance; `None` when it was cancelled.
///
/// # Errors
/// Refused when there is none of that number.
pub async fn plan(app: &App, id: i64) -> Result<Option<Window>, MaintenanceRefusal> {
    let kept = store::maintenance::find(&mut app.read().await?, id).await?;
    let kept = kept.ok_or(Error::Refused(MaintenanceRefusal::NoSuchMaintenance))?;
    Ok(kept.maintenance.plan().cloned())
}

/// Notes that the version in force was told just now: in the social network of this name, or on the
/// first page; under this reference, with this text. The answer is the number of the notice.
///
/// # Errors
/// Refused when there is no such maintenance or network, nothing is planned any more, or a text is
/// missing.
pub async fn tell(
    app: &App,
    id: i64,
    network: Option<&str>,
    reference: &str,
    text: &str,
) -> Result<i64, MaintenanceRefusal> {
    said(reference, "reference")?;
    if text.trim().is_empty() || text.len() > NOTICE_MAX {
        return Err(Error::Refused(MaintenanceRefusal::Text("text")));
    }
    let now = app.now();
    app.write(async |tx| {
        let now = store::chain::now(tx, now).await?;
        let kept = store::maintenance::find(tx, id).await?;
        let kept = kept.ok_or(Error::Refused(MaintenanceRefusal::NoSuchMaintenance))?;
        let plan = kept.maintenance.plan().filter(|plan| now < plan.span.to);
        let closed = Error::Refused(MaintenanceRefusal::Rule(Refusal::Closed));
        let plan = plan.ok_or(closed)?;
        if kept.notices.len() >= NOTICES_MAX {
            return Err(Error::Refused(MaintenanceRefusal::TooManyNotices));
        }
        let channels = store::maintenance::channels(tx).await?;
        let (channel, place) = match network {
            None => (Channel::FirstPage, FIRST_PAGE),
            Some(name) if channels.iter().any(|known| known == name) => (Channel::Social, name),
            Some(_) => return Err(Error::Refused(MaintenanceRefusal::NoSuchChannel)),
        };
        let proof = Proof {
            version: kept.maintenance.versions.len() - 1,
            channel,
            paths: plan.paths,
            published_at: now,
            withdrawn_at: None,
        };
        let notice = Notice {
            id: 0,
            place: place.to_owned(),
            reference: reference.to_owned(),
            content_hash: Sha256::digest(text).to_vec(),
        };
        Ok(store::maintenance::insert_notice(tx, id, &proof, &notice).await?)
    })
    .await
}

/// Notes that a notice can no longer be read.
///
/// # Errors
/// Refused when there is no such notice, or it was withdrawn before.
pub async fn withdraw_notice(app: &App, notice: i64) -> Result<(), MaintenanceRefusal> {
    let now = app.now();
    app.write(async |tx| {
        let now = store::chain::now(tx, now).await?;
        if store::maintenance::withdraw_notice(tx, notice, now).await? {
            Ok(())
        } else {
            Err(Error::Refused(MaintenanceRefusal::NoSuchNotice))
        }
    })
    .await
}

/// Notes that somebody made sure of the service after a maintenance.
///
/// # Errors
/// Refused when there is none of that number that waits for it.
pub async fn verify(app: &App, id: i64) -> Result<(), MaintenanceRefusal> {
    let now = app.now();
    app.write(async |tx| {
        let now = store::chain::now(tx, now).await?;
        let kept = store::maintenance::find(tx, id).await?;
        let kept = kept.ok_or(Error::Refused(MaintenanceRefusal::NoSuchMaintenance))?;
        let over = kept.maintenance.plan().is_some_and(|plan| plan.span.to <= now);
        if over && store::maintenance::verify(tx, id, now).await? {
            Ok(())
        } else {
            Err(Error::Refused(MaintenanceRefusal::NotOver))
        }
    })
    .await
}

/// Adds a social network in which notices can be told. `false`: it is there.
///
/// # Errors
/// Refused when the name is empty or too long.
pub async fn add_channel(app: &App, name: &str) -> Result<bool, MaintenanceRefusal> {
    said(name, "name")?;
    let now = app.now();
    app.write(async |tx| Ok(store::maintenance::insert_channel(tx, name, now).await?)).await
}

/// The social networks in which notices can be told.
///
/// # Errors
/// The database failed.
pub async fn channels(app: &App) -> std::result::Result<Vec<String>, Failure> {
    Ok(store::maintenance::channels(&mut app.read().await?).await?)
}

/// Every maintenance that had a part of this time, with where it stands.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App, time: Span) -> std::result::Result<Vec<(Kept, State)>, Failure> {
    let now = app.now();
    let mut reads = app.read().await?;
    let held = Held::read(&mut reads).await?;
    let mut listed = Vec::new();
    for kept in store::maintenance::within(&mut reads, time).await? {
        let start = kept.maintenance.plan().map_or(now, |plan| plan.span.from);
        let lead_us = held.at(start).draft.parameters.lead_us();
        let state = kept.maintenance.state(now, lead_us);
        listed.push((kept, state));
    }
    Ok(listed)
}

fn said(text: &str, what: &'static str) -> Result<(), MaintenanceRefusal> {
    if text.trim().is_empty() || text.len() > TEXT_MAX || !is_line(text) {
        Err(Error::Refused(MaintenanceRefusal::Text(what)))
    } else {
        Ok(())
    }
}

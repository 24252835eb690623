//! What everybody is told: news of the operator, and the notices of maintenance. It stands on the
//! first page and in the feed from its commit on, and is on its way to each channel in the same
//! commit; what a channel confirms proves that a notice was told (A19).

use domain::agreement::availability::Window;
use domain::agreement::maintenance::{Channel, Proof};
use domain::announcement::{Audience, Refusal, Text, may_last, pause_after};
use domain::{AccountId, Timestamp};
use sha2::{Digest as _, Sha256};
pub use store::announcement::{Announcement, Delivery, NewAnnouncement};
use store::maintenance::Notice;
use store::{Queries, Tx, chain};

use crate::account::{hex, never_refused};
use crate::maintenance::{FIRST_PAGE, Kept};
use crate::violation::MACHINE;
use crate::{App, Error, Failure, Result, request};

/// The most that is told at a time on the first page.
const STANDING_MAX: u32 = 50;
/// Longest name of who tells something, bytes.
const AUTHOR_MAX: usize = 500;
/// Longest error that is kept, bytes.
const ERROR_MAX: usize = 500;
/// How long it is worth telling the manager of deadlines, microseconds: a week.
const OVERSIGHT_US: i64 = 7 * 86_400_000_000;
/// How long one try may take until another node tries, microseconds.
const TRY_US: i64 = 120_000_000;

/// Where announcements are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Whom it reaches.
    pub audience: Audience,
    /// What of a notice's completeness it proves.
    pub proves: Option<Channel>,
}

impl Place {
    /// The first page.
    pub fn first_page() -> Self {
        let (audience, proves) = (Audience::Public, Some(Channel::FirstPage));
        Self { name: FIRST_PAGE.to_owned(), audience, proves }
    }
}

/// Why nothing was told or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnouncementRefusal {
    /// The rules of announcements speak against it.
    Rule(Refusal),
    /// Who tells it has no name, or one that is too long.
    Author,
    /// There is no such announcement, or it was taken back before.
    NoSuchAnnouncement,
    /// It was not told in that place, or it was noted before that it is gone from there.
    NotThere,
}

/// An announcement as an account sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub announcement: Announcement,
    /// Its ways.
    pub ways: Vec<Delivery>,
    /// When somebody of the account was first shown it; `None`: not viewed.
    pub viewed_at: Option<Timestamp>,
}

/// Something to be told in a place now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What.
    pub announcement: Announcement,
    /// Its way there.
    pub delivery: Delivery,
}

/// How a try went that did not tell something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// What went wrong.
    pub why: String,
    /// How long the place asks us to wait, milliseconds.
    pub pause_ms: Option<i64>,
    /// What the next try is to know, if that is something new.
    pub memory: Option<String>,
    /// Whether there is no next try, since the place may show it already.
    pub is_final: bool,
}

impl Untold {
    /// It is tried again after the usual pause.
    pub fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), pause_ms: None, memory: None, is_final: false }
    }
}

/// Tells something until a moment. The answer is its number.
///
/// # Errors
/// Refused as [`AnnouncementRefusal`] says.
pub async fn announce(
    app: &App,
    (title, body): (&str, &str),
    until: Timestamp,
    author: &str,
) -> Result<i64, AnnouncementRefusal> {
    let rule = |refusal| Error::Refused(AnnouncementRefusal::Rule(refusal));
    let text = Text::new(title, body).map_err(rule)?;
    named(author)?;
    let now = app.now();
    app.write(async |tx| {
        let made_at = chain::now(tx, now).await?;
        may_last(made_at, until).map_err(rule)?;
        let author = author.to_owned();
        let audience = Audience::Public;
        let new = NewAnnouncement { text, author, audience, maintenance: None, made_at, until };
        Ok(store::announcement::insert(tx, &new, &places(app, audience)).await?)
    })
    .await
}

/// Takes something back: it stands on the first page no more. What proved there that a maintenance
/// was told, in this version or an older one, proves so until now (T080): of neither is anything
/// read there any more.
///
/// # Errors
/// Refused as [`AnnouncementRefusal`] says.
pub async fn withdraw(app: &App, id: i64, author: &str) -> Result<(), AnnouncementRefusal> {
    named(author)?;
    let now = app.now();
    let gone = || Error::Refused(AnnouncementRefusal::NoSuchAnnouncement);
    app.write(async |tx| {
        let now = chain::now(tx, now).await?;
        let found = store::announcement::find(tx, id).await?.ok_or_else(gone)?;
        if !store::announcement::withdraw(tx, id, author, now).await? {
            return Err(gone());
        }
        let Some((maintenance, version)) = found.new.maintenance else { return Ok(()) };
        let Some(kept) = store::maintenance::find(tx, maintenance).await? else { return Ok(()) };
        let page = |kept: &Kept, n: usize| {
            let proof = &kept.maintenance.proofs[n];
            proof.version <= version && proof.channel == Channel::FirstPage
        };
        withdraw_notices(tx, &kept, page, now).await
    })
    .await
}

/// Notes that a place shows something no more, or not as it was told there (T086). The proof keeps
/// its reference, hash and time; a notice of a maintenance is marked as well. What stands on the
/// first page is taken back instead.
///
/// # Errors
/// Refused as [`AnnouncementRefusal`] says.
pub async fn gone(
    app: &App,
    id: i64,
    place: &str,
    author: &str,
) -> Result<(), AnnouncementRefusal> {
    named(author)?;
    let now = app.now();
    let not_there = || Error::Refused(AnnouncementRefusal::NotThere);
    app.write(async |tx| {
        let now = chain::now(tx, now).await?;
        let found = store::announcement::find(tx, id).await?;
        let found = found.ok_or(Error::Refused(AnnouncementRefusal::NoSuchAnnouncement))?;
        let ways = store::announcement::deliveries(tx, id).await?;
        let way = ways.iter().find(|way| way.channel == place && place != FIRST_PAGE);
        let way = way.ok_or_else(not_there)?;
        if !store::announcement::gone(tx, way, author, now).await? {
            return Err(not_there());
        }
        let Some((maintenance, version)) = found.new.maintenance else { return Ok(()) };
        let Some(kept) = store::maintenance::find(tx, maintenance).await? else { return Ok(()) };
        let of_place = |kept: &Kept, n: usize| {
            kept.maintenance.proofs[n].version == version && kept.notices[n].place == place
        };
        withdraw_notices(tx, &kept, of_place, now).await
    })
    .await
}

/// Marks those notices of a maintenance that `which` names by their place among its proofs.
async fn withdraw_notices(
    tx: &mut Tx,
    kept: &Kept,
    which: impl Fn(&Kept, usize) -> bool,
    now: Timestamp,
) -> Result<(), AnnouncementRefusal> {
    for (n, notice) in kept.notices.iter().enumerate() {
        if which(kept, n) {
            store::maintenance::withdraw_notice(tx, notice.id, now).await?;
        }
    }
    Ok(())
}

/// Notes that somebody of the account was shown something. That nobody was never weakens what we
/// owe, nor the notice (C22, T087).
///
/// # Errors
/// Refused when there is none of that number.
pub async fn view(app: &App, account: AccountId, id: i64) -> Result<Told, AnnouncementRefusal> {
    let now = app.now();
    request::write(
        app,
        |told: &Told| Some(told.announcement.id),
        async |tx| {
            let found = store::announcement::find(tx, id).await?;
            let found = found.filter(is_public);
            let found = found.ok_or(Error::Refused(AnnouncementRefusal::NoSuchAnnouncement))?;
            store::announcement::view(tx, id, account, now).await?;
            Ok(seen_by(tx, account, found).await?)
        },
    )
    .await
}

/// What was announced under this number, as the account sees it.
///
/// # Errors
/// The database failed.
pub async fn find_for(
    app: &App,
    account: AccountId,
    id: i64,
) -> std::result::Result<Option<Told>, Failure> {
    let mut reads = app.read().await?;
    let found = store::announcement::find(&mut reads, id).await?;
    let Some(found) = found.filter(is_public) else { return Ok(None) };
    Ok(Some(seen_by(&mut reads, account, found).await?))
}

/// What was told before a number, the newest first, as the account sees it.
///
/// # Errors
/// The database failed.
pub async fn list_for(
    app: &App,
    account: AccountId,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Told>, Failure> {
    let mut reads = app.read().await?;
    let mut listed = Vec::new();
    let public = Some(Audience::Public);
    for found in store::announcement::list(&mut reads, public, before, limit).await? {
        listed.push(seen_by(&mut reads, account, found).await?);
    }
    Ok(listed)
}

fn is_public(announcement: &Announcement) -> bool {
    announcement.new.audience == Audience::Public
}

async fn seen_by(
    reads: &mut impl Queries,
    account: AccountId,
    announcement: Announcement,
) -> store::Result<Told> {
    let ways = store::announcement::deliveries(reads, announcement.id).await?;
    let viewed_at = store::announcement::viewed_at(reads, announcement.id, account).await?;
    Ok(Told { announcement, ways, viewed_at })
}

/// The accounts after a number that were shown something, and when first.
///
/// # Errors
/// The database failed.
pub async fn views(
    app: &App,
    id: i64,
    after: AccountId,
    limit: u32,
) -> std::result::Result<Vec<(AccountId, Timestamp)>, Failure> {
    Ok(store::announcement::views(&mut app.read().await?, id, after, limit).await?)
}

/// Tells of the version of a maintenance that was saved just now, in place of what was told of it
/// before.
pub(crate) async fn of_maintenance(
    tx: &mut Tx,
    app: &App,
    kept: &Kept,
    author: &str,
    now: Timestamp,
) -> store::Result<()> {
    let versions = &kept.maintenance.versions;
    let (Some(version), before) = (versions.len().checked_sub(1), versions.iter().rev().nth(1))
    else {
        return Ok(());
    };
    let before = before.and_then(|before| before.plan.as_ref());
    let told: Option<(Text, &Window)> = match (&versions[version].plan, before) {
        (Some(plan), before) => {
            Some((Text::of_maintenance(&kept.title, plan, before.is_some()), plan))
        }
        (None, Some(before)) => Some((Text::of_cancellation(&kept.title, before), before)),
        (None, None) => None,
    };
    store::announcement::supersede(tx, kept.id, author, now).await?;
    let Some((text, plan)) = told else { return Ok(()) };
    let new = NewAnnouncement {
        text,
        author: author.to_owned(),
        audience: Audience::Public,
        maintenance: Some((kept.id, version)),
        made_at: now,
        until: plan.span.to,
    };
    store::announcement::insert(tx, &new, &places(app, Audience::Public)).await?;
    Ok(())
}

/// Tells who oversees the agreement what there is to be told, a line for each, in the channels that
/// are his. Where there is none it is on his list alone.
pub(crate) async fn of_oversight(
    tx: &mut Tx,
    app: &App,
    lines: &[String],
    now: Timestamp,
) -> store::Result<()> {
    let audience = Audience::Manager;
    let places = places(app, audience);
    if lines.is_empty() || places.is_empty() {
        return Ok(());
    }
    let new = NewAnnouncement {
        text: Text::of_oversight(lines),
        author: MACHINE.to_owned(),
        audience,
        maintenance: None,
        made_at: now,
        until: now.plus_us(OVERSIGHT_US),
    };
    store::announcement::insert(tx, &new, &places).await?;
    Ok(())
}

/// The places of an audience, of those of the configuration.
fn places(app: &App, audience: Audience) -> Vec<(String, Option<Channel>)> {
    let places = app.settings().places.iter().filter(|place| place.audience == audience);
    places.map(|place| (place.name.clone(), place.proves)).collect()
}

/// What is told now, the newest first.
///
/// # Errors
/// The database failed.
pub async fn standing(app: &App) -> std::result::Result<Vec<Announcement>, Failure> {
    let now = app.now();
    Ok(store::announcement::standing(&mut app.read().await?, now, STANDING_MAX).await?)
}

/// What was told and not taken back, the newest first.
///
/// # Errors
/// The database failed.
pub async fn newest(app: &App, limit: u32) -> std::result::Result<Vec<Announcement>, Failure> {
    Ok(store::announcement::newest(&mut app.read().await?, limit).await?)
}

/// Everything that was told before a number, to whomever, the newest first, with where it was told.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<(Announcement, Vec<Delivery>)>, Failure> {
    let mut reads = app.read().await?;
    let mut listed = Vec::new();
    for announcement in store::announcement::list(&mut reads, None, before, limit).await? {
        let deliveries = store::announcement::deliveries(&mut reads, announcement.id).await?;
        listed.push((announcement, deliveries));
    }
    Ok(listed)
}

/// An identity that an announcement has wherever it is read (RFC 9562, version 8).
pub fn uuid(announcement: &Announcement) -> String {
    let Announcement { id, new, .. } = announcement;
    let digest = Sha256::digest(format!("avanak announcement {id} {}", new.made_at.0));
    let mut bytes: [u8; 16] = digest[..16].try_into().expect("a hash is longer");
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex(&bytes);
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}

/// Takes what is to be told next in a place: nobody else does for two minutes.
///
/// # Errors
/// The database failed.
pub async fn due(app: &App, place: &str) -> std::result::Result<Option<Job>, Failure> {
    let now = app.now();
    let known = app.settings().places.iter().find(|known| known.name == place);
    let of = (place, known.map_or(Audience::Public, |known| known.audience));
    let taken = app.write(async |tx| {
        Ok(store::announcement::take_due(tx, of, now, now.plus_us(TRY_US)).await?)
    });
    let taken = taken.await.map_err(never_refused)?;
    Ok(taken.map(|(announcement, delivery)| Job { announcement, delivery }))
}

/// Keeps what a try has come to, for the next one; nobody else tries for two minutes from now on.
/// `false`: it is over or was taken back meanwhile, and the try ends.
///
/// # Errors
/// The database failed.
pub async fn remember(app: &App, job: &Job, memory: &str) -> std::result::Result<bool, Failure> {
    let now = app.now();
    let kept = app.write(async |tx| {
        let until = now.plus_us(TRY_US);
        Ok(store::announcement::remember(tx, &job.delivery, memory, now, until).await?)
    });
    kept.await.map_err(never_refused)
}

/// A place confirmed that something was told there, under this reference. Of a maintenance, that is
/// a notice as of now; without a reference, nobody could find it, and it proves nothing.
///
/// # Errors
/// The database failed.
pub async fn delivered(app: &App, job: &Job, reference: &str) -> std::result::Result<(), Failure> {
    let now = app.now();
    let Job { announcement, delivery } = job;
    let hash = Sha256::digest(announcement.new.text.whole()).to_vec();
    let noted = app.write(async |tx| {
        let now = chain::now(tx, now).await?;
        if !store::announcement::delivered(tx, delivery, reference, &hash, now).await? {
            return Ok(());
        }
        let proves = delivery.proves.filter(|_| !reference.is_empty());
        let (Some(channel), Some((id, version))) = (proves, announcement.new.maintenance) else {
            return Ok(());
        };
        // What was taken back while it was looked for on the first page stands there no more.
        let found = store::announcement::find(tx, announcement.id).await?;
        let stands = found.is_some_and(|found| found.withdrawn_at.is_none());
        if channel == Channel::FirstPage && !stands {
            return Ok(());
        }
        let kept = store::maintenance::find(tx, id).await?;
        let version_told = kept.as_ref().and_then(|kept| kept.maintenance.versions.get(version));
        let Some(plan) = version_told.and_then(|version| version.plan.as_ref()) else {
            return Ok(());
        };
        let (paths, withdrawn_at) = (plan.paths, None);
        let proof = Proof { version, channel, paths, published_at: now, withdrawn_at };
        let notice = Notice {
            id: 0,
            place: delivery.channel.clone(),
            reference: reference.to_owned(),
            content_hash: hash.clone(),
        };
        store::maintenance::insert_notice(tx, id, &proof, &notice).await?;
        Ok(())
    });
    noted.await.map_err(never_refused)
}

/// Something could not be told in a place: it is tried again after a pause, no shorter than the
/// place asks for, as long as it is worth telling, unless the place may show it already.
///
/// # Errors
/// The database failed.
pub async fn failed(app: &App, job: &Job, untold: &Untold) -> std::result::Result<(), Failure> {
    let (error, memory) = (&untold.why, untold.memory.as_deref());
    let pause_ms = pause_after(job.delivery.tries).max(untold.pause_ms.unwrap_or(0));
    let next_at = app.now().plus_ms(pause_ms);
    let is_worth_it = next_at < job.announcement.new.until && !untold.is_final;
    let next_at = is_worth_it.then_some(next_at);
    let end = (0..=error.len().min(ERROR_MAX)).rev().find(|end| error.is_char_boundary(*end));
    let error = &error[..end.unwrap_or(0)];
    let noted = app.write(async |tx| {
        Ok(store::announcement::failed(tx, &job.delivery, error, next_at, memory).await?)
    });
    noted.await.map_err(never_refused)
}

fn named(author: &str) -> Result<(), AnnouncementRefusal> {
    if author.trim().is_empty() || author.len() > AUTHOR_MAX {
        return Err(Error::Refused(AnnouncementRefusal::Author));
    }
    Ok(())
}

//! Versions of the service agreement: shown to everybody, published and withdrawn by the operator.

use std::net::IpAddr;
use std::sync::Arc;

use domain::agreement::parameter;
use domain::agreement::version::{self, Draft, Version};
use domain::calendar::day::Day;
use domain::calendar::holiday::Holidays;
use domain::calendar::opening_hours::{CalendarKind, OpeningHours};
use domain::calendar::working_time::Timetable;
use domain::{AccountId, Timestamp};
use sha2::{Digest as _, Sha256};
use store::Queries;
pub use store::agreement::{Acceptance, Kept};

use crate::account::hex;
use crate::{App, Caller, Error, Failure, Result, opening_hours, request};

/// Why a version was not published or withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgreementRefusal {
    /// The rules of versions speak against it.
    Version(version::Refusal),
    /// A parameter cannot be that.
    Parameter(parameter::Refusal),
    /// On this day the hours of that calendar give less than would be promised; they are changed
    /// first.
    Hours(CalendarKind, Day),
    /// Somebody else published one at this moment.
    Meanwhile,
}

/// A version was not accepted: there is none of that number that holds or will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchVersion;

/// What an account accepted, beside what holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The version in force.
    pub in_force: u32,
    /// The newest version first.
    pub acceptances: Vec<Acceptance>,
}

impl Accepted {
    /// Whether the agreement is another than the one that was accepted; nobody is told of that
    /// person by person, so the panel shows it (C10).
    pub fn is_changed(&self) -> bool {
        self.acceptances.iter().all(|accepted| accepted.version != self.in_force)
    }
}

/// The most acceptances of an account that are read.
const ACCEPTANCES_MAX: u32 = 1000;

/// What is to be different in the next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The text in Persian; without one, that of the last version.
    pub body_fa: Option<String>,
    /// The text in English; without one, that of the last version.
    pub body_en: Option<String>,
    /// Names and values of parameters that change.
    pub parameters: Vec<(String, String)>,
    /// From when on it holds.
    pub effective_from: Timestamp,
}

/// Every version, the first of them first.
///
/// # Errors
/// The database failed.
pub async fn versions(app: &App) -> std::result::Result<Vec<Kept>, Failure> {
    Ok(all(&mut app.read().await?).await?)
}

/// The checksum of a version, as it is made anew from what it says.
pub fn checksum(version: &Version) -> Vec<u8> {
    Sha256::digest(version.canonical()).to_vec()
}

/// The checksum that is kept with a version, in lower-case hex digits.
pub fn checksum_in_hex(kept: &Kept) -> String {
    hex(&kept.checksum)
}

/// Publishes a version. Hours of the desk that would give less than it promises are changed to what
/// it says, from its first day on.
///
/// # Errors
/// Refused as [`AgreementRefusal`] says.
pub async fn publish(app: &App, new: NewVersion) -> Result<Kept, AgreementRefusal> {
    let now = app.now();
    app.write(async |tx| {
        let published: Vec<Version> = all(tx).await?.into_iter().map(|kept| kept.version).collect();
        let draft = draft(&published, new)?;
        let version = version::publish(&published, draft, now)
            .map_err(|refusal| Error::Refused(AgreementRefusal::Version(refusal)))?;
        let both: Vec<Version> = published.into_iter().chain([version.clone()]).collect();
        let kept = Kept { checksum: checksum(&version), version };
        store::agreement::insert(tx, &kept).await.map_err(meanwhile)?;
        for kind in CalendarKind::OF_THE_DESK {
            let short = opening_hours::follow(tx, kind, &both, &kept.version, now).await;
            if let Some(day) = short.map_err(meanwhile)? {
                return Err(Error::Refused(AgreementRefusal::Hours(kind, day)));
            }
        }
        Ok(kept)
    })
    .await
}

fn meanwhile(error: store::Error) -> Error<AgreementRefusal> {
    match error {
        store::Error::Conflict(_) => Error::Refused(AgreementRefusal::Meanwhile),
        error => error.into(),
    }
}

/// The last version that stands, with what is to be different in it.
fn draft(published: &[Version], new: NewVersion) -> Result<Draft, AgreementRefusal> {
    let standing = published.iter().filter(|version| version.withdrawn_at.is_none());
    let last = standing.max_by_key(|version| version.draft.effective_from);
    let mut draft = last.expect("the first version is never withdrawn").draft.clone();
    draft.effective_from = new.effective_from;
    draft.body_fa = new.body_fa.unwrap_or(draft.body_fa);
    draft.body_en = new.body_en.unwrap_or(draft.body_en);
    for (name, value) in &new.parameters {
        let set = draft.parameters.set(name, value);
        set.map_err(|refusal| Error::Refused(AgreementRefusal::Parameter(refusal)))?;
    }
    Ok(draft)
}

/// Takes a version back that does not hold yet, with the hours of the desk that came with it.
///
/// # Errors
/// Refused when it holds, was taken back, or there is none of that number.
pub async fn withdraw(app: &App, number: u32) -> Result<(), AgreementRefusal> {
    let now = app.now();
    app.write(async |tx| {
        let refused = |refusal| Error::Refused(AgreementRefusal::Version(refusal));
        let mut versions: Vec<Version> =
            all(tx).await?.into_iter().map(|kept| kept.version).collect();
        let version = versions.iter_mut().find(|version| version.number == number);
        let version = version.ok_or(refused(version::Refusal::Unknown))?;
        version.may_be_withdrawn(now).map_err(refused)?;
        version.withdrawn_at = Some(now);
        let version = version.clone();
        for kind in CalendarKind::OF_THE_DESK {
            let short = opening_hours::go_back(tx, kind, &versions, &version, now).await?;
            if let Some(day) = short {
                return Err(Error::Refused(AgreementRefusal::Hours(kind, day)));
            }
        }
        if store::agreement::withdraw(tx, number, now).await? {
            Ok(())
        } else {
            Err(refused(version::Refusal::InForce))
        }
    })
    .await
}

/// Notes that a customer accepted a version that holds or will, from this address. Accepting it
/// again changes nothing: the first time counts.
///
/// # Errors
/// Refused as [`NoSuchVersion`] says.
pub async fn accept(
    app: &App,
    caller: &Caller,
    number: u32,
    address: Option<IpAddr>,
) -> Result<(), NoSuchVersion> {
    let (account, at) = (caller.account.id, app.now());
    let address = address.map(|address| address.to_string());
    request::write(
        app,
        |&()| Some(i64::from(number)),
        async |tx| {
            let held = Held::read(tx).await?;
            let now = held.at(at);
            let standing =
                |version: &&Version| version.number == number && version.withdrawn_at.is_none();
            let found = held.versions.iter().find(standing).ok_or(Error::Refused(NoSuchVersion))?;
            if found.draft.effective_from < now.draft.effective_from {
                return Err(Error::Refused(NoSuchVersion));
            }
            let new = Acceptance { version: number, at, address: address.clone() };
            store::agreement::accept(tx, account, &new).await?;
            Ok(())
        },
    )
    .await
}

/// What an account accepted.
///
/// # Errors
/// The database failed.
pub async fn accepted(app: &App, account: AccountId) -> std::result::Result<Accepted, Failure> {
    let mut reads = app.read().await?;
    let in_force = Held::read(&mut reads).await?.at(app.now()).number;
    let acceptances = store::agreement::acceptances(&mut reads, account, ACCEPTANCES_MAX).await?;
    Ok(Accepted { in_force, acceptances })
}

/// All versions, that of the program too.
pub(crate) async fn all(reads: &mut impl Queries) -> store::Result<Vec<Kept>> {
    let first = Version::first();
    let mut versions = vec![Kept { checksum: checksum(&first), version: first }];
    versions.extend(store::agreement::list(reads).await?);
    Ok(versions)
}

/// Every version, to ask which one held when, and its calendars.
pub(crate) struct Held {
    versions: Vec<Version>,
    business: Timetable,
    support: Timetable,
}

impl Held {
    /// Reads them.
    pub(crate) async fn read(reads: &mut impl Queries) -> store::Result<Self> {
        let versions = all(reads).await?.into_iter().map(|kept| kept.version).collect();
        let holidays = Arc::new(crate::holiday::read(reads).await?);
        let business = opening_hours::versions(reads, CalendarKind::Business).await?;
        let support = opening_hours::versions(reads, CalendarKind::Support).await?;
        Ok(Self {
            versions,
            business: timetable_with(business, Arc::clone(&holidays)),
            support: timetable_with(support, holidays),
        })
    }

    /// By what business days are counted.
    pub(crate) fn business(&self) -> &Timetable {
        &self.business
    }

    /// When the desk and its line are open.
    pub(crate) fn support(&self) -> &Timetable {
        &self.support
    }

    /// The version that holds at a moment.
    pub(crate) fn at(&self, at: Timestamp) -> &Version {
        let held = version::in_force(&self.versions, at.max(Timestamp(0)));
        held.expect("the first version holds since ever")
    }
}

/// The version that holds at a moment.
pub(crate) async fn at(reads: &mut impl Queries, at: Timestamp) -> store::Result<Version> {
    Ok(Held::read(reads).await?.at(at).clone())
}

/// The desk's calendar of a kind, with hours and holidays as the operator has them.
pub(crate) async fn timetable(
    reads: &mut impl Queries,
    kind: CalendarKind,
) -> store::Result<Timetable> {
    let versions = opening_hours::versions(reads, kind).await?;
    Ok(timetable_with(versions, Arc::new(crate::holiday::read(reads).await?)))
}

/// The desk's calendar of support, as the program has it: for who has never read another one.
pub(crate) fn first_timetable() -> Timetable {
    let hours = OpeningHours::of_the_agreement(CalendarKind::Support);
    timetable_with(vec![hours], Arc::new(Holidays::shipped()))
}

fn timetable_with(versions: Vec<OpeningHours>, holidays: Arc<Holidays>) -> Timetable {
    Timetable::new(versions, holidays).expect("one version never begins with another")
}

//! What a message class may do: the policies in force, as this process believes them for a moment,
//! the permit of each attempt, and what an operator does with both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::calendar::day::Day;
use domain::calendar::opening_hours::CalendarKind;
use domain::calendar::working_time::Timetable;
use domain::class::{Opening, Policies, Policy, PolicyRefusal};
use domain::{AccountId, Destination, MessageClass, Timestamp};
pub use store::hot::Bar;
use store::hot::{DailyCap, Permit, ReadyJob};
use tokio::sync::Semaphore;

use crate::account::never_refused;
use crate::{App, Error, Failure, Result};

/// How long the rules are believed, milliseconds: another process may change them.
const FRESH_MS: i64 = 1_000;
/// Long lists of numbers that are asked about at the same time.
static LONG_LISTS: Semaphore = Semaphore::const_new(2);
/// Longest name of a document, in characters.
const DOCUMENT_CHARS_MAX: usize = 200;

/// What decides when calls may be placed: one for all that wait, so that a document which is given
/// or taken back counts for them, too.
#[derive(Debug)]
pub struct Rules {
    /// The policies in force.
    pub policies: Arc<Policies>,
    any_hour: BTreeSet<AccountId>,
    /// When the desk is open.
    pub support: Timetable,
    /// When they were read: what was given later is not in them.
    pub read_at: Timestamp,
}

impl Rules {
    /// Whether an account may call at any hour.
    pub fn any_hour(&self, account: AccountId) -> bool {
        self.any_hour.contains(&account)
    }

    /// Whether a send may be called at `now`; `person`: by the trunks that there are, its call
    /// reaches somebody.
    pub fn opening(&self, job: &ReadyJob, person: bool, now: Timestamp) -> Opening {
        self.policies.opening(job.message_class, (self.any_hour(job.account), person), now)
    }
}

/// The rules in memory.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    known: Mutex<Option<(Arc<Rules>, Timestamp)>>,
}

impl Classes {
    fn known(&self) -> MutexGuard<'_, Option<(Arc<Rules>, Timestamp)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The policies in force at `now`, which is about the present.
pub(crate) async fn policies(
    app: &App,
    now: Timestamp,
) -> std::result::Result<Arc<Policies>, Failure> {
    Ok(Arc::clone(&rules(app, now).await?.policies))
}

/// The rules in force at `now`, which is about the present.
pub(crate) async fn rules(app: &App, now: Timestamp) -> std::result::Result<Arc<Rules>, Failure> {
    if let Some((rules, asked_at)) = &*app.classes().known()
        && (0..FRESH_MS * 1000).contains(&now.us_since(*asked_at))
    {
        return Ok(Arc::clone(rules));
    }
    let mut reads = app.read().await?;
    let found = store::class::in_force(&mut reads, now).await?;
    let any_hour = store::class::any_hour_accounts(&mut reads).await?;
    let holidays = Arc::new(crate::holiday::read(&mut reads).await?);
    let support = crate::agreement::timetable(&mut reads, CalendarKind::Support).await?;
    drop(reads);
    let policies = Policies::new(found, &holidays);
    let policies =
        policies.ok_or_else(|| Failure::of("looking for the policies: a class has none"))?;
    let policies = Arc::new(policies);
    let rules = Arc::new(Rules { policies, any_hour, support, read_at: now });
    *app.classes().known() = Some((Arc::clone(&rules), now));
    Ok(rules)
}

/// The rules that were last read; `None` before the first time. What brings a send to the dialer
/// reads them.
pub fn known_rules(app: &App) -> Option<Arc<Rules>> {
    app.classes().known().as_ref().map(|(rules, _)| Arc::clone(rules))
}

/// Whether a call to this destination reaches a person: a phone of an account is nobody's, and a
/// sandbox's calls stay with its carrier.
pub fn reaches_person(app: &App, destination: &Destination, sandbox: bool) -> bool {
    matches!(destination, Destination::Number(_)) && !sandbox && app.dispatch().reaches_people()
}

/// What allows a send to be called at `at`; `None` when nothing does.
pub(crate) fn permit(rules: &Rules, job: &ReadyJob, person: bool, at: Timestamp) -> Option<Permit> {
    let Opening::Open { basis, .. } = rules.opening(job, person, at) else { return None };
    let policy = rules.policies.of(job.message_class);
    // Whom a sandbox plays with is nobody's number.
    let national = |destination: &Destination| match destination {
        Destination::Number(number) if !job.sandbox => Some(number.national().to_owned()),
        Destination::Number(_) | Destination::Extension(_) => None,
    };
    let cap = policy.daily_cap.map(|most| DailyCap { day: Day::of(at).start(), most });
    Some(Permit {
        account: job.account,
        class: job.message_class,
        number: national(&job.destination),
        second: job.second.as_ref().and_then(national),
        policy: policy.id,
        basis,
        cap,
    })
}

/// What allows a send to be called at `at`, which is about the present; `None` when nothing does.
pub(crate) async fn permit_of(
    app: &App,
    job: &ReadyJob,
    at: Timestamp,
) -> std::result::Result<Option<Permit>, Failure> {
    let rules = rules(app, at).await?;
    Ok(permit(&rules, job, reaches_person(app, &job.destination, job.sandbox), at))
}

/// How many numbers would not be called, if calls were begun now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// On a list that the class obeys.
    pub opted_out: u32,
    /// Called as often today as the class may.
    pub capped: u32,
}

impl Skipped {
    /// All of them.
    pub fn total(self) -> u32 {
        self.opted_out.saturating_add(self.capped)
    }

    /// Counts what bars.
    pub fn of(bars: impl IntoIterator<Item = Bar>) -> Self {
        bars.into_iter().fold(Self::default(), |sum, bar| match bar {
            Bar::OptedOut => Self { opted_out: sum.opted_out + 1, ..sum },
            Bar::Capped => Self { capped: sum.capped + 1, ..sum },
        })
    }
}

/// What would bar calls to these numbers (national form), if they were begun at `at`, one after the
/// other: as the lease asks, but nothing is counted. Not for sandboxes, which nothing bars. A long
/// list waits until few others are asked about, and holds no connection between its parts.
pub(crate) async fn bars(
    app: &App,
    policy: &Policy,
    account: AccountId,
    numbers: &[String],
    at: Timestamp,
) -> std::result::Result<Vec<Option<Bar>>, Failure> {
    if policy.daily_cap.is_none() && !store::opt_out::is_any(&mut app.read().await?).await? {
        return Ok(vec![None; numbers.len()]);
    }
    let _turn = match numbers.len() {
        ..=store::opt_out::HEEDED_MAX => None,
        _ => Some(LONG_LISTS.acquire().await.map_err(|error| {
            Failure::because("waiting for other lists to be asked about", error)
        })?),
    };
    let about = (policy.class, Day::of(at).start());
    let mut bars = Vec::with_capacity(numbers.len());
    let mut earlier = BTreeMap::<&str, u32>::new();
    for some in numbers.chunks(store::opt_out::HEEDED_MAX) {
        let heeded = store::opt_out::heeded(&mut app.read().await?, some, account, about).await?;
        bars.extend(some.iter().zip(heeded).map(|(number, (is_listed, sends))| {
            if is_listed {
                return Some(Bar::OptedOut);
            }
            let before = earlier.entry(number).or_default();
            let sends = sends.saturating_add(*before);
            *before += 1;
            policy.daily_cap.filter(|most| sends >= *most).map(|_| Bar::Capped)
        }));
    }
    Ok(bars)
}

/// The policies in force, one for each class.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App) -> std::result::Result<Vec<Policy>, Failure> {
    Ok(store::class::in_force(&mut app.read().await?, app.now()).await?)
}

/// Replaces the policy of a class by what `change` makes of it, from now on. Running servers know
/// within a second. Tells the new version.
///
/// # Errors
/// Refused as [`PolicyRefusal`] says.
pub async fn set(
    app: &App,
    class: MessageClass,
    change: impl FnOnce(Policy) -> std::result::Result<Policy, PolicyRefusal> + Clone,
) -> Result<Policy, PolicyRefusal> {
    let now = app.now();
    app.write(async |tx| {
        let found = store::class::in_force(tx, now).await?;
        let old = found.into_iter().find(|policy| policy.class == class);
        let old = old.ok_or_else(|| Failure::of("changing a policy: the class has none"))?;
        let new = Policy { effective_from: now, ..change(old).map_err(Error::Refused)? };
        new.check().map_err(Error::Refused)?;
        let id = store::class::insert(tx, &new).await?;
        let id = id.ok_or_else(|| Failure::of("changing a policy: another change came first"))?;
        Ok(Policy { id, ..new })
    })
    .await
}

/// Lets an account call at any hour, by a document, or not any more; running servers know within a
/// second. `false`: there is no such account, or the document has no name or one that is too long.
///
/// # Errors
/// The database failed.
pub async fn set_hours_document(
    app: &App,
    account: AccountId,
    document: Option<&str>,
) -> std::result::Result<bool, Failure> {
    let document = document.map(str::trim);
    let is_name = |text: &str| !text.is_empty() && text.chars().nth(DOCUMENT_CHARS_MAX).is_none();
    if document.is_some_and(|document| !is_name(document)) {
        return Ok(false);
    }
    let now = app.now();
    let done = app.write(async |tx| {
        if store::account::find(tx, account).await?.is_none() {
            return Ok(false);
        }
        match document {
            Some(document) => store::class::grant_hours(tx, account, document, now).await?,
            None => drop(store::class::revoke_hours(tx, account, now).await?),
        }
        Ok(true)
    });
    done.await.map_err(never_refused)
}

/// The document by which an account may call at any hour; `None` when it may not.
///
/// # Errors
/// The database failed.
pub async fn hours_document(
    app: &App,
    account: AccountId,
) -> std::result::Result<Option<String>, Failure> {
    Ok(store::class::hours_document(&mut app.read().await?, account).await?)
}

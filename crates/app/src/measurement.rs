//! Measurement: places from which the service is looked at, and what they saw of it.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::Allowed;
use domain::agreement::scope::CoveredPath;
use domain::agreement::vantage::{self, Report, SAMPLES_MAX, cut_error, dated};
use domain::calendar::day::Day;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp, VantageId};
use store::chain::Fact;
pub use store::measurement::{KeptSample, Vantage};

use crate::account::{FreshToken, keep_sandbox_token, never_refused, new_token};
use crate::{App, Caller, Error, Failure, Result, evidence_day, interval};

/// The most samples that are shown at once.
pub const SHOWN_MAX: u32 = 10_000;
/// Samples forgotten in one transaction.
const FORGOTTEN_MAX: u32 = 5_000;

/// Why no vantage point was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VantageRefusal {
    /// The name is empty, too long, or has characters that cannot be seen.
    Name,
    /// Another one has the name.
    NameTaken,
    /// There is no such account.
    NoSuchAccount,
}

/// A vantage point that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVantage {
    /// Its identity.
    pub id: VantageId,
    /// The sandbox on whose account it calls.
    pub account: AccountId,
    /// By what it is known.
    pub token: FreshToken,
}

/// Why a report was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportRefusal {
    /// Who sends it is no vantage point.
    NotAVantage,
    /// It has more than [`SAMPLES_MAX`] samples.
    TooMany,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// When it came.
    pub received_at: Timestamp,
    /// Samples that are new.
    pub kept: usize,
    /// Those that were there.
    pub known: usize,
    /// Those that cannot be believed: of the future, or too old.
    pub disbelieved: usize,
}

/// Adds a vantage point with a token of the account's sandbox: it pays with play money, and its
/// calls go to the sandbox carrier.
///
/// # Errors
/// Refused as [`VantageRefusal`] says.
pub async fn add_vantage(
    app: &App,
    account: AccountId,
    name: &str,
) -> Result<NewVantage, VantageRefusal> {
    let name = vantage::name(name).ok_or(Error::Refused(VantageRefusal::Name))?;
    let label = format!("vantage {name}");
    let (secret, token) = new_token(app, account, &label, None, Allowed::default());
    let now = app.now();
    app.write(async |tx| {
        let kept = keep_sandbox_token(tx, account, token, now).await?;
        let (account, token) = kept.ok_or(Error::Refused(VantageRefusal::NoSuchAccount))?;
        match store::measurement::add_vantage(tx, name, token, now).await {
            Ok(id) => Ok(NewVantage { id, account, token: FreshToken { id: token, secret } }),
            Err(store::Error::Conflict(_)) => Err(Error::Refused(VantageRefusal::NameTaken)),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

/// Ends that a place is a vantage point: its token opens nothing any more. `false`: it was none.
///
/// # Errors
/// The database failed.
pub async fn remove_vantage(app: &App, id: VantageId) -> std::result::Result<bool, Failure> {
    let now = app.now();
    let removed =
        app.write(async |tx| Ok(store::measurement::remove_vantage(tx, id, now).await?)).await;
    removed.map_err(never_refused)
}

/// Every vantage point that there ever was.
///
/// # Errors
/// The database failed.
pub async fn vantages(app: &App) -> std::result::Result<Vec<Vantage>, Failure> {
    Ok(store::measurement::vantages(&mut app.read().await?).await?)
}

/// Takes what a vantage point reports. Late, twice, in any order: each look is kept once.
///
/// # Errors
/// Refused as [`ReportRefusal`] says.
pub async fn take(app: &App, caller: &Caller, report: &Report) -> Result<Taken, ReportRefusal> {
    if report.looks.len() > SAMPLES_MAX {
        return Err(Error::Refused(ReportRefusal::TooMany));
    }
    let token = caller.token.ok_or(Error::Refused(ReportRefusal::NotAVantage))?;
    let received_at = app.now();
    let offset = report.clock_offset_us(received_at);
    app.write(async |tx| {
        let vantage = store::measurement::heard(tx, token, received_at, offset).await?;
        let vantage = vantage.ok_or(Error::Refused(ReportRefusal::NotAVantage))?;
        let mut taken = Taken { received_at, kept: 0, known: 0, disbelieved: 0 };
        let mut first: BTreeMap<CoveredPath, Timestamp> = BTreeMap::new();
        // What comes late belongs to days that the chain has attested, and is attested with them.
        let (today, mut late) = (Day::of(received_at).start(), BTreeSet::new());
        for look in &report.looks {
            let Some(dated) = dated(look, report, received_at) else {
                taken.disbelieved += 1;
                continue;
            };
            let mut look = look.clone();
            look.error = look.error.as_deref().map(cut_error);
            let new =
                store::measurement::insert_sample(tx, vantage, &look, dated, received_at).await?;
            if !new {
                taken.known += 1;
                continue;
            }
            taken.kept += 1;
            late.insert((look.path, Day::of(dated.0).start()));
            let earliest = first.entry(look.path).or_insert(dated.0);
            *earliest = dated.0.min(*earliest);
        }
        interval::are_new(tx, &first).await?;
        let late = late.into_iter().filter(|(_, day)| *day < today);
        evidence_day::attest(tx, late.map(|(path, day)| Fact::Samples(path, day)), received_at);
        Ok(taken)
    })
    .await
}

/// The samples of a path in a time, of all vantage points or one, by their time: at most
/// [`SHOWN_MAX`].
///
/// # Errors
/// The database failed.
pub async fn samples(
    app: &App,
    of: (CoveredPath, Option<VantageId>),
    time: Span,
) -> std::result::Result<Vec<KeptSample>, Failure> {
    Ok(store::measurement::samples(&mut app.read().await?, of, time, SHOWN_MAX).await?)
}

/// Forgets samples, and counts of requests, that are older than is set.
///
/// # Errors
/// The database failed.
pub async fn forget_old_samples(app: &App) -> std::result::Result<(), Failure> {
    let days = i64::from(app.settings().measurement.sample_days);
    let before = app.now().plus_us(-days * 86_400_000_000);
    for path in CoveredPath::ALL {
        evidence_day::forget(app, path, before).await?;
        let forget = async |tx: &mut store::Tx| {
            Ok(store::measurement::forget_samples(tx, path, before, FORGOTTEN_MAX).await?)
        };
        while app.write(forget).await.map_err(never_refused)? == u64::from(FORGOTTEN_MAX) {}
        let forget = async |tx: &mut store::Tx| {
            Ok(store::interval::forget_requests(tx, path, before).await?)
        };
        app.write(forget).await.map_err(never_refused)?;
    }
    Ok(())
}

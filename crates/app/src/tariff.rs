//! Tariffs, as the operator's command line makes them and customers see them. What was accepted
//! keeps its prices: a send refers to the tariff that was in force then.

use domain::{Tariff, Timestamp};

use crate::{App, Error, Failure, Result};

/// Why a tariff was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TariffRefusal {
    /// A price is negative or above [`domain::billing::tariff::SECOND_MAX`], or the pulse is not
    /// between one second and [`domain::billing::tariff::PULSE_SECONDS_MAX`].
    WrongPrice,
    /// It would start in the past, where its prices were never charged.
    InThePast,
    /// Another one starts at that moment.
    Taken,
}

/// Adds prices that start at `from`, or now; identity and start of `prices` are not looked at. A
/// running server charges by them some seconds after their start at the latest.
///
/// # Errors
/// Refused as [`TariffRefusal`] says.
pub async fn add(
    app: &App,
    prices: Tariff,
    from: Option<Timestamp>,
) -> Result<Tariff, TariffRefusal> {
    if !prices.is_sane() {
        return Err(Error::Refused(TariffRefusal::WrongPrice));
    }
    let now = app.now();
    let new = Tariff { effective_from: from.unwrap_or(now), ..prices };
    if new.effective_from < now {
        return Err(Error::Refused(TariffRefusal::InThePast));
    }
    app.write(async |tx| {
        let before = store::tariff::current(tx, new.effective_from).await?;
        if before.is_some_and(|before| before.effective_from == new.effective_from) {
            return Err(Error::Refused(TariffRefusal::Taken));
        }
        let id = store::tariff::insert(tx, &new).await?;
        Ok(Tariff { id, ..new })
    })
    .await
}

/// Tariffs, the one that starts last first: at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App, limit: u32) -> std::result::Result<Vec<Tariff>, Failure> {
    Ok(store::tariff::list(&mut app.read().await?, limit).await?)
}

/// The prices of a send that is accepted now.
///
/// # Errors
/// The database failed.
pub async fn in_force(app: &App) -> std::result::Result<Tariff, Failure> {
    crate::prices::in_force(app, app.now()).await
}

//! What calls will probably cost, told from those that were made lately.

use domain::Account;
use domain::campaign::forecast::{CALLS_MAX, Forecast, History};

use crate::{App, Failure};

/// What is expected, and from which calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The range.
    pub forecast: Forecast,
    /// The calls.
    pub history: History,
    /// Whether they are the account's own, or those of all accounts since it has too few.
    pub is_own: bool,
}

impl Expected {
    /// What `foretell` makes of the account's calls or, if those are too few, of everybody's.
    ///
    /// # Errors
    /// The database failed.
    pub(crate) async fn of(
        app: &App,
        account: &Account,
        foretell: impl FnOnce(&History) -> Option<Forecast>,
    ) -> Result<Option<Self>, Failure> {
        let mut reads = app.read().await?;
        let own = store::campaign::history(&mut reads, Some(account.id), CALLS_MAX).await?;
        let is_own = own.tells();
        let history = if is_own {
            own
        } else {
            store::campaign::history(&mut reads, None, CALLS_MAX).await?
        };
        Ok(foretell(&history).map(|forecast| Self { forecast, history, is_own }))
    }
}

//! A send is withdrawn by its customer: it is not called any more, or hung up.

use domain::{AttemptId, QuickSendId};
use store::cancellation::Withdrawn;

use crate::{App, Caller, Error, Failure, Result, request};

/// Why a send was not withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithdrawalRefusal {
    /// The caller has no such send.
    Gone,
    /// It has ended.
    Over,
    /// It is a call of a campaign, which is cancelled as a whole.
    OfCampaign,
}

/// Withdraws a send of the caller: one that waits has ended when this returns, and a call is hung
/// up within moments, by the node that has it. Nothing is charged beyond what was heard.
///
/// # Errors
/// Refused as [`WithdrawalRefusal`] says.
pub async fn withdraw(
    app: &App,
    caller: &Caller,
    id: QuickSendId,
) -> Result<(), WithdrawalRefusal> {
    let (account, now) = (caller.account.id, app.now());
    let refused = |refusal| Err(Error::Refused(refusal));
    request::write(
        app,
        |&()| Some(id.0),
        async |tx| match store::cancellation::withdraw(tx, account, id, now).await? {
            Withdrawn::Ended | Withdrawn::Marked => Ok(()),
            Withdrawn::Over => refused(WithdrawalRefusal::Over),
            Withdrawn::OfCampaign => refused(WithdrawalRefusal::OfCampaign),
            Withdrawn::Gone => refused(WithdrawalRefusal::Gone),
        },
    )
    .await
}

/// Attempts that are to be hung up, of all nodes.
///
/// # Errors
/// The database failed.
pub async fn marked(app: &App) -> std::result::Result<Vec<AttemptId>, Failure> {
    Ok(store::cancellation::marked(&mut app.read().await?).await?)
}

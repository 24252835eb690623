//! A send is withdrawn by its customer: it is not called any more, or hung up.

use domain::{AttemptId, NodeId, QuickSendId};
use store::cancellation::{MARKED_MAX, Withdrawn};

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

/// Attempts of a node that are to be hung up and have not ended.
///
/// # Errors
/// The database failed.
pub async fn marked(app: &App, node: NodeId) -> std::result::Result<Vec<AttemptId>, Failure> {
    let (mut all, mut after) = (Vec::new(), QuickSendId(0));
    loop {
        let part = store::cancellation::marked(&mut app.read().await?, node, after).await?;
        let is_last = part.len() < MARKED_MAX as usize;
        after = part.last().map_or(after, |attempt| attempt.quick_send);
        all.extend(part);
        if is_last {
            return Ok(all);
        }
    }
}

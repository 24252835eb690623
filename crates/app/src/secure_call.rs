//! Secure calls: two people talk through us, and neither sees the other's number. One is a send
//! with a second destination: it is held, dialled, charged and recovered as any other
//! (docs/decisions/0052).

use domain::secure_call::{Facts, Refusal, Request, admit};
use domain::{Destination, MessageClass, MessageId, QuickSendId};
use store::hot::{AcceptRefusal, Played};

use crate::dialing::ReadyJob;
use crate::quick_send::commit;
use crate::{App, Caller, Error, Result, class, identity, prices};

/// The scheduling class: behind codes, before campaigns.
const CLASS: u8 = 1;

/// Two people to be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecureCall {
    /// Who is rung first, as the customer wrote it.
    pub first: String,
    /// Who is rung then.
    pub second: String,
    /// What the first one hears until the second one is there.
    pub hold_message: MessageId,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
    /// The customer's own name for it: asking again returns the first one.
    pub reference: Option<String>,
}

/// Rings the first one, and once that is answered, the second one.
///
/// # Errors
/// Refused as [`Refusal`] says.
pub async fn submit(
    app: &App,
    caller: &Caller,
    new: NewSecureCall,
) -> Result<QuickSendId, Refusal> {
    let now = app.now();
    let tariff = prices::in_force(app, now).await?;
    let mut reads = app.read().await?;
    let message = store::message::find(&mut reads, caller.account.id, new.hold_message).await?;
    drop(reads);
    let (first, second) = (Destination::parse(&new.first), Destination::parse(&new.second));
    let takes = |server| {
        let parties = [&first, &second];
        let sandbox = caller.account.is_sandbox();
        let takes = |one: &Destination| app.dispatch().routes(one, server, sandbox);
        parties.iter().all(|one| one.as_ref().is_none_or(takes))
    };
    let is_sandbox = caller.account.is_sandbox();
    let reaches = |one: &Destination| class::reaches_person(app, one, is_sandbox);
    let people = [&first, &second].into_iter().flatten().any(reaches);
    let identified = identity::may_call(app, caller.account.id, people).await?;
    let facts = Facts {
        identified,
        account: &caller.account,
        hold_message: message.as_ref(),
        tariff: &tariff,
        window: &app.settings().window,
        talk_ms_max: app.settings().secure_call_ms_max,
        reachable: takes(None),
        served: takes(new.server),
    };
    let admission = admit(&facts, Request { first, second }, now).map_err(Error::Refused)?;
    let message = message.expect("nothing is admitted without a message");
    let job = ReadyJob {
        quick_send: QuickSendId(0),
        account: caller.account.id,
        sandbox: caller.account.is_sandbox(),
        class: CLASS,
        // Somebody asks for it this moment: it has no hours, and lists of customers do not bar it.
        message_class: MessageClass::OneTimeCode,
        opt_out_key: None,
        due_at: now,
        destination: admission.first,
        second: Some(admission.second),
        message: message.id,
        blob: message.blob,
        clip_ms: admission.talk_ms,
        vote: false,
        record_ms: None,
        server: new.server,
        trunks_failed: 0,
        tariff: tariff.id,
        zone: admission.zone,
        hold: admission.hold.price,
        accepted_at: now,
        expires_at: admission.expires_at,
        pace: None,
        withdrawn: false,
    };
    match commit(app, job, Played::Kept(message.id), (new.reference.as_deref(), None)).await? {
        Ok(kept) => Ok(kept.quick_send),
        Err(AcceptRefusal::InsufficientCredit | AcceptRefusal::AccountGone) => {
            Err(Error::Refused(Refusal::InsufficientCredit))
        }
    }
}

//! Who has to prove who the owner of an account is, and does not (C18, T176): the machine enters it
//! by itself, with its effect, once the time to do it has passed.

use domain::agreement::violation::Clause;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
use store::identity::Missing;

use crate::account::never_refused;
use crate::violation::{MACHINE, NewViolation, enter_all};
use crate::{App, Failure};

const DAY_US: i64 = 86_400_000_000;
/// Accounts that are looked at in one transaction.
const BATCH: u32 = 200;

/// Enters who has not proven who they are, although nobody is called for them until they do, and
/// had as many days for it as the configuration gives. The days are counted while it is the
/// customer's turn: a case that waits for us, or for a registry that is down, blames nobody (T180).
/// Looking again, or on two nodes at once, enters nothing twice. The answer is how many were
/// entered.
///
/// # Errors
/// The database failed.
pub async fn look_missing(app: &App) -> std::result::Result<u64, Failure> {
    let (now, required) = (app.now(), app.settings().identity.required);
    let cleared = app.write(async |tx| Ok(store::identity::drop_missing(tx, now, required).await?));
    cleared.await.map_err(never_refused)?;
    if !required {
        return Ok(0);
    }
    let grace_us = i64::from(app.settings().identity.grace_days) * DAY_US;
    let (mut after, mut entered) = (AccountId(0), 0);
    loop {
        let mut reads = app.read().await?;
        let missing = store::identity::missing(&mut reads, now, after, BATCH).await?;
        drop(reads);
        let Some(last) = missing.last() else { return Ok(entered) };
        after = last.account;
        let new = missing.iter().filter(|one| one.since.is_none());
        let new: Vec<AccountId> = new.map(|one| one.account).collect();
        if !new.is_empty() {
            let note = async |tx: &mut store::Tx| {
                for account in &new {
                    store::identity::note_missing(tx, *account, now).await?;
                }
                Ok(())
            };
            app.write(async |tx| note(tx).await).await.map_err(never_refused)?;
        }
        let mut due = Vec::new();
        let mut reads = app.read().await?;
        for new in missing.iter().filter_map(|one| entry(one, grace_us, now)) {
            if store::violation::under(&mut reads, &new.reference).await?.is_none() {
                due.push(new);
            }
        }
        drop(reads);
        entered += enter_all(app, &due).await?;
    }
}

/// The entry of an account whose time has passed. Only what is noted is entered, under the moment
/// that was noted: two nodes that look at once would each have a moment of their own.
fn entry(missing: &Missing, grace_us: i64, now: Timestamp) -> Option<NewViolation> {
    let since = missing.since?;
    let due = since.plus_us(grace_us);
    (due <= now).then(|| NewViolation {
        account: Some(missing.account),
        clause: Clause::Identity,
        span: Span { from: due, to: now },
        evidence: vec![
            format!("account {}: who its owner is was not proven", missing.account),
            format!("it was the customer's turn for {} days", grace_us / DAY_US),
            "nobody is called for the account until it is proven".to_owned(),
        ],
        reference: format!("identity:{}:{}", missing.account, since.0),
        actor: MACHINE.to_owned(),
    })
}

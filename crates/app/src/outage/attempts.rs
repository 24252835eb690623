//! Who is touched by a broken prefix or trunk, found from the calls that were to go there: only
//! those are in its group, and nobody has to type them (T054).

use std::collections::{BTreeMap, BTreeSet};

use domain::agreement::scope::{Group, Scope};
use domain::calendar::span::Span;
use domain::{AccountId, QuickSendId, Timestamp};
use store::outage::{Attempted, Unsearched};
use store::{Tx, chain};

use crate::account::never_refused;
use crate::availability::touch;
use crate::{App, Failure};

/// How long before an outage calls tell whom it touches, microseconds: who calls there once a week
/// would have called.
pub const LOOK_BACK_US: i64 = 7 * 86_400_000_000;
/// Sends that are read at once.
const PAGE: u32 = 5_000;
/// The most outages that are looked at in a round; the others come next.
const OUTAGES_MAX: u32 = 100;
/// Accounts that are put into a group in one transaction.
const BATCH: usize = 200;

/// Finds for each outage of a prefix or trunk who had calls there while it lasted or in the week
/// before, and puts them into that group for its time: what they were touched by is then in their
/// figures. One that lasts, or was corrected, is looked at again; doing it again changes nothing.
/// The answer is how many accounts were found that were not in the group.
///
/// # Errors
/// The database failed; what was found stays.
pub async fn look_attempts(app: &App) -> Result<u64, Failure> {
    let mut found = 0;
    let due = store::outage::unsearched(&mut app.read().await?, OUTAGES_MAX).await?;
    for outage in &due {
        found += look(app, outage).await?;
    }
    Ok(found)
}

async fn look(app: &App, outage: &Unsearched) -> Result<u64, Failure> {
    let now = app.now();
    let time = Span { from: outage.from, to: outage.to.unwrap_or(now).max(outage.from) };
    let touched = attempted(app, &outage.scope, time).await?;
    let mut found = 0;
    for (group, accounts) in &touched {
        let accounts: Vec<AccountId> = accounts.iter().copied().collect();
        for batch in accounts.chunks(BATCH) {
            let joined =
                app.write(async |tx| Ok(join(tx, outage.id, (*group, batch), time, now).await?));
            found += joined.await.map_err(never_refused)?;
        }
    }
    let until = app.write(async |tx| Ok(store::outage::searched(tx, outage, time.to).await?));
    until.await.map_err(never_refused)?;
    Ok(found)
}

async fn join(
    tx: &mut Tx,
    outage: i64,
    (group, accounts): (Group, &[AccountId]),
    time: Span,
    now: Timestamp,
) -> Result<u64, Failure> {
    let now = chain::now(tx, now).await?;
    let mut found = 0;
    for account in accounts {
        if store::outage::join_found(tx, (group, *account), time, outage).await? {
            found += 1;
            let own = Scope::new(vec![Group::Account(*account)]).expect("it is one group");
            let because = format!("calls to {group} in outage {outage} were found");
            touch(tx, time, &own, &because, now).await?;
        }
    }
    if !accounts.is_empty() {
        store::outage::attest_found(tx, outage, now).await?;
    }
    Ok(found)
}

/// Who had calls to the prefixes and by the trunks of a scope, from a week before a time on.
async fn attempted(
    app: &App,
    scope: &Scope,
    time: Span,
) -> Result<BTreeMap<Group, BTreeSet<AccountId>>, Failure> {
    let mut reads = app.read().await?;
    let trunks = store::trunk::list(&mut reads).await?;
    let name = |group: &Group| match group {
        Group::Trunk(id) => {
            let trunk = trunks.iter().find(|kept| kept.id == *id);
            trunk.map(|kept| kept.trunk.name.clone())
        }
        _ => None,
    };
    let groups: Vec<(Group, Option<String>)> =
        scope.groups().iter().map(|group| (*group, name(group))).collect();
    let goes_by = |(group, trunk): &(Group, Option<String>), one: &Attempted| match group {
        Group::Prefix(prefix) => one.destination.starts_with(&format!("0{prefix}")),
        Group::Trunk(_) => trunk.is_some() && (one.ended_by == *trunk || one.open_by == *trunk),
        _ => false,
    };
    let since = time.from.plus_us(-LOOK_BACK_US);
    let mut found: BTreeMap<Group, BTreeSet<AccountId>> = BTreeMap::new();
    let mut before = QuickSendId(i64::MAX);
    loop {
        let page = store::outage::attempts(&mut reads, before, PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        before = last.id;
        let is_over = last.accepted_at < since;
        // What was taken just now is meant, too.
        let meant = Span { from: since, to: time.to.plus_us(1) };
        for one in page.iter().filter(|one| !one.sandbox && meant.contains(one.accepted_at)) {
            for group in groups.iter().filter(|group| goes_by(group, one)) {
                found.entry(group.0).or_default().insert(one.account);
            }
        }
        if is_over {
            return Ok(found);
        }
    }
}

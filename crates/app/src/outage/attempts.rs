//! Who is touched by a broken prefix or trunk, found from the calls that were to go there: only
//! those are in its group, and nobody has to type them (T054).

use std::collections::{BTreeMap, BTreeSet};

use domain::agreement::scope::{Group, Scope};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
use store::outage::{Attempted, Unsearched};
use store::{Tx, chain};

use crate::account::never_refused;
use crate::availability::{months_back, touch};
use crate::{App, Failure};

/// How long before an outage calls tell whom it touches, microseconds: who calls there once a week
/// would have called.
pub const LOOK_BACK_US: i64 = 7 * 86_400_000_000;
/// How much later a send may be committed than one of a higher number that was taken after it,
/// microseconds.
const ORDER_US: i64 = 600_000_000;
/// How much later than it was taken a send may be tried by a trunk, microseconds: one of a campaign
/// waits until its day closes.
const WAIT_US: i64 = 86_400_000_000;
/// Sends that are read at once.
const PAGE: u32 = 5_000;
/// Pages that are read in a round; what is left is read in the next ones.
const PAGES_MAX: u32 = 400;
/// The most outages that are looked at in a round; the others come next.
const OUTAGES_MAX: u32 = 100;
/// Accounts that are put into a group in one transaction.
const BATCH: usize = 200;

/// Finds for each outage of a prefix or trunk who had calls there while it lasted or in the week
/// before, and puts them into that group for its time: what they were touched by is then in their
/// figures. One that lasts, or was corrected, is looked at again; doing it again changes nothing.
/// Nothing is read twice that cannot have changed, and not more than so much at once: the outage
/// that waits longest is the first. One that was over before all months of which anything is done
/// by itself is left as it is. The answer is how many accounts were found that were not in the
/// group.
///
/// # Errors
/// The first that failed, after all others; what was found stays.
pub async fn look_attempts(app: &App) -> Result<u64, Failure> {
    let now = app.now();
    let since = months_back(now).first().map_or(now, |month| month.start());
    let due = store::outage::unsearched(&mut app.read().await?, since, OUTAGES_MAX).await?;
    let (mut pages, mut found, mut failed) = (PAGES_MAX, 0, None);
    for outage in &due {
        if pages == 0 {
            break;
        }
        match look(app, outage, &mut pages).await {
            Ok(joined) => found += joined,
            Err(failure) => {
                let what = format!("looking whom outage {} touches", outage.id);
                failed.get_or_insert(Failure::because(what, failure));
            }
        }
    }
    failed.map_or(Ok(found), Err)
}

async fn look(app: &App, outage: &Unsearched, pages: &mut u32) -> Result<u64, Failure> {
    let now = app.now();
    let time = Span { from: outage.from, to: outage.to.unwrap_or(now).max(outage.from) };
    let since = outage.looked_until.unwrap_or(time.from.plus_us(-LOOK_BACK_US));
    let (mut touched, reached) =
        attempted(app, outage, Span { from: since, ..time }, pages).await?;
    let mut found = 0;
    for group in outage.scope.groups() {
        let mut accounts = touched.remove(group).unwrap_or_default();
        accounts.extend(found_before(app, outage.id, *group).await?);
        // Outages that began together have one row of each account.
        let of = (time.from, now);
        let end = store::outage::latest_end(&mut app.read().await?, *group, of).await?;
        let time = Span { to: end.unwrap_or(time.to).max(time.to), ..time };
        let accounts: Vec<AccountId> = accounts.into_iter().collect();
        for batch in accounts.chunks(BATCH) {
            let joined =
                app.write(async |tx| Ok(join(tx, outage.id, (*group, batch), time, now).await?));
            found += joined.await.map_err(never_refused)?;
        }
    }
    // What was taken lately may still be committed, or tried by a trunk.
    let is_trunk = |group: &Group| matches!(group, Group::Trunk(_));
    let lately = if outage.scope.groups().iter().any(is_trunk) { WAIT_US } else { ORDER_US };
    let until = reached.min(now.plus_us(-lately)).max(since);
    let until = app.write(async |tx| Ok(store::outage::searched(tx, outage, until).await?));
    until.await.map_err(never_refused)?;
    Ok(found)
}

/// Who was found of an outage before.
async fn found_before(app: &App, outage: i64, group: Group) -> Result<Vec<AccountId>, Failure> {
    let (mut all, mut after) = (Vec::new(), AccountId(0));
    loop {
        let mut reads = app.read().await?;
        let page = store::outage::found(&mut reads, outage, (group, after), PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = *last;
        all.extend(page);
    }
}

async fn join(
    tx: &mut Tx,
    outage: i64,
    (group, accounts): (Group, &[AccountId]),
    time: Span,
    now: Timestamp,
) -> Result<u64, Failure> {
    let now = chain::now(tx, now).await?;
    // Of this month nothing is frozen.
    let frozen_until = PersianMonth::of(now).start();
    let (mut found, mut changed) = (0, BTreeSet::new());
    for account in accounts {
        let joined = store::outage::join_found(tx, (group, *account), time, outage).await?;
        let Some(joined) = joined else { continue };
        found += u64::from(joined.is_new);
        changed.extend(joined.of);
        if joined.time.from < frozen_until {
            let own = Scope::new(vec![Group::Account(*account)]).expect("it is one group");
            let because = format!("calls to {group} in outage {outage} were found");
            touch(tx, joined.time, &own, &because, now).await?;
        }
    }
    for outage in changed {
        store::outage::attest_found(tx, outage, now).await?;
    }
    Ok(found)
}

/// Who had calls to the prefixes and by the trunks of an outage in a time, and until when of it
/// that is known.
async fn attempted(
    app: &App,
    outage: &Unsearched,
    time: Span,
    pages: &mut u32,
) -> Result<(BTreeMap<Group, BTreeSet<AccountId>>, Timestamp), Failure> {
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
        outage.scope.groups().iter().map(|group| (*group, name(group))).collect();
    let goes_by = |(group, trunk): &(Group, Option<String>), one: &Attempted| match group {
        Group::Prefix(prefix) => one.destination.starts_with(&format!("0{prefix}")),
        Group::Trunk(_) => trunk.is_some() && (one.ended_by == *trunk || one.open_by == *trunk),
        _ => false,
    };
    let mut after = store::outage::before(&mut reads, time.from.plus_us(-ORDER_US)).await?;
    drop(reads);
    // What was taken just now is meant, too.
    let meant = Span { to: time.to.plus_us(1), ..time };
    let mut found: BTreeMap<Group, BTreeSet<AccountId>> = BTreeMap::new();
    let mut reached = time.from;
    while *pages > 0 {
        let page = store::outage::attempts(&mut app.read().await?, after, PAGE).await?;
        *pages -= 1;
        for one in page.iter().filter(|one| !one.sandbox && meant.contains(one.accepted_at)) {
            for group in groups.iter().filter(|group| goes_by(group, one)) {
                found.entry(group.0).or_default().insert(one.account);
            }
        }
        let last = page.last().filter(|last| last.accepted_at <= time.to.plus_us(ORDER_US));
        let Some(last) = last else { return Ok((found, time.to)) };
        (after, reached) = (last.id, last.accepted_at.plus_us(-ORDER_US));
    }
    Ok((found, reached.min(time.to)))
}

//! Trunks: what the operator does with them, and what a node reads of them. Whether a trunk can be
//! reached is for others to find out: nothing here resolves a name.

use std::collections::BTreeMap;

use domain::dialer::trunk::{TrunkFault, is_caller_id, may_show};
use domain::{AccountId, Timestamp, Trunk, TrunkId};
use store::Tx;
use store::trunk::CallerId;
pub use store::trunk::{Kept, Source};
pub use store::trunk_health::TrunkHealth;

use crate::account::never_refused;
use crate::{App, Error, Failure, Result};

/// Why a trunk was not added or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkRefusal {
    /// Its description is unusable.
    Fault(TrunkFault),
    /// There is a trunk of that name.
    NameTaken,
    /// There is no trunk of that name.
    NoSuchTrunk,
    /// It stands in the configuration of this node, and is changed there.
    InFile(String),
    /// There is no such account.
    NoSuchAccount,
    /// It is none of the numbers that may be shown on this trunk.
    NotShown,
}

/// A trunk as a node uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedTrunk {
    /// Since when it takes no new calls.
    pub disabled_at: Option<Timestamp>,
    /// Its description.
    pub trunk: Trunk,
    /// The numbers of accounts that show one of their own.
    pub caller_ids: BTreeMap<AccountId, String>,
    /// Whether every node uses it, so that its caps are those of all together.
    pub shared: bool,
}

/// Adds a trunk.
///
/// # Errors
/// Refused when its description is unusable or its name is taken.
pub async fn add(app: &App, trunk: Trunk) -> Result<TrunkId, TrunkRefusal> {
    trunk.check().map_err(unusable)?;
    app.write(async |tx| {
        if store::trunk::list(tx).await?.iter().any(|kept| kept.trunk.name == trunk.name) {
            return Err(Error::Refused(TrunkRefusal::NameTaken));
        }
        match store::trunk::insert(tx, &Source::Table, &trunk).await {
            Err(store::Error::Conflict(_)) => Err(Error::Refused(TrunkRefusal::NameTaken)),
            inserted => Ok(inserted?),
        }
    })
    .await
}

/// Replaces the description of the trunk that has this name.
///
/// # Errors
/// Refused when the description is unusable, or there is no such trunk to change.
pub async fn set(app: &App, trunk: Trunk) -> Result<(), TrunkRefusal> {
    trunk.check().map_err(unusable)?;
    app.write(async |tx| {
        let kept = changeable(tx, &trunk.name).await?;
        store::trunk::update(tx, kept.id, &trunk).await?;
        Ok(())
    })
    .await
}

/// Switches a trunk off or on. Live calls go on.
///
/// # Errors
/// Refused when there is no such trunk to change.
pub async fn switch(app: &App, name: &str, on: bool) -> Result<(), TrunkRefusal> {
    let since = (!on).then(|| app.now());
    app.write(async |tx| {
        let kept = changeable(tx, name).await?;
        store::trunk::set_disabled(tx, kept.id, since).await?;
        Ok(())
    })
    .await
}

/// Removes a trunk. Live calls go on.
///
/// # Errors
/// Refused when there is no such trunk to change.
pub async fn remove(app: &App, name: &str) -> Result<(), TrunkRefusal> {
    app.write(async |tx| {
        let kept = changeable(tx, name).await?;
        store::trunk::delete(tx, kept.id).await?;
        Ok(())
    })
    .await
}

/// Lets an account show `number` on a trunk, or the trunk's own again.
///
/// # Errors
/// Refused when there is no such trunk or account, or the number cannot or may not be shown.
pub async fn show_number(
    app: &App,
    name: &str,
    account: AccountId,
    number: Option<&str>,
) -> Result<(), TrunkRefusal> {
    if number.is_some_and(|number| !is_caller_id(number)) {
        return Err(unusable(TrunkFault::CallerId));
    }
    app.write(async |tx| {
        let mut known = store::trunk::list(tx).await?;
        // Nodes that share a configuration have each their copy of a trunk.
        known.retain(|kept| kept.trunk.name == name);
        if known.is_empty() {
            return Err(Error::Refused(TrunkRefusal::NoSuchTrunk));
        }
        let refuses = |kept: &Kept, number| !may_show(&kept.trunk.may_show, number);
        if number.is_some_and(|number| known.iter().any(|kept| refuses(kept, number))) {
            return Err(Error::Refused(TrunkRefusal::NotShown));
        }
        for Kept { id: trunk, .. } in known {
            let Some(number) = number.map(str::to_owned) else {
                store::trunk::unset_caller_id(tx, trunk, account).await?;
                continue;
            };
            match store::trunk::set_caller_id(tx, &CallerId { trunk, account, number }).await {
                Err(store::Error::Conflict(_)) => {
                    return Err(Error::Refused(TrunkRefusal::NoSuchAccount));
                }
                done => done?,
            }
        }
        Ok(())
    })
    .await
}

/// Every trunk, with the numbers that accounts show on it.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
) -> std::result::Result<Vec<(Kept, BTreeMap<AccountId, String>)>, Failure> {
    let mut reads = app.read().await?;
    let mut shown: BTreeMap<TrunkId, BTreeMap<AccountId, String>> = BTreeMap::new();
    for CallerId { trunk, account, number } in store::trunk::caller_ids(&mut reads).await? {
        shown.entry(trunk).or_default().insert(account, number);
    }
    let kept = store::trunk::list(&mut reads).await?;
    let with_numbers = |kept: Kept| {
        let numbers = shown.remove(&kept.id).unwrap_or_default();
        (kept, numbers)
    };
    Ok(kept.into_iter().map(with_numbers).collect())
}

/// The trunks that a node uses: those of the table and of its own configuration.
///
/// # Errors
/// The database failed.
pub async fn used_by(app: &App, node: &str) -> std::result::Result<Vec<UsedTrunk>, Failure> {
    let used = |source: &Source| match source {
        Source::Table => true,
        Source::File(of) => of == node,
    };
    let listed = list(app).await?.into_iter().filter(|(kept, _)| used(&kept.source));
    let used = listed.map(|(kept, caller_ids)| UsedTrunk {
        shared: kept.source == Source::Table,
        disabled_at: kept.disabled_at,
        trunk: kept.trunk,
        caller_ids,
    });
    Ok(used.collect())
}

/// Writes down how a node sees its trunks, in place of what it wrote before.
///
/// # Errors
/// The database failed.
pub async fn tell_health(
    app: &App,
    node: &str,
    seen: &[TrunkHealth],
) -> std::result::Result<(), Failure> {
    let told = app.write(async |tx| Ok(store::trunk_health::replace(tx, node, seen).await?));
    told.await.map_err(never_refused)
}

/// How the nodes see their trunks: (node, what it wrote).
///
/// # Errors
/// The database failed.
pub async fn health(app: &App) -> std::result::Result<Vec<(String, TrunkHealth)>, Failure> {
    Ok(store::trunk_health::list(&mut app.read().await?).await?)
}

/// How many changes there were: another number means that the trunks are to be read again.
///
/// # Errors
/// The database failed.
pub async fn changes(app: &App) -> std::result::Result<i64, Failure> {
    Ok(store::trunk::changes(&mut app.read().await?).await?)
}

/// Makes the table say what a node's configuration says: trunks of its file that are there no
/// more go, the others are as described.
///
/// # Errors
/// Refused when a trunk has the name of one that was added by a command.
pub async fn sync_file(app: &App, node: &str, trunks: &[Trunk]) -> Result<(), TrunkRefusal> {
    for trunk in trunks {
        trunk.check().map_err(unusable)?;
    }
    let source = Source::File(node.to_owned());
    app.write(async |tx| {
        let mut known = store::trunk::list(tx).await?;
        let of_table = |name: &str| {
            let mut table = known.iter().filter(|kept| kept.source == Source::Table);
            table.any(|kept| kept.trunk.name == name)
        };
        if trunks.iter().any(|trunk| of_table(&trunk.name)) {
            return Err(Error::Refused(TrunkRefusal::NameTaken));
        }
        known.retain(|kept| kept.source == source);
        for trunk in trunks {
            match known.iter().find(|kept| kept.trunk.name == trunk.name) {
                Some(kept) if kept.trunk == *trunk => {}
                Some(kept) => drop(store::trunk::update(tx, kept.id, trunk).await?),
                None => drop(store::trunk::insert(tx, &source, trunk).await?),
            }
        }
        for gone in &known {
            if !trunks.iter().any(|trunk| trunk.name == gone.trunk.name) {
                store::trunk::delete(tx, gone.id).await?;
            }
        }
        Ok(())
    })
    .await
}

/// The trunk of the table that has this name.
async fn changeable(tx: &mut Tx, name: &str) -> Result<Kept, TrunkRefusal> {
    let mut named = store::trunk::list(tx).await?;
    named.retain(|kept| kept.trunk.name == name);
    let file = named.iter().find_map(|kept| match &kept.source {
        Source::File(node) => Some(node.clone()),
        Source::Table => None,
    });
    match (named.into_iter().find(|kept| kept.source == Source::Table), file) {
        (Some(kept), _) => Ok(kept),
        (None, Some(node)) => Err(Error::Refused(TrunkRefusal::InFile(node))),
        (None, None) => Err(Error::Refused(TrunkRefusal::NoSuchTrunk)),
    }
}

fn unusable(fault: TrunkFault) -> Error<TrunkRefusal> {
    Error::Refused(TrunkRefusal::Fault(fault))
}

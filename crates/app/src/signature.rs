//! The signature of the oversight manager under months that were written down (C03): each revision
//! once, by the checksum that it has, and only what still computes to what it says.

use std::collections::BTreeMap;

use domain::agreement::statement::{Inputs, Judged};
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Timestamp};
use store::chain;
use store::month_statement::MonthStatement;
pub use store::signature::Signature;

use crate::availability::{agrees, reproduced};
use crate::post::Staff;
use crate::{App, Error, Failure, Result};

/// Statements that are signed in one transaction.
const BATCH: u32 = 200;
/// Most statements on a page of those that wait.
pub const PAGE_MAX: u32 = 1_000;
/// Months of which it is told how many statements wait.
const MONTHS_MAX: u32 = 240;

/// Why nothing more was signed. What was signed before stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignRefusal {
    /// Only a manager signs, or his deputy within his time.
    NotManager,
    /// Nothing of that month was written down that waits for a signature.
    Nothing,
    /// The statement of this account (0: of the platform) does not compute to what it says: it was
    /// tampered with.
    Broken(AccountId),
}

/// Whose statements of a month are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's, and the platform's.
    All,
    /// One account's, or the platform's.
    One(Option<AccountId>),
}

/// Signs what waits of a month: the last revisions that nobody has signed. The answer is how many.
///
/// # Errors
/// Refused as [`SignRefusal`] says.
pub async fn sign(
    app: &App,
    month: PersianMonth,
    whose: Whose,
    by: &str,
) -> Result<u64, SignRefusal> {
    let mut known = BTreeMap::new();
    let (mut after, mut signed) = (AccountId(-1), 0);
    if let Whose::One(account) = whose {
        after = AccountId(account.map_or(0, |account| account.0).saturating_sub(1));
    }
    loop {
        let mut reads = app.read().await?;
        let limit = if whose == Whose::All { BATCH } else { 1 };
        let mut page = store::signature::unsigned(&mut reads, month, after, limit).await?;
        drop(reads);
        if let Whose::One(account) = whose {
            page.retain(|statement| statement.account == account);
        }
        let Some(last) = page.last() else { break };
        after = last.number();
        for statement in &page {
            if !is_intact(app, statement, &mut known).await? {
                return Err(Error::Refused(SignRefusal::Broken(statement.number())));
            }
        }
        signed += sign_these(app, month, &page, by).await?;
        if whose != Whose::All {
            break;
        }
    }
    if signed == 0 { Err(Error::Refused(SignRefusal::Nothing)) } else { Ok(signed) }
}

/// Whether a statement is what follows from what it was computed from. Many have the same inputs,
/// which are gone through once.
async fn is_intact(
    app: &App,
    statement: &MonthStatement,
    known: &mut BTreeMap<Vec<u8>, Option<(Inputs, Judged)>>,
) -> std::result::Result<bool, Failure> {
    if !known.contains_key(&statement.digest) {
        known.insert(statement.digest.clone(), reproduced(app, &statement.digest).await?);
    }
    let computed = known.get(&statement.digest).and_then(Option::as_ref);
    Ok(computed.is_some_and(|(inputs, judged)| agrees(statement, inputs, judged)))
}

async fn sign_these(
    app: &App,
    month: PersianMonth,
    statements: &[MonthStatement],
    by: &str,
) -> Result<u64, SignRefusal> {
    let now = app.now();
    app.write(async |tx| {
        let at: Timestamp = chain::now(tx, now).await?;
        let capacity = Staff::read(tx).await?.as_manager(by, at);
        let by = capacity.ok_or(Error::Refused(SignRefusal::NotManager))?;
        let mut signed: Vec<AccountId> = Vec::new();
        for statement in statements {
            // What another signed meanwhile is signed; what was revised waits anew.
            if store::signature::insert(tx, statement, (at, &by)).await? {
                signed.push(statement.number());
            }
        }
        if let (Some(first), Some(last)) = (signed.first(), signed.last()) {
            store::signature::attest(tx, month, (*first, *last), (at, &by));
        }
        Ok(signed.len() as u64)
    })
    .await
}

/// The statements of a month that wait for a signature, of the accounts after a number (the
/// platform is 0, and after -1): at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn unsigned(
    app: &App,
    month: PersianMonth,
    after: AccountId,
    limit: u32,
) -> std::result::Result<Vec<MonthStatement>, Failure> {
    let limit = limit.min(PAGE_MAX);
    Ok(store::signature::unsigned(&mut app.read().await?, month, after, limit).await?)
}

/// How many statements of each month wait for a signature, the latest first.
///
/// # Errors
/// The database failed.
pub async fn waiting(app: &App) -> std::result::Result<Vec<(PersianMonth, i64)>, Failure> {
    Ok(store::signature::waiting(&mut app.read().await?, MONTHS_MAX).await?)
}

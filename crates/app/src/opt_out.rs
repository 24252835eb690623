//! Who is not to be called: the lists of the country, of the operator and of each account, changed
//! by people and by the callees themselves. They are heeded where an attempt is recorded
//! (`dialing::lease`).

use domain::campaign::numbers::{CompactNumber, NumberSet, Sifted, rows, sift};
use domain::opt_out::OptOutList;
use domain::{AccountId, AttemptId, PhoneNumber};
pub use store::opt_out::{ListId, OptOut};

use crate::account::never_refused;
use crate::{App, Failure, request};

/// Numbers that are changed in one commit.
const BATCH: usize = 1_000;
/// Numbers of one import, at most.
pub const IMPORT_MAX: u32 = 10_000_000;
/// Entries told at a time, at most.
pub const PAGE_MAX: u32 = 1_000;

/// The list of the country or of the operator.
pub fn list_of_all(list: OptOutList) -> ListId {
    ListId { list, account: AccountId(0) }
}

/// An account's own list.
pub fn list_of(account: AccountId) -> ListId {
    ListId { list: OptOutList::Account, account }
}

/// Puts numbers on a list; `source` says how they came there. Durable when it returns, in parts of
/// a thousand. Tells how many were not there before.
///
/// # Errors
/// The database failed; doing it again is safe.
pub async fn add(
    app: &App,
    of: ListId,
    numbers: &[PhoneNumber],
    source: &str,
) -> Result<usize, Failure> {
    let mut added = 0;
    // Requests that are done once have one batch.
    let is_whole = numbers.len() <= BATCH;
    for batch in numbers.chunks(BATCH) {
        let now = app.now();
        let count = |&added: &usize| i64::try_from(added).ok().filter(|_| is_whole);
        let done = request::write(app, count, async |tx| {
            let at = (now, store::opt_out::begin_change(tx).await?);
            let mut added = 0;
            for number in batch {
                let number = number.national();
                added += usize::from(store::opt_out::add(tx, of, number, source, at).await?);
            }
            Ok(added)
        });
        added += done.await.map_err(never_refused)?;
    }
    Ok(added)
}

/// Takes numbers off a list, as [`add`] puts them there. Tells how many were there.
///
/// # Errors
/// The database failed; doing it again is safe.
pub async fn remove(app: &App, of: ListId, numbers: &[PhoneNumber]) -> Result<usize, Failure> {
    let mut removed = 0;
    for batch in numbers.chunks(BATCH) {
        let now = app.now();
        let done = app.write(async |tx| {
            let at = (now, store::opt_out::begin_change(tx).await?);
            let mut removed = 0;
            for number in batch {
                let number = number.national();
                removed += usize::from(store::opt_out::remove(tx, of, number, at).await?);
            }
            Ok(removed)
        });
        removed += done.await.map_err(never_refused)?;
    }
    Ok(removed)
}

/// Puts the numbers of a written list on a list. Tells how many were not there before, and what
/// stood there twice or was no number.
///
/// # Errors
/// The database failed; doing it again is safe.
pub async fn import(
    app: &App,
    of: ListId,
    written: String,
    source: &str,
) -> Result<(usize, Sifted), Failure> {
    let going =
        tokio::task::spawn_blocking(move || sift(rows(&written), NumberSet::default(), IMPORT_MAX));
    let sifted = going.await.map_err(|error| Failure::because("going through a list", error))?;
    let number = |number: &CompactNumber| PhoneNumber::parse(&number.national());
    let numbers: Vec<PhoneNumber> = sifted.numbers.iter().filter_map(number).collect();
    Ok((add(app, of, &numbers, source).await?, sifted))
}

/// The numbers on a list after `after`, in their order: at most `limit`, and [`PAGE_MAX`].
///
/// # Errors
/// The database failed.
pub async fn list(app: &App, of: ListId, after: &str, limit: u32) -> Result<Vec<OptOut>, Failure> {
    let limit = limit.min(PAGE_MAX);
    Ok(store::opt_out::list(&mut app.read().await?, of, after, limit).await?)
}

/// Everything that there ever was about a number, on any list.
///
/// # Errors
/// The database failed.
pub async fn history(app: &App, number: &PhoneNumber) -> Result<Vec<OptOut>, Failure> {
    Ok(store::opt_out::history(&mut app.read().await?, number.national()).await?)
}

/// The callee of an attempt pressed the key that opts out: durable when it returns.
///
/// # Errors
/// The database failed; doing it again is safe.
pub async fn by_key(
    app: &App,
    account: AccountId,
    number: &PhoneNumber,
    attempt: AttemptId,
) -> Result<(), Failure> {
    let source = format!("key:{}-{}", attempt.quick_send, attempt.n);
    add(app, list_of(account), std::slice::from_ref(number), &source).await.map(drop)
}

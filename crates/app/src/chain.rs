//! The chain of evidence: verified from end to end, and compared with what was seen of it before,
//! so that a backup that was put back does not take anything away silently.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::chain::{Fault, Head};
use store::chain::SAMPLES;
pub use store::chain::{Kept, Node, RESUMED, STAFF};
use store::{Queries, chain};

use crate::account::never_refused;
use crate::{App, Error, Failure, Result, evidence_day};

/// Entries that are read at once.
const PAGE: u32 = 500;
/// The most that is told of what is wrong.
const WRONGS_MAX: usize = 100;
/// Longest name or reason, bytes.
const TEXT_MAX: usize = 500;
/// After so long without a word a node is none any more, microseconds.
const NODE_US: i64 = 24 * 3_600_000_000;
/// A node tells again what has not changed, microseconds.
const TELL_EVERY_US: i64 = 60_000_000;
/// A clock that has moved less has not changed, microseconds.
const AHEAD_STEP_US: i64 = 250_000;

/// What is wrong with the chain, or with what it attests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The entry does not follow the one before it.
    Entry(Fault),
    /// The rows of its fact say something else than they did, or are gone.
    Fact,
    /// Its note says something else than it did.
    Note,
    /// The last entries are missing.
    End,
    /// It is another entry than was seen under its number.
    Seen,
}

/// The chain as it was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Where it stands.
    pub head: Head,
    /// How many facts were compared with their rows.
    pub facts: u64,
    /// What is wrong, by number: empty when nothing was bent.
    pub wrong: BTreeMap<i64, (Wrong, String)>,
    /// Entries that say that another chain than the one that was seen was gone on with.
    pub resumed: Vec<Kept>,
}

/// The chain beside what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has what was seen, and stands here.
    Holds(Head),
    /// It stands here, and does not have what was seen.
    Lost(Head),
}

/// Why nothing was gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeRefusal {
    /// Nothing is lost.
    Holds,
    /// Who says so gives a name and a reason, neither too long.
    Unsigned,
}

/// Where the chain stands.
///
/// # Errors
/// The database failed.
pub async fn head(app: &App) -> std::result::Result<Head, Failure> {
    Ok(chain::head(&mut app.read().await?).await?)
}

/// The entries of a kind, or of every kind, before a number: the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    kind: Option<&str>,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Kept>, Failure> {
    let before = before.unwrap_or(i64::MAX);
    Ok(chain::before(&mut app.read().await?, kind, before, limit).await?)
}

/// Goes through the whole chain: whether each entry follows the one before it, whether what it
/// attests still says the same, and whether it has what was seen of it elsewhere.
///
/// # Errors
/// The database failed.
pub async fn verify(app: &App, seen: &[Head]) -> std::result::Result<Verified, Failure> {
    let mut reads = app.read().await?;
    let head = chain::head(&mut reads).await?;
    let mut verified = Verified { head, facts: 0, wrong: BTreeMap::new(), resumed: Vec::new() };
    let (mut last, mut last_at) = (Head::start(), Timestamp(i64::MIN));
    while last.number < verified.head.number {
        let page = chain::after(&mut reads, last.number, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for kept in page {
            let entry = &kept.entry;
            let said = format!("{} ({})", entry.subject, entry.kind);
            if let Err(fault) = entry.follows(&last, last_at, chain::hash) {
                verified.tell(entry.number, Wrong::Entry(fault), &said);
            }
            if let Some(wrong) = content(&mut reads, &kept).await? {
                verified.tell(entry.number, wrong, &said);
            }
            verified.facts += u64::from(chain::is_in_rows(&entry.kind));
            (last, last_at) = (entry.head(), entry.at);
            if kept.entry.kind == RESUMED {
                verified.resumed.push(kept);
            }
        }
    }
    let stands = verified.head.clone();
    let known = seen.iter().map(|head| (head, Wrong::Seen)).chain([(&stands, Wrong::End)]);
    for (head, wrong) in known.filter(|(head, _)| head.number > 0) {
        if chain::seal(&mut reads, head.number).await?.as_ref() != Some(&head.seal) {
            verified.tell(head.number, wrong, &head.to_string());
        }
    }
    Ok(verified)
}

impl Verified {
    fn tell(&mut self, number: i64, wrong: Wrong, said: &str) {
        if self.wrong.len() < WRONGS_MAX {
            self.wrong.entry(number).or_insert_with(|| (wrong, said.to_owned()));
        }
    }
}

/// What is wrong with what an entry attests. Of a fact that was attested again, the last entry
/// tells what its rows say.
async fn content(
    reads: &mut impl Queries,
    kept: &Kept,
) -> std::result::Result<Option<Wrong>, Failure> {
    let entry = &kept.entry;
    if !chain::is_in_rows(&entry.kind) {
        let bent = kept.note.as_ref().is_some_and(|note| chain::hash(note) != entry.digest);
        return Ok(bent.then_some(Wrong::Note));
    }
    let said = chain::digest_of(reads, &entry.subject).await?;
    if said.as_ref() == Some(&entry.digest) {
        return Ok(None);
    }
    if entry.kind == SAMPLES && evidence_day::is_forgotten(reads, &entry.subject).await? {
        return Ok(None);
    }
    // Asked last, so that what changes meanwhile is no fault.
    let is_last = chain::last_of(reads, &entry.subject).await? == Some(entry.number);
    Ok(is_last.then_some(Wrong::Fact))
}

/// Whether the chain has what was seen of it.
///
/// # Errors
/// The database failed.
pub async fn standing(app: &App, seen: &Head) -> std::result::Result<Standing, Failure> {
    let mut reads = app.read().await?;
    let head = chain::head(&mut reads).await?;
    let has = seen.number == 0
        || chain::seal(&mut reads, seen.number).await?.as_ref() == Some(&seen.seal);
    Ok(if has { Standing::Holds(head) } else { Standing::Lost(head) })
}

/// Goes on with a chain that does not have what was seen of it: that is noted in it for ever.
/// The answer is where it stands then.
///
/// # Errors
/// Refused when nothing is lost, or nobody signs.
pub async fn resume(
    app: &App,
    seen: &Head,
    reason: &str,
    signer: &str,
) -> Result<Head, ResumeRefusal> {
    let signs = |text: &str| !text.trim().is_empty() && text.len() <= TEXT_MAX;
    if !signs(reason) || !signs(signer) {
        return Err(Error::Refused(ResumeRefusal::Unsigned));
    }
    let Standing::Lost(standing) = standing(app, seen).await? else {
        return Err(Error::Refused(ResumeRefusal::Holds));
    };
    let resumed: Result<(), ResumeRefusal> = app
        .write(async |tx| {
            let note = format!("seen {seen}, standing {standing}: {reason}");
            chain::note(tx, RESUMED, "chain", signer, note);
            Ok(())
        })
        .await;
    resumed?;
    Ok(head(app).await?)
}

/// How far this node's clock is ahead of the database's, microseconds.
///
/// # Errors
/// The database failed.
pub async fn ahead_us(app: &App) -> std::result::Result<i64, Failure> {
    Ok(app.hot().ahead_us(|| app.now()).await?)
}

/// A node tells what it finds, unless it has told the same lately; from this follow alerts.
///
/// # Errors
/// The database failed.
pub async fn tell(
    app: &App,
    name: &str,
    ahead_us: i64,
    broken: Option<String>,
) -> std::result::Result<(), Failure> {
    let now = app.now();
    let told = nodes(app).await?.into_iter().find(|node| node.name == name);
    let is_known = told.is_some_and(|told| {
        told.broken == broken
            && (told.ahead_us - ahead_us).abs() < AHEAD_STEP_US
            && now.us_since(told.heard_at) < TELL_EVERY_US
    });
    if is_known {
        return Ok(());
    }
    let node = Node { name: name.to_owned(), heard_at: now, ahead_us, broken };
    let told = app.write(async |tx| Ok(chain::tell(tx, &node).await?)).await;
    told.map_err(never_refused)
}

/// What each node found lately.
///
/// # Errors
/// The database failed.
pub async fn nodes(app: &App) -> std::result::Result<Vec<Node>, Failure> {
    let since = app.now().plus_us(-NODE_US);
    Ok(chain::nodes(&mut app.read().await?, since).await?)
}

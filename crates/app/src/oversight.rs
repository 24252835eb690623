//! What the manager who oversees the agreement receives (C03): every clock that comes near its end
//! or misses it, and every entry of the ledger of violations, each once, with who was told.

use domain::Timestamp;
use domain::agreement::board::{Entry, Urgency};
use domain::announcement::oversight_line;
use store::chain;
pub use store::oversight::Notice;

use crate::account::never_refused;
use crate::post::Staff;
use crate::{App, Error, Failure, Result, announcement, board};

/// Entries of the ledger that are noted in one transaction.
const BATCH: u32 = 200;
/// Most notices on a page.
pub const PAGE_MAX: u32 = 1_000;

/// Only a manager says that he has seen something, or his deputy within his time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotManager;

/// Notes what has come near its end, missed it, or was entered since the last look, and tells it in
/// the channels of the manager, in one message. Looking again, or on two nodes at once, notes
/// nothing twice. The answer is what is new.
///
/// # Errors
/// The database failed.
pub async fn look(app: &App) -> std::result::Result<Vec<Notice>, Failure> {
    let now = app.now();
    let clocks = board::show(app).await?;
    let mut reads = app.read().await?;
    let told: Vec<String> =
        Staff::read(&mut reads).await?.overseers(now).iter().map(ToString::to_string).collect();
    let mut found = Vec::new();
    for notice in clocks.iter().filter_map(|entry| of_clock(entry, now)) {
        if !store::oversight::is_noted(&mut reads, &notice.reference).await? {
            found.push(notice);
        }
    }
    found.extend(store::oversight::entries(&mut reads, now, BATCH).await?);
    drop(reads);
    for notice in &mut found {
        notice.told = told.join("; ");
    }
    if found.is_empty() {
        return Ok(found);
    }
    let noted = app.write(async |tx| {
        let mut new = Vec::new();
        for notice in &found {
            if store::oversight::note(tx, notice).await? {
                new.push(notice.clone());
            }
        }
        // With what is noted, so that it is on its way once, whoever looks and is killed.
        let lines: Vec<String> = new.iter().map(line).collect();
        let at = chain::now(tx, now).await?;
        announcement::of_oversight(tx, app, &lines, at).await?;
        Ok(new)
    });
    noted.await.map_err(never_refused)
}

/// What the manager reads of it where he is told.
fn line(notice: &Notice) -> String {
    let Notice { kind, subject, item, due, holder, .. } = notice;
    oversight_line((kind, subject), *item, *due, holder.as_deref())
}

/// What is to be told of a clock, if it is near its end or over that. A deadline that moves is told
/// anew.
fn of_clock(entry: &Entry, now: Timestamp) -> Option<Notice> {
    let kind = match entry.urgency {
        Urgency::Missed => "missed",
        Urgency::Soon => "near",
        Urgency::Running | Urgency::Paused => return None,
    };
    let (subject, id) = (entry.subject.word(), entry.id);
    let due = entry.due.map_or(0, |due| due.0);
    Some(Notice {
        id: 0,
        reference: format!("{kind}:{subject}:{id}:{due}"),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        item: id,
        account: entry.account,
        holder: entry.holder.clone(),
        due: entry.due,
        noted_at: now,
        told: String::new(),
        seen: None,
    })
}

/// What was noted after a number, in order: at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn after(app: &App, id: i64, limit: u32) -> std::result::Result<Vec<Notice>, Failure> {
    Ok(store::oversight::after(&mut app.read().await?, id, limit.min(PAGE_MAX)).await?)
}

/// The manager says that he has seen everything up to a number. The answer is how much was new.
///
/// # Errors
/// Refused as [`NotManager`] says.
pub async fn see(app: &App, up_to: i64, by: &str) -> Result<u64, NotManager> {
    let now = app.now();
    app.write(async |tx| {
        let at = chain::now(tx, now).await?;
        let by = Staff::read(tx).await?.as_manager(by, at);
        let by = by.ok_or(Error::Refused(NotManager))?.to_string();
        Ok(store::oversight::see(tx, up_to, (at, &by)).await?)
    })
    .await
}

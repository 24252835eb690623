//! Exports: asked for, written by whichever process is free, fetched, and forgotten. A process that
//! is killed leaves its claim behind; when that has run out, the file is written anew under another
//! name, and what the killed one left is removed with it.

use domain::calendar::date_time::Period;
use domain::campaign::RecipientStatus;
use domain::export::{KEPT_MS, KNOWN_MS, Line, OPEN_MAX, Style, TRIES_MAX};
use domain::{AccountId, CampaignId, ExportId, QuickSendId, Status, Timestamp};
use store::export::{NewExport, Place, Sent, Written};

pub use store::export::{Export, What};

use crate::account::never_refused;
use crate::campaign::Recipient;
use crate::report::Recorded;
use crate::{App, Error, Failure, Result, request};

/// Most exports on a page.
pub const PAGE_MAX: u32 = 100;
/// Bytes of a part of a file: all but the last have as many.
pub const PART_BYTES: usize = 1024 * 1024;
/// Lines that are read at a time.
const LINES: u32 = 2_000;
/// Lines of a statement that are read at a time: each time, all of its days are searched.
const STATEMENT_LINES: u32 = 20_000;
/// How long an export is left to whoever writes it, milliseconds, unless he says that he still is.
const CLAIM_MS: i64 = 30_000;
/// After how long one that failed is tried again, milliseconds.
const AGAIN_MS: i64 = 60_000;
/// Exports that are looked at in one go.
const BLOCK: u32 = 100;

/// Why there is no export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportRefusal {
    /// The account has no such campaign.
    NoCampaign,
    /// So many of the account's are open already.
    TooMany,
}

/// What an export of days is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A campaign's numbers.
    CampaignNumbers(CampaignId),
    /// Sends of some days.
    Messages(Period),
    /// The statement of some days.
    Statement(Period),
}

/// Takes a file apart as it is written.
pub trait Sink: Send {
    /// Takes the next part.
    fn take(
        &mut self,
        part: Vec<u8>,
    ) -> impl Future<Output = std::result::Result<(), Failure>> + Send;
}

/// Asks for an export. What has not happened yet is not in it.
///
/// # Errors
/// Refused as [`ExportRefusal`] says.
pub async fn create(
    app: &App,
    account: AccountId,
    of: Of,
    style: Style,
) -> Result<Export, ExportRefusal> {
    let now = app.now();
    let what = what(app, account, of).await?;
    let new = NewExport { account, what, style, created_at: now };
    request::write(
        app,
        |made: &Export| Some(made.id.0),
        async |tx| {
            let made = store::export::insert(tx, &new, OPEN_MAX).await?;
            let id = made.ok_or(Error::Refused(ExportRefusal::TooMany))?;
            let made = store::export::find(tx, account, id).await?;
            made.ok_or_else(|| Failure::of("making an export: it is not there").into())
        },
    )
    .await
}

/// What is exported, as far as it is the account's and over.
///
/// # Errors
/// Refused as [`ExportRefusal`] says.
pub async fn what(app: &App, account: AccountId, of: Of) -> Result<What, ExportRefusal> {
    let now = app.now();
    Ok(match of {
        Of::CampaignNumbers(id) => {
            let found = store::campaign::find(&mut app.read().await?, account, id).await?;
            if found.is_none() {
                return Err(Error::Refused(ExportRefusal::NoCampaign));
            }
            What::CampaignNumbers(id)
        }
        Of::Messages(days) => What::Messages(days.from, days.to.min(now)),
        Of::Statement(days) => What::Statement(days.from, days.to.min(now)),
    })
}

/// The account's export `id`.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: AccountId,
    id: ExportId,
) -> std::result::Result<Option<Export>, Failure> {
    Ok(store::export::find(&mut app.read().await?, account, id).await?)
}

/// The account's exports before `before`, the newest first: at most `limit`, nor more than
/// [`PAGE_MAX`].
///
/// # Errors
/// The database failed.
pub async fn page(
    app: &App,
    account: AccountId,
    before: Option<ExportId>,
    limit: u32,
) -> std::result::Result<Vec<Export>, Failure> {
    let (before, limit) = (before.unwrap_or(ExportId(i64::MAX)), limit.min(PAGE_MAX));
    Ok(store::export::list(&mut app.read().await?, account, before, limit).await?)
}

/// How many parts the file of an export that is ready has.
pub fn parts(export: &Export) -> u64 {
    export.bytes.div_ceil(PART_BYTES as u64)
}

/// The `n`-th part of the file, from 0.
///
/// # Errors
/// The blob store failed, or has no such part.
pub async fn part(app: &App, export: &Export, n: u64) -> std::result::Result<Vec<u8>, Failure> {
    let gone = || Failure::of(format!("reading export {}: part {n} is not there", export.id));
    let blob = export.blob.as_deref().ok_or_else(gone)?;
    app.blobs().get(&part_name(blob, n)).await?.ok_or_else(gone)
}

fn part_name(blob: &str, n: u64) -> String {
    format!("{blob}/{n}")
}

/// What the parts of the `n`-th try at an export are called.
fn blob_name(id: ExportId, n: u32) -> String {
    format!("export/{id}-{n}")
}

/// Writes the next export, if one waits. `false`: none does.
///
/// # Errors
/// The database failed, or writing: then it is tried again later, a few times.
pub async fn write_next(app: &App) -> std::result::Result<bool, Failure> {
    let now = app.now();
    let Some(next) = store::export::next(&mut app.read().await?, now).await? else {
        return Ok(false);
    };
    let until = now.plus_ms(CLAIM_MS);
    let claimed = app.write(async |tx| Ok(store::export::claim(tx, &next, until).await?)).await;
    let Some(claimed) = claimed.map_err(never_refused)? else { return Ok(true) };
    remove_parts(app, claimed.id, claimed.tries - 1).await?;
    if claimed.tries > TRIES_MAX {
        // The processes that were at it died of it, or so it looks.
        give_up(app, &claimed, "it could not be written", None).await?;
        return Ok(true);
    }
    if let Err(failure) = written(app, &claimed).await {
        let again = (claimed.tries < TRIES_MAX).then(|| app.now().plus_ms(AGAIN_MS));
        remove_parts(app, claimed.id, claimed.tries).await?;
        give_up(app, &claimed, "it could not be written", again).await?;
        return Err(failure);
    }
    Ok(true)
}

async fn give_up(
    app: &App,
    claimed: &Export,
    error: &str,
    again: Option<Timestamp>,
) -> std::result::Result<(), Failure> {
    let now = app.now();
    let done =
        app.write(async |tx| Ok(store::export::failed(tx, claimed, (error, now), again).await?));
    done.await.map_err(never_refused)
}

/// Writes a claimed export and makes it ready.
async fn written(app: &App, claimed: &Export) -> std::result::Result<(), Failure> {
    let blob = blob_name(claimed.id, claimed.tries);
    let mut sink = ToBlobs { app, claimed, blob: blob.clone(), parts: 0 };
    let (rows, bytes) =
        write(app, claimed.account, (claimed.what, claimed.style), &mut sink).await?;
    let now = app.now();
    let (written, times) = (Written { blob, rows, bytes }, (now, now.plus_ms(KEPT_MS)));
    let done = app.write(async |tx| Ok(store::export::ready(tx, claimed, &written, times).await?));
    if !done.await.map_err(never_refused)? {
        return Err(lost(claimed));
    }
    tracing::info!(export = claimed.id.0, rows, bytes, "an export is ready");
    Ok(())
}

fn lost(claimed: &Export) -> Failure {
    Failure::of(format!("writing export {}: another process took it", claimed.id))
}

/// Keeps parts in the blob store, and the claim with each.
struct ToBlobs<'a> {
    app: &'a App,
    claimed: &'a Export,
    blob: String,
    parts: u64,
}

impl Sink for ToBlobs<'_> {
    async fn take(&mut self, part: Vec<u8>) -> std::result::Result<(), Failure> {
        let (app, claimed) = (self.app, self.claimed);
        app.blobs().put(&part_name(&self.blob, self.parts), part).await?;
        self.parts += 1;
        let until = app.now().plus_ms(CLAIM_MS);
        let kept = app.write(async |tx| Ok(store::export::renew(tx, claimed, until).await?)).await;
        if kept.map_err(never_refused)? { Ok(()) } else { Err(lost(claimed)) }
    }
}

/// Writes what is asked for into a sink, a part at a time; its lines and its length.
///
/// # Errors
/// The database or the sink failed.
pub async fn write(
    app: &App,
    account: AccountId,
    (what, style): (What, Style),
    sink: &mut impl Sink,
) -> std::result::Result<(u64, u64), Failure> {
    let head = style.head(what.kind());
    let mut file = File { sink, text: head, pending: Vec::new(), rows: 0, bytes: 0 };
    match what {
        What::CampaignNumbers(id) => numbers(app, (account, id), style, &mut file).await?,
        What::Messages(from, to) => messages(app, account, (from, to), style, &mut file).await?,
        What::Statement(from, to) => statement(app, account, (from, to), style, &mut file).await?,
    }
    file.end().await
}

/// A file that is being written.
struct File<'a, S: Sink> {
    sink: &'a mut S,
    /// Lines since the last look.
    text: String,
    /// What fills no part yet.
    pending: Vec<u8>,
    rows: u64,
    bytes: u64,
}

impl<S: Sink> File<'_, S> {
    fn line(&mut self) -> Line<'_> {
        self.rows += 1;
        Line::of(&mut self.text)
    }

    /// Gives away what fills parts.
    async fn flush(&mut self) -> std::result::Result<(), Failure> {
        self.pending.extend_from_slice(self.text.as_bytes());
        self.text.clear();
        while self.pending.len() >= PART_BYTES {
            let rest = self.pending.split_off(PART_BYTES);
            let part = std::mem::replace(&mut self.pending, rest);
            self.bytes += part.len() as u64;
            self.sink.take(part).await?;
        }
        Ok(())
    }

    /// Gives the rest away; the lines and the length.
    async fn end(mut self) -> std::result::Result<(u64, u64), Failure> {
        self.flush().await?;
        if !self.pending.is_empty() {
            self.bytes += self.pending.len() as u64;
            self.sink.take(std::mem::take(&mut self.pending)).await?;
        }
        Ok((self.rows, self.bytes))
    }
}

async fn numbers<S: Sink>(
    app: &App,
    (account, id): (AccountId, CampaignId),
    style: Style,
    file: &mut File<'_, S>,
) -> std::result::Result<(), Failure> {
    let (mut after, limit) = (0, LINES as usize);
    loop {
        let page = crate::campaign::recipients(app, account, id, after, limit).await?;
        let page = page.unwrap_or_default();
        let Some(last) = page.last() else { return Ok(()) };
        after = last.stored.id.n;
        for one in &page {
            number_line(one, style, file.line());
        }
        file.flush().await?;
    }
}

fn number_line(one: &Recipient, style: Style, mut line: Line<'_>) {
    let stored = &one.stored;
    let (state, end) = match one.status {
        RecipientStatus::Retrying => ("retrying", ""),
        RecipientStatus::Of(Status::Queued) if stored.send.is_none() => ("waiting", ""),
        RecipientStatus::Of(status) => status.words(),
    };
    line.text(&stored.number);
    line.text(state);
    line.text(end);
    line.number(Some(i64::from(stored.tries)));
    line.seconds(stored.heard_ms);
    line.number(stored.vote.map(i64::from));
    line.number(Some(stored.charge.0));
    line.text(&style.moment(stored.called_at));
    line.text(&style.moment(stored.ended_at));
    line.number(stored.send.map(|send| send.0));
    keys_and_recording(one.end.as_ref().map_or("", |end| &end.keys), one.recording, line);
}

/// What a callee said in either way, which ends a line.
fn keys_and_recording(keys: &str, recorded: Option<Recorded>, mut line: Line<'_>) {
    line.text(keys);
    line.text(recorded.map_or("", Recorded::word));
    line.seconds_of(recorded.and_then(Recorded::length_ms));
    line.end();
}

async fn messages<S: Sink>(
    app: &App,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
    style: Style,
    file: &mut File<'_, S>,
) -> std::result::Result<(), Failure> {
    let mut after = (from, QuickSendId(0));
    loop {
        let page = store::export::sent(&mut app.read().await?, account, after, to, LINES).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.accepted_at, last.id);
        for one in &page {
            message_line(app, one, style, file.line());
        }
        file.flush().await?;
    }
}

fn message_line(app: &App, one: &Sent, style: Style, mut line: Line<'_>) {
    let end = one.end.as_ref();
    let open = if one.is_open { Status::Calling } else { Status::Queued };
    let open = app.live().get(one.id).map_or(open, |live| live.max(open));
    let (state, result) = end.map_or(open, |end| Status::Ended(end.disposition)).words();
    line.number(Some(one.id.0));
    line.text(&one.destination);
    line.number(Some(one.message.0));
    line.text(state);
    line.text(result);
    line.text(end.map_or("", |end| &end.cause));
    line.number(end.and_then(|end| end.sip_code).map(i64::from));
    line.seconds(end.map_or(0, |end| end.heard_ms));
    line.number(end.and_then(|end| end.vote).map(i64::from));
    line.number(end.map(|end| end.charge.0));
    line.text(&style.moment(Some(one.accepted_at)));
    line.text(&style.moment(end.and_then(|end| end.answered_at)));
    line.text(&style.moment(end.map(|end| end.at)));
    line.number(one.campaign.map(|campaign| campaign.0));
    let recorded = Recorded::of(one.record_ms, one.recording.as_ref(), end.is_some());
    keys_and_recording(end.map_or("", |end| &end.keys), recorded, line);
}

async fn statement<S: Sink>(
    app: &App,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
    style: Style,
    file: &mut File<'_, S>,
) -> std::result::Result<(), Failure> {
    let mut after = Place { at: from, source: -1, n: 0 };
    loop {
        let mut reads = app.read().await?;
        let page = store::ledger::lines(&mut reads, account, after, to, STATEMENT_LINES).await?;
        drop(reads);
        let Some(last) = page.last() else { return Ok(()) };
        after = last.place;
        for one in &page {
            let mut line = file.line();
            line.text(&style.moment(Some(one.place.at)));
            line.number(Some(one.amount.0));
            line.text(&one.kind);
            line.number(one.quick_send.map(|send| send.0));
            line.text(&one.note);
            line.end();
        }
        file.flush().await?;
    }
}

/// Removes the parts that the `n`-th try at an export has left.
async fn remove_parts(app: &App, id: ExportId, n: u32) -> std::result::Result<(), Failure> {
    let blob = blob_name(id, n);
    let mut part = 0;
    while app.blobs().get(&part_name(&blob, part)).await?.is_some() {
        app.blobs().delete(&part_name(&blob, part)).await?;
        part += 1;
    }
    Ok(())
}

/// Removes files that are kept no longer, and forgets what was exported long ago.
///
/// # Errors
/// The database or the blob store failed; what is left goes another time.
pub async fn look_after(app: &App) -> std::result::Result<(), Failure> {
    let now = app.now();
    loop {
        let over = store::export::over(&mut app.read().await?, now, BLOCK).await?;
        if over.is_empty() {
            break;
        }
        for export in over {
            let blob = export.blob.as_deref().unwrap_or_default();
            // The last part first: whoever is killed meanwhile finds the others again.
            for n in (0..parts(&export)).rev() {
                app.blobs().delete(&part_name(blob, n)).await?;
            }
            app.write(async |tx| Ok(store::export::expired(tx, export.id).await?))
                .await
                .map_err(never_refused)?;
        }
    }
    let before = now.plus_ms(-KNOWN_MS);
    let forget =
        async || app.write(async |tx| Ok(store::export::forget(tx, before, BLOCK).await?)).await;
    while forget().await.map_err(never_refused)? > 0 {}
    Ok(())
}

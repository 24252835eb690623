//! The client's own name for a request, so that it is done once however often it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{AccountId, CampaignId};
use sha2::{Digest, Sha256};
use store::Tx;
pub use store::request::Answer;
use store::request::NewRequest;

use crate::account::never_refused;
use crate::{App, Caller, Error, Failure, Result};

/// How long answers are kept, milliseconds: three days.
const ANSWERS_KEPT_MS: i64 = 3 * 24 * 3_600_000;
/// Answers that are forgotten in one commit.
const BLOCK: u32 = 500;

tokio::task_local! {
    /// The request that this task is at, if it has a name.
    static AT: At;
}

#[derive(Clone)]
struct At {
    account: AccountId,
    hash: [u8; 32],
    /// Whether this task did what was asked.
    did: Arc<AtomicBool>,
}

/// The name, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The name.
    pub key: String,
    /// Everything that was asked for.
    pub body: Vec<u8>,
}

impl RequestKey {
    /// What the store knows the name by.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.key.as_bytes()).into()
    }
}

/// Takes the key for this body, if there is one. It is committed before anything is done, and what
/// is done carries it: whenever we are killed, the same request asked again does what is missing.
/// `false`: it is taken for another body.
pub(crate) async fn claim(
    app: &App,
    caller: &Caller,
    request: Option<&RequestKey>,
) -> std::result::Result<bool, Failure> {
    let Some(request) = request else { return Ok(true) };
    let new = NewRequest {
        account: caller.account.id,
        key_hash: request.hash(),
        body_hash: Sha256::digest(&request.body).into(),
        asked_at: app.now(),
    };
    let claimed = app.write(async |tx| Ok(store::request::claim(tx, &new).await?));
    claimed.await.map_err(never_refused)
}

/// The campaign that was made under the key before.
pub(crate) async fn campaign(
    app: &App,
    caller: &Caller,
    request: Option<&RequestKey>,
) -> std::result::Result<Option<CampaignId>, Failure> {
    let Some(request) = request else { return Ok(None) };
    let mut reads = app.read().await?;
    Ok(store::request::campaign(&mut reads, caller.account.id, &request.hash()).await?)
}

/// Where a request stands that is done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was not done.
    New,
    /// Its name is taken by another one.
    Taken,
    /// It was done, and answered like this.
    Answered(Answer),
    /// It was done to this; what was answered is not kept, or not yet.
    Done(i64),
}

/// Takes the request's name and says where the request stands.
///
/// # Errors
/// The database failed.
pub async fn standing(
    app: &App,
    caller: &Caller,
    request: &RequestKey,
) -> std::result::Result<Standing, Failure> {
    if !claim(app, caller, Some(request)).await? {
        return Ok(Standing::Taken);
    }
    done(app, caller, request).await
}

async fn done(
    app: &App,
    caller: &Caller,
    request: &RequestKey,
) -> std::result::Result<Standing, Failure> {
    let hash = request.hash();
    let done = store::request::done(&mut app.read().await?, caller.account.id, &hash).await?;
    Ok(match done {
        None => Standing::New,
        Some(done) => done.answer.map_or(Standing::Done(done.subject), Standing::Answered),
    })
}

/// Does a request under its name: what [`write`] commits within `work` carries it. Tells whether
/// `work` did what was asked, and where the request stands then: it may have been done at once by
/// another one under the same name.
///
/// # Errors
/// The database failed.
pub async fn under<T>(
    app: &App,
    caller: &Caller,
    request: &RequestKey,
    work: impl Future<Output = T>,
) -> std::result::Result<(T, bool, Standing), Failure> {
    let did = Arc::new(AtomicBool::new(false));
    let at = At { account: caller.account.id, hash: request.hash(), did: Arc::clone(&did) };
    let value = AT.scope(at, work).await;
    Ok((value, did.load(Ordering::Relaxed), done(app, caller, request).await?))
}

/// Keeps the answer to a request that was done.
///
/// # Errors
/// The database failed; then it is told from what was done.
pub async fn keep(
    app: &App,
    caller: &Caller,
    request: &RequestKey,
    answer: &Answer,
) -> std::result::Result<(), Failure> {
    let (account, hash, now) = (caller.account.id, request.hash(), app.now());
    let kept = app.write(async |tx| {
        // What needs no transaction of its own to be safe was not noted before.
        store::request::set_done(tx, account, &hash, (0, now)).await?;
        Ok(store::request::keep_answer(tx, account, &hash, (answer, now)).await?)
    });
    kept.await.map_err(never_refused)
}

/// As [`App::write`], and with it, if this task is [`under`] the name of a request, that the
/// request is done: to what `subject` says, or not at all when that says nothing. So whenever we
/// are killed, it is done once.
pub(crate) async fn write<T, R>(
    app: &App,
    subject: impl Fn(&T) -> Option<i64>,
    body: impl AsyncFnOnce(&mut Tx) -> Result<T, R> + Clone,
) -> Result<T, R> {
    let Ok(at) = AT.try_with(At::clone) else { return app.write(body).await };
    let now = app.now();
    let did = AtomicBool::new(false);
    let value = app
        .write(async |tx| {
            let value = body.clone()(tx).await?;
            let subject = subject(&value);
            did.store(subject.is_some(), Ordering::Relaxed);
            if let Some(subject) = subject
                && !store::request::set_done(tx, at.account, &at.hash, (subject, now)).await?
            {
                let at_once = "doing a request: the same one is done at once";
                return Err(Error::Failed(Failure::of(at_once)));
            }
            Ok(value)
        })
        .await?;
    at.did.fetch_or(did.into_inner(), Ordering::Relaxed);
    Ok(value)
}

/// Takes back, with what it did, that the request was done.
pub(crate) async fn undone(tx: &mut Tx) -> std::result::Result<(), store::Error> {
    let Ok(at) = AT.try_with(At::clone) else { return Ok(()) };
    at.did.store(false, Ordering::Relaxed);
    store::request::set_undone(tx, at.account, &at.hash).await
}

/// Forgets old answers.
///
/// # Errors
/// The database failed; what is left goes another time.
pub async fn look_after(app: &App) -> std::result::Result<(), Failure> {
    let before = app.now().plus_ms(-ANSWERS_KEPT_MS);
    let forget = async || {
        app.write(async |tx| Ok(store::request::forget_answers(tx, before, BLOCK).await?)).await
    };
    while forget().await.map_err(never_refused)? > 0 {}
    Ok(())
}

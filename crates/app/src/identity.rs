//! Who customers are: a case is begun by the customer, proven step by step, and decided by the
//! registry, a person, or both (C18). What a step proves is kept; who it is can be removed.

use domain::agreement::attachment::{self, BYTES_MAX};
use domain::agreement::identity::{
    ATTEMPTS_MAX, ATTEMPTS_US, By, CompanyId, DOCUMENTS_MAX, NationalCode, Proof, Refusal, State,
    Step, TEXT_MAX, ask_again_ms, birth_day, name,
};
use domain::kept_code::State as CodeState;
use domain::{AccountId, CodeId, Destination, EventKind, PhoneNumber, Timestamp};
use sha2::{Digest as _, Sha256};
pub use store::identity::{Company, Document, Kept, Person};
use store::identity::{NewCase, Taken};
use store::{Tx, chain};

mod missing;

pub use self::missing::look_missing;
use crate::account::{hex, never_refused};
use crate::ports::BoxFuture;
use crate::{App, Error, Failure, Result, request};

/// Most cases on a page.
pub const PAGE_MAX: u32 = 100;
/// Longest name of somebody of staff, bytes.
const AUTHOR_MAX: usize = 200;
/// How long one question to the registry may take until another node asks, microseconds.
const ASK_US: i64 = 120_000_000;
/// Cases of which the registry is asked at once.
const TAKEN: u32 = 10;
/// Kinds of files that a document may be.
const KINDS: [&str; 3] = ["image/png", "image/jpeg", "application/pdf"];

/// The registry of persons.
pub trait Registry: Send + Sync {
    /// Whether a person is as stated; `false`: there is none like that.
    ///
    /// # Errors
    /// It does not answer, or not in a way that can be understood.
    fn knows<'a>(&'a self, person: &'a Person)
    -> BoxFuture<'a, std::result::Result<bool, Failure>>;
}

/// Who somebody says to be, as it is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Stated {
    /// The national code.
    pub national_code: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The day of birth.
    pub birth_day: String,
    /// The mobile number.
    pub mobile: String,
    /// Id and name of a company, and what the person is there.
    pub company: Option<(String, String, String)>,
}

/// Why nothing was begun or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityRefusal {
    /// The rules of identity speak against it.
    Rule(Refusal),
    /// What is stated here is none.
    Stated(&'static str),
    /// The document is not taken: a name, its size or its kind.
    Document(attachment::Refusal),
    /// There is no such case, or it is another's.
    NoSuchCase,
    /// The account has a case that is not over.
    Pending,
    /// The account has begun [`ATTEMPTS_MAX`] within thirty days.
    TooMany,
    /// The code is none of the account's, was not spoken to the mobile number since the case was
    /// begun, or was not answered with the right digits.
    Code,
    /// A name or a reason is missing or too long.
    Text(&'static str),
}

/// Begins a case, in which what the operator asks for now is to be proven.
///
/// # Errors
/// Refused as [`IdentityRefusal`] says.
pub async fn begin(
    app: &App,
    account: AccountId,
    stated: &Stated,
) -> Result<Kept, IdentityRefusal> {
    let now = app.now();
    let person = person(stated, now)?;
    let words: Vec<&str> = app.settings().identity.asked.iter().map(|proof| proof.word()).collect();
    let new = NewCase { account, person, asked: words.join(",") };
    let begin = async |tx: &mut Tx| {
        let at = chain::now(tx, now).await?;
        let since = at.plus_us(-ATTEMPTS_US);
        if store::identity::begun_since(tx, account, since).await? >= ATTEMPTS_MAX {
            return Err(Error::Refused(IdentityRefusal::TooMany));
        }
        let first = taken(None, By::Customer, at, format!("account {account}"), "");
        let id = match store::identity::insert(tx, &new, &first).await {
            Err(store::Error::Conflict(_)) => return Err(Error::Refused(IdentityRefusal::Pending)),
            inserted => inserted?,
        };
        Ok(store::identity::find(tx, id).await?.ok_or_else(|| lost(id))?)
    };
    request::write(app, |kept: &Kept| Some(kept.id), begin).await
}

/// Takes a code as proof of the mobile number: one of the account's that was spoken there since the
/// case was begun, with our digits and words, and answered with the right digits. Digits that the
/// account brought were known to it without a call.
///
/// # Errors
/// Refused as [`IdentityRefusal`] says.
pub async fn prove_mobile(
    app: &App,
    account: AccountId,
    id: i64,
    code: CodeId,
) -> Result<Kept, IdentityRefusal> {
    let now = app.now();
    let prove = async |tx: &mut Tx| {
        let mut kept = of(tx, Some(account), id).await?;
        let spoken = store::kept_code::find(tx, account, code).await?;
        let spoken = spoken.filter(|spoken| {
            let mobile = kept.person.as_ref().map(|person| &person.mobile);
            let number = match &spoken.destination {
                Destination::Number(number) => Some(number),
                Destination::Extension(_) => None,
            };
            let is_new = spoken.created_at >= kept.steps[0].at;
            let is_right = spoken.state == CodeState::Approved && !spoken.own_words;
            number.is_some() && number == mobile && is_new && is_right
        });
        if spoken.is_none() {
            return Err(Error::Refused(IdentityRefusal::Code));
        }
        let said = format!("code {code}");
        step(tx, &mut kept, (Step::MobileProven, By::Customer), now, None, &said).await?;
        Ok(kept)
    };
    request::write(app, |kept: &Kept| Some(kept.id), prove).await
}

/// Adds a document, which is stored before the case names it: killed in between, it is stored again
/// under the same name when it is sent again.
///
/// # Errors
/// Refused as [`IdentityRefusal`] says.
pub async fn add_document(
    app: &App,
    account: AccountId,
    id: i64,
    called: &str,
    bytes: Vec<u8>,
) -> Result<Kept, IdentityRefusal> {
    let refused = |refusal| Error::Refused(IdentityRefusal::Document(refusal));
    let called = attachment::file_name(called).map_err(refused)?;
    let media_type = attachment::media_type(&bytes).map_err(refused)?;
    if !KINDS.contains(&media_type) {
        return Err(refused(attachment::Refusal::Kind));
    }
    // Judged before anything is stored; the rules are asked again when it is.
    let found = find(app, Some(account), id).await?;
    let mut tried = found.ok_or(Error::Refused(IdentityRefusal::NoSuchCase))?.identity;
    let at = app.now().max(tried.last_at());
    tried.take(Step::DocumentAdded, By::Customer, at).map_err(rule)?;
    let blob = format!("identity/{id}/{}", hex(&Sha256::digest(&bytes)));
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    app.blobs().put(&blob, bytes).await?;
    let (now, stored) = (app.now(), blob.clone());
    let add = async |tx: &mut Tx| {
        let mut kept = of(tx, Some(account), id).await?;
        let media_type = media_type.to_owned();
        let (name, blob) = (called.clone(), blob.clone());
        let mut new = Document { id: 0, name, media_type, bytes: length, blob };
        new.id = store::identity::insert_document(tx, id, &new).await?;
        let said = format!("document {}", new.id);
        step(tx, &mut kept, (Step::DocumentAdded, By::Customer), now, None, &said).await?;
        kept.documents.push(new);
        Ok(kept)
    };
    let added = request::write(app, |kept: &Kept| Some(kept.id), add).await;
    if let Err(Error::Refused(_)) = &added {
        drop_unnamed(app, id, &stored).await?;
    }
    added
}

/// Deletes what was stored for a case, unless a document of it names it: one that is refused once
/// it is stored must not outlive what the case may forget.
async fn drop_unnamed(app: &App, id: i64, blob: &str) -> std::result::Result<(), Failure> {
    let found = find(app, None, id).await?;
    let is_named = found.is_some_and(|kept| kept.documents.iter().any(|one| one.blob == blob));
    if !is_named {
        app.blobs().delete(blob).await?;
    }
    Ok(())
}

/// Hands a case in: the registry is asked, or a person looks at it.
///
/// # Errors
/// Refused as [`IdentityRefusal`] says.
pub async fn submit(app: &App, account: AccountId, id: i64) -> Result<Kept, IdentityRefusal> {
    by_customer(app, account, id, Step::Submitted).await
}

/// The customer does not want it any more.
///
/// # Errors
/// Refused as [`IdentityRefusal`] says.
pub async fn withdraw(app: &App, account: AccountId, id: i64) -> Result<Kept, IdentityRefusal> {
    by_customer(app, account, id, Step::Withdrawn).await
}

async fn by_customer(
    app: &App,
    account: AccountId,
    id: i64,
    next: Step,
) -> Result<Kept, IdentityRefusal> {
    let now = app.now();
    let change = async |tx: &mut Tx| {
        let mut kept = of(tx, Some(account), id).await?;
        step(tx, &mut kept, (next, By::Customer), now, None, "").await?;
        Ok(kept)
    };
    request::write(app, |kept: &Kept| Some(kept.id), change).await
}

/// One of us is sure.
///
/// # Errors
/// Refused as [`IdentityRefusal`] says.
pub async fn verify(app: &App, id: i64, by: &str) -> Result<Kept, IdentityRefusal> {
    let until = until(app, app.now());
    by_staff(app, id, Step::Verified(until), by, "").await
}

/// One of us is not, or wants something else of the customer, or takes back what was proven: by
/// [`Step::Rejected`], [`Step::Returned`] and [`Step::Revoked`]. The customer reads why.
///
/// # Errors
/// Refused as [`IdentityRefusal`] says.
pub async fn decide(
    app: &App,
    id: i64,
    what: Step,
    by: &str,
    why: &str,
) -> Result<Kept, IdentityRefusal> {
    said(why, TEXT_MAX, "reason")?;
    by_staff(app, id, what, by, why).await
}

/// Removes what says who it was, in a case that is over: the step first, then the documents, one
/// after the other; killed in between, it is asked for again and goes on.
///
/// # Errors
/// Refused as [`IdentityRefusal`] says.
pub async fn forget(app: &App, id: i64, by: &str, why: &str) -> Result<(), IdentityRefusal> {
    said(why, TEXT_MAX, "reason")?;
    let found = find(app, None, id).await?;
    let found = found.ok_or(Error::Refused(IdentityRefusal::NoSuchCase))?;
    let is_left = found.identity.is_forgotten() && !found.documents.is_empty();
    if !is_left {
        by_staff(app, id, Step::Forgotten, by, why).await?;
    }
    for document in found.documents {
        app.blobs().delete(&document.blob).await?;
        app.write(async |tx| Ok(store::identity::delete_document(tx, document.id).await?))
            .await
            .map_err(never_refused)?;
    }
    Ok(())
}

async fn by_staff(
    app: &App,
    id: i64,
    next: Step,
    by: &str,
    why: &str,
) -> Result<Kept, IdentityRefusal> {
    said(by, AUTHOR_MAX, "name")?;
    let now = app.now();
    app.write(async |tx| {
        let mut kept = of(tx, None, id).await?;
        step(tx, &mut kept, (next, By::Staff), now, Some(by.trim()), why).await?;
        if next == Step::Forgotten {
            store::identity::forget(tx, id).await?;
            kept.person = None;
        }
        Ok(kept)
    })
    .await
}

/// Asks the registry of those that were handed in, outside of any transaction. Who is not in it,
/// and whoever it does not answer about, is for a person to see (T180). How many were asked.
///
/// # Errors
/// The database failed.
pub async fn look(app: &App, registry: &dyn Registry) -> std::result::Result<usize, Failure> {
    let now = app.now();
    let due = app.write(async |tx| {
        Ok(store::identity::take_due(tx, now, now.plus_us(ASK_US), TAKEN).await?)
    });
    let due = due.await.map_err(never_refused)?;
    for kept in &due {
        let Some(person) = &kept.person else { continue };
        // Whom a sandbox states is nobody: no registry is asked, as nobody's phone rings.
        let answer = if kept.sandbox { Ok(true) } else { registry.knows(person).await };
        match note(app, kept, answer).await {
            // It was withdrawn meanwhile, or another node was faster.
            Ok(()) | Err(Error::Refused(_)) => {}
            Err(Error::Failed(failure)) => return Err(failure),
        }
    }
    Ok(due.len())
}

async fn note(
    app: &App,
    asked: &Kept,
    answer: std::result::Result<bool, Failure>,
) -> Result<(), IdentityRefusal> {
    let now = app.now();
    let next = match answer {
        Ok(true) => Step::Matched,
        Ok(false) => Step::Differs,
        Err(failure) => {
            let (case, tries, error) = (asked.id, asked.tries, failure.chain());
            let noted = unanswered(app, asked, now).await;
            // Whoever reads this and kills us finds it noted when it is asked again.
            tracing::warn!(case, tries, error, "the registry of persons does not answer");
            return noted;
        }
    };
    say(app, asked, next, "", now).await
}

/// Notes that the registry did not answer: it is asked again, or a person looks.
async fn unanswered(app: &App, asked: &Kept, now: Timestamp) -> Result<(), IdentityRefusal> {
    let Some(pause_ms) = ask_again_ms(asked.tries) else {
        let said = format!("asked {} times", asked.tries);
        return say(app, asked, Step::Silent, &said, now).await;
    };
    let again = now.plus_ms(pause_ms);
    app.write(async |tx| Ok(store::identity::ask_at(tx, asked.id, again).await?)).await
}

/// Keeps what the registry says of a case as it was when it was asked.
async fn say(
    app: &App,
    asked: &Kept,
    next: Step,
    said: &str,
    now: Timestamp,
) -> Result<(), IdentityRefusal> {
    app.write(async |tx| {
        let mut kept = of(tx, None, asked.id).await?;
        if kept.steps.len() != asked.steps.len() {
            return Err(Error::Refused(IdentityRefusal::Rule(Refusal::WrongState)));
        }
        step(tx, &mut kept, (next, By::Machine), now, None, said).await?;
        if kept.identity.kept_state() == State::Submitted {
            let next = Step::Verified(until(app, now));
            step(tx, &mut kept, (next, By::Machine), now, None, "").await?;
        }
        Ok(())
    })
    .await
}

/// Whether an account may call (C18): anybody while the operator does not ask who its owner is or
/// that is proven, else nobody. `people`: whether the call would reach a person at all.
///
/// # Errors
/// The database failed.
pub(crate) async fn may_call(
    app: &App,
    account: AccountId,
    people: bool,
) -> std::result::Result<bool, Failure> {
    if !people || !app.settings().identity.required {
        return Ok(true);
    }
    Ok(store::identity::was_proven(&mut app.read().await?, account, app.now()).await?)
}

/// As [`may_call`], of what calls many: a campaign of the account.
///
/// # Errors
/// The database failed.
pub(crate) async fn may_call_many(
    app: &App,
    account: AccountId,
) -> std::result::Result<bool, Failure> {
    if !app.settings().identity.required {
        return Ok(true);
    }
    let owner = store::account::find(&mut app.read().await?, account).await?;
    let is_sandbox = owner.is_some_and(|owner| owner.is_sandbox());
    may_call(app, account, !is_sandbox && app.dispatch().reaches_people()).await
}

/// Whether an account may be spoken a code that we keep, although it may not call yet: to the
/// mobile number which that code is to prove.
///
/// # Errors
/// The database failed.
pub(crate) async fn may_prove_by_code(
    app: &App,
    account: AccountId,
    destination: &Destination,
) -> std::result::Result<bool, Failure> {
    let Destination::Number(mobile) = destination else { return Ok(false) };
    Ok(store::identity::is_to_be_proven(&mut app.read().await?, account, mobile).await?)
}

/// The case of this number, of this account if one is given.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: Option<AccountId>,
    id: i64,
) -> std::result::Result<Option<Kept>, Failure> {
    let found = store::identity::find(&mut app.read().await?, id).await?;
    Ok(found.filter(|kept| account.is_none_or(|account| kept.account == account)))
}

/// The cases of an account, of everybody, or those that wait for one of us, before a number: the
/// newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: Option<AccountId>,
    only_waiting: bool,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Kept>, Failure> {
    let limit = limit.min(PAGE_MAX);
    let mut reads = app.read().await?;
    Ok(store::identity::list(&mut reads, account, only_waiting, before, limit).await?)
}

/// A document of a case with its bytes, for who reviews it. `None`: there is none.
///
/// # Errors
/// The database or the blob store failed, or has lost it.
pub async fn document(
    app: &App,
    id: i64,
    document: i64,
) -> std::result::Result<Option<(Document, Vec<u8>)>, Failure> {
    let Some(kept) = find(app, None, id).await? else { return Ok(None) };
    let Some(found) = kept.documents.into_iter().find(|one| one.id == document) else {
        return Ok(None);
    };
    let bytes = app.blobs().get(&found.blob).await?;
    let lost = || Failure::of(format!("reading document {document}: it is lost"));
    Ok(Some((found, bytes.ok_or_else(lost)?)))
}

/// The case, to be changed, if it is the account's.
async fn of(tx: &mut Tx, account: Option<AccountId>, id: i64) -> Result<Kept, IdentityRefusal> {
    let found = store::identity::take(tx, id).await?;
    let found = found.filter(|kept| account.is_none_or(|account| kept.account == account));
    found.ok_or(Error::Refused(IdentityRefusal::NoSuchCase))
}

/// Takes a step by the rules, and keeps it.
async fn step(
    tx: &mut Tx,
    kept: &mut Kept,
    (next, by): (Step, By),
    now: Timestamp,
    author: Option<&str>,
    text: &str,
) -> Result<(), IdentityRefusal> {
    let at = chain::now(tx, now).await?.max(kept.identity.last_at());
    kept.identity.take(next, by, at).map_err(rule)?;
    let is_asked = next == Step::Submitted && kept.identity.asked().contains(&Proof::Registry);
    let actor = match (by, author) {
        (By::Customer, _) => format!("account {}", kept.account),
        (By::Staff, author) => author.unwrap_or(chain::OPERATOR).to_owned(),
        (By::Machine, _) => chain::MACHINE.to_owned(),
    };
    let is_decided =
        matches!(next, Step::Verified(_) | Step::Rejected | Step::Returned | Step::Revoked);
    if is_decided {
        let kind = EventKind::IdentityVerificationDecided;
        store::event::tell(tx, kept.account, kind, kept.id, at).await?;
    }
    let taken = taken(Some(next), by, at, actor, text);
    store::identity::keep(tx, kept, taken, is_asked.then_some(at)).await?;
    Ok(())
}

fn taken(step: Option<Step>, by: By, at: Timestamp, actor: String, said: &str) -> Taken {
    Taken { step, by, at, actor, said: said.to_owned() }
}

fn until(app: &App, now: Timestamp) -> Option<Timestamp> {
    let days = app.settings().identity.valid_days;
    (days > 0).then(|| now.plus_us(i64::from(days) * 86_400_000_000))
}

fn person(stated: &Stated, now: Timestamp) -> Result<Person, IdentityRefusal> {
    let none = |what| Error::Refused(IdentityRefusal::Stated(what));
    let code = NationalCode::parse(&stated.national_code).ok_or_else(|| none("national_code"))?;
    let first_name = name(&stated.first_name).ok_or_else(|| none("first_name"))?;
    let last_name = name(&stated.last_name).ok_or_else(|| none("last_name"))?;
    let born = birth_day(&stated.birth_day, now).ok_or_else(|| none("birth_day"))?;
    let mobile = PhoneNumber::parse(&stated.mobile).filter(PhoneNumber::is_mobile);
    let mobile = mobile.ok_or_else(|| none("mobile"))?;
    let company = match &stated.company {
        None => None,
        Some((id, called, role)) => Some(Company {
            id: CompanyId::parse(id).ok_or_else(|| none("company.id"))?,
            name: name(called).ok_or_else(|| none("company.name"))?,
            role: name(role).ok_or_else(|| none("company.role"))?,
        }),
    };
    Ok(Person { code, first_name, last_name, born, mobile, company })
}

fn lost(id: i64) -> Failure {
    Failure::of(format!("reading case {id} back: it is not there"))
}

fn rule(refusal: Refusal) -> Error<IdentityRefusal> {
    Error::Refused(IdentityRefusal::Rule(refusal))
}

fn said(text: &str, max: usize, what: &'static str) -> Result<(), IdentityRefusal> {
    if !crate::error::is_said(text, max) {
        return Err(Error::Refused(IdentityRefusal::Text(what)));
    }
    Ok(())
}

/// What a file of a case has at most, for people.
pub fn document_limits() -> (usize, usize) {
    (DOCUMENTS_MAX, BYTES_MAX)
}

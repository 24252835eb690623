//! What a claim pays: how much of its month is left for it, and what of it is owed once it is
//! settled, after an appeal too. Money only moves by opposite entries.

use domain::Rials;
use domain::agreement::claim::{Claim, Decision, Outcome, State, Track};
use domain::agreement::credit::{Correction, Credit, CreditKey, Move, correction};
use domain::agreement::scope::Paths;
use domain::billing::subscription::State as Subscribed;
use domain::calendar::month::PersianMonth;
use store::credit::{By, NewCredit};
use store::subscription::Subscription;
use store::{Queries, Tx};

use super::{ClaimRefusal, DISCOUNT, Kept, change, meanwhile, rule, said};
use crate::compensation::{But, Published, left_of_month};
use crate::{App, Error, Failure, Result, credit};

/// Settles a claim: notes how what was granted was paid; a granted discount is owed in the same
/// commit, and is on the next invoice, or with the committee when no invoice comes any more. After
/// an appeal only what is missing of the second decision is.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn settle(app: &App, id: i64, how: &str, actor: &str) -> Result<Kept, ClaimRefusal> {
    said(how, "note")?;
    let now = app.now();
    change(app, None, id, actor, how, async |tx, kept| {
        // What a claim was granted becomes a credit: whoever adds both up sees it as one of them.
        store::account::lock(tx, kept.account).await?;
        kept.claim.step(State::Settled).map_err(rule)?;
        let by = By { at: now, actor, reason: how };
        let mut earlier = credits(tx, kept).await?;
        let Correction { take_back, propose } =
            correction(earlier.iter().map(|one| &one.credit), as_credit(&kept.claim));
        for one in earlier.iter_mut().filter(|_| take_back) {
            let taken = credit::take(tx, one, by).await;
            taken.map_err(|error| error.map(|credit::Lost| ClaimRefusal::Meanwhile))?;
        }
        if propose == Rials::ZERO {
            return Ok(());
        }
        owe(tx, kept, (propose, !earlier.is_empty()), by).await
    })
    .await
}

/// A decision is told that pays in another way: what an earlier one granted as a discount is taken
/// back as far as it is still coming, so that what is missing is fixed before anybody pays it.
pub(super) async fn told(tx: &mut Tx, kept: &Kept, by: By<'_>) -> Result<(), ClaimRefusal> {
    let pays = kept.claim.decisions().last().map_or(Rials::ZERO, |last| parts(last).1);
    if pays == Rials::ZERO {
        return Ok(());
    }
    store::account::lock(tx, kept.account).await?;
    let by = By { reason: "the appeal is paid in another way", ..by };
    for mut one in credits(tx, kept).await? {
        let taken = credit::take(tx, &mut one, by).await;
        taken.map_err(|error| error.map(|credit::Lost| ClaimRefusal::Meanwhile))?;
    }
    Ok(())
}

/// How much of what a claim was granted is still to be paid in another way than as a discount: its
/// customer has had, or gets, a part of it by a decision before. `None` when nothing waits for
/// that.
///
/// # Errors
/// The database failed.
pub async fn to_pay(app: &App, kept: &Kept) -> std::result::Result<Option<Rials>, Failure> {
    let claim = &kept.claim;
    let pays = claim.decisions().last().map_or(Rials::ZERO, |last| parts(last).1);
    if pays == Rials::ZERO || matches!(claim.state(), State::Settled | State::Withdrawn) {
        return Ok(None);
    }
    // What is still coming of a discount is taken back when the decision is told.
    let is_told = claim.state() == State::Announced;
    let had = had(&credits(&mut app.read().await?, kept).await?, is_told);
    let paid = claim.settled().map(|one| parts(one).1).next().unwrap_or(Rials::ZERO);
    Ok(Some(Rials((pays.0 - had.0 - paid.0).max(0))))
}

/// The credits of a claim.
async fn credits(reads: &mut impl Queries, kept: &Kept) -> store::Result<Vec<store::credit::Kept>> {
    let month = PersianMonth::of(kept.event_at);
    let mut credits = store::credit::of_month(reads, kept.account, month).await?;
    credits.retain(|one| one.new.key.claim() == Some(kept.id));
    Ok(credits)
}

/// What credits have given, and perhaps what of them is still coming.
fn had(credits: &[store::credit::Kept], and_coming: bool) -> Rials {
    let coming = |one: &store::credit::Kept| if and_coming { one.credit.coming().0 } else { 0 };
    let of = |one: &store::credit::Kept| one.credit.given().0.saturating_add(coming(one));
    Rials(credits.iter().map(of).fold(0, i64::saturating_add))
}

/// Refuses what is more than its month may still pay back. What was granted before stays granted:
/// what the month pays by itself is bounded by it in turn.
pub(super) async fn within_total(
    tx: &mut Tx,
    kept: &Kept,
    granted: Rials,
) -> Result<(), ClaimRefusal> {
    let (account, month) = (kept.account, PersianMonth::of(kept.event_at));
    store::account::lock(tx, account).await?;
    let published = Published::read(tx).await?;
    let left = left_of_month(tx, &published, (account, month), But::Claim(kept.id)).await?;
    match left.filter(|left| granted > *left) {
        Some(left) => Err(Error::Refused(ClaimRefusal::MoreThanLeft(left))),
        None => Ok(()),
    }
}

/// How much the last decision grants.
pub(super) fn granted(claim: &Claim) -> Rials {
    let last = claim.decisions().last().filter(|last| last.outcome != Outcome::Rejected);
    last.and_then(|last| last.amount).unwrap_or(Rials::ZERO)
}

/// How much a decision grants as a discount, and how much in another way.
fn parts(decision: &Decision) -> (Rials, Rials) {
    let amount = decision.amount.filter(|_| decision.outcome != Outcome::Rejected);
    let amount = amount.unwrap_or(Rials::ZERO);
    let is_discount = decision.method.as_deref().is_some_and(|method| method.trim() == DISCOUNT);
    if is_discount { (amount, Rials::ZERO) } else { (Rials::ZERO, amount) }
}

/// How much of a claim is a credit once it is settled: what its last decision grants as a discount,
/// but for what was paid in another way before it was appealed.
fn as_credit(claim: &Claim) -> Rials {
    let mut settled = claim.settled();
    let (first, second) = (settled.next().map(parts), settled.next().map(parts));
    match (first, second) {
        (Some((_, paid)), Some((discount, _))) => Rials((discount.0 - paid.0).max(0)),
        (Some((discount, _)), None) => discount,
        (None, _) => Rials::ZERO,
    }
}

/// How much a claim was granted that is not, or not yet, one of its credits, which have given, or
/// give, so much.
pub(crate) fn granted_without_credit(claim: &Claim, had: Rials) -> Rials {
    let mut settled = claim.settled();
    let (first, second) = (settled.next(), settled.next());
    // What was paid stays paid, whatever an appeal brings, and also when it is taken back.
    let paid = first.map_or(Rials::ZERO, |first| parts(first).1);
    let decisions = claim.decisions().len();
    let open = match (claim.state(), first, second) {
        (State::Withdrawn, ..) => Rials::ZERO,
        (.., Some(second)) => parts(second).1,
        (_, Some(first), None) if decisions == 1 => parts(first).1,
        _ => granted(claim),
    };
    paid.max(Rials(open.0 - had.0))
}

/// Owes so much of what a claim was granted, and whether it is another credit of it, to a
/// subscription of the account's: one that is in force, else one that may be again, else what is
/// owed goes to the committee (T148).
async fn owe(
    tx: &mut Tx,
    kept: &Kept,
    (amount, is_another): (Rials, bool),
    by: By<'_>,
) -> Result<(), ClaimRefusal> {
    let subscriptions = store::subscription::of_accounts(tx, kept.account, kept.account).await?;
    let is_over = |one: &&Subscription| one.state() == Subscribed::Ended;
    let subscription = subscriptions
        .iter()
        .find(|one| one.state().is_billed())
        .or_else(|| subscriptions.iter().rfind(|one| !is_over(one)))
        .or_else(|| subscriptions.last())
        .ok_or(Error::Refused(ClaimRefusal::NoSubscription))?;
    let key = CreditKey {
        account: kept.account,
        subscription: subscription.id,
        month: PersianMonth::of(kept.event_at),
        paths: Paths::ALL,
        // What a month pays back by itself has the track of availability to itself.
        track: if kept.track == Track::Availability { Track::Other } else { kept.track },
        revision: CreditKey::of_claim(kept.id, is_another)
            .ok_or(Failure::of("numbering a claim's credit"))?,
    };
    let mut credit = Credit::propose(key, amount).map_err(|_| Failure::of("granting nothing"))?;
    let posting = credit.post().map_err(|_| Failure::of("owing what was granted"))?;
    let (computed, proposed_at) = (amount, by.at);
    let new = NewCredit { key, amount, computed, basis: None, proposed_at, owed_from: proposed_at };
    let made = store::credit::insert(tx, &new).await?;
    let id = made.ok_or(Error::Refused(ClaimRefusal::Meanwhile))?;
    store::credit::insert_move(tx, id, 0, Move::Post, Some(posting), by).await?;
    if is_over(&subscription) {
        credit::hand_over(tx, subscription.id, by.at).await.map_err(meanwhile)?;
    }
    Ok(())
}

//! Months of availability: looked at while they run, frozen three days after their end, and revised
//! only by somebody who signs.

mod due;
mod freeze;
mod touched;

use domain::agreement::availability::{
    Evidence, Facts, Figures, Seen, Standing, Totals, Verdict, Window,
};
use domain::agreement::parameter::Parameters;
use domain::agreement::scope::{CoveredPath, Group, Paths, Scope};
use domain::agreement::statement::{
    Inputs, Judged, REASON_MAX, State, evidence_until, frozen_at, standing_verdict, state,
};
use domain::agreement::version::Version;
use domain::billing::plan_change::pieces;
use domain::billing::subscription::coverage;
use domain::calendar::month::PersianMonth;
use domain::calendar::opening_hours::CalendarKind;
use domain::calendar::span::{self, Span};
use domain::{AccountId, Timestamp};
use sha2::{Digest as _, Sha256};
pub use store::month_statement::MonthStatement;
use store::month_statement::{Lifetime, Review};
use store::outage::Outage;
pub use store::signature::Signature;
use store::subscription::Subscription;
use store::{Queries, Tx};

pub use self::due::{MONTHS_BACK_MAX, freeze_due};
pub(crate) use self::due::{months_back, undecided};
pub use self::freeze::freeze;
pub use self::touched::{
    PAGE_MAX, Revised, Touched, TouchedMonth, revise_touched, touched, touched_months,
};
pub(crate) use self::touched::{may_be_frozen, touch};
use crate::agreement::{Held, at as agreement_at, timetable};
use crate::violation::{self, MACHINE};
use crate::{App, Error, Failure, Result};

/// Accounts whose month is written down in one transaction.
const BATCH: u32 = 200;
/// The most outages, and the most notes of what worked, of one month.
const FACTS_MAX: u32 = 100_000;

/// How long a month may take to be frozen, microseconds.
const FREEZING_US: i64 = 24 * 3_600_000_000;

/// Why a month was not shown, frozen or revised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthRefusal {
    /// It has not begun.
    NotBegun,
    /// It is frozen at this moment, and not before.
    NotFinal(Timestamp),
    /// There is no such account.
    NoSuchAccount,
    /// It is not frozen yet.
    NotFrozen,
    /// Computed anew it is what was written down last.
    Unchanged,
    /// Who revises gives a reason and a name, neither too long.
    Unsigned,
    /// Somebody else revised it at this moment.
    Meanwhile,
}

/// A month as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// How final it is.
    pub state: State,
    /// What it is computed from as of now.
    pub inputs: Inputs,
    /// What that comes to.
    pub judged: Judged,
    /// What was written down, the frozen statement first.
    pub written: Vec<MonthStatement>,
    /// What of it the manager has signed, by revision.
    pub signatures: Vec<Signature>,
    /// The verdict that stands: of what was written last, else of what is computed now.
    pub verdict: Option<Verdict>,
    /// Until when evidence can still decide it; then its low figure stands.
    pub evidence_until: Timestamp,
    /// Whether the moon may still move that (T011).
    pub evidence_may_move: bool,
    /// What changed of what it was computed from since it was frozen, until it is revised.
    pub touched: Option<Touched>,
}

/// What freezing a month did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frozen {
    /// Statements that were written down, that of the platform too.
    pub written: u64,
    /// Those that were there.
    pub already: u64,
    /// How often the month was really computed.
    pub computed: u64,
}

/// Shows a month of an account, or of the platform.
///
/// # Errors
/// Refused when it has not begun, or there is no such account.
pub async fn month(
    app: &App,
    account: Option<AccountId>,
    month: PersianMonth,
) -> Result<Month, MonthRefusal> {
    let now = app.now();
    let mut reads = app.read().await?;
    let time = Span::new(month.start(), month.end().min(now));
    let time = time.ok_or(Error::Refused(MonthRefusal::NotBegun))?;
    let inputs = inputs_now(&mut reads, account, month, time).await?;
    let judged = inputs.judge();
    let written = store::month_statement::of_month(&mut reads, account, month).await?;
    let signatures = store::signature::of_month(&mut reads, account, month).await?;
    let touched = store::month_statement::touched_of(&mut reads, account, month).await?;
    let state = state(month, now, written.last().map(|statement| statement.revision));
    let business = timetable(&mut reads, CalendarKind::Business).await?;
    let until = evidence_until(month, &inputs.parameters, &business);
    let evidence_until = until.ok_or(Failure::of("counting business days after a month"))?;
    let totals = written.last().map_or(judged.totals, |statement| statement.totals);
    let figures = Figures::of(month, totals, inputs.parameters.terms());
    let in_time = now < evidence_until;
    let verdict = figures.map(|one| standing_verdict(&one, &inputs.parameters, in_time));
    let since = frozen_at(month, &inputs.parameters);
    let evidence_may_move = business.due_may_move(since, Some(evidence_until), now);
    Ok(Month {
        state,
        inputs,
        judged,
        written,
        signatures,
        verdict,
        evidence_until,
        evidence_may_move,
        touched,
    })
}

/// Inputs in the form that is kept, and what they come to.
struct Written {
    digest: Vec<u8>,
    text: String,
    agreement: u32,
    judged: Judged,
}

impl Written {
    fn of(inputs: &Inputs) -> Self {
        let text = inputs.to_text();
        let digest = Sha256::digest(&text).to_vec();
        Self { digest, text, agreement: inputs.version, judged: inputs.judge() }
    }

    /// The frozen statement that follows from them.
    fn statement(
        &self,
        account: Option<AccountId>,
        month: PersianMonth,
        made_at: Timestamp,
    ) -> MonthStatement {
        MonthStatement {
            account,
            month,
            revision: 0,
            digest: self.digest.clone(),
            agreement: self.agreement,
            totals: self.judged.totals,
            verdict: self.judged.verdict,
            made_at,
            signed: None,
        }
    }
}

/// Writes a frozen month down anew, beside what is there, as it is computed now.
///
/// # Errors
/// Refused when it is not frozen, nothing has changed, or nobody signs.
pub async fn revise(
    app: &App,
    account: Option<AccountId>,
    month: PersianMonth,
    reason: &str,
    signer: &str,
) -> Result<MonthStatement, MonthRefusal> {
    let signs = |text: &str| !text.trim().is_empty() && text.len() <= REASON_MAX;
    if !signs(reason) || !signs(signer) {
        return Err(Error::Refused(MonthRefusal::Unsigned));
    }
    let now = app.now();
    app.write(async |tx| revise_in(tx, (account, month), (reason, signer), (None, now)).await).await
}

/// Writes down anew what is noted to be computed again of an account, at once. Whatever fails stays
/// noted, and is tried again each hour: it undoes nothing of what made it necessary.
pub(crate) async fn review_now(app: &App, account: AccountId) {
    if let Err(failure) = review_of(app, Some(account)).await {
        let error = failure.chain();
        tracing::error!(error, "a month could not be computed again; trying again in an hour");
    }
}

/// Writes down anew the months that are noted to be computed again, each by itself. The answer is
/// how many that were.
///
/// # Errors
/// The first that failed, after all others; it stays noted.
pub async fn review_due(app: &App) -> std::result::Result<u64, Failure> {
    review_of(app, None).await
}

/// As [`review_due`], of one account alone or of all.
async fn review_of(app: &App, only: Option<AccountId>) -> std::result::Result<u64, Failure> {
    let (mut after, mut revised) = ((only.unwrap_or(AccountId(0)), String::new()), 0);
    let mut failed = None;
    loop {
        let mut reads = app.read().await?;
        let mut noted =
            store::month_statement::reviews(&mut reads, (after.0, &after.1), BATCH).await?;
        drop(reads);
        noted.retain(|review| only.is_none_or(|account| account == review.account));
        let Some(last) = noted.last() else { break };
        after = (last.account, last.month.to_string());
        for review in &noted {
            match self::review(app, review).await {
                Ok(written) => revised += u64::from(written),
                Err(failure) => {
                    let what = format!("computing {} of {} again", review.month, review.account);
                    failed.get_or_insert(Failure::because(what, failure));
                }
            }
        }
    }
    failed.map_or(Ok(revised), Err)
}

/// Computes a month of an account again. `false`: nothing had to be written.
async fn review(app: &App, review: &Review) -> std::result::Result<bool, Failure> {
    let now = app.now();
    let done = app.write(async |tx| {
        if !store::month_statement::take_review(tx, review).await? {
            return Ok(false);
        }
        let of = (Some(review.account), review.month);
        let platform = store::month_statement::of_month(tx, None, review.month).await?;
        let own = store::month_statement::of_month(tx, of.0, of.1).await?;
        let is_new = now.us_since(review.noted_at) < FREEZING_US;
        if platform.is_empty() && (is_new || !own.is_empty()) {
            // It may be frozen just now, from what was read before; or a freeze that fails has
            // written this account already.
            return Err(Error::Refused(MonthRefusal::NotFrozen));
        }
        let signed = (&*review.because, MACHINE);
        match revise_in(tx, of, signed, (Some(review.noted_at), now)).await {
            Ok(_) => Ok(true),
            Err(Error::Refused(MonthRefusal::NotFrozen | MonthRefusal::Unchanged)) => Ok(false),
            Err(error) => Err(error),
        }
    });
    match done.await {
        Ok(written) => Ok(written),
        // It comes again.
        Err(Error::Refused(MonthRefusal::NotFrozen | MonthRefusal::Meanwhile)) => Ok(false),
        Err(Error::Refused(refusal)) => Err(Failure::of(format!("{refusal:?}"))),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// As [`revise`], in a transaction. Whoever had nothing in a month has no statement of it: once it
/// turns out that there was something, the first one is written. A month that was written down
/// before a change was noted is written down also when it is computed from the same: one of several
/// subscriptions may have changed, and money follows revisions.
async fn revise_in(
    tx: &mut Tx,
    (account, month): (Option<AccountId>, PersianMonth),
    (reason, signer): (&str, &str),
    (noted_at, now): (Option<Timestamp>, Timestamp),
) -> Result<MonthStatement, MonthRefusal> {
    let time = Span { from: month.start(), to: month.end() };
    let written = store::month_statement::of_month(tx, account, month).await?;
    let not_frozen = || Error::Refused(MonthRefusal::NotFrozen);
    if store::month_statement::of_month(tx, None, month).await?.is_empty() {
        return Err(not_frozen());
    }
    let anew = Written::of(&inputs_now(tx, account, month, time).await?);
    let last = written.last();
    if last.is_none() && anew.judged.totals.covered_us() == 0 {
        return Err(not_frozen());
    }
    let has_it = |last: &MonthStatement| noted_at.is_none_or(|noted| noted < last.made_at);
    if last.is_some_and(|last| last.digest == anew.digest && has_it(last)) {
        return Err(Error::Refused(MonthRefusal::Unchanged));
    }
    let statement = MonthStatement {
        revision: last.map_or(0, |last| last.revision + 1),
        signed: Some((reason.to_owned(), signer.to_owned())),
        ..anew.statement(account, month, now)
    };
    store::month_statement::keep_inputs(tx, &anew.digest, &anew.text).await?;
    if !store::month_statement::insert(tx, &statement).await? {
        return Err(Error::Refused(MonthRefusal::Meanwhile));
    }
    store::month_statement::untouch(tx, month, account).await?;
    let standing = violation::standing(&Held::read(tx).await?, &statement, now)?;
    violation::follow_revision(tx, now, &statement, standing).await?;
    Ok(statement)
}

/// What a statement was computed from; `None` when that does not compute to it any more, so that
/// something was tampered with.
///
/// # Errors
/// The database failed.
pub async fn reproduce(
    app: &App,
    statement: &MonthStatement,
) -> std::result::Result<Option<(Inputs, Judged)>, Failure> {
    let computed = reproduced(app, &statement.digest).await?;
    Ok(computed.filter(|(inputs, judged)| agrees(statement, inputs, judged)))
}

/// What was kept under a checksum, and comes to; `None` when it has another one.
pub(crate) async fn reproduced(
    app: &App,
    digest: &[u8],
) -> std::result::Result<Option<(Inputs, Judged)>, Failure> {
    let text = store::month_statement::inputs(&mut app.read().await?, digest).await?;
    let same = |text: &String| Sha256::digest(text).as_slice() == digest;
    let inputs = text.filter(same).as_deref().and_then(Inputs::parse);
    Ok(inputs.map(|inputs| (inputs.judge(), inputs)).map(|(judged, inputs)| (inputs, judged)))
}

/// Whether a statement says what these inputs come to.
pub(crate) fn agrees(statement: &MonthStatement, inputs: &Inputs, judged: &Judged) -> bool {
    let of_inputs: (Totals, _) = (judged.totals, judged.verdict);
    of_inputs == (statement.totals, statement.verdict)
        && (inputs.month, inputs.version) == (statement.month, statement.agreement)
}

/// What a month of an account is computed from as of now, in this part of it.
async fn inputs_now(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    month: PersianMonth,
    time: Span,
) -> Result<Inputs, MonthRefusal> {
    let agreement = agreement_at(reads, month.start()).await?;
    let standing = match account {
        None => Standing {
            entitlements: vec![(agreement.draft.parameters.paths(), time)],
            ..Standing::full(None, time)
        },
        Some(account) => {
            let after = AccountId(account.0.saturating_sub(1));
            let mut lifetimes = store::month_statement::lifetimes(reads, after, 1).await?;
            lifetimes.retain(|lifetime| lifetime.account == account);
            let mut standings = standings(reads, &lifetimes, time, &agreement).await?;
            match standings.pop() {
                Some(standing) => standing,
                None if store::account::find(reads, account).await?.is_some() => nothing(account),
                None => return Err(Error::Refused(MonthRefusal::NoSuchAccount)),
            }
        }
    };
    let facts = facts(reads, time, &agreement.draft.parameters).await?;
    let held = (agreement.number, &agreement.draft.parameters);
    let inputs = Inputs::gather(month, time.to, held, &standing, &facts);
    Ok(inputs.expect("its time is a part of it"))
}

/// The standing of who is promised nothing: a sandbox, for one.
fn nothing(account: AccountId) -> Standing {
    Standing {
        account: Some(account),
        coverage: Vec::new(),
        entitlements: Vec::new(),
        memberships: Vec::new(),
    }
}

/// What these accounts, in the order of their numbers, were promised.
async fn standings(
    reads: &mut impl Queries,
    lifetimes: &[Lifetime],
    time: Span,
    agreement: &Version,
) -> std::result::Result<Vec<Standing>, Failure> {
    let (Some(first), Some(last)) = (lifetimes.first(), lifetimes.last()) else {
        return Ok(Vec::new());
    };
    let (first, last) = (first.account, last.account);
    let members = store::outage::members(reads, time, first, last).await?;
    let subscriptions = store::subscription::of_accounts(reads, first, last).await?;
    let paths = agreement.draft.parameters.paths();
    let of = |lifetime: &Lifetime| {
        let end = lifetime.expires_at.into_iter().chain(lifetime.disabled_at).min();
        let covered = Span::new(lifetime.created_at, end.unwrap_or(time.to));
        let subscribed = subscriptions.iter().filter(|one| one.account == lifetime.account);
        let (coverage, entitlements) = promised(covered, subscribed, paths, time);
        let mine = members.iter().filter(|(account, ..)| *account == lifetime.account);
        let memberships: Vec<(Group, Span)> =
            mine.map(|(_, group, span)| (*group, *span)).collect();
        Standing { account: Some(lifetime.account), coverage, entitlements, memberships }
    };
    Ok(lifetimes.iter().map(of).collect())
}

/// When an account was covered, and what it had then: what its subscriptions gave while they were
/// paid for, or all of it for who needs none (C18, C19).
fn promised<'a>(
    covered: Option<Span>,
    subscriptions: impl Iterator<Item = &'a Subscription> + Clone,
    paths: Paths,
    time: Span,
) -> (Vec<Span>, Vec<(Paths, Span)>) {
    let covered: Vec<Span> = covered.into_iter().collect();
    if subscriptions.clone().next().is_none() {
        return (covered, vec![(paths, time)]);
    }
    let mut entitlements: Vec<(Paths, Span)> = Vec::new();
    for one in subscriptions {
        let terms = one.terms();
        for span in coverage(&one.history(), time) {
            let held = pieces(&terms, span).into_iter();
            entitlements.extend(held.map(|(term, part)| (term.plan.paths.within(paths), part)));
        }
    }
    let spans = entitlements
        .iter()
        .flat_map(|(_, span)| covered.iter().filter_map(|covered| span.within(*covered)));
    (span::union(spans.collect()), entitlements)
}

/// All that is known of a time, with what these parameters exclude of it.
pub(crate) async fn facts(
    reads: &mut impl Queries,
    time: Span,
    parameters: &Parameters,
) -> std::result::Result<Facts, Failure> {
    let outages = store::outage::within(reads, time, FACTS_MAX).await?;
    let worked = store::outage::working(reads, time, FACTS_MAX).await?;
    let mut evidence: Vec<Evidence> = worked.into_iter().map(|note| note.evidence).collect();
    let mut measured_down = Vec::new();
    for path in CoveredPath::ALL {
        let measured = store::interval::intervals(reads, path, time, FACTS_MAX).await?;
        measured_down.extend(measured.down.into_iter().map(|span| (path, span)));
        evidence.extend(measured.up.into_iter().map(|span| Evidence {
            seen: Seen::Up,
            paths: Paths::of(&[path]),
            scope: Scope::everyone(),
            span,
        }));
    }
    if outages.len().max(evidence.len()) >= FACTS_MAX as usize {
        return Err(Failure::of("reading the outages of a month: there are too many"));
    }
    let exclusions = parameters.exclusions();
    let (known, mut excluded) = (known(&evidence, measured_down), Vec::new());
    for outage in outages.into_iter().filter(|outage| outage.reversed.is_none()) {
        let span = Span::new(outage.from, outage.to.unwrap_or(time.to));
        let Some(span) = span else { continue };
        let is_excluded = outage.traced_to().is_some_and(|cause| exclusions.contains(cause));
        let Outage { paths, scope, .. } = outage;
        if is_excluded {
            // Whoever records one over silence proves nothing by it (I03).
            let within = |path: CoveredPath| {
                let of_path = known.iter().filter(move |(known, _)| *known == path);
                of_path.filter_map(move |(_, part)| Some((path, span.within(*part)?)))
            };
            excluded.extend(paths.iter().flat_map(within).map(|(path, span)| Window {
                paths: Paths::of(&[path]),
                scope: scope.clone(),
                span,
            }));
        } else {
            evidence.push(Evidence { seen: Seen::Down, paths, scope, span });
        }
    }
    Ok(Facts { evidence, windows: windows(reads, time).await?, excluded })
}

/// When something is known of each path for everybody, apart from outages that somebody says there
/// were: that it was measured to be down, or seen to be up.
fn known(evidence: &[Evidence], down: Vec<(CoveredPath, Span)>) -> Vec<(CoveredPath, Span)> {
    let up = evidence.iter().filter(|seen| seen.scope.is_everyone());
    let up = up.flat_map(|seen| seen.paths.iter().map(|path| (path, seen.span)));
    let all: Vec<(CoveredPath, Span)> = up.chain(down).collect();
    let of = |path| {
        let spans = all.iter().filter(|(of, _)| *of == path).map(|(_, span)| *span).collect();
        span::union(spans).into_iter().map(move |span| (path, span))
    };
    CoveredPath::ALL.into_iter().flat_map(of).collect()
}

/// The parts of maintenance windows that were told in time.
pub(crate) async fn windows(
    reads: &mut impl Queries,
    time: Span,
) -> std::result::Result<Vec<Window>, Failure> {
    let held = Held::read(reads).await?;
    let mut windows = Vec::new();
    for kept in store::maintenance::within(reads, time).await? {
        let start = kept.maintenance.plan().map_or(time.from, |plan| plan.span.from);
        let lead_us = held.at(start).draft.parameters.lead_us();
        windows.extend(kept.maintenance.valid(lead_us));
    }
    Ok(windows)
}

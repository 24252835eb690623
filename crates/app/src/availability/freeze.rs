//! Writing a month down for the first time: in batches, of what was known when it began; nothing
//! that came meanwhile is lost.

use domain::agreement::availability::{Facts, Standing, Verdict};
use domain::agreement::scope::{Group, Scope};
use domain::agreement::statement::{Inputs, frozen_at};
use domain::agreement::version::Version;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
use store::Tx;
use store::chain::{self, Fact};
use store::month_statement::MonthStatement;

use super::{BATCH, Frozen, MonthRefusal, Written, facts, standings, touch};
use crate::agreement::at as agreement_at;
use crate::{App, Error, Failure, Result, violation};

/// Writes a month down for every account and the platform. Doing it again changes nothing, whether
/// it ended before, was killed in the middle, or another node does it at the same time.
///
/// # Errors
/// Refused before its time: as a rule before the third day after its end.
pub async fn freeze(app: &App, month: PersianMonth) -> Result<Frozen, MonthRefusal> {
    let now = app.now();
    let time = Span { from: month.start(), to: month.end() };
    let mut reads = app.read().await?;
    let agreement = agreement_at(&mut reads, time.from).await?;
    let at = frozen_at(month, &agreement.draft.parameters);
    if now < at {
        return Err(Error::Refused(MonthRefusal::NotFinal(at)));
    }
    let is_open = store::month_statement::of_month(&mut reads, None, month).await?.is_empty();
    let facts = facts(&mut reads, time, &agreement.draft.parameters).await?;
    drop(reads);
    let frozen = Frozen::default();
    let mut run = Freezing { now, month, time, is_open, facts, agreement, frozen };
    let mut after = AccountId(0);
    loop {
        let mut reads = app.read().await?;
        let lifetimes = store::month_statement::lifetimes(&mut reads, after, BATCH).await?;
        let Some(last) = lifetimes.last().map(|lifetime| lifetime.account) else { break };
        let mut standings = standings(&mut reads, &lifetimes, time, &run.agreement).await?;
        // Who came later had no such month.
        standings.retain(|standing| standing.coverage.iter().any(|span| span.from < time.to));
        drop(reads);
        run.write(app, &standings).await?;
        after = last;
    }
    crate::promise::enter_missed(app, month).await?;
    // Noted before the last one is written: killed in between, it is not forgotten.
    run.notice(app).await?;
    // Written last, it says that all the others are there.
    run.write(app, &[run.platform()]).await?;
    run.notice(app).await?;
    Ok(run.frozen)
}

/// A month that is being written down.
struct Freezing {
    now: Timestamp,
    month: PersianMonth,
    time: Span,
    /// Whether the last statement of the month was not there when it began.
    is_open: bool,
    facts: Facts,
    agreement: Version,
    frozen: Frozen,
}

impl Freezing {
    /// What came while the month was being written down was seen by nobody: it is noted as if it
    /// had come afterwards, and what is still to be written is computed with it.
    async fn notice(&mut self, app: &App) -> Result<(), MonthRefusal> {
        let parameters = &self.agreement.draft.parameters;
        let known = facts(&mut app.read().await?, self.time, parameters).await?;
        if known == self.facts {
            return Ok(());
        }
        let (everyone, now) = (Scope::everyone(), self.now);
        app.write_patiently(async |tx| Ok(touch(tx, self.time, &everyone, BECAUSE, now).await?))
            .await?;
        self.facts = known;
        Ok(())
    }

    fn platform(&self) -> Standing {
        Standing {
            entitlements: vec![(self.agreement.draft.parameters.paths(), self.time)],
            ..Standing::full(None, self.time)
        }
    }

    /// Writes the months of some down, in one transaction. Those with the same inputs are computed
    /// once.
    async fn write(&mut self, app: &App, standings: &[Standing]) -> Result<(), MonthRefusal> {
        let mut computed: Vec<(Inputs, Written)> = Vec::new();
        let mut statements = Vec::with_capacity(standings.len());
        for standing in standings {
            let agreement = (self.agreement.number, &self.agreement.draft.parameters);
            let inputs = Inputs::gather(self.month, self.now, agreement, standing, &self.facts);
            let inputs = inputs.expect("a month that is over has begun");
            let known = computed.iter().position(|(known, _)| *known == inputs);
            let place = known.unwrap_or_else(|| {
                let written = Written::of(&inputs);
                computed.push((inputs, written));
                computed.len() - 1
            });
            let written = &computed[place].1;
            statements.push(written.statement(standing.account, self.month, self.now));
        }
        let now = self.now;
        let count = app.write_patiently(async |tx| {
            let mut count = 0;
            for (_, Written { digest, text, .. }) in &computed {
                store::month_statement::keep_inputs(tx, digest, text).await?;
            }
            for statement in &statements {
                if !store::month_statement::insert(tx, statement).await? {
                    self.compare(tx, statement).await?;
                    continue;
                }
                count += 1;
                if statement.verdict == Some(Verdict::Breached) {
                    violation::enter_miss(tx, now, statement).await?;
                }
            }
            self.regroup(tx, standings).await?;
            if let (1.., Some(first), Some(last)) = (count, statements.first(), statements.last()) {
                let accounts = (first.number(), last.number());
                let months = Fact::Months { month: first.month, accounts, made_at: now };
                chain::attest(tx, months, chain::MACHINE, now);
            }
            Ok(count)
        });
        let count = count.await?;
        self.frozen.written += count;
        self.frozen.already += statements.len() as u64 - count;
        self.frozen.computed += computed.len() as u64;
        Ok(())
    }

    /// Notes a statement that a freeze which was broken off wrote from what is known otherwise by
    /// now.
    async fn compare(
        &self,
        tx: &mut Tx,
        anew: &MonthStatement,
    ) -> std::result::Result<(), Failure> {
        let Some(account) = anew.account.filter(|_| self.is_open) else { return Ok(()) };
        let written = store::month_statement::of_month(tx, anew.account, self.month).await?;
        if written.last().is_none_or(|last| last.digest == anew.digest) {
            return Ok(());
        }
        self.note(tx, account).await
    }

    /// Notes whoever was put into other groups while his month was computed.
    async fn regroup(
        &self,
        tx: &mut Tx,
        standings: &[Standing],
    ) -> std::result::Result<(), Failure> {
        let accounts = || standings.iter().filter_map(|standing| standing.account);
        let (Some(first), Some(last)) = (accounts().min(), accounts().max()) else {
            return Ok(());
        };
        let members = store::outage::members(tx, self.time, first, last).await?;
        for standing in standings {
            let mine = members.iter().filter(|(account, ..)| Some(*account) == standing.account);
            let mine: Vec<(Group, Span)> = mine.map(|(_, group, span)| (*group, *span)).collect();
            if let Some(account) = standing.account.filter(|_| mine != standing.memberships) {
                self.note(tx, account).await?;
            }
        }
        Ok(())
    }

    async fn note(&self, tx: &mut Tx, account: AccountId) -> std::result::Result<(), Failure> {
        let own = Scope::new(vec![Group::Account(account)]).expect("it is one group");
        Ok(touch(tx, self.time, &own, BECAUSE, self.now).await?)
    }
}

/// What is said of a month that something touched while it was being written down.
const BECAUSE: &str = "evidence came while it was written down";

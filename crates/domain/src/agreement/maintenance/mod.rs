//! Planned maintenance: what has to be told and when, so that downtime in a window does not count
//! (C28, A18 to A20, A30). A window that is changed keeps its notice for what it had before; what
//! is new in it needs notice of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::availability::Window;
use super::scope::{CoveredPath, GROUPS_MAX, Group, Paths, Scope};
use crate::Timestamp;
use crate::calendar::span::{self, Span};

/// How long before its start a window has to be told, when the agreement says nothing else,
/// microseconds (N4).
pub const LEAD_US: i64 = 48 * 3_600_000_000;
/// Longest window, microseconds.
pub const LENGTH_MAX_US: i64 = 7 * 86_400_000_000;
/// The most versions of one window.
pub const VERSIONS_MAX: usize = 100;

/// Where a notice stood. Both kinds together make it complete (A19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// On the panel's first page.
    FirstPage,
    /// In a social network, which confirmed it.
    Social,
}

impl Channel {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::FirstPage, Self::Social];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::FirstPage => "first page",
            Self::Social => "social",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }
}

/// What proves that a version of a window was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The place of the version among its window's, from 0.
    pub version: usize,
    /// Where it was told.
    pub channel: Channel,
    /// What the text named.
    pub paths: Paths,
    /// Since when it could be read.
    pub published_at: Timestamp,
    /// Since when it could no longer be read.
    pub withdrawn_at: Option<Timestamp>,
}

/// One version of a window, in force from when it was saved until the next one was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// When it was saved.
    pub saved_at: Timestamp,
    /// What is planned; `None` when the maintenance was cancelled.
    pub plan: Option<Window>,
}

/// A maintenance window: its versions, and what proves its notices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Maintenance {
    /// From the first to the one in force.
    pub versions: Vec<Version>,
    /// In no order.
    pub proofs: Vec<Proof>,
    /// When somebody made sure that the service is back.
    pub verified_at: Option<Timestamp>,
}

/// Where a maintenance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is saved, and not yet told everywhere, or too late.
    Announced,
    /// It is told in time.
    Noticed,
    /// It runs, and was told in time.
    InProgress,
    /// It runs, and its downtime counts, at least in part.
    Unplanned,
    /// Its time is over, and nobody has made sure of the service yet.
    Verifying,
    /// It is over.
    Completed,
    /// It was taken back before it began.
    Cancelled,
}

impl State {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Noticed => "noticed",
            Self::InProgress => "in progress",
            Self::Unplanned => "unplanned",
            Self::Verifying => "verifying",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What saving a version would come to, if its notice were complete at that very moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// From now until the start, microseconds; negative for a window that has begun.
    pub lead_us: i64,
    /// How much of what is left of the window would count as downtime for whom it is worst,
    /// microseconds.
    pub counted_us: i64,
}

/// Why a version is not saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No social network is set up, so no notice could ever be complete.
    NoSocialChannel,
    /// It names no part of the service.
    NoPath,
    /// It begins in the past: what is down already is an outage.
    Past,
    /// It is longer than [`LENGTH_MAX_US`].
    TooLong,
    /// The maintenance was cancelled, or its time is over.
    Closed,
    /// It has begun, so it can no longer be cancelled.
    Begun,
    /// There is nothing to cancel.
    Unknown,
    /// It was changed [`VERSIONS_MAX`] times.
    TooManyVersions,
    /// Some of it would count as downtime, which its editor has to confirm.
    Unconfirmed(Judgement),
}

impl Maintenance {
    /// The plan in force, unless it was cancelled.
    pub fn plan(&self) -> Option<&Window> {
        self.versions.last().and_then(|version| version.plan.as_ref())
    }

    /// Where it stands.
    pub fn state(&self, now: Timestamp, lead_us: i64) -> State {
        let Some(plan) = self.plan() else { return State::Cancelled };
        let told = self.counted_us(lead_us) == 0;
        match (now < plan.span.from, now < plan.span.to) {
            (true, _) if told => State::Noticed,
            (true, _) => State::Announced,
            (false, true) if told => State::InProgress,
            (false, true) => State::Unplanned,
            (false, false) if self.verified_at.is_some() => State::Completed,
            (false, false) => State::Verifying,
        }
    }

    /// What saving this version would come to, under an agreement with this lead, microseconds.
    ///
    /// # Errors
    /// Why it cannot be saved at all.
    pub fn judge(
        &self,
        next: &Version,
        has_social: bool,
        lead_us: i64,
    ) -> Result<Judgement, Refusal> {
        self.may_follow(next, has_social)?;
        let Some(plan) = &next.plan else { return Ok(Judgement { lead_us: 0, counted_us: 0 }) };
        let mut then = self.clone();
        let version = then.versions.len();
        then.versions.push(next.clone());
        then.proofs.extend(Channel::ALL.map(|channel| Proof {
            version,
            channel,
            paths: plan.paths,
            published_at: next.saved_at,
            withdrawn_at: None,
        }));
        let lead = plan.span.from.us_since(next.saved_at);
        Ok(Judgement { lead_us: lead, counted_us: then.counted_us(lead_us) })
    }

    /// Saves a version.
    ///
    /// # Errors
    /// Why it cannot be saved, or that its editor has to confirm what would count.
    pub fn save(
        &mut self,
        next: Version,
        has_social: bool,
        lead_us: i64,
        confirmed: bool,
    ) -> Result<Judgement, Refusal> {
        let judgement = self.judge(&next, has_social, lead_us)?;
        if judgement.counted_us > 0 && !confirmed {
            return Err(Refusal::Unconfirmed(judgement));
        }
        self.versions.push(next);
        Ok(judgement)
    }

    fn may_follow(&self, next: &Version, has_social: bool) -> Result<(), Refusal> {
        let now = next.saved_at;
        let before = self.plan();
        if self.versions.last().is_some_and(|_| before.is_none_or(|plan| plan.span.to <= now)) {
            return Err(Refusal::Closed);
        }
        if self.versions.len() >= VERSIONS_MAX {
            return Err(Refusal::TooManyVersions);
        }
        let Some(plan) = &next.plan else {
            let before = before.ok_or(Refusal::Unknown)?;
            return if before.span.from <= now { Err(Refusal::Begun) } else { Ok(()) };
        };
        let begun = before.is_some_and(|before| before.span.from == plan.span.from);
        if plan.span.to <= now || (plan.span.from < now && !begun) {
            Err(Refusal::Past)
        } else if plan.span.length_us() > LENGTH_MAX_US {
            Err(Refusal::TooLong)
        } else if plan.paths.is_empty() {
            Err(Refusal::NoPath)
        } else if !has_social {
            Err(Refusal::NoSocialChannel)
        } else {
            Ok(())
        }
    }

    /// The parts of it in which downtime is planned: told completely, `lead_us` before the start.
    ///
    /// A part keeps the notice of an earlier version as long as every version since had that part.
    pub fn valid(&self, lead_us: i64) -> Vec<Window> {
        let mut paths_of: BTreeMap<(Span, Group), Paths> = BTreeMap::new();
        for (place, plan, in_force) in self.plans() {
            for (path, group) in parts(plan, &self.groups(plan)) {
                for span in self.told(place, path, group, lead_us) {
                    if let Some(span) = span.within(in_force) {
                        let paths = paths_of.entry((span, group)).or_insert(Paths::NONE);
                        *paths = paths.and(path);
                    }
                }
            }
        }
        let mut groups_of: BTreeMap<(Span, Paths), Vec<Group>> = BTreeMap::new();
        for ((span, group), paths) in paths_of {
            groups_of.entry((span, paths)).or_default().push(group);
        }
        let mut windows = Vec::new();
        for ((span, paths), groups) in groups_of {
            for groups in groups.chunks(GROUPS_MAX) {
                let scope = Scope::new(groups.to_vec()).expect("a chunk is neither empty nor more");
                windows.push(Window { paths, scope, span });
            }
        }
        windows
    }

    /// All groups that a version named and that this plan covers: who was named before a plan was
    /// widened keeps the notice.
    fn groups(&self, plan: &Window) -> BTreeSet<Group> {
        let plans = self.versions.iter().filter_map(|version| version.plan.as_ref());
        let named = plans.flat_map(|plan| plan.scope.groups().iter().copied());
        named.filter(|group| plan.scope.covers(*group)).collect()
    }

    /// Its plans, each with its place and the time in which it was in force.
    fn plans(&self) -> impl Iterator<Item = (usize, &Window, Span)> {
        self.versions.iter().enumerate().filter_map(|(place, version)| {
            let replaced = self.versions.get(place + 1).map(|next| next.saved_at);
            let to = replaced.unwrap_or(Timestamp(i64::MAX));
            Some((place, version.plan.as_ref()?, Span::new(version.saved_at, to)?))
        })
    }

    /// The parts of this version that were told in time, for one path and group.
    fn told(&self, place: usize, path: CoveredPath, group: Group, lead_us: i64) -> Vec<Span> {
        let Some(plan) = &self.versions[place].plan else { return Vec::new() };
        let start = plan.span.from;
        let mut told = Vec::new();
        let mut kept = Some(plan.span);
        for earlier in (0..=place).rev() {
            let of = self.versions[earlier].plan.as_ref();
            let of = of.filter(|of| of.paths.contains(path) && of.scope.covers(group));
            kept = kept.zip(of).and_then(|(kept, of)| kept.within(of.span));
            let Some(kept) = kept else { break };
            let noticed = self.noticed_at(earlier, path, start);
            if noticed.is_some_and(|noticed| start.us_since(noticed) >= lead_us) {
                told.push(kept);
            }
        }
        span::union(told)
    }

    /// When the notice of a version was complete. What left the first page before the start proves
    /// nothing; what left a social network was seen there.
    fn noticed_at(&self, version: usize, path: CoveredPath, start: Timestamp) -> Option<Timestamp> {
        let first = |channel| {
            let stood = |proof: &&Proof| match proof.channel {
                Channel::FirstPage => proof.withdrawn_at.is_none_or(|withdrawn| withdrawn >= start),
                Channel::Social => true,
            };
            let proofs = self.proofs.iter().filter(|proof| proof.version == version);
            let proofs = proofs.filter(|proof| proof.channel == channel);
            let naming = proofs.filter(|proof| proof.paths.contains(path)).filter(stood);
            naming.map(|proof| proof.published_at).min()
        };
        Some(first(Channel::FirstPage)?.max(first(Channel::Social)?))
    }

    /// When a notice stood on the first page, until the start of the plan in force. Whoever could
    /// not open the panel for a part of it could not read it there; the notice is valid all the
    /// same, and who judges a month has to see it (C22, T081).
    pub fn on_the_first_page(&self) -> Vec<Span> {
        let Some(start) = self.plan().map(|plan| plan.span.from) else { return Vec::new() };
        let proofs = self.proofs.iter().filter(|proof| proof.channel == Channel::FirstPage);
        let stood = |proof: &Proof| {
            let until = proof.withdrawn_at.map_or(start, |withdrawn| withdrawn.min(start));
            Span::new(proof.published_at, until)
        };
        span::union(proofs.filter_map(stood).collect())
    }

    /// How much of the plan in force counts as downtime if the service is away for all of it.
    pub fn counted_us(&self, lead_us: i64) -> i64 {
        let Some((place, plan, in_force)) = self.plans().last() else { return 0 };
        let Some(left) = plan.span.within(in_force) else { return 0 };
        let told_us = |(path, group)| -> i64 {
            let told = self.told(place, path, group, lead_us);
            told.iter().filter_map(|span| span.within(left)).map(Span::length_us).sum()
        };
        let groups = plan.scope.groups().iter().copied().collect();
        left.length_us() - parts(plan, &groups).map(told_us).min().unwrap_or(0)
    }
}

/// Every path of a plan with every one of these groups.
fn parts(plan: &Window, groups: &BTreeSet<Group>) -> impl Iterator<Item = (CoveredPath, Group)> {
    plan.paths.iter().flat_map(move |path| groups.iter().map(move |group| (path, *group)))
}

#[cfg(test)]
mod tests;

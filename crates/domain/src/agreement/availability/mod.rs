//! Availability: what a subscriber had of each stretch of time, and what the month comes to.
//!
//! At each instant exactly one class holds ([`Class`]). Without evidence a path is unknown, never
//! up by default: silence of the monitoring can lower a figure and cannot make a promise met.

mod figures;
mod sweep;

use std::collections::BTreeMap;

pub use figures::{Comparison, Figures, Fraction, MonthBasis, Terms, Treatment, Verdict};
pub use sweep::{Cohorts, Timeline, sweep};

use super::scope::{Group, Paths, Scope};
use crate::AccountId;
use crate::calendar::span::{self, Span};

/// What a subscriber had at an instant. In the table of the specification PLANNED comes before
/// UNKNOWN; here a path that is unknown outside its windows comes first, for else an outage could
/// raise a figure (I03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nothing was promised: no subscription in force, or no covered path in it.
    NotCovered,
    /// A path was down outside a valid window.
    Down,
    /// No path was, but of one outside a valid window nothing is known.
    Unknown,
    /// Paths were down, or unproven, and all of those lay in valid windows.
    Planned,
    /// Everything was there, or away from causes alone that the agreement excludes (A21).
    Up,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 5] =
        [Self::NotCovered, Self::Down, Self::Unknown, Self::Planned, Self::Up];

    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotCovered => "not covered",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Planned => "planned",
            Self::Up => "up",
        }
    }
}

/// What evidence says of a path. Down beats up, and up beats silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen {
    /// It worked.
    Up,
    /// It failed.
    Down,
}

/// What was seen of some paths, by some subscribers, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was seen.
    pub seen: Seen,
    /// Of what.
    pub paths: Paths,
    /// By whom.
    pub scope: Scope,
    /// When.
    pub span: Span,
}

/// A part of a maintenance window whose notice is valid
/// ([`super::maintenance::Maintenance::valid`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// What was announced to be away.
    pub paths: Paths,
    /// For whom.
    pub scope: Scope,
    /// When.
    pub span: Span,
}

/// All that is known of a time, for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// What was announced in time.
    pub windows: Vec<Window>,
    /// When it was down from a cause that the agreement excludes (A21). It is not among the
    /// evidence: what was down from another cause at the same time is, and counts.
    pub excluded: Vec<Window>,
}

impl Facts {
    /// All that names whom it concerns, beside the evidence.
    pub(super) fn others(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter().chain(&self.excluded)
    }
}

/// What a subscriber was promised, and with whom it shares its fate, over time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whose it is; `None` for the platform itself, which only what concerns everyone touches.
    pub account: Option<AccountId>,
    /// When its subscription was in force (C18, C19).
    pub coverage: Vec<Span>,
    /// Which paths it had (C06).
    pub entitlements: Vec<(Paths, Span)>,
    /// Of which groups it was. That it is of [`Group::Everyone`] and its own goes without saying.
    pub memberships: Vec<(Group, Span)>,
}

impl Standing {
    /// Full access to every path, in no group, for all of `span`.
    pub fn full(account: Option<AccountId>, span: Span) -> Self {
        Self {
            account,
            coverage: vec![span],
            entitlements: vec![(Paths::ALL, span)],
            memberships: Vec::new(),
        }
    }

    /// The parts of `span` in which it was of this scope.
    pub(super) fn within(&self, scope: &Scope, span: Span) -> Vec<Span> {
        let own = self.account.map(Group::Account);
        if scope.is_everyone() || own.is_some_and(|own| scope.covers(own)) {
            return vec![span];
        }
        let mine = self.memberships.iter().filter(|(group, _)| scope.covers(*group));
        span::union(mine.filter_map(|(_, time)| time.within(span)).collect())
    }
}

/// How long each class held, microseconds. Together they are the whole time looked at (I01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Totals {
    /// [`Class::NotCovered`].
    pub not_covered_us: i64,
    /// [`Class::Planned`].
    pub planned_us: i64,
    /// [`Class::Down`].
    pub down_us: i64,
    /// [`Class::Unknown`].
    pub unknown_us: i64,
    /// [`Class::Up`].
    pub up_us: i64,
}

impl Totals {
    /// Adds time of one class.
    pub fn add(&mut self, class: Class, us: i64) {
        *match class {
            Class::NotCovered => &mut self.not_covered_us,
            Class::Planned => &mut self.planned_us,
            Class::Down => &mut self.down_us,
            Class::Unknown => &mut self.unknown_us,
            Class::Up => &mut self.up_us,
        } += us;
    }

    /// All time looked at.
    pub fn length_us(self) -> i64 {
        self.not_covered_us + self.covered_us()
    }

    /// The time for which something was promised.
    pub fn covered_us(self) -> i64 {
        self.planned_us + self.down_us + self.unknown_us + self.up_us
    }
}

/// What each of these subscribers had of that time. Those whom the facts cannot tell apart are
/// swept once.
pub fn totals_of_all<'a>(
    within: Span,
    facts: &Facts,
    standings: impl Iterator<Item = &'a Standing>,
) -> BTreeMap<Option<AccountId>, Totals> {
    let mut cohorts = Cohorts::new(within, facts);
    standings.map(|standing| (standing.account, cohorts.totals(standing))).collect()
}

#[cfg(test)]
mod tests;

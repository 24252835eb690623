//! The sweep: all borders of a time in order, one class between each two of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Facts, Seen, Standing, Totals};
use crate::agreement::scope::{CoveredPath, Group, Paths};
use crate::calendar::span::{self, Span};
use crate::{AccountId, Timestamp};

/// The classes of a time, in order and without gaps; neighbours differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline(Vec<(Span, Class)>);

impl Timeline {
    /// The stretches and their classes.
    pub fn stretches(&self) -> &[(Span, Class)] {
        &self.0
    }

    /// How long each class held.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (span, class) in &self.0 {
            totals.add(*class, span.length_us());
        }
        totals
    }

    fn push(&mut self, span: Span, class: Class) {
        match self.0.last_mut() {
            Some((last, same)) if *same == class => last.to = span.to,
            _ => self.0.push((span, class)),
        }
    }
}

/// What a border changes.
#[derive(Clone, Copy)]
enum Layer {
    Coverage,
    Entitled,
    Up,
    Down,
    Excluded,
    Window,
}

/// A moment at which something begins (`by` is 1) or ends (−1).
struct Border {
    at: Timestamp,
    layer: Layer,
    paths: Paths,
    by: i32,
}

/// How many of each thing hold at an instant. Counting merges what overlaps (I04).
#[derive(Default)]
struct Instant {
    coverage: i32,
    entitled: [i32; 4],
    up: [i32; 4],
    down: [i32; 4],
    excluded: [i32; 4],
    window: [i32; 4],
}

impl Instant {
    fn cross(&mut self, border: &Border) {
        let counts = match border.layer {
            Layer::Coverage => {
                self.coverage += border.by;
                return;
            }
            Layer::Entitled => &mut self.entitled,
            Layer::Up => &mut self.up,
            Layer::Down => &mut self.down,
            Layer::Excluded => &mut self.excluded,
            Layer::Window => &mut self.window,
        };
        for path in border.paths.iter() {
            counts[path.index()] += border.by;
        }
    }

    fn class(&self) -> Class {
        let mut class = if self.coverage > 0 { Class::Up } else { return Class::NotCovered };
        let mut entitled = false;
        for at in CoveredPath::ALL.map(CoveredPath::index) {
            if self.entitled[at] == 0 {
                continue;
            }
            entitled = true;
            // Classes are in the order in which one path speaks for all.
            class = class.min(self.of_path(at));
        }
        if entitled { class } else { Class::NotCovered }
    }

    /// The class of one path. A cause that the agreement excludes (A21) makes nothing planned and
    /// hides no other cause: what is down from both is down. From excluded causes alone it is
    /// known and not held against us, so that outside a window it counts as if it had been there.
    fn of_path(&self, at: usize) -> Class {
        let (down, excluded) = (self.down[at] > 0, self.excluded[at] > 0);
        let is_up = self.up[at] > 0 && !down && !excluded;
        match self.window[at] > 0 {
            true if is_up => Class::Up,
            true => Class::Planned,
            false if down => Class::Down,
            false if is_up || excluded => Class::Up,
            false => Class::Unknown,
        }
    }
}

/// What a subscriber had, stretch by stretch.
pub fn sweep(within: Span, standing: &Standing, facts: &Facts) -> Timeline {
    let mut borders = borders(within, standing, facts);
    borders.sort_unstable_by_key(|border| border.at);
    let mut timeline = Timeline(Vec::new());
    let mut now = Instant::default();
    let mut since = within.from;
    for border in borders {
        if let Some(span) = Span::new(since, border.at) {
            timeline.push(span, now.class());
            since = border.at;
        }
        now.cross(&border);
    }
    if let Some(span) = Span::new(since, within.to) {
        timeline.push(span, now.class());
    }
    timeline
}

fn borders(within: Span, standing: &Standing, facts: &Facts) -> Vec<Border> {
    let mut borders = Vec::new();
    let mut put = |layer, paths, span: Span| {
        if let Some(Span { from, to }) = span.within(within) {
            borders.push(Border { at: from, layer, paths, by: 1 });
            borders.push(Border { at: to, layer, paths, by: -1 });
        }
    };
    for span in &standing.coverage {
        put(Layer::Coverage, Paths::ALL, *span);
    }
    for (paths, span) in &standing.entitlements {
        put(Layer::Entitled, *paths, *span);
    }
    for seen in &facts.evidence {
        let layer = if seen.seen == Seen::Down { Layer::Down } else { Layer::Up };
        for span in standing.within(&seen.scope, seen.span) {
            put(layer, seen.paths, span);
        }
    }
    for (layer, windows) in [(Layer::Window, &facts.windows), (Layer::Excluded, &facts.excluded)] {
        for window in windows {
            for span in standing.within(&window.scope, window.span) {
                put(layer, window.paths, span);
            }
        }
    }
    borders
}

/// All that can make two subscribers differ.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cohort {
    account: Option<AccountId>,
    coverage: Vec<Span>,
    entitlements: Vec<(Paths, Span)>,
    memberships: Vec<(Group, Span)>,
}

/// Sweeps many subscribers over the same facts: once for all whom the facts cannot tell apart.
pub struct Cohorts<'a> {
    within: Span,
    facts: &'a Facts,
    named: BTreeSet<Group>,
    swept: BTreeMap<Cohort, Totals>,
}

impl<'a> Cohorts<'a> {
    /// Nobody is swept yet.
    pub fn new(within: Span, facts: &'a Facts) -> Self {
        let evidence = facts.evidence.iter().map(|seen| &seen.scope);
        let scopes = evidence.chain(facts.others().map(|window| &window.scope));
        let named = scopes.flat_map(|scope| scope.groups().iter().copied()).collect();
        Self { within, facts, named, swept: BTreeMap::new() }
    }

    /// What this subscriber had.
    pub fn totals(&mut self, standing: &Standing) -> Totals {
        let cohort = self.cohort(standing);
        let sweep = || sweep(self.within, standing, self.facts).totals();
        *self.swept.entry(cohort).or_insert_with(sweep)
    }

    /// How many sweeps it took so far.
    pub fn sweeps(&self) -> usize {
        self.swept.len()
    }

    fn cohort(&self, standing: &Standing) -> Cohort {
        let clip = |span: &Span| span.within(self.within);
        let mut entitlements: Vec<(Paths, Span)> = standing.entitlements.clone();
        entitlements.retain_mut(|(_, span)| keep(span, clip(span)));
        entitlements.sort_unstable();
        let named = |(group, _): &&(Group, Span)| self.named.contains(group);
        let mut memberships: Vec<(Group, Span)> =
            standing.memberships.iter().filter(named).copied().collect();
        memberships.retain_mut(|(_, span)| keep(span, clip(span)));
        memberships.sort_unstable();
        let own = |account: &AccountId| self.named.contains(&Group::Account(*account));
        Cohort {
            account: standing.account.filter(own),
            coverage: span::union(standing.coverage.iter().filter_map(clip).collect()),
            entitlements,
            memberships,
        }
    }
}

/// Puts the part in its place; whether there is one.
fn keep(span: &mut Span, part: Option<Span>) -> bool {
    *span = part.unwrap_or(*span);
    part.is_some()
}

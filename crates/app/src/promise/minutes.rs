//! The whole minutes of a month: what could be started when each began, and what was started in it
//! (A17). A send could be started while its class may call, from when it was taken until it left
//! the line; and of a campaign that its customer paces, no more than the pace lets through.

use std::collections::BTreeMap;

use domain::agreement::capacity::{Backlog, Minute, startable};
use domain::calendar::span::Span;
use domain::{CampaignId, Timestamp};

use super::MINUTE_US;

/// The minutes, as sends are counted one by one.
pub(super) struct Minutes {
    from: Timestamp,
    /// How many sends more wait at the beginning of this minute than of the one before.
    waiting: Vec<i64>,
    starts: Vec<u64>,
    /// The most calls a minute that each paced campaign lets through.
    paces: BTreeMap<CampaignId, u32>,
    /// As `waiting`, of each paced campaign.
    paced: BTreeMap<CampaignId, BTreeMap<usize, i64>>,
}

/// How a wait in line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The send was started, or ended by itself, at this moment, or has not been yet.
    Gone(Timestamp),
    /// It may not be called from this moment on.
    Closed(Timestamp),
    /// Its customer took it back at this moment: of the minute in which that was, nobody can say
    /// that it could have been started.
    TakenBack(Timestamp),
}

impl Minutes {
    pub(super) fn new(time: Span, paces: BTreeMap<CampaignId, u32>) -> Self {
        let count = usize::try_from(time.length_us() / MINUTE_US).expect("a month is short");
        let (waiting, starts) = (vec![0; count + 1], vec![0; count]);
        Self { from: time.from, waiting, starts, paces, paced: BTreeMap::new() }
    }

    /// The first minute that begins at this moment or later; the last one is none.
    fn next(&self, at: Timestamp) -> usize {
        self.place(at.us_since(self.from).max(0).saturating_add(MINUTE_US - 1))
    }

    fn place(&self, us: i64) -> usize {
        usize::try_from(us / MINUTE_US).unwrap_or(usize::MAX).min(self.starts.len())
    }

    /// The first minute at whose beginning nobody waits any more.
    fn end(&self, until: Until) -> usize {
        match until {
            // What starts just when a minute begins waited for it.
            Until::Gone(at) => self.next(at.plus_us(1)),
            Until::Closed(at) => self.next(at),
            Until::TakenBack(at) => self.place(at.us_since(self.from).max(0)),
        }
    }

    /// Whether somebody who waits from here to there waits when a minute begins.
    pub(super) fn is_there(&self, from: Timestamp, until: Until) -> bool {
        self.next(from) < self.end(until)
    }

    /// Counts a wait, of a send of this campaign if it is one's.
    pub(super) fn wait(&mut self, campaign: Option<CampaignId>, from: Timestamp, until: Until) {
        let (from, to) = (self.next(from), self.end(until));
        if from >= to {
            return;
        }
        if let Some(campaign) = campaign.filter(|campaign| self.paces.contains_key(campaign)) {
            let paced = self.paced.entry(campaign).or_default();
            *paced.entry(from).or_insert(0) += 1;
            *paced.entry(to).or_insert(0) -= 1;
        } else {
            self.waiting[from] += 1;
            self.waiting[to] -= 1;
        }
    }

    /// Counts a start.
    pub(super) fn start(&mut self, at: Timestamp) {
        let minute = usize::try_from(at.us_since(self.from).div_euclid(MINUTE_US));
        if let Some(starts) = minute.ok().and_then(|minute| self.starts.get_mut(minute)) {
            *starts += 1;
        }
    }

    /// Each of them with its moment.
    pub(super) fn judged(&self) -> Vec<(Timestamp, Minute)> {
        let count = self.starts.len();
        let mut backlogs: Vec<u64> = vec![0; count];
        let mut running = 0;
        for (backlog, change) in backlogs.iter_mut().zip(&self.waiting) {
            running += change;
            *backlog = u64::try_from(running).unwrap_or(0);
        }
        for (campaign, changes) in &self.paced {
            let throttle = self.paces.get(campaign).map(|pace| u64::from(*pace));
            let ends = changes.keys().skip(1).copied().chain([count]);
            let mut running = 0;
            for ((from, change), to) in changes.iter().zip(ends) {
                running += change;
                let waiting = u64::try_from(running).unwrap_or(0);
                for backlog in backlogs.get_mut(*from..to).unwrap_or_default() {
                    let open = Backlog { waiting: *backlog, throttle: None };
                    *backlog = startable([open, Backlog { waiting, throttle }]);
                }
            }
        }
        let minutes = backlogs.into_iter().zip(&self.starts);
        let judged = (0..).zip(minutes).map(|(n, (startable, starts))| {
            (self.from.plus_us(n * MINUTE_US), Minute { startable, starts: *starts })
        });
        judged.collect()
    }
}

//! What happens in a year, thrown from a seed.

use std::ops::Range;

use super::{CUSTOMERS, DAY, HOUR};

/// Which paths, by their place among [`CoveredPath::ALL`].
pub type Some4 = [bool; 4];

/// What happens in a month; minutes from its start.
#[derive(Default)]
pub struct Script {
    pub silent: Vec<Range<usize>>,
    pub outages: Vec<Outage>,
    pub maintenance: Vec<Maintenance>,
    pub tickets: Vec<Ticket>,
    pub claims: Vec<Claim>,
    pub reports: Vec<Report>,
}

pub struct Outage {
    pub paths: Some4,
    /// A customer's place, or everybody.
    pub whom: Option<usize>,
    pub time: Range<usize>,
}

pub struct Maintenance {
    pub paths: Some4,
    pub time: Range<usize>,
    pub told_at: usize,
}

/// A customer asks the desk, which answers as many minutes later.
pub struct Ticket {
    pub customer: usize,
    pub asked_at: usize,
    pub answered_after: usize,
}

/// A customer reports an error, and is told so many minutes later what it is.
pub struct Report {
    pub customer: usize,
    pub reported_at: usize,
    pub result_after: usize,
    pub found: Found,
}

/// What it is, and what is done; minutes after what comes before it.
#[derive(Clone, Copy)]
pub enum Found {
    Question,
    Minor { fixed_after: usize },
    Structural { announced_after: usize, due_after: usize, delivered_after: usize },
}

impl Report {
    pub fn result_at(&self) -> usize {
        self.reported_at + self.result_after
    }

    /// When it was fixed, or a date for it announced.
    pub fn mended_at(&self) -> Option<usize> {
        match self.found {
            Found::Question => None,
            Found::Minor { fixed_after } => Some(self.result_at() + fixed_after),
            Found::Structural { announced_after, .. } => Some(self.result_at() + announced_after),
        }
    }

    /// The date that was announced.
    pub fn date(&self) -> Option<usize> {
        match self.found {
            Found::Structural { due_after, .. } => Some(self.mended_at()? + due_after),
            _ => None,
        }
    }

    /// When what was announced was delivered.
    pub fn delivered_at(&self) -> Option<usize> {
        match self.found {
            Found::Structural { delivered_after, .. } => Some(self.mended_at()? + delivered_after),
            _ => None,
        }
    }
}

/// A customer claims for something of this month, filed in one so many months later.
pub struct Claim {
    pub customer: usize,
    pub event_at: usize,
    pub months_later: usize,
    pub filed_at: usize,
    /// What the committee grants, rials; 0 is a rejection.
    pub granted: i64,
}

/// Splitmix64: the same seed is the same year.
pub struct Dice(pub u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) % most as u64).unwrap()
    }

    fn paths(&mut self) -> Some4 {
        let bits = 1 + self.below(15);
        [0, 1, 2, 3].map(|path| bits & 1 << path != 0)
    }

    /// Some time within the days of every month.
    fn time(&mut self, shortest: usize, longest: usize) -> Range<usize> {
        let from = self.below(28 * DAY);
        from..from + shortest + self.below(longest - shortest)
    }

    /// The reports of a month, all of which are over within it; of each kind of promise some are
    /// kept and some are not.
    pub fn reports(&mut self) -> Vec<Report> {
        let count = 1 + self.below(4);
        let report = |_| Report {
            customer: self.below(CUSTOMERS),
            reported_at: self.below(15 * DAY),
            result_after: 1 + self.below(2 * DAY),
            found: match self.below(3) {
                0 => Found::Question,
                1 => Found::Minor { fixed_after: 1 + self.below(6 * DAY) },
                _ => Found::Structural {
                    announced_after: 1 + self.below(5 * DAY),
                    due_after: 1 + self.below(3 * DAY),
                    delivered_after: 1 + self.below(3 * DAY),
                },
            },
        };
        (0..count).map(report).collect()
    }

    pub fn script(&mut self) -> Script {
        let mut script = Script::default();
        for _ in 0..self.below(3) {
            script.silent.push(self.time(10, 5 * HOUR));
        }
        for _ in 0..self.below(5) {
            let (paths, whom) = (self.paths(), self.below(5));
            let whom = (whom < CUSTOMERS).then_some(whom);
            script.outages.push(Outage { paths, whom, time: self.time(3, 6 * HOUR) });
        }
        for _ in 0..self.below(3) {
            let from = 4 * DAY + self.below(24 * DAY);
            let time = from..from + HOUR + self.below(3 * HOUR);
            // In time, and more than two days before; or just too late.
            let lead = if self.below(3) > 0 { 48 * HOUR } else { 48 * HOUR - 1 - self.below(HOUR) };
            let told_at = from - lead;
            let paths = self.paths();
            script.outages.push(Outage { paths, whom: None, time: time.clone() });
            script.maintenance.push(Maintenance { paths, time, told_at });
        }
        script.maintenance.sort_by_key(|one| one.told_at);
        for _ in 0..self.below(4) {
            let (customer, asked_at) = (self.below(CUSTOMERS), self.below(25 * DAY));
            script.tickets.push(Ticket { customer, asked_at, answered_after: self.below(2 * DAY) });
        }
        for _ in 0..self.below(3) {
            let event_at = self.below(28 * DAY);
            // After what happened, when that is in the same month, and settled within the month.
            let filed_at = (6 * DAY).max(event_at) + self.below(DAY);
            script.claims.push(Claim {
                customer: self.below(CUSTOMERS),
                event_at,
                months_later: if filed_at > 25 * DAY { 1 + self.below(3) } else { self.below(4) },
                filed_at: filed_at.min(25 * DAY),
                granted: i64::try_from(self.below(4)).unwrap() * 17_000,
            });
        }
        script
    }
}

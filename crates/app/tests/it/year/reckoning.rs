//! The reckoning: what a script comes to, minute by minute, sharing nothing with the platform.

use std::ops::Range;

use domain::agreement::availability::{Totals, Verdict};

use super::almanac::{business_ends, is_open};
use super::script::{Found, Report, Script, Ticket};
use super::{CUSTOMERS, DAY, DEAR, HOUR, MINUTE_US, PRICE, has_path, is_dear};

/// What a month comes to by the reckoning: minutes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Minutes {
    not_covered: i64,
    down: i64,
    unknown: i64,
    planned: i64,
    up: i64,
    /// How many of them had the dear plan.
    dear: i64,
}

impl Minutes {
    /// `customer`: whose month; `None` is the platform, which only what concerns all touches.
    pub fn of(
        script: &Script,
        customer: Option<usize>,
        (month, length): (usize, usize),
        unpaid: &Range<usize>,
    ) -> Self {
        let mut all = Self::default();
        for minute in 0..length {
            all.dear += i64::from(customer.is_some_and(|one| is_dear(one, (month, minute))));
            if customer == Some(CUSTOMERS - 1) && unpaid.contains(&minute) {
                all.not_covered += 1;
                continue;
            }
            let (mut bad_outside, mut blind_outside, mut bad_or_blind) = (false, false, false);
            let blind = script.silent.iter().any(|time| time.contains(&minute));
            for path in 0..4 {
                if customer.is_some_and(|customer| !has_path(customer, (month, minute), path)) {
                    continue;
                }
                let bad = script.outages.iter().any(|one| {
                    let theirs = one.whom.is_none() || one.whom == customer;
                    theirs && one.paths[path] && one.time.contains(&minute)
                });
                let told = script.maintenance.iter().any(|one| {
                    let in_time = one.told_at + 48 * HOUR <= one.time.start;
                    in_time && one.paths[path] && one.time.contains(&minute)
                });
                bad_outside |= bad && !told;
                blind_outside |= !bad && blind && !told;
                bad_or_blind |= bad || blind;
            }
            if bad_outside {
                all.down += 1;
            } else if blind_outside {
                all.unknown += 1;
            } else if bad_or_blind {
                all.planned += 1;
            } else {
                all.up += 1;
            }
        }
        all
    }

    pub fn totals(self) -> Totals {
        Totals {
            not_covered_us: self.not_covered * MINUTE_US,
            planned_us: self.planned * MINUTE_US,
            down_us: self.down * MINUTE_US,
            unknown_us: self.unknown * MINUTE_US,
            up_us: self.up * MINUTE_US,
        }
    }

    /// What was missed, and of how much, is more than 99.58 %.
    fn is_enough(self, missed: i64) -> bool {
        let base = self.down + self.unknown + self.up;
        (base - missed) * 10_000 > base * 9_958
    }

    pub fn verdict(self) -> Verdict {
        match (self.is_enough(self.down + self.unknown), self.is_enough(self.down)) {
            (true, _) => Verdict::Met,
            (false, true) => Verdict::Undetermined,
            (false, false) => Verdict::Breached,
        }
    }

    /// What it pays back at once, and in all once no evidence came in time: nothing is known to be
    /// more than was down, and then what is unknown counts as well.
    pub fn pays(self) -> (i64, i64) {
        let base = self.down + self.unknown + self.up;
        let price = self.price();
        let of = |missed: i64| {
            let quarter = (base - missed) * 100 < base * 99;
            if quarter { up(price, 4) } else { up(price, 10) }
        };
        let (soon, late) = (of(self.down), of(self.down + self.unknown));
        match self.verdict() {
            Verdict::Met => (0, 0),
            Verdict::Breached => (soon, late),
            Verdict::Undetermined => (0, late),
        }
    }

    /// What the month costs: each minute at the price of the plan that it had.
    fn price(self) -> i64 {
        let all = self.not_covered + self.down + self.unknown + self.planned + self.up;
        up(PRICE * (all - self.dear) + DEAR * self.dear, all)
    }
}

/// A part, rounded up to the whole rial.
fn up(rials: i64, parts: i64) -> i64 {
    rials / parts + i64::from(rials % parts > 0)
}

/// Whether nobody answered until the window of the desk was over that follows the one in which it
/// was asked, or the next one when it was closed then.
pub fn is_missed(place: usize, ticket: &Ticket) -> bool {
    let open = |at: usize| is_open(place, at);
    let mut at = ticket.asked_at;
    while open(at) {
        at += 1;
    }
    while !open(at) {
        at += 1;
    }
    while open(at) {
        at += 1;
    }
    ticket.asked_at + ticket.answered_after > at
}

/// When what is promised of a report is due, and when it was done: in minutes of its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    pub due: usize,
    pub done: usize,
}

impl Promise {
    pub fn is_missed(self) -> bool {
        self.done > self.due
    }
}

/// The result: within a day and a night.
pub fn triage(report: &Report) -> Promise {
    Promise { due: report.reported_at + DAY, done: report.result_at() }
}

/// The fix of a fault of ours, or a date for it: by the end of business of the third day after the
/// result, which is never taken to have come later than it was due.
pub fn fix(place: usize, report: &Report) -> Option<Promise> {
    let start = triage(report).done.min(triage(report).due);
    let due = business_ends(place, start / DAY + 3);
    match report.found {
        Found::Question => None,
        Found::Minor { .. } | Found::Structural { .. } => {
            Some(Promise { due, done: report.mended_at()? })
        }
    }
}

/// What was announced is delivered by its date.
pub fn delivery(report: &Report) -> Option<Promise> {
    let due = report.date()?;
    Some(Promise { due, done: report.delivered_at()? })
}

/// Why a claim is not taken, by the words of the agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    Unpaid,
    Late,
}

/// Whether a claim of a month is taken, which is made until the end of the second after it by who
/// had paid when it happened.
pub fn taken(
    claim: &super::script::Claim,
    unpaid: &Range<usize>,
) -> std::result::Result<(), NotTaken> {
    if claim.customer == CUSTOMERS - 1 && unpaid.contains(&claim.event_at) {
        Err(NotTaken::Unpaid)
    } else if claim.months_later > 2 {
        Err(NotTaken::Late)
    } else {
        Ok(())
    }
}

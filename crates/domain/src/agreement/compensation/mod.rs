//! What a breached month pays back: a schedule that the operator publishes, never a number of ours
//! (C29, A25, A26). Without a published schedule there is no number.

mod text;

use std::cmp::Ordering;

pub use text::{TEXT_MAX, Unread};

use super::availability::{Fraction, Verdict};
use crate::calendar::month::PersianMonth;
use crate::{Rials, Timestamp};

/// The most rows of a schedule.
pub const ROWS_MAX: usize = 100;
/// The longest time in which what was computed may be looked at before it is owed, hours.
pub const REVIEW_HOURS_MAX: u32 = 720;
/// All of it, in hundredths of a percent.
const WHOLE_BP: u64 = 10_000;
/// All of a month's time, parts per million.
const TOP_PPM: u64 = 1_000_000;
/// The highest multiple of the excess, and the most days, in hundredths.
const HUNDREDTHS_MAX: u64 = 10_000;
const SECOND_US: i64 = 1_000_000;
const DAY_US: i128 = 86_400_000_000;

/// A row: what a stretch of values pays back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Where it begins: parts per million of availability, or seconds of downtime.
    pub from: u64,
    /// Where it ends; `None` for no end.
    pub to: Option<u64>,
    /// What it pays back: hundredths of a percent, or of a day.
    pub rate: u64,
}

/// How a schedule reckons (L25).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A percentage of the price by availability.
    PercentByAvailability(Vec<Row>),
    /// A percentage of the price by downtime.
    PercentByDownTime(Vec<Row>),
    /// So many days of the fee by downtime.
    DaysByDownTime(Vec<Row>),
    /// So many times the downtime beyond what was allowed, in hundredths.
    MultipleOfExcess(u64),
}

/// To which row a value belongs that lies just between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// The one below it.
    Lower,
    /// The one above it.
    Upper,
}

/// What an operator wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// How it reckons.
    pub shape: Shape,
    /// Where the values between two rows belong.
    pub border: Border,
    /// The most that a month pays back, hundredths of a percent of the price.
    pub cap_bp: u64,
    /// The most that a month pays back together with what the committee grants for it, hundredths
    /// of a percent of the price (A27); `None` leaves that to the committee.
    pub total_cap_bp: Option<u64>,
    /// What is less than this is not paid.
    pub min: Rials,
    /// How long what was computed may be looked at before it is owed, hours.
    pub review_hours: u32,
    /// Who wrote it.
    pub author: String,
}

/// Why a draft is no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No rows, or more than [`ROWS_MAX`].
    Rows,
    /// This row ends where it begins, or before.
    EmptyRow(usize),
    /// From here on no row says anything (L26).
    Hole(u64),
    /// Here two rows say something.
    Overlap(u64),
    /// In this row more downtime pays back less.
    Decreasing(usize),
    /// This row pays back more than there is.
    TooMuch(usize),
    /// The cap is nothing, or more than 100 %.
    Cap,
    /// The cap of both tracks is less than that of one, or more than 100 %.
    TotalCap,
    /// The least amount is negative.
    Min,
    /// It may be looked at for more than [`REVIEW_HOURS_MAX`].
    Review,
    /// Who wrote it may not approve it (I16), and both have to be named.
    SamePerson,
    /// It would be in force in a time that has begun, and pay back less than what was (T142).
    LowersThePast,
}

/// A schedule that a second person approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    draft: Draft,
    approver: String,
    effective_from: PersianMonth,
    published_at: Timestamp,
}

/// What was measured of a month, for one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The figure that decides.
    pub availability: Fraction,
    /// Downtime, microseconds.
    pub down_us: i64,
    /// Downtime beyond what was allowed, microseconds.
    pub excess_us: i64,
    /// The month it is a part of.
    pub month: PersianMonth,
}

/// What follows from a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compensation {
    /// The promise was kept.
    Nothing,
    /// The unknown decides; the committee waits for evidence.
    Held,
    /// It was broken, and no schedule is published.
    AwaitingSchedule,
    /// So much.
    Amount(Rials),
}

impl Draft {
    /// Makes it a schedule, from the start of a month on.
    ///
    /// # Errors
    /// The first thing that is wrong with it, or with the two persons.
    pub fn approve(
        self,
        approver: &str,
        effective_from: PersianMonth,
        published_at: Timestamp,
        published: &[Schedule],
    ) -> Result<Schedule, Refusal> {
        self.validate()?;
        let name = |text: &str| text.trim().to_lowercase();
        let (author, second) = (name(&self.author), name(approver));
        if author.is_empty() || second.is_empty() || author == second {
            return Err(Refusal::SamePerson);
        }
        let approver = approver.to_owned();
        let schedule = Schedule { draft: self, approver, effective_from, published_at };
        if schedule.lowers_the_past(published) {
            return Err(Refusal::LowersThePast);
        }
        Ok(schedule)
    }

    /// Whether every value has exactly one answer, and more downtime never a smaller one (I10).
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), Refusal> {
        if !(1..=WHOLE_BP).contains(&self.cap_bp) {
            return Err(Refusal::Cap);
        }
        if self.total_cap_bp.is_some_and(|total| !(self.cap_bp..=WHOLE_BP).contains(&total)) {
            return Err(Refusal::TotalCap);
        }
        if self.min < Rials::ZERO {
            return Err(Refusal::Min);
        }
        if self.review_hours > REVIEW_HOURS_MAX {
            return Err(Refusal::Review);
        }
        match &self.shape {
            Shape::PercentByAvailability(rows) => {
                complete(rows, Some(TOP_PPM))?;
                monotone(rows, WHOLE_BP, |before, after| before >= after)
            }
            Shape::PercentByDownTime(rows) => {
                complete(rows, None)?;
                monotone(rows, WHOLE_BP, |before, after| before <= after)
            }
            Shape::DaysByDownTime(rows) => {
                complete(rows, None)?;
                monotone(rows, HUNDREDTHS_MAX, |before, after| before <= after)
            }
            Shape::MultipleOfExcess(times) if *times > HUNDREDTHS_MAX => Err(Refusal::TooMuch(0)),
            Shape::MultipleOfExcess(_) => Ok(()),
        }
    }

    /// What a month pays back of `price`, a part of it as numerator and denominator.
    fn share(&self, measured: &Measured) -> (i128, i128) {
        let month_us = i128::from(measured.month.length_us());
        let by_down_time = |rows: &[Row]| {
            let cmp = |seconds: u64| {
                let bound = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND_US);
                measured.down_us.cmp(&bound)
            };
            i128::from(self.rate(rows, cmp))
        };
        match &self.shape {
            Shape::PercentByAvailability(rows) => {
                let cmp = |ppm: u64| {
                    let ppm = u32::try_from(ppm).unwrap_or(u32::MAX);
                    measured.availability.cmp_ppm(ppm)
                };
                (i128::from(self.rate(rows, cmp)), i128::from(WHOLE_BP))
            }
            Shape::PercentByDownTime(rows) => (by_down_time(rows), i128::from(WHOLE_BP)),
            Shape::DaysByDownTime(rows) => (by_down_time(rows) * DAY_US, 100 * month_us),
            Shape::MultipleOfExcess(times) => {
                let excess = i128::from(measured.excess_us.max(0));
                (i128::from(*times) * excess, 100 * month_us)
            }
        }
    }

    /// The rate of the one row that has the value; `cmp` compares the value with a bound.
    fn rate(&self, rows: &[Row], cmp: impl Fn(u64) -> Ordering) -> u64 {
        let begun = |row: &&Row| match cmp(row.from) {
            Ordering::Greater => true,
            Ordering::Equal => self.border == Border::Upper || row.from == 0,
            Ordering::Less => false,
        };
        // The last that has begun: rows follow each other without gap.
        rows.iter().rfind(begun).map_or(0, |row| row.rate)
    }

    /// What a month pays back of `price`: rounded up to the rial, at most the cap, and nothing if
    /// that is less than the least amount.
    pub fn amount(&self, price: Rials, measured: &Measured) -> Rials {
        let price = i128::from(price.0.max(0));
        let (part, whole) = self.share(measured);
        let share =
            up(price * part, whole).min(price * i128::from(self.cap_bp) / i128::from(WHOLE_BP));
        self.at_least(Rials(i64::try_from(share).expect("a part of the price is no more than it")))
    }

    /// The amount, or nothing when it is less than the least that is paid.
    pub fn at_least(&self, amount: Rials) -> Rials {
        if amount < self.min { Rials::ZERO } else { amount }
    }

    /// How much of a month that costs `price` may still be paid back, when `taken` of it was
    /// granted or paid before, on whatever ground; `None` when nothing bounds that (A27).
    pub fn left_of(&self, price: Rials, taken: Rials) -> Option<Rials> {
        let cap = i128::from(price.0.max(0)) * i128::from(self.total_cap_bp?);
        let left = (cap / i128::from(WHOLE_BP) - i128::from(taken.0)).max(0);
        Some(Rials(i64::try_from(left).unwrap_or(i64::MAX)))
    }
}

impl Schedule {
    /// A schedule as it was kept when it was published; it was judged then.
    pub fn kept(
        draft: Draft,
        approver: String,
        effective_from: PersianMonth,
        published_at: Timestamp,
    ) -> Self {
        Self { draft, approver, effective_from, published_at }
    }

    /// The first month it is in force.
    pub fn effective_from(&self) -> PersianMonth {
        self.effective_from
    }

    /// What it says.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Who approved it.
    pub fn approver(&self) -> &str {
        &self.approver
    }

    /// When it was published.
    pub fn published_at(&self) -> Timestamp {
        self.published_at
    }

    /// Whether it changes a month that has begun to the worse.
    fn lowers_the_past(&self, published: &[Self]) -> bool {
        let now = PersianMonth::of(self.published_at);
        let mut month = self.effective_from;
        while month <= now {
            let before = in_effect(published, month);
            if before.is_some_and(|before| !self.draft.pays_no_less_than(&before.draft, month)) {
                return true;
            }
            month = month.next();
        }
        false
    }
}

impl Draft {
    /// Whether no month pays back less by this one. Steps are asked at every border of either and
    /// beside it; of two straight lines that end in a cap, the steeper one pays more before it.
    fn pays_no_less_than(&self, before: &Self, month: PersianMonth) -> bool {
        let same_kind =
            std::mem::discriminant(&self.shape) == std::mem::discriminant(&before.shape);
        let asked = |measured: &Measured| {
            let part = |draft: &Self| {
                let (part, whole) = draft.share(measured);
                let cap = i128::from(draft.cap_bp);
                // Of a thousand million, at most the cap.
                up(part * 1_000_000_000, whole).min(cap * 100_000)
            };
            part(self) >= part(before)
        };
        let probes: Vec<Measured> = self.probes(month).chain(before.probes(month)).collect();
        let total = |draft: &Self| draft.total_cap_bp.unwrap_or(u64::MAX);
        let is_flatter = match (&self.shape, &before.shape) {
            (Shape::MultipleOfExcess(new), Shape::MultipleOfExcess(old)) => new < old,
            _ => false,
        };
        same_kind
            && !is_flatter
            && self.min <= before.min
            && total(self) >= total(before)
            && probes.iter().all(asked)
    }

    fn probes(&self, month: PersianMonth) -> impl Iterator<Item = Measured> {
        let (rows, of_availability) = match &self.shape {
            Shape::PercentByAvailability(rows) => (rows.as_slice(), true),
            Shape::PercentByDownTime(rows) | Shape::DaysByDownTime(rows) => {
                (rows.as_slice(), false)
            }
            Shape::MultipleOfExcess(_) => (&[][..], false),
        };
        let length = month.length_us();
        let bounds: Vec<u64> = rows.iter().map(|row| row.from).chain([TOP_PPM]).collect();
        bounds.into_iter().flat_map(move |bound| {
            let bound = i64::try_from(bound).unwrap_or(i64::MAX / SECOND_US / 2);
            [-1, 0, 1].into_iter().filter_map(move |beside| {
                let at = bound.saturating_mul(SECOND_US).saturating_add(beside).max(0);
                let (part, down_us) = if of_availability { (at, 0) } else { (0, at) };
                let availability = Fraction::new(part, 1_000_000 * SECOND_US)?;
                Some(Measured { availability, down_us, excess_us: length, month })
            })
        })
    }
}

/// The schedule in force for a month: the last that was published of those that began (T142).
pub fn in_effect(published: &[Schedule], month: PersianMonth) -> Option<&Schedule> {
    let begun = published.iter().filter(|schedule| schedule.effective_from <= month);
    begun.max_by_key(|schedule| (schedule.effective_from, schedule.published_at))
}

/// What a month of this verdict pays back of `price`.
pub fn compensate(
    verdict: Verdict,
    schedule: Option<&Schedule>,
    price: Rials,
    measured: &Measured,
) -> Compensation {
    match (verdict, schedule) {
        (Verdict::Met, _) => Compensation::Nothing,
        (Verdict::Undetermined, _) => Compensation::Held,
        (Verdict::Breached, None) => Compensation::AwaitingSchedule,
        (Verdict::Breached, Some(schedule)) => {
            Compensation::Amount(schedule.draft.amount(price, measured))
        }
    }
}

/// What a month costs of a plan that is paid for so many, rounded up; `None` for no months.
pub fn monthly_price(price: Rials, months: u16) -> Option<Rials> {
    let months = i128::from(months);
    let share = (months > 0).then(|| up(i128::from(price.0.max(0)), months))?;
    i64::try_from(share).ok().map(Rials)
}

/// The quotient, rounded up.
fn up(part: i128, whole: i128) -> i128 {
    part.div_euclid(whole) + i128::from(part.rem_euclid(whole) > 0)
}

/// Whether rows in order say one thing for each value from nothing to `top`.
fn complete(rows: &[Row], top: Option<u64>) -> Result<(), Refusal> {
    if !(1..=ROWS_MAX).contains(&rows.len()) {
        return Err(Refusal::Rows);
    }
    let mut reached = Some(0);
    for (place, row) in rows.iter().enumerate() {
        let reached_to = reached.ok_or(Refusal::Overlap(row.from))?;
        match row.from.cmp(&reached_to) {
            Ordering::Less => return Err(Refusal::Overlap(row.from)),
            Ordering::Greater => return Err(Refusal::Hole(reached_to)),
            Ordering::Equal => {}
        }
        if row.to.is_some_and(|to| to <= row.from) {
            return Err(Refusal::EmptyRow(place));
        }
        reached = row.to;
    }
    match (reached, top) {
        (Some(reached), None) => Err(Refusal::Hole(reached)),
        (Some(reached), Some(top)) if reached < top => Err(Refusal::Hole(reached)),
        _ => Ok(()),
    }
}

fn monotone(rows: &[Row], max: u64, in_order: fn(u64, u64) -> bool) -> Result<(), Refusal> {
    if let Some(place) = rows.iter().position(|row| row.rate > max) {
        return Err(Refusal::TooMuch(place));
    }
    match rows.windows(2).position(|two| !in_order(two[0].rate, two[1].rate)) {
        Some(place) => Err(Refusal::Decreasing(place + 1)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

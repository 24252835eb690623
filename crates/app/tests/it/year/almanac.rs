//! The calendar of the year, from what anybody can look up: when its first month began, how long
//! its months are, and which of its days are off. It shares nothing with that of the platform.

use domain::Timestamp;

use super::{DAY, HOUR, MINUTE_US};

/// Dey 1405 began on a Tuesday, which was 2026-12-22, at midnight in Tehran: half past eight in
/// the evening before by UTC.
const FIRST_US: i64 = 1_797_885_000_000_000;
/// How many days later the first Friday was.
const FRIDAY: usize = 3;
/// The days of the months from Dey 1405 to that of 1406. The leap years around are 1403 and 1408.
const DAYS: [usize; 13] = [30, 30, 29, 31, 31, 31, 31, 31, 31, 30, 30, 30, 30];
/// Official holidays by the place of their month and their day in it, as the data set `holidays`
/// 0.109 has them for Iran.
const HOLIDAYS: [(usize, usize); 28] = [
    (0, 2),
    (0, 16),
    (1, 4),
    (1, 22),
    (2, 10),
    (2, 19),
    (2, 20),
    (2, 29),
    (3, 1),
    (3, 2),
    (3, 3),
    (3, 4),
    (3, 12),
    (3, 13),
    (3, 14),
    (4, 27),
    (5, 4),
    (5, 14),
    (5, 15),
    (5, 25),
    (5, 26),
    (7, 3),
    (7, 11),
    (7, 12),
    (7, 20),
    (7, 29),
    (10, 12),
    (11, 21),
];

/// How many minutes the month of this place has.
pub fn length(place: usize) -> usize {
    DAYS[place] * DAY
}

/// A minute of the month of this place; minutes go on into the months after it.
pub fn at(place: usize, minute: usize) -> Timestamp {
    let days: usize = DAYS[..place].iter().sum();
    let minutes = i64::try_from(days * DAY + minute).unwrap();
    Timestamp(FIRST_US + minutes * MINUTE_US)
}

/// Whether a day, counted from 0 in the month of this place, is off.
pub fn is_off(mut place: usize, mut day: usize) -> bool {
    let days: usize = DAYS[..place].iter().sum::<usize>() + day;
    while day >= DAYS[place] {
        day -= DAYS[place];
        place += 1;
    }
    days % 7 == FRIDAY || HOLIDAYS.contains(&(place, day + 1))
}

/// Whether the desk is open in this minute of a month, from the words of the agreement.
pub fn is_open(place: usize, minute: usize) -> bool {
    let off = is_off(place, minute / DAY);
    let (first, last) = if off { (10 * HOUR, 22 * HOUR) } else { (8 * HOUR + 30, 24 * HOUR) };
    let of_day = minute % DAY;
    (first..last).contains(&of_day) && !(14 * HOUR..14 * HOUR + 45).contains(&of_day)
}

/// When a business day ends, in minutes of its month, from the words of the agreement.
pub fn business_ends(place: usize, day: usize) -> usize {
    day * DAY + if is_off(place, day) { 17 * HOUR } else { 21 * HOUR }
}

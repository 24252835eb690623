//! Dates and times of day as they stand in a text.

use super::number::{ordinal, words};

const JALALI_MONTHS: [&str; 12] = [
    "فروردین",
    "اردیبهشت",
    "خرداد",
    "تیر",
    "مرداد",
    "شهریور",
    "مهر",
    "آبان",
    "آذر",
    "دی",
    "بهمن",
    "اسفند",
];
const GREGORIAN_MONTHS: [&str; 12] = [
    "ژانویه",
    "فوریه",
    "مارس",
    "آوریل",
    "مه",
    "ژوئن",
    "ژوئیه",
    "اوت",
    "سپتامبر",
    "اکتبر",
    "نوامبر",
    "دسامبر",
];

/// Reads a date at the start of `text`: `1405/08/23` is «بیستُ سومِ آبانِ هزارُ چهارصدُ پنج».
/// Year first or last, two-digit Jalali years, and Gregorian years 1900 to 2100 are known. Gives
/// the words and the bytes they stand for.
pub(super) fn date(text: &str) -> Option<(String, usize)> {
    let (first, rest) = leading_number(text)?;
    let separator = rest.chars().next().filter(|c| ['/', '-', '.'].contains(c))?;
    let (second, rest) = leading_number(rest.strip_prefix(separator)?)?;
    let (third, rest) = leading_number(rest.strip_prefix(separator)?)?;
    let goes_on = rest.strip_prefix(separator).is_some_and(|r| leading_number(r).is_some());
    if goes_on {
        return None;
    }
    let (year, day) = match (first.len(), third.len()) {
        (4, 1..=2) => (first, third),
        (1..=2, 4) => (third, first),
        (2, 2) if separator == '/' => (first, third),
        _ => return None,
    };
    let (year, month, day) =
        (year.parse().ok()?, second.parse::<usize>().ok()?, day.parse::<u64>().ok()?);
    let (months, last_day) = match year {
        1_900..=2_100 => (GREGORIAN_MONTHS, 31),
        1_200..=1_599 | 0..=99 => (JALALI_MONTHS, if month > 6 { 30 } else { 31 }),
        _ => return None,
    };
    let month = months.get(month.checked_sub(1)?)?;
    if !(1..=last_day).contains(&day) {
        return None;
    }
    let of = if month.ends_with(['ه', 'ی']) { "" } else { "\u{650}" };
    let spoken = format!("{}\u{650} {month}{of} {}", ordinal(day), words(year));
    Some((spoken, text.len() - rest.len()))
}

/// Reads a time of day at the start of `text`: `14:30` is «چهاردهُ سی دقیقه», `14:00` is
/// «ساعت چهارده» unless the text has said «ساعت» already. Between two numbers «و» is spoken "o".
pub(super) fn time(text: &str, hour_word_said: bool) -> Option<(String, usize)> {
    let (hour, rest) = leading_number(text).filter(|(hour, _)| hour.len() <= 2)?;
    let (minute, rest) = two_digits(rest)?;
    let (second, rest) = match two_digits(rest) {
        Some((second, rest)) => (Some(second), rest),
        None => (None, rest),
    };
    let hour = hour.parse::<u64>().ok().filter(|&hour| hour < 24)?;
    if minute > 59 || second.is_some_and(|second| second > 59) {
        return None;
    }
    let on_the_hour = minute == 0 && !hour_word_said;
    let hour = if on_the_hour { format!("ساعت {}", words(hour)) } else { words(hour) };
    let parts = [(minute, "دقیقه"), (second.unwrap_or(0), "ثانیه")];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts = parts.map(|(count, unit)| format!("{} {unit}", words(*count)));
    let parts = parts.collect::<Vec<_>>().join(" و ");
    let spoken = if parts.is_empty() { hour } else { format!("{hour}\u{64f} {parts}") };
    Some((spoken, text.len() - rest.len()))
}

/// `:` and exactly two digits.
fn two_digits(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = leading_number(text.strip_prefix(':')?)?;
    if digits.len() == 2 { Some((digits.parse().ok()?, rest)) } else { None }
}

/// The ASCII digits that `text` starts with, if any, and the rest.
pub(super) fn leading_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 { None } else { Some(text.split_at(end)) }
}

//! A figure as it stands in a text: amount, decimal, date, time, telephone or card number.

use super::date::{date, leading_number, time};
use super::digits;
use super::number::{ordinal, words};

/// Digits from which a bare number is no amount but a code: account, card, national numbers.
const CODE_LEN: usize = 11;
/// Longest number read in words; «هزار میلیارد» and beyond tell a listener nothing.
const WORDS_LEN: usize = 15;
/// Digits from which a number after «کد» and the like is read digit by digit.
const NAMED_CODE_LEN: usize = 4;

/// What the words before and after tell about a figure.
#[derive(Clone, Copy, Default)]
pub(super) struct Context {
    /// «کد», «رمز», «شماره» and the like stand before it.
    pub(super) code_named: bool,
    /// «ساعت» stands before it.
    pub(super) hour_word_said: bool,
}

/// Reads the figure that `text` starts with; `text` starts with an ASCII digit, or with `+` and a
/// digit. Gives the words and the bytes they stand for, at least one.
pub(super) fn read(text: &str, context: Context) -> (String, usize) {
    if let Some(unsigned) = text.strip_prefix('+') {
        return spread_code(text, context).unwrap_or_else(|| {
            let (words, len) = read(unsigned, context);
            (format!("به علاوه {words}"), 1 + len)
        });
    }
    date(text)
        .or_else(|| time(text, context.hour_word_said))
        .or_else(|| spread_code(text, context))
        .or_else(|| grouped(text))
        .or_else(|| dotted_list(text))
        .or_else(|| decimal(text))
        .unwrap_or_else(|| plain(text, context))
}

/// `+98 21 8877 6655`, `0912 123 4567`, `6037-9911-2233-4455`, and after «کد» also `123 456`: codes
/// written in groups.
fn spread_code(text: &str, context: Context) -> Option<(String, usize)> {
    let international = text.starts_with('+');
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut groups: Vec<&str> = Vec::new();
    while let Some((group, after)) = leading_number(rest) {
        groups.push(group);
        let next = after.strip_prefix([' ', '-']).filter(|next| leading_number(next).is_some());
        let Some(next) = next else {
            rest = after;
            break;
        };
        rest = next;
    }
    let count: usize = groups.iter().map(|group| group.len()).sum();
    let phone = (international || groups.first()?.starts_with('0')) && (7..=15).contains(&count);
    let card = groups.len() == 4 && groups.iter().all(|group| group.len() == 4);
    let (group_len, unit_next) = (groups.first()?.len(), unit_follows(rest));
    let even = groups.len() > 1 && groups.iter().all(|group| group.len() == group_len);
    let named = context.code_named && even && (2..=4).contains(&group_len) && !unit_next;
    if !phone && !card && !named {
        return None;
    }
    let spoken = digits::list(groups.concat().chars().filter_map(digits::value));
    Some((spoken, text.len() - rest.len()))
}

/// `125,000`, `1.250.000`, and before a currency `125.000` and `125/000`, with commas also with a
/// decimal part.
fn grouped(text: &str) -> Option<(String, usize)> {
    let (head, mut rest) = leading_number(text).filter(|(head, _)| head.len() <= 3)?;
    let sign = rest.chars().next().filter(|c| [',', '،', '.', '/', '\''].contains(c))?;
    let mut number = head.to_owned();
    let mut groups = 0;
    while let Some((group, after)) = rest.strip_prefix(sign).and_then(leading_number) {
        if group.len() != 3 {
            break;
        }
        number.push_str(group);
        groups += 1;
        rest = after;
    }
    let money_follows =
        ["تومان", "تومن", "ریال", "﷼"].iter().any(|unit| rest.trim_start().starts_with(unit));
    let enough = match sign {
        '.' => groups > 1 || (groups == 1 && money_follows),
        '/' => groups > 0 && money_follows,
        _ => groups > 0,
    };
    if !enough || number.len() > WORDS_LEN {
        return None;
    }
    let mut spoken = words(number.parse().ok()?);
    if let Some((fraction, after)) =
        rest.strip_prefix('.').filter(|_| !['.', '/'].contains(&sign)).and_then(leading_number)
    {
        spoken.push_str(" ممیز ");
        spoken.push_str(&fraction_words(fraction));
        rest = after;
    }
    Some((spoken, text.len() - rest.len()))
}

/// `1.2.3`, `192.168.1.1`, `1/2/3`: numbers in a row that are no date, with pauses.
fn dotted_list(text: &str) -> Option<(String, usize)> {
    let (first, mut rest) = leading_number(text)?;
    let sign = rest.chars().next().filter(|c| ['.', '/', ':'].contains(c))?;
    let mut parts = vec![amount(first)];
    while let Some((part, after)) = rest.strip_prefix(sign).and_then(leading_number) {
        parts.push(amount(part));
        rest = after;
    }
    (parts.len() > 2).then(|| (parts.join("، "), text.len() - rest.len()))
}

/// `2.5`, and `2/5` as it is typed in Iran.
fn decimal(text: &str) -> Option<(String, usize)> {
    let (whole, rest) = leading_number(text).filter(|(whole, _)| whole.len() <= WORDS_LEN)?;
    let (fraction, rest) = leading_number(rest.strip_prefix(['.', '/'])?)?;
    let spoken = format!("{} ممیز {}", words(whole.parse().ok()?), fraction_words(fraction));
    Some((spoken, text.len() - rest.len()))
}

/// The digits after the point: leading zeros one by one, the rest as a number when it is short.
fn fraction_words(fraction: &str) -> String {
    let significant = fraction.trim_start_matches('0');
    if significant.len() > 6 || significant.is_empty() {
        return digits::list(fraction.chars().filter_map(digits::value));
    }
    let mut spoken = "صفر ".repeat(fraction.len() - significant.len());
    spoken.push_str(&amount(significant));
    spoken
}

/// A number without signs inside, with its ordinal ending or unit taken into account.
fn plain(text: &str, context: Context) -> (String, usize) {
    let (number, rest) = leading_number(text).unwrap_or(("0", text));
    if let Some((ending, len)) = ordinal_ending(rest) {
        let spoken = number.parse().ok().filter(|_| number.len() <= WORDS_LEN).map(ordinal);
        if let Some(spoken) = spoken {
            return (spoken + ending, number.len() + len);
        }
    }
    let spoken = if is_code(number, context) && !unit_follows(rest) {
        digits::list(number.chars().filter_map(digits::value))
    } else {
        amount(number)
    };
    (spoken, number.len())
}

fn is_code(number: &str, context: Context) -> bool {
    let mobile_without_zero = number.len() == 10 && number.starts_with('9');
    number.len() >= CODE_LEN
        || mobile_without_zero
        || (context.code_named && number.len() >= NAMED_CODE_LEN)
}

/// A number in words; with leading zeros, or when it is too long for words, digit by digit.
fn amount(number: &str) -> String {
    let by_digits = number.len() > WORDS_LEN || (number.len() > 1 && number.starts_with('0'));
    match number.parse() {
        Ok(value) if !by_digits => words(value),
        _ => digits::list(number.chars().filter_map(digits::value)),
    }
}

/// `5م`, `5ام`, `5 اُم`, `5مین`: what to add to the ordinal, and the bytes of the ending.
fn ordinal_ending(rest: &str) -> Option<(&'static str, usize)> {
    const ENDINGS: [(&str, &str); 6] =
        [("امین", "ین"), ("اُمین", "ین"), ("مین", "ین"), ("ام", ""), ("اُم", ""), ("م", "")];
    let apart = rest.strip_prefix(' ').filter(|bare| bare.starts_with('ا'));
    let bare = apart.or_else(|| rest.strip_prefix('\u{200c}')).unwrap_or(rest);
    ENDINGS.iter().find_map(|&(written, added)| {
        let after = bare.strip_prefix(written)?;
        let ends = !after.starts_with(|c: char| c.is_alphabetic() || c == '\u{200c}');
        ends.then(|| (added, rest.len() - after.len()))
    })
}

/// Whether a unit stands right after the figure, so that it is an amount however long it is.
fn unit_follows(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\u{200c}']);
    let word: String = rest.chars().take_while(|c| c.is_alphabetic()).collect();
    rest.starts_with(['%', '﷼', '$', '€', '£']) || UNITS.contains(&word.as_str())
}

/// Words that follow an amount and never a code.
pub(super) const UNITS: [&str; 25] = [
    "تومان",
    "تومن",
    "ریال",
    "دلار",
    "یورو",
    "پوند",
    "درصد",
    "هزار",
    "میلیون",
    "میلیارد",
    "نفر",
    "روز",
    "ساعت",
    "دقیقه",
    "ثانیه",
    "ماه",
    "هفته",
    "سال",
    "بار",
    "عدد",
    "کیلو",
    "کیلوگرم",
    "گرم",
    "متر",
    "کیلومتر",
];

//! Whole numbers in Persian words.

const UNITS: [&str; 20] = [
    "صفر",
    "یک",
    "دو",
    "سه",
    "چهار",
    "پنج",
    "شش",
    "هفت",
    "هشت",
    "نُه",
    "ده",
    "یازده",
    "دوازده",
    "سیزده",
    "چهارده",
    "پانزده",
    "شانزده",
    "هفده",
    "هجده",
    "نوزده",
];
const TENS: [&str; 10] = ["", "ده", "بیست", "سی", "چهل", "پنجاه", "شصت", "هفتاد", "هشتاد", "نود"];
const HUNDREDS: [&str; 10] =
    ["", "صد", "دویست", "سیصد", "چهارصد", "پانصد", "ششصد", "هفتصد", "هشتصد", "نهصد"];

/// The number in words, joined as spoken: `125` is «صدُ بیستُ پنج», since engines read a written
/// «و» as the bookish "va". `9` is «نُه», since «نه» is read "na".
///
/// From 10¹² on it counts in thousands of milliards («هزار میلیارد»), as prices are spoken in Iran.
pub fn words(number: u64) -> String {
    if number == 0 {
        return UNITS[0].to_owned();
    }
    let mut parts = Vec::new();
    collect(number, &mut parts);
    parts.join("\u{64f} ")
}

/// The number as an ordinal: `3` is «سوم», `23` is «بیستُ سوم», `30` is «سی‌اُم».
pub fn ordinal(number: u64) -> String {
    let mut words = words(number);
    if words.ends_with("سه") {
        words.truncate(words.len() - "ه".len());
        words.push_str("وم");
    } else if words.ends_with("سی") {
        words.push_str("\u{200c}اُم");
    } else {
        words.push('م');
    }
    words
}

/// Pushes the parts of `number`, which «و» joins, highest first. Zero has none.
fn collect(number: u64, parts: &mut Vec<String>) {
    for (scale, name) in [(1_000_000_000, "میلیارد"), (1_000_000, "میلیون")] {
        if number >= scale {
            parts.push(format!("{} {name}", words(number / scale)));
            return collect(number % scale, parts);
        }
    }
    match number {
        0 => {}
        1..=19 => parts.push(UNITS[index(number)].to_owned()),
        20..=99 => {
            parts.push(TENS[index(number / 10)].to_owned());
            collect(number % 10, parts);
        }
        100..=999 => {
            parts.push(HUNDREDS[index(number / 100)].to_owned());
            collect(number % 100, parts);
        }
        1_000..=1_999 => {
            parts.push("هزار".to_owned());
            collect(number % 1_000, parts);
        }
        _ => {
            parts.push(format!("{} هزار", words(number / 1_000)));
            collect(number % 1_000, parts);
        }
    }
}

fn index(digit: u64) -> usize {
    usize::try_from(digit).expect("callers pass at most 19")
}

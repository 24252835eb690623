//! Whether a text says what the parameters are (T173). What the agreement began with has to be
//! said; what that left open is checked where a text says it.

use super::super::cause::Cause;
use super::{
    BUSINESS, CALLBACK_ATTEMPTS, CALLBACK_NEXT, CALLBACK_RETRY, CALLBACK_SAME, CLAIM_MONTHS,
    COMMITTEE, COMPARISON, DECISION, EVIDENCE, EXCLUDED_MAX, EXCLUSIONS, FIX, FREEZE, LEAD,
    Language, MEAN_LIMIT, OFFER_AFTER, Parameters, STARTS, SUPPORT, THRESHOLD, TRIAGE,
};
use crate::calendar::day::Weekday;
use crate::calendar::opening_hours::{CalendarKind, DayType, OpeningHours};

/// What a text need not say, and how it says it: the parameter, and the words before and after its
/// number in Persian and in English.
type Open = (usize, (&'static str, &'static str), (&'static str, &'static str));

const OPEN: [Open; 10] = [
    (DECISION, ("ظرف ", " روز کاری تصمیم"), ("decided within ", " business days")),
    (EVIDENCE, ("تا ", " روز کاری مدرک"), ("evidence within ", " business days")),
    (
        CLAIM_MONTHS,
        ("تا پایان ", " ماه پس از رویداد"),
        ("until the end of ", " months after the event"),
    ),
    (COMMITTEE, ("کمیته ای از حداقل ", " عضو"), ("committee of at least ", " members")),
    (CALLBACK_ATTEMPTS, ("تماس بازگشتی تا ", " بار"), ("called back up to ", " times")),
    (CALLBACK_RETRY, ("تماس بازگشتی هر ", " دقیقه"), ("called back every ", " minutes")),
    (
        CALLBACK_SAME,
        ("تا ", " دقیقه پیش از پایان ساعات پاسخگویی"),
        ("registered ", " minutes before the hours end"),
    ),
    (
        CALLBACK_NEXT,
        ("در ", " دقیقه نخست ساعات پاسخگویی بعد"),
        ("in the first ", " minutes of the next hours"),
    ),
    (
        EXCLUDED_MAX,
        ("کنار گذاشتن بیش از ", " درصد نمونه ها"),
        ("more than ", " percent of the samples"),
    ),
    (FREEZE, ("", " ساعت پس از پایان ماه"), ("frozen ", " hours after the end of the month")),
];

/// The days of the week as texts name them, in their order.
const DAYS: [(Weekday, &str, &str); 7] = [
    (Weekday::Saturday, "شنبه", "Saturday"),
    (Weekday::Sunday, "یکشنبه", "Sunday"),
    (Weekday::Monday, "دوشنبه", "Monday"),
    (Weekday::Tuesday, "سهشنبه", "Tuesday"),
    (Weekday::Wednesday, "چهارشنبه", "Wednesday"),
    (Weekday::Thursday, "پنجشنبه", "Thursday"),
    (Weekday::Friday, "جمعه", "Friday"),
];

/// The place of the first parameter that the text does not say as it is.
pub(super) fn missing(parameters: &Parameters, text: &str, language: Language) -> Option<usize> {
    let lines: Vec<String> = text.lines().map(plain).collect();
    let text = lines.join(" ");
    let percent = percent(parameters.number(THRESHOLD));
    let said: Vec<&str> = percentages(&text).collect();
    if said.is_empty() || said.iter().any(|number| *number != percent) {
        return Some(THRESHOLD);
    }
    let is_persian = language == Language::Persian;
    if !compares(&text, &percent, is_persian, parameters.is(COMPARISON, "at_least")) {
        return Some(COMPARISON);
    }
    let offer = parameters.number(OFFER_AFTER);
    let offer = format!("{}:{:02}", offer / 60, offer % 60);
    let number = |place: usize| parameters.number(place).to_string();
    let phrases = [
        (LEAD, number(LEAD), "{} ساعت قبل", "{} hours before"),
        (OFFER_AFTER, offer, "{} ثانیه", "{} seconds"),
        (MEAN_LIMIT, number(MEAN_LIMIT), "کمتر از {} ثانیه", "less than {} seconds"),
        (STARTS, number(STARTS), "{} پیام در دقیقه", "{} messages per minute"),
        (TRIAGE, number(TRIAGE), "طی {} ساعت", "within {} hours"),
        (FIX, number(FIX), "تا {} روز کاری", "within {} business days"),
    ];
    let unsaid = phrases.iter().find(|(_, value, persian, english)| {
        let phrase = if is_persian { persian } else { english };
        !text.contains(&phrase.replace("{}", value))
    });
    let name = |cause: Cause| if is_persian { cause.in_persian() } else { cause.in_english() };
    let causes = || parameters.exclusions().iter().any(|cause| !text.contains(&plain(name(cause))));
    let hours = || {
        let kinds = [(SUPPORT, CalendarKind::Support), (BUSINESS, CalendarKind::Business)];
        let is_unsaid = |kind| {
            let hours = parameters.hours(kind);
            let is_of_it =
                |line: &&String| is_of_business(line) == (kind == CalendarKind::Business);
            !lines.iter().filter(is_of_it).any(|line| says_hours(line, &hours, is_persian))
        };
        kinds.into_iter().find(|(_, kind)| is_unsaid(*kind)).map(|(place, _)| place)
    };
    let open = || {
        let says_another = |(place, persian, english): &&Open| {
            let (before, after) = if is_persian { persian } else { english };
            let value = number(*place);
            numbers_between(&text, before, after).any(|said| said != value)
        };
        OPEN.iter().find(says_another).map(|(place, ..)| *place)
    };
    let unsaid = unsaid.map(|(place, ..)| *place);
    unsaid.or_else(|| causes().then_some(EXCLUSIONS)).or_else(hours).or_else(open)
}

/// Whether a text says that a figure has to be above the threshold, or at least that.
fn compares(text: &str, percent: &str, is_persian: bool, at_least: bool) -> bool {
    let (above, least): (&[&str], &[&str]) = if is_persian {
        (&["بیش از ", "بیشتر از "], &["حداقل ", "دست کم "])
    } else {
        (&["more than ", "above "], &["at least "])
    };
    let says = |words: &[&str]| {
        words.iter().any(|word| {
            let phrase = format!("{word}{percent}");
            text.match_indices(&phrase)
                .any(|(at, _)| text[at + phrase.len()..].trim_start().starts_with('%'))
        })
    };
    says(above) != at_least && says(least) == at_least
}

/// Whether a line says what a business day is.
fn is_of_business(line: &str) -> bool {
    ["روزکاری", "روز کاری", "usiness day"].iter().any(|words| line.contains(words))
}

/// Whether a line says hours: all of its windows in their order, those of ordinary days first and
/// no others, and which days of the week are ordinary.
fn says_hours(line: &str, hours: &OpeningHours, is_persian: bool) -> bool {
    let days = [DayType::Ordinary, DayType::Off];
    let promised = days.iter().flat_map(|day| hours.windows(*day));
    let promised: Vec<(u16, u16)> =
        promised.map(|window| (window.from_minute(), window.to_minute())).collect();
    windows(line, if is_persian { "الی" } else { "to" }) == promised
        && says_rest(line, hours, is_persian)
}

/// The windows of a line in their order, as `8:30 to 14`.
fn windows(line: &str, between: &str) -> Vec<(u16, u16)> {
    let words: Vec<&str> = line.split(' ').collect();
    let times = words.windows(3).filter(|three| three[1] == between);
    times.filter_map(|three| Some((minute(three[0])?, minute(three[2])?))).collect()
}

/// The minute of the day that a word is: `8:30`, `14` or `24`, with what ends a sentence after it.
fn minute(word: &str) -> Option<u16> {
    let word = word.trim_end_matches(['.', ',', '،', ';', ')']);
    let (hour, minute) = word.split_once(':').unwrap_or((word, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let minute = hour.parse::<u16>().ok()?.checked_mul(60)?.checked_add(minute.parse().ok()?)?;
    (minute <= 24 * 60).then_some(minute)
}

/// Whether a line says which days are of rest: the first ordinary day of the week and the last one,
/// where they follow each other, else each day of rest by its name.
fn says_rest(line: &str, hours: &OpeningHours, is_persian: bool) -> bool {
    let joined;
    let (line, between) = if is_persian {
        joined = joined_days(line);
        (joined.as_str(), " تا ")
    } else {
        (line, " to ")
    };
    let is_rest = |day: Weekday| hours.day_type(day, false) == DayType::Off;
    let name = |at: usize| if is_persian { DAYS[at].1 } else { DAYS[at].2 };
    let ordinary: Vec<usize> = (0..7).filter(|at| !is_rest(DAYS[*at].0)).collect();
    if let (Some(first), Some(last)) = (ordinary.first(), ordinary.last())
        && last - first + 1 == ordinary.len()
    {
        return is_word(line, &format!("{}{between}{}", name(*first), name(*last)));
    }
    (0..7).filter(|at| is_rest(DAYS[*at].0)).all(|at| is_word(line, name(at)))
}

/// A line with the days of the week each as one word: پنج شنبه and 5شنبه are پنجشنبه.
fn joined_days(line: &str) -> String {
    let mut line = line.to_owned();
    for (first, number) in [("یک", '1'), ("دو", '2'), ("سه", '3'), ("چهار", '4'), ("پنج", '5')]
    {
        let joined = format!("{first}شنبه");
        line = line.replace(&format!("{first} شنبه"), &joined);
        line = line.replace(&format!("{number}شنبه"), &joined);
        line = line.replace(&format!("{number} شنبه"), &joined);
    }
    line
}

/// Whether a text has these words with no letters or digits before or after them.
fn is_word(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        !text[..at].ends_with(char::is_alphanumeric)
            && !text[at + words.len()..].starts_with(char::is_alphanumeric)
    })
}

/// The numbers that stand between these words.
fn numbers_between<'a>(
    text: &'a str,
    before: &'a str,
    after: &'a str,
) -> impl Iterator<Item = &'a str> {
    text.match_indices(after).filter_map(move |(at, _)| {
        let rest = text[..at].trim_end_matches(|one: char| one.is_ascii_digit());
        let number = &text[rest.len()..at];
        (!number.is_empty() && rest.ends_with(before)).then_some(number)
    })
}

/// The text with ASCII digits and single spaces.
fn plain(text: &str) -> String {
    let ascii: String = text
        .chars()
        .map(|c| match c {
            '۰'..='۹' => char::from_digit(u32::from(c) - u32::from('۰'), 10).unwrap_or(c),
            '٠'..='٩' => char::from_digit(u32::from(c) - u32::from('٠'), 10).unwrap_or(c),
            '٪' => '%',
            '٫' => '.',
            // Half a space.
            '\u{200c}' => ' ',
            _ => c,
        })
        .collect();
    ascii.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Parts per million as percent, without zeros that say nothing: `99.58`.
fn percent(ppm: u64) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Every number with a percent sign after it.
fn percentages(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('%').filter_map(|(at, _)| {
        let before = text[..at].trim_end();
        let number = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = &before[number.len()..];
        number.starts_with(|c: char| c.is_ascii_digit()).then_some(number)
    })
}

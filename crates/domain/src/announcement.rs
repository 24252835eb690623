//! What everybody is told: news of the operator, and the notices of planned maintenance (C28). In
//! Persian, with the date, the day of the week and both times.

use crate::Timestamp;
use crate::agreement::availability::Window;
use crate::agreement::scope::CoveredPath;
use crate::agreement::violation::Clause;
use crate::calendar::day::{Day, Weekday};
use crate::calendar::jalali::clock_time;

/// Longest title, bytes.
pub const TITLE_MAX: usize = 300;
/// Longest title and text together, as [`Text::whole`] has them, UTF-16 units: the messages of
/// networks have so many characters, which they count so.
pub const WHOLE_MAX: usize = 4_096;
/// The longest time for which something is told, microseconds: a year.
const LENGTH_MAX_US: i64 = 366 * 86_400_000_000;
/// The pauses between tries to tell it in one place, milliseconds; the last one goes on.
const PAUSES_MS: [i64; 6] = [5_000, 20_000, 60_000, 300_000, 900_000, 3_600_000];

const PLANNED: &str = "نگهداری برنامه‌ریزی‌شده";
const CHANGED: &str = "تغییر نگهداری برنامه‌ریزی‌شده";
const CANCELLED: &str = "لغو نگهداری برنامه‌ریزی‌شده";
const OVERSIGHT: &str = "نظارت بر توافق‌نامه: مهلت‌ها و تخلف‌های تازه";
const MORE: &str = "موارد دیگر، که «avanak oversight» نشان می‌دهد";
const AWAY: &str = "سرویس‌هایی که در این زمان در دسترس نیستند";
/// The months of the Persian calendar.
const MONTHS: [&str; 12] = [
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

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub title: String,
    /// The rest; may have several lines.
    pub body: String,
}

/// Whom something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audience {
    /// Everybody.
    #[default]
    Public,
    /// Who oversees the agreement (C03), and nobody else.
    Manager,
}

impl Audience {
    /// The word under which it is kept.
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Manager => "manager",
        }
    }

    /// What a word means.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Public, Self::Manager].into_iter().find(|one| one.word() == word)
    }
}

/// Why something is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has no title, or one that is too long or has several lines.
    Title,
    /// It has no text, or one that is too long with its title.
    Body,
    /// It would be over before it begins, or is, or lasts longer than a year.
    Time,
}

impl Text {
    /// What the operator wants to be told.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(title: &str, body: &str) -> Result<Self, Refusal> {
        let (title, body) = (title.trim(), body.trim());
        if title.is_empty() || title.len() > TITLE_MAX || !is_line(title) {
            return Err(Refusal::Title);
        }
        if body.is_empty() || !body.split('\n').all(is_line) {
            return Err(Refusal::Body);
        }
        let text = Self { title: title.to_owned(), body: body.to_owned() };
        if text.whole().encode_utf16().count() > WHOLE_MAX {
            return Err(Refusal::Body);
        }
        Ok(text)
    }

    /// The notice of a maintenance.
    pub fn of_maintenance(what: &str, plan: &Window, is_change: bool) -> Self {
        let heading = if is_change { CHANGED } else { PLANNED };
        let names: Vec<&str> = plan.paths.iter().map(name).collect();
        let whom = if plan.scope.is_everyone() {
            "همهٔ مشترکان"
        } else {
            "بخشی از مشترکان"
        };
        let body = format!(
            "موضوع: {what}\nاز {}\nتا {}\n{AWAY}: {}\nبرای: {whom}",
            moment(plan.span.from),
            moment(plan.span.to),
            names.join("، "),
        );
        Self { title: heading.to_owned(), body }
    }

    /// The notice that a maintenance will not be.
    pub fn of_cancellation(what: &str, plan: &Window) -> Self {
        let body = format!(
            "نگهداری برنامه‌ریزی‌شدهٔ زیر انجام نمی‌شود.\nموضوع: {what}\nاز {}\nتا {}",
            moment(plan.span.from),
            moment(plan.span.to),
        );
        Self { title: CANCELLED.to_owned(), body }
    }

    /// What the manager is told, a line for each: as many as there is room for, and how many more
    /// there are.
    pub fn of_oversight(lines: &[String]) -> Self {
        let mut text = Self { title: OVERSIGHT.to_owned(), body: String::new() };
        for (place, line) in lines.iter().enumerate() {
            let more = lines.len() - place;
            let rest = persian(&format!("{MORE}: {more}"));
            let whole = format!("{}{line}\n{rest}", text.whole());
            if whole.encode_utf16().count() > WHOLE_MAX {
                text.body.push_str(&rest);
                return text;
            }
            text.body.push_str(line);
            text.body.push('\n');
        }
        text.body.truncate(text.body.trim_end().len());
        text
    }

    /// All of it, as a network shows it.
    pub fn whole(&self) -> String {
        format!("{}\n\n{}", self.title, self.body)
    }
}

/// Whether a text is one line, of characters that every place can show: XML 1.0 (section 2.2), in
/// which the feed is written, has neither control characters nor U+FFFE and U+FFFF.
pub fn is_line(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}'))
}

/// Whether something may be told from now on until a moment.
///
/// # Errors
/// It is over, or lasts too long.
pub fn may_last(now: Timestamp, until: Timestamp) -> Result<(), Refusal> {
    let length_us = until.us_since(now);
    if length_us <= 0 || length_us > LENGTH_MAX_US { Err(Refusal::Time) } else { Ok(()) }
}

/// When it is told again in a place after so many tries that failed, milliseconds later. It is
/// tried as long as it is worth telling.
pub fn pause_after(tries: u32) -> i64 {
    let place = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    PAUSES_MS[place.min(PAUSES_MS.len() - 1)]
}

/// What the manager is told of a deadline that is near (`near`) or missed (`missed`), or of an
/// entry of the ledger of violations (`entered`): what of, by its word and its number, when that
/// was due, and who has it.
pub fn oversight_line(
    (kind, subject): (&str, &str),
    item: i64,
    due: Option<Timestamp>,
    holder: Option<&str>,
) -> String {
    let what = match kind {
        "near" => "مهلت نزدیک است",
        "missed" => "مهلت گذشته است",
        _ => "تخلف ثبت شد",
    };
    let due = due.filter(|_| kind != "entered");
    let due = due.map_or(String::new(), |due| format!("، تا {}", moment(due)));
    let holder = holder.filter(|name| is_line(name));
    let holder = holder.map_or(String::new(), |name| format!("، نزد {name}"));
    let number = match subject {
        // Months are numbered by their digits.
        "evidence" | "review" => format!("{}/{:02}", item / 100, item % 100),
        _ => item.to_string(),
    };
    let name = match Clause::parse(subject) {
        Some(clause) if kind == "entered" => clause.number(),
        _ => desk_name(subject),
    };
    format!("{what}: {name} {}{due}{holder}", persian(&number))
}

/// What has a clock at the desk, as its manager knows it.
fn desk_name(word: &str) -> &str {
    match word {
        "ticket" => "تیکت",
        "triage" => "بررسی گزارش خطا",
        "fix" => "رفع خطا",
        "delivery" => "تحویل کار ساختاری",
        "callback" => "تماس برگشتی",
        "caller" => "تماس‌گیرندهٔ منتظر",
        "claim" => "درخواست جبران",
        "evidence" => "شواهد ماه",
        "review" => "بازبینی ماه",
        "notice" => "اعلان نگهداری",
        "dispute" => "اعتراض به تخلف",
        "payout" => "پرداخت جبران",
        other => other,
    }
}

/// A part of the service as customers know it.
fn name(path: CoveredPath) -> &'static str {
    match path {
        CoveredPath::Panel => "پنل کاربری",
        CoveredPath::Api => "وب‌سرویس",
        CoveredPath::QuickSend => "ارسال سریع",
        CoveredPath::Campaign => "ارسال انبوه",
    }
}

/// `یکشنبه ۸ آذر ۱۴۰۵ ساعت ۰۲:۰۰`, in Tehran.
pub fn moment(at: Timestamp) -> String {
    let day = Day::of(at);
    let (year, month, number) = day.to_jalali();
    let month = MONTHS[usize::from(month) - 1];
    let weekday = weekday(day.weekday());
    persian(&format!("{weekday} {number} {month} {year} ساعت {}", clock_time(at)))
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Saturday => "شنبه",
        Weekday::Sunday => "یکشنبه",
        Weekday::Monday => "دوشنبه",
        Weekday::Tuesday => "سه‌شنبه",
        Weekday::Wednesday => "چهارشنبه",
        Weekday::Thursday => "پنجشنبه",
        Weekday::Friday => "جمعه",
    }
}

/// The text with Persian digits.
pub(crate) fn persian(text: &str) -> String {
    let digit = |letter: char| match letter.to_digit(10) {
        Some(digit) => char::from_u32(u32::from('۰') + digit).expect("there are ten of them"),
        None => letter,
    };
    text.chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::scope::{Paths, Scope};
    use crate::calendar::date_time::Written;
    use crate::calendar::span::Span;

    fn at(text: &str) -> Timestamp {
        let written = Written::parse(text).unwrap();
        written.at_second(written.second().unwrap()).unwrap()
    }

    fn plan(paths: &str, scope: &str) -> Window {
        Window {
            paths: Paths::parse(paths).unwrap(),
            scope: Scope::parse(scope).unwrap(),
            span: Span::new(at("1405/09/08 02:00"), at("1405/09/08 04:30")).unwrap(),
        }
    }

    /// T085: date, day of the week, both times and what is away.
    #[test]
    fn a_notice_says_what_is_away_and_when() {
        let text = Text::of_maintenance("دیسک‌ها", &plan("panel,api", "everyone"), false);
        assert_eq!(text.title, "نگهداری برنامه‌ریزی‌شده");
        assert_eq!(
            text.body,
            "موضوع: دیسک‌ها\nاز یکشنبه ۸ آذر ۱۴۰۵ ساعت ۰۲:۰۰\nتا یکشنبه ۸ آذر ۱۴۰۵ ساعت ۰۴:۳۰\n\
             سرویس‌هایی که در این زمان در دسترس نیستند: پنل کاربری، وب‌سرویس\nبرای: همهٔ مشترکان"
        );
        let text = Text::of_maintenance("x", &plan("all", "cohort:1"), true);
        assert!(text.title.starts_with("تغییر") && text.body.ends_with("بخشی از مشترکان"));
        let text = Text::of_cancellation("x", &plan("all", "everyone"));
        assert!(text.whole().starts_with("لغو") && text.body.contains("۰۴:۳۰"));
    }

    #[test]
    fn what_is_no_text_is_not_told() {
        let of = |title: &str, body: &str| Text::new(title, body);
        assert!(of(" خبر ", " دو\nخط ").is_ok_and(|text| text.whole() == "خبر\n\nدو\nخط"));
        for title in ["", " ", "a\nb", "a\u{FFFE}", &"a".repeat(TITLE_MAX + 1)] {
            assert_eq!(of(title, "b"), Err(Refusal::Title), "{title}");
        }
        for body in ["", "\u{0}b", "b\n\u{FFFF}", &"b".repeat(WHOLE_MAX)] {
            assert_eq!(of("a", body), Err(Refusal::Body));
        }
        let now = Timestamp(0);
        assert_eq!(may_last(now, now), Err(Refusal::Time));
        assert_eq!(may_last(now, Timestamp(1)), Ok(()));
        assert_eq!(may_last(now, Timestamp(LENGTH_MAX_US + 1)), Err(Refusal::Time));
    }

    /// C03. Every clock of the board has a name in the language of who reads it.
    #[test]
    fn a_deadline_is_told_with_its_moment_and_who_has_it() {
        let line = |kind, subject, holder| {
            oversight_line((kind, subject), 12, Some(at("1405/09/08 02:00")), holder)
        };
        assert_eq!(
            line("missed", "ticket", Some("Sara")),
            "مهلت گذشته است: تیکت ۱۲، تا یکشنبه ۸ آذر ۱۴۰۵ ساعت ۰۲:۰۰، نزد Sara"
        );
        for clause in Clause::all() {
            let told = format!("تخلف ثبت شد: {} ۱۲", clause.number());
            assert_eq!(line("entered", clause.word(), Some("a\nb")), told);
        }
        let month = oversight_line(("near", "review"), 140_508, None, None);
        assert_eq!(month, "مهلت نزدیک است: بازبینی ماه ۱۴۰۵/۰۸");
        for subject in crate::agreement::board::Subject::ALL {
            assert_ne!(desk_name(subject.word()), subject.word());
        }
    }

    /// Goal: however much there is to tell, it fits into a message and says how much is left out.
    #[test]
    fn what_the_manager_is_told_fits_into_a_message() {
        let few = Text::of_oversight(&["یک".to_owned(), "دو".to_owned()]);
        assert_eq!(few.body, "یک\nدو");
        let line = |n: usize| format!("{n:04}{}", "x".repeat(56));
        for count in [1, 65, 66, 67, 68, 1_000] {
            let lines: Vec<String> = (0..count).map(line).collect();
            let text = Text::of_oversight(&lines);
            let again = Text::new(&text.title, &text.body).unwrap();
            assert_eq!(again, text);
            let told = text.body.matches('x').count() / 56;
            let rest = text.body.rsplit_once("می‌دهد: ").map(|(_, rest)| rest.to_owned());
            let left = count - told;
            assert_eq!(rest, (left > 0).then(|| persian(&left.to_string())), "{count}");
            assert!(told >= count.min(60), "{count}: {told}");
        }
    }

    /// Networks count UTF-16 units, of which a letter of Persian is one and an emoji two.
    #[test]
    fn the_longest_text_fits_into_a_message() {
        for (letter, units) in [('b', 1), ('ب', 1), ('🔧', 2)] {
            let body = |count: usize| String::from(letter).repeat(count);
            let most = (WHOLE_MAX - 3) / units;
            let text = Text::new("a", &body(most)).unwrap();
            assert!(text.whole().encode_utf16().count() <= WHOLE_MAX);
            assert_eq!(Text::new("a", &body(most + 1)), Err(Refusal::Body), "{letter}");
        }
    }

    #[test]
    fn pauses_grow_and_never_end() {
        let pauses: Vec<i64> = (1..9).map(pause_after).collect();
        assert!(pauses.windows(2).all(|two| two[0] <= two[1]), "{pauses:?}");
        assert_eq!((pause_after(0), pause_after(u32::MAX)), (5_000, 3_600_000));
    }
}

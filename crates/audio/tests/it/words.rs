//! Texts as customers type them, and what the voice gets to read.

use audio::text::{self, TextRefusal, digits, number};
use proptest::prelude::*;

#[track_caller]
fn check(typed: &str, spoken: &str) {
    let normal = text::normalise(typed).expect("a text to speak");
    assert_eq!(normal.as_str(), spoken, "typed: {typed}");
}

#[test]
fn what_the_engine_reads_wrongly_is_spelled_for_it() {
    check("۱۲۵٬۰۰۰", "صدُ بیستُ پنج هزار");
    check("۱۴۰۵/۰۸/۲۳", "بیستُ سومِ آبانِ هزارُ چهارصدُ پنج");
    check("14:30", "چهاردهُ سی دقیقه");
    check("ساعت نه", "ساعت نُه");
    check("09121234567", "صفر، نُه، یک، دو، یک، دو، سه، چهار، پنج، شش، هفت");
    check("1000000001", "یک میلیاردُ یک");
    check("صد و بیست و پنج", "صدُ بیستُ پنج");
    check("20%", "بیست درصد");
    check("می‌خواهم", "می‌خواهم");
    check("علي و كتاب", "علی و کتاب");
}

#[test]
fn amounts() {
    check("مبلغ ۱٬۲۵۰٬۰۰۰ ریال", "مبلغ یک میلیونُ دویستُ پنجاه هزار ریال");
    check("مبلغ 125.000 تومان", "مبلغ صدُ بیستُ پنج هزار تومان");
    check("۱۲۵،۰۰۰ تومان", "صدُ بیستُ پنج هزار تومان");
    check("1.250.000", "یک میلیونُ دویستُ پنجاه هزار");
    check("٥٠٠ تومان", "پانصد تومان");
    check("$5", "پنج دلار");
    check("5 $", "پنج دلار");
    check("۵۰۰۰﷼", "پنج هزار ریال");
    check("٪۲۰ تخفیف", "بیست درصد تخفیف");
    check("۲٫۵ درصد", "دو ممیز پنج درصد");
    check("۲/۵ میلیون", "دو ممیز پنج میلیون");
    check("3.05", "سه ممیز صفر پنج");
    check("1,250.5", "هزارُ دویستُ پنجاه ممیز پنج");
    check("دمای -5 درجه", "دمای منفی پنج درجه");
    check("10-12 نفر", "ده تا دوازده نفر");
    check("10 - 12 نفر", "ده تا دوازده نفر");
    check("15000000000 ریال", "پانزده میلیارد ریال");
    check("شماره ۹ هزار تومان", "شماره نُه هزار تومان");
    check("نه هزار تومان", "نُه هزار تومان");
    check("نه، نمی‌آیم", "نه، نمی‌آیم");
    check("بیست و نه روز", "بیستُ نُه روز");
    check("5G", "پنج G");
}

#[test]
fn dates_and_times() {
    check("1405/1/1", "یکمِ فروردینِ هزارُ چهارصدُ پنج");
    check("1405-10-05", "پنجمِ دی هزارُ چهارصدُ پنج");
    check("23/08/1405", "بیستُ سومِ آبانِ هزارُ چهارصدُ پنج");
    check("99/12/29", "بیستُ نُهمِ اسفندِ نودُ نُه");
    check("1405/12/30", "سی‌اُمِ اسفندِ هزارُ چهارصدُ پنج");
    check("2026/11/14", "چهاردهمِ نوامبرِ دو هزارُ بیستُ شش");
    check("1405/13/01", "هزارُ چهارصدُ پنج، سیزده، صفر، یک");
    check("1405/08/31", "هزارُ چهارصدُ پنج، صفر، هشت، سیُ یک");
    check("14:00", "ساعت چهارده");
    check("ساعت 14:00", "ساعت چهارده");
    check("ساعت ۸:۰۵ صبح", "ساعت هشتُ پنج دقیقه صبح");
    check("14:30:15", "چهاردهُ سی دقیقه و پانزده ثانیه");
    check("3:2", "سه، دو");
    check("99:30", "نودُ نُه، سی");
    check("5م", "پنجم");
    check("۲۰ام آبان", "بیستم آبان");
    check("3مین", "سومین");
    check("۳۰ ام آبان", "سی‌اُم آبان");
    check("سی‌ام آبان", "سی‌اُم آبان");
    check("۵ متر", "پنج متر");
    check("5 ماه", "پنج ماه");
}

#[test]
fn codes_are_read_digit_by_digit() {
    check("کد تأیید شما: 45291", "کد تأیید شما، چهار، پنج، دو، نُه، یک");
    check("45291", "چهلُ پنج هزارُ دویستُ نودُ یک");
    check("رمز شما 2103 است", "رمز شما دو، یک، صفر، سه است");
    check("شماره‌ی پیگیری ۱۲۳۴", "شماره‌ی پیگیری یک، دو، سه، چهار");
    check("کد را وارد کنید. 1400 نفر آمدند", "کد را وارد کنید. هزارُ چهارصد نفر آمدند");
    check("021-88776655", "صفر، دو، یک، هشت، هشت، هفت، هفت، شش، شش، پنج، پنج");
    check("+98 912 123 4567", "نُه، هشت، نُه، یک، دو، یک، دو، سه، چهار، پنج، شش، هفت");
    let card = "شش، صفر، سه، هفت، نُه، نُه، یک، یک، دو، دو، سه، سه، چهار، چهار، پنج، پنج";
    check("6037991122334455", card);
    check("6037-9911-2233-4455", card);
    check("۶۰۳۷ ۹۹۱۱ ۲۲۳۳ ۴۴۵۵", card);
    check("192.168.1.10", "صدُ نودُ دو، صدُ شصتُ هشت، یک، ده");
    assert_eq!(digits::spoken("۰۹-12").unwrap().as_str(), "صفر، نُه، یک، دو");
    assert_eq!(digits::spoken("-"), Err(TextRefusal::Empty));
    let limit = TextRefusal::TooLong { limit_chars: 64 };
    assert_eq!(digits::spoken(&"1".repeat(65)), Err(limit));
}

#[test]
fn signs_and_layout() {
    check("سلام\u{200f}\u{202b}!", "سلام!");
    check("خط اول\nخط دوم\r\n", "خط اول. خط دوم.");
    check("سلام؟؟!", "سلام؟");
    check("«سلام» (خوبی)", "سلام، خوبی،");
    check("کلید # یا * را بزنید", "کلید مربع یا ستاره را بزنید");
    check("[[h@'loU]] <b>سلام</b> 😀", "h اَت loU b سلام، b");
    check("a@b.ir.", "a اَت b نقطه ir.");
    check("سـلام   دنیا", "سلام دنیا");
    check("قیمت: ۵ تومان؛ ارزان", "قیمت، پنج تومان؛ ارزان");
}

#[test]
fn refusals() {
    assert_eq!(text::normalise(""), Err(TextRefusal::Empty));
    assert_eq!(text::normalise(" \n\t"), Err(TextRefusal::Empty));
    assert_eq!(text::normalise("😀 …!"), Err(TextRefusal::Unspeakable));
    let limit = TextRefusal::TooLong { limit_chars: text::MAX_INPUT_CHARS };
    assert_eq!(text::normalise(&"آ".repeat(text::MAX_INPUT_CHARS + 1)), Err(limit));
    assert!(text::normalise(&"آ".repeat(text::MAX_INPUT_CHARS)).is_ok());
}

#[test]
fn cache_keys_differ_in_every_part() {
    let hello = text::normalise("سلام").unwrap();
    let key = text::cache_key("espeak-ng", "fa", 150, &hello);
    assert_eq!(key, text::cache_key("espeak-ng", "fa", 150, &text::normalise(" سلام ").unwrap()));
    let others = [
        text::cache_key("espeak-n", "gfa", 150, &hello),
        text::cache_key("espeak-ng", "fa+f2", 150, &hello),
        text::cache_key("espeak-ng", "fa", 151, &hello),
        text::cache_key("espeak-ng", "fa", 150, &text::normalise("سلام!").unwrap()),
    ];
    assert!(others.iter().all(|other| *other != key));
}

#[test]
fn numbers_known_by_heart() {
    for (value, words) in [
        (0, "صفر"),
        (9, "نُه"),
        (10, "ده"),
        (19, "نوزده"),
        (21, "بیستُ یک"),
        (100, "صد"),
        (999, "نهصدُ نودُ نُه"),
        (1_000, "هزار"),
        (1_001, "هزارُ یک"),
        (2_000, "دو هزار"),
        (1_001_000, "یک میلیونُ هزار"),
        (45_291, "چهلُ پنج هزارُ دویستُ نودُ یک"),
        (1_000_000_000_000, "هزار میلیارد"),
        (1_500_000_000_000, "هزارُ پانصد میلیارد"),
    ] {
        assert_eq!(number::words(value), words, "{value}");
    }
    for (value, words) in [(1, "یکم"), (3, "سوم"), (13, "سیزدهم"), (30, "سی‌اُم"), (33, "سیُ سوم")]
    {
        assert_eq!(number::ordinal(value), words, "{value}");
    }
}

/// Reads number words back, in a way that shares nothing with the writer: sums what stands before
/// each scale word.
fn value_of(words: &str) -> u64 {
    let units = "صفر یک دو سه چهار پنج شش هفت هشت نُه ده یازده دوازده سیزده چهارده پانزده شانزده \
                 هفده هجده نوزده";
    let tens = "بیست سی چهل پنجاه شصت هفتاد هشتاد نود";
    let hundreds = "صد دویست سیصد چهارصد پانصد ششصد هفتصد هشتصد نهصد";
    let place = |list: &str, word: &str| list.split_whitespace().position(|w| w == word);
    // Below a milliard, in `billions` above; `running` collects up to the next scale word.
    let (mut billions, mut low, mut running) = (0, 0, 0);
    for word in words.split(' ').map(|word| word.strip_suffix('\u{64f}').unwrap_or(word)) {
        match word {
            "هزار" => (low, running) = (low + running.max(1) * 1_000, 0),
            "میلیون" => (low, running) = (low + running * 1_000_000, 0),
            "میلیارد" => (billions, low, running) = ((low + running) * 1_000_000_000, 0, 0),
            _ => {
                let value = place(units, word)
                    .or_else(|| place(tens, word).map(|i| (i + 2) * 10))
                    .or_else(|| place(hundreds, word).map(|i| (i + 1) * 100));
                running += value.unwrap_or_else(|| panic!("{word} in {words}")) as u64;
            }
        }
    }
    billions + low + running
}

#[test]
fn every_number_up_to_twenty_thousand_reads_back() {
    for value in 0..20_000 {
        assert_eq!(value_of(&number::words(value)), value);
    }
}

proptest! {
    #[test]
    fn every_number_reads_back(exponent in 1_u32..18, raw in any::<u64>()) {
        let value = raw % 10_u64.pow(exponent);
        prop_assert_eq!(value_of(&number::words(value)), value);
    }

    #[test]
    fn whole_numbers_keep_their_value_in_a_text(value in 1_u64..10_000_000_000) {
        prop_assume!(!(9_000_000_000..10_000_000_000).contains(&value), "read as a mobile number");
        let spoken = text::normalise(&value.to_string()).unwrap();
        prop_assert_eq!(value_of(spoken.as_str()), value);
    }

    #[test]
    fn no_text_panics_and_nothing_unreadable_is_left(typed in any::<String>()) {
        speakable_or_refused(&typed)?;
    }

    #[test]
    fn no_figure_panics(typed in "[0-9۰-۹٠-٩٬٫,./:+%٪$﷼ \\-کدمرآا‌ُ\n]{0,60}") {
        speakable_or_refused(&typed)?;
    }

    #[test]
    fn what_is_speakable_stays_as_it_is(typed in "[0-9۰-۹,./:%کدمرسلآا ]{1,40}") {
        if let Ok(once) = text::normalise(&typed) {
            let twice = text::normalise(once.as_str()).expect("still speakable");
            prop_assert_eq!(twice, once);
        }
    }
}

fn speakable_or_refused(typed: &str) -> Result<(), TestCaseError> {
    let Ok(spoken) = text::normalise(typed) else { return Ok(()) };
    let chars = typed.chars().count();
    let spoken_chars = spoken.as_str().chars().count();
    prop_assert!(spoken_chars <= 16 * chars + 20, "{spoken_chars} characters from {chars}");
    let readable = |c: char| c.is_alphabetic() || " .،؛؟!\u{200c}'’".contains(c) || is_mark(c);
    let unreadable = spoken.as_str().chars().find(|&c| !readable(c));
    prop_assert_eq!(unreadable, None, "{:?} from {:?}", spoken, typed);
    Ok(())
}

fn is_mark(c: char) -> bool {
    ('\u{64b}'..='\u{655}').contains(&c) || c == '\u{670}'
}

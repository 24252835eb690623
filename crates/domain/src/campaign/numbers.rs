//! Lists of numbers as customers hand them over: what is one, what stands there twice, and which
//! row is none. Kept small, for a list may have a million rows.

use std::collections::BTreeMap;

use crate::quick_send::zone_of_number;
use crate::template::{BadValue, Filled, Template};
use crate::{PhoneNumber, Zone};

/// The most recipients of one campaign; what is beyond fits in no [`crate::RecipientId`].
pub const RECIPIENTS_MAX: u32 = (1 << 24) - 1;
/// Rows that are told as invalid one by one; the others are counted.
pub const INVALID_TOLD_MAX: usize = 1_000;
/// Characters of an invalid row that are told.
const EXCERPT_CHARS: usize = 32;

/// A public number in eight bytes: its ten significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CompactNumber(u64);

impl CompactNumber {
    /// Reads a number as people write it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self::of(&PhoneNumber::parse(text)?))
    }

    /// The number in its small form.
    pub fn of(number: &PhoneNumber) -> Self {
        let digits = number.national().bytes().map(|byte| u64::from(byte - b'0'));
        Self(digits.fold(0, |sum, digit| sum * 10 + digit))
    }

    /// The number as it is stored and dialled.
    pub fn national(self) -> String {
        format!("{:011}", self.0)
    }

    /// The page of a [`NumberSet`] that it is in, and which one of that it is.
    fn page(self) -> (u64, u16) {
        let low = u16::try_from(self.0 & 0xffff).expect("sixteen bits are left");
        (self.0 >> PAGE_BITS, low)
    }

    /// The price zone that it is in.
    pub fn zone(self) -> Zone {
        zone_of_number(self.0 / 1_000_000_000 == 9)
    }
}

/// Numbers, each once, in few bytes each: a list of a million is looked through with it.
///
/// They lie in pages of 65 536, which a tree finds by what comes before their last sixteen bits. A
/// page with few of them is a sorted list, one with many has a bit for each. Whatever a list is
/// made of, a number costs a bounded time: no more than moving 8 kB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberSet {
    pages: BTreeMap<u64, Page>,
    len: usize,
}

/// The last sixteen bits of the numbers of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Page {
    /// In their order.
    Few(Vec<u16>),
    /// A bit for each that could be.
    Many(Box<[u64; PAGE_WORDS]>),
}

/// Bits of a number that say which one of a page it is, and what that makes for a page in words.
const PAGE_BITS: u32 = 16;
const PAGE_WORDS: usize = (1 << PAGE_BITS) / 64;
/// The most numbers of a page that is a list: then both kinds take the same room.
const FEW_MAX: usize = PAGE_WORDS * 4;

impl Page {
    /// Takes a number. `false`: it was there.
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::Few(numbers) => match numbers.binary_search(&low) {
                Ok(_) => false,
                Err(place) if numbers.len() < FEW_MAX => {
                    numbers.insert(place, low);
                    true
                }
                Err(_) => {
                    let mut words = Box::new([0; PAGE_WORDS]);
                    for &number in numbers.iter().chain([&low]) {
                        let (word, bit) = bit_of(number);
                        words[word] |= bit;
                    }
                    *self = Self::Many(words);
                    true
                }
            },
            Self::Many(words) => {
                let (word, bit) = bit_of(low);
                let is_new = words[word] & bit == 0;
                words[word] |= bit;
                is_new
            }
        }
    }

    fn contains(&self, low: u16) -> bool {
        match self {
            Self::Few(numbers) => numbers.binary_search(&low).is_ok(),
            Self::Many(words) => {
                let (word, bit) = bit_of(low);
                words[word] & bit != 0
            }
        }
    }
}

/// Which word of a page a number's bit is in, and that bit.
fn bit_of(low: u16) -> (usize, u64) {
    (usize::from(low / 64), 1 << (low % 64))
}

impl NumberSet {
    /// Takes a number. `false`: it was there.
    pub fn insert(&mut self, number: CompactNumber) -> bool {
        let (page, low) = number.page();
        let is_new = self.pages.entry(page).or_insert(Page::Few(Vec::new())).insert(low);
        self.len += usize::from(is_new);
        is_new
    }

    /// Whether a number is there.
    pub fn contains(&self, number: CompactNumber) -> bool {
        let (page, low) = number.page();
        self.pages.get(&page).is_some_and(|page| page.contains(low))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Extend<CompactNumber> for NumberSet {
    fn extend<T: IntoIterator<Item = CompactNumber>>(&mut self, numbers: T) {
        for number in numbers {
            self.insert(number);
        }
    }
}

impl FromIterator<CompactNumber> for NumberSet {
    fn from_iter<T: IntoIterator<Item = CompactNumber>>(numbers: T) -> Self {
        let mut set = Self::default();
        set.extend(numbers);
        set
    }
}

/// A recipient as a customer hands it over: a number, and what is said to it alone, by the names of
/// the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The number as it is written.
    pub number: String,
    /// Names and values as they are written.
    pub values: Vec<(String, String)>,
}

impl Person {
    /// The values by their names.
    pub fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// A list after it was gone through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sifted {
    /// The numbers in their order, each once.
    pub numbers: Vec<CompactNumber>,
    /// What is said to each of them alone ([`crate::template::Filled::to_text`]), in the same
    /// order; empty for a message that is the same for all.
    pub values: Vec<String>,
    /// Rows with a number that stood there before.
    pub duplicates: u64,
    /// Rows without a number.
    pub invalid: u64,
    /// The first of them.
    pub invalid_rows: Vec<InvalidRow>,
    /// Whether rows were left out because the campaign is full.
    pub overflowed: bool,
}

/// A row that holds no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRow {
    /// Its place in the list, from 1.
    pub row: u64,
    /// The beginning of what stands there.
    pub excerpt: String,
    /// The value that is none, if the number is one.
    pub value: Option<BadValue>,
}

impl Sifted {
    /// Takes what stands behind the first `n` numbers out of it.
    #[must_use]
    pub fn behind(&mut self, n: usize) -> Self {
        let numbers = self.numbers.split_off(n.min(self.numbers.len()));
        let values = self.values.split_off(n.min(self.values.len()));
        Self { numbers, values, ..Self::default() }
    }
}

/// The rows of a list: separated by commas, semicolons or line ends of any script. Empty ones are
/// skipped and counted as rows only between two others.
pub fn rows(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ';', '\n', '\r', '،', '؛']).map(str::trim).filter(|row| !row.is_empty())
}

/// Goes through a list. `known` are numbers that the campaign has already; `room` is how many more
/// it may have.
pub fn sift<'a>(rows: impl Iterator<Item = &'a str>, known: NumberSet, room: u32) -> Sifted {
    let mut sifter = Sifter::new(known, room);
    for (place, row) in rows.enumerate() {
        sifter.push(place as u64 + 1, row);
    }
    sifter.sifted
}

/// What is the same for all takes no values.
fn unfilled<'v>(
    given: impl IntoIterator<Item = (&'v str, &'v str)>,
) -> Result<Option<Filled>, BadValue> {
    match given.into_iter().next() {
        Some((name, _)) => Err(BadValue::unknown(name)),
        None => Ok(None),
    }
}

/// Goes through a list row by row.
pub struct Sifter<'a> {
    known: NumberSet,
    room: u32,
    template: Option<&'a Template>,
    tell: Option<&'a mut dyn FnMut(&InvalidRow)>,
    sifted: Sifted,
}

impl<'a> Sifter<'a> {
    /// Before the first row. `known` are numbers that the campaign has already; `room` is how many
    /// more it may have.
    pub fn new(known: NumberSet, room: u32) -> Self {
        Self { known, room, template: None, tell: None, sifted: Sifted::default() }
    }

    /// With the template whose values each row is to bring.
    #[must_use]
    pub fn filling(self, template: Option<&'a Template>) -> Self {
        Self { template, ..self }
    }

    /// Telling each row that is none, of which otherwise only the first are known.
    #[must_use]
    pub fn telling(self, tell: &'a mut dyn FnMut(&InvalidRow)) -> Self {
        Self { tell: Some(tell), ..self }
    }

    /// Makes room for so many numbers.
    pub fn expect(&mut self, numbers: usize) {
        self.sifted.numbers.reserve(numbers.min(self.room as usize));
    }

    /// What is written in a row that brings no values.
    pub fn push(&mut self, row: u64, text: &str) {
        self.push_person(row, text, []);
    }

    /// The number that is written in a row, and the values beside it, by their names.
    pub fn push_person<'v>(
        &mut self,
        row: u64,
        text: &str,
        given: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) {
        let Some(number) = CompactNumber::parse(text) else {
            return self.refuse(row, text, None);
        };
        let filled = match self.template {
            Some(template) => template.fill(given).map(Some),
            None => unfilled(given),
        };
        let filled = match filled {
            Ok(filled) => filled,
            Err(bad) => return self.refuse(row, text, Some(bad)),
        };
        let sifted = &mut self.sifted;
        if self.known.contains(number) {
            sifted.duplicates += 1;
        } else if sifted.numbers.len() >= self.room as usize {
            sifted.overflowed = true;
        } else {
            self.known.insert(number);
            sifted.numbers.push(number);
            sifted.values.extend(filled.map(|filled| filled.to_text()));
        }
    }

    fn refuse(&mut self, row: u64, text: &str, value: Option<BadValue>) {
        let sifted = &mut self.sifted;
        sifted.invalid += 1;
        let is_kept = sifted.invalid_rows.len() < INVALID_TOLD_MAX;
        if !is_kept && self.tell.is_none() {
            return;
        }
        let excerpt = text.chars().take(EXCERPT_CHARS).collect();
        let invalid = InvalidRow { row, excerpt, value };
        if let Some(tell) = &mut self.tell {
            tell(&invalid);
        }
        if is_kept {
            sifted.invalid_rows.push(invalid);
        }
    }

    /// What came of it.
    pub fn finish(self) -> Sifted {
        self.sifted
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(list: &str) -> Sifted {
        sift(rows(list), NumberSet::default(), RECIPIENTS_MAX)
    }

    /// A set says of each number what a tree of them says: sparse, dense, and over the border from
    /// a page that is a list to one of bits.
    #[test]
    fn a_set_of_numbers_is_a_set() {
        let sparse = (0..5_000_u64).map(|n| 2_000_000_000 + n * 65_537 * 3);
        let dense = (0..2 * FEW_MAX as u64).map(|n| 9_120_000_000 + n * 7_919 % 16_384);
        let (mut set, mut tree) = (NumberSet::default(), BTreeSet::new());
        for number in sparse.chain(dense).map(CompactNumber) {
            assert_eq!(set.contains(number), tree.contains(&number), "{number:?}");
            assert_eq!(set.insert(number), tree.insert(number), "{number:?}");
            assert!(!set.insert(number) && set.contains(number), "{number:?}");
        }
        assert_eq!((set.len(), set.is_empty()), (tree.len(), false));
        assert!(set.pages.values().any(|page| matches!(page, Page::Many(_))));
        assert!(set.pages.values().any(|page| matches!(page, Page::Few(_))));
        assert!(!set.contains(CompactNumber(9_120_000_000 + 16_384)));
        assert_eq!(tree.iter().copied().collect::<NumberSet>(), set, "in whatever order");
    }

    /// What real files hold: Persian digits, lost zeros, duplicates in other spellings, headings.
    #[test]
    fn a_real_list_is_read_and_its_bad_rows_are_told() {
        let sifted =
            of("شماره\n۰۹۱۲۱۲۳۴۵۶۷, 9121234567;+98 935 111 2233\r\n\n02112345678،12،0912x");
        let numbers: Vec<String> = sifted.numbers.iter().map(|one| one.national()).collect();
        assert_eq!(numbers, ["09121234567", "09351112233", "02112345678"]);
        assert_eq!((sifted.duplicates, sifted.invalid, sifted.overflowed), (1, 3, false));
        let told: Vec<_> =
            sifted.invalid_rows.iter().map(|row| (row.row, row.excerpt.as_str())).collect();
        assert_eq!(told, [(1, "شماره"), (6, "12"), (7, "0912x")]);
    }

    #[test]
    fn what_is_known_already_is_a_duplicate_and_a_full_campaign_takes_no_more() {
        let known = NumberSet::from_iter(CompactNumber::parse("09121234567"));
        let list = "09121234567,09121234568,09121234569,09121234568";
        let sifted = sift(rows(list), known, 1);
        assert_eq!(sifted.numbers, [CompactNumber::parse("09121234568").unwrap()]);
        assert_eq!((sifted.duplicates, sifted.overflowed), (2, true));
    }

    #[test]
    fn a_hostile_list_is_bounded() {
        let sifted = of(&format!("{},{}", "x".repeat(1_000_000), "y,".repeat(5_000)));
        assert_eq!((sifted.invalid, sifted.invalid_rows.len()), (5_001, INVALID_TOLD_MAX));
        assert_eq!(sifted.invalid_rows[0].excerpt.len(), EXCERPT_CHARS);
    }

    /// Goal: each row brings its own values, and one that does not is told with the value.
    #[test]
    fn people_have_values_of_their_own() {
        let template = Template::parse("{clip 1}{amount:rial debt}").unwrap();
        let mut sifter = Sifter::new(NumberSet::default(), 9).filling(Some(&template));
        sifter.push_person(1, "09121234567", [("debt", "۱٬۵۰۰")]);
        sifter.push_person(2, "09121234568", [("debt", "much")]);
        sifter.push(3, "09121234569");
        sifter.push_person(4, "0912x", [("debt", "1")]);
        sifter.push_person(5, "09121234567", [("debt", "2")]);
        sifter.push_person(6, "09351112233", [("debt", "2")]);
        let mut sifted = sifter.finish();
        assert_eq!((&*sifted.values, sifted.numbers.len()), (&["1500".into(), "2".into()][..], 2));
        assert_eq!((sifted.duplicates, sifted.invalid), (1, 3));
        let told = sifted
            .invalid_rows
            .iter()
            .map(|row| (row.row, row.value.as_ref().map(|bad| (&*bad.name, bad.why.word()))));
        let bad = [(2, Some(("debt", "not_a_number"))), (3, Some(("debt", "missing"))), (4, None)];
        assert!(told.eq(bad));
        let rest = sifted.behind(1);
        assert_eq!((rest.values, sifted.values), (vec!["2".into()], vec!["1500".into()]));
    }

    #[test]
    fn a_number_keeps_its_digits_and_its_zone() {
        for (text, zone) in [("09121234567", Zone::External), ("02100000000", Zone::Internal)] {
            let number = CompactNumber::parse(text).unwrap();
            assert_eq!((number.national().as_str(), number.zone()), (text, zone));
        }
    }
}

//! Tables of numbers as people keep them: comma-separated files, and which of a table's columns has
//! the numbers. A table may be as long as it likes; what is kept of it at any time is one row.

use super::numbers::CompactNumber;

/// Columns of a row that are looked at.
pub const COLUMNS_MAX: usize = 64;
/// Bytes of a cell that are looked at; no number is so long, and no value of a template.
const CELL_BYTES_MAX: usize = 1_024;
/// Bytes of a table that are looked at for what stands between its cells.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What people write above a column of numbers, in small letters.
const HEADINGS: [&str; 22] = [
    "number",
    "numbers",
    "phone",
    "phone number",
    "phone_number",
    "phonenumber",
    "mobile",
    "mobile number",
    "cell",
    "cellphone",
    "tel",
    "telephone",
    "msisdn",
    "to",
    "شماره",
    "شماره تلفن",
    "شماره موبایل",
    "شماره همراه",
    "شماره تماس",
    "موبایل",
    "تلفن",
    "تلفن همراه",
];

/// Which column has the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Wanted {
    /// The one with such a heading; else, if every cell of the first row is a number, all of them;
    /// else the first one with a number in it.
    #[default]
    Any,
    /// The `n`-th, from 1.
    Nth(u32),
    /// The one that is called so in the first row.
    Named(String),
}

impl Wanted {
    /// Reads a column's number or name.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "" => Self::Any,
            text => text
                .parse()
                .ok()
                .filter(|&n: &u32| n > 0)
                .map_or_else(|| Self::Named(folded(text)), Self::Nth),
        }
    }
}

/// Why a table cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not a file of its kind, or a broken one.
    Broken,
    /// Unpacked it is larger than anything that people keep numbers in.
    TooLarge,
    /// It has no sheet of that name.
    NoSuchSheet,
    /// It has no column of that name or number.
    NoSuchColumn,
    /// Its first row does not name a column for each value of the template.
    NoValueColumn,
    /// A quotation mark that opens in this row is never closed.
    OpenQuote(u64),
}

/// Takes the numbers out of the rows of a table, one row after the other.
#[derive(Debug, Clone)]
pub struct Picker {
    wanted: Wanted,
    choice: Option<Choice>,
    /// The names of the values that stand beside a number, and their columns once those are known.
    names: Vec<String>,
    columns: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Column(usize),
    Every,
}

impl Picker {
    /// A picker at the top of a table.
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, choice: None, names: Vec::new(), columns: Vec::new() }
    }

    /// With the names of values that stand in columns of their own, which the first row names.
    #[must_use]
    pub fn with_values<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { names: names.into_iter().map(str::to_owned).collect(), ..self }
    }

    /// The values of a row that was picked, by their names.
    pub fn values<'a>(&'a self, cells: &'a [String]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let cell = |column: usize| cells.get(column).map_or("", String::as_str);
        self.names.iter().zip(&self.columns).map(move |(name, &column)| (&**name, cell(column)))
    }

    /// The number, or numbers, of the next row as they are written there; of a row without one,
    /// what stands in its place. Empty rows and headings have none.
    ///
    /// # Errors
    /// The first row says that there is no such column, or does not name those of the values.
    pub fn pick<'a>(&mut self, cells: &'a [String]) -> Result<Vec<&'a str>, Unreadable> {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(Vec::new());
        }
        if self.choice.is_none() {
            let is_heading = self.choose(cells)?;
            if !self.names.is_empty() {
                self.find_values(cells, is_heading)?;
                return Ok(Vec::new());
            }
            if is_heading {
                return Ok(Vec::new());
            }
        }
        let filled = || cells.iter().map(String::as_str).filter(|cell| !cell.trim().is_empty());
        Ok(match self.choice {
            Some(Choice::Column(n)) => vec![cells.get(n).map_or("", String::as_str)],
            Some(Choice::Every) => filled().collect(),
            // It is a row without a number above the first one that has one.
            None => filled().take(1).collect(),
        })
    }

    /// Finds the columns of the values in the first row, which must be a heading.
    fn find_values(&mut self, cells: &[String], is_heading: bool) -> Result<(), Unreadable> {
        let by_place = matches!(self.wanted, Wanted::Nth(_));
        if !is_heading && !by_place {
            return Err(Unreadable::NoValueColumn);
        }
        let column = |name: &String| cells.iter().position(|cell| folded(cell) == folded(name));
        let columns: Option<Vec<usize>> = self.names.iter().map(column).collect();
        self.columns = columns.ok_or(Unreadable::NoValueColumn)?;
        Ok(())
    }

    /// Chooses the column by a row. `true`: the row is its heading.
    fn choose(&mut self, cells: &[String]) -> Result<bool, Unreadable> {
        let called =
            |name: &dyn Fn(&str) -> bool| cells.iter().position(|cell| name(&folded(cell)));
        let known = called(&|cell| HEADINGS.contains(&cell));
        let is_number = |cell: &String| CompactNumber::parse(cell).is_some();
        match &self.wanted {
            Wanted::Named(wanted) => {
                let found = called(&|cell| cell == wanted).ok_or(Unreadable::NoSuchColumn)?;
                self.choice = Some(Choice::Column(found));
                return Ok(true);
            }
            Wanted::Nth(n) => {
                let n = usize::try_from(*n - 1).ok().filter(|&n| n < COLUMNS_MAX);
                let n = n.ok_or(Unreadable::NoSuchColumn)?;
                self.choice = Some(Choice::Column(n));
                return Ok(known == Some(n));
            }
            Wanted::Any => {}
        }
        if let Some(found) = known {
            self.choice = Some(Choice::Column(found));
            return Ok(true);
        }
        if let Some(first) = cells.iter().position(is_number) {
            let all = cells.iter().all(|cell| cell.trim().is_empty() || is_number(cell));
            self.choice = Some(if all { Choice::Every } else { Choice::Column(first) });
        }
        Ok(false)
    }
}

/// A heading as it is compared: without spaces around it, small, and with Persian letters.
fn folded(text: &str) -> String {
    let letter = |letter| match letter {
        'ي' => 'ی',
        'ك' => 'ک',
        '\u{200c}' => ' ',
        other => other,
    };
    text.trim().to_lowercase().chars().map(letter).collect()
}

/// Reads comma-separated values (RFC 4180) part by part: with semicolons or tabs, too, whichever
/// the first row has most of; UTF-8 or, with its mark, UTF-16.
#[derive(Debug, Clone, Default)]
pub struct Csv {
    /// The beginning, until what stands between cells is known.
    head: Vec<u8>,
    encoding: Option<Encoding>,
    delimiter: Option<u8>,
    row: u64,
    cells: Vec<Vec<u8>>,
    cell: Vec<u8>,
    state: State,
    /// In which row the quotation marks were opened.
    opened: u64,
    /// Whether a carriage return was the last character.
    after_return: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before the first character of a cell.
    #[default]
    Start,
    /// In a cell without quotation marks, or behind its closing one.
    Plain,
    /// Between quotation marks.
    Quoted,
    /// After a quotation mark within them: the end, or the first half of a doubled one.
    Closing,
}

#[derive(Debug, Clone)]
enum Encoding {
    Utf8,
    /// Bytes and units that wait for the rest of a character.
    Utf16 {
        is_big: bool,
        byte: Option<u8>,
        high: Option<u16>,
    },
}

impl Csv {
    /// Reads a part; tells each row that is whole, with its number from 1.
    pub fn feed(&mut self, part: &[u8], each: &mut dyn FnMut(u64, &[String])) {
        if self.delimiter.is_some() {
            self.decode(part, each);
            return;
        }
        self.head.extend_from_slice(part);
        // What decides must not depend on how the parts are cut.
        if self.head.len() >= HEAD_BYTES_MAX || first_row(&self.head).is_some() {
            self.begin(each);
        }
    }

    /// Reads the end.
    ///
    /// # Errors
    /// Quotation marks are open still: what stands behind them was not read as rows.
    pub fn finish(mut self, each: &mut dyn FnMut(u64, &[String])) -> Result<(), Unreadable> {
        if self.delimiter.is_none() {
            self.begin(each);
        }
        if self.state == State::Quoted {
            return Err(Unreadable::OpenQuote(self.opened));
        }
        if !self.cells.is_empty() || !self.cell.is_empty() || self.state != State::Start {
            self.end_row(each);
        }
        Ok(())
    }

    /// Looks at the head for encoding and delimiter, then reads it.
    fn begin(&mut self, each: &mut dyn FnMut(u64, &[String])) {
        let head = std::mem::take(&mut self.head);
        let utf16 = |is_big| Encoding::Utf16 { is_big, byte: None, high: None };
        let (encoding, rest) = match head.as_slice() {
            [0xef, 0xbb, 0xbf, rest @ ..] => (Encoding::Utf8, rest),
            [0xff, 0xfe, rest @ ..] => (utf16(false), rest),
            [0xfe, 0xff, rest @ ..] => (utf16(true), rest),
            all => (Encoding::Utf8, all),
        };
        self.encoding = Some(encoding);
        let looked_at = &head[..head.len().min(HEAD_BYTES_MAX)];
        self.delimiter = Some(delimiter_of(first_row(looked_at).unwrap_or(looked_at)));
        self.decode(rest, each);
    }

    fn decode(&mut self, part: &[u8], each: &mut dyn FnMut(u64, &[String])) {
        match self.encoding.take() {
            Some(Encoding::Utf16 { is_big, mut byte, mut high }) => {
                for &next in part {
                    let Some(first) = byte.take() else {
                        byte = Some(next);
                        continue;
                    };
                    let pair = [first, next];
                    let unit =
                        if is_big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
                    let units = [high.take(), Some(unit)];
                    if (0xd800..0xdc00).contains(&unit) && units[0].is_none() {
                        high = Some(unit);
                        continue;
                    }
                    for read in char::decode_utf16(units.into_iter().flatten()) {
                        let mut buffer = [0; 4];
                        let read = read.unwrap_or(char::REPLACEMENT_CHARACTER);
                        for byte in read.encode_utf8(&mut buffer).bytes() {
                            self.byte(byte, each);
                        }
                    }
                }
                self.encoding = Some(Encoding::Utf16 { is_big, byte, high });
            }
            utf8 => {
                for &byte in part {
                    self.byte(byte, each);
                }
                self.encoding = utf8;
            }
        }
    }

    fn byte(&mut self, byte: u8, each: &mut dyn FnMut(u64, &[String])) {
        let after_return = std::mem::take(&mut self.after_return);
        match (self.state, byte) {
            (State::Start, b'"') => {
                (self.state, self.opened) = (State::Quoted, self.row + 1);
            }
            (State::Quoted, b'"') => self.state = State::Closing,
            (State::Closing, b'"') => {
                self.state = State::Quoted;
                self.keep(byte);
            }
            (State::Quoted, _) => self.keep(byte),
            (_, b'\n') if after_return => {}
            (_, b'\n' | b'\r') => {
                self.end_row(each);
                self.after_return = byte == b'\r';
            }
            (_, _) if Some(byte) == self.delimiter => self.end_cell(),
            (_, _) => {
                self.state = State::Plain;
                self.keep(byte);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.cell.len() < CELL_BYTES_MAX {
            self.cell.push(byte);
        }
    }

    fn end_cell(&mut self) {
        self.state = State::Start;
        let cell = std::mem::take(&mut self.cell);
        if self.cells.len() < COLUMNS_MAX {
            self.cells.push(cell);
        }
    }

    fn end_row(&mut self, each: &mut dyn FnMut(u64, &[String])) {
        self.end_cell();
        self.row += 1;
        let cells = self.cells.drain(..);
        let cells: Vec<String> =
            cells.map(|cell| String::from_utf8_lossy(&cell).into_owned()).collect();
        each(self.row, &cells);
    }
}

/// The first row, if it is whole.
fn first_row(head: &[u8]) -> Option<&[u8]> {
    let mut is_quoted = false;
    let end = head.iter().position(|&byte| {
        is_quoted ^= byte == b'"';
        !is_quoted && matches!(byte, b'\n' | b'\r')
    });
    end.map(|end| &head[..end])
}

/// What stands between the cells of a row.
fn delimiter_of(row: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut is_quoted = false;
    for &byte in row {
        is_quoted ^= byte == b'"';
        if is_quoted {
            continue;
        }
        for (delimiter, count) in &mut counts {
            *count += u32::from(byte == *delimiter);
        }
    }
    // Of equals the first.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(delimiter, _)| *delimiter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rows of a file that arrives in parts of this size.
    fn rows(bytes: &[u8], part: usize) -> Result<Vec<(u64, Vec<String>)>, Unreadable> {
        let mut rows = Vec::new();
        let mut each = |row, cells: &[String]| rows.push((row, cells.to_vec()));
        let mut csv = Csv::default();
        for part in bytes.chunks(part) {
            csv.feed(part, &mut each);
        }
        csv.finish(&mut each)?;
        Ok(rows)
    }

    /// The numbers that are picked, with their rows.
    fn picked(text: &str, wanted: Wanted) -> Result<Vec<(u64, String)>, Unreadable> {
        let mut picker = Picker::new(wanted);
        let mut all = Vec::new();
        for (row, cells) in rows(text.as_bytes(), 7)? {
            all.extend(picker.pick(&cells)?.into_iter().map(|cell| (row, cell.to_owned())));
        }
        Ok(all)
    }

    fn owned(rows: &[(u64, &[&str])]) -> Vec<(u64, Vec<String>)> {
        let cells = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect();
        rows.iter().map(|(row, of)| (*row, cells(of))).collect()
    }

    #[test]
    fn quotes_line_ends_and_empty_rows_are_read_as_spreadsheets_do() {
        let text = "a,\"b,\"\"c\nd\",e\r\n\r\n,\"\"\rlast";
        let expected =
            owned(&[(1, &["a", "b,\"c\nd", "e"]), (2, &[""]), (3, &["", ""]), (4, &["last"])]);
        for part in 1..text.len() {
            assert_eq!(rows(text.as_bytes(), part).unwrap(), expected, "{part}");
        }
        assert_eq!(rows(b"", 1).unwrap(), []);
        assert_eq!(rows(b"a,", 1).unwrap(), owned(&[(1, &["a", ""])]));
        assert_eq!(rows(b"x\na,\"b\n0912\n", 2), Err(Unreadable::OpenQuote(2)));
    }

    #[test]
    fn semicolons_tabs_and_the_encodings_of_excel_are_known() {
        let plain = "نام;شماره\nعلی;۰۹۱۲۱۲۳۴۵۶۷\n";
        let expected = owned(&[(1, &["نام", "شماره"]), (2, &["علی", "۰۹۱۲۱۲۳۴۵۶۷"])]);
        let tabs = plain.replace(';', "\t");
        let units: Vec<u16> = tabs.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [
            plain.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", plain.as_bytes()].concat(),
            [b"\xff\xfe", little.as_slice()].concat(),
            [b"\xfe\xff", big.as_slice()].concat(),
        ] {
            for part in [1, 3, 1_000] {
                assert_eq!(rows(&bytes, part).unwrap(), expected, "{part}");
            }
        }
    }

    #[test]
    fn the_column_of_numbers_is_found_or_named() {
        let table = "نام,شماره موبايل,شهر\nعلی,0912 123 4567,تهران\n\nرضا,,قم\n";
        let expected = vec![(2, "0912 123 4567".to_owned()), (4, String::new())];
        assert_eq!(picked(table, Wanted::Any).unwrap(), expected);
        for wanted in ["2", "شماره موبایل"] {
            assert_eq!(picked(table, Wanted::parse(wanted)).unwrap(), expected, "{wanted}");
        }
        assert_eq!(picked(table, Wanted::parse("کد")), Err(Unreadable::NoSuchColumn));
        assert_eq!(picked(table, Wanted::parse("65")), Err(Unreadable::NoSuchColumn));
        let first = |text| picked(text, Wanted::Any).unwrap();
        let told = |rows: &[(u64, &str)]| -> Vec<(u64, String)> {
            rows.iter().map(|(row, text)| (*row, (*text).to_owned())).collect()
        };
        assert_eq!(
            first("a,9121234567\nb,9121234568"),
            told(&[(1, "9121234567"), (2, "9121234568")])
        );
        assert_eq!(
            first("9121234567,9121234568\n9121234569,x"),
            told(&[(1, "9121234567"), (1, "9121234568"), (2, "9121234569"), (2, "x")])
        );
        assert_eq!(first("name\tno\nb\t9121234568"), told(&[(1, "name"), (2, "9121234568")]));
        assert_eq!(first("Phone\n9121234568"), told(&[(2, "9121234568")]));
    }

    /// Goal: values stand in columns that the first row names, in any order and among others.
    #[test]
    fn values_have_columns_of_their_own() {
        let picked = |wanted: &str, text: &str| {
            let mut picker = Picker::new(Wanted::parse(wanted)).with_values(["debt", "نام"]);
            let mut told = Vec::new();
            for (_, cells) in rows(text.as_bytes(), 4_096).unwrap() {
                let numbers: Vec<String> =
                    picker.pick(&cells)?.into_iter().map(str::to_owned).collect();
                let values: Vec<String> =
                    picker.values(&cells).map(|(name, value)| format!("{name}={value}")).collect();
                told.extend(numbers.into_iter().map(|number| (number, values.join(" "))));
            }
            Ok::<_, Unreadable>(told)
        };
        let text = "نام,Debt,x,شماره\nعلی,500,y,09121234567\nرضا,600,y\n";
        let told = [("09121234567", "debt=500 نام=علی"), ("", "debt=600 نام=رضا")];
        let told = told.map(|(number, values)| (number.to_owned(), values.to_owned()));
        assert_eq!(picked("", text), Ok(told.to_vec()));
        assert_eq!(picked("4", text), Ok(told.to_vec()));
        assert_eq!(picked("شماره", text), Ok(told.to_vec()));
        assert_eq!(picked("", "شماره,debt\n1,2"), Err(Unreadable::NoValueColumn));
        assert_eq!(picked("", "09121234567,500,علی"), Err(Unreadable::NoValueColumn));
        assert_eq!(picked("", "a,debt,نام\n"), Err(Unreadable::NoValueColumn));
    }

    #[test]
    fn a_hostile_table_is_bounded() {
        let wide = format!("{}\n{}", ",".repeat(1_000_000), "x".repeat(1_000_000));
        let rows = rows(wide.as_bytes(), 4_096).unwrap();
        assert_eq!((rows[0].1.len(), rows[1].1[0].len()), (COLUMNS_MAX, CELL_BYTES_MAX));
    }

    proptest! {
        /// Goal: whatever it is, and however it arrives, it is read alike and without a panic.
        #[test]
        fn parts_do_not_matter(bytes in prop::collection::vec(
            prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200,
        ), part in 1_usize..50) {
            prop_assert_eq!(rows(&bytes, part), rows(&bytes, 1_000));
        }
    }
}

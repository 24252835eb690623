//! Lists of numbers in the forms in which customers have them: written, as a table of text, or as a
//! workbook. Each is gone through row by row; none becomes a tree in memory.

use std::io::Read;
use std::sync::Arc;

use domain::Account;
pub use domain::campaign::numbers::Person;
use domain::campaign::numbers::{CompactNumber, NumberSet, RECIPIENTS_MAX, Sifted, Sifter, rows};
use domain::campaign::table::{Csv, Picker};
pub use domain::campaign::table::{Unreadable, Wanted};

use domain::map::Region;
use domain::template::Template;

use super::workbook;
use crate::{App, Failure, map};

/// Bytes of a table that are read at a time.
const PART: usize = 64 * 1024;
/// Bytes of a number and what divides it from the next, as most lists are written.
const WRITTEN_NUMBER: usize = 12;

/// Opens what a table is read from; it may be read more than once.
pub type Open = Box<dyn Fn() -> std::io::Result<Box<dyn Read>> + Send + Sync>;

/// A list of numbers.
pub enum List {
    /// Numbers with commas or line ends between them.
    Written(String),
    /// Recipients, each with values of its own.
    People(Vec<Person>),
    /// Comma-separated values.
    Csv {
        /// From where.
        open: Open,
        /// Which column has the numbers.
        column: Wanted,
    },
    /// An Excel workbook (`.xlsx`).
    Workbook {
        /// All of it.
        bytes: Arc<[u8]>,
        /// The sheet's name, in place of the first one's.
        sheet: Option<String>,
        /// Which column has the numbers.
        column: Wanted,
    },
}

/// A list that comes with a campaign to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// Numbers with commas or line ends between them.
    Written(String),
    /// Recipients, each with values of its own.
    People(Vec<Person>),
    /// Whoever is within a region of the map of numbers.
    Within {
        /// The region.
        region: Region,
        /// Numbers that are called besides, written as in [`Self::Written`].
        besides: String,
    },
}

/// A list whose numbers are at hand.
pub(super) enum Found {
    /// Numbers as they are written, and those of a region.
    Written(String, Vec<CompactNumber>),
    /// Recipients, each with values of its own.
    People(Vec<Person>),
}

impl From<String> for Recipients {
    fn from(numbers: String) -> Self {
        Self::Written(numbers)
    }
}

impl Recipients {
    /// The list, with those whom the map has within its region. `None`: there is nobody there, or
    /// no map, or none for this account.
    pub(super) async fn found(
        self,
        app: &App,
        account: &Account,
    ) -> Result<Option<Found>, Failure> {
        let (region, besides) = match self {
            Self::Written(text) => return Ok(Some(Found::Written(text, Vec::new()))),
            Self::People(people) => return Ok(Some(Found::People(people))),
            Self::Within { region, besides } => (region, besides),
        };
        if !account.calls_regions {
            return Ok(None);
        }
        let within = map::within(app, &region).await?;
        Ok((!within.is_empty()).then_some(Found::Written(besides, within)))
    }
}

impl Found {
    /// Whether going through it may take long.
    pub(super) fn is_long(&self, small: usize) -> bool {
        match self {
            Self::Written(text, within) => text.len() + within.len() * WRITTEN_NUMBER > small,
            Self::People(people) => people.len() > small / 64,
        }
    }

    /// Goes through it, for a campaign that is to be made; with the template whose values it fills.
    pub(super) fn sift(&self, template: Option<&Template>) -> Sifted {
        let mut sifter = Sifter::new(NumberSet::default(), RECIPIENTS_MAX).filling(template);
        match self {
            Self::Written(text, within) => {
                sifter.expect(within.len());
                let rows = written(text, &mut sifter);
                for (row, number) in (rows + 1..).zip(within) {
                    sifter.push(row, &number.national());
                }
            }
            Self::People(all) => people(all, &mut sifter),
        }
        sifter.finish()
    }
}

/// Goes through rows, and tells how many there were.
fn written(text: &str, sifter: &mut Sifter<'_>) -> u64 {
    sifter.expect(text.len() / WRITTEN_NUMBER);
    let mut count = 0;
    for (row, text) in (1..).zip(rows(text)) {
        sifter.push(row, text);
        count = row;
    }
    count
}

fn people(people: &[Person], sifter: &mut Sifter<'_>) {
    for (row, person) in (1..).zip(people) {
        sifter.push_person(row, &person.number, person.given());
    }
}

/// Why a list could not be gone through.
#[derive(Debug)]
pub(super) enum Broken {
    /// The customer's affair.
    Unreadable(Unreadable),
    /// Ours.
    Failed(Failure),
}

impl List {
    /// Numbers that are in memory as comma-separated values.
    pub fn csv(bytes: Arc<[u8]>, column: Wanted) -> Self {
        let open = move || -> std::io::Result<Box<dyn Read>> {
            Ok(Box::new(std::io::Cursor::new(Arc::clone(&bytes))))
        };
        Self::Csv { open: Box::new(open), column }
    }

    /// Whether it may take long, and must keep nobody waiting.
    pub(super) fn is_long(&self, small: usize) -> bool {
        match self {
            Self::Written(text) => text.len() > small,
            Self::People(people) => people.len() > small / 64,
            Self::Csv { .. } | Self::Workbook { .. } => true,
        }
    }

    /// Goes through it. `known` are numbers that the campaign has; `room` is how many more it may;
    /// `template` has the values that each row is to bring.
    pub(super) fn sift(
        &self,
        known: NumberSet,
        room: u32,
        template: Option<&Template>,
    ) -> Result<Sifted, Broken> {
        self.sifted(Sifter::new(known, room).filling(template), template)
    }

    /// Goes through it with a sifter that has the same template.
    pub(super) fn sifted(
        &self,
        mut sifter: Sifter<'_>,
        template: Option<&Template>,
    ) -> Result<Sifted, Broken> {
        let names = || template.iter().flat_map(|it| it.values()).map(|slot| &*slot.name);
        let picker = |column: &Wanted| Picker::new(column.clone()).with_values(names());
        match self {
            Self::Written(text) => {
                written(text, &mut sifter);
            }
            Self::People(all) => people(all, &mut sifter),
            Self::Csv { open, column } => csv(open, picker(column), &mut sifter)?,
            Self::Workbook { bytes, sheet, column } => {
                let mut picker = picker(column);
                workbook::read(bytes, sheet.as_deref(), &mut |row, cells| {
                    picked(&mut picker, &mut sifter, row, cells)
                })
                .map_err(Broken::Unreadable)?;
            }
        }
        Ok(sifter.finish())
    }
}

fn csv(open: &Open, mut picker: Picker, sifter: &mut Sifter<'_>) -> Result<(), Broken> {
    let failed = |error| Broken::Failed(Failure::because("reading a list of numbers", error));
    let mut file = open().map_err(failed)?;
    let (mut csv, mut part, mut told) = (Csv::default(), vec![0; PART], Ok(()));
    let mut each = |row: u64, cells: &[String]| {
        if told.is_ok() {
            told = picked(&mut picker, sifter, row, cells);
        }
    };
    loop {
        match file.read(&mut part).map_err(failed)? {
            0 => break,
            length => csv.feed(&part[..length], &mut each),
        }
    }
    let ended = csv.finish(&mut each);
    told.and(ended).map_err(Broken::Unreadable)
}

fn picked(
    picker: &mut Picker,
    sifter: &mut Sifter<'_>,
    row: u64,
    cells: &[String],
) -> Result<(), Unreadable> {
    for number in picker.pick(cells)? {
        sifter.push_person(row, number, picker.values(cells));
    }
    Ok(())
}

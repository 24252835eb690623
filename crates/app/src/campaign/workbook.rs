//! Workbooks of Excel. Whoever sends one may mean harm: it is a zip, which may unpack to anything,
//! and its cells may stand anywhere. So it is unpacked once for nothing but its size, and its cells
//! are read one after the other, never as the rectangle that they span.

use std::io::{Cursor, Read, sink};

use calamine::{Data, DataRef, Reader, Xlsx};
use domain::campaign::table::{COLUMNS_MAX, Unreadable};
use zip::ZipArchive;

/// Files in the zip.
const FILES_MAX: usize = 2_000;
/// All of them unpacked, bytes: a million rows with a few columns have less.
const UNPACKED_BYTES_MAX: u64 = 192 * 1024 * 1024;
/// Up to here a whole number in a cell is exact, and written without an exponent.
const WHOLE_MAX: f64 = 1e15;

/// What each row goes to: its number from 1, and its cells.
type Each<'a> = &'a mut dyn FnMut(u64, &[String]) -> Result<(), Unreadable>;

/// Tells the rows of a sheet, from 1, that have anything in them.
pub(super) fn read(bytes: &[u8], sheet: Option<&str>, each: Each<'_>) -> Result<(), Unreadable> {
    bounded(bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| Unreadable::Broken)?;
    let names = book.sheet_names();
    let name = match sheet {
        Some(wanted) => names.iter().find(|name| name.trim() == wanted.trim()),
        None => names.first(),
    };
    let name = name.ok_or(Unreadable::NoSuchSheet)?.clone();
    let mut cells = book.worksheet_cells_reader(&name).map_err(|_| Unreadable::Broken)?;
    let (mut row, mut filled): (u32, Vec<String>) = (0, Vec::new());
    while let Some(cell) = cells.next_cell().map_err(|_| Unreadable::Broken)? {
        let (at, column) = cell.get_position();
        if at != row {
            tell(row, &mut filled, each)?;
            row = at;
        }
        let column = usize::try_from(column).unwrap_or(COLUMNS_MAX);
        if column < COLUMNS_MAX {
            if filled.len() <= column {
                filled.resize(column + 1, String::new());
            }
            filled[column] = text(cell.get_value());
        }
    }
    tell(row, &mut filled, each)
}

fn tell(row: u32, cells: &mut Vec<String>, each: Each<'_>) -> Result<(), Unreadable> {
    if !cells.is_empty() {
        each(u64::from(row) + 1, cells)?;
        cells.clear();
    }
    Ok(())
}

/// Refuses what unpacks to too much, whatever it says of its size.
fn bounded(bytes: &[u8]) -> Result<(), Unreadable> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| Unreadable::Broken)?;
    if zip.len() > FILES_MAX {
        return Err(Unreadable::TooLarge);
    }
    let mut room = UNPACKED_BYTES_MAX;
    for n in 0..zip.len() {
        let file = zip.by_index(n).map_err(|_| Unreadable::Broken)?;
        // One more, to tell full from too full.
        let unpacked = std::io::copy(&mut file.take(room + 1), &mut sink());
        let unpacked = unpacked.map_err(|_| Unreadable::Broken)?;
        room = room.checked_sub(unpacked).ok_or(Unreadable::TooLarge)?;
    }
    Ok(())
}

/// What a person sees in a cell: a number that lost its zeros has no decimal point.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() < WHOLE_MAX => {
            format!("{number:.0}")
        }
        DataRef::Empty => String::new(),
        other => Data::from(other.clone()).to_string(),
    }
}

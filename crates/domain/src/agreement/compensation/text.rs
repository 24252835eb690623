//! The form in which a schedule is written by the operator, kept and shown: a line for each thing
//! it says, in whole numbers whose units are in the names.

use std::fmt::Write as _;

use super::{Border, Draft, ROWS_MAX, Row, Shape};
use crate::Rials;

/// Longest text of a schedule, bytes.
pub const TEXT_MAX: usize = 20_000;

/// Why a text is no draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than [`TEXT_MAX`].
    TooLong,
    /// This line, from 1, says nothing that a schedule says, or what another one said.
    Line(usize),
    /// This is not said.
    Missing(&'static str),
    /// This is said, and its shape has none.
    Stray(&'static str),
}

/// The first word of each shape.
const SHAPES: [&str; 4] =
    ["percent-by-availability", "percent-by-downtime", "days-by-downtime", "multiple-of-excess"];

/// What was said so far.
#[derive(Default)]
struct Said {
    shape: Option<usize>,
    border: Option<Border>,
    cap_bp: Option<u64>,
    total_cap_bp: Option<u64>,
    least_rials: Option<i64>,
    review_hours: Option<u32>,
    times: Option<u64>,
    rows: Vec<Row>,
}

impl Draft {
    /// Reads what somebody wrote: `name = value` on each line, where empty lines and those that
    /// begin with `#` say nothing. It is not judged here ([`Draft::validate`]).
    ///
    /// # Errors
    /// The first line that is not understood, or what is missing.
    pub fn parse(text: &str, author: &str) -> Result<Self, Unread> {
        if text.len() > TEXT_MAX {
            return Err(Unread::TooLong);
        }
        let mut said = Said::default();
        for (place, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
            pair.and_then(|(name, value)| said.take(name, value)).ok_or(Unread::Line(place + 1))?;
        }
        said.draft(author)
    }

    /// The text of a draft, without who wrote it.
    pub fn to_text(&self) -> String {
        let (shape, rows, times) = match &self.shape {
            Shape::PercentByAvailability(rows) => (0, rows.as_slice(), None),
            Shape::PercentByDownTime(rows) => (1, rows.as_slice(), None),
            Shape::DaysByDownTime(rows) => (2, rows.as_slice(), None),
            Shape::MultipleOfExcess(times) => (3, &[][..], Some(times)),
        };
        let border = match self.border {
            Border::Lower => "lower",
            Border::Upper => "upper",
        };
        let mut text = format!(
            "shape = {}\nborder = {border}\ncap_bp = {}\nleast_rials = {}\nreview_hours = {}\n",
            SHAPES[shape], self.cap_bp, self.min.0, self.review_hours
        );
        if let Some(total) = self.total_cap_bp {
            writeln!(text, "total_cap_bp = {total}").expect("a string takes it");
        }
        if let Some(times) = times {
            writeln!(text, "times_hundredths = {times}").expect("a string takes it");
        }
        for Row { from, to, rate } in rows {
            let to = to.map_or("-".to_owned(), |to| to.to_string());
            writeln!(text, "row = {from} {to} {rate}").expect("a string takes it");
        }
        text
    }
}

impl Said {
    /// Takes one line; `None` when it is not understood, or was said before.
    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "shape" => {
                let shape = SHAPES.iter().position(|known| *known == value)?;
                once(&mut self.shape, shape)
            }
            "border" => {
                let border = match value {
                    "lower" => Border::Lower,
                    "upper" => Border::Upper,
                    _ => return None,
                };
                once(&mut self.border, border)
            }
            "cap_bp" => once(&mut self.cap_bp, value.parse().ok()?),
            "total_cap_bp" => once(&mut self.total_cap_bp, value.parse().ok()?),
            "least_rials" => once(&mut self.least_rials, value.parse().ok()?),
            "review_hours" => once(&mut self.review_hours, value.parse().ok()?),
            "times_hundredths" => once(&mut self.times, value.parse().ok()?),
            "row" => {
                let mut words = value.split_whitespace();
                let from = words.next()?.parse().ok()?;
                let to = match words.next()? {
                    "-" => None,
                    to => Some(to.parse().ok()?),
                };
                let rate = words.next()?.parse().ok()?;
                self.rows.push(Row { from, to, rate });
                (words.next().is_none() && self.rows.len() <= ROWS_MAX).then_some(())
            }
            _ => None,
        }
    }

    fn draft(self, author: &str) -> Result<Draft, Unread> {
        let rows = self.rows;
        let shape = self.shape.ok_or(Unread::Missing("shape"))?;
        match (shape == SHAPES.len() - 1, self.times.is_some(), rows.is_empty()) {
            (true, _, false) => return Err(Unread::Stray("row")),
            (false, true, _) => return Err(Unread::Stray("times_hundredths")),
            _ => {}
        }
        let shape = match shape {
            0 => Shape::PercentByAvailability(rows),
            1 => Shape::PercentByDownTime(rows),
            2 => Shape::DaysByDownTime(rows),
            _ => Shape::MultipleOfExcess(self.times.ok_or(Unread::Missing("times_hundredths"))?),
        };
        Ok(Draft {
            shape,
            border: self.border.ok_or(Unread::Missing("border"))?,
            cap_bp: self.cap_bp.ok_or(Unread::Missing("cap_bp"))?,
            total_cap_bp: self.total_cap_bp,
            min: Rials(self.least_rials.ok_or(Unread::Missing("least_rials"))?),
            review_hours: self.review_hours.unwrap_or(0),
            author: author.to_owned(),
        })
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_everything_once() {
        let whole = "# by hours\nshape = days-by-downtime\nborder=lower\ncap_bp = 10000\n\
                     least_rials = 0\nrow = 0 3600 0\nrow = 3600 - 100\n";
        let read = |text: &str| Draft::parse(text, "Maryam");
        let draft = read(whole).unwrap();
        assert_eq!((draft.validate(), draft.review_hours), (Ok(()), 0));
        assert_eq!(draft.total_cap_bp, None);
        let capped = read(&format!("{whole}total_cap_bp = 10000")).unwrap();
        assert_eq!(capped.total_cap_bp, Some(10_000));
        assert_eq!(read(&capped.to_text()), Ok(capped));
        assert_eq!(read(&format!("{whole}border = upper")), Err(Unread::Line(8)));
        assert_eq!(read(&format!("{whole}row = 1 2 3 4")), Err(Unread::Line(8)));
        assert_eq!(read(&format!("{whole}rate = 1")), Err(Unread::Line(8)));
        assert_eq!(read(&whole.replace("3600 - 100", "3600 100")), Err(Unread::Line(7)));
        assert_eq!(read(&whole.replace("cap_bp = 10000", "")), Err(Unread::Missing("cap_bp")));
        let times = format!("{whole}times_hundredths = 300");
        assert_eq!(read(&times), Err(Unread::Stray("times_hundredths")));
        let excess = times.replace("days-by-downtime", "multiple-of-excess");
        assert_eq!(read(&excess), Err(Unread::Stray("row")));
        assert_eq!(read(""), Err(Unread::Missing("shape")));
        assert_eq!(read(&" ".repeat(TEXT_MAX + 1)), Err(Unread::TooLong));
        let many = format!("{whole}{}", "row = 1 2 3\n".repeat(ROWS_MAX));
        assert_eq!(read(&many), Err(Unread::Line(8 + ROWS_MAX - 2)));
    }
}

//! The map of numbers: where numbers are, as the operator knows it, and which of them lie within a
//! region that a customer draws. All of it is reckoned in whole microdegrees, so that two machines
//! never differ about who is within.

use crate::campaign::numbers::{CompactNumber, NumberSet};

/// Corners of a region, at most, over all of its rings.
pub const CORNERS_MAX: usize = 1_000;
/// Bytes of a region that is written, at most: room for [`CORNERS_MAX`] of them with every digit.
pub const REGION_BYTES_MAX: usize = 64 * 1024;
/// Numbers of a map, at most.
pub const NUMBERS_MAX: u32 = 20_000_000;
/// Rows of a map that are told as bad one by one; the others are counted.
pub const BAD_TOLD_MAX: usize = 1_000;

/// Characters of a bad row that are told.
const EXCERPT_CHARS: usize = 32;
/// Characters of a coordinate that are looked at.
const DEGREES_CHARS_MAX: usize = 32;
/// Digits behind the point that are kept; that is eleven centimetres.
const PLACES: usize = 6;
const UDEG: i64 = 1_000_000;

/// A point on the earth (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    lat_udeg: i32,
    lng_udeg: i32,
}

impl Position {
    /// A point by its microdegrees: north of the equator, and east of Greenwich. `None`: there is
    /// no such point.
    pub fn new(lat_udeg: i64, lng_udeg: i64) -> Option<Self> {
        let within = |value: i64, degrees: i64| {
            i32::try_from(value).ok().filter(|_| value.abs() <= degrees * UDEG)
        };
        Some(Self { lat_udeg: within(lat_udeg, 90)?, lng_udeg: within(lng_udeg, 180)? })
    }

    /// Reads degrees as people write them, `35.699739`, in digits of any script. What stands behind
    /// the sixth place is rounded.
    pub fn parse(lat: &str, lng: &str) -> Option<Self> {
        Self::new(microdegrees(lat)?, microdegrees(lng)?)
    }

    /// Microdegrees north of the equator.
    pub fn lat_udeg(self) -> i64 {
        self.lat_udeg.into()
    }

    /// Microdegrees east of Greenwich.
    pub fn lng_udeg(self) -> i64 {
        self.lng_udeg.into()
    }
}

/// Degrees as millionths.
fn microdegrees(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > DEGREES_CHARS_MAX * 4 {
        return None;
    }
    let (sign, text) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = text.split_once(['.', '٫']).unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut sum: i64 = 0;
    for c in whole.chars() {
        sum = sum.checked_mul(10)?.checked_add(digit(c)?)?;
    }
    let mut digits = fraction.chars().map(digit);
    for _ in 0..PLACES {
        sum = sum.checked_mul(10)?.checked_add(digits.next().unwrap_or(Some(0))?)?;
    }
    if digits.next().unwrap_or(Some(0))? >= 5 {
        sum = sum.checked_add(1)?;
    }
    digits.all(|digit| digit.is_some()).then_some(sign * sum)
}

fn digit(c: char) -> Option<i64> {
    let digit = match c {
        '0'..='9' => u32::from(c) - u32::from('0'),
        '۰'..='۹' => u32::from(c) - u32::from('۰'),
        '٠'..='٩' => u32::from(c) - u32::from('٠'),
        _ => return None,
    };
    Some(digit.into())
}

/// A part of the map with straight borders: rings of corners, of which those after the first one
/// are usually holes. A point within an odd number of rings is within the region, as is one on a
/// border.
///
/// It is a plane of degrees: no region reaches over the 180th meridian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    rings: Vec<Vec<Position>>,
}

impl Region {
    /// A region within rings, whose last corner may be the first one again. `None`: one of them has
    /// no three corners, or there are too many in all.
    pub fn new(rings: Vec<Vec<Position>>) -> Option<Self> {
        let count: usize = rings.iter().map(Vec::len).sum();
        if rings.is_empty() || count > CORNERS_MAX {
            return None;
        }
        let closed = |mut ring: Vec<Position>| {
            if ring.len() > 1 && ring.first() == ring.last() {
                ring.pop();
            }
            let mut corners = ring.clone();
            corners.sort_unstable();
            corners.dedup();
            (corners.len() >= 3).then_some(ring)
        };
        Some(Self { rings: rings.into_iter().map(closed).collect::<Option<_>>()? })
    }

    /// Reads a region that is written as pairs of latitude and longitude, `35.70,51.33; …`, with
    /// semicolons, bars, spaces or line ends between the pairs; or as a polygon of WKT,
    /// `POLYGON ((51.33 35.70, …))`, which has the longitude first.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > REGION_BYTES_MAX {
            return None;
        }
        let text = text.trim();
        let head = text.get(..WKT.len()).unwrap_or_default();
        if head.eq_ignore_ascii_case(WKT) { wkt(&text[WKT.len()..]) } else { pairs(text) }
    }

    /// The south-western and the north-eastern corner of the smallest rectangle around it.
    pub fn bounds(&self) -> (Position, Position) {
        let corners = || self.rings.iter().flatten();
        let lat = || corners().map(|corner| corner.lat_udeg);
        let lng = || corners().map(|corner| corner.lng_udeg);
        let position = |lat_udeg: Option<i32>, lng_udeg: Option<i32>| {
            let (lat_udeg, lng_udeg) = lat_udeg.zip(lng_udeg).expect("a region has corners");
            Position { lat_udeg, lng_udeg }
        };
        (position(lat().min(), lng().min()), position(lat().max(), lng().max()))
    }

    /// Whether a point lies within it or on a border.
    pub fn contains(&self, point: Position) -> bool {
        let mut within = false;
        for (from, to) in self.rings.iter().flat_map(|ring| edges(ring)) {
            let side = side(from, to, point);
            if side == 0 && between(from, to, point) {
                return true;
            }
            // A ray to the east; of two edges that meet on it, it crosses the one that goes south.
            let crosses = (from.lat_udeg > point.lat_udeg) != (to.lat_udeg > point.lat_udeg);
            if crosses && (side > 0) == (to.lat_udeg > from.lat_udeg) {
                within = !within;
            }
        }
        within
    }
}

/// The borders of a ring, each from a corner to the next.
fn edges(ring: &[Position]) -> impl Iterator<Item = (Position, Position)> + '_ {
    let next = ring.iter().cycle().skip(1);
    ring.iter().copied().zip(next.copied())
}

/// On which side of a border a point lies: above zero on the left, zero in line with it. Each
/// factor is below 2²⁹, so nothing overflows.
fn side(from: Position, to: Position, point: Position) -> i64 {
    let lat = |a: Position, b: Position| b.lat_udeg() - a.lat_udeg();
    let lng = |a: Position, b: Position| b.lng_udeg() - a.lng_udeg();
    lng(from, to) * lat(from, point) - lng(from, point) * lat(from, to)
}

/// Whether a point in line with a border is not beyond its ends.
fn between(from: Position, to: Position, point: Position) -> bool {
    let within = |a: i32, b: i32, value: i32| a.min(b) <= value && value <= a.max(b);
    within(from.lat_udeg, to.lat_udeg, point.lat_udeg)
        && within(from.lng_udeg, to.lng_udeg, point.lng_udeg)
}

const WKT: &str = "POLYGON";

/// What stands behind the word: rings in brackets, in brackets.
fn wkt(text: &str) -> Option<Region> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    let mut rings = Vec::new();
    let mut rest = inner.trim();
    loop {
        let (ring, behind) = rest.strip_prefix('(')?.split_once(')')?;
        let corner = |text: &str| {
            let mut words = text.split_whitespace();
            let (lng, lat) = (words.next()?, words.next()?);
            words.next().is_none().then(|| Position::parse(lat, lng))?
        };
        rings.push(ring.split(',').map(corner).collect::<Option<_>>()?);
        match behind.trim_start() {
            "" => return Region::new(rings),
            more => rest = more.strip_prefix(',')?.trim_start(),
        }
    }
}

fn pairs(text: &str) -> Option<Region> {
    let text = text.replace([';', '؛', '|'], " ").replace([',', '،'], " , ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let corner = |pair: &[&str]| match pair {
        [lat, ",", lng] => Position::parse(lat, lng),
        _ => None,
    };
    Region::new(vec![words.chunks(3).map(corner).collect::<Option<_>>()?])
}

/// Why a row of a map is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRow {
    /// It begins with no telephone number.
    NoNumber,
    /// No latitude and longitude stand behind its number.
    NoPosition,
    /// Its number stood in a row before.
    Twice,
    /// The map is full.
    Beyond,
}

/// A row of a map that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRow {
    /// Its place in the file, from 1.
    pub row: u64,
    /// Why it is none.
    pub why: BadRow,
    /// The beginning of its first cell.
    pub excerpt: String,
}

/// Goes through a map row by row: a number, its latitude, its longitude.
#[derive(Debug, Default)]
pub struct Survey {
    known: NumberSet,
    found: Vec<(CompactNumber, Position)>,
    begun: bool,
    /// Rows that are none.
    pub bad: u64,
    /// The first of them.
    pub bad_rows: Vec<ToldRow>,
}

impl Survey {
    /// Reads a row. An empty one is none at all, nor is a heading.
    pub fn push(&mut self, row: u64, cells: &[String]) {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        let cell = |n: usize| cells.get(n).map_or("", String::as_str);
        let number = CompactNumber::parse(cell(0));
        let position = Position::parse(cell(1), cell(2));
        let is_heading = !std::mem::replace(&mut self.begun, true);
        let why = match (number, position) {
            (None, None) if is_heading => return,
            (None, _) => BadRow::NoNumber,
            (_, None) => BadRow::NoPosition,
            (Some(number), _) if self.known.contains(number) => BadRow::Twice,
            _ if self.known.len() >= NUMBERS_MAX as usize => BadRow::Beyond,
            (Some(number), Some(position)) => {
                self.known.insert(number);
                self.found.push((number, position));
                return;
            }
        };
        self.bad += 1;
        if self.bad_rows.len() < BAD_TOLD_MAX {
            let excerpt = cell(0).chars().take(EXCERPT_CHARS).collect();
            self.bad_rows.push(ToldRow { row, why, excerpt });
        }
    }

    /// How many numbers the map has so far.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it has none so far.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What was found since this was asked last.
    pub fn take(&mut self) -> Vec<(CompactNumber, Position)> {
        std::mem::take(&mut self.found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(lat: i64, lng: i64) -> Position {
        Position::new(lat, lng).unwrap()
    }

    fn ring(corners: &[(i64, i64)]) -> Vec<Position> {
        corners.iter().map(|&(lat, lng)| at(lat, lng)).collect()
    }

    #[test]
    fn degrees_are_read_in_any_script() {
        let read = |lat, lng| Position::parse(lat, lng).map(|it| (it.lat_udeg(), it.lng_udeg()));
        assert_eq!(read("35.699739", "51.338097"), Some((35_699_739, 51_338_097)));
        assert_eq!(read(" ۳۵٫۶۹ ", "٥١.٣"), Some((35_690_000, 51_300_000)));
        assert_eq!(read("-90", "+180"), Some((-90_000_000, 180_000_000)));
        assert_eq!(read("−0.0000005", ".5"), Some((-1, 500_000)));
        assert_eq!(read("1.00000049999", "7."), Some((1_000_000, 7_000_000)));
        for (lat, lng) in [
            ("90.000001", "0"),
            ("0", "-180.1"),
            ("", "1"),
            (".", "1"),
            ("1e1", "1"),
            ("1.2.3", "1"),
            ("1.0000000x", "1"),
            ("99999999999999999999999", "1"),
            ("--1", "1"),
        ] {
            assert_eq!(read(lat, lng), None, "{lat}, {lng}");
        }
    }

    #[test]
    fn a_region_is_read_however_it_is_written() {
        let square = Region::new(vec![ring(&[(0, 0), (0, 2), (2, 2), (2, 0)])]);
        assert!(square.is_some());
        for text in [
            "0,0;0,0.000002;0.000002,0.000002;0.000002,0",
            "0,0|0,0.000002|0.000002,0.000002|0.000002,0|0,0",
            "0, 0\n0, 0.000002\r\n0.000002 ,0.000002 0.000002,0",
            "۰،۰؛ ۰،۰٫۰۰۰۰۰۲؛ ۰٫۰۰۰۰۰۲،۰٫۰۰۰۰۰۲؛ ۰٫۰۰۰۰۰۲،۰؛",
            "POLYGON((0 0, 0.000002 0, 0.000002 0.000002, 0 0.000002, 0 0))",
            "  polygon ( ( 0 0,0.000002 0,0.000002 0.000002,0 0.000002 ) ) ",
        ] {
            assert_eq!(Region::parse(text), square, "{text}");
        }
    }

    #[test]
    fn what_is_no_region_is_none() {
        for text in [
            "",
            "0,0;0,1",
            "0,0;0,1;0,0",
            "0,0;0,1;0,1;0,0",
            "0,0;0,1;1",
            "0;0,1;1,1,0",
            "0 0;0 1;1 1",
            "0,0;0,1;91,1",
            "POLYGON",
            "POLYGON((0 0,1 0,1 1)",
            "POLYGON((0 0,1 0,1 1)) and more",
            "POLYGON((0 0,1 0,1 1),)",
            "POLYGON((0 0,1 0,1 1 1))",
            "POLYGON(0 0,1 0,1 1)",
            "MULTIPOLYGON(((0 0,1 0,1 1)))",
        ] {
            assert_eq!(Region::parse(text), None, "{text}");
        }
        let many = |n: i64| (0..n).map(|n| (n % 7, n)).collect::<Vec<_>>();
        let most = i64::try_from(CORNERS_MAX).unwrap();
        assert!(Region::new(vec![ring(&many(most))]).is_some());
        assert!(Region::new(vec![ring(&many(most + 1))]).is_none());
        let long = format!("{}0,0;0,1;1,1", " ".repeat(REGION_BYTES_MAX));
        assert_eq!(Region::parse(&long), None);
    }

    #[test]
    fn borders_are_within_and_holes_are_not() {
        let outer = ring(&[(0, 0), (0, 10), (10, 10), (10, 0)]);
        let hole = ring(&[(4, 4), (4, 6), (6, 6), (6, 4)]);
        let region = Region::new(vec![outer, hole]).unwrap();
        assert_eq!(region.bounds(), (at(0, 0), at(10, 10)));
        for (lat, lng) in [(0, 0), (0, 5), (10, 10), (1, 1), (4, 5), (6, 6)] {
            assert!(region.contains(at(lat, lng)), "{lat}, {lng}");
        }
        for (lat, lng) in [(5, 5), (-1, 0), (0, 11), (11, 5), (5, -1)] {
            assert!(!region.contains(at(lat, lng)), "{lat}, {lng}");
        }
        let earth = [(-90, -180), (-90, 180), (90, 180), (90, -180)];
        let earth = earth.map(|(lat, lng)| (lat * UDEG, lng * UDEG));
        let earth = Region::new(vec![ring(&earth)]).unwrap();
        assert!(earth.contains(at(89 * UDEG, -179 * UDEG)));
    }

    #[test]
    fn rows_of_a_map_are_read_and_bad_ones_told() {
        let mut survey = Survey::default();
        let rows = [
            "number,latitude,longitude",
            "09121234567,35.7,51.4",
            "",
            "۰۹۳۵۱۲۳۴۵۶۷,۳۵٫۷,۵۱٫۴",
            "+989121234567,35.8,51.4",
            "nobody,35.8,51.4",
            "09121234568,95.8,51.4",
            "09121234569",
        ];
        for (row, text) in (1..).zip(rows) {
            let cells: Vec<String> = text.split(',').map(str::to_owned).collect();
            survey.push(row, &cells);
        }
        let tehran = at(35_700_000, 51_400_000);
        let numbers: Vec<_> = ["09121234567", "09351234567"].map(CompactNumber::parse).to_vec();
        let numbers: Vec<_> = numbers.into_iter().flatten().map(|it| (it, tehran)).collect();
        assert_eq!(survey.take(), numbers);
        assert_eq!((survey.take().len(), survey.len(), survey.bad), (0, 2, 4));
        let told: Vec<_> = survey.bad_rows.iter().map(|told| (told.row, told.why)).collect();
        let no_position = BadRow::NoPosition;
        assert_eq!(
            told,
            [(5, BadRow::Twice), (6, BadRow::NoNumber), (7, no_position), (8, no_position)]
        );
        assert_eq!(survey.bad_rows[1].excerpt, "nobody");
    }

    /// Whether a point is within, found otherwise: by a steep ray that meets no other point of a
    /// small grid, so that there are no cases to tell apart; and by distances on the borders.
    fn naively(rings: &[Vec<(i64, i64)>], (lat, lng): (i64, i64)) -> bool {
        let turn = |a: (i128, i128), b: (i128, i128), c: (i128, i128)| {
            ((b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)).signum()
        };
        let wide = |(lat, lng): (i64, i64)| (i128::from(lat), i128::from(lng));
        let point = wide((lat, lng));
        let far = (point.0 + 1_000_003 * 1_000, point.1 + 1_000);
        let length = |a: (i128, i128), b: (i128, i128)| (a.0 - b.0).abs() + (a.1 - b.1).abs();
        let mut crossed = 0;
        for ring in rings {
            for n in 0..ring.len() {
                let (a, b) = (wide(ring[n]), wide(ring[(n + 1) % ring.len()]));
                let in_line = turn(a, b, point) == 0;
                if in_line && length(a, point) + length(point, b) == length(a, b) {
                    return true;
                }
                let apart = turn(point, far, a) * turn(point, far, b) < 0;
                crossed += u32::from(apart && turn(a, b, point) * turn(a, b, far) < 0);
            }
        }
        crossed % 2 == 1
    }

    fn corners() -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((-6_i64..=6, -6_i64..=6), 3..9)
    }

    proptest! {
        #[test]
        fn a_region_has_the_points_that_a_steep_ray_finds(
            rings in prop::collection::vec(corners(), 1..3),
            points in prop::collection::vec((-7_i64..=7, -7_i64..=7), 1..20),
        ) {
            let region = Region::new(rings.iter().map(|corners| ring(corners)).collect());
            let Some(region) = region else { return Ok(()) };
            let (south_west, north_east) = region.bounds();
            for (lat, lng) in points {
                let found = region.contains(at(lat, lng));
                prop_assert_eq!(found, naively(&rings, (lat, lng)), "{}, {}", lat, lng);
                let boxed = south_west.lat_udeg() <= lat && lat <= north_east.lat_udeg()
                    && south_west.lng_udeg() <= lng && lng <= north_east.lng_udeg();
                prop_assert!(boxed || !found);
            }
        }

        #[test]
        fn hostile_text_is_a_region_or_none(text in "(POLYGON)?[-0-9.,;|() \n۰-۹٫،]{0,80}") {
            if let Some(region) = Region::parse(&text) {
                let mut corners = region.rings.iter().flatten();
                prop_assert!(corners.all(|corner| region.contains(*corner)));
            }
        }
    }
}

//! Regions of the map as clients write them: pairs of latitude and longitude, WKT, or GeoJSON.
//!
//! The vendor's format of `GISCroods` is not known (docs/decisions/0093).

use domain::map::{Position, REGION_BYTES_MAX, Region};
use serde::Deserialize;
use serde_json::{Number, Value};

/// A polygon of GeoJSON (RFC 7946, section 3.1.6): rings of positions, the longitude first. Names
/// and heights beside them are not looked at.
#[derive(Deserialize)]
struct Polygon {
    #[serde(rename = "type")]
    kind: String,
    coordinates: Value,
}

/// A ring of GeoJSON.
type Ring = Vec<Vec<Number>>;

/// Reads a region, if that is what is written.
pub(crate) fn read(text: &str) -> Option<Region> {
    if text.len() > REGION_BYTES_MAX {
        return None;
    }
    let text = text.trim();
    match text.chars().next()? {
        '{' => {
            let polygon: Polygon = serde_json::from_str(text).ok()?;
            (polygon.kind == "Polygon").then(|| of_json(polygon.coordinates))?
        }
        '[' => of_json(serde_json::from_str(text).ok()?),
        _ => Region::parse(text),
    }
}

/// Coordinates of a polygon, or of its one ring alone.
fn of_json(coordinates: Value) -> Option<Region> {
    let is_ring = coordinates.pointer("/0/0").is_some_and(Value::is_number);
    let rings: Vec<Ring> = if is_ring {
        vec![serde_json::from_value(coordinates).ok()?]
    } else {
        serde_json::from_value(coordinates).ok()?
    };
    let position = |point: &Vec<Number>| match point.as_slice() {
        // A third one would be its height.
        [lng, lat] | [lng, lat, _] => Position::parse(&degrees(lat)?, &degrees(lng)?),
        _ => None,
    };
    let ring = |ring: &Ring| ring.iter().map(position).collect::<Option<Vec<Position>>>();
    Region::new(rings.iter().map(ring).collect::<Option<_>>()?)
}

/// A number without an exponent, to the place that is kept.
fn degrees(number: &Number) -> Option<String> {
    number.as_f64().map(|degrees| format!("{degrees:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_of_geojson_is_the_region_of_its_pairs() {
        let region = Region::parse("35.7,51.3; 35.7,51.4; 35.8,51.4");
        assert!(region.is_some());
        for text in [
            "[[51.3,35.7],[51.4,35.7],[51.4,35.8]]",
            " [[[51.3,35.7],[51.4,35.7],[51.4,35.8],[51.3,35.7]]] ",
            r#"{"type":"Polygon","coordinates":[[[51.3,35.7],[51.4,3.57e1,1200],[51.4,35.8]]]}"#,
            "POLYGON((51.3 35.7, 51.4 35.7, 51.4 35.8, 51.3 35.7))",
            "35.7,51.3|35.7,51.4|35.8,51.4",
        ] {
            assert_eq!(read(text), region, "{text}");
        }
    }

    #[test]
    fn what_is_no_polygon_is_no_region() {
        for text in [
            "",
            "[]",
            "[[]]",
            "[[51.3,35.7],[51.4,35.7]]",
            "[[[51.3,35.7],[51.4,35.7],[51.4,135.8]]]",
            "[[51.3],[51.4],[51.5]]",
            "[[51.3,35.7,1,1],[51.4,35.7,1,1],[51.4,35.8,1,1]]",
            r#"[["51.3","35.7"],["51.4","35.7"],["51.4","35.8"]]"#,
            r#"{"type":"Point","coordinates":[51.3,35.7]}"#,
            r#"{"type":"MultiPolygon","coordinates":[[[51.3,35.7],[51.4,35.7],[51.4,35.8]]]}"#,
            r#"{"coordinates":[[[51.3,35.7],[51.4,35.7],[51.4,35.8]]]}"#,
            "[[51.3,35.7],[51.4,35.7],[51.4,35.8]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let deep = "[".repeat(REGION_BYTES_MAX);
        assert_eq!(read(&deep), None);
    }
}

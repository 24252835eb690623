//! Answers as XML: a JSON answer of the REST services is written as the table says, field by field,
//! in the table's order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use serde_json::value::RawValue;

use super::table::{Kind, Object};

/// The namespace of methods and types, which the vendor never changed from ASMX's example.
pub(crate) const TEMPURI: &str = "http://tempuri.org/";
pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
pub(crate) const SCHEMA_NAMESPACES: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                                            xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"";

/// The fields of a JSON object that nobody has to read yet.
pub(crate) type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Writes text so that a reader gets it back; what XML has no way to say becomes U+FFFD.
pub(crate) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A bare one would be read as a line feed (XML 1.0, section 2.11).
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

/// Writes an answer as `<element …>`; nothing for one that is null, which is how ASMX leaves an
/// element out, but for a number of which there may be none.
pub(crate) fn element(out: &mut String, name: &str, kind: Kind, json: &str) {
    if json.trim() == "null" {
        if matches!(kind, Kind::MaybeInt) {
            out.extend(["<", name, " xsi:nil=\"true\" />"]);
        }
        return;
    }
    open(out, name);
    content(out, kind, json);
    close(out, name);
}

/// Writes an answer as a document of its own, as the GET and POST bindings have it.
pub(crate) fn document(kind: Kind, json: &str) -> String {
    let (mut out, name) = (DECLARATION.to_owned(), root(kind));
    let mut write = |text: String| out.push_str(&text);
    if json.trim() == "null" {
        write(format!("<{name} {SCHEMA_NAMESPACES} xsi:nil=\"true\" xmlns=\"{TEMPURI}\" />"));
        return out;
    }
    match kind {
        Kind::Object(_) | Kind::List(_) | Kind::Ints => {
            write(format!("<{name} {SCHEMA_NAMESPACES} xmlns=\"{TEMPURI}\">"));
        }
        _ => write(format!("<{name} xmlns=\"{TEMPURI}\">")),
    }
    content(&mut out, kind, json);
    close(&mut out, &name);
    out
}

/// The name of an answer that is a document of its own.
pub(crate) fn root(kind: Kind) -> Cow<'static, str> {
    match kind {
        Kind::Object(object) => object.name.into(),
        Kind::List(object) => format!("ArrayOf{}", object.name).into(),
        Kind::Ints => "ArrayOfInt".into(),
        scalar => schema_type(scalar).into(),
    }
}

/// The name of a scalar type in XML Schema.
pub(crate) fn schema_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int | Kind::MaybeInt | Kind::Ints => "int",
        Kind::Long => "long",
        Kind::Flag => "boolean",
        Kind::Decimal => "decimal",
        Kind::Bytes => "base64Binary",
        Kind::Text | Kind::Object(_) | Kind::List(_) => "string",
    }
}

fn content(out: &mut String, kind: Kind, json: &str) {
    match kind {
        Kind::Object(object) => fields(out, object, json),
        Kind::List(object) => {
            let items: Vec<&RawValue> = parsed(json);
            for one in items {
                item(out, object, one.get());
            }
        }
        Kind::Ints => {
            let items: Vec<i64> = parsed(json);
            for item in items {
                write!(out, "<int>{item}</int>").expect("a String takes any text");
            }
        }
        _ => match parsed(json) {
            Value::String(text) => escape(out, &text),
            scalar => write!(out, "{scalar}").expect("a String takes any text"),
        },
    }
}

/// Writes one of a list.
pub(crate) fn item(out: &mut String, object: &Object, json: &str) {
    open(out, object.name);
    fields(out, object, json);
    close(out, object.name);
}

fn fields(out: &mut String, object: &Object, json: &str) {
    let all: Fields<'_> = parsed(json);
    for (name, kind) in object.fields {
        let field = all.get(*name).expect("the table has the fields that the answer has");
        element(out, name, *kind, field.get());
    }
}

/// Reads a part of an answer of ours.
pub(crate) fn parsed<'a, T: serde::Deserialize<'a>>(json: &'a str) -> T {
    serde_json::from_str(json).expect("our own answers are JSON of the table's kinds")
}

fn open(out: &mut String, name: &str) {
    out.extend(["<", name, ">"]);
}

fn close(out: &mut String, name: &str) {
    out.extend(["</", name, ">"]);
}

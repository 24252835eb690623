//! SOAP 1.1 and 1.2 envelopes: what a request asks for, and what an answer or a fault looks like.
//! Reads no entities, no document types and nothing twice; a hostile body costs no more than its
//! length.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::xml::{self, TEMPURI};
use crate::params::Params;

/// Most elements of one envelope. The widest method has 15 parameters; the rest are headers.
const ELEMENTS_MAX: usize = 256;
/// The namespaces of the envelopes (SOAP 1.1, section 1.2; SOAP 1.2 part 1, section 1.1).
const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// Which SOAP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Soap11,
    Soap12,
}

/// A request in an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Which SOAP it speaks.
    pub(crate) version: Version,
    /// The method, as it was written.
    pub(crate) method: String,
    /// Its parameters.
    pub(crate) params: Params,
}

/// Why an envelope was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not XML in UTF-8, or cut off.
    NotXml,
    /// It has a document type, or an entity that only one could declare.
    DocumentType,
    /// More elements than any request has.
    TooManyElements,
    /// XML, but no SOAP envelope with a method in its body.
    NoMethod,
    /// An envelope of a SOAP that is not spoken.
    WrongVersion,
    /// A header that must be understood; none is.
    NotUnderstood,
    /// No such method.
    UnknownMethod,
}

impl Fault {
    /// The code's local name in SOAP 1.1 (section 4.4.1) and in SOAP 1.2 (part 1, section 5.4.6).
    fn codes(self) -> (&'static str, &'static str) {
        match self {
            Self::WrongVersion => ("VersionMismatch", "VersionMismatch"),
            Self::NotUnderstood => ("MustUnderstand", "MustUnderstand"),
            Self::NotXml
            | Self::DocumentType
            | Self::TooManyElements
            | Self::NoMethod
            | Self::UnknownMethod => ("Client", "Sender"),
        }
    }

    /// What the client's programmer reads.
    fn reason(self) -> &'static str {
        match self {
            Self::NotXml => "The request is not well-formed XML in UTF-8.",
            Self::DocumentType => "Document types and the entities they declare are not read.",
            Self::TooManyElements => "The request has more elements than any method takes.",
            Self::NoMethod => "The request is not a SOAP envelope with a method in its body.",
            Self::WrongVersion => "Only SOAP 1.1 and SOAP 1.2 are spoken.",
            Self::NotUnderstood => "A SOAP header must be understood and is not.",
            Self::UnknownMethod => "There is no such method; the WSDL lists them.",
        }
    }
}

impl Version {
    /// The media type of requests and answers.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Soap11 => "text/xml; charset=utf-8",
            Self::Soap12 => "application/soap+xml; charset=utf-8",
        }
    }

    /// The version that a media type announces, for a body that does not tell its own.
    pub(crate) fn announced(media_type: &str) -> Self {
        let media_type = media_type.trim().to_ascii_lowercase();
        if media_type.starts_with("application/soap+xml") { Self::Soap12 } else { Self::Soap11 }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Soap11 => SOAP_11,
            Self::Soap12 => SOAP_12,
        }
    }

    /// An envelope around a body.
    pub(crate) fn envelope(self, body: &str) -> String {
        let namespace = self.namespace();
        format!(
            "{declaration}<soap:Envelope xmlns:soap=\"{namespace}\" {schema}>\
             <soap:Body>{body}</soap:Body></soap:Envelope>",
            declaration = xml::DECLARATION,
            schema = xml::SCHEMA_NAMESPACES,
        )
    }

    /// The answer of `method` around its parts.
    pub(crate) fn response(self, method: &str, parts: &str) -> String {
        self.envelope(&format!("<{method}Response xmlns=\"{TEMPURI}\">{parts}</{method}Response>"))
    }

    /// A fault and the HTTP status that goes with it (SOAP 1.1, section 6.2; SOAP 1.2 part 2,
    /// section 7.5.2.2).
    pub(crate) fn fault(self, fault: Fault) -> (u16, String) {
        let ((code, code_12), reason) = (fault.codes(), fault.reason());
        match self {
            Self::Soap11 => {
                let body = format!(
                    "<soap:Fault><faultcode>soap:{code}</faultcode>\
                     <faultstring>{reason}</faultstring><detail /></soap:Fault>"
                );
                (500, self.envelope(&body))
            }
            Self::Soap12 => {
                let body = format!(
                    "<soap:Fault><soap:Code><soap:Value>soap:{code_12}</soap:Value></soap:Code>\
                     <soap:Reason><soap:Text xml:lang=\"en\">{reason}</soap:Text></soap:Reason>\
                     </soap:Fault>"
                );
                (if code_12 == "Sender" { 400 } else { 500 }, self.envelope(&body))
            }
        }
    }
}

/// Reads an envelope: its method is the first element of its body, parameters are that element's
/// children. Prefixes and the namespaces of method and parameters are not looked at, since clients
/// made by hand often have them wrong.
///
/// # Errors
/// The first [`Fault`] that is found, and the version if that was known by then.
pub(crate) fn read(body: &[u8]) -> Result<Envelope, (Option<Version>, Fault)> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|_| (None, Fault::NotXml))?;
    let mut document = Document::new(text);
    let version = document.version().map_err(|fault| (None, fault))?;
    let (method, params) = document.content().map_err(|fault| (Some(version), fault))?;
    Ok(Envelope { version, method, params })
}

/// A walk through a document, never back.
struct Document<'a> {
    reader: Reader<&'a [u8]>,
    elements: usize,
    depth: usize,
}

impl<'a> Document<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, elements: 0, depth: 0 }
    }

    /// The next event that is none of comment, declaration and instruction.
    fn next(&mut self) -> Result<Event<'a>, Fault> {
        loop {
            let event = self.reader.read_event().map_err(|_| Fault::NotXml)?;
            match event {
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(Fault::DocumentType),
                Event::Start(_) if self.elements == ELEMENTS_MAX => {
                    return Err(Fault::TooManyElements);
                }
                Event::Start(_) => {
                    self.elements += 1;
                    self.depth += 1;
                    return Ok(event);
                }
                Event::End(_) => {
                    self.depth = self.depth.checked_sub(1).ok_or(Fault::NotXml)?;
                    return Ok(event);
                }
                // What was opened was never closed.
                Event::Eof if self.depth > 0 => return Err(Fault::NotXml),
                _ => return Ok(event),
            }
        }
    }

    /// The next child of the element that is open; `None` at its end.
    fn child(&mut self) -> Result<Option<BytesStart<'a>>, Fault> {
        loop {
            match self.next()? {
                Event::Start(start) => return Ok(Some(start)),
                Event::End(_) | Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// Reads past the element that was just opened.
    fn skip(&mut self) -> Result<(), Fault> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// The text of the element that was just opened, without that of its children.
    fn text(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::CData(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(reference) => {
                    let named = match &*reference {
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "amp" => Some('&'),
                        "apos" => Some('\''),
                        "quot" => Some('"'),
                        _ => reference.resolve_char_ref().map_err(|_| Fault::NotXml)?,
                    };
                    text.push(named.ok_or(Fault::DocumentType)?);
                }
                Event::Start(_) => self.skip()?,
                Event::End(_) => return Ok(text),
                _ => {}
            }
        }
    }

    /// Opens the envelope.
    fn version(&mut self) -> Result<Version, Fault> {
        let root = self.child()?.ok_or(Fault::NoMethod)?;
        if root.local_name().as_ref() != "Envelope" {
            return Err(Fault::NoMethod);
        }
        let declaration = match root.name().prefix() {
            Some(prefix) => format!("xmlns:{}", prefix.as_ref()),
            None => String::from("xmlns"),
        };
        let namespace = attribute(&root, |name| name == declaration);
        [Version::Soap11, Version::Soap12]
            .into_iter()
            .find(|version| namespace.as_deref() == Some(version.namespace()))
            .ok_or(Fault::WrongVersion)
    }

    /// Headers and body, up to the end of the document.
    fn content(&mut self) -> Result<(String, Params), Fault> {
        let mut asked = None;
        while let Some(part) = self.child()? {
            match part.local_name().as_ref() {
                "Header" => self.headers()?,
                "Body" if asked.is_none() => asked = self.method()?,
                _ => self.skip()?,
            }
        }
        // Nothing may follow; and what stands there must be XML, too.
        if self.child()?.is_some() {
            return Err(Fault::NotXml);
        }
        asked.ok_or(Fault::NoMethod)
    }

    /// Headers are read past, unless one must not be (SOAP 1.1, section 4.2.3; SOAP 1.2 part 1,
    /// section 5.2.3).
    fn headers(&mut self) -> Result<(), Fault> {
        while let Some(header) = self.child()? {
            let must = attribute(&header, |name| local(name) == "mustUnderstand");
            if matches!(must.as_deref(), Some("1" | "true")) {
                return Err(Fault::NotUnderstood);
            }
            self.skip()?;
        }
        Ok(())
    }

    fn method(&mut self) -> Result<Option<(String, Params)>, Fault> {
        let Some(method) = self.child()? else { return Ok(None) };
        let mut params = Params::default();
        while let Some(parameter) = self.child()? {
            let nil = attribute(&parameter, |name| local(name) == "nil");
            let value = self.text()?;
            if !matches!(nil.as_deref(), Some("1" | "true")) {
                params.add(parameter.local_name().as_ref(), value);
            }
        }
        // A body has one element; others have nothing to say (WS-I Basic Profile 1.1, R2201).
        while self.child()?.is_some() {
            self.skip()?;
        }
        Ok(Some((method.local_name().as_ref().to_owned(), params)))
    }
}

/// The first attribute whose name is wanted.
fn attribute(element: &BytesStart<'_>, wanted: impl Fn(&str) -> bool) -> Option<String> {
    // Looking for attributes that are there twice would cost the square of their number.
    let mut attributes = element.attributes();
    let found = attributes.with_checks(false).flatten().find(|one| wanted(one.key.as_ref()))?;
    Some(found.value.trim().to_owned())
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

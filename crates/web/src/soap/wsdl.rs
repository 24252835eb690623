//! The WSDL of a service, as ASMX would write it for the table: document/literal wrapped for SOAP
//! 1.1 and 1.2, and the GET and POST bindings. Proxies that clients generate from it have the same
//! classes and the same order of arguments.

use std::fmt::Write;

use super::table::{CREDENTIALS, Kind, METHODS, Named, Object, Row};
use super::xml::{self, TEMPURI};

/// A SOAP binding: the suffix of its name, its prefix, and the namespace of that.
const SOAPS: [(&str, &str); 2] = [("Soap", "soap"), ("Soap12", "soap12")];
/// An HTTP binding: the suffix of its name, its verb, and how parameters are written.
const HTTPS: [(&str, &str, &str); 2] = [
    ("HttpGet", "GET", "<http:urlEncoded />"),
    ("HttpPost", "POST", "<mime:content type=\"application/x-www-form-urlencoded\" />"),
];

/// The description of `service`, which answers at `address`.
pub(crate) fn wsdl(service: &str, address: &str) -> String {
    let mut out = Wsdl(String::with_capacity(96 * 1024));
    out.line(&format!(
        "{}\n<wsdl:definitions xmlns:http=\"http://schemas.xmlsoap.org/wsdl/http/\" \
         xmlns:mime=\"http://schemas.xmlsoap.org/wsdl/mime/\" \
         xmlns:s=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" \
         xmlns:soap12=\"http://schemas.xmlsoap.org/wsdl/soap12/\" xmlns:tns=\"{TEMPURI}\" \
         xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" targetNamespace=\"{TEMPURI}\">",
        xml::DECLARATION
    ));
    out.types();
    out.messages();
    out.port_types(service);
    out.bindings(service);
    out.service(service, address);
    out.line("</wsdl:definitions>");
    out.0
}

/// The fields of a request: credentials first.
fn request(row: &Row) -> impl Iterator<Item = &'static Named> + use<> {
    CREDENTIALS.iter().chain(row.parameters)
}

struct Wsdl(String);

impl Wsdl {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn types(&mut self) {
        self.line("<wsdl:types>");
        self.line(&format!(
            "<s:schema elementFormDefault=\"qualified\" targetNamespace=\"{TEMPURI}\">"
        ));
        for row in METHODS {
            self.wrapper(row.name, request(row));
            let result = (format!("{}Result", row.name), row.result);
            let fields = std::iter::once((result.0.as_str(), result.1))
                .chain(row.out.iter().copied())
                .map(|field| element(&field))
                .collect::<String>();
            self.element_of(&format!("{}Response", row.name), &fields);
        }
        let (mut objects, mut roots) = (Vec::<&Object>::new(), Vec::<String>::new());
        for row in METHODS {
            let root = root_element(row.result);
            if !roots.contains(&root) {
                roots.push(root);
            }
            if let Kind::Object(object) | Kind::List(object) = row.result
                && !objects.iter().any(|known| known.name == object.name)
            {
                objects.push(object);
            }
        }
        for object in objects {
            self.object(object);
        }
        self.line(
            "<s:complexType name=\"ArrayOfInt\"><s:sequence><s:element minOccurs=\"0\" \
             maxOccurs=\"unbounded\" name=\"int\" type=\"s:int\" /></s:sequence>\
             </s:complexType>",
        );
        for root in roots {
            self.line(&root);
        }
        self.line("</s:schema>");
        self.line("</wsdl:types>");
    }

    fn wrapper(&mut self, name: &str, fields: impl Iterator<Item = &'static Named>) {
        let fields: String = fields.map(element).collect();
        self.element_of(name, &fields);
    }

    fn element_of(&mut self, name: &str, fields: &str) {
        self.line(&format!(
            "<s:element name=\"{name}\"><s:complexType><s:sequence>{fields}</s:sequence>\
             </s:complexType></s:element>"
        ));
    }

    fn object(&mut self, object: &Object) {
        let (name, fields) = (object.name, object.fields.iter().map(element).collect::<String>());
        self.line(&format!(
            "<s:complexType name=\"{name}\"><s:sequence>{fields}</s:sequence></s:complexType>"
        ));
        self.line(&format!(
            "<s:complexType name=\"ArrayOf{name}\"><s:sequence><s:element minOccurs=\"0\" \
             maxOccurs=\"unbounded\" name=\"{name}\" nillable=\"true\" type=\"tns:{name}\" />\
             </s:sequence></s:complexType>"
        ));
    }

    fn messages(&mut self) {
        for row in METHODS {
            let name = row.name;
            for (direction, element) in
                [("In", name.to_owned()), ("Out", format!("{name}Response"))]
            {
                self.line(&format!(
                    "<wsdl:message name=\"{name}Soap{direction}\"><wsdl:part name=\"parameters\" \
                     element=\"tns:{element}\" /></wsdl:message>"
                ));
            }
            let parts = request(row).fold(String::new(), |mut parts, (part, _)| {
                write!(parts, "<wsdl:part name=\"{part}\" type=\"s:string\" />")
                    .expect("a String takes any text");
                parts
            });
            for (binding, ..) in HTTPS {
                let root = xml::root(row.result);
                self.line(&format!(
                    "<wsdl:message name=\"{name}{binding}In\">{parts}</wsdl:message>"
                ));
                self.line(&format!(
                    "<wsdl:message name=\"{name}{binding}Out\"><wsdl:part name=\"Body\" \
                     element=\"tns:{root}\" /></wsdl:message>"
                ));
            }
        }
    }

    fn port_types(&mut self, service: &str) {
        for binding in ["Soap", "HttpGet", "HttpPost"] {
            self.line(&format!("<wsdl:portType name=\"{service}{binding}\">"));
            for Row { name, .. } in METHODS {
                self.line(&format!(
                    "<wsdl:operation name=\"{name}\"><wsdl:input message=\"tns:{name}{binding}In\" \
                     /><wsdl:output message=\"tns:{name}{binding}Out\" /></wsdl:operation>"
                ));
            }
            self.line("</wsdl:portType>");
        }
    }

    fn bindings(&mut self, service: &str) {
        for (suffix, soap) in SOAPS {
            self.line(&format!(
                "<wsdl:binding name=\"{service}{suffix}\" type=\"tns:{service}Soap\">\
                 <{soap}:binding transport=\"http://schemas.xmlsoap.org/soap/http\" />"
            ));
            for Row { name, .. } in METHODS {
                let body = format!("<{soap}:body use=\"literal\" />");
                self.line(&format!(
                    "<wsdl:operation name=\"{name}\"><{soap}:operation \
                     soapAction=\"{TEMPURI}{name}\" style=\"document\" /><wsdl:input>{body}\
                     </wsdl:input><wsdl:output>{body}</wsdl:output></wsdl:operation>"
                ));
            }
            self.line("</wsdl:binding>");
        }
        for (suffix, verb, input) in HTTPS {
            self.line(&format!(
                "<wsdl:binding name=\"{service}{suffix}\" type=\"tns:{service}{suffix}\">\
                 <http:binding verb=\"{verb}\" />"
            ));
            for Row { name, .. } in METHODS {
                self.line(&format!(
                    "<wsdl:operation name=\"{name}\"><http:operation location=\"/{name}\" />\
                     <wsdl:input>{input}</wsdl:input><wsdl:output><mime:mimeXml part=\"Body\" />\
                     </wsdl:output></wsdl:operation>"
                ));
            }
            self.line("</wsdl:binding>");
        }
    }

    fn service(&mut self, service: &str, address: &str) {
        let mut location = String::new();
        xml::escape(&mut location, address);
        self.line(&format!("<wsdl:service name=\"{service}\">"));
        let soaps = SOAPS.iter().copied();
        let https = HTTPS.iter().map(|(suffix, ..)| (*suffix, "http"));
        for (suffix, prefix) in soaps.chain(https) {
            self.line(&format!(
                "<wsdl:port name=\"{service}{suffix}\" binding=\"tns:{service}{suffix}\">\
                 <{prefix}:address location=\"{location}\" /></wsdl:port>"
            ));
        }
        self.line("</wsdl:service>");
    }
}

/// A field: those that .NET has a nothing for may be left out.
fn element((name, kind): &(impl std::fmt::Display, Kind)) -> String {
    let left_out =
        matches!(kind, Kind::Text | Kind::Bytes | Kind::Object(_) | Kind::List(_) | Kind::Ints);
    let least = u8::from(!left_out);
    let nillable = if matches!(kind, Kind::MaybeInt) { " nillable=\"true\"" } else { "" };
    format!(
        "<s:element minOccurs=\"{least}\" maxOccurs=\"1\" name=\"{name}\"{nillable} \
         type=\"{}\" />",
        type_name(*kind)
    )
}

fn type_name(kind: Kind) -> String {
    match kind {
        Kind::Object(_) | Kind::List(_) | Kind::Ints => format!("tns:{}", xml::root(kind)),
        scalar => format!("s:{}", xml::schema_type(scalar)),
    }
}

/// The answer of the GET and POST bindings as an element of its own. A number may be none, since
/// one of the methods has none to tell.
fn root_element(kind: Kind) -> String {
    let nillable = match kind {
        Kind::Long | Kind::Flag | Kind::Decimal => "",
        _ => " nillable=\"true\"",
    };
    format!("<s:element name=\"{}\"{nillable} type=\"{}\" />", xml::root(kind), type_name(kind))
}

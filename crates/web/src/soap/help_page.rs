//! The page that a person sees who opens a service's address, as ASMX has one.

use std::fmt::Write;

use super::reference_page::signature;
use super::table::METHODS;
use super::xml;

/// The methods of `service`, which answers at `address`.
pub(crate) fn help_page(service: &str, address: &str) -> String {
    let mut place = String::new();
    xml::escape(&mut place, address);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{service}</title>\n</head>\n<body>\n<h1>{service}</h1>\n\
         <p>SOAP 1.1, SOAP 1.2, GET and POST at <code>{place}</code>. For a formal definition, \
         see the <a href=\"?WSDL\">service description</a>.</p>\n<ul>\n"
    );
    for row in METHODS {
        writeln!(page, "<li><code>{}</code></li>", signature(row))
            .expect("a String takes any text");
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    page
}

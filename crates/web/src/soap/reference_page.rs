//! docs/SOAP.md, printed from the table of methods, so that it cannot say anything else.

use std::fmt::Write;

use super::table::{CREDENTIALS, Kind, METHODS, Named, Object, Row};
use super::xml;

/// How the services are called, before the methods.
const HEAD: &str = "\
# The SOAP services

Printed from `crates/web/src/soap/table.rs`; `UPDATE_DOCS=1 cargo test -p web docs` rewrites it.

`webservice3.asmx` and `soapwebservice.asmx` have the same methods; only the class of a generated
proxy is called `WebService3` or `SoapWebService`. Each method is a view of one of the REST services
([API.md](API.md)), which says what its parameters mean; codes are in [ERRORS.md](ERRORS.md).

| | |
|---|---|
| SOAP 1.1 and 1.2 | POST an envelope to `/webservice3.asmx`. The method is the first element of the body; `SOAPAction`, prefixes and the namespaces of method and parameters are not looked at, nor is the order of parameters |
| WSDL | `/webservice3.asmx?WSDL`; namespace `http://tempuri.org/` |
| GET and POST | `/webservice3.asmx/<Method>` with a query or form; the answer is an XML document |
| JSON | `/webservice3/<Method>` with a JSON object, form or query; the answer is the result as JSON |
| Who | `userName` and `password` on every call (`avanak account password --account N --user-name NAME`); or a token, as the header `Authorization` or a parameter `Token`. Permissions go by the name of the REST method |
| Names | of services, methods and parameters in any case |
| A refusal | the code is the result of a number or text; `false` of a boolean; in `Id` or `Result` of an object that has one of these for it; elsewhere the result is left out (`xsi:nil` by GET and POST, `null` in JSON) |
| Access | the codes of access, among them -1: no account has this user name and this password |
| No SOAP | what is no SOAP is answered by a fault (`Client` or `Sender`, `VersionMismatch`, `MustUnderstand`): no document types, no entities but XML's own five, at most 256 elements, UTF-8 only. Too large, too slow or too much at once is HTTP's affair (ERRORS.md) |
| Lists of numbers | all of them, however many: a long list is written while it is read |
| `GetCampaignNumberStatusById` | the vendor says that a status is above 0 and else null or a code; here 0 is the status of a number that waits for its first call, and a number that there is not is null (`xsi:nil`) |
| `Idempotency-Key` | the header works here, too |

## Methods

`userName` and `password` come first everywhere and are not repeated here.

| Method | Result | Answered by |
|---|---|---|
";

/// The reference of the SOAP services as a Markdown page.
pub fn soap_page() -> String {
    let mut page = String::from(HEAD);
    let mut line = |text: String| writeln!(page, "{text}").expect("a String takes any text");
    for row in METHODS {
        let out = row.out.iter().map(|(name, kind)| format!("{name} {}", words(*kind)));
        let results: Vec<String> = std::iter::once(words(row.result)).chain(out).collect();
        let answers = row.answers.name();
        line(format!("| `{}` | {} | {answers} |", listed(row), results.join(", ")));
    }
    line(String::from("\n## Objects\n"));
    let mut told: Vec<&Object> = Vec::new();
    for row in METHODS {
        if let Kind::Object(object) | Kind::List(object) = row.result
            && !told.iter().any(|known| known.name == object.name)
        {
            told.push(object);
            let fields: Vec<String> = object.fields.iter().map(field).collect();
            line(format!("`{}`: {}\n", object.name, fields.join(", ")));
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// A method with all its parameters.
pub(crate) fn signature(row: &Row) -> String {
    let all: Vec<&str> = CREDENTIALS.iter().chain(row.parameters).map(|(name, _)| *name).collect();
    format!("{}({})", row.name, all.join(", "))
}

fn listed(row: &Row) -> String {
    let all: Vec<&str> = row.parameters.iter().map(|(name, _)| *name).collect();
    format!("{}({})", row.name, all.join(", "))
}

fn field((name, kind): &Named) -> String {
    format!("`{name}` {}", words(*kind))
}

/// A kind in the words of XML Schema.
fn words(kind: Kind) -> String {
    match kind {
        Kind::Object(object) => format!("`{}`", object.name),
        Kind::List(object) => format!("list of `{}`", object.name),
        Kind::Ints => String::from("list of int"),
        Kind::MaybeInt => String::from("int or nothing"),
        scalar => xml::schema_type(scalar).to_owned(),
    }
}

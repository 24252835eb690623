//! `avanak trunk check`: explains a trunk end to end. It has lines of its own, so that a running
//! server is not disturbed, and it leaves the server's registration as it is.

mod line;
mod report;
mod test_call;

use anyhow::{Error, Result};
use domain::{PhoneNumber, Trunk};
use engine::{Codec, Hop, Located, locate};
use sip::{Headers, Method, Name, NameAddr, OutOfDialog, Response, Uri};

use crate::address::Told;
use crate::config::Config;
use crate::resolver::Resolver;
use crate::{address, registrations, trunks};
use line::{Heard, Line, text};
pub use report::Report;

/// Servers of one trunk that are asked.
const SERVERS_MAX: usize = 8;

/// Checks one trunk, and calls `number` over it if there is one.
///
/// # Errors
/// The check itself cannot be done; what is wrong with the trunk stands in the report.
pub async fn check(config: &Config, trunk: &Trunk, number: Option<&PhoneNumber>) -> Result<Report> {
    let mut report = Report::default();
    let Some(servers) = find(config, trunk, &mut report).await? else { return Ok(report) };
    let hops = locate::order(&servers, |_| 0);
    let Some(advertised) = reached_at(config, trunk, &hops, &mut report) else {
        return Ok(report);
    };
    let mut usable = None;
    for &hop in hops.iter().take(SERVERS_MAX) {
        if let Some(line) = greet(config, trunk, advertised, hop, &mut report).await {
            usable = usable.or(Some(line));
        }
    }
    let Some(mut line) = usable else {
        for step in ["registration", "codecs", "call"] {
            report.skip(step, "no server of the trunk answers");
        }
        return Ok(report);
    };
    register(trunk, &servers, &mut line, &mut report).await;
    let answered = call(config, trunk, number, &mut line, &mut report).await;
    codecs(trunk, answered, &mut report);
    report.pass(
        "caps",
        format!("at most {} calls at once, {} started a second", trunk.max_channels, trunk.max_cps),
    );
    Ok(report)
}

/// Where the trunk is.
async fn find(config: &Config, trunk: &Trunk, report: &mut Report) -> Result<Option<Vec<Located>>> {
    let mut told = Vec::new();
    let found = Resolver::new(&config.sip)?.locate_and_tell(trunk, &mut told).await;
    let details = told.into_iter().flat_map(|asked| match asked.answer {
        Ok(records) if records.is_empty() => vec![format!("{}: none", asked.question)],
        Ok(records) => {
            records.into_iter().map(|record| format!("{}: {record}", asked.question)).collect()
        }
        Err(error) => vec![format!("{}: {error}", asked.question)],
    });
    let details: Vec<String> = details.collect();
    let (step, servers) = match found {
        Ok(found) => {
            let hops: Vec<String> =
                locate::order(&found.servers, |_| 0).iter().map(shown).collect();
            let line = format!("{} is {}", trunk.address, hops.join(", then "));
            (report.pass("dns", line), Some(found.servers))
        }
        Err(error) => {
            let fix = "is the name right, and do the name servers (sip.name_servers, or those of \
                       this machine) answer?";
            (report.fail("dns", format!("{error:#}"), fix), None)
        }
    };
    step.details = details;
    Ok(servers)
}

/// Where the trunk is told to reach us.
fn reached_at(config: &Config, trunk: &Trunk, hops: &[Hop], report: &mut Report) -> Option<Told> {
    let all: Vec<_> = hops.iter().map(|hop| (trunk.name.as_str(), hop.address)).collect();
    match address::advertised_to(&config.sip, &all) {
        Ok(advertised) => {
            report.pass("own address", format!("it is told to reach us at {advertised}"));
            Some(advertised)
        }
        Err(error) => {
            report.fail("own address", format!("{error:#}"), "see sip.listen in docs/CONFIG.md");
            None
        }
    }
}

/// Connects with one server and asks whether it is there.
async fn greet(
    config: &Config,
    trunk: &Trunk,
    advertised: Told,
    hop: Hop,
    report: &mut Report,
) -> Option<Line> {
    let host = address::host_of(&trunk.address);
    let mut line = match Line::open(&config.sip, advertised.to(hop.address), hop, host).await {
        Ok(line) => line,
        Err(error) => {
            let why = format!("there is no connection with {}: {error:#}", shown(&hop));
            report.fail("transport", why, connection_fix(&error));
            return None;
        }
    };
    match &line.certificate {
        Some(certificate) => report.pass(
            "transport",
            format!("connected with {}; its certificate is good: {certificate}", shown(&hop)),
        ),
        None if hop.transport.is_reliable() => {
            report.pass("transport", format!("connected with {}", shown(&hop)))
        }
        None => report.pass("transport", format!("{}: datagrams need no connection", shown(&hop))),
    };
    let heard = match line.ask(options(trunk, hop, &line)).await {
        Ok(heard) => heard,
        Err(error) => {
            let fix = "is the port of the trunk's address right?";
            report.fail("options", format!("{error:#}"), fix);
            return None;
        }
    };
    judge_options(hop, &heard, report).then_some(line)
}

/// What mends a connection that cannot be made.
fn connection_fix(error: &Error) -> &'static str {
    if format!("{error:#}").contains("certificate") {
        "the certificate must be valid, have the host of the trunk's address as a name, and be \
         vouched for by sip.tls_authorities"
    } else {
        "are address and port right, and does the carrier's firewall let us in?"
    }
}

/// The OPTIONS of a check (RFC 3261 §11).
fn options(trunk: &Trunk, hop: Hop, line: &Line) -> OutOfDialog {
    let uri = Uri::at("", hop);
    let from = Uri::at(&trunk.caller_id, Hop { address: line.local, ..hop });
    OutOfDialog {
        method: Method::Options,
        destination: hop.address,
        uri: uri.clone(),
        from: NameAddr::new(from),
        to: NameAddr::new(uri),
        call_id: None,
        cseq: 1,
        headers: Headers::new(),
        body: Vec::new(),
        credentials: trunks::credentials(trunk),
    }
}

fn judge_options(hop: Hop, heard: &Heard, report: &mut Report) -> bool {
    let (address, took_ms) = (hop.address, heard.took_ms);
    let response = match &heard.result {
        Ok(response) => response,
        Err(failure) => {
            let why = format!("no answer to OPTIONS from {address} in {took_ms} ms ({failure:?})");
            let fix = "is the address right, and does the carrier's firewall let us in?";
            report.fail("options", why, fix);
            return false;
        }
    };
    let code = response.code;
    match code {
        401 | 403 | 407 => {
            let why = format!("{address} refused our credentials with {code}");
            report.fail("options", why, "check username and password").details = headers(response);
            false
        }
        408 | 500..=699 => {
            let why = format!("{address} answered OPTIONS with {code} in {took_ms} ms");
            report.fail("options", why, "ask the carrier what is wrong").details =
                headers(response);
            false
        }
        _ => {
            let by = hop.transport.name().to_lowercase();
            let found = format!("it answered OPTIONS with {code} in {took_ms} ms over {by}");
            let mut details = headers(response);
            details.extend(heard.challenge.iter().map(|asked| format!("it asked: {asked}")));
            report.pass("options", found).details = details;
            true
        }
    }
}

/// What a response tells about the other side.
fn headers(response: &Response) -> Vec<String> {
    let reason = text(&response.reason);
    let named = [("Allow", "Allow"), ("Supported", "Supported"), ("Server", "Server")];
    let told = named.iter().filter_map(|(name, shown)| {
        let value = response.headers.find(name)?;
        Some(format!("{shown}: {}", text(value)))
    });
    std::iter::once(format!("{} {reason}", response.code)).chain(told).collect()
}

/// Asks the registrar what it knows of us: a REGISTER without a Contact changes nothing
/// (RFC 3261 §10.2.3).
async fn register(trunk: &Trunk, servers: &[Located], line: &mut Line, report: &mut Report) {
    let wanted = match registrations::of(trunk, servers) {
        Ok(wanted) => wanted.into_iter().find(|one| one.address == line.peer.address),
        Err(error) => {
            report.fail("registration", format!("{error:#}"), "check username and registrar");
            return;
        }
    };
    let Some(wanted) = wanted else {
        return report.skip("registration", "the trunk is not registered with");
    };
    let uris = (wanted.registrar.parse(), wanted.address_of_record.parse());
    let (Ok(uri), Ok(address)) = uris else {
        return report.skip("registration", "its URIs cannot be written");
    };
    let address = NameAddr::new(address);
    let request = OutOfDialog {
        method: Method::Register,
        destination: line.peer.address,
        uri,
        from: address.clone(),
        to: address,
        call_id: None,
        cseq: 1,
        headers: Headers::new(),
        body: Vec::new(),
        credentials: wanted.credentials,
    };
    match line.ask(request).await {
        Ok(heard) => judge_registration(&heard, wanted.expires_s, report),
        Err(error) => {
            report.fail("registration", format!("{error:#}"), "does the registrar listen there?");
        }
    }
}

fn judge_registration(heard: &Heard, expires_s: u32, report: &mut Report) {
    let challenge = heard.challenge.iter().map(|asked| format!("it asked: {asked}"));
    let mut details: Vec<String> = challenge.collect();
    let step = match &heard.result {
        Ok(response) if response.code == 200 => {
            let contacts: Vec<String> =
                response.headers.elements(Name::Contact).map(text).collect();
            let found = match contacts.len() {
                0 => format!("the registrar knows us, and no contact; we would ask {expires_s} s"),
                count => format!("the registrar knows us, with {count} contacts"),
            };
            details.extend(contacts.iter().map(|contact| format!("contact {contact}")));
            report.pass("registration", found)
        }
        Ok(response) => {
            details.extend(headers(response));
            let why = format!("the registrar refused us with {}", response.code);
            report.fail("registration", why, "check username, password and registrar")
        }
        Err(failure) => {
            let why = format!("the registrar did not answer ({failure:?})");
            report.fail("registration", why, "does the trunk take REGISTER at this address?")
        }
    };
    step.details = details;
}

/// The test call; tells the codec that was agreed.
async fn call(
    config: &Config,
    trunk: &Trunk,
    number: Option<&PhoneNumber>,
    line: &mut Line,
    report: &mut Report,
) -> Option<Codec> {
    let Some(number) = number else {
        report.skip("call", "--call NUMBER places one");
        return None;
    };
    line.notes.clear();
    let placed = test_call::place(config, line, trunk, number).await;
    let ladder = line.notes.iter().map(|(at_ms, what)| format!("{at_ms:>6} ms {what}")).collect();
    let (step, codec) = match placed {
        Ok(outcome) if outcome.answered => {
            let sent = outcome.rtp.sent;
            let found = format!(
                "it was answered and heard {} ms of beeps, {sent} packets; the codec was {}",
                outcome.heard_ms,
                outcome.codec.map_or("none", Codec::encoding_name)
            );
            (report.pass("call", found), outcome.codec)
        }
        Ok(outcome) => {
            let code = outcome.sip_code.map_or_else(String::new, |code| format!(", {code}"));
            let why = format!("it was not answered: {:?}{code}", outcome.cause);
            (report.fail("call", why, "see the ladder; does the trunk take this number?"), None)
        }
        Err(error) => (report.fail("call", format!("{error:#}"), "see the ladder"), None),
    };
    step.details = ladder;
    codec
}

fn codecs(trunk: &Trunk, answered: Option<Codec>, report: &mut Report) {
    let described: Vec<Codec> =
        trunk.codecs.iter().filter_map(|name| trunks::codec(name)).collect();
    let offered = if described.is_empty() { Codec::DEFAULT_ORDER } else { &described };
    let names: Vec<&str> = offered.iter().map(|codec| codec.encoding_name()).collect();
    let names = names.join(", ");
    match answered {
        Some(codec) => {
            let codec = codec.encoding_name();
            report.pass("codecs", format!("{names} are offered, {codec} was answered"));
        }
        None => {
            report.skip("codecs", format!("{names} are offered; only a call shows the answer"));
        }
    }
}

fn shown(hop: &Hop) -> String {
    format!("{} by {}", hop.address, hop.transport.name().to_lowercase())
}

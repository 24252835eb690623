//! Every row of the table of dispositions, refused by SIPp over a real socket.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use domain::Disposition;
use domain::dialer::disposition::table;
use tempfile::NamedTempFile;

use crate::platform::{Options, Platform, config, rising_tone};
use crate::sipp::{Sipp, UDP};

/// A status code and a Q.850 cause, and what the call must come to.
#[derive(Clone, Copy)]
struct Refusal {
    sip_code: u16,
    q850: Option<u16>,
    disposition: Disposition,
}

impl Refusal {
    /// The number that is refused so.
    fn number(self) -> String {
        format!("0912{:03}{:03}0", self.sip_code, self.q850.unwrap_or(0))
    }
}

/// The first and the last code of each row of the printed table; of a row for a whole hundred only
/// the last, since the first has a row of its own.
fn refusals() -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (sign, disposition, ..) in table() {
        let mut words = sign.split(' ');
        let kind = words.next().unwrap();
        let numbers: Vec<u16> = words.filter_map(|word| word.parse().ok()).collect();
        // A timer is nothing to refuse with.
        let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else { continue };
        let ends = if last - first == 99 { BTreeSet::from([last]) } else { [first, last].into() };
        refusals.extend(ends.into_iter().map(|code| match kind {
            "Q.850" => Refusal { sip_code: 500, q850: Some(code), disposition },
            _ => Refusal { sip_code: code, q850: None, disposition },
        }));
    }
    refusals
}

/// A scenario that refuses each of the numbers as it is to be.
fn scenario(refusals: &[Refusal]) -> String {
    let (mut marks, mut turns, mut answers) = (String::new(), String::new(), String::new());
    let mut names = Vec::new();
    for (at, refusal) in refusals.iter().enumerate() {
        let (number, code) = (refusal.number(), refusal.sip_code);
        let reason = refusal.q850.map(|cause| format!("\nReason: Q.850;cause={cause}"));
        let reason = reason.unwrap_or_default();
        let mark = format!("regexp='{number}@' search_in='msg' assign_to='r{at}'");
        writeln!(marks, "<ereg {mark} check_it='false' />").unwrap();
        writeln!(turns, "<nop next='l{at}' test='r{at}' />").unwrap();
        writeln!(
            answers,
            "<label id='l{at}' />\n<send retrans='500' next='said'><![CDATA[\n\n\
             SIP/2.0 {code} Refused\n[last_Via:]\n[last_From:]\n\
             [last_To:];tag=[pid]sipp[call_number]\n[last_Call-ID:]\n[last_CSeq:]{reason}\n\
             Content-Length: 0\n\n]]></send>"
        )
        .unwrap();
        names.push(format!("r{at}"));
    }
    format!(
        "<?xml version='1.0' encoding='UTF-8' ?>\n<scenario name='uas_refuses'>\n\
         <recv request='INVITE' rrs='true'><action>\n{marks}</action></recv>\n{turns}{answers}\
         <label id='said' />\n<recv request='ACK' />\n<Reference variables='{}' />\n</scenario>\n",
        names.join(",")
    )
    // SIPp knows no other quotation marks.
    .replace('\'', "\"")
}

/// Goal: whatever a carrier refuses a call with, the customer reads what the table says, the code
/// is kept as it came, and nothing is charged. Each refusal has a trunk of its own, so that none
/// suffers from the others' failures.
#[test]
fn every_refusal_of_the_table_is_read_as_the_table_says() {
    let refusals = refusals();
    let named = |code| refusals.iter().any(|one| (one.sip_code, one.q850) == (code, None));
    assert!([399, 401, 404, 408, 410, 484, 487, 488, 499, 599, 699].into_iter().all(named));
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), scenario(&refusals)).unwrap();
    let mut sipp = Sipp::at(refusals.len(), file.path().to_str().unwrap(), UDP);
    let trunk = |one: &Refusal| {
        let (number, port) = (one.number(), sipp.port);
        format!(
            "[[trunk]]\nname = 'p{number}'\naddress = '127.0.0.1:{port}'\n\
             prefixes = ['{number}']\n"
        )
    };
    let trunks: Vec<String> = refusals.iter().map(trunk).collect();
    let config = config(&trunks.concat());
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let sends: Vec<i64> =
        refusals.iter().map(|one| platform.send(&customer, message, &one.number())).collect();
    for (one, send) in refusals.iter().zip(sends) {
        let story = platform.story_of_ended(&customer, send);
        let code = (one.sip_code, one.q850);
        assert_eq!(story["reason"], one.disposition.code(), "{code:?}: {story}");
        assert_eq!(story["sip_code"], one.sip_code, "{code:?}: {story}");
        let q850 = story["q850"].as_u64();
        assert_eq!(q850, one.q850.map(u64::from), "{code:?}: {story}");
        assert_eq!(story["charged_rials"], 0, "{code:?}: {story}");
    }
    assert!(sipp.passed(), "every refusal was acknowledged");
    assert_eq!(platform.settled_balance(&customer), 100_000);
}

//! Trunks that are names: found by the records of a real name server, through servers that die and
//! records that change, while DNS itself comes and goes.

use std::net::UdpSocket;

use serde_json::Value;

use crate::name_server::NameServer;
use crate::platform::{
    Customer, Options, Platform, config, eventually, free_udp_port, rising_tone,
};
use crate::reach::ByHand;
use crate::sipp::{Sipp, TCP, UDP, UDP_V6};

/// A platform with one trunk at a name, and a customer with a message of 3 s.
fn calling(names: &NameServer, address: &str, more: &str) -> (Platform, Customer, i64) {
    let trunk = format!("[[trunk]]\nname = 'peer'\naddress = '{address}'\n{more}");
    let sip = format!("[sip]\n{}", names.setting());
    let config = config(&trunk).replace("[sip]\n", &sip);
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(3_200));
    (platform, customer, message)
}

fn by_hand() -> ByHand {
    let media = UdpSocket::bind("127.0.0.1:0").unwrap();
    ByHand::start(media.local_addr().unwrap())
}

/// Calls until a call is delivered: its story.
fn deliver(platform: &Platform, customer: &Customer, message: i64) -> Value {
    eventually("a call is delivered", || {
        let send = platform.send(customer, message, "09121234567");
        let story = platform.story_of_ended(customer, send);
        (story["reason"] == 10).then_some(story)
    })
}

fn port(trunk: &ByHand) -> u16 {
    trunk.address.port()
}

/// Goal: when the first server of a domain is dead, calls go to the second, and the name that the
/// operator wrote is what stands in the request.
#[test]
fn a_second_server_answers_when_the_first_is_dead() {
    let second = by_hand();
    let names = NameServer::start(&format!(
        "_sip._udp.carrier.example SRV 0 0 {} a.carrier.example
         _sip._udp.carrier.example SRV 1 0 {} a.carrier.example
         a.carrier.example A 127.0.0.1",
        free_udp_port(),
        port(&second),
    ));
    let (platform, customer, message) = calling(&names, "carrier.example", "");
    deliver(&platform, &customer, message);
    assert!(second.invite().starts_with("INVITE sip:09121234567@carrier.example SIP/2.0"));
    // The dead one is left out now: the next call does not even try it.
    let send = platform.send(&customer, message, "09127654321");
    assert_eq!(platform.story_of_ended(&customer, send)["reason"], 10);
}

/// Goal: records that change are followed without a restart, and while DNS is silent, the last
/// that was known stays in use.
#[test]
fn changed_records_are_followed_and_silence_changes_nothing() {
    let (one, other) = (by_hand(), by_hand());
    let zone = |trunk: &ByHand| {
        format!("_sip._udp.c.example SRV 0 0 {} a.c.example\n a.c.example A 127.0.0.1", port(trunk))
    };
    let names = NameServer::start(&zone(&one));
    let (platform, customer, message) = calling(&names, "c.example", "");
    deliver(&platform, &customer, message);
    assert!(!one.invite().is_empty());
    names.say(&zone(&other));
    eventually("calls go to the other", || {
        deliver(&platform, &customer, message);
        other.was_called().then_some(())
    });
    names.fall_silent();
    eventually("the silence is noticed", || {
        platform.log().contains("it is taken to be where it was").then_some(())
    });
    deliver(&platform, &customer, message);
}

/// Goal: a trunk that nobody knows at the start keeps nothing from starting, and is used as soon
/// as its name is known.
#[test]
fn a_name_that_appears_later_is_used_then() {
    let far = by_hand();
    let names = NameServer::start("");
    let (platform, ..) = calling(&names, "late.example", "");
    eventually("it is missed", || platform.log().contains("a trunk cannot be used").then_some(()));
    names.say(&format!("late.example A 127.0.0.1\n x.late.example A {}", far.address.ip()));
    // An operator who sees the warning and touches the trunk is not made to wait.
    let address = format!("late.example:{}", port(&far));
    let add = ["trunk", "add", "again", "--address", &address];
    let added = platform.run(&add);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    eventually("it is taken up", || {
        let shown = platform.get("/metrics");
        shown.contains("avanak_trunk_channels_in_use{trunk=\"again\"}").then_some(())
    });
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(3_200));
    let story = deliver(&platform, &customer, message);
    assert_eq!(story["trunk"], "again");
    assert!(
        far.invite().starts_with(&format!("INVITE sip:09121234567@late.example:{}", port(&far)))
    );
}

/// Goal: a trunk that DNS says nothing about does not keep the operator's other changes waiting:
/// they are taken up while it is still being looked for.
#[test]
fn one_name_keeps_no_other_trunk_waiting() {
    let names = NameServer::start("");
    names.fall_silent();
    let sip = format!("[sip]\n{}", names.setting());
    let config = config("").replace("[sip]\n", &sip);
    let platform = Platform::start(Options { config, ..Options::default() });
    let news = "the trunks are as the operator wants them";
    let told = |log: &str| log.matches(news).count();
    let rows = rusqlite::Connection::open(platform.data_dir().join("avanak.db")).unwrap();
    eventually("the start is over", || (told(&platform.log()) == 1).then_some(()));
    let add = |name: &str| {
        let added = platform.run(&["trunk", "add", name, "--address", "127.0.0.1:9"]);
        assert!(added.status.success());
    };
    add("slow");
    eventually("the trunk is used", || (told(&platform.log()) == 2).then_some(()));
    // The command line refuses a name that nobody knows; one that was known may be so later.
    rows.execute("UPDATE trunk SET address = 'slow.example' WHERE name = 'slow'", ()).unwrap();
    add("fast");
    let log = eventually("the silence is noticed", || {
        let log = platform.log();
        log.contains("a trunk cannot be used").then_some(log)
    });
    let before = log.split("a trunk cannot be used").next().unwrap();
    assert_eq!(told(before), 3, "the other trunk was used meanwhile: {log}");
}

/// Goal: with `auto`, NAPTR records choose the transport: here a connection.
#[test]
fn the_carriers_records_choose_the_transport() {
    let mut sipp = Sipp::at(1, "uas_answer.xml", TCP);
    let names = NameServer::start(&format!(
        "carrier.example NAPTR 10 10 s SIP+D2T _sip._tcp.carrier.example
         carrier.example NAPTR 20 10 s SIP+D2U _sip._udp.carrier.example
         _sip._tcp.carrier.example SRV 0 0 {} a.carrier.example
         _sip._udp.carrier.example SRV 0 0 {} a.carrier.example
         a.carrier.example A 127.0.0.1",
        sipp.port,
        free_udp_port()
    ));
    let (platform, customer, message) = calling(&names, "carrier.example", "transport = 'auto'\n");
    deliver(&platform, &customer, message);
    assert!(sipp.passed());
}

/// Goal: where both families are spoken, a name's addresses of both are servers of one trunk: the
/// dead one is passed over, whichever is tried first.
#[test]
fn a_name_with_addresses_of_both_families_leads_to_the_one_that_lives() {
    for line in [UDP, UDP_V6] {
        let mut sipp = Sipp::at(1, "uas_answer.xml", line);
        let names = NameServer::start("both.example A 127.0.0.1\n both.example AAAA ::1");
        let trunk = format!("[[trunk]]\nname = 'peer'\naddress = 'both.example:{}'\n", sipp.port);
        let sip = format!("[sip]\nlisten_v6 = '[::1]:0'\n{}", names.setting());
        let config = config(&trunk).replace("[sip]\n", &sip);
        let platform = Platform::start(Options { config, ..Options::default() });
        let customer = platform.customer(1_000_000);
        let message = platform.upload(&customer, &rising_tone(4_000));
        deliver(&platform, &customer, message);
        assert!(sipp.passed());
    }
}

/// Goal: the same over IPv6, by AAAA records.
#[test]
fn names_lead_to_ipv6_where_we_speak_it() {
    let mut sipp = Sipp::at(1, "uas_answer.xml", UDP_V6);
    let names = NameServer::start("six.example A 127.0.0.1\n six.example AAAA ::1");
    let trunk = format!("[[trunk]]\nname = 'peer'\naddress = 'six.example:{}'\n", sipp.port);
    let sip = format!("[sip]\n{}", names.setting());
    let config = config(&trunk)
        .replace("[sip]\n", &sip)
        .replace("'127.0.0.1:0'\n[node]", "'[::1]:0'\n[node]");
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    deliver(&platform, &customer, message);
    assert!(sipp.passed());
}

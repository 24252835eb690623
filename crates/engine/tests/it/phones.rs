//! The registrar as a phone sees it, and calls to phones.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::{Binding, Cause, Command, Event, PhoneCredential, Target};
use sip::Method;
use sip::digest::{Algorithm, ha1};

use crate::peer::Phone;
use crate::world::{ENGINE_SIP, World, address, call};

pub const AT: &str = "198.51.100.7:6000";

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

pub fn credential(username: &str, password: &str) -> PhoneCredential {
    let hash = |algorithm| ha1(algorithm, username, "phones.example", password);
    PhoneCredential {
        username: username.to_owned(),
        ha1_md5: unhex(&hash(Algorithm::Md5)),
        ha1_sha256: unhex(&hash(Algorithm::Sha256)),
        binding: None,
    }
}

pub fn set(world: &mut World, phones: &[PhoneCredential]) {
    world.command(Command::SetPhones(Arc::from(phones)));
}

pub fn world_with_phone(password: &str) -> (World, Rc<RefCell<Phone>>) {
    let mut world = World::new();
    set(&mut world, &[credential("alice", "secret")]);
    let phone = world.add_peer(Phone::new("alice", password, AT));
    (world, phone)
}

fn register(
    world: &mut World,
    phone: &Rc<RefCell<Phone>>,
    contacts: &[&str],
    expires: &str,
) -> u16 {
    phone.borrow_mut().register(world.now, contacts, Some(expires));
    world.run_for(Duration::from_millis(100));
    phone.borrow().replies.last().unwrap().0
}

fn phone_events(world: &World) -> Vec<String> {
    world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::PhoneRegistered { username, address, expires_s, .. } => {
                Some(format!("{username} at {address} for {expires_s}"))
            }
            Event::PhoneGone { username } => Some(format!("{username} gone")),
            _ => None,
        })
        .collect()
}

#[test]
fn a_phone_registers_with_either_algorithm_and_is_called_at_its_source_address() {
    for md5_only in [false, true] {
        let (mut world, phone) = world_with_phone("secret");
        phone.borrow_mut().md5_only = md5_only;
        let contact = phone.borrow().contact();
        let code = register(&mut world, &phone, &[&format!("<{contact}>")], "300");
        assert_eq!(code, 200, "MD5 only: {md5_only}");
        assert_eq!(phone_events(&world), [format!("alice at {AT} for 300")]);
        assert_eq!(world.engine.registration("alice"), Some((&*contact, address(AT))));
        assert_eq!(phone.borrow().replies[0].1, [format!("<{contact}>;expires=300")]);

        let mut spec = call(1, "");
        spec.target = Target::Phone { address: address(AT), contact_uri: contact.clone() };
        world.start(spec);
        world.run_until_quiet();
        assert_eq!((world.outcome(1).cause, world.outcome(1).heard_ms), (Cause::Played, 2_000));
        let phone = phone.borrow();
        let used = String::from_utf8(phone.authorised.clone().unwrap()).unwrap();
        assert_eq!(used.contains("SHA-256"), !md5_only);
        assert_eq!(phone.calls_answered, 1);
        assert!(phone.rtp_packets >= 100);
        let invite = phone.received.iter().find(|bytes| bytes.starts_with(b"INVITE ")).unwrap();
        let first_line = format!("INVITE {contact} SIP/2.0\r\n");
        assert!(invite.starts_with(first_line.as_bytes()));
        // Its 200 named the address behind the NAT, where these would have been lost.
        for method in [&b"ACK "[..], b"BYE "] {
            assert_eq!(phone.received.iter().filter(|bytes| bytes.starts_with(method)).count(), 1);
        }
    }
}

#[test]
fn a_registration_runs_out_or_is_taken_back() {
    let (mut world, phone) = world_with_phone("secret");
    register(&mut world, &phone, &["<sip:alice@10.0.0.7>"], "60");
    world.run_for(Duration::from_secs(59));
    assert!(world.engine.registration("alice").is_some());
    world.run_for(Duration::from_secs(2));
    assert!(world.engine.registration("alice").is_none());
    register(&mut world, &phone, &["<sip:alice@10.0.0.7>"], "60");
    assert_eq!(register(&mut world, &phone, &["*"], "0"), 200);
    assert!(world.engine.registration("alice").is_none());
    register(&mut world, &phone, &["<sip:alice@10.0.0.7>;expires=90"], "600");
    assert_eq!(register(&mut world, &phone, &["<sip:alice@10.0.0.7>;expires=0"], "600"), 200);
    let at = format!("alice at {AT} for");
    let gone = "alice gone".to_owned();
    assert_eq!(
        phone_events(&world),
        [
            format!("{at} 60"),
            gone.clone(),
            format!("{at} 60"),
            gone.clone(),
            format!("{at} 90"),
            gone
        ]
    );
}

#[test]
fn expiry_is_kept_between_its_bounds() {
    let (mut world, phone) = world_with_phone("secret");
    assert_eq!(register(&mut world, &phone, &["<sip:alice@10.0.0.7>"], "10"), 423);
    assert_eq!(phone.borrow().min_expires.as_deref(), Some("60"));
    assert!(world.engine.registration("alice").is_none());
    assert_eq!(register(&mut world, &phone, &["<sip:alice@10.0.0.7>"], "86400"), 200);
    assert_eq!(phone_events(&world), [format!("alice at {AT} for 3600")]);
}

#[test]
fn several_contacts_are_kept_up_to_the_limit_and_the_latest_is_called() {
    let (mut world, phone) = world_with_phone("secret");
    for host in 1..=5 {
        let contact = format!("<sip:alice@10.0.0.{host}>");
        assert_eq!(register(&mut world, &phone, &[&contact], "300"), 200);
    }
    assert_eq!(phone.borrow().replies.last().unwrap().1.len(), 3);
    assert_eq!(world.engine.registration("alice").unwrap().0, "sip:alice@10.0.0.5");
    // The latest goes; an earlier one takes its place and the caller is told.
    assert_eq!(register(&mut world, &phone, &["<sip:alice@10.0.0.5>"], "0"), 200);
    assert_eq!(world.engine.registration("alice").unwrap().0, "sip:alice@10.0.0.4");
    assert_eq!(phone_events(&world).last().unwrap(), &format!("alice at {AT} for 299"));
    assert_eq!(register(&mut world, &phone, &["<sip:alice@10.0.0.5>"], "300"), 200);
    let many: Vec<String> = (1..=4).map(|host| format!("<sip:alice@10.0.1.{host}>")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(register(&mut world, &phone, &many, "300"), 400);
    phone.borrow_mut().register(world.now, &[], None);
    world.run_for(Duration::from_millis(100));
    let phone = phone.borrow();
    let (code, contacts) = phone.replies.last().unwrap();
    assert_eq!((*code, contacts.len()), (200, 3), "a query tells what is there");
}

#[test]
fn bad_registers_are_refused_and_change_nothing() {
    let (mut world, phone) = world_with_phone("secret");
    for (contacts, expires) in [
        (vec!["*"], "300"),
        (vec!["*", "<sip:alice@10.0.0.7>"], "0"),
        (vec!["<tel:+982100>"], "300"),
        (vec!["<sip:alice@10.0.0.7>"], "soon"),
    ] {
        assert_eq!(register(&mut world, &phone, &contacts, expires), 400, "{contacts:?}");
    }
    let long = format!("<sip:{}@10.0.0.7>", "a".repeat(300));
    assert_eq!(register(&mut world, &phone, &[&long], "300"), 400);
    assert!(phone_events(&world).is_empty());
    assert!(world.counter("registrations_refused") >= 5);
}

#[test]
fn wrong_passwords_unknown_users_and_other_peoples_addresses_are_denied() {
    let (mut world, wrong) = world_with_phone("guess");
    assert_ne!(register(&mut world, &wrong, &["<sip:alice@10.0.0.7>"], "300"), 200);
    let stranger = world.add_peer(Phone::new("mallory", "secret", "198.51.100.8:6000"));
    assert_ne!(register(&mut world, &stranger, &["<sip:mallory@10.0.0.7>"], "300"), 200);
    assert!(phone_events(&world).is_empty());
    assert!(world.counter("registrations_denied") >= 2);
}

#[test]
fn a_register_seen_on_the_wire_cannot_be_played_again() {
    let (mut world, phone) = world_with_phone("secret");
    register(&mut world, &phone, &["<sip:alice@10.0.0.7>"], "300");
    let before = phone_events(&world).len();
    let stolen = phone.borrow().authorised.clone().expect("it answered the challenge");
    // The same credentials from another address, in another transaction.
    let text = String::from_utf8(stolen).unwrap();
    let text = text.replace("branch=z9hG4bK", "branch=z9hG4bKthief");
    let text = text.replace(AT, "203.0.113.9:6000").replace("Call-ID: ", "Call-ID: stolen-");
    world.post(address("203.0.113.9:6000"), address(ENGINE_SIP), text.into_bytes());
    world.run_for(Duration::from_millis(100));
    assert_eq!(phone_events(&world).len(), before);
    assert_eq!(world.engine.registration("alice").unwrap().1, address(AT));
    assert_eq!(world.counter("registrations_challenged"), 2);
}

#[test]
fn phones_can_be_replaced_and_restored_after_a_restart() {
    let (mut world, phone) = world_with_phone("secret");
    register(&mut world, &phone, &["<sip:alice@10.0.0.7>"], "300");
    let mut bob = credential("bob", "b");
    bob.binding = Some(Binding {
        contact_uri: "sip:bob@10.0.0.9".to_owned(),
        address: address("198.51.100.9:6000"),
        expires_in_s: 120,
    });
    set(&mut world, &[credential("alice", "secret"), bob]);
    assert!(world.engine.registration("alice").is_some());
    let bobs = Some(("sip:bob@10.0.0.9", address("198.51.100.9:6000")));
    assert_eq!(world.engine.registration("bob"), bobs);
    set(&mut world, &[credential("bob", "b")]);
    assert!(world.engine.registration("alice").is_none());
    assert_eq!(phone_events(&world).last().unwrap(), "alice gone");
    world.run_for(Duration::from_secs(121));
    assert_eq!(phone_events(&world).last().unwrap(), "bob gone");
}

#[test]
fn what_is_not_a_registration_is_answered_politely() {
    let (mut world, phone) = world_with_phone("secret");
    for (method, code) in [
        (Method::Options, 200),
        (Method::Message, 405),
        (Method::Subscribe, 405),
        (Method::Other(Box::from(&b"DANCE"[..])), 405),
    ] {
        phone.borrow_mut().request(world.now, method.clone());
        world.run_for(Duration::from_millis(100));
        let got = phone.borrow().replies.last().unwrap().0;
        assert!(got == code || (code == 405 && got == 501), "{method:?}: {got}");
    }
    for (user, code) in [("alice", 480), ("nobody", 404)] {
        let replies = phone.borrow().received.len();
        let invite = format!(
            "INVITE sip:{user}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {AT};branch=z9hG4bK{user}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.1>;tag=a\r\nTo: <sip:{user}@192.0.2.1>\r\n\
             Call-ID: in-{user}\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@{AT}>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        phone.borrow_mut().send_raw(invite.into_bytes());
        world.run_for(Duration::from_millis(20));
        let phone = phone.borrow();
        let wanted = format!("SIP/2.0 {code} ");
        let got = &phone.received[replies..];
        assert!(got.iter().any(|bytes| bytes.starts_with(wanted.as_bytes())), "{user}");
    }
    assert_eq!(world.engine.live_calls(), 0);
}

//! Calls and phones over connections, as the caller of the engine sees them.

use std::sync::Arc;
use std::time::Duration;

use engine::{Cause, Command, Event, Hop, Input, Outputs, Target, Transport};

use crate::peer::Phone;
use crate::phones::credential;
use crate::world::{World, address, call, call_to};

const TRUNK: &str = "192.0.2.77:5060";

fn over_tcp(key: u64) -> engine::CallSpec {
    let mut spec = call_to(key, "09121234567", address(TRUNK));
    let uri = format!("sip:09121234567@{TRUNK};transport=tcp");
    spec.target = Target::Address { address: address(TRUNK), request_uri: uri.clone(), to: uri };
    spec
}

/// Goal: the Request-URI says what carries a call; a connection that cannot be made ends it at
/// once, as one to which nobody responded.
#[test]
fn a_call_over_a_connection_that_cannot_be_made() {
    let mut world = World::new();
    let mut out = Outputs::default();
    let start = Input::Command(Command::Start(Box::new(over_tcp(1))));
    world.engine.handle(world.now, start, &mut out);
    let [invite] = &out.sip[..] else { panic!() };
    assert_eq!((invite.transport, invite.destination), (Transport::Tcp, address(TRUNK)));
    out.clear();
    world.run_for(Duration::from_secs(5));
    let peer = Hop { transport: Transport::Tcp, address: address(TRUNK) };
    world.engine.handle(world.now, Input::Disconnected { peer }, &mut out);
    let Some(Event::Ended { outcome, .. }) = out.events.last() else { panic!() };
    assert_eq!(outcome.cause, Cause::Undeliverable);
    assert_eq!(world.engine.live(), engine::Live::default());
}

/// Goal: a phone that registers over a connection is called over it, although its Contact does
/// not say so.
#[test]
fn a_phone_is_called_over_its_connection() {
    let mut world = World::new();
    world.command(Command::SetPhones(Arc::from([credential("alice", "secret")])));
    let at = address("198.51.100.7:6000");
    world.connected.insert(at);
    let phone = world.add_peer(Phone::new("alice", "secret", "198.51.100.7:6000"));
    phone.borrow_mut().register(world.now, &["<sip:alice@10.0.0.7>"], Some("300"));
    world.run_for(Duration::from_millis(100));
    let found = world.events.iter().find_map(|(_, event)| match event {
        Event::PhoneRegistered { contact_uri, address, .. } => {
            Some((contact_uri.clone(), *address))
        }
        _ => None,
    });
    let (uri, from) = found.expect("it registered");
    assert_eq!((uri.as_str(), from), ("sip:alice@10.0.0.7;transport=tcp", at));
    let mut spec = call(1, "");
    spec.target = Target::Phone { address: from, contact_uri: uri };
    world.start(spec);
    world.run_until_ended();
    assert_eq!((world.outcome(1).cause, world.outcome(1).heard_ms), (Cause::Played, 2_000));
}

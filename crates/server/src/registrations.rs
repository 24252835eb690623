//! Our registrations with trunks: from their description to the engine, and from there to metrics
//! and the log. Decides nothing about when to register.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use domain::dialer::trunk::Register;
use engine::{Command, Event, Hop, Located, Standing, Transport, TrunkRegistration, locate};

use crate::{address, trunks};

/// Servers of one trunk that are asked to register us, one after another.
const SERVERS_MAX: usize = 8;

/// How we register with a trunk that has these servers: at each of them, in order, or at none
/// when it wants no registration.
///
/// # Errors
/// What we register makes no URI.
pub fn of(trunk: &domain::Trunk, servers: &[Located]) -> Result<Vec<TrunkRegistration>> {
    let Some(register) = &trunk.register else { return Ok(Vec::new()) };
    let hops = locate::order(servers, |_| 0);
    hops.into_iter().take(SERVERS_MAX).map(|hop| at(hop, trunk, register)).collect()
}

fn at(hop: Hop, trunk: &domain::Trunk, register: &Register) -> Result<TrunkRegistration> {
    let host = address::host_of(&trunk.address);
    let domain = if register.registrar.is_empty() { host } else { &register.registrar };
    let bare = domain.contains(':') && !domain.starts_with('[');
    let domain = if bare { format!("[{domain}]") } else { domain.to_owned() };
    let transport = match hop.transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    let registrar = format!("sip:{domain}{transport}");
    let address_of_record = format!("sip:{}@{domain}", trunk.username);
    for uri in [&registrar, &address_of_record] {
        uri.parse::<sip::Uri>().with_context(|| format!("'{uri}' is no address to register"))?;
    }
    Ok(TrunkRegistration {
        trunk: trunk.name.clone(),
        address: hop.address,
        registrar,
        address_of_record,
        username: trunk.username.clone(),
        credentials: trunks::credentials(trunk),
        expires_s: register.expires_s,
    })
}

/// Which of its servers a trunk is registered at.
#[derive(Debug, Default)]
struct Place {
    server: usize,
    /// It has failed, and is given a second chance.
    repeated: bool,
}

/// The registrations of a running node.
#[derive(Default)]
pub struct Registrations {
    /// For each trunk its servers, in order.
    wanted: Arc<[Vec<TrunkRegistration>]>,
    /// Which of its servers a trunk is registered at, where that is not the first.
    places: BTreeMap<String, Place>,
    /// A place has changed.
    moved: bool,
    registered: BTreeSet<String>,
}

impl Registrations {
    /// What makes the engine register like this, unless it does already: with each trunk at one
    /// of its servers. With nothing, all registrations are taken back.
    pub fn want(&mut self, wanted: Arc<[Vec<TrunkRegistration>]>) -> Option<Command> {
        if self.wanted == wanted {
            return None;
        }
        self.wanted = wanted;
        self.places.clear();
        Some(self.command())
    }

    /// What makes the engine go on to another server, when one has failed.
    pub fn go_on(&mut self) -> Option<Command> {
        std::mem::take(&mut self.moved).then(|| self.command())
    }

    fn command(&self) -> Command {
        let chosen = self.wanted.iter().filter_map(|servers| {
            let place = self.places.get(&servers.first()?.trunk);
            servers.get(place.map_or(0, |place| place.server)).cloned()
        });
        Command::SetRegistrations(chosen.collect())
    }

    /// The server that was to register us does not work (RFC 3263 §4.3): the next one is asked. At
    /// the last one the engine first repeats itself in its own time, so that a trunk without any
    /// server that works is asked as rarely as one with one.
    fn leave_server(&mut self, trunk: &str) {
        let of = |servers: &&Vec<TrunkRegistration>| {
            servers.first().is_some_and(|first| first.trunk == trunk)
        };
        let count = self.wanted.iter().find(of).map_or(0, Vec::len);
        if count < 2 {
            return;
        }
        let place = self.places.entry(trunk.to_owned()).or_default();
        if place.server + 1 == count && !place.repeated {
            place.repeated = true;
            return;
        }
        *place = Place { server: (place.server + 1) % count, repeated: false };
        self.moved = true;
    }

    /// Whether no registrar knows us, as far as we know.
    pub fn are_gone(&self) -> bool {
        self.registered.is_empty()
    }

    /// Takes an event about registrations; gives back any other, and where a registration stands,
    /// which is the node's affair, too.
    pub fn take(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::TrunkRegistration { ref trunk, standing } => {
                self.stands(trunk.clone(), standing);
                return Some(event);
            }
            Event::TrunkLeft { trunk } => {
                tracing::info!(trunk, "no longer registered");
                self.tell(trunk, false);
            }
            other => return Some(other),
        }
        None
    }

    fn stands(&mut self, trunk: String, standing: Standing) {
        match standing {
            Standing::Registered { expires_s } => {
                tracing::info!(trunk, expires_s, "registered");
            }
            Standing::Refused { code, retry_s } => {
                tracing::warn!(trunk, code, retry_s, "the registrar does not take us");
                if matches!(code, None | Some(408 | 503)) {
                    self.leave_server(&trunk);
                }
            }
            Standing::Asking => {}
        }
        self.tell(trunk, matches!(standing, Standing::Registered { .. }));
    }

    fn tell(&mut self, trunk: String, registered: bool) {
        metrics::gauge!("avanak_trunk_registered", "trunk" => trunk.clone())
            .set(u8::from(registered));
        if registered {
            self.registered.insert(trunk);
        } else {
            self.registered.remove(&trunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registrar(ports: &[u16]) -> Registrations {
        let server = |&port: &u16| Located {
            rank: port.into(),
            ..Located::at(Hop::udp(([192, 0, 2, 1], port).into()))
        };
        let servers: Vec<Located> = ports.iter().map(server).collect();
        let trunk = domain::Trunk {
            name: String::from("t"),
            address: String::from("carrier.example"),
            username: String::from("u"),
            register: Some(Register { registrar: String::new(), expires_s: 60 }),
            ..domain::Trunk::default()
        };
        let mut registrations = Registrations::default();
        let wanted = Arc::from([of(&trunk, &servers).unwrap()]);
        let command = registrations.want(Arc::clone(&wanted));
        assert_eq!(port_of(command), Some(ports[0]));
        assert_eq!(port_of(registrations.want(wanted)), None, "it does already");
        registrations
    }

    fn port_of(command: Option<Command>) -> Option<u16> {
        match command? {
            Command::SetRegistrations(all) => all.first().map(|one| one.address.port()),
            other => panic!("{other:?}"),
        }
    }

    /// What follows a refusal with this code.
    fn refused(registrations: &mut Registrations, code: Option<u16>) -> Option<u16> {
        let (trunk, standing) = (String::from("t"), Standing::Refused { code, retry_s: 30 });
        let event = Event::TrunkRegistration { trunk, standing };
        assert!(registrations.take(event).is_some(), "the node wants to know, too");
        port_of(registrations.go_on())
    }

    /// Goal: a dead registrar is left for the next one; the last is asked twice before all begins
    /// anew, so that nobody is asked in a circle without a pause.
    #[test]
    fn a_dead_registrar_is_left_for_the_next() {
        let mut registrations = registrar(&[1, 2, 3]);
        let codes = [None, Some(503), None, Some(408), None];
        let next = codes.map(|code| refused(&mut registrations, code));
        assert_eq!(next, [Some(2), Some(3), None, Some(1), Some(2)]);
    }

    /// Goal: a registrar that answers, and does not want us, is not left; nor is the only one.
    #[test]
    fn a_registrar_that_refuses_us_is_not_left() {
        let mut registrations = registrar(&[1, 2]);
        assert_eq!(refused(&mut registrations, Some(403)), None);
        let mut only = registrar(&[1]);
        assert_eq!([None, None].map(|code| refused(&mut only, code)), [None, None]);
    }
}

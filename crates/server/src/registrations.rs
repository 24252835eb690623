//! Our registrations with trunks: from the configuration to the engine, and from there to metrics
//! and the log. Decides nothing about when to register.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use engine::{Command, Event, Standing, TrunkRegistration};

use crate::config::{Config, Transport, Trunk};
use crate::{address, trunks};

/// What the engine is to be told of the trunks that want us to register.
///
/// # Errors
/// A trunk's name has no address, or what we register makes no URI.
pub fn wanted(config: &Config) -> Result<Arc<[TrunkRegistration]>> {
    let registering = config.trunk.iter().filter(|trunk| trunk.register);
    registering.map(|trunk| of(trunk).with_context(|| format!("trunk '{}'", trunk.name))).collect()
}

fn of(trunk: &Trunk) -> Result<TrunkRegistration> {
    let described = trunk.described()?;
    let host = address::host_of(&trunk.address);
    let domain = if trunk.registrar.is_empty() { host } else { &trunk.registrar };
    let domain = if domain.contains(':') { format!("[{domain}]") } else { domain.to_owned() };
    let transport = match trunk.transport {
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
        address: address::resolve(&described)?,
        registrar,
        address_of_record,
        username: trunk.username.clone(),
        credentials: trunks::credentials(&described),
        expires_s: trunk.expires_s,
    })
}

/// The registrations of a running node.
pub struct Registrations {
    wanted: Arc<[TrunkRegistration]>,
    registered: BTreeSet<String>,
}

impl Registrations {
    /// Nothing is registered yet.
    pub fn new(wanted: Arc<[TrunkRegistration]>) -> Self {
        Self { wanted, registered: BTreeSet::new() }
    }

    /// What makes the engine register, unless there is nothing to.
    pub fn enter(&self) -> Option<Command> {
        (!self.wanted.is_empty()).then(|| Command::SetRegistrations(Arc::clone(&self.wanted)))
    }

    /// What makes the engine take all registrations back, unless there are none.
    pub fn leave(&self) -> Option<Command> {
        (!self.wanted.is_empty()).then(|| Command::SetRegistrations(Arc::from([])))
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

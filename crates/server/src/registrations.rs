//! Our registrations with trunks: from their description to the engine, and from there to metrics
//! and the log. Decides nothing about when to register.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use engine::{Command, Event, Located, Standing, Transport, TrunkRegistration};

use crate::{address, trunks};

/// How we register with a trunk that has these servers; `None` when it wants none.
///
/// # Errors
/// What we register makes no URI.
pub fn of(trunk: &domain::Trunk, servers: &[Located]) -> Result<Option<TrunkRegistration>> {
    let Some(register) = &trunk.register else { return Ok(None) };
    let host = address::host_of(&trunk.address);
    let domain = if register.registrar.is_empty() { host } else { &register.registrar };
    let bare = domain.contains(':') && !domain.starts_with('[');
    let domain = if bare { format!("[{domain}]") } else { domain.to_owned() };
    let hop = trunks::first_of(servers);
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
    Ok(Some(TrunkRegistration {
        trunk: trunk.name.clone(),
        address: hop.address,
        registrar,
        address_of_record,
        username: trunk.username.clone(),
        credentials: trunks::credentials(trunk),
        expires_s: register.expires_s,
    }))
}

/// The registrations of a running node.
#[derive(Default)]
pub struct Registrations {
    wanted: Arc<[TrunkRegistration]>,
    registered: BTreeSet<String>,
}

impl Registrations {
    /// What makes the engine register like this, unless it does already. With nothing, all
    /// registrations are taken back.
    pub fn want(&mut self, wanted: Arc<[TrunkRegistration]>) -> Option<Command> {
        if self.wanted == wanted {
            return None;
        }
        self.wanted = wanted;
        Some(Command::SetRegistrations(Arc::clone(&self.wanted)))
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

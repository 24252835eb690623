//! What the gate counts of a trunk, and of the registered phones.

use app::dialing::Company;
use domain::Timestamp;
use domain::dialer::health::{Entry, Health, Shut};
use domain::dialer::pacing::{Gcra, channels_for};
use domain::dialer::route::Turn;

use super::NoRoom;
use crate::config::{Caps, Serves, Sharing, Trunk};

/// A trunk's counters, or those of the registered phones.
pub(super) struct Line {
    pub(super) serves: Serves,
    pub(super) name: String,
    /// Whether new calls may take it: the trunk is there and not switched off.
    pub(super) open: bool,
    /// Whether its calls reach nobody.
    pub(super) sandbox: bool,
    pub(super) prefixes: Vec<String>,
    /// The regional servers that it is one of.
    pub(super) server_ids: Vec<u32>,
    pub(super) health: Health,
    pub(super) turn: Turn,
    pub(super) weight: u32,
    /// Whether the nodes that live have its caps together.
    pub(super) shared: bool,
    /// As the operator said.
    pub(super) told: Caps,
    /// What this node may take of that.
    pub(super) caps: Caps,
    pub(super) in_use: u32,
    /// When calls may be chosen.
    pub(super) pace: Gcra,
    /// When their INVITEs may leave: the same rate, so that calls which were chosen one by one do
    /// not leave all at once after a slow commit.
    pub(super) wire: Gcra,
}

impl Line {
    pub(super) fn new(name: &str, caps: Caps) -> Self {
        Self {
            name: name.to_owned(),
            open: true,
            sandbox: false,
            serves: Serves::Earnest,
            prefixes: Vec::new(),
            server_ids: Vec::new(),
            health: Health::default(),
            turn: Turn::first(0),
            weight: 1,
            shared: false,
            told: caps,
            caps,
            in_use: 0,
            pace: Gcra::new(caps.max_cps),
            wire: Gcra::new(caps.max_cps),
        }
    }

    /// Takes the operator's word; what is under way and the pace so far stay.
    pub(super) fn become_trunk(&mut self, trunk: &Trunk, company: Option<&Company>) {
        self.open = trunk.enabled;
        self.sandbox = trunk.sandbox;
        self.serves = trunk.serves;
        self.prefixes.clone_from(&trunk.prefixes);
        self.server_ids.clone_from(&trunk.server_ids);
        self.turn = self.turn.with_priority(trunk.priority);
        self.weight = trunk.weight;
        self.shared = trunk.sharing == Sharing::Together;
        self.told = trunk.caps;
        self.take_part(company);
    }

    /// Keeps to this node's part of the caps from now on. Calls that are up stay.
    pub(super) fn take_part(&mut self, company: Option<&Company>) {
        let caps = if self.shared { self.told.part(&self.name, company) } else { self.told };
        if self.caps.max_cps != caps.max_cps {
            self.pace = Gcra::new(caps.max_cps);
            self.wire = Gcra::new(caps.max_cps);
        }
        self.caps = caps;
    }

    /// Takes a start for a call of this class, if there is room and the trunk is well.
    pub(super) fn enter(&mut self, class: u8, steady: Timestamp) -> Result<Entry, NoRoom> {
        if self.in_use >= channels_for(class, self.caps.max_channels) {
            return Err(NoRoom::Channels);
        }
        let entry = self.health.admits(steady).map_err(|shut| match shut {
            Shut::Until(at) => NoRoom::Until(at),
            Shut::UntilTold => NoRoom::Channels,
        })?;
        if !self.pace.take(class, steady) {
            return Err(NoRoom::Until(self.pace.next_start(class)));
        }
        self.health.entered(entry);
        self.in_use += 1;
        Ok(entry)
    }
}

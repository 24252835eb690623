//! How a new call is taken in, whoever began it: its port, its numbers, its place in the tables.

use std::net::SocketAddr;

use media::{Codec, sdp};

use super::{Engine, Entry};
use crate::call::{Call, MediaEnd};
use crate::derive;
use crate::io::{CallKey, Srtp};

impl Engine {
    /// Where a new call gets its sound, and from which port it speaks.
    pub(super) fn media_end(&self, call: CallKey, codecs: &[Codec], srtp: Srtp) -> MediaEnd {
        let port_slot = self.emptiest_port();
        let port = self.config.rtp_ports[usize::from(port_slot)];
        let numbers = derive::media_numbers(&self.config.secret, call);
        let address = SocketAddr::new(self.config.media_address, port);
        let mut local = sdp::Local::new(numbers.session_id, address, codecs);
        local.rtcp_mux = true;
        local.srtp = (srtp != Srtp::Off).then(|| {
            let keys = derive::srtp_keys(&self.config.fresh_secret, call);
            Box::new(sdp::LocalSrtp { required: srtp == Srtp::Required, agreed: None, keys })
        });
        MediaEnd { port_slot, numbers, local }
    }

    /// Takes a call in that has its leg.
    pub(super) fn add(&mut self, key: CallKey, call: Call) {
        self.calls_on_port[usize::from(call.port_slot())] += 1;
        self.legs.insert(call.leg(), key);
        let armed = call.deadline();
        self.deadlines.insert((armed, key));
        self.calls.insert(key, Box::new(Entry { call, armed }));
    }

    fn emptiest_port(&self) -> u8 {
        (0..=u8::MAX)
            .zip(&self.calls_on_port)
            .min_by_key(|(_, calls)| **calls)
            .map_or(0, |(slot, _)| slot)
    }
}

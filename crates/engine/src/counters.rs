//! What an engine counts. Peer misbehaviour is a number here, never an error.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Totals since the engine was made.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub(crate) struct Counters {
            $($(#[doc = $doc])+ pub(crate) $name: u64,)+
        }

        impl Counters {
            pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Calls begun.
    calls_started,
    /// Calls refused before anything was sent.
    calls_refused,
    /// `Start` for a call that was alive already.
    starts_repeated,
    /// Calls that were answered.
    calls_answered,
    /// Calls that the hard deadline ended.
    calls_cut_by_deadline,
    /// Packets that the operating system did not take.
    rtp_refused,
    /// Packets that came from the agreed address of a call.
    rtp_received,
    /// Datagrams on an RTP port from an address that no call of the port has agreed on.
    rtp_strangers,
    /// Calls whose peer was followed to another address than it described.
    rtp_followed,
    /// Datagrams from an agreed address that are not RTP.
    rtp_malformed,
    /// RTP from an agreed address with a payload type that was not agreed.
    rtp_unknown_payload,
    /// Answers that named a remote address which another call of the same port has already: the
    /// later call plays, but what comes back is counted for the earlier one.
    rtp_ambiguous_sources,
    /// Packets of RTCP sent.
    rtcp_sent,
    /// Packets of RTCP received from the peers of calls.
    rtcp_received,
    /// Datagrams from the peers of calls that begin like RTCP and are none.
    rtcp_malformed,
    /// Packets of RTCP that came before there was anything to report about.
    rtcp_unexpected,
    /// Packets of telephone-event that cannot be read, or are no key.
    rtp_bad_event,
    /// Packets of encrypted calls whose tag was not the peer's, or that came before.
    srtp_rejected,
    /// Keys pressed.
    keys_pressed,
    /// Keys that came a second time by another way.
    keys_repeated,
    /// Keys beyond what one call keeps.
    keys_dropped,
    /// Abandoned calls for which nothing could be sent.
    abandons_refused,
    /// Trunk checks for which nothing could be sent.
    checks_refused,
    /// Calls from outside that were refused.
    incoming_refused,
    /// Calls from phones of ours that were offered to the owner.
    incoming_offered,
    /// Calls to our services that were challenged, or had a wrong user or password.
    incoming_unproven,
    /// REGISTERs accepted.
    registrations_accepted,
    /// REGISTERs challenged for want of a fresh nonce.
    registrations_challenged,
    /// REGISTERs with a wrong user or password.
    registrations_denied,
    /// REGISTERs refused for their content.
    registrations_refused,
    /// Bugs of ours that panicked: each cost an input, and the call that it was for.
    panics,
    /// Phones of `SetPhones` beyond the limit.
    phones_over_limit,
}

//! What an endpoint counts. Peer misbehaviour is a number here, never an error.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Totals since the endpoint was made.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Every counter with its name, for a metrics page.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Datagrams that came in.
    datagrams_in,
    /// Datagrams that went out, retransmissions included.
    datagrams_out,
    /// Datagrams that held only line ends or nothing: keepalives.
    keepalives,
    /// Datagrams above the size limit.
    refused_too_long,
    /// Messages with more header fields than allowed.
    refused_too_many_fields,
    /// Datagrams whose first line is not SIP, or of another version.
    refused_start_line,
    /// Messages with broken header lines, missing fields or values against the grammar.
    refused_fields,
    /// Messages in which a field that may stand once stands twice.
    refused_duplicate,
    /// Messages whose Content-Length does not fit.
    refused_content_length,
    /// Requests answered statelessly with 503 because a limit was reached.
    refused_full,
    /// Requests outside of calls that were dropped because their source sent too many.
    dropped_source_too_fast,
    /// Requests outside of calls answered with 503 because all sources together sent too many.
    refused_sources_busy,
    /// Stateless answers that were not sent because they are longer than what came from there.
    withheld_unpaid,
    /// Calls refused without keeping anything.
    turned_away,
    /// Requests refused for their method (405, 501), extension (420), scheme (416) or version.
    refused_unsupported,
    /// In-dialog requests for no dialog of ours (481).
    unknown_dialog,
    /// In-dialog requests older than one already seen (500).
    stale_cseq,
    /// ACKs that belong to nothing.
    stray_acks,
    /// Responses that belong to no transaction.
    stray_responses,
    /// Responses to a transaction of ours from an address it was not sent to.
    wrong_source,
    /// Requests and responses sent again by a timer.
    retransmits_out,
    /// Requests received again and answered from memory.
    retransmits_in,
    /// Client transactions that nobody answered (timers B and F).
    timeouts,
    /// Our 200s that were never acknowledged.
    unacknowledged,
    /// Second and later forks of an INVITE, acknowledged and hung up.
    forks,
    /// Answers that crossed our CANCEL, acknowledged and hung up.
    glares,
    /// Responses to INVITEs that we had given up: the phone was cancelled or hung up on.
    late_responses,
    /// Challenges answered with credentials.
    challenges,
    /// Offers that crossed one of the other side, ours and theirs (491).
    offers_crossed,
    /// Sessions refreshed by us (RFC 4028).
    sessions_refreshed,
    /// Calls ended because nobody refreshed their session.
    sessions_expired,
    /// Reliable provisional responses of ours that were never acknowledged (RFC 3262).
    unpracked,
}

//! One node's decisions: which waiting send is dialled next and when, what becomes of a call that
//! ended, what is done about the calls that a killed process left behind. It chooses *when* and
//! *how many*, never *whether it is allowed*. It opens no socket or file and asks no clock: the
//! server's loop and the simulator drive it alike.
//!
//! ```text
//! loop {
//!     node.step(now)         -> commands for the shards, slots to release, work to do
//!     work.run().await       -> node.on_done(now, done)      (any number at once, on any task)
//!     events of the shards   -> node.on_events(now, shard, events)
//! }
//! ```

mod answers;
mod campaign_paces;
mod clips;
mod config;
mod dialer;
mod events;
mod failover;
mod gate;
mod heartbeat;
mod live;
mod moment;
mod node;
mod openings;
pub mod recorder;
mod recovery;
mod servers;
mod settle;
mod shard;
mod sounds;
mod spec;
pub mod support_line;
mod trunk_watch;
mod turn;
mod under_way;
mod work;

pub use app::dialing::PHONES;
pub use config::{Caps, NodeConfig, Serves, Sharing, Trunk};
pub use gate::Gate;
pub use moment::Moment;
pub use node::{Node, NodeStats, Released, Steps};
pub use recorder::{Recorder, SLOT_BYTES, SlotError, SlotFile, SlotImage};
pub use shard::{shard_of, shard_of_call_id, shard_prefix};
pub use spec::call_id;
pub use work::{Done, Work};

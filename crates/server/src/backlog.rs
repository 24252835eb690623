//! What waits between the node and its shards while the other side is behind. Both ways are
//! bounded; neither ever loses what a call's life depends on.

use std::collections::VecDeque;

use engine::Event;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::shard::{Reported, ShardCommand};

/// Commands that may wait for the shard before the node has to pause.
pub const COMMANDS_MAX: usize = 16_384;
/// Events that may wait for the node beside those that it cannot do without.
pub const EVENTS_MAX: usize = 16_384;

/// Commands for which their shards have no room, oldest first.
///
/// Nothing is dropped. When it is full, the node is not asked for more until the shard has taken
/// some: so there are never more than [`COMMANDS_MAX`] for one shard and what one step of the node
/// asks for.
pub struct CommandBacklog {
    /// For each shard its own.
    waiting: Vec<VecDeque<ShardCommand>>,
}

impl CommandBacklog {
    /// For so many shards.
    pub fn new(shards: usize) -> Self {
        Self { waiting: (0..shards).map(|_| VecDeque::new()).collect() }
    }

    /// Adds a command for a shard behind the others.
    pub fn push(&mut self, shard: usize, command: ShardCommand) {
        self.waiting[shard].push_back(command);
    }

    /// Hands the commands of each shard over in their order until `send` gives one back.
    pub fn send(
        &mut self,
        mut send: impl FnMut(usize, ShardCommand) -> std::result::Result<(), ShardCommand>,
    ) {
        for (shard, waiting) in self.waiting.iter_mut().enumerate() {
            while let Some(command) = waiting.pop_front() {
                if let Err(command) = send(shard, command) {
                    waiting.push_front(command);
                    break;
                }
            }
        }
    }

    /// Whether no more may be asked for.
    pub fn is_full(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.len() >= COMMANDS_MAX)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }
}

/// Events for which the node has no room, oldest first.
///
/// The begin, the answer and the end of a call are always kept: three events at most of each call,
/// and while the node takes no events it places no calls but those in the shard's inbox. Of all
/// else [`EVENTS_MAX`] events are kept: what is shown of ringing calls is a hint, and phones repeat
/// their registrations. Progress is not kept at all: a newer one comes within a second.
#[derive(Default)]
pub struct EventBacklog {
    /// Whose events they are.
    shard: usize,
    waiting: Vec<Event>,
    /// Whether the node had no room the last time.
    behind: bool,
    dropped: u64,
}

impl EventBacklog {
    /// For a shard.
    pub fn of(shard: usize) -> Self {
        Self { shard, ..Self::default() }
    }

    /// Adds the events of a step behind the others.
    pub fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let keep = match event {
                Event::Dialling { .. }
                | Event::Answered { .. }
                | Event::Ended { .. }
                | Event::Abandoned { .. } => true,
                Event::Progress { .. } => !self.behind,
                Event::Ringing { .. }
                | Event::EarlyMedia { .. }
                | Event::FirstAudio { .. }
                | Event::Key { .. }
                | Event::PhoneRegistered { .. }
                | Event::PhoneGone { .. }
                | Event::Incoming { .. }
                | Event::NotAnswered { .. }
                | Event::SecondLeg { .. }
                | Event::TrunkRegistration { .. }
                | Event::TrunkLeft { .. }
                | Event::TrunkChecked { .. } => self.waiting.len() < EVENTS_MAX,
            };
            if keep {
                self.waiting.push(event);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// Hands everything over in one batch, if there is room for it.
    pub fn report(&mut self, node: &mpsc::Sender<Reported>) {
        if self.waiting.is_empty() {
            return;
        }
        let (shard, events) = (self.shard, std::mem::take(&mut self.waiting));
        match node.try_send(Reported { shard, events }) {
            Ok(()) => self.behind = false,
            Err(TrySendError::Full(reported)) => {
                self.waiting = reported.events;
                self.behind = true;
            }
            // The node has ended before its shard: recovery finds what the recorder holds.
            Err(TrySendError::Closed(_)) => {}
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Events that were dropped since the start because the node was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::CallKey;

    fn release(call: u64) -> ShardCommand {
        ShardCommand::Release(CallKey(call))
    }

    fn key_of(command: &ShardCommand) -> u64 {
        match command {
            ShardCommand::Release(call) => call.0,
            _ => panic!("only releases were pushed"),
        }
    }

    /// A shard that is stuck makes the node pause; when it goes on, it gets all in order.
    #[test]
    fn commands_fill_up_wait_and_keep_their_order() {
        let mut backlog = CommandBacklog::new(2);
        let mut pushed = 0;
        while !backlog.is_full() {
            backlog.push(1, release(pushed));
            backlog.send(|_, command| Err(command));
            pushed += 1;
        }
        // The other shard is not stuck.
        backlog.push(0, release(0));
        let mut others = 0;
        backlog.send(|shard, command| {
            others += usize::from(shard == 0);
            if shard == 0 { Ok(()) } else { Err(command) }
        });
        assert_eq!(others, 1);
        assert_eq!(usize::try_from(pushed), Ok(COMMANDS_MAX));
        let mut taken = Vec::new();
        let mut room = 10;
        backlog.send(|_, command| {
            if room == 0 {
                return Err(command);
            }
            room -= 1;
            taken.push(key_of(&command));
            Ok(())
        });
        assert_eq!(taken.len(), 10);
        assert!(!backlog.is_full());
        backlog.send(|_, command| {
            taken.push(key_of(&command));
            Ok(())
        });
        assert_eq!(taken, (0..pushed).collect::<Vec<_>>());
        assert!(backlog.is_empty());
    }

    fn life_of(call: CallKey) -> Vec<Event> {
        vec![
            Event::Dialling { call },
            Event::Ringing { call },
            Event::FirstAudio { call },
            Event::Abandoned { call, word: engine::LastWord::HungUp },
        ]
    }

    /// A node that reads nothing for hours: calls begin and end, play, and a phone registers again
    /// and again. The first and last of each call are there afterwards, in order; the rest is
    /// bounded.
    #[test]
    fn a_node_that_is_far_behind_still_learns_of_every_begin_and_end() {
        const CALLS: u64 = 10_000;
        let (node, mut events) = mpsc::channel(1);
        let mut backlog = EventBacklog::default();
        backlog.extend([Event::Progress { call: CallKey(0), heard_ms: 1 }]);
        backlog.report(&node);
        for call in (1..=CALLS).map(CallKey) {
            backlog.extend(life_of(call));
            backlog.report(&node);
            let phone = Event::PhoneGone { username: String::from("1-100") };
            let progress = Event::Progress { call, heard_ms: 1_000 };
            backlog.extend([progress, phone.clone(), phone]);
            backlog.report(&node);
        }
        let first = events.try_recv().expect("the first batch found room");
        assert_eq!(first.events, [Event::Progress { call: CallKey(0), heard_ms: 1 }]);
        backlog.report(&node);
        let late = events.try_recv().expect("there was room again").events;
        let essential = 2 * usize::try_from(CALLS).expect("few");
        assert!(late.len() <= EVENTS_MAX + essential, "{}", late.len());
        assert_eq!(backlog.dropped(), 7 * CALLS - late.len() as u64);
        let told = late.iter().filter_map(|event| match event {
            Event::Dialling { call } => Some((call.0, "begins")),
            Event::Abandoned { call, .. } => Some((call.0, "ends")),
            _ => None,
        });
        let expected = (1..=CALLS).flat_map(|call| [(call, "begins"), (call, "ends")]);
        assert!(told.eq(expected));
        assert!(backlog.is_empty());
    }
}

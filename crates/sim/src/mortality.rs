//! How a process of ours dies, what it leaves behind, and how the next one starts.

use std::sync::PoisonError;

use anyhow::Result;
use node::SLOT_BYTES;

use crate::process::Process;
use crate::script::{SECOND, Sabotage};
use crate::world::{Happening, World};

impl World {
    /// An occasion to be killed at. Tells whether it was taken.
    pub(crate) fn occasion(&mut self, what: &str) -> bool {
        if self.kills_left == 0 || self.process.is_none() {
            return false;
        }
        if !self.dice.chance(self.plan.kill_chance) {
            return false;
        }
        self.kills_left -= 1;
        self.kill(what);
        true
    }

    pub(crate) fn kill(&mut self, what: &str) {
        let Some(process) = self.process.take() else { return };
        self.witness.tell(self.now, format_args!("killed: {what}"));
        self.witness.killed();
        self.totals.kills += 1;
        self.totals.recovered += process.node.stats().recovered;
        self.totals.failed_over += process.node.stats().failed_over;
        drop(process);
        self.life += 1;
        self.after_kill();
        let at = self.now + self.dice.between(1, 6) * SECOND;
        self.plan_at(at, Happening::Restart);
    }

    /// What a kill, or a loss of power, leaves of the flight recorder, or which other one the next
    /// process finds.
    fn after_kill(&mut self) {
        let mut slots = self.ground.file.0.lock().unwrap_or_else(PoisonError::into_inner);
        match self.plan.sabotage {
            Sabotage::ForgetRecords => slots[SLOT_BYTES..].fill(0),
            Sabotage::PassForOwn => {
                let header = slots[..SLOT_BYTES].to_vec();
                std::mem::swap(&mut *slots, &mut self.other_slots);
                let end = SLOT_BYTES.min(slots.len());
                slots.splice(..end, header);
            }
            _ => {}
        }
        if self.dice.chance(self.plan.failover) {
            self.witness.tell(self.now, format_args!("another host takes over"));
            std::mem::swap(&mut *slots, &mut self.other_slots);
        }
        if !self.dice.chance(self.plan.power_loss) {
            return;
        }
        self.boots += 1;
        match self.dice.between(0, 2) {
            0 => slots.clear(),
            1 => slots.clone_from(&self.old_slots),
            _ => {
                let half = slots.len() / 2 + 100;
                slots.truncate(half);
            }
        }
        self.old_slots.clone_from(&slots);
    }

    /// Starts the next process, or tries again in a second while the database is away.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        let start = if self.now < self.database_back {
            None
        } else {
            let boot = format!("boot-{}", self.boots);
            Process::start(&self.ground, self.moment(), &boot, self.life).await.ok()
        };
        match start {
            Some(process) => {
                self.witness.tell(self.now, format_args!("started, life {}", self.life));
                self.process = Some(process);
            }
            None => self.plan_at(self.now + SECOND, Happening::Restart),
        }
        Ok(())
    }
}

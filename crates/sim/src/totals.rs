//! What runs amounted to, in figures.

/// What a run amounted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Quick sends that were accepted.
    pub sends: u64,
    /// Calls whose INVITE left our node.
    pub calls: u64,
    /// Messages that were heard to their end.
    pub delivered: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Calls of killed processes that the next one dealt with.
    pub recovered: u64,
    /// Attempts that a trunk failed and another one was to carry.
    pub failed_over: u64,
    /// Recipients of campaigns that were counted.
    pub recipients: u64,
    /// Virtual time, microseconds.
    pub virtual_us: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.sends += other.sends;
        self.calls += other.calls;
        self.delivered += other.delivered;
        self.kills += other.kills;
        self.recovered += other.recovered;
        self.failed_over += other.failed_over;
        self.recipients += other.recipients;
        self.virtual_us += other.virtual_us;
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sends, calls, delivered, kills, recovered, failed_over, .. } = self;
        let Self { recipients, virtual_us, .. } = self;
        let minutes = virtual_us / 60_000_000;
        write!(
            f,
            "{sends} sends, {calls} calls, {delivered} delivered, {kills} kills, \
             {recovered} calls recovered, {failed_over} failed over, {recipients} recipients, \
             {minutes} virtual minutes"
        )
    }
}

//! Why a number was not called yet: the gates that a send goes through, in their order, each open
//! or closed, and until when.

use crate::Timestamp;

/// What a send has to pass before it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// Its campaign calls.
    CampaignRunning,
    /// Its campaign's days and hours.
    CampaignHours,
    /// The numbers before it in its campaign have stepped into the line.
    ListPlace,
    /// The values of its personal message have been spoken.
    Spoken,
    /// The pause after the try before is over.
    RetryPause,
    /// The time that it is due has come.
    Due,
    /// The hours of the operator.
    OperatorHours,
    /// The hours and days of its class.
    ClassHours,
    /// A trunk takes the number.
    Trunk,
    /// The number is in no other call.
    NumberFree,
    /// Those before it in the line have had their turn.
    Line,
    /// The number is on no list that its class obeys.
    OptOut,
    /// The number was called less often today than its class may.
    DailyCap,
    /// The available balance covers the call; what stands in the line has paid already.
    Credit,
}

/// A gate as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub gate: Gate,
    /// Whether it is open.
    pub open: bool,
    /// When it opens, if it is closed and that is known.
    pub opens_at: Option<Timestamp>,
}

impl Gate {
    /// The gate, open.
    pub fn open(self) -> Standing {
        Standing { gate: self, open: true, opens_at: None }
    }

    /// The gate, open or not, without a time.
    pub fn when(self, open: bool) -> Standing {
        Standing { gate: self, open, opens_at: None }
    }

    /// The gate, closed until then; `None`: nobody knows until when.
    pub fn closed_until(self, opens_at: Option<Timestamp>) -> Standing {
        Standing { gate: self, open: false, opens_at }
    }

    /// The gate of something that is there from a moment on.
    pub fn from(self, moment: Timestamp, now: Timestamp) -> Standing {
        if moment <= now { self.open() } else { self.closed_until(Some(moment)) }
    }
}

/// When the next try may be, as far as the gates tell: now when all are open, when the last of them
/// opens, and `None` when one is closed of which nobody knows until when.
pub fn next_try(gates: &[Standing], now: Timestamp) -> Option<Timestamp> {
    let closed = gates.iter().filter(|standing| !standing.open);
    closed.map(|standing| standing.opens_at).try_fold(now, |latest, at| Some(latest.max(at?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_try_is_when_the_last_gate_opens() {
        let now = Timestamp(100);
        let (due, hours) = (Gate::Due, Gate::ClassHours);
        assert_eq!(next_try(&[], now), Some(now));
        assert_eq!(next_try(&[due.from(Timestamp(90), now)], now), Some(now));
        let both = [due.from(Timestamp(150), now), hours.closed_until(Some(Timestamp(130)))];
        assert_eq!(next_try(&both, now), Some(Timestamp(150)));
        let unknown = [both[0], Gate::NumberFree.when(false)];
        assert_eq!(next_try(&unknown, now), None);
    }
}

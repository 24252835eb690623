//! What an attempt means to the business, and the one table of status codes that clients see.

/// Where a quick send stands or how it ended. The number is the vendor's `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Accepted, waits for its turn.
    Queued,
    /// The attempt is recorded and the INVITE is under way.
    Calling,
    /// The phone rings.
    Ringing,
    /// The phone was answered and hears the message.
    Answered,
    /// It ended; see the disposition.
    Ended(Disposition),
}

/// How a send ended. Terminal: a later event never changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// The message was heard to its end.
    Delivered,
    /// Answered, but hung up before the end.
    HeardInPart,
    /// It rang and nobody answered.
    NoAnswer,
    /// The line was busy.
    Busy,
    /// The callee declined.
    Rejected,
    /// Switched off or out of reach.
    Unreachable,
    /// No such number.
    InvalidNumber,
    /// A machine answered, and the message was not for machines.
    AnsweringMachine,
    /// The trunk, the network or our own node failed.
    NetworkFailure,
    /// Its time ran out before it could be called.
    Expired,
    /// Withdrawn before it was called.
    Cancelled,
}

/// What the call reported, in plain values: the rules know nothing of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallFacts {
    /// Whether the callee answered.
    pub answered: bool,
    /// Whether the last sample was sent while the call was up.
    pub heard_to_end: bool,
    /// Whether we gave up because nobody answered in time.
    pub rang_out: bool,
    /// The final SIP code, if the far end sent one.
    pub sip_code: Option<u16>,
    /// The Q.850 cause, if the far end sent one.
    pub q850: Option<u8>,
}

impl Disposition {
    /// Reads the business meaning of a call's facts. Q.850 is more exact than a SIP code and wins.
    pub fn of(facts: CallFacts) -> Self {
        if facts.answered {
            return if facts.heard_to_end { Self::Delivered } else { Self::HeardInPart };
        }
        if facts.rang_out {
            return Self::NoAnswer;
        }
        facts.q850.and_then(Self::of_q850).unwrap_or_else(|| Self::of_sip_code(facts.sip_code))
    }

    fn of_q850(cause: u8) -> Option<Self> {
        match cause {
            1 | 2 | 3 | 22 | 28 => Some(Self::InvalidNumber),
            17 => Some(Self::Busy),
            18 | 19 => Some(Self::NoAnswer),
            20 | 27 => Some(Self::Unreachable),
            21 => Some(Self::Rejected),
            34 | 38 | 41 | 42 => Some(Self::NetworkFailure),
            _ => None,
        }
    }

    fn of_sip_code(code: Option<u16>) -> Self {
        match code {
            Some(404 | 410 | 484 | 485 | 604) => Self::InvalidNumber,
            Some(486 | 600) => Self::Busy,
            Some(408 | 487) => Self::NoAnswer,
            Some(480 | 430) => Self::Unreachable,
            Some(433 | 603 | 607 | 608) => Self::Rejected,
            // 403 too: a trunk says it of wrong credentials or a caller's number it does not let
            // through. A callee who declines is 603, or has cause 21.
            _ => Self::NetworkFailure,
        }
    }

    /// The vendor's code, which the store keeps too.
    pub fn code(self) -> i64 {
        match self {
            Self::Delivered => 10,
            Self::HeardInPart => 11,
            Self::NoAnswer => 20,
            Self::Busy => 21,
            Self::Rejected => 22,
            Self::Unreachable => 23,
            Self::InvalidNumber => 24,
            Self::AnsweringMachine => 25,
            Self::NetworkFailure => 30,
            Self::Expired => 31,
            Self::Cancelled => 32,
        }
    }

    /// Reads a code made by [`Self::code`].
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|disposition| disposition.code() == code)
    }

    /// Every disposition.
    pub const ALL: [Self; 11] = [
        Self::Delivered,
        Self::HeardInPart,
        Self::NoAnswer,
        Self::Busy,
        Self::Rejected,
        Self::Unreachable,
        Self::InvalidNumber,
        Self::AnsweringMachine,
        Self::NetworkFailure,
        Self::Expired,
        Self::Cancelled,
    ];
}

impl Status {
    /// The vendor's `reason`: it only grows from queued to answered, then a terminal code ≥ 10.
    pub fn code(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::Calling => 1,
            Self::Ringing => 2,
            Self::Answered => 3,
            Self::Ended(disposition) => disposition.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unanswered(sip_code: Option<u16>, q850: Option<u8>) -> Disposition {
        let facts =
            CallFacts { answered: false, heard_to_end: false, rang_out: false, sip_code, q850 };
        Disposition::of(facts)
    }

    #[test]
    fn final_codes_have_their_meaning() {
        assert_eq!(unanswered(Some(486), None), Disposition::Busy);
        assert_eq!(unanswered(Some(603), None), Disposition::Rejected);
        assert_eq!(unanswered(Some(480), None), Disposition::Unreachable);
        assert_eq!(unanswered(Some(404), None), Disposition::InvalidNumber);
        assert_eq!(unanswered(Some(503), None), Disposition::NetworkFailure);
        assert_eq!(unanswered(Some(403), None), Disposition::NetworkFailure);
        assert_eq!(unanswered(None, None), Disposition::NetworkFailure);
    }

    #[test]
    fn a_q850_cause_is_more_exact_than_the_code() {
        assert_eq!(unanswered(Some(480), Some(17)), Disposition::Busy);
        assert_eq!(unanswered(Some(503), Some(1)), Disposition::InvalidNumber);
        assert_eq!(unanswered(Some(486), Some(127)), Disposition::Busy);
        assert_eq!(unanswered(Some(403), Some(21)), Disposition::Rejected);
    }

    #[test]
    fn codes_are_distinct_and_read_back() {
        for disposition in Disposition::ALL {
            assert_eq!(Disposition::from_code(disposition.code()), Some(disposition));
        }
    }
}

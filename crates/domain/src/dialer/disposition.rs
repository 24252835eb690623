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
    /// Withdrawn before anything of it was heard.
    Cancelled,
    /// Not called, since the callee opted out of such messages.
    OptedOut,
}

/// The cause of a send that ran out of time while its class was not allowed to call.
pub const OUTSIDE_HOURS: &str = "outside_hours";
/// The cause of a send that ran out of time while it could have been called, but for a trunk: none
/// takes its number, is well, or had room.
pub const NO_TRUNK: &str = "no_trunk";
/// The cause of a send whose number had been called as often that day as its class may.
pub const CAPPED: &str = "capped";
/// The cause of a send whose number is on a list of those who are not called.
pub const OPTED_OUT: &str = "opted_out";
/// The cause of a send of a personal message whose values could not be spoken.
pub const NOT_SPOKEN: &str = "not_spoken";
/// The cause of a call that was lost with the process that made it: its phone may have rung.
pub const PROCESS_LOST: &str = "process_lost";
/// The cause of an attempt that a node left open which did not come back: its phone may have rung.
pub const NODE_LOST: &str = "node_lost";

/// Whether a call of this cause was lost by us, so that what became of it is not known.
pub fn is_lost(cause: &str) -> bool {
    [PROCESS_LOST, NODE_LOST].contains(&cause)
}

/// The cause of a send that was withdrawn while it waited.
pub const WITHDRAWN: &str = "withdrawn";
/// The cause of a call that was hung up since it was withdrawn.
pub const CANCELLED: &str = "cancelled";

/// What the call reported, in plain values: the rules know nothing of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallFacts {
    /// Whether the callee answered.
    pub answered: bool,
    /// Whether the last sample was sent while the call was up.
    pub heard_to_end: bool,
    /// What ended the call before an answer, when no final response did.
    pub unanswered: Option<Unanswered>,
    /// The final SIP code, if the far end sent one.
    pub sip_code: Option<u16>,
    /// The Q.850 cause, if the far end sent one.
    pub q850: Option<u8>,
}

/// What ends a call before an answer when no final response does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unanswered {
    /// It rang until the ring timeout, and we cancelled.
    RangOut,
    /// Nothing at all came back to the INVITE for 32 s (RFC 3261 timer B).
    Silent,
    /// The INVITE could not be delivered: the address refuses it, or there is no connection.
    Undeliverable,
    /// We gave up: the deadline of the call, or an order of ours.
    CutByUs,
}

/// What makes a call something else than its signalling says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spoiled {
    /// It was answered by a machine, and the message is not for machines.
    MachineAnswered,
    /// It was answered, and no sound could be agreed on.
    NoMediaAgreed,
    /// It was answered without the keys that its trunk must have.
    NotEncrypted,
    /// It was answered, and our own machine let nothing of the message leave.
    NothingLeft,
    /// It could not be written down as a call at all.
    NotCallable,
}

/// Whose failure it is that a call came to nothing. Only [`Fault::Trunk`] lets another trunk try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The callee, or the number: another trunk would hear the same.
    Callee,
    /// The trunk, or the network behind it.
    Trunk,
    /// Our own: neither tried again nor charged.
    Ours,
}

/// What is read from one sign: what the call came to, and by whose failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What it means to the business.
    pub disposition: Disposition,
    /// Whose failure it is.
    pub fault: Fault,
}

/// A row of the table: every code from the first to the last is read alike.
struct Row(u16, u16, Disposition, Fault, &'static str);

use Disposition as D;
use Fault::{Callee, Ours, Trunk};

/// Final SIP codes of a call that was not answered (RFC 3261 section 21, RFC 8688, RFC 8197). The
/// first row that has a code counts; a code without a row is read as its hundred is.
const SIP_CODES: &[Row] = &[
    Row(400, 400, D::NetworkFailure, Ours, "the INVITE is not understood"),
    Row(401, 401, D::NetworkFailure, Trunk, "our credentials are not taken"),
    Row(402, 402, D::NetworkFailure, Trunk, "the carrier wants to be paid first"),
    // A trunk says it of wrong credentials or a caller's number it does not let through. A callee
    // who declines is 603, or has cause 21.
    Row(403, 403, D::NetworkFailure, Trunk, "the carrier does not let this call through"),
    Row(404, 404, D::InvalidNumber, Callee, "no such number"),
    Row(405, 406, D::NetworkFailure, Trunk, "the carrier does not take such calls"),
    Row(407, 407, D::NetworkFailure, Trunk, "our credentials are not taken"),
    // Whoever says it may have rung the phone without telling us.
    Row(408, 408, D::NoAnswer, Callee, "nobody was found in time"),
    Row(410, 410, D::InvalidNumber, Callee, "the number is in use no more"),
    Row(411, 414, D::NetworkFailure, Ours, "the INVITE is not taken as it is"),
    Row(415, 415, D::NetworkFailure, Trunk, "our description is not understood"),
    Row(416, 417, D::NetworkFailure, Ours, "the address is not understood"),
    Row(420, 424, D::NetworkFailure, Trunk, "an extension of SIP is missing or not wanted"),
    Row(428, 429, D::NetworkFailure, Trunk, "the caller's identity is not proven"),
    Row(430, 430, D::Unreachable, Callee, "the phone's connection is gone"),
    Row(433, 433, D::Rejected, Callee, "callers without a number are not taken"),
    Row(436, 438, D::NetworkFailure, Trunk, "the caller's identity is not proven"),
    Row(480, 480, D::Unreachable, Callee, "switched off or out of reach"),
    Row(481, 481, D::NetworkFailure, Trunk, "the trunk has lost the call"),
    Row(482, 483, D::NetworkFailure, Trunk, "the call goes in circles"),
    Row(484, 485, D::InvalidNumber, Callee, "the number is not whole, or means several"),
    Row(486, 486, D::Busy, Callee, "busy"),
    Row(487, 487, D::NoAnswer, Callee, "given up by the network"),
    Row(488, 488, D::NetworkFailure, Trunk, "no codec in common"),
    Row(489, 491, D::NetworkFailure, Ours, "the INVITE does not fit the moment"),
    Row(493, 494, D::NetworkFailure, Trunk, "another protection of the call is wanted"),
    Row(600, 600, D::Busy, Callee, "busy everywhere"),
    Row(603, 603, D::Rejected, Callee, "declined"),
    Row(604, 604, D::InvalidNumber, Callee, "no such number anywhere"),
    Row(606, 606, D::NetworkFailure, Callee, "the phone has no codec of ours"),
    Row(607, 608, D::Rejected, Callee, "not wanted, or kept away by the network"),
    Row(300, 399, D::NetworkFailure, Trunk, "the carrier sends us elsewhere, where we do not go"),
    Row(400, 499, D::NetworkFailure, Ours, "any other refusal of the INVITE"),
    Row(500, 599, D::NetworkFailure, Trunk, "the carrier fails"),
    Row(600, 699, D::NetworkFailure, Callee, "refused for every phone of the callee"),
];

/// Q.850 causes, which are more exact than the SIP code they come with and win over it. A cause
/// without a row (16, 31, 127, …) leaves it to the code.
const Q850_CAUSES: &[Row] = &[
    Row(1, 3, D::InvalidNumber, Callee, "no such number, or no way to it"),
    Row(5, 5, D::InvalidNumber, Callee, "a prefix too many"),
    Row(17, 17, D::Busy, Callee, "busy"),
    Row(18, 19, D::NoAnswer, Callee, "nobody answers"),
    Row(20, 20, D::Unreachable, Callee, "the subscriber is absent"),
    Row(21, 21, D::Rejected, Callee, "declined"),
    Row(22, 22, D::InvalidNumber, Callee, "the number has changed"),
    Row(27, 27, D::Unreachable, Callee, "the line is out of order"),
    Row(28, 28, D::InvalidNumber, Callee, "the number is not whole"),
    Row(34, 34, D::NetworkFailure, Trunk, "no circuit is free"),
    Row(38, 38, D::NetworkFailure, Trunk, "the network is out of order"),
    Row(41, 44, D::NetworkFailure, Trunk, "the network is congested"),
    Row(46, 47, D::NetworkFailure, Trunk, "the network has no room"),
    Row(55, 55, D::Rejected, Callee, "calls to this number are barred"),
    Row(58, 58, D::NetworkFailure, Trunk, "the network cannot carry speech now"),
];

/// What ends a call when no final response does.
const UNANSWERED: &[(Unanswered, Disposition, Fault, &str)] = &[
    (Unanswered::RangOut, D::NoAnswer, Callee, "the ring timeout: it rang and nobody answered"),
    (Unanswered::Silent, D::NetworkFailure, Trunk, "timer B: no response at all in 32 s"),
    (Unanswered::Undeliverable, D::NetworkFailure, Trunk, "the INVITE cannot be delivered"),
    (Unanswered::CutByUs, D::NetworkFailure, Ours, "the call's deadline, or an order of ours"),
];

/// What a call came to, whatever its signalling says. Whoever answered is not called again for it,
/// by no other trunk either.
const SPOILED: &[(Spoiled, Disposition, Fault, &str)] = &[
    (
        Spoiled::MachineAnswered,
        D::AnsweringMachine,
        Callee,
        "a machine, and it is not for machines",
    ),
    (Spoiled::NoMediaAgreed, D::NetworkFailure, Ours, "answered, without a codec in common"),
    (Spoiled::NotEncrypted, D::NetworkFailure, Ours, "answered, without the keys that are wanted"),
    (Spoiled::NothingLeft, D::NetworkFailure, Ours, "answered, and our machine sent nothing"),
    (Spoiled::NotCallable, D::NetworkFailure, Ours, "no INVITE can be made of it"),
];

impl Spoiled {
    /// What it comes to, and by whose failure.
    pub fn reading(self) -> Reading {
        let row = SPOILED.iter().find(|row| row.0 == self);
        let (_, disposition, fault, _) = row.expect("each has its row, as a test says");
        Reading { disposition: *disposition, fault: *fault }
    }
}

/// The row of a code in a table.
fn read(rows: &[Row], code: u16) -> Option<Reading> {
    let row = rows.iter().find(|row| (row.0..=row.1).contains(&code))?;
    Some(Reading { disposition: row.2, fault: row.3 })
}

/// The table for people: the sign, what it comes to, whose failure it is, and why.
pub fn table() -> Vec<(String, Disposition, Fault, &'static str)> {
    let coded = |kind: &'static str, rows: &'static [Row]| {
        rows.iter().map(move |Row(first, last, disposition, fault, why)| {
            let sign = if first == last {
                format!("{kind} {first}")
            } else {
                format!("{kind} {first} to {last}")
            };
            (sign, *disposition, *fault, *why)
        })
    };
    let timers = UNANSWERED.iter().map(|(unanswered, disposition, fault, why)| {
        (format!("{unanswered:?}"), *disposition, *fault, *why)
    });
    let spoiled = SPOILED.iter().map(|(spoiled, disposition, fault, why)| {
        (format!("{spoiled:?}"), *disposition, *fault, *why)
    });
    let codes = coded("Q.850", Q850_CAUSES).chain(coded("SIP", SIP_CODES));
    codes.chain(timers).chain(spoiled).collect()
}

impl CallFacts {
    /// What a call that was not answered came to, and by whose failure. Q.850 is more exact than a
    /// SIP code and wins, except that a code which speaks of the callee is never overruled as to
    /// the fault: no other trunk is tried when one of the two says that the callee was asked.
    pub fn unanswered_reading(&self) -> Reading {
        if let Some(unanswered) = self.unanswered {
            let row = UNANSWERED.iter().find(|row| row.0 == unanswered);
            let (_, disposition, fault, _) = row.expect("each has its row, as a test says");
            return Reading { disposition: *disposition, fault: *fault };
        }
        let ours = Reading { disposition: Disposition::NetworkFailure, fault: Fault::Ours };
        let by_code = self.sip_code.map(|code| read(SIP_CODES, code).unwrap_or(ours));
        let by_cause = self.q850.and_then(|cause| read(Q850_CAUSES, cause.into()));
        let mut reading = by_cause.or(by_code).unwrap_or(ours);
        if by_code.is_some_and(|by_code| by_code.fault == Fault::Callee) {
            reading.fault = Fault::Callee;
        }
        reading
    }
}

impl Disposition {
    /// Reads the business meaning of a call's facts.
    pub fn of(facts: CallFacts) -> Self {
        match (facts.answered, facts.heard_to_end) {
            (true, true) => Self::Delivered,
            (true, false) => Self::HeardInPart,
            (false, _) => facts.unanswered_reading().disposition,
        }
    }

    /// Its name among programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::HeardInPart => "heard_in_part",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
            Self::InvalidNumber => "invalid_number",
            Self::AnsweringMachine => "answering_machine",
            Self::NetworkFailure => "network_failure",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::OptedOut => "opted_out",
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
            Self::OptedOut => 33,
        }
    }

    /// Reads a code made by [`Self::code`].
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|disposition| disposition.code() == code)
    }

    /// Every disposition.
    pub const ALL: [Self; 12] = [
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
        Self::OptedOut,
    ];
}

impl Status {
    /// Where it stands and, once it has ended, how: their names among programs.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Queued => ("queued", ""),
            Self::Calling => ("calling", ""),
            Self::Ringing => ("ringing", ""),
            Self::Answered => ("answered", ""),
            Self::Ended(disposition) => ("ended", disposition.word()),
        }
    }

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

    fn facts(sip_code: Option<u16>, q850: Option<u8>) -> CallFacts {
        CallFacts { answered: false, heard_to_end: false, unanswered: None, sip_code, q850 }
    }

    fn reading(sip_code: Option<u16>, q850: Option<u8>) -> (Disposition, Fault) {
        let reading = facts(sip_code, q850).unanswered_reading();
        (reading.disposition, reading.fault)
    }

    /// What carriers answer, and what it must come to: a line for each row of the tables, so that
    /// no row changes its meaning by accident.
    #[test]
    fn each_row_has_its_meaning() {
        const FAILURE: Disposition = D::NetworkFailure;
        let codes: [(&[u16], Disposition, Fault); 13] = [
            (&[404, 410, 484, 485, 604], D::InvalidNumber, Callee),
            (&[486, 600], D::Busy, Callee),
            (&[408, 487], D::NoAnswer, Callee),
            (&[430, 480], D::Unreachable, Callee),
            (&[433, 603, 607, 608], D::Rejected, Callee),
            (&[606, 601, 605, 699], FAILURE, Callee),
            (&[300, 301, 302, 305, 380, 399], FAILURE, Trunk),
            (&[401, 402, 403, 405, 406, 407, 415], FAILURE, Trunk),
            (&[420, 421, 422, 423, 424, 428, 429, 436, 437, 438], FAILURE, Trunk),
            (&[481, 482, 483, 488, 493, 494], FAILURE, Trunk),
            (&[500, 501, 502, 503, 504, 505, 513, 555, 580, 599], FAILURE, Trunk),
            (&[400, 411, 412, 413, 414, 416, 417, 489, 490, 491], FAILURE, Ours),
            (&[409, 418, 425, 440, 469, 470, 492, 495, 499], FAILURE, Ours),
        ];
        for (codes, disposition, fault) in codes {
            for &code in codes {
                assert_eq!(reading(Some(code), None), (disposition, fault), "SIP {code}");
            }
        }
        let causes: [(&[u8], Disposition, Fault); 6] = [
            (&[1, 2, 3, 5, 22, 28], D::InvalidNumber, Callee),
            (&[17], D::Busy, Callee),
            (&[18, 19], D::NoAnswer, Callee),
            (&[20, 27], D::Unreachable, Callee),
            (&[21, 55], D::Rejected, Callee),
            (&[34, 38, 41, 42, 43, 44, 46, 47, 58], FAILURE, Trunk),
        ];
        for (causes, disposition, fault) in causes {
            for &cause in causes {
                let read = reading(Some(500), Some(cause));
                assert_eq!(read, (disposition, fault), "Q.850 {cause}");
            }
        }
        for (unanswered, disposition, fault) in [
            (Unanswered::RangOut, D::NoAnswer, Callee),
            (Unanswered::Silent, FAILURE, Trunk),
            (Unanswered::Undeliverable, FAILURE, Trunk),
            (Unanswered::CutByUs, FAILURE, Ours),
        ] {
            let facts = CallFacts { unanswered: Some(unanswered), ..facts(None, Some(17)) };
            let read = facts.unanswered_reading();
            assert_eq!((read.disposition, read.fault), (disposition, fault), "{unanswered:?}");
        }
        assert_eq!(reading(None, None), (FAILURE, Ours), "no sign at all");
        for (spoiled, disposition, fault) in [
            (Spoiled::MachineAnswered, D::AnsweringMachine, Callee),
            (Spoiled::NoMediaAgreed, FAILURE, Ours),
            (Spoiled::NotEncrypted, FAILURE, Ours),
            (Spoiled::NothingLeft, FAILURE, Ours),
            (Spoiled::NotCallable, FAILURE, Ours),
        ] {
            let read = spoiled.reading();
            assert_eq!((read.disposition, read.fault), (disposition, fault), "{spoiled:?}");
        }
    }

    /// The lines above would not notice a row that they do not name.
    #[test]
    fn the_tables_have_as_many_rows_as_the_test_knows() {
        let count = (SIP_CODES.len(), Q850_CAUSES.len(), UNANSWERED.len(), SPOILED.len());
        assert_eq!(count, (35, 15, 4, 5), "name the new row in each_row_has_its_meaning");
    }

    #[test]
    fn a_q850_cause_is_more_exact_than_the_code() {
        assert_eq!(reading(Some(480), Some(17)).0, D::Busy);
        assert_eq!(reading(Some(503), Some(1)), (D::InvalidNumber, Callee));
        assert_eq!(reading(Some(486), Some(127)).0, D::Busy);
        assert_eq!(reading(Some(403), Some(21)), (D::Rejected, Callee));
    }

    /// Goal: who was asked is asked once, whatever the cause says beside the code.
    #[test]
    fn a_code_that_speaks_of_the_callee_keeps_other_trunks_away() {
        assert_eq!(reading(Some(486), Some(34)), (D::NetworkFailure, Callee));
        assert_eq!(reading(Some(480), Some(41)).1, Callee);
        assert_eq!(reading(Some(503), Some(34)).1, Trunk);
    }

    #[test]
    fn an_answered_call_is_what_was_heard_of_it() {
        let answered = CallFacts { answered: true, ..facts(Some(200), Some(16)) };
        assert_eq!(Disposition::of(answered), D::HeardInPart);
        assert_eq!(Disposition::of(CallFacts { heard_to_end: true, ..answered }), D::Delivered);
    }

    #[test]
    fn codes_are_distinct_and_read_back() {
        for disposition in Disposition::ALL {
            assert_eq!(Disposition::from_code(disposition.code()), Some(disposition));
        }
    }
}

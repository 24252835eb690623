//! How a trunk fares, from three signs: whether it answers pings, whether we are registered with
//! it, and whether calls fail by its own failure. It says whether a call may take the trunk now;
//! it knows no call and sends nothing.
//!
//! ```text
//!        failures in a row, Retry-After, nobody there
//! Good ────────────────────────────────────────────────▶ Quarantined ──time over──▶ Trying
//!  ▲                                                       ▲                          │ one call
//!  │                                                       └─fails: twice as long─────┤
//!  └──────────────────────────────────────────────────────────────rings, is answered──┘
//! ```
//!
//! Pings and registration stand beside that: a trunk that is silent or does not know us takes no
//! call until it says otherwise.

use crate::Timestamp;

/// Failures of the trunk in a row before it is quarantined. One alone says little: carriers answer
/// 503 also for what only one destination lacks.
pub const FAILURES_MAX: u32 = 5;
/// Pings without an answer in a row before the trunk counts as silent.
pub const PINGS_MISSED_MAX: u32 = 2;
/// The first quarantine when the trunk does not say how long, milliseconds. Each that follows
/// without a success between is twice as long.
pub const QUARANTINE_MS: i64 = 1_000;
/// The longest quarantine, also when the trunk asks for more, milliseconds.
pub const QUARANTINE_MAX_MS: i64 = 5 * 60 * 1_000;

/// How a trunk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// It takes calls.
    Good,
    /// It takes none for a while, since calls failed by its own failure.
    Quarantined,
    /// The quarantine is over: one call tries it.
    Trying,
    /// It answers no pings.
    Silent,
    /// It does not know us any more.
    Unregistered,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 5] =
        [Self::Good, Self::Quarantined, Self::Trying, Self::Silent, Self::Unregistered];

    /// Its word in metrics, in the database and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Quarantined => "quarantined",
            Self::Trying => "trying",
            Self::Silent => "silent",
            Self::Unregistered => "unregistered",
        }
    }

    /// Reads a word of [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.word() == word)
    }
}

/// What a call may do on a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// As all others.
    Usual,
    /// It tries the trunk: no other call may until it is known how it went.
    Trial,
}

/// Why no call may take a trunk now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// Until then.
    Until(Timestamp),
    /// Until a ping, a registration or the call that tries it says otherwise.
    UntilTold,
}

/// A call failed by the trunk's own failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrunkFailure {
    /// Nobody is there: the next call need not find that out.
    pub nobody_there: bool,
    /// How long the trunk asks to be left alone (RFC 3261 section 20.33), seconds.
    pub retry_after_s: Option<u32>,
}

/// The health of one trunk. Times are of one steady clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    pings_missed: u32,
    registration_lost: bool,
    /// Failures since the last success.
    failures: u32,
    quarantine: Option<Quarantine>,
    heard_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quarantine {
    until: Timestamp,
    /// Quarantines since the last success.
    count: u32,
    /// A call tries the trunk.
    tried: bool,
}

impl Health {
    /// How the trunk stands.
    pub fn condition(&self, now: Timestamp) -> Condition {
        match self.quarantine {
            _ if self.registration_lost => Condition::Unregistered,
            _ if self.pings_missed >= PINGS_MISSED_MAX => Condition::Silent,
            None => Condition::Good,
            Some(quarantine) if now < quarantine.until => Condition::Quarantined,
            Some(_) => Condition::Trying,
        }
    }

    /// When its quarantine is over, while it is in one.
    pub fn quarantined_until(&self) -> Option<Timestamp> {
        self.quarantine.map(|quarantine| quarantine.until)
    }

    /// Whether a call may take the trunk now, and as what.
    ///
    /// # Errors
    /// None may.
    pub fn admits(&self, now: Timestamp) -> Result<Entry, Shut> {
        match (self.condition(now), self.quarantine) {
            (Condition::Silent | Condition::Unregistered, _) => Err(Shut::UntilTold),
            (_, None) => Ok(Entry::Usual),
            (Condition::Quarantined, Some(quarantine)) => Err(Shut::Until(quarantine.until)),
            (_, Some(quarantine)) if quarantine.tried => Err(Shut::UntilTold),
            (_, Some(_)) => Ok(Entry::Trial),
        }
    }

    /// A call takes the trunk as [`Self::admits`] allowed.
    pub fn entered(&mut self, entry: Entry) {
        if let (Entry::Trial, Some(quarantine)) = (entry, &mut self.quarantine) {
            quarantine.tried = true;
        }
    }

    /// A call that took the trunk is gone. When it was to try it and came to nothing that says
    /// anything, the next one tries.
    pub fn left(&mut self, entry: Entry) {
        if let (Entry::Trial, Some(quarantine)) = (entry, &mut self.quarantine) {
            quarantine.tried = false;
        }
    }

    /// The trunk has brought a call to its callee: it rings, was answered, or the callee's side
    /// refused it. What was dialled before a quarantine does not end it.
    pub fn served(&mut self, now: Timestamp, entry: Entry) {
        self.heard_at = self.heard_at.max(Some(now));
        if entry == Entry::Trial {
            self.quarantine = None;
        }
        if self.quarantine.is_none() {
            self.failures = 0;
        }
    }

    /// A call failed by the trunk's failure. Failures of what was dialled before the quarantine
    /// say nothing new.
    pub fn failed(&mut self, now: Timestamp, entry: Entry, failure: TrunkFailure) {
        let count = match self.quarantine {
            Some(_) if entry == Entry::Usual => return,
            Some(quarantine) => quarantine.count.saturating_add(1),
            None => 0,
        };
        self.failures = self.failures.saturating_add(1);
        let asked_ms = failure.retry_after_s.filter(|seconds| *seconds > 0);
        let asked_ms = asked_ms.map(|seconds| i64::from(seconds).saturating_mul(1_000));
        let enough = failure.nobody_there || asked_ms.is_some() || self.failures >= FAILURES_MAX;
        if count > 0 || enough {
            // Twenty doublings are far beyond the longest.
            let doubled_ms = QUARANTINE_MS.saturating_mul(1 << count.min(20));
            let length_ms = asked_ms.unwrap_or(doubled_ms).min(QUARANTINE_MAX_MS);
            let until = now.plus_ms(length_ms);
            self.quarantine = Some(Quarantine { until, count, tried: false });
        }
    }

    /// A ping was answered, or missed.
    pub fn pinged(&mut self, now: Timestamp, answered: bool) {
        if answered {
            self.heard_at = self.heard_at.max(Some(now));
            self.pings_missed = 0;
        } else {
            self.pings_missed = self.pings_missed.saturating_add(1);
        }
    }

    /// The operator has changed the trunk: what calls and pings said of it before does not count.
    pub fn touched(&mut self) {
        *self = Self { registration_lost: self.registration_lost, ..Self::default() };
    }

    /// Whether a final response to a ping says that the trunk takes calls: any, but 503 and what a
    /// proxy says for one that is silent.
    pub fn is_alive(sip_code: Option<u16>) -> bool {
        !matches!(sip_code, None | Some(408 | 503))
    }

    /// Our registration with the trunk stands, or does not any more.
    pub fn registered(&mut self, stands: bool) {
        self.registration_lost = !stands;
    }

    /// Whether anything was heard of the trunk after `since`.
    pub fn was_heard_after(&self, since: Timestamp) -> bool {
        self.heard_at.is_some_and(|at| at > since)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAILURE: TrunkFailure = TrunkFailure { nobody_there: false, retry_after_s: None };
    const NOBODY: TrunkFailure = TrunkFailure { nobody_there: true, retry_after_s: None };

    fn at_ms(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000)
    }

    fn quarantined(failure: TrunkFailure) -> Health {
        let mut health = Health::default();
        health.failed(at_ms(0), Entry::Usual, failure);
        health
    }

    #[test]
    fn a_single_failure_is_forgiven_and_five_in_a_row_are_not() {
        let mut health = Health::default();
        for n in 1..=4 {
            health.failed(at_ms(n), Entry::Usual, FAILURE);
        }
        assert_eq!(health.condition(at_ms(5)), Condition::Good);
        health.served(at_ms(5), Entry::Usual);
        for n in 6..=10 {
            assert_eq!(health.admits(at_ms(n)), Ok(Entry::Usual));
            health.failed(at_ms(n), Entry::Usual, FAILURE);
        }
        assert_eq!(health.condition(at_ms(10)), Condition::Quarantined);
        assert_eq!(health.admits(at_ms(10)), Err(Shut::Until(at_ms(1_010))));
    }

    #[test]
    fn a_trunk_that_says_for_how_long_is_left_alone_so_long_but_not_for_ever() {
        for (asked_s, length_ms) in [(7, 7_000), (3_600, QUARANTINE_MAX_MS)] {
            let failure = TrunkFailure { retry_after_s: Some(asked_s), ..FAILURE };
            let health = quarantined(failure);
            assert_eq!(health.admits(at_ms(1)), Err(Shut::Until(at_ms(length_ms))));
            assert_eq!(health.admits(at_ms(length_ms)), Ok(Entry::Trial));
        }
        let nothing = quarantined(TrunkFailure { retry_after_s: Some(0), ..FAILURE });
        assert_eq!(nothing.condition(at_ms(1)), Condition::Good, "0 asks for nothing");
    }

    #[test]
    fn one_call_tries_and_its_success_opens_the_trunk() {
        let mut health = quarantined(NOBODY);
        assert_eq!(health.condition(at_ms(1_000)), Condition::Trying);
        health.entered(Entry::Trial);
        assert_eq!(health.admits(at_ms(1_001)), Err(Shut::UntilTold));
        health.left(Entry::Trial);
        assert_eq!(health.admits(at_ms(1_002)), Ok(Entry::Trial), "the first said nothing");
        health.entered(Entry::Trial);
        health.served(at_ms(1_003), Entry::Usual);
        assert_eq!(health.condition(at_ms(1_003)), Condition::Trying, "an old call says nothing");
        health.served(at_ms(1_004), Entry::Trial);
        assert_eq!(health.admits(at_ms(1_004)), Ok(Entry::Usual));
    }

    #[test]
    fn a_trial_that_fails_doubles_the_wait_up_to_the_longest() {
        let mut health = quarantined(NOBODY);
        let mut now = at_ms(0);
        for expected_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000] {
            let until = health.quarantined_until().unwrap();
            assert_eq!(until.us_since(now), expected_ms * 1_000);
            now = until;
            health.entered(Entry::Trial);
            health.failed(now, Entry::Trial, FAILURE);
        }
        let until = health.quarantined_until().unwrap();
        assert_eq!(until.us_since(now), QUARANTINE_MAX_MS * 1_000);
        health.served(until, Entry::Trial);
        health.failed(until, Entry::Usual, NOBODY);
        let again = health.quarantined_until().unwrap();
        assert_eq!(again.us_since(until), QUARANTINE_MS * 1_000, "a success starts anew");
    }

    #[test]
    fn calls_that_were_under_way_do_not_lengthen_a_quarantine() {
        let mut health = quarantined(NOBODY);
        for n in 1..50 {
            health.failed(at_ms(n), Entry::Usual, NOBODY);
        }
        assert_eq!(health.quarantined_until(), Some(at_ms(1_000)));
    }

    #[test]
    fn two_missed_pings_shut_a_trunk_and_one_answer_opens_it() {
        let mut health = Health::default();
        health.pinged(at_ms(1), false);
        assert_eq!(health.condition(at_ms(1)), Condition::Good);
        health.pinged(at_ms(2), false);
        assert_eq!(health.condition(at_ms(2)), Condition::Silent);
        assert_eq!(health.admits(at_ms(2)), Err(Shut::UntilTold));
        health.pinged(at_ms(3), true);
        assert_eq!(health.admits(at_ms(3)), Ok(Entry::Usual));
        assert!(health.was_heard_after(at_ms(2)) && !health.was_heard_after(at_ms(3)));
    }

    #[test]
    fn any_answer_to_a_ping_but_503_and_408_is_one() {
        for code in [200, 401, 404, 405, 480, 481, 500, 501, 603] {
            assert!(Health::is_alive(Some(code)), "{code}");
        }
        for code in [None, Some(408), Some(503)] {
            assert!(!Health::is_alive(code), "{code:?}");
        }
    }

    #[test]
    fn a_lost_registration_shuts_a_trunk_until_it_stands_again() {
        let mut health = Health::default();
        health.registered(false);
        assert_eq!(health.condition(at_ms(1)), Condition::Unregistered);
        assert_eq!(health.admits(at_ms(1)), Err(Shut::UntilTold));
        health.registered(true);
        assert_eq!(health.admits(at_ms(1)), Ok(Entry::Usual));
    }

    #[test]
    fn a_trunk_that_the_operator_touched_is_tried_at_once() {
        let mut health = quarantined(NOBODY);
        health.pinged(at_ms(1), false);
        health.pinged(at_ms(2), false);
        health.touched();
        assert_eq!(health, Health::default());
        health.registered(false);
        health.touched();
        assert_eq!(health.condition(at_ms(3)), Condition::Unregistered, "that is still so");
    }

    #[test]
    fn conditions_have_words_that_read_back() {
        for condition in Condition::ALL {
            assert_eq!(Condition::from_word(condition.word()), Some(condition));
        }
    }

    /// What may happen to a trunk.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Wait(i64),
        Call,
        Served(usize),
        Failed(usize, bool, Option<u32>),
        Gone(usize),
        Pinged(bool),
        Registered(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => (0_i64..400_000).prop_map(Step::Wait),
            3 => Just(Step::Call),
            1 => (0_usize..8).prop_map(Step::Served),
            1 => (0_usize..8, any::<bool>(), proptest::option::of(0_u32..4_000))
                .prop_map(|(call, nobody, retry)| Step::Failed(call, nobody, retry)),
            1 => (0_usize..8).prop_map(Step::Gone),
            1 => any::<bool>().prop_map(Step::Pinged),
            1 => any::<bool>().prop_map(Step::Registered),
        ]
    }

    proptest! {
        /// Goal: whatever happens, at most one call tries a trunk, nobody takes one before its time
        /// is over, no quarantine is longer than the longest, and a trunk that is pinged,
        /// registered and left alone takes calls again: none is shut for ever.
        #[test]
        fn no_trunk_is_taken_too_early_or_shut_for_ever(
            steps in proptest::collection::vec(step(), 1..200)
        ) {
            let (mut health, mut now) = (Health::default(), Timestamp(0));
            let mut calls: Vec<Entry> = Vec::new();
            for step in steps {
                let count = calls.len().max(1);
                let of = |call: usize| calls.get(call % count).copied();
                match step {
                    Step::Wait(ms) => now = now.plus_ms(ms),
                    Step::Call => if let Ok(entry) = health.admits(now) {
                        prop_assert!(entry == Entry::Usual || !calls.contains(&Entry::Trial));
                        prop_assert!(
                            entry == Entry::Trial || health.quarantined_until().is_none()
                        );
                        health.entered(entry);
                        calls.push(entry);
                    },
                    Step::Served(call) => if let Some(entry) = of(call) {
                        health.served(now, entry);
                        // It stands for itself only once.
                        if entry == Entry::Trial { calls[call % count] = Entry::Usual; }
                    },
                    Step::Failed(call, nobody_there, retry_after_s) => {
                        if let Some(entry) = of(call) {
                            health.failed(now, entry, TrunkFailure { nobody_there, retry_after_s });
                            calls.swap_remove(call % count);
                        }
                    }
                    Step::Gone(call) => if let Some(entry) = of(call) {
                        health.left(entry);
                        calls.swap_remove(call % count);
                    },
                    Step::Pinged(answered) => health.pinged(now, answered),
                    Step::Registered(stands) => health.registered(stands),
                }
                if let Some(until) = health.quarantined_until() {
                    prop_assert!(until <= now.plus_ms(QUARANTINE_MAX_MS));
                }
            }
            for entry in calls { health.left(entry); }
            health.pinged(now, true);
            health.registered(true);
            prop_assert!(health.admits(now.plus_ms(QUARANTINE_MAX_MS)).is_ok());
        }
    }
}

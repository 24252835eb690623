//! The states of a campaign and what leads from one to the next. Nothing else may.

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its numbers are being taken in, or it was not started yet.
    Draft,
    /// It calls whenever its schedule is open.
    Running,
    /// Nothing of it is dialled until it is resumed.
    Paused(PauseReason),
    /// Its customer stopped it. It goes on where it was when it is started again.
    Stopped,
    /// Everybody was called, or its last day is over.
    Finished,
    /// It was given up for good.
    Cancelled,
}

/// Why a campaign pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// Its customer or the operator asked for it.
    Asked,
    /// The available balance does not cover another call.
    InsufficientCredit,
    /// What it cost and holds has come to its ceiling.
    Ceiling,
    /// Nearly all of its latest calls failed: see [`super::failing`].
    Failing,
}

/// What may be asked of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Call, from a new snapshot of its settings.
    Start,
    /// Stop calling for this reason; calls that are up go on.
    Pause(PauseReason),
    /// Go on as before the pause.
    Resume,
    /// Stop calling; calls that are up go on.
    Stop,
    /// Give it up: whoever was not called is not called any more.
    Cancel,
    /// Its end has come.
    Finish,
}

impl State {
    /// The state that `verb` leads to; `None` when it may not be asked for now.
    pub fn after(self, verb: Verb) -> Option<Self> {
        match (self, verb) {
            (Self::Draft | Self::Stopped | Self::Paused(_), Verb::Start)
            | (Self::Paused(_), Verb::Resume) => Some(Self::Running),
            (Self::Running, Verb::Pause(reason)) => Some(Self::Paused(reason)),
            (Self::Running | Self::Paused(_), Verb::Stop) => Some(Self::Stopped),
            (Self::Draft | Self::Running | Self::Paused(_) | Self::Stopped, Verb::Cancel) => {
                Some(Self::Cancelled)
            }
            (Self::Running, Verb::Finish) => Some(Self::Finished),
            _ => None,
        }
    }

    /// Whether numbers may be added to it.
    pub fn takes_numbers(self) -> bool {
        !self.is_over()
    }

    /// Whether nothing leads out of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled)
    }

    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Draft,
        Self::Running,
        Self::Paused(PauseReason::Asked),
        Self::Paused(PauseReason::InsufficientCredit),
        Self::Paused(PauseReason::Ceiling),
        Self::Paused(PauseReason::Failing),
        Self::Stopped,
        Self::Finished,
        Self::Cancelled,
    ];

    /// The word under which it is kept and shown to the operator.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Running => "running",
            Self::Paused(PauseReason::Asked) => "paused",
            Self::Paused(PauseReason::InsufficientCredit) => "paused_no_credit",
            Self::Paused(PauseReason::Ceiling) => "paused_ceiling",
            Self::Paused(PauseReason::Failing) => "paused_failing",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a word made by [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: [Verb; 6] = [
        Verb::Start,
        Verb::Pause(PauseReason::Asked),
        Verb::Resume,
        Verb::Stop,
        Verb::Cancel,
        Verb::Finish,
    ];

    /// Every way that there is, and no other.
    #[test]
    fn the_ways_between_the_states() {
        let ways: Vec<(&str, Vec<&str>)> = State::ALL
            .into_iter()
            .map(|state| {
                let after = |verb| state.after(verb).map_or("-", State::word);
                (state.word(), VERBS.into_iter().map(after).collect())
            })
            .collect();
        let paused = ["running", "-", "running", "stopped", "cancelled", "-"].as_slice();
        let expected: [(&str, &[&str]); 9] = [
            ("draft", &["running", "-", "-", "-", "cancelled", "-"]),
            ("running", &["-", "paused", "-", "stopped", "cancelled", "finished"]),
            ("paused", paused),
            ("paused_no_credit", paused),
            ("paused_ceiling", paused),
            ("paused_failing", paused),
            ("stopped", &["running", "-", "-", "-", "cancelled", "-"]),
            ("finished", &["-"; 6]),
            ("cancelled", &["-"; 6]),
        ];
        assert_eq!(ways, expected.map(|(state, after)| (state, after.to_vec())));
    }

    #[test]
    fn words_are_read_as_they_are_kept() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word("nonsense"), None);
    }
}

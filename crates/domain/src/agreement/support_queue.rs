//! The order of the support line: who waits on the line and who is to be called back stand in one
//! line, by when they came (C14, A09, I13).

use super::support_call::{State, SupportCall};
use crate::Timestamp;

/// How long an expert has rest after a conversation, and after a call that was not taken,
/// microseconds.
pub const REST_US: i64 = 10_000_000;
/// Who does not take a call is not rung for so long, microseconds: others are.
pub const MISSED_REST_US: i64 = 60_000_000;
/// How long a conversation is taken to be where it is told how long somebody may have to wait,
/// microseconds.
const TALK_US: i64 = 4 * 60_000_000;
/// The longest estimate that is told, minutes: beyond it a callback is the better answer.
const ESTIMATE_MAX: u32 = 60;

/// Whether an expert may be given to a call now: its caller is on the line, or may be called back.
pub fn is_servable(call: &SupportCall, now: Timestamp) -> bool {
    call.state == State::Waiting || call.is_callable(now)
}

/// Whose turn it is among calls in the order in which they came: the first who can be served. Who
/// came later is served before only while the earlier ones cannot be (I13).
pub fn next<'a>(
    in_order: impl IntoIterator<Item = &'a SupportCall>,
    now: Timestamp,
) -> Option<usize> {
    in_order.into_iter().position(|call| is_servable(call, now))
}

/// The place of the call at `index` among calls in the order in which they came, from 1: whoever
/// waits, on the line or at home, counts (T120).
pub fn place<'a>(in_order: impl IntoIterator<Item = &'a SupportCall>, index: usize) -> u32 {
    let waits = |call: &&SupportCall| matches!(call.state, State::Waiting | State::Registered);
    let before = in_order.into_iter().take(index).filter(waits).count();
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

/// In how many minutes the caller at this place may be answered by so many experts, roughly.
/// `None` when nobody is there, or it takes longer than is worth telling.
pub fn estimate_minutes(place: u32, experts: u32) -> Option<u32> {
    let conversations = place.div_ceil(Some(experts).filter(|experts| *experts > 0)?);
    let minutes = i64::from(conversations).checked_mul(TALK_US)? / 60_000_000;
    u32::try_from(minutes).ok().filter(|minutes| *minutes <= ESTIMATE_MAX)
}

#[cfg(test)]
mod tests {
    use crate::agreement::callback::Policy;
    use proptest::prelude::*;

    use super::*;
    use crate::agreement::support_call::{Attempt, Step};

    const SECOND_US: i64 = 1_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp(1_795_329_000_000_000 + second * SECOND_US)
    }

    /// T120: A came first and is at home, B and C wait on the line.
    #[test]
    fn who_came_first_is_served_first_on_the_line_or_at_home() {
        let mut a = SupportCall::joined(at(0), Policy::of_the_agreement());
        a.take(&Step::Registered, at(120)).unwrap();
        let (b, c) = (
            SupportCall::joined(at(60), Policy::of_the_agreement()),
            SupportCall::joined(at(180), Policy::of_the_agreement()),
        );
        let order = [&a, &b, &c];
        assert_eq!(next(order, at(200)), Some(0));
        assert_eq!([0, 1, 2].map(|index| place(order, index)), [1, 2, 3]);
        a.take(&Step::Dialing, at(200)).unwrap();
        let order = [&a, &b, &c];
        assert_eq!(next(order, at(201)), Some(1), "A is being served");
        assert_eq!(place(order, 1), 1);
        // A did not answer, and cannot be called again yet: nobody waits for that.
        a.take(&Step::Attempted(Attempt::NoAnswer), at(230)).unwrap();
        let order = [&a, &b, &c];
        assert_eq!(next(order, at(240)), Some(1));
        assert_eq!(next(order, at(830)), Some(0));
        assert_eq!(next([], at(0)), None);
    }

    #[test]
    fn an_estimate_is_told_where_it_means_something() {
        assert_eq!(estimate_minutes(1, 1), Some(4));
        assert_eq!(estimate_minutes(5, 2), Some(12));
        assert_eq!(estimate_minutes(1, 0), None, "nobody is there");
        assert_eq!(estimate_minutes(u32::MAX, 1), None);
    }

    proptest! {
        /// I13: nobody who came earlier and could be served is passed by.
        #[test]
        fn nobody_is_passed_by(kinds in prop::collection::vec(0..5_u8, 0..20)) {
            let calls: Vec<SupportCall> = kinds.iter().zip(0..).map(|(kind, n)| {
                let mut call = SupportCall::joined(at(n), Policy::of_the_agreement());
                let steps: &[Step] = match kind {
                    0 => &[],
                    1 => &[Step::Left],
                    2 => &[Step::Registered],
                    3 => &[Step::Registered, Step::Dialing],
                    _ => &[Step::Answered],
                };
                for step in steps {
                    call.take(step, at(n)).unwrap();
                }
                call
            }).collect();
            let now = at(100);
            let next = next(&calls, now);
            let before = next.unwrap_or(calls.len());
            prop_assert!(calls[..before].iter().all(|call| !is_servable(call, now)));
            if let Some(next) = next {
                prop_assert!(is_servable(&calls[next], now));
                prop_assert!(place(&calls, next) as usize <= next + 1);
            }
        }
    }
}

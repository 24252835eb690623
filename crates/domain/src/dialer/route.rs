//! Which trunks take a destination, and which of them is tried first: the longest matching prefix,
//! then the lowest priority, then the smallest share of its weight so far. Never chance.

/// The positions in `trunks` (each a list of prefixes, empty = any) that take `national`: all that
/// match by equally many digits, in the order of the list.
pub fn trunks_for<'a, P>(trunks: impl IntoIterator<Item = P>, national: &str) -> Vec<usize>
where
    P: IntoIterator<Item = &'a str>,
{
    let mut best = (0, Vec::new());
    for (position, prefixes) in trunks.into_iter().enumerate() {
        let Some(length) = longest_match(prefixes, national) else { continue };
        if length > best.0 {
            best = (length, Vec::new());
        }
        if length == best.0 {
            best.1.push(position);
        }
    }
    best.1
}

/// The length of the longest prefix that matches; 0 when the list is empty and takes all.
fn longest_match<'a>(prefixes: impl IntoIterator<Item = &'a str>, national: &str) -> Option<usize> {
    let mut none_given = true;
    let mut longest = None;
    for prefix in prefixes {
        none_given = false;
        if national.starts_with(prefix) {
            longest = longest.max(Some(prefix.len()));
        }
    }
    if none_given { Some(0) } else { longest }
}

/// The most trunks that try one send, each after the one before has failed it.
pub const TRUNKS_MAX: u32 = 3;

/// What a start costs a trunk of weight 1; divided by the weight it still is a whole number.
const STRIDE: u64 = 1_000_000;

/// A trunk's place among others: lower is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    priority: u32,
    /// Stride scheduling: what its starts have cost so far.
    pass: u64,
}

impl Turn {
    /// The place of a trunk that has had no call yet.
    pub fn first(priority: u32) -> Self {
        Self { priority, pass: 0 }
    }

    /// After a start: a trunk of twice the weight has its turn twice as often.
    #[must_use]
    pub fn taken(self, weight: u32) -> Self {
        let cost = STRIDE / u64::from(weight.max(1));
        Self { pass: self.pass.saturating_add(cost), ..self }
    }

    /// After another trunk of the same priority had the start that this one had no room for: it
    /// does not come back with a claim on the past.
    #[must_use]
    pub fn passed_over_for(self, other: Self) -> Self {
        if self.priority == other.priority {
            Self { pass: self.pass.max(other.pass), ..self }
        } else {
            self
        }
    }

    /// Under another priority.
    #[must_use]
    pub fn with_priority(self, priority: u32) -> Self {
        Self { priority, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins_and_equals_stand_side_by_side() {
        let trunks: [&[&str]; 5] = [&["021"], &[], &["0912", "09"], &["09"], &[]];
        let pick = |number| trunks_for(trunks.iter().map(|t| t.iter().copied()), number);
        assert_eq!(pick("02112345678"), [0]);
        assert_eq!(pick("09121234567"), [2]);
        assert_eq!(pick("09351234567"), [2, 3]);
        assert_eq!(pick("05131234567"), [1, 4]);
    }

    #[test]
    fn no_trunk_takes_a_number_outside_its_prefixes() {
        assert_eq!(trunks_for([["021"]], "0912"), []);
    }

    #[test]
    fn weights_are_shares() {
        let weights = [3, 1];
        let mut turns = [Turn::first(0); 2];
        let mut starts = [0; 2];
        for _ in 0..400 {
            let chosen = usize::from(turns[1] < turns[0]);
            turns[chosen] = turns[chosen].taken(weights[chosen]);
            starts[chosen] += 1;
        }
        assert_eq!(starts, [300, 100]);
    }

    #[test]
    fn priority_comes_before_any_share() {
        let (mut first, second) = (Turn::first(1), Turn::first(2));
        for _ in 0..1000 {
            first = first.taken(1);
        }
        assert!(first < second && second.with_priority(0) < first);
    }

    #[test]
    fn a_trunk_that_was_full_does_not_catch_up() {
        let full = Turn::first(0);
        let other = (0..1000).fold(Turn::first(0), |turn, _| turn.taken(1));
        assert_eq!(full.passed_over_for(other), other);
        assert_eq!(Turn::first(1).passed_over_for(other), Turn::first(1));
    }
}

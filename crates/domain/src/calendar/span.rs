//! A stretch of time, half-open.

use crate::Timestamp;

/// From one moment until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
}

impl Span {
    /// From a moment until before another; `None` when the second is not later.
    pub fn new(from: Timestamp, to: Timestamp) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// Whether the moment lies in it.
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// What lies in both; `None` when that is nothing.
    #[must_use]
    pub fn within(self, other: Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.to.min(other.to))
    }

    /// Its length, microseconds.
    pub fn length_us(self) -> i64 {
        self.to.us_since(self.from)
    }
}

/// The same moments as spans in order that neither overlap nor touch.
pub fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64) -> Span {
        Span::new(Timestamp(from), Timestamp(to)).unwrap()
    }

    #[test]
    fn spans_that_overlap_or_touch_become_one() {
        let joined = union(vec![span(5, 7), span(1, 3), span(3, 4), span(2, 3), span(6, 9)]);
        assert_eq!(joined, [span(1, 4), span(5, 9)]);
    }

    #[test]
    fn a_span_has_its_first_moment_and_not_its_last() {
        assert!(span(1, 3).contains(Timestamp(1)) && !span(1, 3).contains(Timestamp(3)));
        assert_eq!(span(1, 3).within(span(3, 5)), None);
        assert_eq!(span(1, 4).within(span(3, 5)), Some(span(3, 4)));
        assert_eq!(Span::new(Timestamp(3), Timestamp(3)), None);
    }
}

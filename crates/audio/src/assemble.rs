//! Joins clips end to end: a message and the number spoken after it.

use crate::{Clip, SAMPLE_RATE};

/// Plays `parts` one after the other with `gap_ms` of silence between two of them. Empty parts are
/// left out, gap and all.
pub fn join(parts: &[&Clip], gap_ms: u16) -> Clip {
    let gap = usize::from(gap_ms) * (SAMPLE_RATE as usize) / 1000;
    let audible: Vec<&[i16]> =
        parts.iter().map(|part| part.samples()).filter(|samples| !samples.is_empty()).collect();
    Clip::from_samples(audible.join(&vec![0_i16; gap][..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_with_gaps_between_only() {
        let one = Clip::from_samples(vec![1; 8]);
        let two = Clip::from_samples(vec![2; 8]);
        let empty = Clip::from_samples(Vec::new());
        let joined = join(&[&one, &empty, &two], 2);
        assert_eq!(joined.samples(), [vec![1; 8], vec![0; 16], vec![2; 8]].concat());
        assert_eq!(join(&[], 500).samples(), &[] as &[i16]);
        assert_eq!(join(&[&one], 500), one);
    }
}

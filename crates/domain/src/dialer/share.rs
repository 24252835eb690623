//! What one of several nodes takes of a cap that they have together.

use std::collections::BTreeMap;

/// The place of a node among those that live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many are before it; below `nodes`.
    pub place: u32,
    /// How many there are.
    pub nodes: u32,
}

impl Share {
    /// That of a node which is alone.
    pub const WHOLE: Self = Self { place: 0, nodes: 1 };

    /// Its part of a cap. The parts of all nodes add up to the cap; what does not divide goes to
    /// the first ones, so that of a cap of one the others have nothing.
    pub fn of(self, cap: u32) -> u32 {
        let nodes = self.nodes.max(1);
        cap / nodes + u32::from(self.place < cap % nodes)
    }

    /// Its part of the channels of a trunk while others may have more than theirs. What the calls
    /// of nodes that are gone have is nobody's, and what a node has beyond its part, of calls that
    /// it began before it knew of the others, is taken from each of them: so there are never more
    /// calls than channels, whoever looked when.
    pub fn of_channels(self, cap: u32, trunk: &str, others: &[Other]) -> u32 {
        let gone = others.iter().filter(|other| other.place.is_none());
        let lost = gone.fold(0, |sum: u32, other| sum.saturating_add(other.calls_on(trunk)));
        let left = cap.saturating_sub(lost);
        let beyond = others.iter().filter_map(|other| {
            let part = Self { place: other.place?, ..self }.of(left);
            Some(other.calls_on(trunk).saturating_sub(part))
        });
        beyond.fold(self.of(left), u32::saturating_sub)
    }
}

/// Another node that has calls which its part may not cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its place among those that live; `None` when it is gone: all its open calls count then, and
    /// otherwise those that it began before every node knew of the others.
    pub place: Option<u32>,
    /// Those calls, by the trunks of their first legs.
    pub calls: BTreeMap<String, u32>,
    /// Their second legs. Which trunk has one is not on record, so each has to reckon with it.
    pub second_legs: u32,
}

impl Other {
    /// The most calls that it may have on a trunk.
    fn calls_on(&self, trunk: &str) -> u32 {
        self.calls.get(trunk).copied().unwrap_or(0).saturating_add(self.second_legs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_cap() {
        for cap in [0, 1, 2, 3, 10, 29, 30, 1_000, u32::MAX] {
            for nodes in 1..=7 {
                let parts = (0..nodes).map(|place| Share { place, nodes }.of(cap));
                let parts: Vec<u32> = parts.collect();
                assert_eq!(parts.iter().map(|part| u64::from(*part)).sum::<u64>(), cap.into());
                let (most, least) = (parts.iter().max(), parts.iter().min());
                assert!(most.unwrap() - least.unwrap() <= 1, "{parts:?}");
            }
        }
        assert_eq!(Share::WHOLE.of(7), 7);
    }

    fn other(place: Option<u32>, calls: u32) -> Other {
        let calls = BTreeMap::from([(String::from("t"), calls)]);
        Other { place, calls, second_legs: 0 }
    }

    #[test]
    fn what_others_have_beyond_their_parts_is_not_taken() {
        let second = Share { place: 1, nodes: 2 };
        for (others, part) in [
            (vec![], 50),
            (vec![other(Some(0), 100)], 0),
            (vec![other(Some(0), 70)], 30),
            (vec![other(Some(0), 50)], 50),
            (vec![other(None, 40)], 30),
            (vec![other(None, 40), other(Some(0), 35)], 25),
            (vec![other(None, 500)], 0),
        ] {
            assert_eq!(second.of_channels(100, "t", &others), part, "{others:?}");
            assert_eq!(second.of_channels(100, "u", &others), 50);
        }
        let talks = Other { second_legs: 7, ..other(None, 3) };
        assert_eq!(Share::WHOLE.of_channels(100, "t", std::slice::from_ref(&talks)), 90);
        assert_eq!(Share::WHOLE.of_channels(100, "u", &[talks]), 93);
    }

    /// Goal: nodes come and go at any moment, each looks at the others at moments of its own, and
    /// the calls of all together are never more than the channels.
    #[test]
    fn there_are_never_more_calls_than_channels() {
        let mut seed = 7_u32;
        let mut dice = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for _ in 0..300 {
            let cap = dice(40);
            // For each node: whether it lives, its calls, what it may have.
            let mut nodes = vec![(true, 0_u32, cap); 1];
            for _ in 0..200 {
                let which = dice(u32::try_from(nodes.len()).unwrap()) as usize;
                match dice(8) {
                    // One comes, and all that live look before it may begin anything.
                    0 if nodes.len() < 6 => {
                        nodes.push((true, 0, 0));
                        for n in 0..nodes.len() - 1 {
                            looks(&mut nodes, n, cap);
                        }
                    }
                    1 => nodes[which].0 = false,
                    2..=4 => looks(&mut nodes, which, cap),
                    5 | 6 => {
                        let (lives, calls, most) = nodes[which];
                        if lives && calls < most {
                            nodes[which].1 += 1 + dice(most - calls);
                        }
                    }
                    _ => nodes[which].1 -= dice(nodes[which].1 + 1),
                }
                let calls: u32 = nodes.iter().map(|(_, calls, _)| calls).sum();
                assert!(calls <= cap, "{calls} of {cap}: {nodes:?}");
            }
        }
    }

    fn looks(nodes: &mut [(bool, u32, u32)], which: usize, cap: u32) {
        if !nodes[which].0 {
            return;
        }
        let living = || nodes.iter().filter(|(lives, ..)| *lives).count();
        let place = |n: usize| {
            u32::try_from(nodes[..n].iter().filter(|(lives, ..)| *lives).count()).unwrap()
        };
        let share = Share { place: place(which), nodes: u32::try_from(living()).unwrap() };
        let others: Vec<Other> = nodes
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != which)
            .map(|(n, (lives, calls, _))| other(lives.then(|| place(n)), *calls))
            .collect();
        nodes[which].2 = share.of_channels(cap, "t", &others);
    }
}

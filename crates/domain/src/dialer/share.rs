//! What one of several nodes takes of a cap that they have together.

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
}

//! Encoded clips in memory, so that a call can start without reading anything. Bounded by bytes;
//! the least recently used goes first. Calls that play a clip keep it alive themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::Clip;

/// The clips that were used lately, by their name in the blob store.
#[derive(Debug)]
pub(crate) struct Clips {
    by_blob: BTreeMap<String, Kept>,
    by_use: BTreeSet<(u64, String)>,
    uses: u64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Kept {
    clip: Arc<Clip>,
    used: u64,
    bytes: usize,
}

impl Clips {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { by_blob: BTreeMap::new(), by_use: BTreeSet::new(), uses: 0, bytes: 0, bytes_max }
    }

    /// The clip of that name, if it is here.
    pub(crate) fn get(&mut self, blob: &str) -> Option<Arc<Clip>> {
        self.uses += 1;
        let kept = self.by_blob.get_mut(blob)?;
        self.by_use.remove(&(kept.used, blob.to_owned()));
        kept.used = self.uses;
        self.by_use.insert((kept.used, blob.to_owned()));
        Some(kept.clip.clone())
    }

    /// Keeps a clip and drops those that have not been used for longest.
    pub(crate) fn put(&mut self, blob: &str, clip: Arc<Clip>) {
        self.forget(blob);
        self.uses += 1;
        let bytes = clip.bytes();
        self.bytes += bytes;
        self.by_use.insert((self.uses, blob.to_owned()));
        self.by_blob.insert(blob.to_owned(), Kept { clip, used: self.uses, bytes });
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_use.first().cloned() else { return };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, blob: &str) {
        let Some(kept) = self.by_blob.remove(blob) else { return };
        self.by_use.remove(&(kept.used, blob.to_owned()));
        self.bytes -= kept.bytes;
    }
}

#[cfg(test)]
mod tests {
    use engine::Codec;

    use super::*;

    fn clip(samples: usize) -> Arc<Clip> {
        Arc::new(Clip::from_samples(&vec![0; samples]))
    }

    #[test]
    fn the_least_recently_used_clip_goes_first() {
        let mut clips = Clips::new(4_000);
        clips.put("a", clip(800));
        clips.put("b", clip(800));
        assert!(clips.get("a").is_some());
        clips.put("c", clip(800));
        assert!(clips.get("b").is_none());
        assert!(clips.get("a").is_some() && clips.get("c").is_some());
    }

    #[test]
    fn a_codec_that_few_trunks_want_takes_room_only_when_it_is_wanted() {
        let wideband = clip(800);
        assert_eq!(wideband.bytes(), 1_600);
        assert!(wideband.is_encoded(Codec::DEFAULT_ORDER) && !wideband.is_encoded(&Codec::ALL));
        wideband.encode_for(&Codec::ALL);
        assert!(wideband.is_encoded(&Codec::ALL));
        assert_eq!(wideband.bytes(), 2_400);
    }

    #[test]
    fn a_clip_larger_than_the_room_is_not_kept() {
        let mut clips = Clips::new(1_000);
        clips.put("a", clip(8_000));
        assert!(clips.get("a").is_none());
        assert_eq!(clips.bytes, 0);
    }
}

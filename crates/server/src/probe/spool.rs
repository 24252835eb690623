//! What was seen and is not reported yet: in memory, and in a file that outlives the process. A
//! sample a line. It is bounded: when it is full, the oldest go.
//!
//! A sample leaves the file after the collector has it; killed in between, the probe reports it
//! once more, and the collector knows it by its name.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::us_between;

/// A sample that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spooled {
    /// Which run saw it; with `number` its name.
    pub run: i64,
    /// Which sample of the run.
    pub number: i64,
    /// The path's word.
    pub path: String,
    /// When the look began, by our clock.
    pub at_us: i64,
    /// How far our clock was ahead of the collector's then.
    pub clock_offset_us: Option<i64>,
    /// Whether it worked.
    pub worked: bool,
    /// How long the look took.
    pub latency_us: i64,
    /// What went wrong.
    pub error: Option<String>,
    /// When it began, by the steady clock; unknown after a restart.
    #[serde(skip)]
    pub began: Option<Instant>,
}

impl Spooled {
    /// As it is reported at this moment. What this process saw before it knew the collector's clock
    /// is dated by the steady clock, whatever became of the other one meanwhile.
    pub fn as_json(&self, now: Instant, wall: Timestamp) -> Value {
        let mut shown = self.clone();
        if let (None, Some(began)) = (self.clock_offset_us, self.began) {
            shown.at_us = wall.plus_us(-us_between(began, now)).0;
        }
        serde_json::to_value(shown).expect("a sample is plain values with text keys")
    }
}

/// What waits, the oldest first.
pub struct Spool {
    file: PathBuf,
    bytes_max: u64,
    waiting: VecDeque<(Spooled, u64)>,
    bytes: u64,
    next: i64,
}

impl Spool {
    /// Opens the spool of a directory, with what an earlier process left in it.
    ///
    /// # Errors
    /// There is one that cannot be read.
    pub async fn open(directory: &Path, bytes_max: u64) -> Result<Self> {
        let file = directory.join("spool");
        let text = match tokio::fs::read(&file).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", file.display()));
            }
        };
        let mut spool = Self { file, bytes_max, waiting: VecDeque::new(), bytes: 0, next: 1 };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // A process that was killed may have left half a line.
            match serde_json::from_slice::<Spooled>(line) {
                Ok(sample) => spool.take(sample, line.len() as u64 + 1),
                Err(error) => tracing::warn!("a line of the spool is not a sample: {error}"),
            }
        }
        spool.make_room();
        spool.rewrite().await;
        Ok(spool)
    }

    /// How many samples wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The number of the next sample of this run.
    pub fn next_number(&mut self) -> i64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Adds a sample. One that cannot be written waits in memory alone.
    pub async fn push(&mut self, sample: Spooled) {
        let mut line = serde_json::to_vec(&sample).expect("a sample is plain values");
        line.push(b'\n');
        self.take(sample, line.len() as u64);
        if self.make_room() {
            self.rewrite().await;
            return;
        }
        if let Err(error) = self.append(&line).await {
            self.unwritten(&error);
        }
    }

    /// The oldest samples.
    pub fn oldest(&self, count: usize) -> Vec<Spooled> {
        self.waiting.iter().take(count).map(|(sample, _)| sample.clone()).collect()
    }

    /// Takes out what the collector has.
    pub async fn delivered(&mut self, batch: &[Spooled]) {
        // What made room meanwhile is gone already.
        let name = |sample: &Spooled| (sample.run, sample.number);
        for had in batch {
            if self.waiting.front().is_some_and(|(first, _)| name(first) == name(had)) {
                self.drop_oldest();
            }
        }
        if !batch.is_empty() {
            self.rewrite().await;
        }
    }

    fn take(&mut self, sample: Spooled, bytes: u64) {
        self.bytes += bytes;
        self.waiting.push_back((sample, bytes));
    }

    fn drop_oldest(&mut self) {
        if let Some((_, bytes)) = self.waiting.pop_front() {
            self.bytes -= bytes;
        }
    }

    /// Lets the oldest go when it is full, a tenth at once; whether it was.
    fn make_room(&mut self) -> bool {
        if self.bytes <= self.bytes_max {
            return false;
        }
        let before = self.len();
        while self.bytes > self.bytes_max / 10 * 9 && self.len() > 1 {
            self.drop_oldest();
        }
        let dropped = before - self.len();
        tracing::warn!(dropped, "the spool is full: the oldest samples are lost");
        true
    }

    async fn append(&self, line: &[u8]) -> std::io::Result<()> {
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(&self.file).await?;
        file.write_all(line).await?;
        file.flush().await
    }

    /// Writes the file anew, beside and then in its place.
    async fn rewrite(&self) {
        let mut text = Vec::new();
        for (sample, _) in &self.waiting {
            text.extend(serde_json::to_vec(sample).expect("a sample is plain values"));
            text.push(b'\n');
        }
        let beside = self.file.with_extension("part");
        let written = async {
            tokio::fs::write(&beside, &text).await?;
            tokio::fs::rename(&beside, &self.file).await
        };
        if let Err(error) = written.await {
            self.unwritten(&error);
        }
    }

    fn unwritten(&self, error: &std::io::Error) {
        tracing::warn!(file = %self.file.display(), %error, "the spool could not be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn sample(number: i64) -> Spooled {
        Spooled {
            run: 7,
            number,
            path: String::from("api"),
            at_us: number * 1_000_000,
            clock_offset_us: None,
            worked: true,
            latency_us: 1,
            error: None,
            began: None,
        }
    }

    fn numbers(spool: &Spool) -> Vec<i64> {
        spool.oldest(1_000).iter().map(|sample| sample.number).collect()
    }

    #[tokio::test]
    async fn what_is_not_delivered_outlives_the_process_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 10_000).await.unwrap();
        for number in 1..=5 {
            spool.push(sample(number)).await;
        }
        let batch = spool.oldest(2);
        spool.delivered(&batch).await;
        spool.delivered(&batch).await;
        drop(spool);
        let file = folder.path().join("spool");
        let mut torn = std::fs::read(&file).unwrap();
        torn.extend(b"{\"run\": 7, \"numb");
        std::fs::write(&file, torn).unwrap();
        let mut spool = Spool::open(folder.path(), 10_000).await.unwrap();
        assert_eq!(numbers(&spool), [3, 4, 5]);
        spool.push(sample(6)).await;
        drop(spool);
        assert_eq!(numbers(&Spool::open(folder.path(), 10_000).await.unwrap()), [3, 4, 5, 6]);
    }

    #[tokio::test]
    async fn a_full_spool_lets_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 2_000).await.unwrap();
        for number in 1..=100 {
            spool.push(sample(number)).await;
            let file = std::fs::metadata(folder.path().join("spool")).unwrap().len();
            assert!(file <= 2_000, "{file}");
        }
        let left = numbers(&spool);
        assert_eq!(left.last(), Some(&100));
        assert!(left.len() > 10 && left.windows(2).all(|two| two[0] + 1 == two[1]));
    }

    /// T058: a clock that was stepped meanwhile changes nothing of what this process saw.
    #[test]
    fn what_this_process_saw_is_dated_by_the_steady_clock() {
        let now = clock::instant();
        let mut seen = sample(1);
        seen.began = Some(now);
        let later = now + std::time::Duration::from_secs(5);
        let shown = seen.as_json(later, Timestamp(100_000_000));
        assert_eq!(shown["at_us"], 95_000_000);
        seen.clock_offset_us = Some(3);
        assert_eq!(seen.as_json(later, Timestamp(100_000_000))["at_us"], 1_000_000);
        assert!(shown.get("began").is_none());
    }
}

//! The outside world of the use cases: a clock that is told the time, audio in memory, no voice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use app::Failure;
use app::ports::{
    Blobs, BoxFuture, Clock, NoSpeech, Rng, SmsFailure, SmsGateway, SmsOut, Speaker, Tts, Voice,
};
use audio::text::Speakable;
use domain::Timestamp;
use node::{SLOT_BYTES, SlotError, SlotFile, SlotImage};

/// The wall clock, set by the world.
#[derive(Clone, Default)]
pub(crate) struct WallClock(pub(crate) Arc<AtomicI64>);

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// Nothing in a simulation is secret.
pub(crate) struct NoSecrets;

impl Rng for NoSecrets {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Nobody writes.
pub(crate) struct NoSms;

impl SmsGateway for NoSms {
    fn name(&self) -> &'static str {
        "none"
    }

    fn send<'a>(&'a self, _: SmsOut<'a>) -> BoxFuture<'a, Result<String, SmsFailure>> {
        let failure = SmsFailure { why: String::from("nobody writes here"), for_good: true };
        Box::pin(async { Err(failure) })
    }
}

/// Nobody speaks.
pub(crate) struct Mute;

impl Tts for Mute {
    fn identity(&self, _: Speaker) -> Voice {
        Voice { engine: String::from("mute"), name: String::new(), words_per_minute: 150 }
    }

    fn voices(&self) -> Vec<String> {
        Vec::new()
    }

    fn speak<'a>(
        &'a self,
        _: &'a Speakable,
        _: Speaker,
    ) -> BoxFuture<'a, Result<Vec<u8>, NoSpeech>> {
        Box::pin(async { Err(Failure::of("speaking in a simulation").into()) })
    }
}

/// Audio that outlives a process.
#[derive(Clone, Default)]
pub(crate) struct MemoryBlobs(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Blobs for MemoryBlobs {
    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Failure>> {
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(name.to_owned(), bytes);
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Failure>> {
        let blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = blobs.get(name).cloned();
        Box::pin(async { Ok(found) })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.remove(name);
        Box::pin(async { Ok(()) })
    }
}

/// The flight recorder's file, which outlives a process.
#[derive(Clone, Default)]
pub(crate) struct MemoryFile(pub(crate) Arc<Mutex<Vec<u8>>>);

impl SlotFile for MemoryFile {
    fn write_at(&mut self, slot: u32, image: &SlotImage) -> Result<(), SlotError> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = usize::try_from(slot).map_err(|_| SlotError(String::from("no such slot")))?;
        let start = slot * SLOT_BYTES;
        if bytes.len() < start + SLOT_BYTES {
            bytes.resize(start + SLOT_BYTES, 0);
        }
        bytes[start..start + SLOT_BYTES].copy_from_slice(image);
        Ok(())
    }

    fn read_all(&mut self) -> Result<Vec<u8>, SlotError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

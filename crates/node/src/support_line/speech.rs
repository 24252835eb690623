//! What the line says, spoken once and kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use app::{App, Failure};
use engine::Clip;

use super::words;

/// Texts that are kept in memory: more than the line says in a day. The database has them all.
const KEPT_MAX: usize = 256;

pub(super) struct Speech {
    app: Arc<App>,
    kept: BTreeMap<String, Arc<Clip>>,
}

impl Speech {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, kept: BTreeMap::new() }
    }

    /// A text as a clip. `None` when it could not be spoken, which is logged: nobody is hung up on
    /// for want of a voice.
    pub(super) async fn say(&mut self, text: &str) -> Option<Arc<Clip>> {
        if let Some(clip) = self.kept.get(text) {
            return Some(Arc::clone(clip));
        }
        match self.spoken(text).await {
            Ok(clip) => {
                if self.kept.len() >= KEPT_MAX {
                    self.kept.clear();
                }
                self.kept.insert(text.to_owned(), Arc::clone(&clip));
                Some(clip)
            }
            Err(failure) => {
                let error = failure.chain();
                tracing::error!(error, text, "the support line stays silent where it should speak");
                None
            }
        }
    }

    async fn spoken(&self, text: &str) -> Result<Arc<Clip>, Failure> {
        let prompt = app::support_line::speak(&self.app, text).await?;
        let samples = app::dialing::clip(&self.app, &prompt.blob).await?;
        Ok(Arc::new(Clip::from_samples(&samples)))
    }

    /// The ten digits; `None` when one could not be spoken.
    pub(super) async fn digits(&mut self) -> Option<[Arc<Clip>; 10]> {
        let mut digits = Vec::with_capacity(words::DIGITS.len());
        for digit in words::DIGITS {
            digits.push(self.say(digit).await?);
        }
        digits.try_into().ok()
    }
}

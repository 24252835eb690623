//! The keys of measurement: how often it is looked, from here and from elsewhere.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::{Key, Secret};

section! {
    /// How the service is measured: its vantage points look at each covered path (front page, web
    /// services, quick sends, campaigns) and report what they saw.
    Measurement {
        /// The token of this server's own vantage point (`avanak vantage add`), which looks at it
        /// over its web services. Empty: none. Alone it proves no outage: what is down here is not
        /// seen from here.
        token: Secret = Secret::default(),
        /// The time between two looks at a path, in seconds. After three of them without a look
        /// nothing is known of it. Probes elsewhere must use the same.
        interval_s: u32 = 30,
        /// The same for campaigns.
        campaign_interval_s: u32 = 60,
        /// How many vantage points have to see a failure at once for it to be an outage, from 1 to
        /// 10. Three failures in a row of a single one are enough while requests of customers fail,
        /// too.
        quorum: u8 = 2,
        /// How long each sample is kept, in days.
        sample_days: u32 = 100,
    }
}

section! {
    /// `avanak probe`: a vantage point of its own, on this machine or elsewhere.
    Probe {
        /// The platform that it looks at, and reports to.
        url: String = String::from("http://127.0.0.1:8080"),
        /// Its token, of `avanak vantage add`.
        token: Secret = Secret::default(),
        /// Where it keeps what is not reported yet. Empty: `probe` in the data directory.
        directory: PathBuf = PathBuf::new(),
        /// The most that it keeps there, in bytes; then the oldest go. Four megabytes are three
        /// days.
        spool_bytes_max: u64 = 4 * 1024 * 1024,
    }
}

impl Measurement {
    /// For the use cases.
    pub fn settings(&self) -> app::Measurement {
        app::Measurement {
            sample_days: self.sample_days,
            interval_s: self.interval_s,
            campaign_interval_s: self.campaign_interval_s,
            quorum: self.quorum.into(),
        }
    }

    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        let seconds = [self.interval_s, self.campaign_interval_s];
        if seconds.iter().any(|seconds| !(1..=3_600).contains(seconds)) {
            bail!("measurement.interval_s and campaign_interval_s: between 1 and 3600");
        }
        if !(1..=10).contains(&self.quorum) {
            bail!("measurement.quorum: between 1 and 10");
        }
        if self.sample_days == 0 {
            bail!("measurement.sample_days: at least 1");
        }
        Ok(())
    }
}

//! What the operator has set for the use cases. Read from the configuration by `server`; plain
//! values here.

use domain::agreement::identity::Proof;
use domain::agreement::measurement::Rules;
use domain::agreement::scope::CoveredPath;
use domain::calendar::calling_window::CallingWindow;
use domain::kept_code::Velocity;

use crate::announcement::Place;

/// The operator's choices.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether the web services answer anyone at all (code −300 otherwise).
    pub web_enabled: bool,
    /// Whether quick sends are taken (code −25 otherwise).
    pub quick_send_enabled: bool,
    /// How long two people may talk in a secure call, milliseconds; 0: there are none.
    pub secure_call_ms_max: u32,
    /// When calls may be placed.
    pub window: CallingWindow,
    /// How often a text may be sent to one number; `None` sets no limit.
    pub repeats: Option<RepeatLimit>,
    /// How often callers of the web services may come.
    pub requests: RequestLimits,
    /// Largest uploaded audio file, in bytes.
    pub upload_bytes_max: usize,
    /// How long the decoding of one upload may take, in milliseconds.
    pub decode_ms_max: i64,
    /// Hosts of the operator's own network that events may be posted to, also in the clear.
    pub private_hosts: Vec<String>,
    /// How often a number may be called for codes that we keep, whoever asks for it.
    pub codes_per_number: Velocity,
    /// How often one customer may have numbers of one block called for such codes.
    pub codes_per_prefix: Velocity,
    /// How the service is measured.
    pub measurement: Measurement,
    /// Where announcements are told.
    pub places: Vec<Place>,
    /// What customers have to prove of who they are.
    pub identity: Identity,
    /// How many uploads and speeches are worked on at the same time.
    pub audio_jobs_max: usize,
    /// So many sends of an account's month are gone through for each who asks what its delivery
    /// was; those of a larger month once an hour.
    pub sends_judged_at_once: u32,
}

/// How the service is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// How long samples are kept, days.
    pub sample_days: u32,
    /// The time between two looks at a path, seconds.
    pub interval_s: u32,
    /// The same for campaigns.
    pub campaign_interval_s: u32,
    /// So many places have to see a failure at once.
    pub quorum: usize,
}

impl Default for Measurement {
    /// Two months to dispute a third one; two places that look each half minute.
    fn default() -> Self {
        Self { sample_days: 100, interval_s: 30, campaign_interval_s: 60, quorum: 2 }
    }
}

impl Measurement {
    /// When a failure of a path is one: after three looks that are missing nothing is known.
    pub fn rules(&self, path: CoveredPath) -> Rules {
        let interval_s = match path {
            CoveredPath::Campaign => self.campaign_interval_s,
            CoveredPath::Panel | CoveredPath::Api | CoveredPath::QuickSend => self.interval_s,
        };
        let fresh_us = i64::from(interval_s) * 3_000_000;
        Rules { quorum: self.quorum, fresh_us, ..Rules::usual() }
    }
}

/// At most `count` sends to one number within `interval_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatLimit {
    /// How many are allowed.
    pub count: u32,
    /// Within how many milliseconds.
    pub interval_ms: i64,
}

/// What customers have to prove of who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What is asked for beside name and national code.
    pub asked: Vec<Proof>,
    /// For how many days it is proven; 0: until it is taken back.
    pub valid_days: u32,
    /// Whether nobody is called for an account before it is proven.
    pub required: bool,
    /// For how many days it may be the customer's turn before that is entered as a violation.
    pub grace_days: u32,
}

impl Default for Identity {
    /// A mobile number and a document, until it is taken back, from those who want to.
    fn default() -> Self {
        Self {
            asked: vec![Proof::Mobile, Proof::Document],
            valid_days: 0,
            required: false,
            grace_days: 7,
        }
    }
}

/// How often callers may come; 0 sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests a second from one address, or from one /64 of IPv6.
    pub per_address: u32,
    /// Requests a second of one token, or of one user name.
    pub per_caller: u32,
    /// Wrong tokens and passwords a minute from one address.
    pub wrong_per_minute: u32,
}

impl Default for RequestLimits {
    /// A hundred times the agreement's capacity for a caller, twice that for an address, and a
    /// wrong guess a second.
    fn default() -> Self {
        Self { per_address: 4_000, per_caller: 2_000, wrong_per_minute: 60 }
    }
}

impl Default for Settings {
    /// Everything on, at any hour, half an hour of talk, 20 MiB of audio decoded in at most 20
    /// seconds.
    fn default() -> Self {
        Self {
            web_enabled: true,
            quick_send_enabled: true,
            secure_call_ms_max: 30 * 60 * 1000,
            window: CallingWindow::ALWAYS,
            repeats: None,
            requests: RequestLimits::default(),
            upload_bytes_max: 20 * 1024 * 1024,
            decode_ms_max: 20_000,
            private_hosts: Vec::new(),
            codes_per_number: Velocity { count: 5, within_ms: 600_000 },
            codes_per_prefix: Velocity { count: 100, within_ms: 3_600_000 },
            measurement: Measurement::default(),
            places: Vec::new(),
            identity: Identity::default(),
            audio_jobs_max: 4,
            sends_judged_at_once: 5_000,
        }
    }
}

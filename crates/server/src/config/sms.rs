//! Who sends SMS.

use anyhow::{Result, bail};
use domain::verification::CallbackUrl;
use serde::{Deserialize, Serialize};

use super::{Key, Secret};

/// The longest time that an answer is waited for: two of them, and the database's, must fit into
/// the five minutes after which an SMS counts as lost with whoever had it.
const TIMEOUT_MS_MAX: u32 = 60_000;

section! {
    /// Follow-ups by SMS. They are taken from customers only while the tariff has a price for them
    /// (`avanak tariff add --sms-part`).
    Sms {
        /// Who sends: `spool` writes each SMS to a file in the folder `sms` of the data directory,
        /// for whatever fetches it there; `kavenegar` is the service of that name.
        service: SmsService = SmsService::Spool,
        /// The key of the account with Kavenegar.
        kavenegar_key: Secret = Secret::default(),
        /// Where its web service is; one of your own network may be called.
        kavenegar_url: String = String::from("https://api.kavenegar.com"),
        /// The line that sends. Empty: the account's default.
        kavenegar_sender: String = String::new(),
        /// How long one SMS may take to be given away, in milliseconds.
        timeout_ms: u32 = 15_000,
    }
}

/// Who sends SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsService {
    /// Files in the data directory.
    Spool,
    /// The service Kavenegar.
    Kavenegar,
}

impl Sms {
    /// Whether its values make sense.
    pub(super) fn check(&self) -> Result<()> {
        let key = &self.kavenegar_key.0;
        if self.service == SmsService::Kavenegar {
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                bail!("sms.kavenegar_key: letters and digits");
            }
            self.kavenegar("send")?;
        }
        if !self.kavenegar_sender.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            bail!("sms.kavenegar_sender: digits, or a name of letters and digits");
        }
        if !(1..=TIMEOUT_MS_MAX).contains(&self.timeout_ms) {
            bail!("sms.timeout_ms: from 1 to {TIMEOUT_MS_MAX}");
        }
        Ok(())
    }

    /// The address of a method of Kavenegar's for SMS.
    ///
    /// # Errors
    /// It is none.
    pub fn kavenegar(&self, method: &str) -> Result<CallbackUrl> {
        let base = self.kavenegar_url.trim_end_matches('/');
        let url = format!("{base}/v1/{}/sms/{method}.json", self.kavenegar_key.0);
        match CallbackUrl::parse(&url) {
            Some(url) => Ok(url),
            None => bail!("sms.kavenegar_url: '{base}' is no http or https address"),
        }
    }
}

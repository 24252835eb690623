//! How customers pay.

use anyhow::{Context as _, Result, bail};
use domain::verification::CallbackUrl;
use serde::{Deserialize, Serialize};

use super::{Key, Secret};

section! {
    /// How customers pay, into their balance and for invoices.
    Payment {
        /// Where customers reach this platform, like `https://avanak.example`: gateways send them
        /// back there.
        public_url: String = String::new(),
        /// The merchant's id at Zarinpal; empty: not used.
        zarinpal_merchant: Secret = Secret::default(),
        /// Where Zarinpal is.
        zarinpal_address: String = String::from("https://payment.zarinpal.com"),
        /// The merchant's name at Zibal; empty: not used.
        zibal_merchant: Secret = Secret::default(),
        /// Where Zibal is.
        zibal_address: String = String::from("https://gateway.zibal.ir"),
        /// Whether receipts of the bank are taken, for one of you to look at.
        receipts: bool = false,
    }
}

impl Payment {
    /// Whether its values make sense.
    pub(super) fn check(&self) -> Result<()> {
        for (name, merchant, address) in [
            ("zarinpal", &self.zarinpal_merchant, &self.zarinpal_address),
            ("zibal", &self.zibal_merchant, &self.zibal_address),
        ] {
            if merchant.0.is_empty() {
                continue;
            }
            CallbackUrl::parse(address).with_context(|| {
                format!("payment.{name}_address: '{address}' is no http or https address")
            })?;
            if CallbackUrl::parse(&self.public_url).is_none() {
                bail!("payment.public_url is where {name} sends customers back, and is no address");
            }
        }
        Ok(())
    }
}

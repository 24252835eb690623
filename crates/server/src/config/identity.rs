//! What customers have to prove of who they are.

use anyhow::{Context as _, Result, bail};
use domain::agreement::identity::{Proof, proofs};
use domain::verification::CallbackUrl;
use serde::{Deserialize, Serialize};

use super::{Key, Secret};

section! {
    /// Who customers are: what they have to prove when they begin to. What was begun before goes on
    /// as it was begun.
    Identity {
        /// What is asked for beside the name and the national code, with commas between them:
        /// `mobile` (a code that is spoken there), `document` (a file that one of you looks at),
        /// `registry` (its answer). Without `registry` one of you always decides.
        proofs: String = String::from("mobile, document"),
        /// For how many days it is proven; 0: until it is taken back.
        valid_days: u32 = 0,
        /// Whether nobody is called for an account before it is proven who its owner is: sends and
        /// starts of campaigns are refused with -102, in `/v1` as `identity_not_proven`. Sandboxes
        /// call as before, phones of the account ring, and so does the mobile number that is to be
        /// proven, for its code. What was started goes on. Accounts of vantage points are no
        /// exception.
        required: bool = false,
        /// Where it is required: for how many days it may be the customer's turn to prove it before
        /// that is entered in the ledger of violations. What waits for you, or for a registry that
        /// is down, does not count.
        grace_days: u32 = 7,
        /// The program that asks the registry of persons for you: its address is posted
        /// `{"national_code", "first_name", "last_name", "birth_day", "mobile"}` (the day as
        /// `1370-02-31`) and answers with `{"matches": true}` or `{"matches": false}`.
        registry: String = String::new(),
        /// What it knows us by, as `Authorization: Bearer …`; empty for nothing.
        registry_token: Secret = Secret::default(),
    }
}

/// The longest that anything is proven, days.
const DAYS_MAX: u32 = 36_500;

impl Identity {
    /// What is asked for.
    ///
    /// # Errors
    /// One of the words is none.
    pub fn asked(&self) -> Result<Vec<Proof>> {
        proofs(&self.proofs).with_context(|| {
            format!("identity.proofs: '{}' has mobile, document and registry", self.proofs)
        })
    }

    /// Where the registry is asked, if it is.
    ///
    /// # Errors
    /// Its address is none.
    pub fn registry(&self) -> Result<Option<CallbackUrl>> {
        if self.registry.is_empty() {
            return Ok(None);
        }
        let url = CallbackUrl::parse(&self.registry);
        url.map(Some).context("identity.registry is no http or https address")
    }

    /// Whether its values make sense.
    pub(super) fn check(&self) -> Result<()> {
        if self.asked()?.contains(&Proof::Registry) && self.registry()?.is_none() {
            bail!("identity.proofs asks for the registry, and identity.registry is empty");
        }
        if self.valid_days > DAYS_MAX || self.grace_days > DAYS_MAX {
            bail!("identity.valid_days and identity.grace_days are at most {DAYS_MAX}");
        }
        self.registry().map(drop)
    }

    /// As the use cases know it.
    pub fn settings(&self) -> app::Identity {
        let asked = self.asked().expect("the configuration was checked");
        let Self { valid_days, required, grace_days, .. } = *self;
        app::Identity { asked, valid_days, required, grace_days }
    }
}

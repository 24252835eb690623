//! Identities: one distinct integer type per kind of thing, so that they cannot be mixed up.
//! Never a place for tokens or links, which are random and hashed.

use crate::campaign::numbers::RECIPIENTS_MAX;

/// Defines an identity: a distinct `i64` assigned by the database.
macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

define_id!(
    /// A customer's account.
    AccountId
);
define_id!(
    /// A web-service token of an account.
    TokenId
);
define_id!(
    /// A voice message: a clip with an approval state (the vendor's `MessageID`).
    MessageId
);
define_id!(
    /// One quick send (the vendor's `QuickSendID`).
    QuickSendId
);
define_id!(
    /// One message to many recipients (the vendor's `CampaignID`).
    CampaignId
);
define_id!(
    /// One dated version of the prices.
    TariffId
);
define_id!(
    /// One version of what a message class may do.
    PolicyId
);
define_id!(
    /// A running process of the platform, by its configured name.
    NodeId
);
define_id!(
    /// A phone that registers with us, or whose contact the operator fixed.
    PhoneId
);
define_id!(
    /// A route to the telephone network.
    TrunkId
);
define_id!(
    /// A one-time code that the platform keeps.
    CodeId
);
define_id!(
    /// A file that a customer asked for.
    ExportId
);
define_id!(
    /// A customer's address that events are posted to.
    WebhookId
);
define_id!(
    /// A place from which the service is looked at.
    VantageId
);

/// One try at one number: the `n`-th attempt (from 1) of a quick send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The quick send that is being tried.
    pub quick_send: QuickSendId,
    /// Which try this is, from 1.
    pub n: u16,
}

impl AttemptId {
    /// A single number for the engine and the flight recorder; the inverse of [`Self::unpack`].
    pub fn pack(self) -> u64 {
        (self.quick_send.0.cast_unsigned() << 8) | u64::from(self.n & 0xff)
    }

    /// Reads a number made by [`Self::pack`].
    pub fn unpack(packed: u64) -> Self {
        let n = u16::try_from(packed & 0xff).expect("eight bits fit");
        Self { quick_send: QuickSendId((packed >> 8).cast_signed()), n }
    }
}

/// A recipient: the `n`-th number (from 1) of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipientId {
    /// Whose it is.
    pub campaign: CampaignId,
    /// Its place, from 1 to [`crate::campaign::numbers::RECIPIENTS_MAX`].
    pub n: u32,
}

impl RecipientId {
    /// The bits of `n` in a packed identity.
    const N_BITS: u32 = 24;

    /// A single number, under which it is stored and shown to clients; those of one campaign are
    /// next to each other. The inverse of [`Self::unpack`].
    pub fn pack(self) -> i64 {
        (self.campaign.0 << Self::N_BITS) | i64::from(self.n & RECIPIENTS_MAX)
    }

    /// Reads a number made by [`Self::pack`].
    pub fn unpack(packed: i64) -> Self {
        let n = packed & i64::from(RECIPIENTS_MAX);
        let n = u32::try_from(n).expect("24 bits fit");
        Self { campaign: CampaignId(packed >> Self::N_BITS), n }
    }

    /// The packed numbers before the first and of the last that `campaign` may have.
    pub fn range(campaign: CampaignId) -> (i64, i64) {
        let packed = |n| Self { campaign, n }.pack();
        (packed(0), packed(RECIPIENTS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_survives_packing() {
        let attempt = AttemptId { quick_send: QuickSendId(4_000_000_000), n: 3 };
        assert_eq!(AttemptId::unpack(attempt.pack()), attempt);
    }

    #[test]
    fn recipients_of_a_campaign_are_next_to_each_other() {
        let recipient = RecipientId { campaign: CampaignId(7), n: 16_777_215 };
        assert_eq!(RecipientId::unpack(recipient.pack()), recipient);
        let next = RecipientId { campaign: CampaignId(8), n: 0 };
        assert_eq!(next.pack(), recipient.pack() + 1);
        assert_eq!(RecipientId::range(CampaignId(8)).0, next.pack());
    }
}

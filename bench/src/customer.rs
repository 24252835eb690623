//! A customer of the store alone, for what is measured without use cases.

use anyhow::Result;
use domain::{AccountId, Approval, MessageId, Rials};
use server::clock;
use store::account::NewAccount;
use store::message::NewMessage;
use store::{Tx, account, message};

const CREDIT: Rials = Rials(1_000_000_000_000);

/// Makes an account that can pay for anything, and a message of it that plays `clip_ms`.
///
/// # Errors
/// Those of the store.
pub async fn insert(tx: &mut Tx, clip_ms: u32) -> Result<(AccountId, MessageId)> {
    let created_at = clock::timestamp();
    let new = NewAccount {
        name: String::from("bench"),
        mobile: String::from("09120000001"),
        opening_credit: CREDIT,
        expires_at: None,
        approves_own_messages: true,
        records_callees: false,
        created_at,
        sandbox_of: None,
    };
    let account = account::create(tx, &new).await?;
    let new = NewMessage {
        account,
        title: String::from("bench"),
        approval: Approval::Approved,
        length_ms: clip_ms,
        blob: String::from("bench.wav"),
        persistent: false,
        created_at,
    };
    Ok((account, message::insert(tx, &new).await?))
}

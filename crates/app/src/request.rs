//! The client's own name for a request, so that it is done once however often it comes.

use domain::CampaignId;
use sha2::{Digest, Sha256};
use store::request::NewRequest;

use crate::account::never_refused;
use crate::{App, Caller, Failure};

/// The name, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The name.
    pub key: String,
    /// Everything that was asked for.
    pub body: Vec<u8>,
}

impl RequestKey {
    /// What the store knows the name by.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.key.as_bytes()).into()
    }
}

/// Takes the key for this body, if there is one. It is committed before anything is done, and what
/// is done carries it: whenever we are killed, the same request asked again does what is missing.
/// `false`: it is taken for another body.
pub(crate) async fn claim(
    app: &App,
    caller: &Caller,
    request: Option<&RequestKey>,
) -> Result<bool, Failure> {
    let Some(request) = request else { return Ok(true) };
    let new = NewRequest {
        account: caller.account.id,
        key_hash: request.hash(),
        body_hash: Sha256::digest(&request.body).into(),
        asked_at: app.now(),
    };
    let claimed = app.write(async |tx| Ok(store::request::claim(tx, &new).await?));
    claimed.await.map_err(never_refused)
}

/// The campaign that was made under the key before.
pub(crate) async fn campaign(
    app: &App,
    caller: &Caller,
    request: Option<&RequestKey>,
) -> Result<Option<CampaignId>, Failure> {
    let Some(request) = request else { return Ok(None) };
    let mut reads = app.read().await?;
    Ok(store::request::campaign(&mut reads, caller.account.id, &request.hash()).await?)
}

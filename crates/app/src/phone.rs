//! Phones that register with us: adding them, and what the registrar asks and tells.

use domain::{AccountId, Extension, PhoneId, Timestamp};
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::account::{hex, never_refused};
use crate::dialing::PhoneContact;
use crate::{App, Error, Failure, Result};

pub use store::phone::{Binding, Phone};

/// The digest realm of our registrar (RFC 7616). Part of the stored hashes: changing it makes
/// every phone's password wrong.
pub const REALM: &str = "avanak";

/// A phone to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPhone {
    /// Whose it is.
    pub account: AccountId,
    /// The short number it is called by, 3 to 6 digits in any script.
    pub extension: String,
    /// The URI to call when the phone does not register (`sip:me@192.0.2.1`).
    pub fixed_contact: Option<String>,
}

/// Why a phone was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneRefusal {
    /// Not 3 to 6 digits that start with other than 0.
    WrongExtension,
    /// The contact is not a `sip:` URI of a sane length.
    WrongContact,
    /// There is no such account, or it has a phone with that extension.
    NotPossible,
}

/// A phone that was just added. The password is shown once and cannot be read again.
#[derive(Clone, PartialEq, Eq)]
pub struct FreshPhone {
    /// Its identity.
    pub id: PhoneId,
    /// The name it registers with.
    pub username: String,
    /// The password it registers with.
    pub password: String,
}

impl std::fmt::Debug for FreshPhone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FreshPhone")
            .field("id", &self.id)
            .field("username", &self.username)
            .field("password", &"***")
            .finish()
    }
}

/// Random bytes in a phone's password.
const PASSWORD_BYTES: usize = 12;
/// Longest contact that is kept, in bytes.
const CONTACT_MAX: usize = 255;

/// Adds a phone with a random password.
///
/// # Errors
/// Refused when the extension or contact makes no sense or is taken.
pub async fn add(app: &App, new: NewPhone) -> Result<FreshPhone, PhoneRefusal> {
    let Some(extension) = Extension::parse(&new.extension) else {
        return Err(Error::Refused(PhoneRefusal::WrongExtension));
    };
    if new.fixed_contact.as_deref().is_some_and(|uri| !is_sip_uri(uri)) {
        return Err(Error::Refused(PhoneRefusal::WrongContact));
    }
    let mut random = [0; PASSWORD_BYTES];
    app.rng().fill(&mut random);
    let password = hex(&random);
    let username = format!("{}-{}", new.account, extension.as_str());
    let credentials = format!("{username}:{REALM}:{password}");
    let phone = store::phone::NewPhone {
        account: new.account,
        extension,
        username: username.clone(),
        ha1_md5: hex(&Md5::digest(credentials.as_bytes())),
        ha1_sha256: hex(&Sha256::digest(credentials.as_bytes())),
        fixed_contact: new.fixed_contact,
    };
    let id = app
        .write(async |tx| match store::phone::insert(tx, &phone).await {
            Err(store::Error::Conflict(_)) => Err(Error::Refused(PhoneRefusal::NotPossible)),
            inserted => Ok(inserted?),
        })
        .await?;
    Ok(FreshPhone { id, username, password })
}

/// The account's phones.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App, account: AccountId) -> std::result::Result<Vec<Phone>, Failure> {
    Ok(store::phone::list(&mut app.read().await?, account).await?)
}

/// Every phone of the platform, for the registrar.
///
/// # Errors
/// The database failed.
pub async fn all(app: &App) -> std::result::Result<Vec<Phone>, Failure> {
    Ok(store::phone::all(&mut app.read().await?).await?)
}

/// The phone that registers with `username`, with the hashes its digest is checked against.
///
/// # Errors
/// The database failed.
pub async fn credentials(app: &App, username: &str) -> std::result::Result<Option<Phone>, Failure> {
    Ok(store::phone::find_by_username(&mut app.read().await?, username).await?)
}

/// Notes where the phone can be reached. `false`: there is no such phone.
///
/// # Errors
/// The database failed.
pub async fn bind(
    app: &App,
    phone: PhoneId,
    binding: Binding,
) -> std::result::Result<bool, Failure> {
    let done = app.write(async |tx| Ok(store::phone::bind(tx, phone, &binding).await?)).await;
    done.map_err(never_refused)
}

/// Forgets where the phone was. `false`: it was nowhere.
///
/// # Errors
/// The database failed.
pub async fn unbind(app: &App, phone: PhoneId) -> std::result::Result<bool, Failure> {
    let done = app.write(async |tx| Ok(store::phone::unbind(tx, phone).await?)).await;
    done.map_err(never_refused)
}

/// Whether a call to the account's short number has somewhere to go.
pub(crate) async fn reachable(
    app: &App,
    account: AccountId,
    extension: &Extension,
    now: Timestamp,
) -> std::result::Result<bool, Failure> {
    let mut reads = app.read().await?;
    let phone = store::phone::find_by_extension(&mut reads, account, extension).await?;
    Ok(phone.and_then(|phone| PhoneContact::of(phone, now)).is_some())
}

/// A rough look: the engine reads the URI for good when it calls.
fn is_sip_uri(uri: &str) -> bool {
    let rest = uri.strip_prefix("sip:");
    uri.len() <= CONTACT_MAX
        && rest.is_some_and(|rest| !rest.is_empty())
        && uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte))
}

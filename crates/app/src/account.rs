//! Accounts and their tokens, as the operator's command line makes them.

use domain::access::{AccountAccess, Allowed};
use domain::account::DEBT_LIMIT_MAX;
use domain::{Account, AccountId, Network, PhoneNumber, Rials, Timestamp, TokenId, UserName};
use store::Tx;
use store::entry::{EntryKind, NewEntry, Posted};

use crate::caller::token_hash;
use crate::password::{self, SALT_BYTES};
use crate::{App, Error, Failure, Result};

pub(crate) use domain::chain::hex;
pub use store::token::Token;

/// An account to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The customer's name.
    pub name: String,
    /// The customer's own mobile, in any usual spelling.
    pub mobile: String,
    /// Credit to start with.
    pub credit: Rials,
    /// When the subscription ends; `None` for a permanent panel.
    pub expires_at: Option<Timestamp>,
    /// Whether its messages are approved without being listened to.
    pub approves_own_messages: bool,
    /// Whether it may record callees.
    pub records_callees: bool,
}

/// Why an account was not created or credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRefusal {
    /// The name is empty or longer than 200 characters.
    WrongName,
    /// Not an Iranian mobile number.
    WrongMobile,
    /// The amount is zero or less (an opening credit and a debt limit may be zero), or too large.
    WrongAmount,
    /// There is no such account.
    NoSuchAccount,
    /// A credit with that reference was posted before; nothing was changed.
    CreditedBefore,
    /// An allow-list is too long, or one of its methods is no name.
    WrongAllowList,
    /// Not 3 to 64 ASCII letters, digits and `. _ - @ +`.
    WrongUserName,
    /// Another account has the user name.
    UserNameTaken,
    /// Shorter than 8 characters or longer than 128.
    WrongPassword,
}

/// What to change of an account's access to the web services; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessChange {
    /// Whether the customer's mobile counts as verified.
    pub mobile_verified: Option<bool>,
    /// Whether it has the permission for the web services.
    pub permitted: Option<bool>,
    /// Whether its use of them is blocked.
    pub blocked: Option<bool>,
    /// Whether it must come by HTTPS.
    pub https_only: Option<bool>,
    /// From where it may come; empty for everywhere.
    pub networks: Option<Vec<Network>>,
    /// Which methods it may use; empty for all.
    pub methods: Option<Vec<String>>,
}

/// A token that was just made. The secret is shown once and cannot be read again.
#[derive(Clone, PartialEq, Eq)]
pub struct FreshToken {
    /// Its identity.
    pub id: TokenId,
    /// 40 hex digits of secret.
    pub secret: String,
}

impl std::fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FreshToken").field("id", &self.id).field("secret", &"***").finish()
    }
}

/// Longest name of a customer or a token, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Most that one credit may be, in rials: a slip of the finger must not overflow a balance.
const CREDIT_MAX: Rials = Rials(1_000_000_000_000_000);
/// What a sandbox begins with.
pub(crate) const PLAY_MONEY: Rials = Rials(1_000_000_000);
/// Random bytes in a token.
const TOKEN_BYTES: usize = 20;
/// Random bytes in a password that is made.
const PASSWORD_BYTES: usize = 10;

/// Creates an account.
///
/// # Errors
/// Refused when the name, mobile or credit makes no sense.
pub async fn create(app: &App, new: NewAccount) -> Result<AccountId, AccountRefusal> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().nth(NAME_CHARS_MAX).is_some() {
        return Err(Error::Refused(AccountRefusal::WrongName));
    }
    let Some(mobile) = PhoneNumber::parse(&new.mobile).filter(PhoneNumber::is_mobile) else {
        return Err(Error::Refused(AccountRefusal::WrongMobile));
    };
    if !(Rials::ZERO..=CREDIT_MAX).contains(&new.credit) {
        return Err(Error::Refused(AccountRefusal::WrongAmount));
    }
    let account = store::account::NewAccount {
        name: name.to_owned(),
        mobile: mobile.national().to_owned(),
        opening_credit: new.credit,
        expires_at: new.expires_at,
        approves_own_messages: new.approves_own_messages,
        records_callees: new.records_callees,
        created_at: app.now(),
        sandbox_of: None,
    };
    app.write(async |tx| Ok(store::account::create(tx, &account).await?)).await
}

/// What an account may do by the operator's permission alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Record callees.
    Recording,
    /// Let two people talk through us.
    SecureCalls,
    /// Call regions of the map of numbers, and so learn who lives there.
    Regions,
}

/// Gives the account a permission, or takes it back.
///
/// # Errors
/// Refused when there is no such account.
pub async fn set_permission(
    app: &App,
    account: AccountId,
    permission: Permission,
    permitted: bool,
) -> Result<(), AccountRefusal> {
    let at = permitted.then(|| app.now());
    app.write(async |tx| {
        let found = match permission {
            Permission::Recording => store::account::set_recording(tx, account, at).await?,
            Permission::SecureCalls => store::account::set_secure_calls(tx, account, at).await?,
            Permission::Regions => store::account::set_regions(tx, account, at).await?,
        };
        if found { Ok(()) } else { Err(Error::Refused(AccountRefusal::NoSuchAccount)) }
    })
    .await
}

/// Sets how far what is available on the account may go below zero. A debt that is above a lowered
/// limit stays; nothing is held beyond it any more.
///
/// # Errors
/// Refused when the limit is below zero or above [`DEBT_LIMIT_MAX`], or there is no such account.
pub async fn set_debt_limit(
    app: &App,
    account: AccountId,
    limit: Rials,
) -> Result<(), AccountRefusal> {
    if !(Rials::ZERO..=DEBT_LIMIT_MAX).contains(&limit) {
        return Err(Error::Refused(AccountRefusal::WrongAmount));
    }
    app.write(async |tx| {
        let found = store::account::set_debt_limit(tx, account, limit).await?;
        if found { Ok(()) } else { Err(Error::Refused(AccountRefusal::NoSuchAccount)) }
    })
    .await
}

/// Adds credit. With a `reference` it is added once, however often it is asked for.
///
/// # Errors
/// Refused when the amount makes no sense, the account does not exist, or the reference was used.
pub async fn credit(
    app: &App,
    account: AccountId,
    amount: Rials,
    reference: Option<String>,
    note: String,
) -> Result<(), AccountRefusal> {
    if !(Rials(1)..=CREDIT_MAX).contains(&amount) {
        return Err(Error::Refused(AccountRefusal::WrongAmount));
    }
    let entry =
        NewEntry { account, kind: EntryKind::Credit, amount, at: app.now(), reference, note };
    app.write(async |tx| match store::entry::post(tx, &entry).await? {
        Posted::Done => Ok(()),
        Posted::Repeated => Err(Error::Refused(AccountRefusal::CreditedBefore)),
        // An amount above zero is always covered.
        Posted::AccountGone | Posted::InsufficientCredit => {
            Err(Error::Refused(AccountRefusal::NoSuchAccount))
        }
    })
    .await
}

/// Makes a token for the account.
///
/// # Errors
/// Refused when there is no such account.
pub async fn create_token(
    app: &App,
    account: AccountId,
    label: String,
    expires_at: Option<Timestamp>,
    allowed: Allowed,
) -> Result<FreshToken, AccountRefusal> {
    let (secret, token) = new_token(app, account, &label, expires_at, allowed);
    let id = app
        .write(async |tx| {
            if store::account::find(tx, account).await?.is_none() {
                return Err(Error::Refused(AccountRefusal::NoSuchAccount));
            }
            Ok(store::token::create(tx, &token).await?)
        })
        .await?;
    Ok(FreshToken { id, secret })
}

/// Makes a token for the account's sandbox, and the sandbox too unless there is one: an account of
/// its own with play money, whose calls reach nobody. Tells which account that is.
///
/// # Errors
/// Refused when there is no such account.
pub async fn create_sandbox_token(
    app: &App,
    account: AccountId,
    label: String,
    expires_at: Option<Timestamp>,
    allowed: Allowed,
) -> Result<(AccountId, FreshToken), AccountRefusal> {
    let (secret, token) = new_token(app, account, &label, expires_at, allowed);
    let now = app.now();
    let (sandbox, id) = app
        .write(async |tx| {
            let kept = keep_sandbox_token(tx, account, token, now).await?;
            kept.ok_or(Error::Refused(AccountRefusal::NoSuchAccount))
        })
        .await?;
    Ok((sandbox, FreshToken { id, secret }))
}

/// Keeps a token of the account's sandbox, which is made if there is none; tells which account the
/// sandbox is. `None`: there is no such account.
pub(crate) async fn keep_sandbox_token(
    tx: &mut Tx,
    account: AccountId,
    token: store::token::NewToken,
    now: Timestamp,
) -> std::result::Result<Option<(AccountId, TokenId)>, store::Error> {
    let Some(owner) = store::account::find(tx, account).await? else { return Ok(None) };
    let sandbox = if owner.is_sandbox() { owner.id } else { sandbox(tx, &owner, now).await? };
    let token = store::token::NewToken { account: sandbox, ..token };
    Ok(Some((sandbox, store::token::create(tx, &token).await?)))
}

/// The sandbox of an account, made if there is none.
async fn sandbox(
    tx: &mut Tx,
    owner: &Account,
    now: Timestamp,
) -> std::result::Result<AccountId, store::Error> {
    if let Some(sandbox) = store::account::lock_for_sandbox(tx, owner.id).await? {
        return Ok(sandbox);
    }
    let new = store::account::NewAccount {
        name: owner.name.clone(),
        mobile: owner.mobile.clone(),
        opening_credit: PLAY_MONEY,
        expires_at: None,
        approves_own_messages: true,
        records_callees: true,
        created_at: now,
        sandbox_of: Some(owner.id),
    };
    store::account::create(tx, &new).await
}

/// A token to be kept, and its secret.
pub(crate) fn new_token(
    app: &App,
    account: AccountId,
    label: &str,
    expires_at: Option<Timestamp>,
    allowed: Allowed,
) -> (String, store::token::NewToken) {
    let mut random = [0; TOKEN_BYTES];
    app.rng().fill(&mut random);
    let secret = hex(&random);
    let token = store::token::NewToken {
        account,
        hash: token_hash(&secret).to_vec(),
        label: label.chars().take(NAME_CHARS_MAX).collect(),
        created_at: app.now(),
        expires_at,
        allowed,
    };
    (secret, token)
}

/// Gives the account a user name and a password, for the SOAP services; a random password unless
/// one is given. What it had before opens nothing any more. The password is shown once.
///
/// # Errors
/// Refused when there is no such account, another one has the name, or either is unfit.
pub async fn set_password(
    app: &App,
    account: AccountId,
    user_name: &str,
    given: Option<String>,
) -> Result<String, AccountRefusal> {
    let name = UserName::parse(user_name).ok_or(Error::Refused(AccountRefusal::WrongUserName))?;
    let mut random = [0; PASSWORD_BYTES + SALT_BYTES];
    app.rng().fill(&mut random);
    let (secret, salt) = random.split_first_chunk::<PASSWORD_BYTES>().expect("it is longer");
    let salt = *salt.first_chunk().expect("the rest is the salt");
    let password = given.unwrap_or_else(|| hex(secret));
    if !password::CHARS.contains(&password.chars().count()) {
        return Err(Error::Refused(AccountRefusal::WrongPassword));
    }
    let hash = password::hash(password.clone(), salt).await?;
    app.write(async |tx| {
        let holder = store::account::find_by_user_name(tx, &name).await?;
        if holder.is_some_and(|holder| holder.account.id != account) {
            return Err(Error::Refused(AccountRefusal::UserNameTaken));
        }
        let found = store::account::set_login(tx, account, Some((&name, &hash))).await?;
        if found { Ok(()) } else { Err(Error::Refused(AccountRefusal::NoSuchAccount)) }
    })
    .await?;
    Ok(password)
}

/// Takes the account's user name and password away. `false`: there is no such account.
///
/// # Errors
/// The database failed.
pub async fn remove_password(app: &App, account: AccountId) -> std::result::Result<bool, Failure> {
    let done: Result<bool, std::convert::Infallible> =
        app.write(async |tx| Ok(store::account::set_login(tx, account, None).await?)).await;
    done.map_err(never_refused)
}

/// The account's user name; `None` when it has tokens only.
///
/// # Errors
/// The database failed.
pub async fn user_name(
    app: &App,
    account: AccountId,
) -> std::result::Result<Option<UserName>, Failure> {
    Ok(store::account::user_name(&mut app.read().await?, account).await?)
}

/// The account's tokens, without their secrets.
///
/// # Errors
/// The database failed.
pub async fn tokens(app: &App, account: AccountId) -> std::result::Result<Vec<Token>, Failure> {
    Ok(store::token::list(&mut app.read().await?, account).await?)
}

/// Switches a token of the account off. `false`: there is none, or it was off.
///
/// # Errors
/// The database failed.
pub async fn disable_token(
    app: &App,
    account: AccountId,
    token: TokenId,
) -> std::result::Result<bool, Failure> {
    let now = app.now();
    let done: Result<bool, std::convert::Infallible> =
        app.write(async |tx| Ok(store::token::disable(tx, account, token, now).await?)).await;
    done.map_err(never_refused)
}

/// Switches a token of the account on again. `false`: there is none, or it was on.
///
/// # Errors
/// The database failed.
pub async fn enable_token(
    app: &App,
    account: AccountId,
    token: TokenId,
) -> std::result::Result<bool, Failure> {
    let done: Result<bool, std::convert::Infallible> =
        app.write(async |tx| Ok(store::token::enable(tx, account, token).await?)).await;
    done.map_err(never_refused)
}

/// Switches the account off, or on again. `false`: there is no such account.
///
/// # Errors
/// The database failed.
pub async fn set_disabled(
    app: &App,
    account: AccountId,
    disabled: bool,
) -> std::result::Result<bool, Failure> {
    let at = disabled.then_some(app.now());
    let done: Result<bool, std::convert::Infallible> =
        app.write(async |tx| Ok(store::account::set_disabled(tx, account, at).await?)).await;
    done.map_err(never_refused)
}

/// Moves the end of the subscription. `false`: there is no such account.
///
/// # Errors
/// The database failed.
pub async fn set_expiry(
    app: &App,
    account: AccountId,
    at: Option<Timestamp>,
) -> std::result::Result<bool, Failure> {
    let done: Result<bool, std::convert::Infallible> =
        app.write(async |tx| Ok(store::account::set_expiry(tx, account, at).await?)).await;
    done.map_err(never_refused)
}

/// What the account may do with the web services.
///
/// # Errors
/// The database failed.
pub async fn access(
    app: &App,
    account: AccountId,
) -> std::result::Result<Option<AccountAccess>, Failure> {
    Ok(store::account::access(&mut app.read().await?, account).await?)
}

/// Changes what the account may do with the web services, from its next request on.
///
/// # Errors
/// Refused when there is no such account, or a list is not one.
pub async fn change_access(
    app: &App,
    account: AccountId,
    change: AccessChange,
) -> Result<(), AccountRefusal> {
    let now = app.now();
    app.write(async |tx| {
        let found = store::account::access(tx, account).await?;
        let before = found.ok_or(Error::Refused(AccountRefusal::NoSuchAccount))?;
        let after = changed(&before, change, now);
        let after = after.ok_or(Error::Refused(AccountRefusal::WrongAllowList))?;
        store::account::set_access(tx, account, &after).await?;
        Ok(())
    })
    .await
}

/// A flag that stays set keeps its time.
fn changed(before: &AccountAccess, change: AccessChange, now: Timestamp) -> Option<AccountAccess> {
    let flag = |set: Option<bool>, before: Option<Timestamp>| match set {
        Some(true) => before.or(Some(now)),
        Some(false) => None,
        None => before,
    };
    let networks = change.networks.unwrap_or_else(|| before.allowed.networks().to_vec());
    let methods = change.methods.unwrap_or_else(|| before.allowed.methods().to_vec());
    Some(AccountAccess {
        mobile_unverified_at: flag(
            change.mobile_verified.map(|verified| !verified),
            before.mobile_unverified_at,
        ),
        denied_at: flag(change.permitted.map(|permitted| !permitted), before.denied_at),
        blocked_at: flag(change.blocked, before.blocked_at),
        https_only_at: flag(change.https_only, before.https_only_at),
        allowed: Allowed::new(networks, methods)?,
    })
}

/// The account as it stands now.
///
/// # Errors
/// The database failed.
pub async fn status(
    app: &App,
    account: AccountId,
) -> std::result::Result<Option<Account>, Failure> {
    Ok(store::account::find(&mut app.read().await?, account).await?)
}

/// Accounts by id, from the one after `after` on.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    after: AccountId,
    limit: u32,
) -> std::result::Result<Vec<Account>, Failure> {
    Ok(store::account::list(&mut app.read().await?, after, limit).await?)
}

/// The failure of a use case that has nothing to refuse.
pub(crate) fn never_refused(error: Error<std::convert::Infallible>) -> Failure {
    match error {
        Error::Failed(failure) => failure,
        Error::Refused(never) => match never {},
    }
}

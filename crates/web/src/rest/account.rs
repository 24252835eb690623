//! AccountStatus and GetProfile: who the caller is and what is left.

use app::{App, Caller, Failure};
use domain::Account;
use domain::calendar::jalali;

use super::reply::{AccountStatus, Profile, Reply};

/// What the vendor shows for a permanent panel (avanak-api §3.2, `GetExpirationDate`).
const PERMANENT: &str = "1500/01/01";
/// The same day in the Gregorian calendar.
const PERMANENT_GREGORIAN: &str = "2121-03-21 00:00:00";

/// AccountStatus: the account as it was read when the caller was authenticated.
pub(crate) fn status(caller: &Caller) -> Reply {
    let account = &caller.account;
    let date = account
        .expires_at
        .map_or_else(|| PERMANENT_GREGORIAN.to_owned(), jalali::gregorian_date_time);
    Reply::ok(&AccountStatus {
        result: None,
        status: Some("Success"),
        account_name: Some(account.name.clone()),
        remaind_credit: account.available().0,
        mobile: Some(account.mobile.clone()),
        expire_date: Some(date),
        expire_date_per: Some(last_day(account)),
    })
}

/// GetProfile; without a user name for an account that has tokens only.
pub(crate) async fn profile(app: &App, caller: &Caller) -> Result<Reply, Failure> {
    let account = &caller.account;
    let user_name = app::account::user_name(app, account.id).await?;
    Ok(Reply::ok(&Profile {
        result: 0,
        status: Some("Success"),
        user_name: user_name.map(|name| name.as_str().to_owned()),
        full_name: Some(account.name.clone()),
        mobile: Some(account.mobile.clone()),
        expire_date: Some(last_day(account)),
    }))
}

/// When the subscription ends, in the Persian calendar.
fn last_day(account: &Account) -> String {
    account.expires_at.map_or_else(|| PERMANENT.to_owned(), jalali::jalali_date)
}

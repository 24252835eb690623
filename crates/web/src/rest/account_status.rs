//! AccountStatus: who the token belongs to and what is left.

use app::Caller;
use domain::calendar::jalali;

use super::reply::{AccountStatus, Reply};

/// What the vendor shows for a permanent panel (avanak-api §3.2, `GetExpirationDate`).
const PERMANENT: &str = "1500/01/01";
/// The same day in the Gregorian calendar.
const PERMANENT_GREGORIAN: &str = "2121-03-21 00:00:00";

/// Answers from the account that was read when the caller was authenticated.
pub(crate) fn account_status(caller: &Caller) -> Reply {
    let account = &caller.account;
    let (date, jalali) = match account.expires_at {
        Some(end) => (jalali::gregorian_date_time(end), jalali::jalali_date(end)),
        None => (PERMANENT_GREGORIAN.to_owned(), PERMANENT.to_owned()),
    };
    Reply::ok(&AccountStatus {
        result: None,
        status: Some("Success"),
        account_name: Some(account.name.clone()),
        remaind_credit: account.available().0,
        mobile: Some(account.mobile.clone()),
        expire_date: Some(date),
        expire_date_per: Some(jalali),
    })
}

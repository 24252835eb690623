//! MakeSecureCall.

use app::secure_call::NewSecureCall;
use app::{App, Caller, Error, Failure};
use domain::MessageId;

use super::codes;
use super::message::text;
use super::method::Method;
use super::params::Params;
use super::quick_send::{client_reference, server};
use super::reply::Reply;

/// MakeSecureCall: the call's id as a bare number, with which GetQuickSend tells where it stands,
/// or the code of the refusal.
pub(crate) async fn make(
    app: &App,
    caller: &Caller,
    params: Params,
    reference: Option<String>,
) -> Result<Reply, Failure> {
    let new = NewSecureCall {
        first: text(&params, "srcnumber"),
        second: text(&params, "dstnumber"),
        // An id nobody has is the same as an unreadable one.
        hold_message: MessageId(params.integer("holdmessageid").unwrap_or(0)),
        server: server(&params),
        reference: client_reference(&params, reference),
    };
    match app::secure_call::submit(app, caller, new).await {
        Ok(send) => Ok(Reply::ok(&send.0)),
        Err(Error::Refused(refusal)) => {
            Ok(Reply::refused(Method::MakeSecureCall, codes::make_secure_call(refusal)))
        }
        Err(Error::Failed(failure)) => Err(failure),
    }
}

//! SendOTP.

use app::one_time_code::NewCode;
use app::{App, Caller, Error, Failure};

use super::codes;
use super::message::text;
use super::method::Method;
use super::params::Params;
use super::quick_send::server;
use super::reply::{Reply, SentCode};

/// SendOTP: 0 and the code that was sent, or the code of the refusal.
pub(crate) async fn send(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let own = text(&params, "optionalcode");
    let own = own.trim();
    // 0 asks for a random code (avanak-api §2.2), in any script.
    let is_none = own.is_empty() || params.integer("optionalcode") == Some(0) && own.len() < 4;
    let new = NewCode {
        length: params.integer("length"),
        own: (!is_none).then(|| own.to_owned()),
        number: text(&params, "number"),
        server: server(&params),
    };
    match app::one_time_code::submit(app, caller, new).await {
        Ok(sent) => Ok(Reply::ok(&SentCode {
            code: 0,
            send: Some(sent.send.0),
            generated: Some(sent.code.as_str().to_owned()),
            status: None,
        })),
        Err(Error::Refused(refusal)) => {
            Ok(Reply::refused(Method::SendOtp, codes::send_otp(refusal)))
        }
        Err(Error::Failed(failure)) => Err(failure),
    }
}

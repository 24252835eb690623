//! SendOCV.

use app::verification::NewCall;
use app::{App, Caller, Error, Failure};

use super::codes;
use super::message::text;
use super::method::Method;
use super::params::Params;
use super::quick_send::server;
use super::reply::{Reply, Verified};

/// SendOCV: 0 and the key to be shown, or the code of the refusal.
pub(crate) async fn send(app: &App, caller: &Caller, params: Params) -> Result<Reply, Failure> {
    let new = NewCall {
        number: text(&params, "number"),
        callback_url: text(&params, "callbackurl"),
        server: server(&params),
    };
    match app::verification::submit(app, caller, new).await {
        Ok(made) => {
            let (code, send_id) = (made.code, made.send.0);
            Ok(Reply::ok(&Verified { result: 0, code, send_id, status: None }))
        }
        Err(Error::Refused(refusal)) => {
            Ok(Reply::refused(Method::SendOcv, codes::send_ocv(refusal)))
        }
        Err(Error::Failed(failure)) => Err(failure),
    }
}

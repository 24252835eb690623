//! What goes back: the envelopes of avanak-api, "Decisions on what is unknown", 1 to 3. A known
//! method always answers 200; the code is in the place where its clients look for it.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::access::AccessRefusal;
use serde::Serialize;

use super::codes;
use super::listing::Listing;
use super::method::Method;

/// What a method says, or what it hands out.
pub(crate) enum Content {
    /// JSON.
    Json(String),
    /// The bytes of a WAV file.
    Audio(Vec<u8>),
    /// Numbers, which are told while they are read.
    Listed(Listing),
    /// Nothing: there is no place.
    Busy,
}

/// An answer and, for the log, the code that it refuses with.
pub(crate) struct Reply {
    content: Content,
    /// The vendor's code when this is a refusal.
    pub(crate) refused: Option<i32>,
}

impl Reply {
    /// A success.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(body, None)
    }

    /// A refusal in the shape of its method.
    pub(crate) fn refused(method: Method, code: i32) -> Self {
        Self::refusal(method, code, None)
    }

    /// A caller who may not use the services, told in the shape of the method.
    pub(crate) fn no_access(method: Method, refusal: AccessRefusal) -> Self {
        Self::refusal(method, codes::access(refusal), Some(codes::access_status(refusal)))
    }

    /// The bytes of a WAV file.
    pub(crate) fn audio(wav: Vec<u8>) -> Self {
        Self { content: Content::Audio(wav), refused: None }
    }

    /// Numbers, of which there are many.
    pub(crate) fn listed(listing: Listing) -> Self {
        Self { content: Content::Listed(listing), refused: None }
    }

    /// All places are taken.
    pub(crate) fn busy() -> Self {
        Self { content: Content::Busy, refused: None }
    }

    /// `null`, `false` or the object with the code in its place.
    fn refusal(method: Method, code: i32, status: Option<&'static str>) -> Self {
        let refused = Some(code);
        match method {
            Method::AccountStatus => Self::json(&AccountStatus::refused(code, status), refused),
            Method::SendOtp => {
                let refused_code = SentCode { code, status, ..SentCode::default() };
                Self::json(&refused_code, refused)
            }
            Method::SendOcv => {
                let result = Verified { result: code, status, ..Verified::default() };
                Self::json(&result, refused)
            }
            Method::UploadMessageBase64 | Method::GenerateTts => {
                Self::json(&Made { id: code.into(), length: 0, status }, refused)
            }
            Method::QuickSend | Method::QuickSendWithTts => {
                Self::json(&Sent { id: code.into(), status, ..Sent::default() }, refused)
            }
            Method::DeleteMessage | Method::StopCampaign => Self::json(&false, refused),
            Method::CreateCampaign
            | Method::CreateCampaignGis
            | Method::StartCampaign
            | Method::MakeSecureCall
            | Method::GetTotalCostByDate => Self::json(&code, refused),
            Method::GetMessage
            | Method::DownloadMessage
            | Method::GetQuickSend
            | Method::DownloadRecord
            | Method::GetMessages
            | Method::GetQuickSendStatistics
            | Method::GetCampaign
            | Method::GetCampaignNumbers
            | Method::GetPrices
            | Method::GetTransactions
            | Method::GetCampaignsByDate
            | Method::GetMessagesByPage
            | Method::GetCampaignNumbersByMessageId
            | Method::GetCampaignNumbersBySendDate
            | Method::GetCampaignNumbersBySubscribeId
            | Method::GetCampaignNumbersDataByIds => Self::json(&(), refused),
            // Without a code there is no such number.
            Method::GetCampaignNumberStatusById => {
                Self::json(&Some(code).filter(|code| *code != 0), refused)
            }
            Method::GetCampaignNumbersStatusByIds => {
                Self::json(&status.is_none().then_some([code]), refused)
            }
            Method::GetProfile => {
                Self::json(&Profile { result: code, status, ..Profile::default() }, refused)
            }
        }
    }

    fn json(body: &impl Serialize, refused: Option<i32>) -> Self {
        let json = serde_json::to_string(body);
        let json = json.expect("the replies are plain structs with text keys");
        Self { content: Content::Json(json), refused }
    }

    /// The answer itself.
    pub(crate) fn into_content(self) -> Content {
        self.content
    }

    /// The HTTP response.
    pub(crate) fn into_response(self) -> Response {
        let (media_type, body) = match self.content {
            Content::Json(json) => ("application/json; charset=utf-8", Body::from(json)),
            Content::Audio(wav) => ("audio/x-wav", Body::from(wav)),
            Content::Listed(listing) => {
                ("application/json; charset=utf-8", listing.into_body(super::recipient::form()))
            }
            Content::Busy => return super::busy(),
        };
        ([(header::CONTENT_TYPE, media_type)], body).into_response()
    }
}

/// `AccountStatus`; `RemaindCredit` is the vendor's spelling.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccountStatus {
    /// The code, in refusals only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<i32>,
    pub(crate) status: Option<&'static str>,
    pub(crate) account_name: Option<String>,
    pub(crate) remaind_credit: i64,
    pub(crate) mobile: Option<String>,
    pub(crate) expire_date: Option<String>,
    pub(crate) expire_date_per: Option<String>,
}

impl AccountStatus {
    fn refused(code: i32, status: Option<&'static str>) -> Self {
        Self {
            result: Some(code),
            status,
            account_name: None,
            remaind_credit: 0,
            mobile: None,
            expire_date: None,
            expire_date_per: None,
        }
    }
}

/// `GetProfile`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Profile {
    /// 0, or the code of the refusal.
    pub(crate) result: i32,
    pub(crate) status: Option<&'static str>,
    pub(crate) user_name: Option<String>,
    pub(crate) full_name: Option<String>,
    pub(crate) mobile: Option<String>,
    pub(crate) expire_date: Option<String>,
}

/// `SendOTP`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct SentCode {
    /// 0, or the code of the refusal.
    #[serde(rename = "ErrorCode")]
    pub(crate) code: i32,
    #[serde(rename = "QuickSendID")]
    pub(crate) send: Option<i64>,
    #[serde(rename = "GeneratedCode")]
    pub(crate) generated: Option<String>,
    /// In refusals of access only.
    #[serde(rename = "Status", skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<&'static str>,
}

/// `SendOCV`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Verified {
    /// 0, or the code of the refusal.
    pub(crate) result: i32,
    /// The key to be pressed.
    pub(crate) code: u8,
    pub(crate) send_id: i64,
    /// In refusals of access only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<&'static str>,
}

/// `UploadMessageBase64` and `GenerateTTS`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Made {
    /// The message, or the code.
    pub(crate) id: i64,
    /// Seconds.
    pub(crate) length: u32,
    /// In refusals of access only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<&'static str>,
}

/// `QuickSend` and `QuickSendWithTTS`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Sent {
    /// The quick send, or the code.
    #[serde(rename = "QuickSendID")]
    pub(crate) id: i64,
    #[serde(rename = "MessageID")]
    pub(crate) message: i64,
    /// Seconds.
    #[serde(rename = "MessageLength")]
    pub(crate) message_seconds: u32,
    #[serde(rename = "CreditDecrease_InSeconds")]
    pub(crate) seconds: u32,
    #[serde(rename = "CreditDecrease_InPulses")]
    pub(crate) pulses: u32,
    #[serde(rename = "CreditDecrease_InPrice")]
    pub(crate) rials: i64,
    #[serde(rename = "Status")]
    pub(crate) status: Option<&'static str>,
}

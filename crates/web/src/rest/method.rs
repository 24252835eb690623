//! The methods of the web services, one line each.

use super::codes::{
    CREATE_CAMPAIGN, MAKE_SECURE_CALL, QUICK_SEND, QUICK_SEND_WITH_TTS, REGION_FAILED, Row,
    SEND_OCV, SEND_OTP, SPEECH, START_CAMPAIGN, UNKNOWN_ERROR, UPLOAD,
};

/// Everything that is known of a method stands in its line: the vendor's spelling; whether it is
/// heavy, that is, speaks, decodes or goes through a long list, here or in the store, which may
/// take seconds; the code for a failure of ours in it, whose reason only the log knows; and its
/// refusals beside those of access, none where `null` or `false` says it.
macro_rules! methods {
    ($($method:ident $name:literal, $heavy:literal, $failure:expr, $rows:expr;)*) => {
        /// A method of the web services.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Method {
            $($method,)*
        }

        impl Method {
            /// Every method.
            pub(crate) const ALL: &[Self] = &[$(Self::$method,)*];

            /// The vendor's spelling.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$method => $name,)*
                }
            }

            /// Whether it may take seconds.
            pub(crate) fn is_heavy(self) -> bool {
                match self {
                    $(Self::$method => $heavy,)*
                }
            }

            /// The code for a failure of ours in it.
            pub(crate) fn failure_code(self) -> i32 {
                match self {
                    $(Self::$method => $failure,)*
                }
            }

            /// Its refusals beside those of access.
            pub(crate) fn rows(self) -> &'static [Row] {
                match self {
                    $(Self::$method => $rows,)*
                }
            }
        }
    };
}

// SendOTP and SendOCV are light: what they say was spoken before, but for the first time, and
// nobody waits for a code.
methods! {
    // method, spelling, heavy, code of a failure, refusals
    AccountStatus "AccountStatus", false, UNKNOWN_ERROR, &[];
    SendOtp "SendOTP", false, -500, SEND_OTP;
    SendOcv "SendOCV", false, -8, SEND_OCV;
    UploadMessageBase64 "UploadMessageBase64", true, -500, UPLOAD;
    GenerateTts "GenerateTTS", true, -2, SPEECH;
    GetMessage "GetMessage", false, UNKNOWN_ERROR, &[];
    DownloadMessage "DownloadMessage", false, UNKNOWN_ERROR, &[];
    DeleteMessage "DeleteMessage", false, UNKNOWN_ERROR, &[];
    QuickSend "QuickSend", false, UNKNOWN_ERROR, QUICK_SEND;
    QuickSendWithTts "QuickSendWithTTS", true, -9, QUICK_SEND_WITH_TTS;
    GetQuickSend "GetQuickSend", false, UNKNOWN_ERROR, &[];
    DownloadRecord "DownloadRecord", false, UNKNOWN_ERROR, &[];
    GetMessages "GetMessages", false, UNKNOWN_ERROR, &[];
    GetQuickSendStatistics "GetQuickSendStatistics", false, UNKNOWN_ERROR, &[];
    CreateCampaign "CreateCampaign", true, UNKNOWN_ERROR, CREATE_CAMPAIGN;
    StartCampaign "StartCampaign", false, UNKNOWN_ERROR, START_CAMPAIGN;
    StopCampaign "StopCampaign", false, UNKNOWN_ERROR, &[];
    GetCampaign "GetCampaign", false, UNKNOWN_ERROR, &[];
    GetCampaignNumbers "GetCampaignNumbersByCampaignID", false, UNKNOWN_ERROR, &[];
    GetProfile "GetProfile", false, UNKNOWN_ERROR, &[];
    GetPrices "GetPrices", false, UNKNOWN_ERROR, &[];
    GetTransactions "GetTransactions", true, UNKNOWN_ERROR, &[];
    GetTotalCostByDate "GetTotalCostByDate", true, UNKNOWN_ERROR, &[];
    GetCampaignsByDate "GetCampaignsByDate", false, UNKNOWN_ERROR, &[];
    GetMessagesByPage "GetMessagesByPage", false, UNKNOWN_ERROR, &[];
    GetCampaignNumbersByMessageId "GetCampaignNumbersByMessageId", true, UNKNOWN_ERROR, &[];
    GetCampaignNumbersBySendDate "GetCampaignNumbersBySendDate", true, UNKNOWN_ERROR, &[];
    GetCampaignNumbersBySubscribeId "GetCampaignNumbersBySubscribeId", false, UNKNOWN_ERROR, &[];
    GetCampaignNumbersDataByIds "GetCampaignNumbersDataByIds", false, UNKNOWN_ERROR, &[];
    GetCampaignNumberStatusById "GetCampaignNumberStatusById", false, UNKNOWN_ERROR, &[];
    GetCampaignNumbersStatusByIds "GetCampaignNumbersStatusByIds", false, UNKNOWN_ERROR, &[];
    CreateCampaignGis "CreateCampaignGIS", true, REGION_FAILED, CREATE_CAMPAIGN;
    MakeSecureCall "MakeSecureCall", false, UNKNOWN_ERROR, MAKE_SECURE_CALL;
}

/// What GetCampaignsByDate is called, too (avanak-api, decision 4).
const GET_CAMPAIGNS: &str = "GetCampaigns";

impl Method {
    /// The method of a path segment, in any case.
    pub(crate) fn named(segment: &str) -> Option<Self> {
        if segment.eq_ignore_ascii_case(GET_CAMPAIGNS) {
            return Some(Self::GetCampaignsByDate);
        }
        Self::ALL.iter().copied().find(|method| method.name().eq_ignore_ascii_case(segment))
    }
}

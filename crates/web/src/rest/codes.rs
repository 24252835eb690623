//! The vendor's codes (avanak-api §2.1, §2.4): every refusal of every method has exactly one, and
//! a new refusal does not compile until it has. docs/ERRORS.md is printed from these tables.

use app::campaign::{CreateRefusal, StartRefusal};
use app::message::{SpeechRefusal, UploadRefusal};
use app::one_time_code::CodeRefusal;
use app::quick_send::TextRefusal;
use app::verification::VerifyRefusal;
use domain::access::AccessRefusal;
use domain::quick_send::Refusal as SendRefusal;
use domain::secure_call::Refusal as SecureCallRefusal;

/// The code for a failure of ours before any method was reached, and of methods that have no code
/// of their own for one (avanak-api §2.1).
pub(crate) const UNKNOWN_ERROR: i32 = -20;

/// One refusal as docs/ERRORS.md shows it.
pub(crate) struct Row {
    /// Its name in the code.
    pub(crate) refusal: &'static str,
    /// The vendor's number for it.
    pub(crate) code: i32,
    /// What it means, and what mends it.
    pub(crate) meaning: &'static str,
}

/// A refusal and its code are written once: here the match that must be exhaustive and the rows of
/// the documentation come from the same lines.
macro_rules! code_table {
    (
        $(#[$doc:meta])* $function:ident($refusal:ty), $rows:ident;
        $($variant:ident $(($any:tt))? => $code:literal $meaning:literal,)*
    ) => {
        $(#[$doc])*
        pub(crate) fn $function(refusal: $refusal) -> i32 {
            type Refusal = $refusal;
            match refusal {
                $(Refusal::$variant $(($any))? => $code,)*
            }
        }

        pub(super) const $rows: &[Row] =
            &[$(Row { refusal: stringify!($variant), code: $code, meaning: $meaning },)*];
    };
}

code_table! {
    /// Codes of UploadMessageBase64: the SOAP list, which fits the operation, and from the REST
    /// list those that it lacks (avanak-api §2.4).
    upload(UploadRefusal), UPLOAD;
    TitleTooLong => -5 "The title is longer than 200 characters.",
    WrongMobile => -2 "`CallFromMobile` is not a telephone number.",
    NotAudio => -10 "Not Base64, or not an audio file in a format that is read.",
    TooLarge => -10 "The file is larger than `audio.upload_limit_bytes`.",
    Broken => -20 "The file claims a known format and cannot be decoded to its end.",
    OutOfTime => -30 "Decoding took longer than `audio.decode_limit_ms`.",
    TooLong => -30 "More than ten minutes of audio.",
    TooShort => -6 "Less than three seconds of audible sound.",
    InsufficientCredit => -3 "The balance does not cover speaking `CallFromMobile`.",
}

code_table! {
    /// Codes of GenerateTTS.
    speech(SpeechRefusal), SPEECH;
    TitleTooLong => -5 "The title is longer than 200 characters.",
    TextTooLong => -5 "The text is longer than 1000 characters.",
    EmptyText => -6 "There is no text.",
    TooShort => -6 "The speech is shorter than three seconds.",
    TooLong => -5 "The speech is longer than ten minutes.",
    WrongMobile => -4 "`CallFromMobile` is not a telephone number.",
    NotSpoken => -4 "The text has nothing that can be spoken.",
    InsufficientCredit => -3 "The balance does not cover the speech.",
}

code_table! {
    /// Codes of QuickSend.
    quick_send(SendRefusal), QUICK_SEND;
    Disabled => -25 "Quick sends are switched off.",
    NotIdentified => -102 "The operator asks who the account's owner is, and that is not proven.",
    WrongNumber => -2 "Not a number that can be called, or no trunk (of this `ServerID`) takes it.",
    InsufficientCredit => -3 "The balance does not cover the whole message.",
    ClassNotAllowed => -25 "Messages of this class are switched off.",
    TimeNotAllowed => -6 "Outside the hours in which calls may be placed.",
    WrongMessage => -8 "The account has no such message, or it is not approved.",
    RecordingNotPermitted => -72 "The account may not record callees.",
}

code_table! {
    /// Codes of QuickSendWithTTS.
    quick_send_with_tts(TextRefusal), QUICK_SEND_WITH_TTS;
    Disabled => -25 "Quick sends are switched off.",
    NotIdentified => -102 "The operator asks who the account's owner is, and that is not proven.",
    MustBeApproved => 0 "The account's messages must be listened to first (or a demo account).",
    WrongNumber => -2 "Not a number that can be called, or no trunk (of this `ServerID`) takes it.",
    InsufficientCredit => -3 "The balance does not cover the speech and the call.",
    TextTooLong => -5 "The text is longer than 1000 characters.",
    TooLong => -5 "The speech is longer than ten minutes.",
    ClassNotAllowed => -25 "Messages of this class are switched off.",
    TimeNotAllowed => -6 "Outside the hours in which calls may be placed.",
    NotSpoken => -7 "The text has nothing that can be spoken.",
    WrongMobile => -7 "`CallFromMobile` is not a telephone number.",
    TooShort => -8 "The speech is shorter than three seconds.",
    EmptyText => -10 "There is no text.",
    RepeatedTooOften => -11 "The number was sent to too often within the operator's interval.",
    RecordingNotPermitted => -72 "The account may not record callees.",
}

code_table! {
    /// Codes of SendOTP.
    send_otp(CodeRefusal), SEND_OTP;
    LengthNotAllowed => -5 "`Length`, or the code in `OptionalCode`, is not 4 to 8 digits.",
    Disabled => -25 "Sends are switched off.",
    NotIdentified => -102 "The operator asks who the account's owner is, and that is not proven.",
    WrongNumber => -2 "Not a number that can be called, or no trunk (of this `ServerID`) takes it.",
    TimeNotAllowed => -6 "Outside the hours in which calls may be placed.",
    InsufficientCredit => -3 "The balance does not cover the speech and the call.",
    NotSpoken => -20 "The speech engine made nothing of use.",
}

code_table! {
    /// Codes of SendOCV.
    send_ocv(VerifyRefusal), SEND_OCV;
    WrongCallback => -8 "`CallbackURL` is no `http://` or `https://` address.",
    Disabled => -25 "Sends are switched off.",
    NotIdentified => -102 "The operator asks who the account's owner is, and that is not proven.",
    WrongNumber => -2 "Not a number that can be called, or no trunk (of this `ServerID`) takes it.",
    TimeNotAllowed => -6 "Outside the hours in which calls may be placed.",
    InsufficientCredit => -3 "The balance does not cover the speech and the call.",
    NotSpoken => -7 "The speech engine made nothing of use.",
}

code_table! {
    /// Codes of MakeSecureCall (avanak-api §3.2); what that list lacks is as in QuickSend.
    make_secure_call(SecureCallRefusal), MAKE_SECURE_CALL;
    Disabled => 0 "Secure calls are switched off.",
    NotPermitted => -5 "The account may not place secure calls.",
    NotIdentified => -102 "The operator asks who the account's owner is, and that is not proven.",
    WrongNumber => -100 "One of the numbers is none that can be called, or no trunk takes it.",
    SameNumber => -101 "Both numbers are the same.",
    WrongServer => -2 "No trunk of this `serverId` takes both numbers.",
    WrongMessage => -8 "The account has no such hold message, or it is not approved.",
    TimeNotAllowed => -6 "Outside the hours in which calls may be placed.",
    InsufficientCredit => -3 "The balance is below the tariff's minimum for secure calls.",
}

code_table! {
    /// Codes of CreateCampaign.
    create_campaign(CreateRefusal), CREATE_CAMPAIGN;
    CannotStart => -30 "It was made and cannot start.",
    KeyReused => -75 "(of /v1) The name of the request was used for another one.",
    InsufficientCredit => -50 "The balance does not cover calling everybody once.",
    WrongMessage => -60 "The account has no such message.",
    MessageWaiting => -61 "The message waits for its approval.",
    MessageRejected => -62 "The message was rejected.",
    TriesNotAllowed => -70 "`MaxTryCount` is not between 1 and 10.",
    RecordingNotPermitted => -72 "The account may not record callees.",
    NoRegion => -73 "(of CreateCampaignGIS) The map of numbers has nobody in the region.",
    Invalid => -75 "No number, a date that is none or over, a pause above a week, a long title.",
    EndsBeforeItStarts => -76 "The last day is before the first.",
    HoursEndBeforeTheyStart => -77 "The hour at which days end is not after the one they start at.",
    NotIdentified => -102 "The operator asks who the account's owner is, and that is not proven.",
    Text(_) => -75 "(of /v1) The text that is to be spoken is not taken.",
    Sms(_) => -75 "The text in `SMSJSON` is not taken, or the operator has no price for SMS.",
}

code_table! {
    /// Codes of StartCampaign.
    start_campaign(StartRefusal), START_CAMPAIGN;
    CannotStart => -30 "There is none that waits, pauses or stopped, or the plan is not allowed.",
    InsufficientCredit => -50 "The balance does not cover calling everybody who is left once.",
    WrongMessage => -60 "Its message was deleted or is not approved.",
    NotIdentified => -102 "The operator asks who the account's owner is, and that is not proven.",
    CostsMore(_) => -30 "(of /v1) It costs more than its new ceiling already.",
}

/// Messages by SMS were asked for and none was given: only the edge sees this one.
pub(crate) const SMS_LIST_EMPTY: i32 = -80;
/// SMS were asked for that this platform does not send: as other bad values.
pub(crate) const SMS_NOT_SENT: i32 = -75;

/// `RecordVoiceDuration` is not a length that is recorded: only the edge sees this one.
pub(crate) const RECORD_DURATION_NOT_ALLOWED: i32 = -71;

/// A period that is none: only the edge sees this one.
pub(crate) const WRONG_PERIOD: i32 = -76;

/// More numbers were asked for than are told at once: only the edge sees this one.
pub(crate) const TOO_MANY_NUMBERS: i32 = -10;

/// What is written as a region is none: only the edge sees this one.
pub(crate) const REGION_UNKNOWN: i32 = -73;
/// The numbers of the region could not be read, as any other failure of ours in that method.
pub(crate) const REGION_FAILED: i32 = -74;

code_table! {
    /// Codes of access, the same for every method (avanak-api §2.1), in the order in which they
    /// are told. −1 belongs to SOAP and its JSON twin, which ask for user name and password.
    access(AccessRefusal), ACCESS;
    SystemDisabled => -300 "The operator switched the web services off.",
    WrongToken => -201 "No token was given, or it is not known.",
    UnreadableToken => -202 "Not a token: longer than 128 characters, or not of plain ones.",
    WrongPassword => -1 "No account has this user name and this password.",
    TokenDisabled => -203 "The token is switched off.",
    TokenExpired => -204 "The token's time is over.",
    AccountDisabled => -103 "The account is switched off.",
    AccountExpired => -104 "The subscription is over.",
    ServiceNotPermitted => -106 "The account has no permission for the web services.",
    ServiceBlocked => -105 "The account's use of the web services is blocked.",
    MobileNotVerified => -102 "The account's mobile number is not verified.",
    PlainHttpNotPermitted => -109 "The account must come by HTTPS, and this request did not.",
    TokenAddressNotAllowed => -207 "The token does not work from this address.",
    AddressNotAllowed => -107 "The account may not come from this address.",
    TokenMethodNotAllowed => -208 "The token is not for this method.",
    MethodNotAllowed => -108 "The account may not use this method.",
}

/// The `Status` that goes with a code of access.
pub(crate) fn access_status(refusal: AccessRefusal) -> &'static str {
    match refusal {
        AccessRefusal::WrongToken | AccessRefusal::UnreadableToken => "Token_NotExists",
        AccessRefusal::WrongPassword => "User_NotExists",
        AccessRefusal::TokenDisabled => "Token_Disabled",
        AccessRefusal::TokenExpired => "Token_Expired",
        AccessRefusal::AccountDisabled => "User_Disabled",
        AccessRefusal::AccountExpired => "User_Expired",
        AccessRefusal::ServiceNotPermitted => "WebService_NotPermitted",
        AccessRefusal::ServiceBlocked => "WebService_Blocked",
        AccessRefusal::MobileNotVerified => "Mobile_NotVerified",
        AccessRefusal::PlainHttpNotPermitted => "Http_NotAllowed",
        AccessRefusal::TokenAddressNotAllowed | AccessRefusal::AddressNotAllowed => "Ip_NotAllowed",
        AccessRefusal::TokenMethodNotAllowed | AccessRefusal::MethodNotAllowed => {
            "Method_NotAllowed"
        }
        AccessRefusal::SystemDisabled => "System_Disabled",
    }
}

/// What a refusal of access means, and what mends it.
pub(crate) fn access_meaning(refusal: AccessRefusal) -> &'static str {
    let row = ACCESS.iter().find(|row| row.code == access(refusal));
    row.expect("every refusal of access has a code of its own").meaning
}

/// The refusals of access, for the documentation.
pub(crate) fn access_rows() -> &'static [Row] {
    ACCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_refusals_of_access_in_their_order() {
        let told = AccessRefusal::ALL.map(|refusal| (format!("{refusal:?}"), access(refusal)));
        let written: Vec<_> = ACCESS.iter().map(|row| (row.refusal.to_owned(), row.code)).collect();
        assert_eq!(written, told);
    }
}

//! Refusals as RFC 9457 problems: a code for programs, what it means and what mends it for people,
//! in English and Persian.

use app::bulk::NumberRefusal;
use app::quick_send::TextRefusal;
use app::sms::{FollowUpRefusal, SmsRefusal};
use app::support_call::SupportLine;
use app::template::SaidRefusal;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::access::AccessRefusal;
use domain::calendar::jalali::rfc3339;
use domain::quick_send::Refusal;
use domain::{Rials, Timestamp};
use serde::Serialize;

use super::detail::{self, Detail};

/// A kind of problem is written once: its code, its status and its words.
macro_rules! kinds {
    ($($kind:ident $status:literal $code:literal $title:literal $fix:literal
       $title_fa:literal $fix_fa:literal;)*) => {
        /// What can be wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// Every kind.
            pub(super) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Status, code, meaning and remedy, then both in Persian.
            pub(super) fn words(self) -> Words {
                match self {
                    $(Self::$kind => Words {
                        status: $status,
                        code: $code,
                        title: $title,
                        fix: $fix,
                        title_fa: $title_fa,
                        fix_fa: $fix_fa,
                    },)*
                }
            }
        }
    };
}

/// What is said of a kind.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Words {
    /// The HTTP status.
    pub(super) status: u16,
    /// For programs; never changes.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) title: &'static str,
    /// What mends it.
    pub(super) fix: &'static str,
    /// What is wrong, in Persian.
    pub(super) title_fa: &'static str,
    /// What mends it, in Persian.
    pub(super) fix_fa: &'static str,
}

kinds! {
    InvalidRequest 400 "invalid_request"
        "The request cannot be read." "See detail, and the schema at /v1/openapi.json."
        "درخواست خوانا نیست." "به detail_fa و ساختار /v1/openapi.json نگاه کنید.";
    InvalidKey 400 "invalid_idempotency_key"
        "The Idempotency-Key is empty, longer than 200 bytes or no ASCII text."
        "Use a UUID, new for each thing you want done."
        "کلید Idempotency-Key خالی، طولانی‌تر از ۲۰۰ بایت یا نامعتبر است."
        "برای هر کار تازه یک UUID تازه بفرستید.";
    Unauthorized 401 "unauthorized"
        "There is no token, or it is not known, switched off or expired."
        "Send the header Authorization: Bearer TOKEN with a valid token."
        "توکن نیست، شناخته نیست، خاموش است یا مهلت آن تمام شده است."
        "سرآیند Authorization: Bearer TOKEN را با توکن معتبر بفرستید.";
    Forbidden 403 "forbidden"
        "The account or token may not do this, or not from here."
        "See detail; the operator changes permissions."
        "حساب یا توکن اجازهٔ این کار را، یا از این نشانی، ندارد."
        "به detail_fa نگاه کنید؛ دسترسی‌ها را اپراتور تغییر می‌دهد.";
    InsufficientCredit 402 "insufficient_credit"
        "The balance does not cover the most this can cost."
        "Top up the account, or send less."
        "موجودی برای بیشترین هزینهٔ ممکن کافی نیست."
        "حساب را شارژ کنید یا کمتر بفرستید.";
    TooExpensive 402 "max_cost_exceeded"
        "It could cost more than max_cost; nothing was sent."
        "Raise max_cost, or send less; dry_run tells the price."
        "هزینه می‌تواند از max_cost بیشتر شود؛ چیزی ارسال نشد."
        "مقدار max_cost را بالا ببرید یا کمتر بفرستید؛ dry_run قیمت را می‌گوید.";
    NotFound 404 "not_found"
        "There is nothing here, or it belongs to someone else."
        "Check the id and the path."
        "چیزی اینجا نیست یا از آنِ حساب دیگری است."
        "شناسه و مسیر را بررسی کنید.";
    MethodNotAllowed 405 "method_not_allowed"
        "The path is not for this HTTP method." "The header Allow lists those that it is for."
        "این مسیر با این متد HTTP پاسخ نمی‌دهد." "سرآیند Allow متدهای مجاز را می‌گوید.";
    KeyReused 409 "idempotency_key_reused"
        "This Idempotency-Key was used with another body."
        "Send the same body again, or use a new key."
        "این Idempotency-Key با بدنهٔ دیگری به کار رفته است."
        "همان بدنه را دوباره بفرستید یا کلید تازه‌ای بسازید.";
    TooManyWebhooks 409 "too_many_webhooks"
        "The account has as many endpoints as it may." "Delete one that is not needed."
        "حساب به سقف تعداد نشانی‌های وب‌هوک رسیده است." "یکی را که لازم نیست حذف کنید.";
    TooManyExports 409 "too_many_exports"
        "Five of the account's exports are not written yet." "Wait until one is ready."
        "پنج خروجی این حساب هنوز نوشته نشده است." "تا آماده شدن یکی صبر کنید.";
    TooManyTickets 409 "too_many_tickets"
        "The account has as many open tickets as it may." "Close one that is answered."
        "حساب به سقف تعداد تیکت‌های باز رسیده است." "تیکتی را که پاسخ گرفته است ببندید.";
    ExportExpired 410 "export_expired"
        "The file was kept for seven days and is gone." "Ask for a new export."
        "پرونده هفت روز نگه داشته شد و دیگر نیست." "خروجی تازه‌ای بخواهید.";
    CodeUsed 409 "code_used"
        "The code was given before; it is good once." "Start a new code."
        "این کد پیش‌تر وارد شده و فقط یک بار معتبر است." "کد تازه‌ای شروع کنید.";
    CodeExpired 410 "code_expired"
        "The code is not good any more." "Start a new code."
        "مهلت این کد تمام شده است." "کد تازه‌ای شروع کنید.";
    CodeExhausted 410 "code_exhausted"
        "Wrong digits were given too often for this code." "Start a new code."
        "برای این کد بیش از حد رقم نادرست وارد شده است." "کد تازه‌ای شروع کنید.";
    TooSlow 408 "too_slow"
        "The body took too long to arrive." "Send it again."
        "رسیدن بدنهٔ درخواست بیش از حد طول کشید." "دوباره بفرستید.";
    TooLarge 413 "too_large"
        "The body is larger than the limit." "Send less at once."
        "بدنهٔ درخواست از حد مجاز بزرگ‌تر است." "کمتر بفرستید.";
    WrongNumber 422 "number_not_callable"
        "Not a number that can be called, or no trunk takes it."
        "Check the number: 0912…, +98912… or a landline with its area code."
        "شماره قابل تماس نیست یا مسیری برای آن نیست."
        "شماره را بررسی کنید: 0912…، ‎+98912… یا تلفن ثابت با کد شهر.";
    WrongMessage 422 "audio_not_usable"
        "The account has no such audio, or it is not approved."
        "Check audio_id, or wait for its approval."
        "حساب چنین صدایی ندارد یا تأیید نشده است."
        "مقدار audio_id را بررسی کنید یا منتظر تأیید بمانید.";
    MustBeApproved 422 "approval_needed"
        "Texts of this account must be listened to before they are sent."
        "Send an approved audio_id, or ask the operator."
        "متن‌های این حساب باید پیش از ارسال شنیده و تأیید شوند."
        "یک audio_id تأییدشده بفرستید یا از اپراتور بپرسید.";
    TextNotUsable 422 "text_not_speakable"
        "The text is empty, has nothing to be spoken, or is too short or too long."
        "Send up to 1000 characters that take three seconds to ten minutes."
        "متن خالی، ناخواندنی، یا بیش از حد کوتاه یا بلند است."
        "تا ۱۰۰۰ نویسه بفرستید که سه ثانیه تا ده دقیقه طول بکشد.";
    PlanNotAllowed 422 "campaign_not_allowed"
        "The campaign cannot be like this." "See detail."
        "کمپین با این مشخصات ممکن نیست." "به detail_fa نگاه کنید.";
    TemplateNotAllowed 422 "template_not_allowed"
        "The template cannot be like this." "See detail."
        "قالب پیام به این شکل ممکن نیست." "به detail_fa نگاه کنید.";
    ValueNotUsable 422 "value_not_usable"
        "A value of the template is missing, not of its type, or cannot be spoken."
        "See detail, and the values of the template."
        "مقداری از قالب نیست، از نوع آن نیست یا گفتنی نیست."
        "به detail_fa و مقدارهای قالب نگاه کنید.";
    AudioNotTaken 422 "audio_not_taken"
        "The file did not become audio that can be sent." "See detail."
        "پرونده به صدای قابل ارسال تبدیل نشد." "به detail_fa نگاه کنید.";
    SmsNotTaken 422 "sms_not_taken"
        "No SMS like this is taken." "See detail."
        "چنین پیامکی پذیرفته نمی‌شود." "به detail_fa نگاه کنید.";
    NoNewNumber 422 "no_new_number"
        "The list has no number that is not there already, or the campaign is full."
        "Check the list; a campaign has up to 16 million numbers."
        "در فهرست شمارهٔ تازه‌ای نیست یا کمپین پر است."
        "فهرست را بررسی کنید.";
    ClaimNotTaken 422 "claim_not_taken"
        "A claim like this is not taken." "See detail; a late one can be taken by the committee."
        "چنین درخواست خسارتی پذیرفته نمی‌شود."
        "به detail_fa نگاه کنید؛ درخواست دیرهنگام را کمیته می‌تواند بپذیرد.";
    FileNotTaken 422 "file_not_taken"
        "A file like this is not taken with a ticket."
        "See detail: text, pictures, PDF and sound, up to five megabytes."
        "چنین پرونده‌ای همراه تیکت پذیرفته نمی‌شود."
        "به detail_fa نگاه کنید: متن، تصویر، PDF و صدا تا پنج مگابایت.";
    IdentityNotTaken 422 "identity_not_taken"
        "This does not prove who somebody is." "See detail."
        "این هویت را ثابت نمی‌کند." "به detail_fa نگاه کنید.";
    PaymentNotTaken 422 "payment_not_taken"
        "A payment like this is not taken." "See detail."
        "چنین پرداختی پذیرفته نمی‌شود." "به detail_fa نگاه کنید.";
    FileUnreadable 422 "file_unreadable"
        "The file cannot be read as a table of numbers." "See detail."
        "پرونده به‌عنوان جدول شماره‌ها خوانا نیست." "به detail_fa نگاه کنید.";
    WrongState 409 "not_in_this_state"
        "That may not be asked of it in the state that it is in." "See detail, and its state."
        "در وضعیت کنونی این کار ممکن نیست." "به detail_fa و وضعیت آن نگاه کنید.";
    WrongMobile 422 "append_number_invalid"
        "append_number is not a telephone number." "Check it, or leave it out."
        "مقدار append_number شمارهٔ تلفن نیست." "آن را بررسی یا حذف کنید.";
    RecordingNotPermitted 403 "recording_not_permitted"
        "The account may not record callees."
        "Leave record_seconds out, or ask the operator."
        "حساب اجازهٔ ضبط صدای مخاطب را ندارد."
        "مقدار record_seconds را حذف کنید یا از اپراتور بپرسید.";
    IdentityNotProven 403 "identity_not_proven"
        "Nobody is called before it is proven who the account's owner is."
        "Prove it at /v1/identity_verifications, then send again."
        "تا هویت صاحب حساب احراز نشود با کسی تماس گرفته نمی‌شود."
        "هویت را در /v1/identity_verifications احراز کنید و دوباره بفرستید.";
    ClassNotAllowed 403 "class_not_allowed"
        "Messages of this class are not taken, or not from this account."
        "Send as another class if it is one, or ask the operator."
        "پیام‌های این رده پذیرفته نمی‌شوند یا این حساب اجازهٔ آن را ندارد."
        "اگر پیام از ردهٔ دیگری است آن را بنویسید یا از اپراتور بپرسید.";
    TimeNotAllowed 422 "outside_calling_hours"
        "Outside the hours in which calls may be placed."
        "Send within the hours, or make a campaign, which waits for them."
        "بیرون از ساعت‌های مجاز تماس است."
        "در ساعت مجاز بفرستید یا کمپین بسازید که منتظر می‌ماند.";
    TooManyRequests 429 "too_many_requests"
        "Too many requests in a short time, or too many with wrong tokens; nothing was done."
        "Wait as long as Retry-After says, in seconds, then send again."
        "درخواست‌ها، یا توکن‌های نادرست، در زمانی کوتاه بیش از حد است؛ کاری انجام نشد."
        "به اندازهٔ Retry-After (ثانیه) صبر کنید و دوباره بفرستید.";
    CodeWrong 422 "code_wrong"
        "These are not the digits that were said." "Let them be typed again; detail says how often."
        "رقم‌ها درست نیست." "بگذارید دوباره وارد شود؛ detail_fa شمار دفعات مانده را می‌گوید.";
    WrongWebhookUrl 422 "webhook_url_not_allowed"
        "The url is not one that events may be posted to."
        "Give an https address of a public host, without a user name."
        "رویدادها را نمی‌توان به این url فرستاد."
        "نشانی https یک میزبان عمومی، بدون نام کاربری، بدهید.";
    TooManyStreams 429 "too_many_streams"
        "There are as many streams open as may be." "Close one, or read /v1/events page by page."
        "تعداد جریان‌های باز به سقف رسیده است."
        "یکی را ببندید یا /v1/events را صفحه‌به‌صفحه بخوانید.";
    RepeatedTooOften 429 "number_sent_to_too_often"
        "The number was sent to too often in a short time." "Wait, then send again."
        "به این شماره در زمانی کوتاه بیش از حد ارسال شده است." "صبر کنید و دوباره بفرستید.";
    NeighboursTooOften 429 "neighbours_sent_to_too_often"
        "Numbers beside this one were called for codes too often, as fraud does."
        "Wait as Retry-After says; ask the operator if this is a mistake."
        "شماره‌های کنار این شماره برای کد بیش از حد تماس گرفته‌اند، مانند سوءاستفاده."
        "به اندازهٔ Retry-After صبر کنید؛ اگر اشتباه است از اپراتور بپرسید.";
    CodeSaidTooOften 429 "code_said_too_often"
        "The code was spoken as often as it may be." "Start a new code."
        "این کد به حداکثر دفعات خوانده شده است." "کد تازه‌ای شروع کنید.";
    Failed 500 "internal_error"
        "Something failed on our side."
        "Send the same request with the same Idempotency-Key again; ask us with request_id."
        "در سامانهٔ ما خطایی رخ داد."
        "همان درخواست را با همان Idempotency-Key دوباره بفرستید؛ با request_id از ما بپرسید.";
    DeskAway 503 "desk_away"
        "What you ask of the desk cannot be written down at this moment; nothing of it was kept."
        "Call as support says, or send the same again with the same Idempotency-Key after as many \
         seconds as Retry-After says."
        "درخواست شما اکنون ثبت نمی‌شود و چیزی از آن نگه داشته نشد."
        "همان‌طور که support می‌گوید تماس بگیرید، یا پس از Retry-After (ثانیه) همان را با همان \
         Idempotency-Key دوباره بفرستید.";
    Busy 503 "busy"
        "Too many requests at once; nothing was done." "Wait a second, then send again."
        "درخواست‌ها هم‌زمان بیش از حد است؛ کاری انجام نشد." "یک ثانیه صبر کنید و دوباره بفرستید.";
    Disabled 503 "sending_disabled"
        "The operator switched this service off." "Ask the operator, or try later."
        "اپراتور این سرویس را خاموش کرده است." "از اپراتور بپرسید یا بعداً دوباره بفرستید.";
}

/// After how many seconds a request to the desk is worth trying again: whatever lost it is seldom
/// over at once.
const DESK_WAIT_S: u32 = 30;

/// A kind, and what there is to say about this case.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    kind: Kind,
    detail: Option<Detail>,
    /// After how many seconds it is worth trying again.
    wait_s: Option<u32>,
    /// Who helps meanwhile.
    support: Option<Box<Support>>,
}

/// The line of support, as it is told.
#[derive(Debug, Clone, Serialize)]
struct Support {
    phone: Option<String>,
    open_now: bool,
    until: String,
    said: String,
    said_fa: String,
}

/// A problem as it is sent.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    #[serde(rename = "type")]
    link: String,
    #[serde(flatten)]
    words: Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail_fa: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    support: Option<&'a Support>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    /// A problem that its kind says everything about.
    pub(super) fn of(kind: Kind) -> Self {
        let wait_s = matches!(kind, Kind::Busy).then_some(1);
        Self { kind, detail: None, wait_s, support: None }
    }

    /// A problem with a word about this case.
    pub(super) fn with(kind: Kind, detail: impl Into<Detail>) -> Self {
        Self { detail: Some(detail.into()), ..Self::of(kind) }
    }

    /// A body that is no JSON of what is asked for.
    pub(super) fn unread(error: &serde_json::Error) -> Self {
        Self::with(Kind::InvalidRequest, detail::unread(error))
    }

    /// What could cost more than it may.
    pub(super) fn could_cost(cost: Rials) -> Self {
        let Rials(rials) = cost;
        let en = format!("It could cost {rials} rials.");
        Self::with(Kind::TooExpensive, (en, format!("هزینهٔ آن می‌تواند {rials} ریال شود.")))
    }

    /// A problem that is over after so many seconds.
    pub(super) fn to_wait(kind: Kind, wait_s: u32) -> Self {
        Self { wait_s: Some(wait_s), ..Self::of(kind) }
    }

    /// A problem that is over at a moment.
    pub(super) fn until(kind: Kind, at: Timestamp, now: Timestamp) -> Self {
        let seconds = at.us_since(now).max(0) / 1_000_000 + 1;
        Self::to_wait(kind, u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// What was asked of the desk was lost to a failure of ours: who answers meanwhile (T091).
    pub(super) fn of_desk(line: Option<SupportLine>) -> Self {
        let support = line.map(|line| {
            Box::new(Support {
                open_now: line.is_open,
                until: rfc3339(line.until),
                said: line.in_english(),
                said_fa: line.in_persian(),
                phone: line.phone,
            })
        });
        Self { support, ..Self::to_wait(Kind::DeskAway, DESK_WAIT_S) }
    }

    /// A text that was not sent.
    pub(super) fn of_text(refusal: TextRefusal) -> Self {
        Self::of(of_text(refusal))
    }

    /// A caller who may not come in.
    pub(super) fn of_access(refusal: AccessRefusal) -> Self {
        let kind = match refusal {
            AccessRefusal::SystemDisabled => Kind::Disabled,
            AccessRefusal::WrongToken
            | AccessRefusal::UnreadableToken
            | AccessRefusal::WrongPassword
            | AccessRefusal::TokenDisabled
            | AccessRefusal::TokenExpired => Kind::Unauthorized,
            AccessRefusal::AccountDisabled
            | AccessRefusal::AccountExpired
            | AccessRefusal::ServiceNotPermitted
            | AccessRefusal::ServiceBlocked
            | AccessRefusal::MobileNotVerified
            | AccessRefusal::PlainHttpNotPermitted
            | AccessRefusal::TokenAddressNotAllowed
            | AccessRefusal::AddressNotAllowed
            | AccessRefusal::TokenMethodNotAllowed
            | AccessRefusal::MethodNotAllowed => Kind::Forbidden,
        };
        Self::with(kind, (crate::rest::access_meaning(refusal), detail::access(refusal)))
    }

    /// A number that was not sent to.
    pub(super) fn of_number(refusal: NumberRefusal) -> Self {
        match refusal {
            NumberRefusal::Message(refusal) => Self::of(of_message(refusal)),
            NumberRefusal::Text(refusal) => Self::of(of_text(refusal)),
            NumberRefusal::Said(refusal) => Self::of_said(&refusal),
        }
    }

    /// An SMS that is not taken.
    pub(super) fn of_sms(refusal: SmsRefusal) -> Self {
        Self::with(
            Kind::SmsNotTaken,
            match refusal {
                SmsRefusal::NoPrice => {
                    ("The operator has no price for SMS.", "اپراتور برای پیامک قیمتی ندارد.")
                }
                SmsRefusal::Written(FollowUpRefusal::Text) => (
                    "sms.text has 1 to 600 characters, without control characters.",
                    "sms.text از ۱ تا ۶۰۰ نویسه دارد، بدون نویسهٔ کنترلی.",
                ),
                SmsRefusal::Written(FollowUpRefusal::After) => (
                    "sms.after lists heard, unreached, or results of calls; nobody is written \
                         to who opted out, or whose call was cancelled.",
                    "sms.after از heard، unreached یا نتیجه‌های تماس است؛ به کسی که لغو دریافت \
                         کرده یا تماسش لغو شده نوشته نمی‌شود.",
                ),
            },
        )
    }

    /// What cannot be said to one number.
    pub(super) fn of_said(refusal: &SaidRefusal) -> Self {
        let detail: Detail = match refusal {
            SaidRefusal::NotFound => {
                let detail = ("The account has no such template.", "حساب چنین قالبی ندارد.");
                return Self::with(Kind::WrongMessage, detail);
            }
            SaidRefusal::Value(bad) => {
                let fa = format!("{}: {}", bad.name, detail::value(bad.why));
                (format!("{}: {}", bad.name, bad.why.word()), fa).into()
            }
            SaidRefusal::NotSpoken => (
                "It is silent, or shorter than three seconds.",
                "صدایی ندارد یا کوتاه‌تر از سه ثانیه است.",
            )
                .into(),
            SaidRefusal::TooLong => {
                ("It plays longer than max_seconds.", "پخش آن بیش از max_seconds است.").into()
            }
        };
        Self::with(Kind::ValueNotUsable, detail)
    }

    /// The problem as one of several answers.
    pub(super) fn body<'a>(&'a self, request_id: Option<&'a str>) -> Body<'a> {
        let words = self.kind.words();
        let link = format!("/v1/docs#{}", words.code);
        let detail = self.detail.as_ref().map(|detail| detail.en.as_str());
        let detail_fa = self.detail.as_ref().map(|detail| detail.fa.as_str());
        Body { link, words, detail, detail_fa, support: self.support.as_deref(), request_id }
    }

    /// Its status, and the whole answer without the name of a request.
    pub(super) fn plain(&self) -> (u16, Vec<u8>) {
        let body = serde_json::to_vec(&self.body(None));
        (self.kind.words().status, body.expect("a problem is a plain struct with text keys"))
    }

    /// The problem as the whole answer.
    pub(super) fn into_response(self, request_id: &str) -> Response {
        let body = serde_json::to_string(&self.body(Some(request_id)));
        let body = body.expect("a problem is a plain struct with text keys");
        let status = StatusCode::from_u16(self.kind.words().status).expect("the table has codes");
        let media_type = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, media_type, body).into_response();
        let headers = response.headers_mut();
        if let Some(wait_s) = self.wait_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
        }
        if self.kind == Kind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn of_message(refusal: Refusal) -> Kind {
    match refusal {
        Refusal::Disabled => Kind::Disabled,
        Refusal::NotIdentified => Kind::IdentityNotProven,
        Refusal::WrongNumber => Kind::WrongNumber,
        Refusal::ClassNotAllowed => Kind::ClassNotAllowed,
        Refusal::TimeNotAllowed => Kind::TimeNotAllowed,
        Refusal::WrongMessage => Kind::WrongMessage,
        Refusal::InsufficientCredit => Kind::InsufficientCredit,
        Refusal::RecordingNotPermitted => Kind::RecordingNotPermitted,
    }
}

fn of_text(refusal: TextRefusal) -> Kind {
    match refusal {
        TextRefusal::Disabled => Kind::Disabled,
        TextRefusal::NotIdentified => Kind::IdentityNotProven,
        TextRefusal::MustBeApproved => Kind::MustBeApproved,
        TextRefusal::WrongNumber => Kind::WrongNumber,
        TextRefusal::InsufficientCredit => Kind::InsufficientCredit,
        TextRefusal::ClassNotAllowed => Kind::ClassNotAllowed,
        TextRefusal::TimeNotAllowed => Kind::TimeNotAllowed,
        TextRefusal::WrongMobile => Kind::WrongMobile,
        TextRefusal::TextTooLong
        | TextRefusal::TooLong
        | TextRefusal::NotSpoken
        | TextRefusal::TooShort
        | TextRefusal::EmptyText => Kind::TextNotUsable,
        TextRefusal::RepeatedTooOften => Kind::RepeatedTooOften,
        TextRefusal::RecordingNotPermitted => Kind::RecordingNotPermitted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: whoever reads Persian alone learns of every kind what is wrong and what mends it, and
    /// is never sent to words that are English.
    #[test]
    fn every_kind_is_told_in_both_languages() {
        let persian = |text: &str| text.chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c));
        for &kind in Kind::ALL {
            let words = kind.words();
            assert!(!words.title.is_empty() && !words.fix.is_empty(), "{kind:?}");
            assert!(!persian(words.title) && !persian(words.fix), "{kind:?}");
            assert!(persian(words.title_fa) && persian(words.fix_fa), "{kind:?}");
            let points = words.fix_fa.replace("detail_fa", "");
            assert!(!points.contains("detail"), "{kind:?} sends to the English detail");
            assert_eq!(
                words.fix.contains("detail"),
                words.fix_fa.contains("detail_fa"),
                "{kind:?}"
            );
        }
        let all = Kind::ALL.iter().map(|kind| kind.words().code);
        assert_eq!(all.collect::<std::collections::BTreeSet<_>>().len(), Kind::ALL.len());
    }
}

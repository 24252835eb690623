//! What a problem says of its case, in both languages: there is no way to say it in one alone.

use domain::access::AccessRefusal;
use domain::campaign::{PauseReason, State};
use domain::template::{SyntaxRefusal, ValueRefusal};

/// A word about a case. It is made of both languages, so nobody is told a half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Detail {
    /// In English.
    pub(super) en: String,
    /// In Persian.
    pub(super) fa: String,
}

impl<E: Into<String>, F: Into<String>> From<(E, F)> for Detail {
    fn from((en, fa): (E, F)) -> Self {
        Self { en: en.into(), fa: fa.into() }
    }
}

/// Why a JSON body is not what it should be: serde's words, and the same in Persian.
pub(super) fn unread(error: &serde_json::Error) -> Detail {
    let en = error.to_string();
    let (line, column) = (error.line(), error.column());
    let place =
        if line == 0 { String::new() } else { format!(" (سطر {line}، ستون {column})") };
    let fa = format!("{}{place}", in_persian(&en));
    Detail { en, fa }
}

/// What serde says of a value, in Persian. What it puts between backticks are names of ours, which
/// stay as they are written.
fn in_persian(en: &str) -> String {
    let said = en.split(" at line ").next().unwrap_or(en);
    let names: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    let first = names.first().copied().unwrap_or_default();
    let others = names.get(1..).unwrap_or_default().join("، ");
    let expected = said.split_once(", expected ").map_or("", |(_, expected)| expected);
    match said {
        _ if said.starts_with("missing field") => format!("فیلد {first} نیست"),
        _ if said.starts_with("duplicate field") => format!("فیلد {first} دو بار آمده است"),
        _ if said.starts_with("unknown field") && others.is_empty() => {
            format!("فیلد {first} شناخته نیست")
        }
        _ if said.starts_with("unknown field") => {
            format!("فیلد {first} شناخته نیست؛ فیلدها: {others}")
        }
        _ if said.starts_with("unknown variant") => {
            format!("مقدار {first} شناخته نیست؛ یکی از اینها: {others}")
        }
        _ if said.starts_with("invalid type") => {
            format!("نوع یک مقدار درست نیست؛ باید {} باشد", kind_in_persian(expected))
        }
        _ if said.starts_with("invalid value") => {
            format!("یک مقدار پذیرفتنی نیست؛ باید {} باشد", kind_in_persian(expected))
        }
        _ if said.starts_with("invalid length") => {
            format!("طول یک فهرست درست نیست؛ باید {} باشد", kind_in_persian(expected))
        }
        _ if said.starts_with("EOF") => String::from("بدنه ناتمام است"),
        _ if said.starts_with("trailing characters") => {
            String::from("پس از پایان JSON نویسهٔ اضافه آمده است")
        }
        _ => String::from("بدنه JSON درستی، به شکلی که در /v1/openapi.json آمده است، نیست"),
    }
}

/// What serde calls a kind of value. What a name of ours is for stays in it as it is written.
fn kind_in_persian(expected: &str) -> String {
    let word = match expected {
        "a string" | "a borrowed string" => "متن",
        "a boolean" => "true یا false",
        "a map" => "شیء JSON",
        "a sequence" => "فهرست",
        "a character" => "یک نویسه",
        "i64" | "i32" | "i16" | "i8" => "عدد صحیح",
        "u64" | "u32" | "u16" | "u8" | "usize" => "عدد صحیح نامنفی",
        "a nonzero u64" | "a nonzero u32" => "عدد صحیح بزرگ‌تر از صفر",
        "f64" | "f32" => "عدد",
        _ if expected.starts_with("struct ") => "شیء JSON",
        _ => "چنان‌که در /v1/openapi.json آمده است",
    };
    word.to_owned()
}

/// Why somebody may not come in, in Persian; the codes of REST have it in English.
pub(super) fn access(refusal: AccessRefusal) -> &'static str {
    match refusal {
        AccessRefusal::SystemDisabled => "اپراتور وب‌سرویس‌ها را خاموش کرده است.",
        AccessRefusal::WrongToken => "توکنی داده نشده یا شناخته نیست.",
        AccessRefusal::UnreadableToken => {
            "این توکن نیست: بیش از ۱۲۸ نویسه است یا نویسهٔ ناجور دارد."
        }
        AccessRefusal::WrongPassword => "حسابی با این نام کاربری و گذرواژه نیست.",
        AccessRefusal::TokenDisabled => "توکن خاموش است.",
        AccessRefusal::TokenExpired => "مهلت توکن تمام شده است.",
        AccessRefusal::AccountDisabled => "حساب خاموش است.",
        AccessRefusal::AccountExpired => "اشتراک حساب تمام شده است.",
        AccessRefusal::ServiceNotPermitted => "حساب اجازهٔ استفاده از وب‌سرویس‌ها را ندارد.",
        AccessRefusal::ServiceBlocked => "استفادهٔ حساب از وب‌سرویس‌ها بسته شده است.",
        AccessRefusal::MobileNotVerified => "شمارهٔ همراه حساب تأیید نشده است.",
        AccessRefusal::PlainHttpNotPermitted => {
            "این حساب باید با HTTPS بیاید و این درخواست چنین نبود."
        }
        AccessRefusal::TokenAddressNotAllowed => "توکن از این نشانی کار نمی‌کند.",
        AccessRefusal::AddressNotAllowed => "حساب اجازه ندارد از این نشانی بیاید.",
        AccessRefusal::TokenMethodNotAllowed => "توکن برای این کار نیست.",
        AccessRefusal::MethodNotAllowed => "حساب اجازهٔ این کار را ندارد.",
    }
}

/// Why a value of a template is none.
pub(super) fn value(refusal: ValueRefusal) -> &'static str {
    match refusal {
        ValueRefusal::Missing => "داده نشده است",
        ValueRefusal::Unknown => "در قالب نیست",
        ValueRefusal::NotDigits => "رقم نیست",
        ValueRefusal::NotANumber => "عدد نیست",
        ValueRefusal::NotADate => "تاریخ نیست",
        ValueRefusal::NotSpoken => "گفتنی نیست",
        ValueRefusal::TooLong => "بیش از حد بلند است",
    }
}

/// Why what is written is no template.
pub(super) fn syntax(refusal: &SyntaxRefusal) -> String {
    match refusal {
        SyntaxRefusal::Empty => String::from("خالی است"),
        SyntaxRefusal::TooLong => String::from("بخش‌ها یا نویسه‌های آن بیش از حد است"),
        SyntaxRefusal::Words(words) => {
            format!("«{words}» بیرون از آکولاد است: واژه‌ها صدایی جدا هستند با نام {{clip ID}}")
        }
        SyntaxRefusal::Brace => String::from("یک آکولاد جفت ندارد"),
        SyntaxRefusal::NoSuchKind(kind) => {
            format!("«{kind}» هیچ‌یک از clip، digits، number، amount:rial، date:jalali و text نیست")
        }
        SyntaxRefusal::Name(name) => {
            format!("«{name}» نام نیست: حرف، رقم، _ و - و نه بیش از حد بلند")
        }
        SyntaxRefusal::TwoKinds(name) => format!("{name} نام دو نوع مقدار است"),
    }
}

/// The state of a campaign.
pub(super) fn campaign(state: State) -> &'static str {
    match state {
        State::Draft => "پیش‌نویس",
        State::Running => "در حال اجرا",
        State::Paused(PauseReason::Asked) => "در مکث",
        State::Paused(PauseReason::InsufficientCredit) => "در مکث، چون موجودی کافی نیست",
        State::Paused(PauseReason::Ceiling) => "در مکث، چون به سقف هزینه رسیده است",
        State::Paused(PauseReason::Failing) => "در مکث، چون تماس‌هایش ناموفق بوده‌اند",
        State::Stopped => "متوقف",
        State::Finished => "تمام‌شده",
        State::Cancelled => "لغوشده",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is looked at")]
    struct Asked {
        to: String,
        tries: u32,
        #[serde(default)]
        class: Class,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Class {
        #[default]
        Service,
        Emergency,
    }

    fn said(body: &str) -> String {
        unread(&serde_json::from_str::<Asked>(body).expect_err("it is no such thing")).fa
    }

    /// Goal: who reads Persian learns which field it is, and what it should be.
    #[test]
    fn what_serde_says_of_a_body_is_said_in_persian() {
        let whole = r#"{"to":"0912","tries":1,"class":"service"}"#;
        assert!(serde_json::from_str::<Asked>(whole).is_ok());
        assert_eq!(said(r#"{"tries":1}"#), "فیلد to نیست (سطر 1، ستون 11)");
        assert!(said(r#"{"to":"1","to":"2","tries":1}"#).starts_with("فیلد to دو بار"));
        assert!(said(r#"{"number":1}"#).starts_with("فیلد number شناخته نیست؛ فیلدها: to، tries"));
        assert!(said(r#"{"to":1}"#).contains("باید متن باشد"));
        assert!(said(r#"{"tries":"x"}"#).contains("باید عدد صحیح نامنفی باشد"));
        assert!(said(r#"{"tries":-1}"#).contains("باید عدد صحیح نامنفی باشد"));
        let class = said(r#"{"class":"spam"}"#);
        assert!(class.starts_with("مقدار spam شناخته نیست؛ یکی از اینها: service، emergency"));
        assert!(said(r#"{"to":"#).starts_with("بدنه ناتمام"));
        assert!(said(&format!("{whole}x")).starts_with("پس از پایان"));
        assert!(said("{,}").starts_with("بدنه JSON درستی"));
    }
}

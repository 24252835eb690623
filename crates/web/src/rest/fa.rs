//! Persian words of the web services: the label of every status a client can see, and what its
//! money went for.

use app::billing::StatementLine;
use domain::calendar::jalali;
use domain::campaign::RecipientStatus;
use domain::{Disposition, Status, Tariff};

/// What `GetQuickSend` says in `status`.
pub fn status_label(status: Status) -> &'static str {
    match status {
        Status::Queued => "در صف ارسال",
        Status::Calling => "در حال تماس",
        Status::Ringing => "در حال زنگ خوردن",
        Status::Answered => "پاسخ داده شد، در حال پخش",
        Status::Ended(disposition) => disposition_label(disposition),
    }
}

/// What is told of a recipient of a campaign.
pub(crate) fn recipient_label(status: RecipientStatus) -> &'static str {
    match status {
        RecipientStatus::Of(status) => status_label(status),
        RecipientStatus::Retrying => "در انتظار تماس دوباره",
    }
}

/// What a line of a statement is for.
pub(crate) fn transaction(line: &StatementLine) -> String {
    match (line.quick_send, line.kind.as_str()) {
        (Some(send), "refund") => format!("بازگشت هزینهٔ تماس {send}: {}", line.note),
        (Some(send), _) => format!("تماس {send} با {}", line.note),
        (None, "speech") => String::from("ساخت گفتار"),
        (None, _) if line.note.is_empty() => String::from("افزایش اعتبار"),
        (None, _) => format!("افزایش اعتبار: {}", line.note),
    }
}

/// A tariff's name.
pub(crate) fn tariff_title(tariff: &Tariff) -> String {
    if tariff.effective_from.0 <= 0 {
        return String::from("تعرفهٔ پایه");
    }
    format!("تعرفه از {}", jalali::jalali_date(tariff.effective_from))
}

fn disposition_label(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Delivered => "پیام تا پایان شنیده شد",
        Disposition::HeardInPart => "بخشی از پیام شنیده شد",
        Disposition::NoAnswer => "پاسخ نداد",
        Disposition::Busy => "مشغول بود",
        Disposition::Rejected => "تماس را رد کرد",
        Disposition::Unreachable => "خاموش یا خارج از دسترس",
        Disposition::InvalidNumber => "شماره نامعتبر است",
        Disposition::AnsweringMachine => "پیام‌گیر پاسخ داد",
        Disposition::NetworkFailure => "خطای شبکه یا مسیر تماس",
        Disposition::Expired => "مهلت ارسال به پایان رسید",
        Disposition::Cancelled => "لغو شد",
        Disposition::OptedOut => "مسدود به درخواست مخاطب",
    }
}

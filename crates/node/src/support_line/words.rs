//! What the support line says, in Persian. A telephone number is said digit by digit between two
//! of these.

/// What is said first where the operator has no words of their own.
pub const GREETING: &str = "به پشتیبانی خوش آمدید.";
/// The offer to call back, to who sent a number (C15, N7).
pub(super) const OFFER: &str = "همهٔ همکاران ما در حال گفتگو هستند. اگر می‌خواهید با همین شماره با \
     شما تماس بگیریم، ستاره را بزنید. برای شماره‌ای دیگر، آن را وارد کنید و سپس مربع را بزنید. \
     نوبت شما محفوظ می‌ماند. اگر می‌خواهید منتظر بمانید، گوشی را نگه دارید.";
/// The same, to who did not.
pub(super) const OFFER_HIDDEN: &str = "همهٔ همکاران ما در حال گفتگو هستند. اگر می‌خواهید با شما \
     تماس بگیریم، شمارهٔ تلفن خود را وارد کنید و سپس مربع را بزنید. نوبت شما محفوظ می‌ماند. اگر \
     می‌خواهید منتظر بمانید، گوشی را نگه دارید.";
/// To who presses the star and sent no number (T115).
pub(super) const ASK_NUMBER: &str = "شمارهٔ شما برای ما ارسال نشده است. شمارهٔ تلفن خود را وارد \
     کنید و سپس مربع را بزنید.";
/// To who entered what is no number that is called back (T116).
pub(super) const WRONG_NUMBER: &str = "این شماره پذیرفته نیست. شمارهٔ دیگری وارد کنید و سپس مربع \
     را بزنید.";
/// Before a number that was typed, and after it (T113).
pub(super) const READ_BACK: [&str; 2] =
    ["شمارهٔ", "را وارد کردید. اگر درست است مربع را بزنید؛ اگر نه، شماره را دوباره وارد کنید."];
/// Before the number that is called back, and after it (T112, T113).
pub(super) const REGISTERED: [&str; 2] =
    ["درخواست شما ثبت شد. با شمارهٔ", "با شما تماس می‌گیریم و نوبت شما محفوظ است. خدانگهدار."];
/// When something of ours failed.
pub(super) const SORRY: &str = "متأسفانه اکنون نتوانستیم درخواست شما را ثبت کنیم. لطفاً دوباره \
     تلاش کنید یا منتظر بمانید.";
/// To who is called back (T121).
pub(super) const CALLBACK: &str = "سلام. از پشتیبانی با شما تماس می‌گیریم، چنان که خواسته بودید. \
     برای گفتگو با کارشناس، یک را بزنید.";
/// The digits, from 0.
pub(super) const DIGITS: [&str; 10] = ["۰", "۱", "۲", "۳", "۴", "۵", "۶", "۷", "۸", "۹"];

/// Where somebody stands in the line, and in how many minutes that may be answered.
pub(super) fn place(place: u32, minutes: Option<u32>) -> String {
    let wait = minutes
        .map_or_else(String::new, |minutes| format!(" زمان انتظار حدود {minutes} دقیقه است."));
    format!("شما نفر {place} در صف هستید.{wait} لطفاً منتظر بمانید.")
}

/// When the line is closed: when it opens (T126).
pub(super) fn closed(opens: Option<&str>) -> String {
    match opens {
        Some(opens) => format!("پشتیبانی اکنون بسته است و از {opens} پاسخ می‌دهد. خدانگهدار."),
        None => String::from("پشتیبانی اکنون بسته است. خدانگهدار."),
    }
}

/// What is written to who calls while the line is closed: where a request can be left (T126).
pub(super) fn closed_sms(opens: Option<&str>, link: &str) -> String {
    let closed = match opens {
        Some(opens) => format!("پشتیبانی اکنون بسته است و از {opens} پاسخ می‌دهد."),
        None => String::from("پشتیبانی اکنون بسته است."),
    };
    format!("{closed} درخواست خود را اینجا بنویسید:\n{link}")
}

/// The offer to call back, to who sent a number or did not.
pub(super) const fn offer(sent_a_number: bool) -> &'static str {
    if sent_a_number { OFFER } else { OFFER_HIDDEN }
}

//! docs/ERRORS.md, printed from the tables of `codes`, so that it cannot say anything else.

use std::fmt::Write;

use super::codes::{self, Row};
use super::codes::{RECORD_DURATION_NOT_ALLOWED, SMS_LIST_EMPTY, SMS_NOT_SENT};
use super::codes::{REGION_UNKNOWN, TOO_MANY_NUMBERS, WRONG_PERIOD};
use super::method::Method;

/// The catalogue of refusals as a Markdown page.
pub fn errors_page() -> String {
    let mut page = String::from(
        "# Refusals and their codes\n\n\
         Printed from `crates/web/src/rest/codes.rs`; `UPDATE_DOCS=1 cargo test -p web` rewrites \
         it.\n\nA known method answers HTTP 200 whatever happens; the code stands in `Result` \
         (AccountStatus), `ErrorCode` (SendOTP), `Result` (SendOCV), `Id` (UploadMessageBase64, GenerateTTS) or `QuickSendID` (QuickSend, \
         QuickSendWithTTS), `Result` (GetProfile); CreateCampaign, CreateCampaignGIS, StartCampaign, MakeSecureCall and GetTotalCostByDate answer the bare number. Methods that \
         get or download something answer `null` instead, DeleteMessage and StopCampaign `false`. \
         Our own failures carry a number in the header `X-Reference`, which \
         the log has too.\n\n\
         HTTP itself refuses with 404 (no such method), 405 (neither GET nor POST), 408 (the body \
         came too slowly), 413 (the body is larger than `http.body_limit_bytes`), 415 (multipart) \
         and 503 (too much at once; `Retry-After` says when). Methods that speak, \
         decode, take a list in or go through a long one (UploadMessageBase64, GenerateTTS, \
         QuickSendWithTTS, CreateCampaign, GetTransactions, GetTotalCostByDate, \
         GetCampaignNumbersByMessageId, GetCampaignNumbersBySendDate) get it first: they may take a part \
         of the places only, so that a burst of them keeps nobody else out.\n",
    );
    page.push_str(
        "\nAccess is judged before the method, in the order of the first table: is anybody served, \
         who is it, how did the request come, what is it for. The first reason is told.\n",
    );
    let before = "A failure of ours before the method was reached; see `X-Reference`.";
    let failure = [("(failure)", codes::UNKNOWN_ERROR, before)];
    section(&mut page, "Every method: access", codes::access_rows(), &failure);
    for &method in Method::ALL {
        let failure = method.failure_code();
        let mut more = seen_by_the_edge(method);
        more.push(("(failure)", failure, "A failure of ours; see `X-Reference`."));
        section(&mut page, method.name(), method.rows(), &more);
    }
    page
}

/// A refusal, its code and its meaning.
type Told = (&'static str, i32, &'static str);

/// What is refused before the rules of the product are asked.
fn seen_by_the_edge(method: Method) -> Vec<Told> {
    let duration = "`RecordVoiceDuration` is not between 1 and 300 seconds.";
    let duration = ("RecordDurationNotAllowed", RECORD_DURATION_NOT_ALLOWED, duration);
    match method {
        Method::QuickSend | Method::QuickSendWithTts => vec![duration],
        Method::CreateCampaign | Method::CreateCampaignGis => {
            let region = "`GISCroods` is not the border of a region.";
            let region = ("RegionUnknown", REGION_UNKNOWN, region);
            let is_region = method == Method::CreateCampaignGis;
            let sms = "`SMSJSON` is not one `Success` of the `public` line.";
            let sms = [
                ("SmsListEmpty", SMS_LIST_EMPTY, "`SMS` without any text in `SMSJSON`."),
                ("SmsNotSent", SMS_NOT_SENT, sms),
            ];
            [duration].into_iter().chain(is_region.then_some(region)).chain(sms).collect()
        }
        Method::GetTotalCostByDate => {
            let meaning = "`FromDate` or `ToDate` is none, or the end is not after the start.";
            vec![("WrongPeriod", WRONG_PERIOD, meaning)]
        }
        Method::GetCampaignNumbersStatusByIds => {
            let meaning = "More than 100 numbers; the code is the only item of the list.";
            vec![("TooManyNumbers", TOO_MANY_NUMBERS, meaning)]
        }
        _ => Vec::new(),
    }
}

fn section(page: &mut String, title: &str, rows: &[Row], more: &[(&str, i32, &str)]) {
    let mut line = |text: String| writeln!(page, "{text}").expect("a String takes any text");
    line(format!("\n## {title}\n"));
    line(String::from("| Code | Refusal | Meaning |"));
    line(String::from("|---|---|---|"));
    for row in rows {
        line(format!("| {} | {} | {} |", row.code, row.refusal, row.meaning));
    }
    for (refusal, code, meaning) in more {
        line(format!("| {code} | {refusal} | {meaning} |"));
    }
}

//! Exports: files that a customer asks for and fetches when they are there. What there may be, for
//! how long, and how a line of one is written.

use std::fmt::Write as _;

use crate::Timestamp;
use crate::calendar::jalali::{gregorian_date_time, jalali_date, rfc3339};

/// Exports of one account that wait or are written.
pub const OPEN_MAX: u32 = 5;
/// How long a file is kept, milliseconds: seven days.
pub const KEPT_MS: i64 = 7 * 24 * 3_600_000;
/// How long it is known afterwards that there was one, milliseconds: thirty days.
pub const KNOWN_MS: i64 = 30 * 24 * 3_600_000;
/// How often writing one is begun, before it is given up.
pub const TRIES_MAX: u32 = 5;

/// What is in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The numbers of a campaign, and what became of each.
    CampaignNumbers,
    /// Sends by the time at which they were accepted.
    Messages,
    /// What changed the balance.
    Statement,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::CampaignNumbers, Self::Messages, Self::Statement];

    /// Its name among programs, which is also the stored one.
    pub fn word(self) -> &'static str {
        match self {
            Self::CampaignNumbers => "campaign_numbers",
            Self::Messages => "messages",
            Self::Statement => "statement",
        }
    }

    /// Reads a name made by [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What stands above its columns.
    pub fn headings(self) -> &'static [&'static str] {
        match self {
            Self::CampaignNumbers => &[
                "number",
                "state",
                "result",
                "tries",
                "heard_seconds",
                "key",
                "charged_rials",
                "called_at",
                "ended_at",
                "message_id",
                "keys",
                "recording",
                "recording_seconds",
            ],
            Self::Messages => &[
                "id",
                "number",
                "audio_id",
                "state",
                "result",
                "cause",
                "sip_code",
                "heard_seconds",
                "key",
                "charged_rials",
                "created_at",
                "answered_at",
                "ended_at",
                "campaign_id",
                "keys",
                "recording",
                "recording_seconds",
            ],
            Self::Statement => &["at", "rials", "kind", "message_id", "note"],
        }
    }
}

/// Where an export stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody is at it yet.
    Waiting,
    /// It is being written.
    Writing,
    /// It can be fetched.
    Ready,
    /// It could not be written.
    Failed,
    /// Its file is gone, as announced.
    Expired,
}

impl State {
    /// Its name among programs, which is also the stored one.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Writing => "writing",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// Reads a name made by [`Self::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Writing, Self::Ready, Self::Failed, Self::Expired]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether it begins with the mark by which Excel knows UTF-8.
    pub bom: bool,
    /// Whether its dates are those of the Persian calendar.
    pub jalali: bool,
}

impl Style {
    /// What the file begins with: the mark, if it has one, and the headings.
    pub fn head(self, kind: Kind) -> String {
        let mut text = String::from(if self.bom { "\u{feff}" } else { "" });
        let mut line = Line::of(&mut text);
        for heading in kind.headings() {
            line.text(heading);
        }
        line.end();
        text
    }

    /// A moment, on Tehran's clock; nothing for none.
    pub fn moment(self, at: Option<Timestamp>) -> String {
        match at {
            None => String::new(),
            Some(at) if self.jalali => {
                let written = gregorian_date_time(at);
                let (_, time) = written.split_once(' ').expect("a date, a space and a time");
                format!("{} {time}", jalali_date(at))
            }
            Some(at) => rfc3339(at),
        }
    }
}

/// A line of comma-separated values (RFC 4180).
pub struct Line<'a> {
    text: &'a mut String,
    is_first: bool,
}

impl<'a> Line<'a> {
    /// A line behind those that are there.
    pub fn of(text: &'a mut String) -> Self {
        Self { text, is_first: true }
    }

    /// Adds a text. What a spreadsheet would take for a formula is made a text by an apostrophe:
    /// others than who reads the file may have written it.
    pub fn text(&mut self, cell: &str) {
        self.separate();
        let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let is_quoted = is_formula || cell.contains([',', '"', '\n', '\r', '\'']);
        if !is_quoted {
            self.text.push_str(cell);
            return;
        }
        self.text.push('"');
        if is_formula {
            self.text.push('\'');
        }
        self.text.push_str(&cell.replace('"', "\"\""));
        self.text.push('"');
    }

    /// Adds a number; nothing for none.
    pub fn number(&mut self, number: Option<i64>) {
        self.separate();
        if let Some(number) = number {
            self.text.push_str(&number.to_string());
        }
    }

    /// Adds milliseconds as seconds.
    pub fn seconds(&mut self, ms: u32) {
        self.seconds_of(Some(ms));
    }

    /// Adds milliseconds as seconds; nothing for none.
    pub fn seconds_of(&mut self, ms: Option<u32>) {
        self.separate();
        let Some(ms) = ms else { return };
        let (whole, rest) = (ms / 1_000, ms % 1_000);
        write!(self.text, "{whole}.{rest:03}").expect("a String grows");
    }

    /// Ends the line.
    pub fn end(self) {
        self.text.push_str("\r\n");
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.text.push(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 12:00 in Tehran.
    const NOON: Timestamp = Timestamp(1_795_336_200_000_000);

    #[test]
    fn a_line_is_what_spreadsheets_read_and_no_formula() {
        let mut text = String::new();
        let mut line = Line::of(&mut text);
        for cell in ["a", "b,\"c\"", "", "=HYPERLINK(1)", "-1", "دو\nخط"] {
            line.text(cell);
        }
        line.number(Some(-225));
        line.number(None);
        line.seconds(4_050);
        line.end();
        let expected = "a,\"b,\"\"c\"\"\",,\"'=HYPERLINK(1)\",\"'-1\",\"دو\nخط\",-225,,4.050\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn dates_and_the_mark_are_as_asked() {
        let plain = Style { bom: false, jalali: false };
        let persian = Style { bom: true, jalali: true };
        assert_eq!(plain.moment(Some(NOON)), "2026-11-22T12:00:00+03:30");
        assert_eq!(persian.moment(Some(NOON)), "1405/09/01 12:00:00");
        assert_eq!((plain.moment(None), persian.moment(None)), (String::new(), String::new()));
        assert_eq!(plain.head(Kind::Statement), "at,rials,kind,message_id,note\r\n");
        assert!(persian.head(Kind::Statement).starts_with("\u{feff}at,"));
    }

    #[test]
    fn words_are_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_word(kind.word()), Some(kind));
        }
        for state in [State::Waiting, State::Writing, State::Ready, State::Failed, State::Expired] {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!((Kind::from_word("x"), State::from_word("x")), (None, None));
    }
}

//! SMS to who calls the closed line: where a request can be left (T126). One for each number until
//! the line opens.

use std::collections::BTreeMap;

use domain::{PhoneNumber, Timestamp};

/// Numbers that are remembered; who calls beyond them is written nothing.
const NUMBERS_MAX: usize = 10_000;
/// How long a number is remembered when nobody knows when the line opens, microseconds.
const REMEMBERED_US: i64 = 24 * 3_600_000_000;

/// An SMS that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSms {
    /// To whom: a mobile number.
    pub number: PhoneNumber,
    /// What is written.
    pub text: String,
}

/// Who was written to, and what is to be sent.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Until when nothing more is written to a number.
    written: BTreeMap<String, Timestamp>,
    due: Vec<LinkSms>,
}

impl Links {
    pub(super) fn add(
        &mut self,
        number: &PhoneNumber,
        text: String,
        (now, opens_at): (Timestamp, Option<Timestamp>),
    ) {
        self.written.retain(|_, until| *until > now);
        let is_new = !self.written.contains_key(number.national());
        if !number.is_mobile() || !is_new {
            return;
        }
        if self.written.len() >= NUMBERS_MAX {
            tracing::warn!("too many callers of the closed line are written to: not this one");
            return;
        }
        let until = opens_at.unwrap_or_else(|| now.plus_us(REMEMBERED_US));
        self.written.insert(number.national().to_owned(), until);
        self.due.push(LinkSms { number: number.clone(), text });
    }

    pub(super) fn take(&mut self) -> Vec<LinkSms> {
        std::mem::take(&mut self.due)
    }
}

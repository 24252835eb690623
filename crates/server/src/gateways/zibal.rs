//! Zibal, version 1 of its interface (help.zibal.ir/IPG/API).

use anyhow::{Result, anyhow, ensure};
use app::ports::{Opened, Opening, Verdict};
use domain::calendar::date_time::Written;
use domain::{Rials, Timestamp};
use serde_json::{Value, json};

use super::{Peer, complaint, told_reference};

/// Its name among gateways.
pub(super) const NAME: &str = "zibal";
/// It was done.
const DONE: i64 = 100;
/// It was done before.
const DONE_BEFORE: i64 = 201;
/// Nobody has paid it, or not yet.
const NOT_PAID: i64 = 202;
/// The status of what was paid and verified.
const PAID: i64 = 1;
/// There is none of that number.
const UNKNOWN: i64 = 203;

/// A merchant.
pub(super) struct Zibal {
    merchant: String,
    peer: Peer,
}

impl Zibal {
    pub(super) fn new(merchant: &str, peer: Peer) -> Self {
        Self { merchant: merchant.to_owned(), peer }
    }

    pub(super) async fn open(&self, opening: &Opening, back: &str) -> Result<Opened> {
        let asked = json!({
            "merchant": self.merchant,
            "amount": opening.amount.0,
            "callbackUrl": back,
            "orderId": opening.number.to_string(),
            "description": format!("پرداخت {}", opening.number),
        });
        let told = self.peer.post("/v1/request", &asked).await?;
        let track = told["trackId"].as_i64().filter(|track| *track > 0);
        match (result(&told)?, track) {
            (DONE, Some(track)) => Ok(Opened::At {
                authority: track.to_string(),
                url: self.peer.page(&format!("/start/{track}")),
            }),
            (DONE, None) => Err(anyhow!("it opens a payment without a name")),
            (code, _) => Ok(Opened::Refused(self.complaint(code, &told))),
        }
    }

    fn complaint(&self, code: i64, told: &Value) -> String {
        complaint(code, &told["message"], &self.merchant)
    }

    pub(super) async fn verify(&self, authority: &str, amount: Rials) -> Result<Verdict> {
        let track: i64 = authority.parse()?;
        let asked = json!({ "merchant": self.merchant, "trackId": track });
        let told = self.peer.post("/v1/verify", &asked).await?;
        match result(&told)? {
            DONE => paid(&told, amount, track),
            // Of what was verified before it says no more than that: what it was is asked for.
            DONE_BEFORE => {
                let told = self.peer.post("/v1/inquiry", &asked).await?;
                let code = result(&told)?;
                ensure!(code == DONE, "it answers {}", self.complaint(code, &told));
                let status = told["status"].as_i64();
                ensure!(status == Some(PAID), "it was verified before, and stands at {status:?}");
                paid(&told, amount, track)
            }
            NOT_PAID => Ok(Verdict::NotPaid(self.complaint(NOT_PAID, &told))),
            UNKNOWN => Ok(Verdict::Wrong(self.complaint(UNKNOWN, &told))),
            code => Err(anyhow!("it answers {}", self.complaint(code, &told))),
        }
    }
}

/// What was paid, if it is what was asked for.
fn paid(told: &Value, amount: Rials, track: i64) -> Result<Verdict> {
    let paid = told["amount"].as_i64().ok_or_else(|| anyhow!("it does not say how much"))?;
    // A merchant of tests has none of the bank's.
    let reference = told_reference(&told["refNumber"]);
    let reference = reference.unwrap_or_else(|| format!("TRACK{track}"));
    if paid == amount.0 {
        Ok(Verdict::Paid { reference, paid_at: told["paidAt"].as_str().and_then(moment) })
    } else {
        Ok(Verdict::OtherAmount { paid: Rials(paid), reference })
    }
}

/// A moment as it is told: on Tehran's clock, like `2018-03-25T23:43:01.053000`.
fn moment(told: &str) -> Option<Timestamp> {
    let (second, rest) = told.split_at_checked(19)?;
    let is_fraction = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    // One that names a zone is none of which we know what it means.
    if !rest.is_empty() && !rest.strip_prefix('.').is_some_and(is_fraction) {
        return None;
    }
    let written = Written::parse(&second.replace('T', " "))?;
    written.at_second(written.second()?)
}

fn result(told: &Value) -> Result<i64> {
    told["result"].as_i64().ok_or_else(|| anyhow!("there is no result in its answer"))
}

#[cfg(test)]
mod tests {
    use domain::calendar::jalali::rfc3339;

    use super::*;

    #[test]
    fn a_moment_is_of_tehran_or_none() {
        for told in ["2018-03-25T23:43:01.053000", "2018-03-25T23:43:01"] {
            assert_eq!(moment(told).map(rfc3339).as_deref(), Some("2018-03-25T23:43:01+04:30"));
        }
        for told in ["", "2018-03-25T23:43:01Z", "2018-03-25T23:43:01.1+03:30", "دوشنبه ۱۲:۰۰:۰۰"]
        {
            assert_eq!(moment(told), None, "{told}");
        }
    }
}

//! Zarinpal, version 4 of its interface (zarinpal.com/docs/paymentGateway).

use anyhow::{Result, anyhow};
use app::ports::{Opened, Opening, Verdict};
use domain::Rials;
use serde_json::{Value, json};

use super::{Peer, complaint, told_reference};

/// Its name among gateways.
pub(super) const NAME: &str = "zarinpal";
/// It was done.
const DONE: i64 = 100;
/// It was done before.
const DONE_BEFORE: i64 = 101;
/// The amount is another.
const OTHER_AMOUNT: i64 = -50;
/// Nobody has paid it yet.
const NOT_PAID: i64 = -51;
/// It is not this merchant's, or there is none.
const UNKNOWN: [i64; 3] = [-53, -54, -55];

/// A merchant.
pub(super) struct Zarinpal {
    merchant: String,
    peer: Peer,
}

impl Zarinpal {
    pub(super) fn new(merchant: &str, peer: Peer) -> Self {
        Self { merchant: merchant.to_owned(), peer }
    }

    pub(super) async fn open(&self, opening: &Opening, back: &str) -> Result<Opened> {
        let asked = json!({
            "merchant_id": self.merchant,
            "amount": opening.amount.0,
            "currency": "IRR",
            "callback_url": back,
            "description": format!("پرداخت {}", opening.number),
            "metadata": { "order_id": opening.number.to_string() },
        });
        let told = self.peer.post("/pg/v4/payment/request.json", &asked).await?;
        let authority = told["data"]["authority"].as_str();
        match (code(&told)?, authority) {
            (DONE, Some(authority)) if plain(authority) => Ok(Opened::At {
                url: self.peer.page(&format!("/pg/StartPay/{authority}")),
                authority: authority.to_owned(),
            }),
            (DONE, _) => Err(anyhow!("it opens a payment without a name")),
            (code, _) => Ok(Opened::Refused(self.complaint(code, &told))),
        }
    }

    fn complaint(&self, code: i64, told: &Value) -> String {
        complaint(code, &told["errors"]["message"], &self.merchant)
    }

    pub(super) async fn verify(&self, authority: &str, amount: Rials) -> Result<Verdict> {
        let asked = json!({
            "merchant_id": self.merchant,
            "amount": amount.0,
            "authority": authority,
        });
        let told = self.peer.post("/pg/v4/payment/verify.json", &asked).await?;
        let code = code(&told)?;
        if code == DONE || code == DONE_BEFORE {
            let reference = told_reference(&told["data"]["ref_id"]);
            let none = || anyhow!("it says that it was paid, and under no reference");
            // When it was paid it does not say.
            return Ok(Verdict::Paid { reference: reference.ok_or_else(none)?, paid_at: None });
        }
        let why = self.complaint(code, &told);
        Ok(match code {
            NOT_PAID => Verdict::NotPaid(why),
            OTHER_AMOUNT => Verdict::Wrong(why),
            code if UNKNOWN.contains(&code) => Verdict::Wrong(why),
            // Its own troubles, or ours with it: nothing is decided by them.
            _ => return Err(anyhow!("it answers {why}")),
        })
    }
}

/// The code of an answer, which stands beside the data or beside the errors.
fn code(told: &Value) -> Result<i64> {
    let code = told["data"]["code"].as_i64().or_else(|| told["errors"]["code"].as_i64());
    code.ok_or_else(|| anyhow!("there is no code in its answer"))
}

/// Whether a name can stand in an address.
fn plain(authority: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !authority.is_empty() && authority.len() <= 100 && authority.bytes().all(plain)
}

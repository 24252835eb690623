//! The customers: their accounts, messages and phones, and what they submit.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use app::ports::Blobs as _;
use app::quick_send::NewSend;
use app::{App, Caller, Error};
use domain::{
    AccountId, Approval, MessageClass, MessageId, QuickSendId, Rials, Timestamp, TokenId,
};

use crate::process::Ground;
use crate::script::Plan;

/// Where the carrier listens; the phones of customers live there too.
pub(crate) const CARRIER_SIP: &str = "192.0.2.2:5060";

/// A message of a customer.
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) samples: Arc<[i16]>,
}

/// A customer with what it has.
pub(crate) struct Customer {
    pub(crate) account: AccountId,
    pub(crate) credit: i64,
    pub(crate) messages: Vec<Message>,
}

/// Everything that customers have and were promised.
#[derive(Default)]
pub(crate) struct Customers {
    pub(crate) all: Vec<Customer>,
    /// The sends that were accepted, with the number as it was given.
    pub(crate) accepted: BTreeMap<QuickSendId, String>,
    pub(crate) refused: u32,
    pub(crate) failed: u32,
}

impl Customers {
    /// Creates what the plan says.
    pub(crate) async fn create(app: &App, ground: &Ground, plan: &Plan) -> Result<Self> {
        let mut customers = Self::default();
        for (n, planned) in plan.customers.iter().enumerate() {
            let new = app::account::NewAccount {
                name: format!("customer {n}"),
                mobile: String::from("09120000000"),
                credit: Rials(planned.credit),
                expires_at: None,
                approves_own_messages: true,
                records_callees: false,
            };
            let account = app::account::create(app, new).await.map_err(words)?;
            let mut messages = Vec::new();
            for (m, length_ms) in planned.clips_ms.iter().enumerate() {
                let kind = u32::try_from(n * 8 + m).unwrap_or(0);
                messages.push(message(app, ground, account, *length_ms, kind).await?);
            }
            for phone in &planned.phones {
                add_phone(app, account, phone).await?;
            }
            customers.all.push(Customer { account, credit: planned.credit, messages });
        }
        Ok(customers)
    }

    /// A customer submits a quick send.
    pub(crate) async fn submit(
        &mut self,
        app: &App,
        ground: &Ground,
        customer: usize,
        clip: usize,
        number: &str,
        vote: bool,
    ) -> Option<QuickSendId> {
        let of = &self.all[customer];
        let caller = caller(ground, of.account).await.ok()?;
        let new = NewSend {
            message: of.messages[clip].id,
            number: number.to_owned(),
            vote,
            record_ms: None,
            server: None,
            reference: None,
            class: MessageClass::Service,
            follow_up: None,
        };
        match app::quick_send::submit(app, &caller, new).await {
            Ok(accepted) => {
                self.accepted.insert(accepted.id, number.to_owned());
                Some(accepted.id)
            }
            Err(Error::Refused(_)) => {
                self.refused += 1;
                None
            }
            Err(Error::Failed(_)) => {
                self.failed += 1;
                None
            }
        }
    }
}

pub(crate) async fn caller(ground: &Ground, account: AccountId) -> Result<Caller> {
    let mut reads = ground.db.read().await?;
    let account = store::account::find(&mut reads, account).await?.context("the account")?;
    Ok(Caller { account, token: Some(TokenId(1)) })
}

async fn message(
    app: &App,
    ground: &Ground,
    account: AccountId,
    length_ms: u32,
    kind: u32,
) -> Result<Message> {
    let samples = tone(length_ms, kind);
    let blob = format!("clip-{account}-{kind}");
    let wav = audio::Clip::from_samples(samples.to_vec()).to_wav();
    ground.blobs.put(&blob, wav).await.map_err(|failure| anyhow!(failure.chain()))?;
    let mut tx = ground.db.begin().await?;
    let new = store::message::NewMessage {
        account,
        title: String::new(),
        approval: Approval::Approved,
        length_ms,
        blob,
        persistent: true,
        created_at: app.now(),
    };
    let id = store::message::insert(&mut tx, &new).await?;
    tx.commit().await?;
    Ok(Message { id, samples })
}

/// A sound that differs from message to message and from place to place within it.
fn tone(length_ms: u32, kind: u32) -> Arc<[i16]> {
    let samples = u64::from(length_ms) * 8;
    let sample =
        |n: u64| i16::try_from((n * (31 + u64::from(kind)) + n / 97) % 12_000).unwrap_or(0);
    (0..samples).map(sample).collect()
}

async fn add_phone(app: &App, account: AccountId, phone: &crate::script::Phone) -> Result<()> {
    let contact = format!("sip:{}@{CARRIER_SIP}", phone.extension);
    let new = app::phone::NewPhone {
        account,
        extension: phone.extension.clone(),
        fixed_contact: phone.registered_for_us.is_none().then(|| contact.clone()),
    };
    let fresh = app::phone::add(app, new).await.map_err(words)?;
    if let Some(us) = phone.registered_for_us {
        let binding = app::phone::Binding {
            contact,
            address: CARRIER_SIP.to_owned(),
            until: Timestamp(app.now().0 + us),
        };
        app::phone::bind(app, fresh.id, binding).await.map_err(|f| anyhow!(f.chain()))?;
    }
    Ok(())
}

/// A refusal or failure of the preparation, in words.
fn words<R: std::fmt::Debug>(error: Error<R>) -> anyhow::Error {
    match error {
        Error::Refused(refusal) => anyhow!("refused: {refusal:?}"),
        Error::Failed(failure) => anyhow!(failure.chain()),
    }
}

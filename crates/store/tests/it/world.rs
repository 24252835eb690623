//! A database with what most tests need in it, and words to tell a story with.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::class::Basis;
use domain::{
    AccountId, Approval, Destination, Disposition, MessageClass, MessageId, PolicyId, QuickSendId,
    Rials, TariffId, Timestamp, Zone,
};
use store::account::NewAccount;
use store::hot::{
    Accept, AcceptRefusal, Accepted, Facts, LeaseStamp, NodeStamp, Permit, Played, Quality,
    ReadyJob, Settle, Spoken,
};
use store::ladder::Ladder;
use store::message::NewMessage;
use store::{Db, Kind, Options, account, message};

use crate::engines::{drop_postgres, fresh_postgres, postgres_url};

/// When every story starts.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

/// A database and where it is.
pub struct World {
    /// The database.
    pub db: Db,
    /// How to open it again.
    pub url: String,
    folder: Option<tempfile::TempDir>,
}

impl World {
    /// On SQLite, in a file.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("avanak.db").display());
        let db = Db::open(&url, Options::default()).await.unwrap();
        Self { db, url, folder: Some(folder) }
    }

    /// On PostgreSQL, if there is one to test on.
    pub async fn postgres() -> Option<Self> {
        let url = fresh_postgres(&postgres_url()?).await;
        let db = Db::open(&url, Options::default()).await.unwrap();
        Some(Self { db, url, folder: None })
    }

    /// Another handle on the same database, as another process would have.
    pub async fn other_process(&self) -> Db {
        Db::open(&self.url, Options::default()).await.unwrap()
    }

    /// Checks that everything adds up and removes the database.
    pub async fn end(self) {
        assert_eq!(self.db.audit().await.unwrap().violations, []);
        let kind = self.db.kind();
        self.db.close().await;
        drop(self.folder);
        if kind == Kind::Postgres {
            drop_postgres(&postgres_url().unwrap(), &self.url).await;
        }
    }

    /// An account with this much credit.
    pub async fn account(&self, credit: i64) -> AccountId {
        let mut tx = self.db.begin().await.unwrap();
        let id = account::create(&mut tx, &new_account(credit)).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// An approved message of the account, 10 s long.
    pub async fn message(&self, account: AccountId) -> MessageId {
        let mut tx = self.db.begin().await.unwrap();
        let id = message::insert(&mut tx, &new_message(account)).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A send of the account's message that holds 450 rials.
    pub async fn send(&self) -> Accept {
        let account = self.account(10_000).await;
        let message = self.message(account).await;
        send(account, message)
    }

    /// Accepts it and expects a new send.
    pub async fn accept(&self, element: &Accept) -> Accepted {
        self.try_accept(element).await.unwrap()
    }

    /// Accepts it.
    pub async fn try_accept(&self, element: &Accept) -> Result<Accepted, AcceptRefusal> {
        self.db.accept_one(element.clone()).await.unwrap()
    }

    /// Takes the node `name` for an hour.
    pub async fn node(&self, name: &str) -> NodeStamp {
        self.db.take_node(name, NOW, NOW.plus_ms(3_600_000)).await.unwrap().0
    }

    /// Leases one send and expects to get it.
    pub async fn lease(&self, node: NodeStamp, send: QuickSendId) -> domain::AttemptId {
        self.try_lease(node, send).await.expect("the send is ready")
    }

    /// Leases one send.
    pub async fn try_lease(&self, node: NodeStamp, send: QuickSendId) -> Option<domain::AttemptId> {
        self.db.lease(vec![(send, stamp(node, NOW))]).await.unwrap().remove(0).attempt()
    }

    /// The account's balance and what of it is reserved.
    pub async fn funds(&self, id: AccountId) -> (i64, i64) {
        let mut reader = self.db.read().await.unwrap();
        let account = account::find(&mut reader, id).await.unwrap().unwrap();
        (account.balance.0, account.reserved.0)
    }

    /// Where the account's send stands.
    pub async fn state(&self, account: AccountId, send: QuickSendId) -> store::quick_send::State {
        let mut reader = self.db.read().await.unwrap();
        store::quick_send::find(&mut reader, account, send).await.unwrap().unwrap().state
    }

    /// Everything that waits.
    pub async fn ready(&self) -> Vec<ReadyJob> {
        self.db.load_ready(Timestamp(0), QuickSendId(0), 10_000).await.unwrap()
    }
}

/// An account to create.
pub fn new_account(credit: i64) -> NewAccount {
    NewAccount {
        name: String::from("شرکت نمونه"),
        mobile: String::from("09120000001"),
        opening_credit: Rials(credit),
        expires_at: None,
        approves_own_messages: true,
        records_callees: false,
        created_at: NOW,
        sandbox_of: None,
    }
}

/// A message to keep.
pub fn new_message(account: AccountId) -> NewMessage {
    NewMessage {
        account,
        title: String::from("سلام"),
        approval: Approval::Approved,
        length_ms: 10_000,
        blob: String::from("abc.wav"),
        persistent: false,
        created_at: NOW,
    }
}

/// A send that holds 450 rials.
pub fn send(account: AccountId, message: MessageId) -> Accept {
    Accept {
        account,
        played: Played::Kept(message),
        clip_ms: 10_000,
        destination: Destination::parse("09121234567").unwrap(),
        second: None,
        vote: false,
        record_ms: None,
        server: None,
        tariff: TariffId(1),
        zone: Zone::External,
        hold: Rials(450),
        at: NOW,
        expires_at: NOW.plus_ms(600_000),
        class: 1,
        message_class: MessageClass::Service,
        opt_out_key: None,
        follow_up: None,
        client_reference: None,
        lease: None,
    }
}

/// A send of new speech for 30 rials that holds 450.
pub fn spoken(account: AccountId) -> Accept {
    let note = String::from("3 s of speech");
    let speech = Spoken { blob: String::from("new.wav"), price: Rials(30), note, hidden: false };
    Accept { played: Played::Spoken(speech), ..send(account, MessageId(0)) }
}

/// What allows a send.
pub fn permit(element: &Accept) -> Permit {
    Permit {
        account: element.account,
        class: element.message_class,
        number: Some(element.destination.as_str().to_owned()),
        second: None,
        policy: PolicyId(2),
        basis: Basis::Hours,
        cap: None,
    }
}

/// The send with its first lease.
pub fn leased(element: Accept, node: NodeStamp) -> Accept {
    let lease = LeaseStamp { permit: permit(&element), ..stamp(node, element.at) };
    Accept { lease: Some(lease), ..element }
}

/// A lease of a send of the account 1 to the number that sends here call. Its callee is in no other
/// call: most tests are about other things.
pub fn stamp(node: NodeStamp, at: Timestamp) -> LeaseStamp {
    static CALLEES: AtomicU64 = AtomicU64::new(0);
    let permit = permit(&send(AccountId(1), MessageId(0)));
    let callee = format!("callee {}", CALLEES.fetch_add(1, Ordering::Relaxed));
    LeaseStamp { node, trunk: String::from("sandbox"), at, permit, callee, second_callee: None }
}

/// A story of the attempt with this number.
pub fn ladder(n: u16) -> Ladder {
    let server = Some(format!("192.0.2.{n}:5060"));
    Ladder { server, began_at: NOW.plus_ms(n.into()), rungs: vec![1, n.to_be_bytes()[1], 0] }
}

/// The end of a call that was heard for 7 s and pressed 3.
pub fn delivered(attempt: domain::AttemptId, charge: i64) -> Settle {
    let facts = Facts {
        cause: String::from("played"),
        sip_code: Some(200),
        q850: Some(16),
        heard_ms: 7_000,
        vote: Some(3),
        keys: String::from("3#"),
        invite_at: Some(NOW.plus_ms(1)),
        ringing_at: Some(NOW.plus_ms(2)),
        answered_at: Some(NOW.plus_ms(3)),
        first_audio_at: Some(NOW.plus_ms(4)),
        quality: Some(Quality {
            sent: 500,
            received: 490,
            lost: Some(10),
            jitter_us: Some(1_250),
            peer_lost: Some(2),
            peer_jitter_us: Some(750),
            round_trip_us: None,
        }),
    };
    Settle {
        attempt,
        disposition: Disposition::Delivered,
        charge: Rials(charge),
        facts,
        ladder: Some(ladder(attempt.n)),
        ended_at: NOW.plus_ms(5),
    }
}

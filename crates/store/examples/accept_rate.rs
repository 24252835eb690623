//! How many sends a second are accepted durably: one after the other, which is one transaction
//! for each, against 256 clients at once, which share commits.
//!
//! `cargo run --release -p store --example accept_rate -- [sqlite:PATH | postgres://…]`; without
//! an argument on SQLite in a new file of the current folder. PostgreSQL must be migrated.

use std::time::{Duration, Instant};

use domain::{AccountId, Approval, Destination, MessageId, Rials, TariffId, Timestamp, Zone};
use store::account::NewAccount;
use store::hot::Accept;
use store::message::NewMessage;
use store::{Db, Options, Result, account, message};

const CLIENTS: usize = 256;
const WINDOW: Duration = Duration::from_secs(5);
const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> Result<()> {
    let given = std::env::args().nth(1);
    let url = given.unwrap_or_else(|| format!("sqlite:accept_rate.{}.db", std::process::id()));
    let db = Db::open(&url, Options::default()).await?;
    let element = prepare(&db).await?;
    let alone = rate(&db, &element, 1).await?;
    let together = rate(&db, &element, CLIENTS).await?;
    println!("{alone:.0}/s one by one, {together:.0}/s with {CLIENTS} clients");
    println!("{:.1} times", together / alone);
    assert!(db.audit().await?.is_clean(), "the books are wrong");
    db.close().await;
    Ok(())
}

/// Accepts a second, with so many clients who each wait for their answer.
#[expect(clippy::disallowed_methods, reason = "a measurement asks the clock")]
async fn rate(db: &Db, element: &Accept, clients: usize) -> Result<f64> {
    let start = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (db, element) = (db.clone(), element.clone());
            tokio::spawn(async move {
                let mut count = 0_u32;
                while start.elapsed() < WINDOW {
                    let answer = db.accept_one(element.clone()).await?;
                    answer.expect("the credit lasts");
                    count += 1;
                }
                Ok::<u32, store::Error>(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.expect("no client panics")?;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// An account with much credit and a message to send.
async fn prepare(db: &Db) -> Result<Accept> {
    let new = NewAccount {
        name: String::from("accept_rate"),
        mobile: String::from("09120000000"),
        opening_credit: Rials(1_000_000_000_000),
        expires_at: None,
        approves_own_messages: true,
        created_at: NOW,
    };
    let mut tx = db.begin().await?;
    let account = account::create(&mut tx, &new).await?;
    let new = NewMessage {
        account,
        title: String::from("accept_rate"),
        approval: Approval::Approved,
        length_ms: 10_000,
        blob: String::from("none"),
        persistent: false,
        created_at: NOW,
    };
    let message = message::insert(&mut tx, &new).await?;
    tx.commit().await?;
    Ok(send(account, message))
}

fn send(account: AccountId, message: MessageId) -> Accept {
    Accept {
        account,
        message,
        clip_ms: 10_000,
        destination: Destination::parse("09121234567").expect("it is a number"),
        vote: false,
        tariff: TariffId(1),
        zone: Zone::External,
        hold: Rials(450),
        at: NOW,
        expires_at: NOW.plus_ms(600_000),
        class: 1,
        client_reference: None,
        lease: None,
    }
}

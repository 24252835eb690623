//! Registered phones between the engine's registrar and the database: credentials in,
//! registrations out. Phones added by the command line are taken up within a second.

use std::sync::Arc;
use std::time::Duration;

use app::phone::{Binding, Phone};
use app::{App, Failure};
use engine::{Command, Event, PhoneCredential};
use tokio::sync::mpsc;

use crate::echo_test::{self, EchoTest};
use crate::support_line::LineEvents;

/// How often the table of phones is read.
const READ_EVERY: Duration = Duration::from_secs(1);
/// Registrations that may wait to be written; phones repeat theirs, so one more may be lost.
const NEWS: usize = 1_024;

/// Something the registrar learned.
enum News {
    Registered { username: String, contact: String, address: String, expires_s: u32 },
    Gone { username: String },
}

/// Where the events of phones go: registrations to the database, calls to the support line and to
/// the echo test.
pub struct PhoneEvents {
    news: mpsc::Sender<News>,
    echo_test: EchoTest,
    line: LineEvents,
}

impl PhoneEvents {
    /// Takes what phones do and passes every other event on.
    pub fn take(&mut self, event: Event) -> Option<Event> {
        let news = match self.line.take(event)? {
            Event::Incoming { call, caller, number, .. } => {
                self.echo_test.take(call, &caller, &number);
                return None;
            }
            Event::Ended { call, outcome } if call.is_incoming() => {
                EchoTest::ended(&outcome);
                return None;
            }
            Event::PhoneRegistered { username, contact_uri, address, expires_s } => {
                News::Registered {
                    username,
                    contact: contact_uri,
                    address: address.to_string(),
                    expires_s,
                }
            }
            Event::PhoneGone { username } => News::Gone { username },
            other => return Some(other),
        };
        if self.news.try_send(news).is_err() {
            tracing::warn!("registrations come faster than they can be written; one was dropped");
        }
        None
    }
}

/// Starts the task between registrar and database; `orders` leads to the engine, and `line` has
/// the numbers of the support line.
pub fn start(
    app: Arc<App>,
    orders: mpsc::Sender<Command>,
    line: LineEvents,
    numbers: Vec<String>,
) -> PhoneEvents {
    let (sender, mut news) = mpsc::channel(NEWS);
    let echo_test = EchoTest::new(orders.clone());
    tokio::spawn(async move {
        let services: Vec<String> =
            std::iter::once(echo_test::NUMBER.to_owned()).chain(numbers).collect();
        // The loop has ended when nobody listens, and so will this task.
        let _ = orders.send(Command::SetServices(services.into())).await;
        let mut told: Vec<PhoneCredential> = Vec::new();
        let mut tick = tokio::time::interval(READ_EVERY);
        loop {
            let result = tokio::select! {
                _ = tick.tick() => tell(&app, &orders, &mut told).await,
                heard = news.recv() => match heard {
                    Some(heard) => write(&app, heard).await,
                    None => return,
                },
            };
            if let Err(failure) = result {
                tracing::warn!(
                    error = failure.chain(),
                    "phones and database are out of step; trying again"
                );
            }
        }
    });
    PhoneEvents { news: sender, echo_test, line }
}

/// Tells the engine which phones may register, when that has changed.
async fn tell(
    app: &App,
    orders: &mpsc::Sender<Command>,
    told: &mut Vec<PhoneCredential>,
) -> Result<(), Failure> {
    let now = app.now();
    let phones = app::phone::all(app).await?;
    let credentials: Vec<PhoneCredential> =
        phones.iter().filter_map(|phone| credential(phone, now)).collect();
    let identities = |list: &[PhoneCredential]| -> Vec<(String, [u8; 32])> {
        list.iter().map(|phone| (phone.username.clone(), phone.ha1_sha256)).collect()
    };
    if identities(told) != identities(&credentials) {
        *told = credentials;
        let known = u32::try_from(told.len()).unwrap_or(u32::MAX);
        metrics::gauge!("avanak_phones_known").set(known);
        // The loop has ended when nobody listens, and so will this task.
        let _ = orders.send(Command::SetPhones(told.as_slice().into())).await;
    }
    Ok(())
}

/// `None` when the stored hashes are not hashes: that phone cannot register.
fn credential(phone: &Phone, now: domain::Timestamp) -> Option<PhoneCredential> {
    Some(PhoneCredential {
        username: phone.username.clone(),
        ha1_md5: from_hex(&phone.ha1_md5)?,
        ha1_sha256: from_hex(&phone.ha1_sha256)?,
        binding: phone.binding.as_ref().and_then(|binding| engine_binding(binding, now)),
    })
}

fn engine_binding(binding: &Binding, now: domain::Timestamp) -> Option<engine::Binding> {
    let left_s = binding.until.us_since(now) / 1_000_000;
    Some(engine::Binding {
        contact_uri: binding.contact.clone(),
        address: binding.address.parse().ok()?,
        expires_in_s: u32::try_from(left_s).ok().filter(|left| *left > 0)?,
    })
}

/// Bytes of lower-case hex digits; `None` when they are not `N` bytes.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

async fn write(app: &App, news: News) -> Result<(), Failure> {
    match news {
        News::Registered { username, contact, address, expires_s } => {
            let until = app.now().plus_ms(i64::from(expires_s) * 1000);
            if let Some(phone) = app::phone::credentials(app, &username).await? {
                app::phone::bind(app, phone.id, Binding { contact, address, until }).await?;
                tracing::info!(username, expires_s, "a phone registered");
            }
        }
        News::Gone { username } => {
            if let Some(phone) = app::phone::credentials(app, &username).await? {
                app::phone::unbind(app, phone.id).await?;
                tracing::info!(username, "a phone is registered no more");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_back() {
        assert_eq!(from_hex("00ff7f"), Some([0, 255, 127]));
        assert_eq!(from_hex::<3>("00ff"), None);
        assert_eq!(from_hex::<1>("zz"), None);
    }
}

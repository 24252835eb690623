//! Announcements by e-mail, to the addresses of the configuration (RFC 5321, RFC 5322). Each
//! address has an envelope of its own, so that nobody learns of the others, and is written to once,
//! however the others fare.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::announcement::{Job, Untold, remember, uuid};
use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{PATIENCE, UNCLEAR_MAX, untold};
use crate::config::{Channel, Config, MailSecurity};
use crate::streams;

/// Who sends, to whom, and by which server.
pub(super) struct Mail {
    from: Mailbox,
    to: Vec<Mailbox>,
    server: AsyncSmtpTransport<Tokio1Executor>,
}

/// What came of writing to one address.
enum Sent {
    /// The server took it, and said so.
    Taken(String),
    /// The server never takes it (RFC 5321 section 4.2.1: 5yz).
    Refused(String),
    /// The server does not take it now (4yz).
    Later(String),
    /// The server may have taken it, or not.
    Unclear(String),
}

/// Characters of a complaint that are kept.
const TOLD_CHARS: usize = 200;
/// The server took it for an address.
const TAKEN: u32 = 0;

/// What the tries came to: for each address that the server may have taken it for, [`TAKEN`] or how
/// often that was unclear.
struct Memory(BTreeMap<String, u32>);

impl Memory {
    /// Reads what [`Memory::text`] wrote.
    fn read(text: &str) -> Self {
        let line = |line: &str| {
            let (times, address) = line.split_once(' ')?;
            Some((address.to_owned(), times.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// A line each.
    fn text(&self) -> String {
        let lines = self.0.iter().map(|(address, times)| format!("{times} {address}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Whether an address is not written to again.
    fn is_settled(&self, address: &str) -> bool {
        self.0.get(address).is_some_and(|times| *times == TAKEN || *times >= UNCLEAR_MAX)
    }

    fn taken(&mut self, address: String) {
        self.0.insert(address, TAKEN);
    }

    /// `true`: it is written to again.
    fn unclear(&mut self, address: &str) -> bool {
        *self.0.entry(address.to_owned()).or_insert(TAKEN) += 1;
        !self.is_settled(address)
    }

    /// How many it was taken for, and for how many nobody knows.
    fn counts(&self) -> (usize, usize) {
        let taken = self.0.values().filter(|times| **times == TAKEN).count();
        (taken, self.0.len() - taken)
    }
}

impl Mail {
    pub(super) fn new(channel: &Channel, config: &Config) -> Result<Self> {
        let (host, port) = channel.mail_server()?;
        let tls = match channel.security {
            MailSecurity::Off => Tls::None,
            MailSecurity::Starttls => Tls::Required(parameters(&host, config)?),
            MailSecurity::Tls => Tls::Wrapper(parameters(&host, config)?),
        };
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if !channel.user.is_empty() {
            let (user, password) = (channel.user.clone(), channel.token.0.clone());
            server = server.credentials(Credentials::new(user, password));
        }
        let to: Result<Vec<Mailbox>> = channel.to.iter().map(|text| mailbox(text)).collect();
        Ok(Self { from: mailbox(&channel.from)?, to: to?, server: server.build() })
    }

    /// Sends something to everybody who did not get it in an earlier try; the answer is its
    /// Message-ID, what the server said of it, and who cannot be reached. What each came to is kept
    /// at once, so that a process that is killed writes to nobody twice.
    pub(super) async fn tell(
        &self,
        app: &App,
        job: &Job,
        stop: &watch::Receiver<bool>,
    ) -> Result<String, Untold> {
        self.greet().await?;
        let mut memory = Memory::read(job.delivery.reference.as_deref().unwrap_or_default());
        let (mut refused, mut waits, mut last) = (Vec::new(), Vec::new(), String::new());
        for to in &self.to {
            let (address, domain) = (to.email.to_string(), to.email.domain());
            if memory.is_settled(&address) {
                continue;
            }
            if *stop.borrow() {
                return Err(Untold::because("this server stops"));
            }
            match self.send(job, to).await? {
                Sent::Taken(said) => {
                    memory.taken(address);
                    last = said;
                }
                Sent::Refused(why) => refused.push(format!("at {domain}: {why}")),
                Sent::Unclear(_) if !memory.unclear(&address) => {}
                Sent::Later(why) | Sent::Unclear(why) => waits.push(format!("at {domain}: {why}")),
            }
            let text = memory.text();
            let goes_on = remember(app, job, &text).await;
            if !goes_on.map_err(|failure| forgotten(&failure.chain(), &text))? {
                return Err(Untold::because("it is not told any more"));
            }
        }
        self.outcome(job, &memory, [&refused, &waits], &last)
    }

    /// What a try came to: whoever waits is written to again; so is everybody when all refuse: then
    /// it is the sender that they refuse.
    fn outcome(
        &self,
        job: &Job,
        memory: &Memory,
        [refused, waits]: [&[String]; 2],
        last: &str,
    ) -> Result<String, Untold> {
        if let Some(first) = waits.first() {
            return Err(Untold::because(format!("{} wait, first {first}", waits.len())));
        }
        let (taken, unclear) = memory.counts();
        if taken == 0 {
            let first = refused.first().map_or("nobody answers", String::as_str);
            let why = format!("{unclear} unclear and {} refused, first {first}", refused.len());
            return Err(Untold { is_final: unclear > 0, ..Untold::because(why) });
        }
        let mut said = vec![self.message_id(job), last.to_owned()];
        said.extend(
            refused.first().map(|first| format!("{} refused, first {first}", refused.len())),
        );
        said.extend((unclear > 0).then(|| format!("{unclear} unclear")));
        Ok(said.join("; "))
    }

    /// Whether there is a server: without one, nobody was written to.
    async fn greet(&self) -> Result<(), Untold> {
        match timeout(PATIENCE, self.server.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Untold::because("the server greets and goes away")),
            Ok(Err(error)) => Err(Untold::because(complaint(error))),
            Err(_) => Err(Untold::because("no greeting in time")),
        }
    }

    async fn send(&self, job: &Job, to: &Mailbox) -> Result<Sent, Untold> {
        let message = self.message(job, to).map_err(untold)?;
        Ok(match timeout(PATIENCE, self.server.send(message)).await {
            Ok(Ok(answer)) => Sent::Taken(answer.first_line().unwrap_or_default().to_owned()),
            Ok(Err(error)) if error.is_permanent() => Sent::Refused(complaint(error)),
            Ok(Err(error)) if error.is_transient() => Sent::Later(complaint(error)),
            Ok(Err(error)) => Sent::Unclear(complaint(error)),
            Err(_) => Sent::Unclear(String::from("no answer in time")),
        })
    }

    fn message(&self, job: &Job, to: &Mailbox) -> Result<Message> {
        let new = &job.announcement.new;
        Message::builder()
            .from(self.from.clone())
            .to(to.clone())
            .subject(new.text.title.clone())
            .message_id(Some(self.message_id(job)))
            .header(header::ContentType::TEXT_PLAIN)
            .body(new.text.body.clone())
            .context("writing the mail")
    }

    /// The same each time, so that who gets it twice is shown it once.
    fn message_id(&self, job: &Job) -> String {
        format!("<{}@{}>", uuid(&job.announcement), self.from.email.domain())
    }
}

/// It could not be kept who got it, and is tried to once more.
fn forgotten(why: &str, memory: &str) -> Untold {
    Untold { memory: Some(memory.to_owned()), ..Untold::because(why) }
}

/// What a mail server complains about, without end of line and not without end.
fn complaint(error: lettre::transport::smtp::Error) -> String {
    let whole = format!("{:#}", anyhow!(error));
    let beginning: String = whole.chars().take(TOLD_CHARS).collect();
    beginning.escape_debug().to_string()
}

/// Reads an address, with a name or without.
pub(super) fn mailbox(text: &str) -> Result<Mailbox> {
    text.parse().with_context(|| format!("'{text}' is no address of e-mail"))
}

/// What a server's certificate must be vouched for by.
fn parameters(host: &str, config: &Config) -> Result<TlsParameters> {
    let mut parameters =
        TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::None);
    for authority in streams::authorities(&config.sip)? {
        let certificate = Certificate::from_der(authority.to_vec()).context("an authority")?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build_rustls().context("preparing encryption for mail")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: who may have got a mail is written to a few times, who got it is not, whatever process
    /// goes on.
    #[test]
    fn memory_outlives_a_process() {
        let mut memory = Memory::read("");
        memory.taken("a@b".to_owned());
        for n in 1..=UNCLEAR_MAX {
            assert_eq!(memory.unclear("c@d"), n < UNCLEAR_MAX, "{n}");
            memory = Memory::read(&memory.text());
        }
        assert!(memory.is_settled("a@b") && memory.is_settled("c@d") && !memory.is_settled("e@f"));
        assert_eq!(memory.counts(), (1, 1));
    }
}

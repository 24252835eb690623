//! Announcements by e-mail, to the addresses of the configuration (RFC 5321, RFC 5322). Each
//! address has an envelope of its own, so that nobody learns of the others.

use anyhow::{Context as _, Result, anyhow};
use app::announcement::{Job, uuid};
use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::{PATIENCE, Untold};
use crate::config::{Channel, Config, MailSecurity};
use crate::streams;

/// Who sends, to whom, and by which server.
pub(super) struct Mail {
    from: Mailbox,
    to: Vec<Mailbox>,
    server: AsyncSmtpTransport<Tokio1Executor>,
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

    /// Sends something to everybody; the answer is its Message-ID and what the server said of it.
    pub(super) async fn tell(&self, job: &Job) -> Result<String, Untold> {
        let mut said = String::new();
        for to in &self.to {
            let message = self.message(job, to)?;
            let sent = self.server.send(message).await;
            let answer = sent.map_err(|error| Untold {
                why: format!("sending to {}: {:#}", to.email.domain(), anyhow!(error)),
                pause_ms: None,
            })?;
            answer.first_line().unwrap_or_default().clone_into(&mut said);
        }
        Ok(format!("{}; {said}", self.message_id(job)))
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

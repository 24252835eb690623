//! A channel for announcements as the configuration file describes it.

use anyhow::{Context as _, Result, bail};
use domain::verification::CallbackUrl;
use serde::{Deserialize, Serialize};

use super::{Key, Secret};

section! {
    /// What everybody is told: news, and the notices of planned maintenance.
    Announcements {
        /// Whether this server looks at its own first page for what is announced, and notes that it
        /// stands there: that is one half of a complete notice.
        first_page: bool = true,
    }
}

section! {
    /// Where announcements are told beside the first page and the feed (`/feed.atom`). Social
    /// networks (`telegram`, `bale`, `eitaa`) are the other half of a complete notice, once they
    /// confirm a message with its number.
    Channel {
        /// Its name in lists and proofs: small letters, digits and hyphens.
        name: String = String::new(),
        /// `telegram`, `bale`, `eitaa`, `email` or `webhook`.
        kind: ChannelKind = ChannelKind::Bale,
        /// Whom it reaches: the `public`, or the `manager` who oversees the agreement: he is told
        /// there of each deadline that is near or missed, and of each violation that is entered.
        /// What is for the one is never told to the other.
        audience: ChannelAudience = ChannelAudience::Public,
        /// Where it is spoken to, when not at the usual address of its kind; of a webhook, the
        /// address that is posted to; of e-mail, the server as `HOST:PORT`.
        address: String = String::new(),
        /// The bot's token; of a webhook, the secret that posts are signed with (Standard
        /// Webhooks): `whsec_` and 24 to 64 random bytes in Base64, as
        /// `echo whsec_$(openssl rand -base64 32)` prints it; of e-mail, the password.
        token: Secret = Secret::default(),
        /// The channel or group, like `@avanak`.
        chat: String = String::new(),
        /// Of e-mail: `tls`, `starttls`, or `off` for a server on this machine.
        security: MailSecurity = MailSecurity::Starttls,
        /// Of e-mail: the user name; empty for none.
        user: String = String::new(),
        /// Of e-mail: who sends, like `Avanak <news@example.com>`.
        from: String = String::new(),
        /// Of e-mail: who gets it, one address each; a list's address serves many.
        to: Vec<String> = Vec::new(),
    }
}

/// The most recipients of one channel of e-mail.
const RECIPIENTS_MAX: usize = 100;

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// A bot of Telegram.
    Telegram,
    /// A bot of Bale.
    Bale,
    /// Eitaa, by Eitaayar.
    Eitaa,
    /// E-mail.
    Email,
    /// The operator's own program.
    Webhook,
}

impl ChannelKind {
    /// Whether it is a social network (A30).
    pub fn is_social(self) -> bool {
        matches!(self, Self::Telegram | Self::Bale | Self::Eitaa)
    }

    /// Its usual address; `None` when it has none.
    fn address(self) -> Option<&'static str> {
        match self {
            Self::Telegram => Some("https://api.telegram.org"),
            Self::Bale => Some("https://tapi.bale.ai"),
            Self::Eitaa => Some("https://eitaayar.ir/api"),
            Self::Email | Self::Webhook => None,
        }
    }
}

/// Whom a channel reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelAudience {
    /// Everybody.
    Public,
    /// Who oversees the agreement.
    Manager,
}

/// How mail is encrypted on its way to its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// From the first byte (RFC 8314).
    Tls,
    /// After a greeting in the clear, or not at all (RFC 3207).
    Starttls,
    /// Not.
    Off,
}

/// Whether the channels make sense, and each has a name of its own.
pub(super) fn check(channels: &[Channel]) -> Result<()> {
    let mut names = std::collections::BTreeSet::new();
    for channel in channels {
        channel.check()?;
        if !names.insert(&channel.name) {
            bail!("channel.name: '{}' is there twice", channel.name);
        }
    }
    Ok(())
}

impl Channel {
    /// Where it is spoken to over HTTP.
    ///
    /// # Errors
    /// Its address is none.
    pub fn url(&self) -> Result<CallbackUrl> {
        let usual = self.kind.address().unwrap_or_default();
        let address = if self.address.is_empty() { usual } else { &self.address };
        CallbackUrl::parse(address).with_context(|| {
            format!("channel '{}': '{address}' is no http or https address", self.name)
        })
    }

    /// The host and port of its mail server.
    ///
    /// # Errors
    /// Its address is none.
    pub fn mail_server(&self) -> Result<(String, u16)> {
        let parts = self.address.rsplit_once(':');
        let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let found = parts.filter(|(host, port)| !host.is_empty() && *port > 0);
        let (host, port) = found.with_context(|| {
            format!("channel '{}': address is HOST:PORT of the mail server", self.name)
        })?;
        Ok((host.trim_matches(['[', ']']).to_owned(), port))
    }

    /// What the posts of a webhook are signed with.
    ///
    /// # Errors
    /// Its token is none.
    pub fn webhook_secret(&self) -> Result<Vec<u8>> {
        web::webhook_secret(&self.token.0).with_context(|| {
            format!("channel '{}': token is whsec_ and 24 to 64 bytes in Base64", self.name)
        })
    }

    /// Whether its values make sense.
    fn check(&self) -> Result<()> {
        let name = &self.name;
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(letter) {
            bail!("channel.name: '{name}' has small letters, digits and hyphens, up to 40");
        }
        if name == app::maintenance::FIRST_PAGE {
            bail!("channel.name: '{name}' is the first page");
        }
        let graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        match self.kind {
            ChannelKind::Email => {
                self.mail_server()?;
                if self.from.is_empty() || self.to.is_empty() || self.to.len() > RECIPIENTS_MAX {
                    bail!("channel '{name}': from, and 1 to {RECIPIENTS_MAX} addresses in to");
                }
            }
            ChannelKind::Webhook => {
                self.url()?;
                self.webhook_secret()?;
            }
            ChannelKind::Telegram | ChannelKind::Bale | ChannelKind::Eitaa => {
                self.url()?;
                let token = &self.token.0;
                if token.is_empty() || !graphic(token) || token.contains(['/', '?', '#']) {
                    bail!("channel '{name}': token is that of its bot");
                }
                if self.chat.is_empty() || !graphic(&self.chat) {
                    bail!("channel '{name}': chat is its channel or group, like '@avanak'");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a webhook without a secret that its receiver can verify with is refused at the start.
    #[test]
    fn a_webhook_has_a_secret() {
        let of = |token: String| {
            let (name, address) = ("news".to_owned(), "https://a.test/".to_owned());
            let (kind, token) = (ChannelKind::Webhook, Secret(token));
            Channel { name, kind, address, token, ..Channel::default() }.check()
        };
        for secret in ["", "k", "whsec_", "whsec_AAAA", "whsec_?"] {
            let error = of(secret.to_owned()).unwrap_err().to_string();
            assert!(error.contains("whsec_ and 24"), "{error}");
        }
        assert!(of("A".repeat(32)).is_err());
        of(["whsec_", &"A".repeat(32)].concat()).unwrap();
    }
}

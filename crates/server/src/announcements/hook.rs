//! A webhook of the operator's own: each announcement is posted as JSON, signed as Standard
//! Webhooks says, with an id that stays the same however often it comes.

use anyhow::{Context as _, Result};
use app::App;
use app::announcement::{Job, uuid};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::calendar::jalali::rfc3339;
use domain::verification::CallbackUrl;
use serde_json::json;

use super::{ANSWER_BYTES_MAX, PATIENCE, Untold};
use crate::config::Channel;
use crate::outbound::{Method, Outbound, Request};

/// Where announcements are posted.
pub(super) struct Hook {
    url: CallbackUrl,
    secret: Vec<u8>,
    outbound: Outbound,
}

impl Hook {
    pub(super) fn new(channel: &Channel, outbound: Outbound) -> Result<Self> {
        let url = channel.url()?;
        outbound.check(&url).with_context(|| format!("channel '{}'", channel.name))?;
        Ok(Self { url, secret: channel.token.0.clone().into_bytes(), outbound })
    }

    /// Posts something; the answer is the id under which it was taken.
    pub(super) async fn tell(&self, app: &App, job: &Job) -> Result<String, Untold> {
        let announcement = &job.announcement;
        let (id, new) = (uuid(announcement), &announcement.new);
        let body = json!({
            "id": id,
            "object": "announcement",
            "announcement": announcement.id,
            "title": new.text.title,
            "text": new.text.body,
            "maintenance": new.maintenance.map(|(id, _)| id),
            "announced_at": rfc3339(new.made_at),
            "until": rfc3339(new.until),
        });
        let (body, seconds) = (body.to_string(), app.now().0.div_euclid(1_000_000));
        let mut headers = vec![("Content-Type", String::from("application/json"))];
        if !self.secret.is_empty() {
            let signature = app::webhook::signature(&self.secret, &id, seconds, &body);
            headers.push(("webhook-id", id.clone()));
            headers.push(("webhook-timestamp", seconds.to_string()));
            headers.push(("webhook-signature", format!("v1,{}", STANDARD.encode(signature))));
        }
        let request = Request {
            method: Method::POST,
            url: &self.url,
            target: self.url.target(),
            headers: &headers,
            body: body.into(),
            patience: PATIENCE,
            limit_bytes: ANSWER_BYTES_MAX,
        };
        let answer = self.outbound.ask(request).await?;
        if (200..300).contains(&answer.status) {
            return Ok(id);
        }
        Err(Untold { why: format!("it answers {}", answer.described()), pause_ms: None })
    }
}

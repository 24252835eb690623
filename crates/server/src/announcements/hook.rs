//! A webhook of the operator's own: each announcement is posted as JSON, signed as Standard
//! Webhooks says, with an id that stays the same however often it comes.

use std::slice;

use anyhow::{Context as _, Result};
use app::App;
use app::announcement::{Job, Untold, uuid};
use domain::calendar::jalali::rfc3339;
use domain::verification::CallbackUrl;
use serde_json::json;

use super::{ANSWER_BYTES_MAX, PATIENCE, untold};
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
        Ok(Self { url, secret: channel.webhook_secret()?, outbound })
    }

    /// Posts something; the answer is the id under which it was taken.
    pub(super) async fn tell(&self, app: &App, job: &Job) -> Result<String, Untold> {
        let announcement = &job.announcement;
        let (id, new) = (uuid(announcement), &announcement.new);
        let body = json!({
            "id": id,
            "object": "announcement",
            "announcement": announcement.id,
            "audience": new.audience.word(),
            "title": new.text.title,
            "text": new.text.body,
            "maintenance": new.maintenance.map(|(id, _)| id),
            "announced_at": rfc3339(new.made_at),
            "until": rfc3339(new.until),
        });
        let secrets = slice::from_ref(&self.secret);
        let posted = web::webhook_signed(secrets, id.clone(), body.to_string(), app.now());
        let request = Request {
            method: Method::POST,
            url: &self.url,
            target: self.url.target(),
            headers: &posted.headers,
            body: posted.body.into(),
            patience: PATIENCE,
            limit_bytes: ANSWER_BYTES_MAX,
        };
        let answer = self.outbound.ask(request).await.map_err(untold)?;
        if (200..300).contains(&answer.status) {
            return Ok(id);
        }
        Err(Untold::because(format!("it answers {}", answer.described())))
    }
}

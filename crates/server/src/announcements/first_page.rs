//! The first page, as everybody sees it: what stands on it is a notice from when it was seen there.

use anyhow::{Context as _, Result};
use app::announcement::{Job, Untold};
use domain::verification::CallbackUrl;

use super::{PATIENCE, untold};
use crate::outbound::{Bytes, Method, Outbound, Request};

/// The largest page, bytes.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// This server's own first page.
pub(super) struct FirstPage {
    url: CallbackUrl,
    outbound: Outbound,
}

impl FirstPage {
    pub(super) fn new(here: &str, outbound: Outbound) -> Result<Self> {
        let url = CallbackUrl::parse(here).context("the address of this server is none")?;
        Ok(Self { url, outbound })
    }

    /// Looks whether it stands there, word for word.
    pub(super) async fn look(&self, job: &Job) -> Result<String, Untold> {
        let request = Request {
            method: Method::GET,
            url: &self.url,
            target: String::from("/"),
            headers: &[],
            body: Bytes::new(),
            patience: PATIENCE,
            limit_bytes: PAGE_BYTES_MAX,
        };
        let answer = self.outbound.ask(request).await.map_err(untold)?;
        let page = String::from_utf8_lossy(&answer.body);
        let shown = web::announcement_on_page(&job.announcement);
        if answer.status == 200 && page.contains(&shown) {
            return Ok(format!("/#announcement-{}", job.announcement.id));
        }
        let why = format!("the first page answers {} and does not show it", answer.status);
        Err(Untold::because(why))
    }
}

//! Lists of any length: told page by page as they are read, so that none has to fit into memory. A
//! client whose list was cut off by a failure of ours sees a document that does not end.

use std::sync::Arc;
use std::time::Duration;

use app::campaign::Recipient;
use app::{App, Failure};
use axum::body::{Body, Bytes};
use domain::calendar::date_time::Period;
use domain::{AccountId, CampaignId, MessageId, RecipientId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;

use crate::router::Web;
use crate::v1::{Seat, Stream, sent};

/// Numbers that are read at a time; as many are told at once, without a stream.
const PAGE: usize = 2_000;
/// Those of some days are looked for among all of these days each time, so in larger parts.
const PAGE_OF_DAYS: usize = 20_000;
/// How long a list may take.
const LASTS: Duration = Duration::from_hours(1);
/// Parts that may wait for a slow client.
const PARTS: usize = 2;

/// Whose numbers are told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    Campaign(CampaignId),
    /// Of all campaigns that play it.
    Message(MessageId),
    /// Who stepped into the line then.
    Sent(Period),
}

/// Numbers that are told in their order.
pub(crate) struct Listing {
    app: Arc<App>,
    account: AccountId,
    source: Source,
    first: Vec<Recipient>,
    /// How many more may follow.
    left: usize,
    seat: Seat,
}

/// The beginning of a list.
pub(crate) enum Listed {
    /// There is nothing of which numbers could be.
    Nothing,
    /// All of it.
    Whole(Vec<Recipient>),
    /// More follows.
    Begun(Listing),
    /// More would follow, and too many are told already.
    Busy,
}

/// How a list is written.
pub(crate) struct Form {
    pub(crate) head: String,
    /// Between two numbers.
    pub(crate) between: &'static str,
    pub(crate) number: fn(&mut String, &Recipient),
    pub(crate) tail: String,
}

impl Source {
    /// The numbers after `last`, at most `limit`; `None` without such a campaign.
    async fn page(
        self,
        app: &App,
        account: AccountId,
        last: Option<RecipientId>,
        limit: usize,
    ) -> Result<Option<Vec<Recipient>>, Failure> {
        match self {
            Self::Campaign(id) => {
                let after = last.map_or(0, |last| last.n);
                app::campaign::recipients(app, account, id, after, limit).await
            }
            Self::Message(id) => {
                app::campaign::recipients_of_message(app, account, id, last, limit).await.map(Some)
            }
            Self::Sent(days) => {
                app::campaign::recipients_sent(app, account, days, last, limit).await.map(Some)
            }
        }
    }

    fn page_max(self) -> usize {
        match self {
            Self::Campaign(_) | Self::Message(_) => PAGE,
            Self::Sent(_) => PAGE_OF_DAYS,
        }
    }
}

/// Begins to tell `count` numbers after `last`.
pub(crate) async fn begin(
    web: &Web,
    account: AccountId,
    source: Source,
    (last, count): (Option<RecipientId>, usize),
) -> Result<Listed, Failure> {
    let limit = count.min(source.page_max());
    let Some(first) = source.page(&web.app, account, last, limit).await? else {
        return Ok(Listed::Nothing);
    };
    let left = count - first.len();
    if first.len() < limit || left == 0 {
        return Ok(Listed::Whole(first));
    }
    let Some(seat) = web.seats.take(account) else { return Ok(Listed::Busy) };
    let app = Arc::clone(&web.app);
    Ok(Listed::Begun(Listing { app, account, source, first, left, seat }))
}

impl Listing {
    /// The body of the answer, which is written while it is read.
    pub(crate) fn into_body(self, form: Form) -> Body {
        let (parts, received) = mpsc::channel(PARTS);
        let Self { app, account, source, first, left, seat } = self;
        let telling = async move {
            if let Err(failure) = tell(&app, (account, source), first, left, &form, parts).await {
                tracing::error!(error = failure.chain(), "a list ended early");
            }
        };
        tokio::spawn(telling.instrument(tracing::Span::current()));
        Body::new(Stream::new(received, seat))
    }
}

/// Tells all of it, unless the client goes, reads no more, or takes too long.
async fn tell(
    app: &App,
    (account, source): (AccountId, Source),
    mut page: Vec<Recipient>,
    mut left: usize,
    form: &Form,
    parts: mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    let ends_at = Instant::now() + LASTS;
    let (mut text, mut between) = (form.head.clone(), "");
    while let Some(last) = page.last().map(|last| last.stored.id) {
        for part in page.chunks(PAGE) {
            for one in part {
                text.push_str(between);
                (form.number)(&mut text, one);
                between = form.between;
            }
            if !sent(&parts, Bytes::from(std::mem::take(&mut text)), ends_at).await {
                tracing::info!("a list was not read to its end");
                return Ok(());
            }
        }
        let limit = left.min(source.page_max());
        page = source.page(app, account, Some(last), limit).await?.unwrap_or_default();
        left -= page.len();
    }
    sent(&parts, Bytes::from(form.tail.clone()), ends_at).await;
    Ok(())
}

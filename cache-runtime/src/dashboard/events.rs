//! The figures of a page while it is open: server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::Query,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    page::{hot, overview, resource},
    visit::Visit,
};

/// A stream lasts so long; then the browser opens another one. A service that is asked to stop answers what it has begun to answer: it
/// does not wait for longer than this, nor at all if it says that it stops ([`Dashboard::until`](super::Dashboard::until)).
const LASTS: Duration = Duration::from_secs(15);

/// How soon the browser does.
const RETRY: Duration = Duration::from_millis(500);

/// What the figures are of.
#[derive(Debug, Deserialize)]
pub(super) struct Subject {
    #[serde(default)]
    page: Page,
    #[serde(default)]
    resource: String,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Page {
    #[default]
    Overview,
    Resource,
    Hot,
}

pub(super) async fn stream(visit: Visit, Query(subject): Query<Subject>) -> Response {
    let state = Stream {
        looked: visit.site.sampler.watch(),
        ends_at: Instant::now() + LASTS,
        is_first: true,
        visit,
        subject,
    };
    Sse::new(stream::unfold(state, Stream::next)).into_response()
}

struct Stream {
    visit: Visit,
    subject: Subject,
    looked: watch::Receiver<u64>,
    ends_at: Instant,
    is_first: bool,
}

impl Stream {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let mut event = Event::default();
        if std::mem::take(&mut self.is_first) {
            event = event.retry(RETRY);
        } else {
            self.news().await?;
        }
        let resource = &self.subject.resource;
        let body = match self.subject.page {
            Page::Overview => overview::body(&self.visit.site, &self.visit.links),
            Page::Resource => resource::body(&self.visit, resource)?,
            Page::Hot => hot::body(&self.visit, resource),
        };
        Some((Ok(event.data(body.0)), self))
    }

    /// `None` if there will be none.
    async fn news(&mut self) -> Option<()> {
        tokio::select! {
            biased;
            () = self.visit.site.ending() => None,
            looked = timeout_at(self.ends_at, self.looked.changed()) => looked.ok()?.ok(),
        }
    }
}

//! What every page takes from its request.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use maud::Markup;

use super::{Site, access::Rights, links::Links, view::layout::Frame};

/// A request for a page.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) site: Arc<Site>,
    pub(super) links: Links,
    pub(super) rights: Rights,
    pub(super) headers: HeaderMap,
}

impl Visit {
    /// A page that does not change while it is open.
    pub(super) fn page(&self, menu: &str, title: &str, body: &Markup) -> Response {
        self.frame(menu, title, None).page(body)
    }

    /// A page whose figures are kept up to date by these events.
    pub(super) fn live_page(&self, menu: &str, title: &str, events: String, body: &Markup) -> Response {
        self.frame(menu, title, Some(events)).page(body)
    }

    fn frame<'a>(&'a self, menu: &'a str, title: &'a str, events: Option<String>) -> Frame<'a> {
        Frame {
            links: &self.links,
            service: &self.site.service,
            title,
            menu,
            events,
        }
    }
}

impl FromRequestParts<Arc<Site>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Infallible> {
        let original = parts
            .extensions
            .get::<OriginalUri>()
            .map_or(&parts.uri, |OriginalUri(uri)| uri);
        let is_home = matches!(parts.uri.path(), "/" | "");
        let links = site.links.clone().unwrap_or_else(|| Links::from(original, is_home));
        let nothing = Rights { may_invalidate: false };
        Ok(Self {
            links,
            rights: parts.extensions.get().copied().unwrap_or(nothing),
            headers: parts.headers.clone(),
            site: Arc::clone(site),
        })
    }
}

//! What a response says of the cache: `Cache-Status` and `Server-Timing`.

use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::directives::Directive;
use crate::{Cache, Concern, Outcomes};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Why the calls of a request run uncached, if the layer has seen to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    NoStore,
    NoTenant,
}

impl Cause {
    pub(super) fn of(directive: Option<Directive>) -> Option<Self> {
        (directive == Some(Directive::Bypass)).then_some(Self::NoStore)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::NoStore => "no-store",
            Self::NoTenant => "no-tenant",
        }
    }
}

/// Adds the status of the cache to those of the caches that the response has gone through before.
pub(super) fn add_status(
    headers: &mut HeaderMap,
    name: &str,
    outcomes: &Outcomes,
    cause: Option<Cause>,
    cache: Option<&Cache>,
) {
    let because = || match (cause, cache) {
        (Some(cause), _) => Some(cause.as_str()),
        (None, Some(cache)) => Concern::of_store(&cache.engine).map(|concern| concern.as_str()),
        (None, None) => Some("no-cache-installed"),
    };
    append(headers, CACHE_STATUS, outcomes.cache_status_because(name, because));
}

/// As [`add_status`], of a request that was to be answered by the cache alone, and was not.
pub(super) fn add_status_of_peek(headers: &mut HeaderMap, name: &str) {
    append(
        headers,
        CACHE_STATUS,
        Some(Outcomes::unanswered(name, "only-if-cached")),
    );
}

/// Adds what the time has gone into.
pub(super) fn add_timing(headers: &mut HeaderMap, outcomes: &Outcomes) {
    append(headers, SERVER_TIMING, outcomes.server_timing());
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
        headers.append(name, value);
    }
}

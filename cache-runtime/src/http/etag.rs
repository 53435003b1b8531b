//! A validator for a response that a handler asks for, and the answer to a client that has the response already (RFC 9110, section 13).

use std::fmt::Display;

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
        ETAG, IF_NONE_MATCH, LAST_MODIFIED, TRAILER, TRANSFER_ENCODING,
    },
    response::Parts,
};

use crate::{Outcomes, key::shown};

/// What an answer without a body says nothing of: the client knows it (RFC 9110, section 15.4.5).
const OF_THE_BODY: [HeaderName; 9] = [
    ACCEPT_RANGES,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    LAST_MODIFIED,
    TRAILER,
    TRANSFER_ENCODING,
];

/// What a handler asks for whose response is made of what `#[cached]` functions return: an `ETag` of the entries, and
/// `304 Not Modified` for a client that has the response already. An extension of the response, which a
/// [`CacheLayer`](super::CacheLayer) looks for.
///
/// The tag is that of [`Outcomes::etag`]: it changes whenever one of the entries is replaced by another. The handler still runs, and asks the cache;
/// what is saved is the transfer. `Cache-Control: private, no-cache` is said, too, unless the handler has said something else, and also where
/// there is no tag this time: the client keeps the response, and asks each time whether it holds.
///
/// **Say all that the response depends on beside the calls**, with [`with`](Self::with): the user whose name is on the page, the language, the time
/// if it shows. What is missing there is not seen to change, and the client goes on showing what it has. The release of the service, which
/// may render the same values another way, is said once for all: [`CacheLayer::release`](super::CacheLayer::release).
///
/// There is none for a response to anything but `GET` and `HEAD`, for one that is no success, where the handler has set one itself, and where
/// one of the calls was answered with what is no entry: with a load that was not stored, or with that of another caller.
///
/// ```
/// use axum::Extension;
/// use cache_runtime::http::ETag;
///
/// # mod cache_resources { cache_runtime::resources! { rates { ttl = 60 } } }
/// # #[cache_runtime::cached(resource = "rates")]
/// # async fn rates() -> String { String::new() }
/// # struct User { name: String }
/// async fn show(user: User) -> (Extension<ETag>, String) {
///     let etag = ETag::of_calls().with(&user.name);
///     (Extension(etag), format!("for {}: {}", user.name, rates().await))
/// }
/// # fn main() { drop(show); }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "it is seen in the extensions of a response"]
pub struct ETag {
    also: Vec<String>,
    /// Something could not be displayed: nobody knows what it was.
    is_unknown: bool,
}

impl ETag {
    /// Of the calls that the handler has made.
    pub fn of_calls() -> Self {
        Self::default()
    }

    /// And of this. If its `Display` returns an error, there is no tag.
    pub fn with(mut self, part: impl Display) -> Self {
        match shown(&part) {
            Some(part) => self.also.push(part),
            None => self.is_unknown = true,
        }
        self
    }

    /// The response, which asks for it: where there is no other way to put something into its extensions.
    pub fn on<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }

    /// Says it in the head of a response, if it can be said. Returns it.
    pub(super) fn say(&self, parts: &mut Parts, outcomes: &Outcomes, release: &str) -> Option<HeaderValue> {
        if parts.headers.contains_key(ETAG) {
            return None;
        }
        parts
            .headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("private, no-cache"));
        let also: Vec<&str> = std::iter::once(release)
            .chain(self.also.iter().map(String::as_str))
            .collect();
        let etag = outcomes.etag(&also).filter(|_| !self.is_unknown)?;
        let etag = HeaderValue::try_from(etag).ok()?;
        parts.headers.insert(ETAG, etag.clone());
        Some(etag)
    }
}

/// Makes the head of a response that of the answer to a client that has it already.
pub(super) fn not_modified(parts: &mut Parts) {
    parts.status = StatusCode::NOT_MODIFIED;
    for name in &OF_THE_BODY {
        parts.headers.remove(name);
    }
}

/// The lists in which a client says what it has (RFC 9110, section 13.1.2).
pub(super) struct HadTags(Vec<HeaderValue>);

impl HadTags {
    pub(super) fn of(request: &HeaderMap) -> Self {
        Self(request.get_all(IF_NONE_MATCH).iter().cloned().collect())
    }

    /// Whether what this tag is of is among it. What is no tag is not there.
    pub(super) fn contain(&self, etag: &HeaderValue) -> bool {
        let Some(etag) = Tags(etag.as_bytes()).next() else {
            return false;
        };
        let mut lists = self.0.iter().map(|list| list.as_bytes().trim_ascii());
        lists.any(|list| list == b"*" || Tags(list).any(|had| had == etag))
    }
}

/// The tags of a list, without what says whether they are weak: that is how they are compared here.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.0.trim_ascii_start();
            let rest = rest.strip_prefix(b",").map_or(rest, <[u8]>::trim_ascii_start);
            if rest.is_empty() {
                return None;
            }
            let quoted = rest.strip_prefix(b"W/").unwrap_or(rest).strip_prefix(b"\"");
            let tag = quoted.and_then(|quoted| {
                let end = quoted.iter().position(|&byte| byte == b'"')?;
                Some((&quoted[..end], &quoted[end + 1..]))
            });
            if let Some((tag, rest)) = tag {
                self.0 = rest;
                return Some(tag);
            }
            // Up to the next one.
            let comma = rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len() - 1);
            self.0 = &rest[comma + 1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(list: &[u8]) -> Vec<&[u8]> {
        Tags(list).collect()
    }

    #[test]
    fn tags_of_a_list_are_found_whether_they_are_weak_or_not() {
        assert_eq!(tags(b"\"a\""), [b"a"]);
        assert_eq!(tags(b" W/\"a\" , \"b,c\",,W/\"\" "), [&b"a"[..], b"b,c", b""]);
        assert_eq!(tags(b"a, \"b\", w/\"c\", \"d"), [b"b"]);
        assert!(tags(b"").is_empty() && tags(b",").is_empty() && tags(b"*").is_empty() && tags(b"W/").is_empty());
    }

    proptest! {
        #[test]
        fn no_list_is_too_strange(list in prop::collection::vec(prop::sample::select(&b"W/\"\\, *a\xff"[..]), 0..30)) {
            prop_assert!(Tags(&list).count() <= list.len());
        }
    }
}

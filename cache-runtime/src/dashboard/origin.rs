//! That a form was sent from this dashboard, and not by another site in the user's name.
//!
//! A browser says where a request comes from, and no page can make it say something else: `Sec-Fetch-Site`, or without it `Origin`. Beside
//! that a form carries a token, which is in a cookie, too. Another site can neither read the one nor, because of `SameSite`, have the
//! other sent. No process has to remember anything, so that behind a load balancer each takes the forms of all.

use axum::http::{HeaderMap, HeaderName, Uri, header, request::Parts};

use super::access::authority;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The name of the cookie.
const COOKIE: &str = "cache-dashboard-token";

/// Whether a request that is to change something comes from a page of ours.
pub(super) fn is_own(parts: &Parts) -> bool {
    if let Some(site) = parts.headers.get(FETCH_SITE) {
        return site == "same-origin";
    }
    let origin = parts
        .headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    let origin: Option<Uri> = origin.and_then(|origin| origin.parse().ok());
    let origin = origin.as_ref().and_then(Uri::authority);
    // Without an origin it is no browser's, or a very old one's.
    origin.is_some() && origin == authority(parts).as_ref()
}

/// What a form and a cookie have in common: 128 bits in hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    /// That of the cookie, or a new one.
    ///
    /// # Panics
    ///
    /// If the system has no random numbers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self::in_cookie(headers).unwrap_or_else(|| {
            let mut bits = [0; 16];
            getrandom::fill(&mut bits).expect("the system has random numbers");
            Self(format!("{:032x}", u128::from_le_bytes(bits)))
        })
    }

    fn in_cookie(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut pairs = cookies
            .filter_map(|cookie| cookie.to_str().ok())
            .flat_map(|cookie| cookie.split(';'));
        let token = pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
        let is_token = token.len() == 32 && token.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_token.then(|| Self(token.to_owned()))
    }

    /// Whether a form with this token was made for whoever sent these headers.
    pub(super) fn is_of(given: &str, headers: &HeaderMap) -> bool {
        Self::in_cookie(headers).is_some_and(|token| token.0 == given)
    }

    /// What a form carries.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The header that sets the cookie, for the folder of the page.
    pub(super) fn cookie(&self) -> String {
        format!("{COOKIE}={}; HttpOnly; SameSite=Strict", self.0)
    }
}

//! Who may see the dashboard, and do what.

use std::{fmt, net::SocketAddr, pin::Pin, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{Method, StatusCode, header, request::Parts, uri::Authority},
    middleware::Next,
    response::Response,
};

use super::{Site, headers, origin, page::refusal};

/// What a request may do, as [`Dashboard::authorize`](super::Dashboard::authorize) decides it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Access {
    /// See everything, and invalidate.
    Full,
    /// See everything.
    ReadOnly,
    /// Neither; the response is sent in place of the page: a status, a way to log in.
    Refused(Response),
}

impl Access {
    /// Refused, without a reason: whoever may not see it need not know more.
    pub fn forbidden() -> Self {
        Self::Refused(refusal::page(
            StatusCode::FORBIDDEN,
            "You may not see this dashboard",
            "The service that it belongs to says so.",
        ))
    }
}

/// `true` is [`Full`](Access::Full) access, `false` [none](Access::forbidden).
impl From<bool> for Access {
    fn from(allowed: bool) -> Self {
        if allowed { Self::Full } else { Self::forbidden() }
    }
}

/// Refused with this response.
impl From<Response> for Access {
    fn from(response: Response) -> Self {
        Self::Refused(response)
    }
}

type Decision = Pin<Box<dyn Future<Output = Access> + Send>>;

/// Who decides.
#[derive(Clone, Default)]
pub(super) enum Door {
    /// Nobody was named: this machine alone is let in.
    #[default]
    Loopback,
    Hook(Arc<dyn Fn(Parts) -> Decision + Send + Sync>),
}

impl Door {
    pub(super) fn hook<F, D, A>(decide: F) -> Self
    where
        F: Fn(Parts) -> D + Send + Sync + 'static,
        D: Future<Output = A> + Send + 'static,
        A: Into<Access>,
    {
        Self::Hook(Arc::new(move |parts| {
            let decision = decide(parts);
            Box::pin(async { decision.await.into() })
        }))
    }

    async fn access(&self, parts: &Parts) -> Access {
        match self {
            Self::Loopback => match stranger(parts) {
                None => Access::Full,
                Some(reason) => Access::Refused(refusal::page(
                    StatusCode::FORBIDDEN,
                    "This dashboard answers this machine alone",
                    reason,
                )),
            },
            Self::Hook(decide) => decide(parts.clone()).await,
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "Loopback",
            Self::Hook(_) => "Hook",
        })
    }
}

/// What the request in hand may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) may_invalidate: bool,
}

/// Lets a request in or not, and puts the headers on whatever is answered.
pub(super) async fn admit(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match site.door.access(&parts).await {
        Access::Refused(response) => response,
        access => {
            let may_invalidate = matches!(access, Access::Full);
            if let Some((title, reason)) = objection(&parts, may_invalidate) {
                refusal::page(StatusCode::FORBIDDEN, title, reason)
            } else {
                site.sampler.ensure(&site.cache);
                parts.extensions.insert(Rights { may_invalidate });
                next.run(Request::from_parts(parts, body)).await
            }
        }
    };
    headers::protect(response.headers_mut());
    response
}

/// What speaks against a request that changes something.
fn objection(parts: &Parts, may_invalidate: bool) -> Option<(&'static str, &'static str)> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return None;
    }
    if !may_invalidate {
        return Some((
            "You may look, and change nothing",
            "Ask whoever runs the service for the right to invalidate.",
        ));
    }
    (!origin::is_own(parts)).then_some((
        "Nothing was done: the request does not come from this dashboard",
        "Another site may have sent it in your name. Open the page again and send the form from there. Behind a proxy, have it pass \
         on the Host header.",
    ))
}

/// Why a request is not taken for one of this machine; `None` if it is one.
///
/// That the peer is a loopback address is not enough. A browser on this machine sends what a page from elsewhere wants, to a name of
/// that page's own that leads here (DNS rebinding): the name gives it away. A proxy on this machine sends what anybody wants.
fn stranger(parts: &Parts) -> Option<&'static str> {
    let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return Some(
            "Who asks is not known. Serve the router with into_make_service_with_connect_info::<SocketAddr>(), or say with \
             Dashboard::authorize who may see the dashboard.",
        );
    };
    if !peer.ip().to_canonical().is_loopback() {
        return Some(
            "The request comes from another one. Say with Dashboard::authorize who may see the dashboard, or come through a tunnel: \
             ssh -L 8080:localhost:8080 and this host.",
        );
    }
    let is_passed_on = ["forwarded", "x-forwarded-for", "x-real-ip"].map(|name| parts.headers.contains_key(name));
    if is_passed_on.contains(&true) {
        return Some(
            "The request came through a proxy, which passes on what anybody asks. Say with Dashboard::authorize who may see the \
             dashboard.",
        );
    }
    (!is_local_name(parts)).then_some(
        "The request was sent to a name that is not one of this machine's own: localhost, 127.0.0.1 or [::1]. Say with \
         Dashboard::authorize who may see the dashboard.",
    )
}

/// Whether the request was sent to this machine under a name that nobody else can give it.
fn is_local_name(parts: &Parts) -> bool {
    let Some(authority) = authority(parts) else {
        return false;
    };
    let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address: Option<std::net::IpAddr> = address.unwrap_or(&host).parse().ok();
    address.is_some_and(|address| address.to_canonical().is_loopback())
}

/// What the request was sent to: in HTTP/2 a part of its address, otherwise the header.
pub(super) fn authority(parts: &Parts) -> Option<Authority> {
    if let Some(authority) = parts.uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        return None;
    }
    host.to_str().ok()?.parse().ok()
}

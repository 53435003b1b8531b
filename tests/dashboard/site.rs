//! A dashboard that is asked without a network between.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use cache_runtime::{Cache, dashboard::Dashboard};
use tower_service::Service as _;

pub(crate) struct Site {
    router: Router,
    peer: Option<SocketAddr>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Site {
    /// Mounted at `/cache`, and asked from this machine.
    pub(crate) fn of(cache: &Cache) -> Self {
        Self::new(Dashboard::new(cache))
    }

    pub(crate) fn new(dashboard: Dashboard) -> Self {
        Self {
            router: Router::new().nest("/cache", dashboard.into_router()),
            peer: Some((Ipv4Addr::LOCALHOST, 50_000).into()),
            headers: vec![("host", "localhost:8080".to_owned())],
        }
    }

    pub(crate) fn from(mut self, peer: Option<SocketAddr>) -> Self {
        self.peer = peer;
        self
    }

    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let others = self.headers.iter().filter(|(other, _)| *other != name).cloned();
        Self {
            router: self.router.clone(),
            peer: self.peer,
            headers: others.chain([(name, value.to_owned())]).collect(),
        }
    }

    /// As a browser sends the forms of the dashboard's own pages.
    pub(crate) fn own(&self) -> Self {
        self.with("sec-fetch-site", "same-origin")
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Page {
        let site = self.with("content-type", "application/x-www-form-urlencoded");
        site.send(Method::POST, path, form.to_owned().into()).await
    }

    /// The body as it comes.
    pub(crate) async fn stream(&self, path: &str) -> Body {
        self.respond(Method::GET, path, Body::empty()).await.into_body()
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> Page {
        let response = self.respond(method, path, body).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        Page {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    async fn respond(&self, method: Method, path: &str, body: Body) -> axum::response::Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(body).expect("a request");
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let mut router = self.router.clone();
        // A router is always ready.
        router.call(request).await.expect("always an answer")
    }
}

impl Page {
    /// The text of a page that is shown.
    #[track_caller]
    pub(crate) fn shown(self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.text
    }

    /// The value of a hidden field of its form.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        let (_, rest) = self
            .text
            .split_once(&format!("name=\"{name}\" value=\""))
            .expect("a field");
        rest.split('"').next().expect("its end")
    }

    /// The cookie that it sets, as a browser sends it back.
    #[track_caller]
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.headers[header::SET_COOKIE].to_str().expect("text");
        cookie.split(';').next().expect("a pair").to_owned()
    }
}

//! A service whose responses are made of cached calls, and a client of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, Method, Request, StatusCode, request::Builder},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cache_runtime::{
    cached, current_tenant,
    http::{CacheLayer, ETag},
    invalidates,
};
use cache_testkit::{Gate, LoadCounter};
use tower::ServiceExt as _;

/// A database of one number, which each row of a table has.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) number: Arc<AtomicU64>,
    pub(crate) loads: LoadCounter,
    /// Slow loads wait here.
    pub(crate) gate: Gate,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self {
            number: Arc::default(),
            loads: LoadCounter::new(),
            gate: Gate::closed(),
        }
    }

    #[cached(resource = "rows")]
    pub(crate) async fn row(&self, id: u64) -> String {
        self.loads.record();
        let tenant = current_tenant();
        let tenant = tenant.as_deref().unwrap_or("nobody");
        format!("row {id} of {tenant}: {}", self.number.load(Ordering::SeqCst))
    }

    #[cached(resource = "near_rows", near = "tracked")]
    pub(crate) async fn near_row(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    #[cached(resource = "slow_rows")]
    async fn slow_row(&self) -> u64 {
        self.gate.pass().await;
        1
    }

    #[cached(resource = "refused")]
    async fn refused(&self) -> Result<u64, String> {
        Err("there is none".to_owned())
    }

    #[invalidates("rows", "near_rows")]
    pub(crate) async fn write(&self, number: u64) {
        self.number.store(number, Ordering::SeqCst);
    }

    /// The service, without the layer.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/row/{id}", get(row).post(row))
            .route(
                "/api/{tenant}/row/{id}",
                get(async |state: State<Self>, Path((_, id)): Path<(String, u64)>| row(state, Path(id)).await),
            )
            .route("/tagged/{id}", get(tagged).post(tagged))
            .route("/tagged-for/{user}", get(tagged_for))
            .route("/two", get(two))
            .route("/slow", get(slow))
            .route("/refused", get(refused))
            .route("/nothing", get(async || "nothing"))
            .route("/write/{number}", post(write))
            .with_state(self.clone())
    }

    /// The service in a layer.
    pub(crate) fn behind(&self, layer: CacheLayer) -> Client {
        Client(self.routes().layer(layer))
    }
}

async fn row(State(shop): State<Shop>, Path(id): Path<u64>) -> String {
    shop.row(id).await
}

async fn tagged(State(shop): State<Shop>, Path(id): Path<u64>) -> Response {
    let headers = [("vary", "accept"), ("set-cookie", "a=1"), ("content-language", "en")];
    (Extension(ETag::of_calls()), headers, shop.row(id).await).into_response()
}

async fn tagged_for(State(shop): State<Shop>, Path(user): Path<String>) -> Response {
    let etag = ETag::of_calls().with(&user);
    etag.on(format!("{} for {user}", shop.row(1).await).into_response())
}

async fn two(State(shop): State<Shop>) -> (Extension<ETag>, String) {
    let rows = format!("{}, {}", shop.row(1).await, shop.row(2).await);
    (Extension(ETag::of_calls()), rows)
}

async fn slow(State(shop): State<Shop>) -> (Extension<ETag>, String) {
    (Extension(ETag::of_calls()), shop.slow_row().await.to_string())
}

async fn refused(State(shop): State<Shop>) -> (StatusCode, Extension<ETag>, String) {
    let refusal = shop.refused().await.unwrap_err();
    (StatusCode::NOT_FOUND, Extension(ETag::of_calls()), refusal)
}

async fn write(State(shop): State<Shop>, Path(number): Path<u64>) {
    shop.write(number).await;
}

/// Sends requests to a router.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) Router);

/// A response, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn send(&self, request: Builder) -> Answer {
        let request = request.body(Body::empty()).expect("a request");
        let response = self.0.clone().oneshot(request).await;
        Answer::of(response.unwrap_or_else(|never| match never {})).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    /// As [`get`](Self::get), with one header.
    pub(crate) async fn get_with(&self, path: &str, name: &str, value: &str) -> Answer {
        self.send(Request::get(path).header(name, value)).await
    }

    pub(crate) async fn method_with(&self, method: Method, path: &str, name: &str, value: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send(request.header(name, value)).await
    }
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("a text"),
        }
    }

    /// A header that is there once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().unwrap_or_else(|| panic!("{name} is missing: {self:?}"));
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value.to_str().expect("a text")
    }

    #[track_caller]
    pub(crate) fn assert_ok(&self, body: &str) {
        assert_eq!((self.status, &*self.body), (StatusCode::OK, body), "{self:?}");
    }
}

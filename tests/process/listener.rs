//! Services behind a real listener: their requests run on tasks that the server spawns, and use the test's cache and tenant.

use std::net::SocketAddr;

use axum::{Router, extract::Path, routing::get, routing::post};
use cache_runtime::{
    Outcome::{self, Bypass, Hit, Miss},
    Outcomes, cached, current_tenant, invalidates, observe, with_cache, with_tenant,
};
use cache_testkit::{ContextLayer, RedisServer, isolated, isolated_on};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

#[cached(resource = "pages")]
async fn page(id: u32) -> String {
    format!("page {id} of {}", current_tenant().as_deref().unwrap_or("nobody"))
}

#[invalidates("pages")]
async fn change() {}

fn app() -> Router {
    Router::new()
        .route("/pages/{id}", get(async |Path(id): Path<u32>| page(id).await))
        .route("/changes", post(async || change().await))
}

/// A service that ends with this value.
struct Listening {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Listening {
    async fn start(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let until = async { drop(stopped.await) };
            axum::serve(listener, app).with_graceful_shutdown(until).await
        });
        Self { address, _stop: stop }
    }

    /// The body of the answer, over a connection of its own.
    async fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it is answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        body.to_owned()
    }
}

fn kinds(outcomes: &Outcomes) -> Vec<Outcome> {
    outcomes.iter().map(|call| call.outcome).collect()
}

/// What the layer is for.
#[tokio::test]
async fn without_the_layer_a_request_finds_no_cache() {
    isolated(async |cache| {
        let service = Listening::start(app()).await;
        for _ in 0..2 {
            assert_eq!(service.ask("GET", "/pages/1").await, "page 1 of nobody");
        }
        assert_eq!((cache.stats().hits, cache.stats().misses), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn requests_use_the_cache_of_the_test_and_are_observed_by_it() {
    isolated(async |cache| {
        let asked = async {
            let service = Listening::start(app().layer(ContextLayer::current())).await;
            for _ in 0..2 {
                assert_eq!(service.ask("GET", "/pages/1").await, "page 1 of nobody");
            }
            service.ask("POST", "/changes").await;
            service.ask("GET", "/pages/1").await;
        };
        let ((), outcomes) = observe(asked).await;
        assert_eq!(kinds(&outcomes), [Miss, Hit, Miss]);
        // It is the test's own cache: a call of the test finds what a request has stored.
        let (_, outcomes) = observe(page(1)).await;
        assert_eq!(kinds(&outcomes), [Hit]);
        assert_eq!(cache.stats().invalidations, 1);
    })
    .await;
}

#[tokio::test]
async fn requests_belong_to_the_tenant_of_the_test_unless_a_middleware_sets_another() {
    isolated(async |_| {
        with_tenant("client-a", async {
            let service = Listening::start(app().layer(ContextLayer::current())).await;
            assert_eq!(service.ask("GET", "/pages/1").await, "page 1 of client-a");
            let of_b = axum::middleware::from_fn(async |request, next: axum::middleware::Next| {
                with_tenant("client-b", next.run(request)).await
            });
            let service = Listening::start(app().layer(of_b).layer(ContextLayer::current())).await;
            assert_eq!(service.ask("GET", "/pages/1").await, "page 1 of client-b");
        })
        .await;
        let (text, outcomes) = observe(with_tenant("client-a", page(1))).await;
        assert_eq!((&*text, kinds(&outcomes)), ("page 1 of client-a", vec![Hit]));
    })
    .await;
}

#[tokio::test]
async fn services_of_tests_that_run_at_once_see_nothing_of_each_other() {
    let server = RedisServer::start().unwrap();
    let one = isolated_on(&server, async |cache| {
        let service = Listening::start(app().layer(ContextLayer::current())).await;
        for id in 0..20 {
            service.ask("GET", &format!("/pages/{id}")).await;
            service.ask("GET", &format!("/pages/{id}")).await;
        }
        (cache.stats().misses, cache.stats().hits)
    });
    let other = isolated(async |cache| {
        let service = Listening::start(app().layer(ContextLayer::current())).await;
        for id in 0..10 {
            service.ask("GET", &format!("/pages/{id}")).await;
        }
        (cache.stats().misses, cache.stats().hits)
    });
    let (one, other) = tokio::join!(one, other);
    assert_eq!((one, other), ((20, 20), (10, 0)));
}

#[tokio::test]
async fn a_layer_that_is_made_outside_of_any_test_carries_nothing() {
    let layer = ContextLayer::current();
    isolated(async |cache| {
        let service = Listening::start(app().layer(layer)).await;
        with_cache(cache.clone(), service.ask("GET", "/pages/1")).await;
        let (_, outcomes) = observe(service.ask("GET", "/pages/1")).await;
        assert!(outcomes.is_empty(), "{outcomes:?}");
        assert_eq!(cache.stats().misses, 0);
    })
    .await;
    let (_, outcomes) = observe(page(1)).await;
    assert_eq!(kinds(&outcomes), [Bypass]);
}

//! Conditional requests while rows are written and connections are cut: a client that is told that it has the response has it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use axum::http::{Method, StatusCode};
use cache_runtime::{Cache, http::CacheLayer, spawn};
use cache_testkit::{PATIENCE, RedisServer, isolated_in, until};
use support::through_a_proxy;
use tokio::task::JoinHandle;

use crate::shop::{Client, Shop};

/// How many answers without a body there are between two faults.
const SPARED: u64 = 50;

/// What all clients share.
#[derive(Clone, Default)]
struct Clients {
    /// The last number whose write has been answered.
    written: Arc<AtomicU64>,
    /// How many answers had no body.
    spared: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Clients {
    /// A browser: it has one response and its tag, and asks whether it holds.
    async fn browse(self, client: Client) {
        let (mut etag, mut shown) = ("\"none\"".to_owned(), 0);
        while !self.over.load(Ordering::SeqCst) {
            let at_least = self.written.load(Ordering::SeqCst);
            let answer = client.get_with("/tagged/1", "if-none-match", &etag).await;
            match answer.status {
                StatusCode::NOT_MODIFIED => {
                    self.spared.fetch_add(1, Ordering::SeqCst);
                }
                StatusCode::OK => {
                    shown = answer.body.rsplit(' ').next().unwrap().parse().unwrap();
                    let tagged = answer.headers.get("etag").map(|etag| etag.to_str().unwrap());
                    etag = tagged.unwrap_or("\"none\"").to_owned();
                }
                other => panic!("{other}"),
            }
            assert!(
                shown >= at_least,
                "{shown} is shown, and {at_least} was written before: {answer:?}"
            );
            tokio::task::yield_now().await;
        }
    }

    async fn write(self, client: Client) {
        let mut number = 0;
        while !self.over.load(Ordering::SeqCst) {
            number += 1;
            client
                .method_with(Method::POST, &format!("/write/{number}"), "x", "y")
                .await;
            self.written.store(number, Ordering::SeqCst);
            // Some of the reads come between two writes.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_to_go_on_showing_what_was_changed() {
    let server = RedisServer::start().unwrap();
    let (proxy, config) = through_a_proxy(&server);
    isolated_in(Cache::builder().redis(config).build(), async |cache| {
        assert!(cache.ready(PATIENCE).await);
        let client = Shop::new().behind(CacheLayer::new("shop"));
        let clients = Clients::default();
        let mut tasks = vec![spawn(clients.clone().write(client.clone()))];
        tasks.extend((0..4).map(|_| spawn(clients.clone().browse(client.clone()))));
        for fault in 1..=4 {
            until("some were spared the body", async || {
                clients.spared.load(Ordering::SeqCst) >= fault * SPARED || tasks.iter().any(JoinHandle::is_finished)
            })
            .await;
            proxy.reset();
        }
        clients.over.store(true, Ordering::SeqCst);
        for task in tasks {
            task.await.unwrap();
        }
    })
    .await;
}

//! The service in this process, on a free port, and a client for it.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use cache_runtime::Cache;
use serde::de::DeserializeOwned;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    db::{Books, Database},
    http::{self, App, Tokens},
    services::Services,
};

/// A running service.
pub(super) struct Instance {
    pub(super) cache: Cache,
    db: Database,
    address: String,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The header `cache-status`; empty when it was not there.
    pub(super) cache_status: String,
    pub(super) took: Duration,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn is_hit(&self) -> bool {
        self.cache_status.contains("; hit") && !self.cache_status.contains("stale_hit")
    }

    /// # Errors
    /// When the service answered with an error, or something else than a `T`.
    pub(super) fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        anyhow::ensure!(self.status < 300, "the service answered {}: {}", self.status, text());
        serde_json::from_slice(&self.body).with_context(text)
    }
}

impl Instance {
    /// Starts the service over `books`, with a count of queries of its own.
    pub(super) async fn start(books: &Books, cache: Cache) -> anyhow::Result<Self> {
        let books = Books {
            db: books.db.counted_apart(),
            ..books.clone()
        };
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no free port on 127.0.0.1")?;
        let address = format!("http://{}", listener.local_addr()?);
        let app = App {
            services: Services::new(&books),
            cache: cache.clone(),
            tokens: Arc::new(Tokens::new(None)),
        };
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(http::serve(listener, app, async {
            // A dropped sender ends the service as well.
            let _ = stopped.await;
        }));
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_mins(2))
            .build()?;
        Ok(Self {
            cache,
            db: books.db,
            address,
            client,
            stop,
            server,
        })
    }

    /// How many queries the service has made.
    pub(super) fn queries(&self) -> u64 {
        self.db.queries()
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(self.client.get(format!("{}{path}", self.address))).await
    }

    pub(super) async fn post(&self, path: &str, body: String) -> anyhow::Result<Answer> {
        self.send(self.client.post(format!("{}{path}", self.address)).body(body))
            .await
    }

    pub(super) async fn put(&self, path: &str, body: String) -> anyhow::Result<Answer> {
        self.send(self.client.put(format!("{}{path}", self.address)).body(body))
            .await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let started = Instant::now();
        let response = request.send().await?;
        let status = response.status().as_u16();
        let cache_status = response
            .headers()
            .get("cache-status")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let cache_status = cache_status.to_owned();
        let body = response.bytes().await?.to_vec();
        Ok(Answer {
            status,
            cache_status,
            took: started.elapsed(),
            body,
        })
    }

    /// Ends the service and closes its cache.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.client);
        drop(self.stop);
        self.server.await??;
        self.cache.close().await;
        Ok(())
    }
}

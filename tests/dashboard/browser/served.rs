//! A dashboard behind a port of its own.

use std::net::SocketAddr;

use axum::Router;
use cache_runtime::{Cache, dashboard::Dashboard};
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) struct Served {
    origin: String,
    server: JoinHandle<()>,
}

impl Served {
    /// At `/cache`, to this machine.
    pub(crate) async fn start(cache: &Cache) -> Self {
        let router: Router = Router::new().nest("/cache", Dashboard::new(cache).into_router());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("its address"));
        let server = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>());
        let server = tokio::spawn(async move { server.await.expect("a listener that works") });
        Self { origin, server }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

//! A `tower` layer that gives the requests of a server under test what the test's task carries.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use cache_runtime::TaskContext;
use tower_layer::Layer;
use tower_service::Service;

/// Gives each request to a service what the task carried in which the layer was made: its cache, its tenant, and whatever
/// observes it.
///
/// A server such as `axum::serve` spawns a task for each connection, and a spawned task carries nothing: without this layer
/// the calls of a service that [`isolated`](crate::isolated) has started find no cache, or the installed one. With it they use the test's.
/// A tenant that a middleware sets inside of the layer wins.
///
/// ```
/// # use cache_runtime::Outcome;
/// # use cache_testkit::{ContextLayer, isolated};
/// # use tower_layer::Layer;
/// # use tower_service::Service;
/// # mod cache_resources { cache_runtime::resources! { answers { ttl = 60 } } }
/// # #[cache_runtime::cached(resource = "answers")]
/// # async fn answer() -> u32 { 42 }
/// # #[derive(Clone)] struct App;
/// # impl Service<()> for App {
/// #     type Response = u32; type Error = (); type Future = std::pin::Pin<Box<dyn Future<Output = Result<u32, ()>> + Send>>;
/// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), ()>> { Ok(()).into() }
/// #     fn call(&mut self, _: ()) -> Self::Future { Box::pin(async { Ok(answer().await) }) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let app = App;
/// isolated(async |cache| {
///     let mut app = ContextLayer::current().layer(app); // with axum: `router.layer(ContextLayer::current())`
///     for _ in 0..2 {
///         tokio::spawn(app.call(())).await.unwrap().unwrap();
///     }
///     assert_eq!(cache.stats().hits, 1);
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until a service is wrapped in it"]
pub struct ContextLayer(TaskContext);

impl ContextLayer {
    /// What the task carries that calls this function.
    pub fn current() -> Self {
        Self(TaskContext::current())
    }
}

impl<S> Layer<S> for ContextLayer {
    type Service = InContext<S>;

    fn layer(&self, inner: S) -> InContext<S> {
        InContext {
            inner,
            context: self.0.clone(),
        }
    }
}

/// A service in a [`ContextLayer`].
#[derive(Debug, Clone)]
pub struct InContext<S> {
    inner: S,
    context: TaskContext,
}

impl<R, S: Service<R, Future: Send + 'static>> Service<R> for InContext<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        Box::pin(self.context.run(self.inner.call(request)))
    }
}

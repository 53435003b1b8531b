//! The way of a request through the layer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::http::{HeaderValue, Method, Request, Response, StatusCode, request::Parts};
use tower_service::Service;

use super::{
    body::{ResponseBody, Text},
    directives::Directive,
    etag::{ETag, HadTags, not_modified},
    fields::{Cause, add_status, add_status_of_peek, add_timing},
    layer::Settings,
    tenant::{Malformed, MissingTenant},
};
use crate::{Cache, Outcomes, bypass, cache::current_cache, observe, peek, refresh, with_cache, with_tenant};

/// A service in a [`CacheLayer`](super::CacheLayer).
#[derive(Debug, Clone)]
pub struct CacheService<S> {
    inner: S,
    settings: Arc<Settings>,
}

/// A request on its way.
pub type ResponseFuture<B, E> = Serving<Result<Response<ResponseBody<B>>, E>>;

type Serving<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S> CacheService<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, Q, B> Service<Request<Q>> for CacheService<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error: 'static, Future: Send + 'static> + Clone + Send + 'static,
    Q: Send + 'static,
    B: 'static,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<B, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let visit = match Visit::of(&parts, &self.settings) {
            Ok(visit) => visit,
            Err(Malformed(wrong)) => {
                let text = format!("the tenant of the request {wrong}\n");
                return Box::pin(async { Ok(answer(StatusCode::BAD_REQUEST, text)) });
            }
        };
        let request = Request::from_parts(parts, body);
        let next = self.inner.clone();
        // The one that was polled is the one that is ready.
        let mut inner = std::mem::replace(&mut self.inner, next);
        let settings = Arc::clone(&self.settings);
        Box::pin(async move {
            let cache = settings.cache.clone().or_else(|| current_cache(None));
            // Called when it is polled: whatever it does before it returns its future, it does as the visit says.
            let serving = async move { inner.call(request).await };
            let (served, outcomes) = observe(visit.serve(settings.cache.clone(), Box::pin(serving))).await;
            match served {
                Some(served) => Ok(visit.finish(served?, &outcomes, cache.as_ref(), &settings)),
                None => Ok(unanswered(&settings)),
            }
        })
    }
}

/// What is known of a request before it is served.
struct Visit {
    tenant: Option<String>,
    directive: Option<Directive>,
    /// Why its calls run uncached, if they do.
    cause: Option<Cause>,
    /// What the client has already, of a request that only reads.
    had: Option<HadTags>,
}

impl Visit {
    fn of(parts: &Parts, settings: &Settings) -> Result<Self, Malformed> {
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        let obeyed = settings.obeys.as_ref().filter(|obeys| is_read && obeys(parts));
        let mut directive = obeyed.and_then(|_| Directive::of(&parts.headers));
        let mut cause = Cause::of(directive);
        let tenant = match &settings.tenant {
            Some(source) => source.tenant(parts)?,
            None => None,
        };
        if tenant.is_none() && settings.tenant.is_some() {
            match settings.missing_tenant {
                MissingTenant::Reject => return Err(Malformed("is missing")),
                MissingTenant::Default => {}
                MissingTenant::Bypass => (directive, cause) = (Some(Directive::Bypass), Some(Cause::NoTenant)),
            }
        }
        Ok(Self {
            tenant,
            directive,
            cause,
            had: is_read.then(|| HadTags::of(&parts.headers)),
        })
    }

    /// Serves the request as it is to be. `None` if it was to be answered by the cache alone, and was not.
    async fn serve<T: 'static>(&self, cache: Option<Cache>, mut serving: Serving<T>) -> Option<T> {
        if let Some(tenant) = &self.tenant {
            serving = Box::pin(with_tenant(tenant, serving));
        }
        if let Some(cache) = cache {
            serving = Box::pin(with_cache(cache, serving));
        }
        match self.directive {
            None => Some(serving.await),
            Some(Directive::Refresh) => Some(refresh(serving).await),
            Some(Directive::Bypass) => Some(bypass(serving).await),
            Some(Directive::Peek) => peek(serving).await,
        }
    }

    /// The response, with what the layer adds to it.
    fn finish<B>(
        &self,
        response: Response<B>,
        outcomes: &Outcomes,
        cache: Option<&Cache>,
        settings: &Settings,
    ) -> Response<ResponseBody<B>> {
        let (mut parts, body) = response.into_parts();
        add_status(&mut parts.headers, &settings.name, outcomes, self.cause, cache);
        if settings.server_timing {
            add_timing(&mut parts.headers, outcomes);
        }
        let asked = parts.extensions.remove::<ETag>();
        if let Some(had) = self.had.as_ref().filter(|_| parts.status.is_success())
            && let Some(etag) = asked.and_then(|asked| asked.say(&mut parts, outcomes, &settings.release))
            && had.contain(&etag)
        {
            not_modified(&mut parts);
            return Response::from_parts(parts, ResponseBody::own(Text::default()));
        }
        Response::from_parts(parts, ResponseBody::of_service(body))
    }
}

/// The answer to a request that was to be answered by the cache alone (RFC 9111, section 5.2.1.7).
fn unanswered<B>(settings: &Settings) -> Response<ResponseBody<B>> {
    let text = "the cache has nothing that answers the request\n";
    let mut response = answer(StatusCode::GATEWAY_TIMEOUT, text.to_owned());
    add_status_of_peek(response.headers_mut(), &settings.name);
    response
}

fn answer<B>(status: StatusCode, text: String) -> Response<ResponseBody<B>> {
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    Text::new(text).response(status, content_type).map(ResponseBody::own)
}

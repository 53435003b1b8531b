//! Liveness and readiness, as Kubernetes asks for them.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use ::http::{HeaderValue, Request, Response, StatusCode};
use serde::Serialize;
use tower_service::Service;

use super::body::Text;
use crate::{Cache, Concern};

/// Whether the process answers. That says nothing of the cache, and is meant to: to begin anew mends no Redis, and loses what the process
/// keeps.
///
/// It answers every request with `200` and `{"status":"ok"}`.
pub fn liveness() -> Liveness {
    Liveness(())
}

/// Whether the service is to be sent requests, as far as the cache is concerned, and what [concerns](Cache::concerns) it.
///
/// It answers every request with `200`, as long as nothing concerns the cache that makes the service unready, and else with `503`. Unless
/// [`unready_when`](Readiness::unready_when) says more, that is [`Concern::Closed`] alone, which is the service on its way out: **a service
/// goes on without its cache.** To take all of its processes out of service because Redis is away would make an outage of a slow hour.
///
/// ```json
/// {"status":"degraded","concerns":[{"concern":"unavailable","unready":false,"reason":"The store is unavailable. Calls run …"}]}
/// ```
///
/// `status` is `ok`, `degraded` or `unready`. The reasons name databases that are followed, and hold no passwords.
pub fn readiness(cache: &Cache) -> Readiness {
    Readiness {
        cache: cache.clone(),
        unready: Arc::new(|_| false),
    }
}

/// What [`liveness`] returns: a service for any request.
#[derive(Debug, Clone)]
pub struct Liveness(());

/// What [`readiness`] returns: a service for any request.
#[derive(Clone)]
#[must_use = "a probe answers where it is mounted"]
pub struct Readiness {
    cache: Cache,
    unready: Arc<dyn Fn(&Concern) -> bool + Send + Sync>,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    concerns: Option<Vec<ReportedConcern>>,
}

#[derive(Serialize)]
struct ReportedConcern {
    concern: &'static str,
    unready: bool,
    reason: String,
}

impl Liveness {
    /// The answer to a probe, for frameworks without `tower`.
    pub fn response(&self) -> Response<Text> {
        let report = Report {
            status: "ok",
            concerns: None,
        };
        respond(StatusCode::OK, &report)
    }
}

impl Readiness {
    /// Says which concerns make the service unready, too. Default: none.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cache_runtime::{Cache, Concern, http::readiness};
    ///
    /// # fn probe(cache: &Cache) -> cache_runtime::http::Readiness {
    /// readiness(cache).unready_when(|concern| match concern {
    ///     // The first moments: for a cache that is wanted warm from the beginning.
    ///     Concern::Starting => true,
    ///     // What others write to the database has not been invalidated for a minute.
    ///     Concern::RelayBehind { lag, .. } => *lag > Duration::from_secs(60),
    ///     // More was invalidated than the journal takes.
    ///     Concern::PendingInvalidations { everything, .. } => *everything,
    ///     _ => false,
    /// })
    /// # }
    /// # drop(probe(&Cache::disabled()));
    /// ```
    pub fn unready_when(mut self, unready: impl Fn(&Concern) -> bool + Send + Sync + 'static) -> Self {
        self.unready = Arc::new(unready);
        self
    }

    /// The answer to a probe, for frameworks without `tower`.
    pub fn response(&self) -> Response<Text> {
        let concerns: Vec<ReportedConcern> = self
            .cache
            .concerns()
            .iter()
            .map(|concern| ReportedConcern {
                concern: concern.as_str(),
                unready: *concern == Concern::Closed || (self.unready)(concern),
                reason: concern.to_string(),
            })
            .collect();
        let (code, status) = if concerns.iter().any(|concern| concern.unready) {
            (StatusCode::SERVICE_UNAVAILABLE, "unready")
        } else if concerns.is_empty() {
            (StatusCode::OK, "ok")
        } else {
            (StatusCode::OK, "degraded")
        };
        let report = Report {
            status,
            concerns: Some(concerns),
        };
        respond(code, &report)
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

fn respond(code: StatusCode, report: &Report) -> Response<Text> {
    // Texts and flags: there is nothing in it that JSON could not say.
    let text = serde_json::to_vec(report).unwrap_or_default();
    Text::new(text).response(code, HeaderValue::from_static("application/json"))
}

macro_rules! serves {
    ($($probe:ty),+) => {$(
        impl<Q> Service<Request<Q>> for $probe {
            type Response = Response<Text>;
            type Error = Infallible;
            type Future = Ready<Result<Response<Text>, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, _: Request<Q>) -> Self::Future {
                ready(Ok(self.response()))
            }
        }
    )+};
}

serves!(Liveness, Readiness);

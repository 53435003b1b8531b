//! `/metrics`: what Prometheus scrapes.
use std::sync::LazyLock;

use axum::{extract::State, http::StatusCode};
use cache_runtime::DURATION_BUCKETS;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::App;

/// The recorder of the process, of which there is one at most.
static PROMETHEUS: LazyLock<Result<PrometheusHandle, BuildError>> = LazyLock::new(install);

fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Prefix("cache_".to_owned()), DURATION_BUCKETS)?
        .install_recorder()
}

/// Has what is measured recorded from here on.
pub(super) fn record() {
    if let Err(error) = &*PROMETHEUS {
        tracing::warn!(%error, "nothing is measured");
    }
}

pub(super) async fn show(State(app): State<App>) -> Result<String, StatusCode> {
    let prometheus = PROMETHEUS.as_ref().map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    app.cache.publish_metrics();
    prometheus.run_upkeep();
    Ok(prometheus.render())
}

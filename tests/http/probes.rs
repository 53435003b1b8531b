//! Liveness and readiness, in each state that a cache can be in.

use std::time::Duration;

use axum::{Router, http::StatusCode};
use cache_runtime::{
    Cache, Concern,
    changes::{Backlog, ChangeError, ChangeSource, SourceFuture, Taken},
    http::{CacheLayer, Readiness, liveness, readiness},
    store::StoreErrorKind,
};
use cache_testkit::{
    Direction, OperationKind, RedisServer, isolated, isolated_in, patient, reaching, recovered, until,
};
use serde_json::{Value, json};
use support::{spy, through_a_proxy};

use crate::shop::{Client, Shop};

fn mounted(readiness: Readiness) -> Client {
    let routes = Router::new()
        .route_service("/livez", liveness())
        .route_service("/readyz", readiness);
    Client(routes)
}

/// What a probe says: the status of the answer, the one in it, and what concerns the cache, with whether that makes it unready.
async fn probe(readiness: Readiness) -> (u16, String, Vec<(String, bool)>) {
    let answer = mounted(readiness).get("/readyz").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let report: Value = serde_json::from_str(&answer.body).unwrap();
    let concern = |concern: &Value| {
        let reason = concern["reason"].as_str().unwrap();
        assert!(reason.len() > 20 && reason.contains(". "), "{reason}");
        (
            concern["concern"].as_str().unwrap().to_owned(),
            concern["unready"].as_bool().unwrap(),
        )
    };
    let concerns = report["concerns"].as_array().unwrap().iter().map(concern).collect();
    (
        answer.status.as_u16(),
        report["status"].as_str().unwrap().to_owned(),
        concerns,
    )
}

fn said(code: u16, status: &str, concerns: &[(&str, bool)]) -> (u16, String, Vec<(String, bool)>) {
    let concerns = concerns
        .iter()
        .map(|(concern, unready)| ((*concern).to_owned(), *unready));
    (code, status.to_owned(), concerns.collect())
}

/// Everything that is a concern makes it unready.
fn strict(cache: &Cache) -> Readiness {
    readiness(cache).unready_when(|_| true)
}

#[tokio::test]
async fn a_cache_that_does_its_work_is_no_concern() {
    isolated(async |cache| {
        assert_eq!(probe(strict(&cache)).await, said(200, "ok", &[]));
        let alive = mounted(readiness(&cache)).get("/livez").await;
        alive.assert_ok("{\"status\":\"ok\"}");
        assert_eq!(
            serde_json::from_str::<Value>(&mounted(readiness(&cache)).get("/readyz").await.body).unwrap(),
            json!({"status": "ok", "concerns": []})
        );
    })
    .await;
}

#[tokio::test]
async fn a_service_goes_on_without_its_cache_and_a_closed_one_is_on_its_way_out() {
    let disabled = Cache::disabled();
    assert_eq!(
        probe(readiness(&disabled)).await,
        said(200, "degraded", &[("disabled", false)])
    );
    assert_eq!(
        probe(strict(&disabled)).await,
        said(503, "unready", &[("disabled", true)])
    );
    let cache = Cache::builder().build();
    cache.close().await;
    assert_eq!(
        probe(readiness(&cache)).await,
        said(503, "unready", &[("closed", true)])
    );
    mounted(readiness(&cache))
        .get("/livez")
        .await
        .assert_ok("{\"status\":\"ok\"}");
}

#[tokio::test]
async fn a_store_that_was_not_reached_yet_is_looked_for_although_nobody_calls() {
    let server = RedisServer::start().unwrap();
    let (proxy, config) = through_a_proxy(&server);
    proxy.black_hole(Direction::ToClient);
    isolated_in(patient().redis(config).build(), async |cache| {
        let starting = readiness(&cache).unready_when(|concern| *concern == Concern::Starting);
        assert_eq!(
            probe(starting.clone()).await,
            said(503, "unready", &[("starting", true)])
        );
        assert_eq!(
            probe(readiness(&cache)).await,
            said(200, "degraded", &[("starting", false)])
        );
        proxy.heal();
        until("it is ready", async || {
            probe(starting.clone()).await == said(200, "ok", &[])
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_outage_is_said_and_over_when_it_is() {
    let server = RedisServer::start().unwrap();
    isolated_in(reaching(&server, Cache::builder()).await, async |cache| {
        let shop = Shop::new();
        let client = shop.behind(CacheLayer::new("shop"));
        server.kill();
        until("it is noticed", async || {
            client.get("/row/1").await.assert_ok("row 1 of nobody: 0");
            probe(readiness(&cache)).await == said(200, "degraded", &[("unavailable", false)])
        })
        .await;
        shop.write(0).await;
        let waiting = [("unavailable", false), ("pending_invalidations", false)];
        assert_eq!(probe(readiness(&cache)).await, said(200, "degraded", &waiting));
        let refusing = readiness(&cache).unready_when(|concern| *concern == Concern::Unavailable);
        let waiting = [("unavailable", true), ("pending_invalidations", false)];
        assert_eq!(probe(refusing.clone()).await, said(503, "unready", &waiting));
        server.restart().unwrap();
        recovered(&cache).await;
        assert_eq!(probe(refusing).await, said(200, "ok", &[]));
    })
    .await;
}

#[tokio::test]
async fn a_journal_that_has_no_room_any_more_can_be_told_from_one_that_has() {
    let store = spy();
    isolated_in(
        Cache::builder().store(store.clone()).journal_limit(2).build(),
        async |cache| {
            store.fail_all(StoreErrorKind::Unavailable);
            let everything =
                |concern: &Concern| matches!(concern, Concern::PendingInvalidations { everything: true, .. });
            for tenant in ["a", "b"] {
                cache.invalidate("rows").tenant(tenant).await.unwrap();
            }
            let pending = cache
                .concerns()
                .into_iter()
                .find(|concern| matches!(concern, Concern::PendingInvalidations { .. }));
            assert!(
                matches!(
                    pending,
                    Some(Concern::PendingInvalidations {
                        lines: 2,
                        everything: false,
                        ..
                    })
                ),
                "{pending:?}"
            );
            for tenant in ["c", "d"] {
                cache.invalidate("rows").tenant(tenant).await.unwrap();
            }
            assert!(cache.concerns().iter().any(everything), "{:?}", cache.concerns());
            let answer = mounted(readiness(&cache).unready_when(everything)).get("/readyz").await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        },
    )
    .await;
}

/// A database whose changes have been waiting for so long, or that is out of reach.
#[derive(Debug)]
struct Source(Option<Duration>);

impl Source {
    fn failed() -> ChangeError {
        ChangeError::new("the database has gone on holiday")
    }
}

impl ChangeSource for Source {
    fn description(&self) -> String {
        "a made-up database".to_owned()
    }

    fn take(&mut self) -> SourceFuture<'_, Taken> {
        let taken = self.0.map(|oldest| Taken::Standby(Backlog::new(Some(oldest))));
        Box::pin(async { taken.ok_or_else(Self::failed) })
    }

    fn acknowledge(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn stand_down(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn wait(&mut self, _: Duration) -> SourceFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn backlog(&mut self) -> SourceFuture<'_, Backlog> {
        let backlog = Backlog::new(self.0);
        Box::pin(async move { Ok(backlog) })
    }
}

#[tokio::test]
async fn changes_of_a_database_that_wait_are_a_concern_from_five_seconds_on() {
    for (source, expected) in [
        (Source(Some(Duration::from_secs(4))), None),
        (
            Source(Some(Duration::from_secs(61))),
            Some("has not been invalidated for 1m 1s."),
        ),
        (Source(None), Some("is not known. the database has gone on holiday")),
    ] {
        isolated(async |cache| {
            let followed = source.0;
            let relay = cache.follow(source).start().unwrap();
            relay
                .until(|status| status.error.is_some() || followed == Some(status.lag))
                .await;
            let concerns = cache.concerns();
            match expected {
                None => assert_eq!(concerns, []),
                Some(words) => {
                    let reason = concerns[0].to_string();
                    assert!(
                        reason.contains("a made-up database") && reason.contains(words),
                        "{reason}"
                    );
                    let late = readiness(&cache).unready_when(
                        |concern| matches!(concern, Concern::RelayBehind { lag, .. } if *lag > Duration::from_mins(1)),
                    );
                    let is_late = followed.is_some();
                    let (code, status) = if is_late { (503, "unready") } else { (200, "degraded") };
                    assert_eq!(probe(late).await, said(code, status, &[("relay_behind", is_late)]));
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_store_that_does_not_report_changes_is_a_concern_where_values_are_tracked() {
    let store = spy();
    store.fail_next(OperationKind::WatchStamps, usize::MAX, StoreErrorKind::Unsupported);
    isolated_in(Cache::builder().store(store.clone()).build(), async |cache| {
        assert_eq!(cache.concerns(), []);
        let shop = Shop::new();
        shop.near_row().await;
        until("it has been asked", async || {
            cache.concerns() == [Concern::NearUnwatched]
        })
        .await;
        assert_eq!(
            probe(readiness(&cache)).await,
            said(200, "degraded", &[("near_unwatched", false)])
        );
    })
    .await;
}

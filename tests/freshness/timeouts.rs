//! `load_timeout`: how long a call waits for a load, with an old value to return and without.

use std::time::Duration;

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss, StaleHit},
    cached,
};
use cache_testkit::{isolated, until};
use support::outcome_of;
use tokio::time::{Instant, advance};

use crate::source::{Failure, Source};

const TTL: Duration = Duration::from_secs(10);
const SOFT: Duration = Duration::from_millis(200);
const HARD: Duration = Duration::from_secs(5);

impl Source {
    #[cached(resource = "timed", load_timeout(soft = "200ms", hard = "5s"))]
    async fn timed(&self) -> Result<i64, Failure> {
        self.load().await
    }

    #[cached(resource = "hot", load_timeout(hard = "5s"))]
    async fn bounded(&self) -> Result<i64, Failure> {
        self.load().await
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_soft_timeout_the_old_value_is_returned_and_the_load_goes_on_and_fills() {
    isolated(async |cache: Cache| {
        let source = Source::new(1);
        assert_eq!(source.timed().await, Ok(1));
        advance(TTL).await;
        source.set(2);
        source.gate.close();
        let began = Instant::now();
        assert_eq!(outcome_of(source.timed()).await, (Ok(1), StaleHit));
        assert_eq!(began.elapsed(), SOFT);
        // While it goes on nobody waits again.
        let began = Instant::now();
        assert_eq!(outcome_of(source.timed()).await, (Ok(1), StaleHit));
        assert_eq!(began.elapsed(), Duration::ZERO);
        source.gate.open();
        until("the load has filled", async || cache.stats().fills == 2).await;
        assert_eq!(outcome_of(source.timed()).await, (Ok(2), Hit));
        assert_eq!(source.loads.count(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_quicker_than_the_soft_timeout_is_waited_for() {
    isolated(async |_| {
        let source = Source::new(1);
        assert_eq!(source.timed().await, Ok(1));
        advance(TTL).await;
        source.set(2);
        assert_eq!(outcome_of(source.timed()).await, (Ok(2), Miss));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_an_old_value_a_call_waits_until_the_hard_timeout_and_returns_an_error_of_its_own() {
    isolated(async |cache: Cache| {
        let source = Source::new(1);
        source.gate.close();
        let began = Instant::now();
        assert_eq!(source.timed().await, Err(Failure::Late(HARD)));
        assert_eq!(began.elapsed(), HARD);
        assert_eq!(source.bounded().await, Err(Failure::Late(HARD)));
        assert_eq!(cache.stats().timed_out_loads, 2);
        assert_eq!(source.gate.waiting(), 0, "the body is dropped");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_load_that_goes_on_ends_with_the_hard_timeout() {
    isolated(async |cache: Cache| {
        let source = Source::new(1);
        assert_eq!(source.timed().await, Ok(1));
        advance(TTL).await;
        source.gate.close();
        assert_eq!(outcome_of(source.timed()).await, (Ok(1), StaleHit));
        assert_eq!(source.gate.waiting(), 1);
        until("the load has ended", async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cache.stats().failed_refreshes == 1
        })
        .await;
        assert_eq!(source.gate.waiting(), 0);
    })
    .await;
}

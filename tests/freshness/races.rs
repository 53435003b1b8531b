//! An invalidation that comes while a load of any policy runs: what that loads is stored for nobody.

use std::time::Duration;

use cache_runtime::{
    Cache, Lifetime,
    Outcome::{Hit, Miss, StaleHit},
    cached, invalidates, with_cache,
};
use cache_testkit::{isolated, isolated_in, until};
use support::{outcome_of, spy, two_caches};
use tokio::time::{advance, sleep};

use crate::source::{Failure, Source};

const TTL: Duration = Duration::from_secs(10);

impl Source {
    #[cached(resource = "timed", load_timeout(soft = "200ms"))]
    async fn slow(&self) -> Result<i64, Failure> {
        self.load().await
    }

    #[invalidates("timed")]
    async fn change_slow(&self, figure: i64) {
        self.set(figure);
    }

    #[cached(resource = "hot", refresh_ahead = 1000.0)]
    async fn early(&self) -> Result<i64, Failure> {
        // So that there is a load time to draw with.
        sleep(Duration::from_millis(100)).await;
        self.load().await
    }

    #[invalidates("hot")]
    async fn change_early(&self, figure: i64) {
        self.set(figure);
    }

    #[cached(resource = "found", negative_ttl = "10s")]
    async fn positive(&self) -> Result<Option<i64>, Failure> {
        Ok(Some(self.load().await?).filter(|figure| *figure > 0))
    }

    /// That there is nothing of this number.
    #[cached(resource = "found", key(what = "missing"), cache_err = |error| matches!(error, Failure::NotFound(_)))]
    async fn missing(&self) -> Result<i64, Failure> {
        let figure = self.load().await?;
        Err(Failure::NotFound(u32::try_from(figure).expect("a small number")))
    }

    #[invalidates("found")]
    async fn insert(&self, figure: i64) {
        self.set(figure);
    }

    #[cached(
        resource = "tokens",
        ttl = |_figure| Lifetime::new(TTL).stale_while_revalidate(TTL),
        stale_while_revalidate = "1h"
    )]
    async fn dated(&self) -> Result<i64, Failure> {
        self.load().await
    }

    #[invalidates("tokens")]
    async fn change_dated(&self, figure: i64) {
        self.set(figure);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_goes_on_after_its_soft_timeout_brings_nothing_old_back() {
    isolated(async |_: Cache| {
        let source = Source::new(1);
        assert_eq!(source.slow().await, Ok(1));
        advance(TTL).await;
        source.gate.close();
        assert_eq!(outcome_of(source.slow()).await, (Ok(1), StaleHit));
        assert_eq!(source.gate.waiting(), 1, "it goes on");
        source.change_slow(2).await;
        source.gate.open();
        assert_eq!(outcome_of(source.slow()).await, (Ok(2), Miss));
        assert_eq!(outcome_of(source.slow()).await, (Ok(2), Hit));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_before_the_time_is_over_brings_nothing_old_back() {
    isolated(async |cache: Cache| {
        let source = Source::new(1);
        assert_eq!(source.early().await, Ok(1));
        source.gate.close();
        until("a load has begun early", async || {
            assert_eq!(outcome_of(source.early()).await, (Ok(1), Hit));
            cache.stats().refreshes == 1
        })
        .await;
        source.gate.until_waiting(1).await;
        source.change_early(2).await;
        source.gate.open();
        assert_eq!(outcome_of(source.early()).await, (Ok(2), Miss));
        assert_eq!(source.early().await, Ok(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn that_there_was_nothing_before_an_insert_is_remembered_by_nobody_after_it() {
    isolated(async |_: Cache| {
        let source = Source::new(0);
        source.gate.close();
        let (before, ()) = tokio::join!(source.positive(), async {
            source.gate.until_waiting(1).await;
            source.insert(1).await;
            source.gate.open();
        });
        assert_eq!(before, Ok(None), "it looked before the insert");
        assert_eq!(outcome_of(source.positive()).await, (Ok(Some(1)), Miss));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_error_from_before_an_insert_is_remembered_by_nobody_after_it() {
    let [here, elsewhere] = two_caches(&spy());
    isolated_in(here, async |_| {
        let source = Source::new(1);
        let missing = |number| Err(Failure::NotFound(number));
        source.gate.close();
        let (before, ()) = tokio::join!(source.missing(), async {
            source.gate.until_waiting(1).await;
            with_cache(elsewhere, source.insert(2)).await;
            source.gate.open();
        });
        assert_eq!(before, missing(1), "it looked before the insert");
        assert_eq!(outcome_of(source.missing()).await, (missing(2), Miss));
        assert_eq!(outcome_of(source.missing()).await, (missing(2), Hit));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_says_how_long_it_lives_does_not_live_on_after_an_invalidation_that_overtook_its_load() {
    let [here, elsewhere] = two_caches(&spy());
    isolated_in(here, async |_| {
        let source = Source::new(1);
        source.gate.close();
        let (before, ()) = tokio::join!(source.dated(), async {
            source.gate.until_waiting(1).await;
            with_cache(elsewhere.clone(), source.change_dated(2)).await;
            source.gate.open();
        });
        assert_eq!(before, Ok(1), "it looked before the change");
        assert_eq!(outcome_of(source.dated()).await, (Ok(2), Miss));
        assert_eq!(outcome_of(source.dated()).await, (Ok(2), Hit));
        // Nor when the time is over.
        advance(TTL).await;
        source.gate.close();
        assert_eq!(outcome_of(source.dated()).await, (Ok(2), StaleHit));
        source.gate.until_waiting(1).await;
        with_cache(elsewhere, source.change_dated(3)).await;
        source.gate.open();
        assert_eq!(outcome_of(source.dated()).await, (Ok(3), Miss));
        assert_eq!(source.dated().await, Ok(3));
    })
    .await;
}

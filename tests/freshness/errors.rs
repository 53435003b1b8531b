//! `stale_if_error`: a load that fails is made up for by the last value.

use std::time::Duration;

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss, StaleHit},
    cached, invalidates,
};
use cache_testkit::isolated;
use futures_util::future::join_all;
use support::outcome_of;
use tokio::time::advance;

use crate::source::{Failure, Source};

impl Source {
    #[cached(resource = "kept_on_error")]
    async fn safe(&self) -> Result<i64, Failure> {
        self.load().await
    }

    #[cached(resource = "kept_on_error", stale_if_error = "off")]
    async fn unsafe_figure(&self) -> Result<i64, Failure> {
        self.load().await
    }

    #[invalidates("kept_on_error")]
    async fn rebook(&self, figure: i64) {
        self.set(figure);
    }
}

const TTL: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_mins(10);
const RETRY: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_is_made_up_for_by_the_last_value_within_the_window() {
    isolated(async |_| {
        let source = Source::new(1);
        assert_eq!(source.safe().await, Ok(1));
        source.fail(true);
        assert_eq!(outcome_of(source.safe()).await, (Ok(1), Hit));
        advance(TTL).await;
        assert_eq!(outcome_of(source.safe()).await, (Ok(1), StaleHit));
        advance(WINDOW).await;
        assert_eq!(outcome_of(source.safe()).await, (Err(Failure::Database), Miss));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_that_succeeds_is_returned_and_stored() {
    isolated(async |_| {
        let source = Source::new(1);
        assert_eq!(source.safe().await, Ok(1));
        advance(TTL).await;
        source.set(2);
        assert_eq!(outcome_of(source.safe()).await, (Ok(2), Miss));
        assert_eq!(outcome_of(source.safe()).await, (Ok(2), Hit));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn for_a_second_after_a_failure_nobody_waits_for_another_one() {
    isolated(async |_| {
        let source = Source::new(1);
        assert_eq!(source.safe().await, Ok(1));
        advance(TTL).await;
        source.fail(true);
        for _ in 0..20 {
            assert_eq!(outcome_of(source.safe()).await, (Ok(1), StaleHit));
        }
        assert_eq!(source.loads.count(), 2);
        advance(RETRY).await;
        assert_eq!(outcome_of(source.safe()).await, (Ok(1), StaleHit));
        assert_eq!(source.loads.count(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_for_a_load_that_fails_are_given_the_last_value_and_do_not_load() {
    isolated(async |_| {
        let source = Source::new(1);
        assert_eq!(source.safe().await, Ok(1));
        advance(TTL).await;
        source.fail(true);
        source.gate.close();
        let open = async {
            source.gate.until_waiting(1).await;
            source.gate.open();
        };
        let calls = join_all((0..20).map(|_| source.safe()));
        let (results, ()) = tokio::join!(calls, open);
        assert!(results.iter().all(|result| *result == Ok(1)), "{results:?}");
        assert_eq!(source.loads.count(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_invalidated_makes_up_for_no_failure() {
    isolated(async |_| {
        let source = Source::new(1);
        assert_eq!(source.safe().await, Ok(1));
        advance(TTL).await;
        source.rebook(2).await;
        source.fail(true);
        assert_eq!(outcome_of(source.safe()).await, (Err(Failure::Database), Miss));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_turns_the_option_off_returns_its_errors() {
    isolated(async |_: Cache| {
        let source = Source::new(1);
        assert_eq!(source.unsafe_figure().await, Ok(1));
        advance(TTL).await;
        source.fail(true);
        assert_eq!(outcome_of(source.unsafe_figure()).await, (Err(Failure::Database), Miss));
    })
    .await;
}

//! `stale_if_error`: a load that fails is made up for by the last value.

use std::time::Duration;

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss, StaleHit},
    cached, invalidates, with_cache,
};
use cache_testkit::{isolated, isolated_in};
use futures_util::future::join_all;
use support::{Log, outcome_of, spy, two_caches};
use tokio::time::advance;
use tracing::Level;

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
async fn what_is_invalidated_while_a_load_fails_makes_up_for_no_failure_of_those_who_come_then() {
    let [here, elsewhere] = two_caches(&spy());
    isolated_in(here, async |_| {
        let source = Source::new(1);
        assert_eq!(source.safe().await, Ok(1));
        advance(TTL).await;
        source.fail(true);
        source.gate.close();
        let after = async {
            source.gate.until_waiting(1).await;
            with_cache(elsewhere, source.rebook(2)).await;
            let open = async {
                source.gate.until_waiting(2).await;
                source.gate.open();
            };
            tokio::join!(outcome_of(source.safe()), open).0
        };
        let (_began_before, after) = tokio::join!(source.safe(), after);
        assert_eq!(after, (Err(Failure::Database), Miss));
        // Nor when they have just failed.
        assert_eq!(outcome_of(source.safe()).await, (Err(Failure::Database), Miss));
        source.fail(false);
        assert_eq!(outcome_of(source.safe()).await, (Ok(2), Miss));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_each_load_that_fails_the_log_says_at_info_that_an_old_value_is_returned() {
    isolated(async |_| {
        let (log, _logging) = Log::start();
        let said = || {
            let mut lines = log.at(Level::INFO);
            lines.retain(|line| line.contains("an old value is returned"));
            lines
        };
        let source = Source::new(1);
        assert_eq!(source.safe().await, Ok(1));
        advance(TTL).await;
        source.fail(true);
        for _ in 0..3 {
            assert_eq!(outcome_of(source.safe()).await, (Ok(1), StaleHit));
        }
        let lines = said();
        let [line] = &lines[..] else {
            panic!("one line, not {lines:#?}")
        };
        for words in [
            "message=a load has failed: an old value is returned ",
            "resource=\"kept_on_error\" ",
            "key=\"cache:default:kept_on_error:",
        ] {
            assert!(line.contains(words), "{words} in {line}");
        }
        advance(RETRY).await;
        assert_eq!(outcome_of(source.safe()).await, (Ok(1), StaleHit));
        assert_eq!(said().len(), 2);
        source.rebook(2).await;
        assert_eq!(source.safe().await, Err(Failure::Database));
        assert_eq!(said().len(), 2, "nothing old is returned then");
        assert_eq!(log.at(Level::WARN), [""; 0]);
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

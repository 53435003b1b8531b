//! Isolated caches, counters, gates and assertions.

use cache_runtime::{Outcome, cached, observe};
use cache_testkit::{
    Gate, LoadCounter, RedisServer, assert_loads, assert_outcomes, expect_outcomes, isolated, isolated_on,
};

#[cached(resource = "answers", skip(loads))]
async fn answer(question: u32, loads: &LoadCounter) -> u32 {
    loads.record();
    question * 2
}

#[tokio::test]
async fn isolated_tests_see_nothing_of_each_other_and_the_function_needs_no_change() {
    let loads = LoadCounter::new();
    let test = async || {
        isolated(async |cache| {
            expect_outcomes(&[Outcome::Miss], answer(1, &loads)).await;
            expect_outcomes(&[Outcome::Hit], answer(1, &loads)).await;
            cache.stats().misses
        })
        .await
    };
    assert_eq!(tokio::join!(test(), test()), (1, 1));
    assert_loads(&loads, 2);
}

#[tokio::test]
async fn an_isolated_test_may_run_on_a_real_server() {
    let server = RedisServer::start().unwrap();
    let loads = LoadCounter::new();
    let value = isolated_on(&server, async |_cache| {
        expect_outcomes(&[Outcome::Miss], answer(21, &loads)).await;
        expect_outcomes(&[Outcome::Hit], answer(21, &loads)).await
    })
    .await;
    assert_eq!(value, 42);
    assert_loads(&loads, 1);
    let keys: Vec<String> = server.command(["KEYS", "cache:default:answers:*"]).unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
}

#[tokio::test]
#[should_panic(expected = "expected the outcomes [hit, hit], there were [answers miss, answers hit]")]
async fn a_failed_assertion_shows_the_calls_and_their_resources() {
    isolated(async |_cache| {
        let loads = LoadCounter::new();
        let ((), outcomes) = observe(async {
            answer(1, &loads).await;
            answer(1, &loads).await;
        })
        .await;
        assert_outcomes(&outcomes, &[Outcome::Hit, Outcome::Hit]);
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "tests/kit/isolated.rs")]
async fn a_failed_expectation_names_the_line_of_the_test() {
    isolated(async |_cache| expect_outcomes(&[Outcome::Hit], answer(1, &LoadCounter::new())).await).await;
}

#[test]
#[should_panic(expected = "expected 2 loads so far, there were 1")]
fn a_wrong_number_of_loads_is_shown() {
    let loads = LoadCounter::new();
    assert_eq!(loads.record(), 1);
    assert_loads(&loads, 2);
}

#[tokio::test]
async fn loads_can_be_awaited() {
    let loads = LoadCounter::new();
    let other = loads.clone();
    tokio::join!(loads.until(2), async {
        other.record();
        other.record();
    });
    assert_loads(&loads, 2);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "waited 10s in vain for load number 1; there were 0")]
async fn a_load_that_does_not_come_is_given_up() {
    LoadCounter::new().until(1).await;
}

#[tokio::test]
async fn a_gate_can_be_closed_again() {
    let gate = Gate::closed();
    gate.open();
    gate.pass().await;
    gate.close();
    let late = tokio::spawn({
        let gate = gate.clone();
        async move { gate.pass().await }
    });
    gate.until_waiting(1).await;
    gate.open();
    late.await.unwrap();
    assert_eq!(gate.waiting(), 0);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "waited 10s in vain for 1 callers at the gate")]
async fn a_gate_where_nobody_comes_is_given_up() {
    Gate::closed().until_waiting(1).await;
}

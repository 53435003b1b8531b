//! What HTTP calls the outcomes of calls: `Cache-Status` and `Cache-Control`, read by a parser of structured fields.

use std::time::Duration;

use cache_runtime::{Cache, Freshness, Outcome, Outcomes, bypass, cached, invalidates, observe, refresh, spawn};
use cache_testkit::{Gate, LoadCounter, isolated, isolated_in, until};
use proptest::prelude::*;
use sfv::{BareItem, Item, List, ListEntry, Parser, Token};
use support::{outcome_of, spy};

#[cached(resource = "status", independent(loads))]
async fn row(loads: &LoadCounter) -> Result<u64, String> {
    match loads.record() {
        7 => Err("the seventh load fails".to_owned()),
        number => Ok(number),
    }
}

#[cached(resource = "status_long")]
async fn slow_row(gate: &GateArgument) -> u32 {
    gate.0.pass().await;
    1
}

/// A gate that is no part of the key.
struct GateArgument(Gate);

impl serde::Serialize for GateArgument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

#[cached(resource = "status_near", near = "tracked")]
async fn near_row() -> u32 {
    1
}

#[cached(resource = "status_stale", stale_while_revalidate = "30s")]
async fn stale_row() -> u32 {
    1
}

#[invalidates("status")]
async fn written() {}

/// The one member of the field: its name, and its parameters.
fn member(field: &str) -> (BareItem, Vec<(String, BareItem)>) {
    let list: List = Parser::new(field).parse().expect("a list of structured fields");
    let [ListEntry::Item(Item { bare_item, params })] = &list[..] else {
        panic!("one member, not {field}")
    };
    let params = params
        .iter()
        .map(|(key, value)| (key.to_string(), value.clone()))
        .collect();
    (bare_item.clone(), params)
}

fn token(text: &str) -> BareItem {
    BareItem::Token(Token::from_string(text.to_owned()).expect("a token"))
}

/// What a call is said to have come to, apart from the name.
async fn status_of<T>(call: impl Future<Output = T>) -> String {
    let (_, outcomes) = observe(call).await;
    status(&outcomes)
}

fn status(outcomes: &Outcomes) -> String {
    let field = outcomes.cache_status("c").expect("a call was made");
    let (name, _) = member(&field);
    assert_eq!(name, token("c"));
    field.strip_prefix("c; ").expect("it has parameters").to_owned()
}

#[tokio::test(start_paused = true)]
async fn each_outcome_has_its_words() {
    isolated(async |_| {
        let loads = LoadCounter::new();
        assert_eq!(status_of(row(&loads)).await, "fwd=miss; ttl=60; stored");
        assert_eq!(status_of(bypass(row(&loads))).await, "fwd=bypass");
        assert_eq!(status_of(refresh(row(&loads))).await, "fwd=request; ttl=60; stored");
        until("the near cache answers", async || {
            outcome_of(near_row()).await.1 == Outcome::NearHit
        })
        .await;
        assert_eq!(status_of(near_row()).await, "hit; ttl=60; detail=near_hit");
        written().await;
        assert_eq!(status_of(row(&loads)).await, "fwd=miss; ttl=60; stored");
    })
    .await;
}

#[tokio::test]
async fn the_time_that_is_left_is_that_of_what_is_over_first() {
    isolated(async |_| {
        let loads = LoadCounter::new();
        row(&loads).await.unwrap();
        let (_, outcomes) = observe(async { (row(&loads).await, stale_row().await) }).await;
        let calls: Vec<_> = outcomes.iter().map(|call| call.outcome).collect();
        assert_eq!(calls, [Outcome::Hit, Outcome::Miss]);
        assert_eq!(outcomes.max_age(), Some(Duration::from_secs(5)), "that of `stale_row`");
        assert_eq!(outcomes.cache_control(), "private, max-age=5");
        assert_eq!(status(&outcomes), "fwd=miss; ttl=5; stored");
    })
    .await;
}

#[tokio::test]
async fn a_hit_has_less_left_than_its_load() {
    isolated(async |_| {
        let loads = LoadCounter::new();
        row(&loads).await.unwrap();
        let left = async || {
            let (_, outcomes) = observe(row(&loads)).await;
            assert_eq!(outcomes.iter().next().unwrap().outcome, Outcome::Hit);
            outcomes.max_age().unwrap()
        };
        let first = left().await;
        assert!(first <= Duration::from_mins(1) && first > Duration::from_secs(50));
        until("some of it is over", async || left().await < first).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_not_stored_is_of_no_known_age() {
    isolated(async |_| {
        let loads = LoadCounter::new();
        for _ in 0..6 {
            written().await;
            row(&loads).await.unwrap();
        }
        written().await;
        let (failed, outcomes) = observe(row(&loads)).await;
        failed.unwrap_err();
        assert_eq!(status(&outcomes), "fwd=miss");
        assert_eq!((outcomes.max_age(), &*outcomes.cache_control()), (None, "no-cache"));
    })
    .await;
    let ((), outcomes) = observe(async {}).await;
    assert_eq!(outcomes.cache_status("c"), None);
    assert_eq!(outcomes.cache_control(), "no-cache");
}

#[tokio::test]
async fn what_the_store_does_not_take_is_not_said_to_be_stored() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        spy.fail_next(
            cache_testkit::OperationKind::Fill,
            1,
            cache_runtime::store::StoreErrorKind::OutOfMemory,
        );
        assert_eq!(status_of(row(&LoadCounter::new())).await, "fwd=miss");
    })
    .await;
}

#[tokio::test]
async fn who_was_given_the_load_of_another_call_is_collapsed() {
    isolated(async |cache| {
        let gate = Gate::closed();
        let call = || {
            let gate = GateArgument(gate.clone());
            spawn(async move { observe(slow_row(&gate)).await.1 })
        };
        let calls = [call(), call()];
        until("both have missed", async || cache.stats().misses == 2).await;
        gate.open();
        let mut said = Vec::new();
        for call in calls {
            said.push(status(&call.await.unwrap()));
        }
        said.sort_unstable();
        assert_eq!(said, ["fwd=miss; collapsed", "fwd=miss; ttl=60; stored"]);
    })
    .await;
}

/// Whether this is said of a value whose time has been over for a while, however long the machine has taken.
fn is_old(said: &str) -> bool {
    let ttl = said
        .strip_prefix("hit; ttl=")
        .and_then(|rest| rest.strip_suffix("; detail=stale_hit"));
    ttl.is_some_and(|ttl| ttl.parse::<i64>().is_ok_and(|ttl| ttl <= 0))
}

/// The clock of entries is the system's, so what has a short time is waited for.
#[tokio::test]
async fn an_old_value_is_a_hit_whose_time_is_over() {
    isolated(async |_| {
        #[cached(resource = "status_stale", ttl = "1ms", stale_while_revalidate = "30s")]
        async fn old_row() -> u32 {
            1
        }
        old_row().await;
        let mut last = Outcomes::default();
        until("its time is over", async || {
            last = observe(old_row()).await.1;
            last.iter().all(|call| call.outcome == Outcome::StaleHit)
        })
        .await;
        assert!(matches!(
            last.iter().next().unwrap().freshness,
            Some(Freshness::Stale(_))
        ));
        assert!(is_old(&status(&last)), "{last:?}");
        assert_eq!(last.cache_control(), "private, max-age=0");
    })
    .await;
}

#[tokio::test]
async fn what_is_loaded_in_the_place_of_an_old_value_is_as_fresh_as_its_load() {
    isolated(async |_| {
        #[cached(resource = "status_hidden", ttl = "1ms", stale_if_error = "30s", independent(loads))]
        async fn often_loaded(loads: &LoadCounter) -> Result<u64, u64> {
            match loads.record() {
                number if number < 3 => Ok(number),
                number => Err(number),
            }
        }
        let loads = LoadCounter::new();
        let mut seen = Vec::new();
        until("its load has failed", async || {
            let (_, outcomes) = observe(often_loaded(&loads)).await;
            seen.push(status(&outcomes));
            loads.count() == 3
        })
        .await;
        let loaded = |said: &String| said == "fwd=miss; ttl=0; stored";
        assert!(loaded(&seen[0]) && is_old(&seen[seen.len() - 1]), "{seen:?}");
        assert_eq!(seen.iter().filter(|said| loaded(said)).count(), 2, "{seen:?}");
    })
    .await;
}

proptest! {
    #[test]
    fn a_cache_of_any_name_is_a_structured_field(name in "\\PC{0,20}|[ -~]{0,20}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (_, outcomes) = runtime.block_on(observe(bypass(near_row())));
        let (said, parameters) = member(&outcomes.cache_status(&name).unwrap());
        let said = match said {
            BareItem::Token(said) => said.as_str().to_owned(),
            BareItem::String(said) => said.as_str().to_owned(),
            other => panic!("{other:?} is no name"),
        };
        let expected: String = name.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        prop_assert_eq!(said, expected);
        prop_assert_eq!(parameters, [("fwd".to_owned(), token("bypass"))]);
    }
}

//! A function whose value never changes, for tests of what happens between it and the server.

use cache_runtime::{Cache, Outcome::Hit, cached};
use cache_testkit::until;
use support::outcome_of;

#[cached(resource = "answers")]
pub(crate) async fn answer(id: u32) -> u32 {
    id
}

/// Calls until the cache has noticed that something is wrong.
pub(crate) async fn until_noticed(cache: &Cache) {
    until("the fault is noticed", async || {
        assert_eq!(answer(1).await, 1);
        !cache.is_available()
    })
    .await;
}

/// Calls until a value comes from the store: a connection may be lost once more while everything recovers.
pub(crate) async fn until_hit() {
    until("the cache is used", async || {
        let (value, outcome) = outcome_of(answer(1)).await;
        assert_eq!(value, 1);
        outcome == Hit
    })
    .await;
}

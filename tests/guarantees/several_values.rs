//! One target, several values of a scope: `"feed"(viewer in followers)`.

use std::collections::BTreeSet;

use cache_runtime::{
    Cache, InvalidateError, Invalidated,
    Outcome::{Hit, Miss},
    cached, invalidates,
};
use cache_testkit::{OperationKind, expect_outcomes, isolated, isolated_in};
use support::spy;

#[cached(resource = "profile", scope(user))]
async fn profile(user: u32) -> u32 {
    user
}

#[cached(resource = "stock", scope(warehouse, product))]
async fn stock(warehouse: &str, product: u32) -> usize {
    warehouse.len() + product as usize
}

#[cached(resource = "ledger", scope(account))]
async fn ledger(account: u32) -> u32 {
    account
}

#[derive(Debug)]
struct Post {
    readers: Vec<u32>,
}

#[invalidates("profile"(user in followers))]
async fn publish(followers: &[u32]) {}

#[invalidates("profile"(user in followers.iter().map(|follower| follower + 1)))]
async fn publish_to_the_next(followers: BTreeSet<u32>) {}

#[invalidates("profile"(user in result.readers))]
async fn publish_and_tell(readers: Vec<u32>) -> Result<Post, String> {
    if readers.len() == 1 {
        Err("nobody reads it".to_owned())
    } else {
        Ok(Post { readers })
    }
}

#[invalidates("profile"(user in readers, when = is_public))]
async fn publish_if(readers: Vec<u32>, is_public: bool) {}

#[invalidates("stock"(product in products, warehouse))]
async fn ship(warehouse: &str, products: &[u32]) {}

#[invalidates("ledger"(account in accounts))]
async fn transfer(accounts: [u32; 2]) -> Vec<u32> {
    // Of both nothing is stored meanwhile.
    vec![ledger(accounts[0]).await, ledger(accounts[1]).await]
}

async fn warm(users: impl IntoIterator<Item = u32>) {
    for user in users {
        profile(user).await;
    }
}

const NOBODY: [u32; 0] = [];

/// Which of the users below `below` are not cached any more.
async fn gone(below: u32) -> Vec<u32> {
    let mut gone = Vec::new();
    for user in 0..below {
        if cache_runtime::peek(profile(user)).await.is_none() {
            gone.push(user);
        }
    }
    gone
}

#[tokio::test]
async fn each_of_the_values_is_invalidated_and_no_other() {
    isolated(async |_| {
        warm(0..6).await;
        publish(&[1, 4, 1]).await;
        assert_eq!(gone(6).await, [1, 4]);
        warm(0..6).await;
        publish_to_the_next(BTreeSet::from([0, 4])).await;
        assert_eq!(gone(6).await, [1, 5]);
    })
    .await;
}

#[tokio::test]
async fn a_hundred_values_are_invalidated_in_one_round_trip() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        let followers: Vec<u32> = (0..100).collect();
        publish(&followers).await;
        assert_eq!(spy.count(OperationKind::RemoveStamps), 1);
        let removed = spy
            .operations()
            .into_iter()
            .find(|operation| operation.kind == OperationKind::RemoveStamps);
        assert_eq!(removed.unwrap().keys.len(), 100);
    })
    .await;
}

#[tokio::test]
async fn no_values_invalidate_nothing() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        warm(0..3).await;
        publish(&[]).await;
        publish_and_tell(Vec::new()).await.unwrap();
        assert_eq!(
            cache.invalidate("profile").scopes("user", NOBODY).await,
            Ok(Invalidated::Acknowledged)
        );
        assert_eq!(gone(3).await, NOBODY);
        assert_eq!(spy.count(OperationKind::RemoveStamps), 0);
    })
    .await;
}

#[tokio::test]
async fn the_values_may_come_from_the_result() {
    isolated(async |_| {
        warm(0..5).await;
        publish_and_tell(vec![0, 3]).await.unwrap();
        assert_eq!(gone(5).await, [0, 3]);
        warm(0..5).await;
        publish_and_tell(vec![1]).await.unwrap_err();
        assert_eq!(gone(5).await, NOBODY, "a mutation that has failed invalidates nothing");
    })
    .await;
}

#[tokio::test]
async fn a_mutation_that_is_dropped_before_its_values_are_known_invalidates_the_whole_resource() {
    #[invalidates("profile"(user in result))]
    async fn never_ends() -> Vec<u32> {
        std::future::pending().await
    }

    isolated(async |_| {
        warm(0..3).await;
        let dropped = tokio::time::timeout(std::time::Duration::from_millis(1), never_ends()).await;
        assert!(dropped.is_err());
        assert_eq!(gone(3).await, [0, 1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_condition_is_one_of_all_values() {
    isolated(async |_| {
        warm(0..3).await;
        publish_if(vec![1, 2], false).await;
        assert_eq!(gone(3).await, NOBODY);
        publish_if(vec![1, 2], true).await;
        assert_eq!(gone(3).await, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn the_values_of_one_scope_go_with_the_value_of_another() {
    isolated(async |_| {
        for (warehouse, product) in [("a", 1), ("a", 2), ("a", 3), ("b", 1)] {
            stock(warehouse, product).await;
        }
        ship("a", &[1, 2]).await;
        expect_outcomes(&[Miss, Miss, Hit, Hit], async {
            stock("a", 1).await;
            stock("a", 2).await;
            stock("a", 3).await;
            stock("b", 1).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn very_many_values_invalidate_the_whole_resource() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        warm(0..3).await;
        let others: Vec<u32> = (1_000..3_000).collect();
        publish(&others).await;
        assert_eq!(gone(3).await, [0, 1, 2]);
        let removed = spy
            .operations()
            .into_iter()
            .find(|operation| operation.kind == OperationKind::RemoveStamps);
        assert_eq!(removed.unwrap().keys.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn inside_of_the_mutation_none_of_the_values_is_read_from_the_cache() {
    isolated(async |cache| {
        let (one, two) = (ledger(1).await, ledger(2).await);
        assert_eq!(transfer([1, 2]).await, [one, two]);
        assert_eq!((cache.stats().hits, cache.stats().loads), (0, 4));
        expect_outcomes(&[Miss, Miss], async { (ledger(1).await, ledger(2).await) }).await;
    })
    .await;
}

#[tokio::test]
async fn several_values_are_invalidated_by_hand_too() {
    isolated(async |cache| {
        warm(0..5).await;
        cache
            .invalidate("profile")
            .scopes("user", [1, 2])
            .scope("user", 4)
            .await
            .unwrap();
        assert_eq!(gone(5).await, [1, 2, 4]);
        let unknown = cache.invalidate("profile").scopes("reader", [1]).await;
        assert!(
            matches!(unknown, Err(InvalidateError::UnknownScope { .. })),
            "{unknown:?}"
        );
    })
    .await;
}

//! Invalidations that wait for a commit.

use cache_runtime::{
    Outcome::{Bypass, Hit, Miss},
    cached, invalidates, observe, transaction, with_cache,
};
use cache_testkit::{Gate, OperationKind, expect_outcomes, isolated, isolated_in};
use support::spy;

#[cached(resource = "stock", scope(warehouse = "here", product = 1))]
async fn stock() -> u32 {
    1
}

#[cached(resource = "orders", scope(customer))]
async fn orders(customer: u32) -> u32 {
    customer
}

#[invalidates("stock")]
async fn take_from_stock() -> Result<(), String> {
    Ok(())
}

#[invalidates("orders"(customer))]
async fn place_order(customer: u32) -> Result<(), String> {
    Ok(())
}

async fn warm_up() {
    stock().await;
    orders(1).await;
    orders(2).await;
}

#[tokio::test]
async fn everything_is_invalidated_once_and_only_after_the_commit() {
    let spy = spy();
    isolated_in(
        cache_runtime::Cache::builder().store(spy.clone()).build(),
        async |cache| {
            warm_up().await;
            let committed: Result<(), String> = transaction(async {
                take_from_stock().await?;
                place_order(1).await?;
                place_order(1).await?;
                // Others are still given what was committed before.
                let other = tokio::spawn(with_cache(
                    cache.clone(),
                    expect_outcomes(&[Hit, Hit], async { (stock().await, orders(1).await) }),
                ));
                other.await.unwrap();
                assert_eq!(spy.count(OperationKind::RemoveStamps), 0);
                Ok(())
            })
            .await;
            committed.unwrap();
            assert_eq!(spy.count(OperationKind::RemoveStamps), 1);
            expect_outcomes(&[Miss, Miss, Hit], async {
                (stock().await, orders(1).await, orders(2).await)
            })
            .await;
        },
    )
    .await;
}

#[tokio::test]
async fn after_a_rollback_nothing_is_invalidated() {
    isolated(async |cache| {
        warm_up().await;
        let rolled_back: Result<(), String> = transaction(async {
            take_from_stock().await?;
            Err("refused".to_owned())
        })
        .await;
        rolled_back.unwrap_err();
        expect_outcomes(&[Hit], stock()).await;
        assert_eq!(cache.stats().invalidations, 0);
    })
    .await;
}

#[tokio::test]
async fn reads_inside_run_their_bodies_and_store_nothing() {
    isolated(async |cache| {
        let read: Result<u32, String> = transaction(async { Ok(expect_outcomes(&[Bypass], stock()).await) }).await;
        assert_eq!(read, Ok(1));
        assert_eq!(cache.stats().fills, 0);
        expect_outcomes(&[Miss], stock()).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_is_dropped_half_way_invalidates_what_it_noted() {
    isolated(async |cache| {
        warm_up().await;
        let gate = Gate::closed();
        let half_way = tokio::spawn(with_cache(cache, {
            let gate = gate.clone();
            async move {
                transaction(async {
                    take_from_stock().await?;
                    gate.pass().await;
                    place_order(1).await
                })
                .await
            }
        }));
        gate.until_waiting(1).await;
        half_way.abort();
        half_way.await.unwrap_err();
        let (_, outcomes) = observe(stock()).await;
        assert!(outcomes.iter().all(|call| call.outcome != Hit));
        expect_outcomes(&[Hit], orders(1)).await;
    })
    .await;
}

#[tokio::test]
async fn an_inner_transaction_waits_for_the_outer_one() {
    isolated(async |cache| {
        warm_up().await;
        let outer: Result<(), String> = transaction(async {
            transaction(take_from_stock()).await?;
            assert_eq!(cache.stats().invalidations, 0, "the outer one has not committed");
            let refused: Result<(), String> = transaction(async {
                place_order(1).await?;
                Err("refused".to_owned())
            })
            .await;
            refused.unwrap_err();
            Ok(())
        })
        .await;
        outer.unwrap();
        expect_outcomes(&[Miss, Hit], async { (stock().await, orders(1).await) }).await;
    })
    .await;
}

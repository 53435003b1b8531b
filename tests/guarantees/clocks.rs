//! Clocks that are wrong. The system's clock cannot be moved for one process, so what a machine with a wrong one would have
//! written is written here; the monotonic clock is tokio's, which can be moved.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss},
    cached, invalidates,
    store::MemoryStore,
};
use cache_testkit::{RedisServer, expect_outcomes, isolated_in, isolated_on};
use support::entry;

#[derive(Default)]
struct Shop(AtomicU64);

impl Shop {
    #[cached(resource = "price")]
    async fn price(&self) -> u64 {
        self.0.load(SeqCst)
    }

    #[invalidates("price")]
    async fn raise(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Where the time of the fill stands in an entry: `docs/keys.md`.
const CREATED_AT: &str = "8";

#[tokio::test]
async fn an_entry_of_a_machine_whose_clock_is_wrong_is_served_until_it_is_invalidated() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let shop = Shop::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let day = Duration::from_hours(24);
        for created_at in [
            Duration::ZERO,
            now.saturating_sub(day),
            now + day,
            Duration::from_millis(u64::MAX),
        ] {
            shop.raise().await;
            let price = expect_outcomes(&[Miss], shop.price()).await;
            let (key, _) = entry(&server);
            let millis = u64::try_from(created_at.as_millis()).unwrap().to_le_bytes();
            let words = [b"SETRANGE", key.as_bytes(), CREATED_AT.as_bytes(), &millis];
            let _: usize = server.command(words).unwrap();
            assert_eq!(expect_outcomes(&[Hit], shop.price()).await, price, "{created_at:?}");
            shop.raise().await;
            assert_eq!(
                expect_outcomes(&[Miss], shop.price()).await,
                price + 1,
                "{created_at:?}"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_leaps_ahead_ends_entries_and_brings_none_back() {
    let cache = Cache::builder().store(MemoryStore::new(1 << 20)).build();
    isolated_in(cache, async |_| {
        let shop = Shop::default();
        for price in 0..3 {
            expect_outcomes(&[Miss], shop.price()).await;
            assert_eq!(expect_outcomes(&[Hit], shop.price()).await, price);
            tokio::time::advance(Duration::from_hours(5)).await;
            assert_eq!(expect_outcomes(&[Miss], shop.price()).await, price);
            shop.raise().await;
        }
    })
    .await;
}

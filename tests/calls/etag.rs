//! `ETag` and `Server-Timing` of what calls have returned: two responses with one tag say the same.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use cache_runtime::{
    Cache,
    Outcome::{self, Hit, Miss, NearHit, StaleHit},
    Outcomes, bypass, cached, invalidates, observe, refresh, spawn, with_cache,
};
use cache_testkit::{Gate, LoadCounter, OperationKind::Fill, isolated, isolated_in, until};
use futures_util::FutureExt as _;
use support::spy;

/// A table of one number, and what is cached of it.
#[derive(Debug, Clone, Default)]
struct Table {
    number: Arc<AtomicU32>,
    loads: LoadCounter,
}

impl Table {
    fn read(&self) -> u32 {
        self.loads.record();
        self.number.load(Ordering::SeqCst)
    }

    #[cached(resource = "tagged", near = "tracked")]
    async fn near(&self) -> u32 {
        self.read()
    }

    #[cached(resource = "tagged", near = "checked")]
    async fn checked(&self) -> u32 {
        self.read()
    }

    #[cached(resource = "tagged", unless = |number| *number > 100)]
    async fn row(&self, id: u32) -> u32 {
        self.read() + id
    }

    #[cached(resource = "tagged_outer")]
    async fn sum(&self) -> u32 {
        self.row(1).await + self.row(2).await
    }

    #[cached(resource = "tagged", each = ids)]
    async fn rows(&self, ids: &[u32]) -> Vec<Option<u32>> {
        let number = self.read();
        ids.iter().map(|id| Some(number + id)).collect()
    }

    #[cached(resource = "tagged", negative_ttl = 60)]
    async fn absent(&self, id: u32) -> Option<u32> {
        Some(self.read() + id).filter(|_| false)
    }

    #[cached(resource = "tagged", tags(number = [*result]))]
    async fn with_tags(&self, id: u32) -> u32 {
        self.read() + id
    }

    #[cached(resource = "tagged", verify = 1)]
    async fn verified(&self) -> u32 {
        self.read()
    }

    #[invalidates("tagged")]
    async fn write(&self, number: u32) {
        self.number.store(number, Ordering::SeqCst);
    }
}

async fn etag<T>(calls: impl Future<Output = T>) -> Option<String> {
    observe(calls).await.1.etag(&[])
}

async fn some<T>(calls: impl Future<Output = T>) -> String {
    etag(calls).await.expect("all of it is known")
}

fn outcomes_of(outcomes: &Outcomes) -> Vec<Outcome> {
    outcomes.iter().map(|call| call.outcome).collect()
}

/// The tags of two calls of the same, whose outcomes are these.
async fn twice<T>(first: Outcome, second: Outcome, call: impl AsyncFn() -> T) -> [Option<String>; 2] {
    let tag = async |expected| {
        let (_, outcomes) = observe(call()).await;
        assert_eq!(outcomes_of(&outcomes), [expected]);
        outcomes.etag(&[])
    };
    [tag(first).await, tag(second).await]
}

#[tokio::test]
async fn what_was_stored_and_what_is_found_of_it_has_one_tag_wherever_it_is_found() {
    let store = spy();
    let cache = || Cache::builder().store(store.clone()).build();
    isolated_in(cache(), async |_| {
        let table = Table::default();
        until("the near cache answers", async || {
            table.near().await;
            outcomes_of(&observe(table.near()).await.1) == [NearHit]
        })
        .await;
        table.write(1).await;
        let stored = some(table.near()).await;
        until("the near cache answers again", async || {
            let (_, outcomes) = observe(table.near()).await;
            assert_eq!(outcomes.etag(&[]).as_ref(), Some(&stored));
            outcomes_of(&outcomes) == [NearHit]
        })
        .await;
        let elsewhere = cache();
        let (_, outcomes) = with_cache(elsewhere.clone(), observe(table.near())).await;
        assert_eq!((outcomes_of(&outcomes), outcomes.etag(&[])), (vec![Hit], Some(stored)));
        elsewhere.close().await;
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_entry_has_the_tag_that_it_was_stored_with() {
    isolated(async |_| {
        let table = Table::default();
        for [stored, found] in [
            twice(Miss, NearHit, async || table.checked().await).await,
            twice(Miss, Hit, async || table.row(1).await).await,
            twice(Miss, Hit, async || table.rows(&[7]).await).await,
            twice(Miss, Hit, async || table.absent(2).await).await,
            twice(Miss, Hit, async || table.with_tags(3).await).await,
        ] {
            assert!(stored.is_some());
            assert_eq!(stored, found);
        }
    })
    .await;
}

#[tokio::test]
async fn a_value_that_was_stored_again_has_another_tag_also_if_it_is_equal() {
    isolated(async |_| {
        let table = Table::default();
        let first = some(table.row(1)).await;
        table.write(0).await;
        let second = some(table.row(1)).await;
        let third = some(refresh(table.row(1))).await;
        assert!(first != second && second != third && first != third);
        assert_eq!(some(table.row(1)).await, third);
    })
    .await;
}

#[tokio::test]
async fn the_order_of_calls_says_nothing_and_a_call_that_is_made_twice_nothing_new() {
    isolated(async |_| {
        let table = Table::default();
        let one = some(async { (table.row(1).await, table.row(2).await) }).await;
        assert_eq!(some(async { (table.row(2).await, table.row(1).await) }).await, one);
        let thrice = async { (table.row(2).await, table.row(1).await, table.row(2).await) };
        assert_eq!(some(thrice).await, one);
        assert_eq!(some(table.rows(&[2, 1])).await, some(table.rows(&[1, 2, 1])).await);
        assert_ne!(some(table.row(1)).await, one);
        assert_ne!(some(table.row(1)).await, some(table.row(2)).await);
    })
    .await;
}

#[tokio::test]
async fn whatever_else_the_response_depends_on_is_part_of_the_tag() {
    isolated(async |_| {
        let (_, outcomes) = observe(Table::default().row(1)).await;
        let also: [&[&str]; 6] = [&[], &[""], &["a"], &["b"], &["a", "b"], &["ab"]];
        let mut tags: Vec<_> = also.iter().map(|also| outcomes.etag(also).unwrap()).collect();
        assert_eq!(outcomes.etag(&["a"]).unwrap(), tags[2]);
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), also.len());
        let digits = tags[0].strip_prefix("W/\"").and_then(|rest| rest.strip_suffix('"'));
        assert!(digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|c| c.is_ascii_hexdigit())));
    })
    .await;
}

#[tokio::test]
async fn a_response_of_anything_that_is_no_entry_has_no_tag() {
    let store = spy();
    isolated_in(Cache::builder().store(store.clone()).build(), async |_| {
        let table = Table::default();
        assert_eq!(etag(async {}).await, None);
        assert_eq!(etag(bypass(table.row(1))).await, None);
        assert_eq!(etag(table.row(101)).await, None, "it is not to be stored");
        store.fail_next(Fill, 1, cache_runtime::store::StoreErrorKind::OutOfMemory);
        assert_eq!(etag(table.row(1)).await, None, "there was no memory for it");
        assert!(etag(table.row(1)).await.is_some());
        assert_eq!(etag(async { (table.row(1).await, table.row(101).await) }).await, None);
    })
    .await;
    assert_eq!(etag(Table::default().row(1)).await, None, "there is no cache");
}

#[tokio::test]
async fn who_was_given_the_load_of_another_call_has_no_tag() {
    isolated(async |cache| {
        #[cached(resource = "tagged", skip(gate))]
        async fn slow(gate: &Gate) -> u32 {
            gate.pass().await;
            1
        }
        let gate = Gate::closed();
        let call = || {
            let gate = gate.clone();
            spawn(async move { observe(slow(&gate)).await.1 })
        };
        let calls = [call(), call()];
        until("both have missed", async || cache.stats().misses == 2).await;
        gate.open();
        for call in calls {
            let outcomes = call.await.unwrap();
            let shared = outcomes.iter().any(|call| call.shared);
            assert_eq!(outcomes.etag(&[]).is_none(), shared, "{outcomes:?}");
            let timing = outcomes.server_timing().unwrap();
            assert!(
                timing.ends_with(if shared { "desc=\"1 shared\"" } else { "desc=\"1 own\"" }),
                "{timing}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_in_the_body_of_another_is_part_of_what_that_one_has_returned() {
    isolated(async |_| {
        let table = Table::default();
        let (_, outcomes) = observe(table.sum()).await;
        assert_eq!(outcomes.iter().count(), 3);
        assert!(outcomes.server_timing().unwrap().contains("desc=\"1 miss\""));
        let stored = outcomes.etag(&[]).unwrap();
        assert_eq!(some(table.sum()).await, stored);
        refresh(table.row(1)).await;
        assert_eq!(some(table.sum()).await, stored, "it has not been replaced");
        // Also if it is not to be stored itself: what was made of it is.
        table.write(200).await;
        assert!(etag(table.sum()).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn an_observer_in_a_body_sees_the_calls_that_it_observes() {
    isolated(async |_| {
        #[cached(resource = "tagged_outer")]
        async fn observing() -> Option<String> {
            etag(Table::default().row(1)).await
        }
        let inner = observing().await;
        assert_eq!(inner, etag(Table::default().row(1)).await);
        assert!(inner.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_hit_in_whose_place_its_verification_is_returned_has_no_tag() {
    isolated(async |_| {
        let table = Table::default();
        assert!(etag(table.verified()).await.is_some());
        table.number.store(1, Ordering::SeqCst);
        let (returned, outcomes) = observe(table.verified()).await;
        assert_eq!((returned, outcomes_of(&outcomes)), (1, vec![Hit]));
        assert_eq!(outcomes.etag(&[]), None);
    })
    .await;
}

/// The load that goes on in the background is stored at any time before or after the caller is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_value_never_has_the_tag_of_what_replaces_it() {
    isolated(async |_| {
        #[cached(
            resource = "tagged_soft",
            ttl = "1ms",
            stale_if_error = "1h",
            load_timeout(soft = "1ms"),
            skip(table)
        )]
        async fn slow(table: Table) -> Result<u32, ()> {
            let read = table.read();
            tokio::time::sleep(std::time::Duration::from_millis(u64::from(read % 3))).await;
            Ok(read)
        }
        let table = Table::default();
        let mut said: Vec<(String, Result<u32, ()>)> = Vec::new();
        let mut stale = 0;
        until("old values were returned", async || {
            let (returned, outcomes) = observe(slow(table.clone())).await;
            stale += usize::from(outcomes_of(&outcomes) == [StaleHit]);
            said.extend(outcomes.etag(&[]).map(|tag| (tag, returned)));
            table.number.fetch_add(1, Ordering::SeqCst);
            stale >= 50
        })
        .await;
        said.sort_unstable();
        said.dedup();
        let tags = said.len();
        said.dedup_by(|one, other| one.0 == other.0);
        assert_eq!(said.len(), tags, "one tag, two values");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_load_is_told_apart_from_that_of_the_cache() {
    isolated(async |_| {
        #[cached(resource = "tagged")]
        async fn slow(id: u32) -> u32 {
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            id
        }
        assert_eq!(
            async { observe(async {}).await.1.server_timing() }.now_or_never(),
            Some(None)
        );
        let timing = async |calls: &[u32]| {
            let calls = futures_util::future::join_all(calls.iter().map(|id| slow(*id)));
            observe(calls).await.1.server_timing().unwrap()
        };
        assert_eq!(
            timing(&[1, 2]).await,
            "cache;dur=0.000;desc=\"2 miss\", load;dur=250.000;desc=\"2 own\"",
            "both loads were under way at once"
        );
        assert_eq!(timing(&[1]).await, "cache;dur=0.000;desc=\"1 hit\"");
        assert_eq!(
            timing(&[2, 3]).await,
            "cache;dur=0.000;desc=\"1 hit, 1 miss\", load;dur=250.000;desc=\"1 own\""
        );
    })
    .await;
}

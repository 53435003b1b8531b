//! Functions with `each`: an entry for each id, and one load for those that are missing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use cache_runtime::{
    Cache,
    Outcome::{Bypass, Hit, Miss, NearHit, Refreshed},
    bypass, cached, invalidates, observe, peek, refresh,
    store::StoreErrorKind,
    with_cache, with_tenant,
};
use cache_testkit::{
    OperationKind::{self, CreateStamps, FillMany, ReadMany},
    SpyStore, expect_outcomes, isolated, isolated_in, until,
};
use support::spy;

/// A table, and which ids it was asked for.
#[derive(Debug, Clone, Default)]
struct Table {
    queries: Arc<Mutex<Vec<Vec<u32>>>>,
}

impl Table {
    /// The ids below a hundred have a row.
    fn rows(&self, ids: impl IntoIterator<Item = u32>) -> impl Iterator<Item = (u32, String)> {
        let ids: Vec<u32> = ids.into_iter().collect();
        self.queries.lock().expect("no panic holds it").push(ids.clone());
        ids.into_iter()
            .filter(|id| *id < 100)
            .map(|id| (id, format!("row {id}")))
    }

    /// What it was asked for since the last time.
    fn queries(&self) -> Vec<Vec<u32>> {
        std::mem::take(&mut self.queries.lock().expect("no panic holds it"))
    }

    #[cached(resource = "rows", each = ids)]
    async fn find(&self, ids: &[u32]) -> HashMap<u32, String> {
        self.rows(ids.iter().copied()).collect()
    }

    #[cached(resource = "rows", each = ids)]
    async fn in_order(&self, ids: &[u32]) -> Vec<Option<String>> {
        let rows: HashMap<u32, String> = self.rows(ids.iter().copied()).collect();
        ids.iter().map(|id| rows.get(id).cloned()).collect()
    }

    #[cached(resource = "rows_of", each = ids, scope(account))]
    async fn of(&self, account: u32, ids: Vec<u32>) -> Result<BTreeMap<u32, String>, String> {
        if ids.contains(&13) {
            return Err("no luck".to_owned());
        }
        let rows = self.rows(ids);
        Ok(rows.map(|(id, row)| (id, format!("{row} of {account}"))).collect())
    }

    #[cached(resource = "each_row", each = id in ids, scope(row = id))]
    async fn scoped(&self, ids: &HashSet<u32>) -> HashMap<u32, String> {
        self.rows(ids.iter().copied()).collect()
    }

    #[cached(resource = "rows", each = ids, near = "tracked")]
    async fn near(&self, ids: &[u32]) -> HashMap<u32, String> {
        self.rows(ids.iter().copied()).collect()
    }

    /// One part of the key comes before the ids and one after them.
    #[cached(resource = "each_row", each = id in ids, scope(row = id), near = "tracked")]
    async fn between(&self, before: &str, ids: &[u32], zone: Option<u32>) -> HashMap<u32, String> {
        let rows = self.rows(ids.iter().copied());
        rows.map(|(id, row)| (id, format!("{row}, {} {zone:?}", before.len())))
            .collect()
    }

    #[cached(resource = "rows", each = ids, near = "tracked")]
    async fn of_tenant(&self, tenant_id: &str, ids: &[u32]) -> HashMap<u32, String> {
        let rows = self.rows(ids.iter().copied());
        rows.map(|(id, row)| (id, format!("{row} of {tenant_id}"))).collect()
    }

    #[cached(resource = "rows", each = ids, near = "checked")]
    async fn checked(&self, ids: &[u32]) -> HashMap<u32, String> {
        self.rows(ids.iter().copied()).collect()
    }

    #[invalidates("rows", "rows_of", "each_row")]
    async fn change_all(&self) {}

    #[invalidates("each_row"(row))]
    async fn change(&self, row: u32) {
        let _ = row;
    }
}

fn rows(ids: &[u32]) -> HashMap<u32, String> {
    ids.iter().map(|id| (*id, format!("row {id}"))).collect()
}

/// What calls have asked of the store.
fn asked(spy: &SpyStore) -> Vec<OperationKind> {
    let of_calls = |kind: &OperationKind| !matches!(kind, OperationKind::Probe | OperationKind::WatchStamps);
    let operations = spy.operations();
    operations
        .iter()
        .map(|operation| operation.kind)
        .filter(of_calls)
        .collect()
}

fn watched() -> (SpyStore, Cache) {
    let spy = spy();
    let cache = Cache::builder().store(spy.clone()).jitter(0.0).build();
    (spy, cache)
}

#[tokio::test]
async fn the_body_is_given_the_ids_that_are_missing_in_the_order_of_the_caller_and_each_once() {
    isolated(async |_| {
        let table = Table::default();
        assert_eq!(table.find(&[3, 1]).await, rows(&[1, 3]));
        assert_eq!(table.find(&[5, 3, 4, 5, 1, 2]).await, rows(&[1, 2, 3, 4, 5]));
        assert_eq!(table.find(&[2, 5, 1]).await, rows(&[1, 2, 5]));
        assert_eq!(table.queries(), [vec![3, 1], vec![5, 4, 2]]);
    })
    .await;
}

#[tokio::test]
async fn a_list_of_results_has_the_order_and_the_duplicates_of_the_caller() {
    isolated(async |_| {
        let table = Table::default();
        let row = |id: u32| Some(format!("row {id}"));
        table.in_order(&[2]).await;
        for _ in 0..2 {
            let listed = table.in_order(&[7, 2, 200, 7, 1, 2]).await;
            assert_eq!(listed, [row(7), row(2), None, row(7), row(1), row(2)]);
        }
        assert_eq!(table.queries(), [vec![2], vec![7, 200, 1], vec![200]]);
    })
    .await;
}

#[tokio::test]
async fn all_ids_are_read_in_one_round_trip_and_stored_in_one_and_their_stamp_is_created_once() {
    let (spy, cache) = watched();
    isolated_in(cache, async |_| {
        let table = Table::default();
        let ids: Vec<u32> = (0..50).collect();
        table.find(&ids).await;
        assert_eq!(asked(&spy), [ReadMany, CreateStamps, FillMany]);
        let operations = spy.operations();
        let created = operations.iter().find(|operation| operation.kind == CreateStamps);
        assert_eq!(created.unwrap().keys.len(), 1);
        table.find(&ids).await;
        assert_eq!(asked(&spy), [ReadMany, CreateStamps, FillMany, ReadMany]);
        assert_eq!(table.queries().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn more_ids_than_go_out_together_are_read_and_stored_in_pieces_and_loaded_by_one_run_of_the_body() {
    let (spy, cache) = watched();
    isolated_in(cache, async |_| {
        let table = Table::default();
        let ids: Vec<u32> = (0..600).collect();
        assert_eq!(table.find(&ids).await.len(), 100);
        assert_eq!((spy.count(ReadMany), spy.count(FillMany)), (3, 1));
        assert_eq!(table.queries(), [ids]);
    })
    .await;
}

#[tokio::test]
async fn no_ids_are_no_call_of_anything() {
    let (spy, cache) = watched();
    isolated_in(cache, async |cache| {
        let table = Table::default();
        expect_outcomes(&[], table.find(&[])).await;
        assert_eq!(table.in_order(&[]).await, [] as [Option<String>; 0]);
        assert!(table.queries().is_empty());
        assert_eq!(cache.stats().loads, 0);
        assert_eq!(asked(&spy), []);
    })
    .await;
}

#[tokio::test]
async fn ids_may_come_in_whatever_collection_and_be_anything_that_can_be_a_key() {
    #[cached(resource = "rows", each = ids)]
    async fn by_vec(ids: Vec<String>) -> HashMap<String, usize> {
        assert!(!ids.is_empty());
        ids.into_iter().map(|id| (id.clone(), id.len())).collect()
    }

    #[cached(resource = "rows", each = ids)]
    async fn by_borrowed_vec(ids: &Vec<(u8, i64)>) -> HashMap<(u8, i64), i64> {
        ids.iter().map(|id| (*id, id.1)).collect()
    }

    #[cached(resource = "rows", each = ids)]
    async fn by_set(mut ids: HashSet<u8>) -> BTreeMap<u8, u8> {
        ids.drain().map(|id| (id, id)).collect()
    }

    #[cached(resource = "rows", each = ids)]
    async fn by_ordered_set(ids: BTreeSet<u8>) -> Vec<Option<u8>> {
        ids.into_iter().map(Some).collect()
    }

    #[cached(resource = "rows", each = ids)]
    async fn by_borrowed_ordered_set(ids: &BTreeSet<&str>) -> Vec<Option<usize>> {
        ids.iter().map(|id| Some(id.len())).collect()
    }

    isolated(async |cache| {
        for _ in 0..2 {
            let ids = vec!["one".to_owned(), "three".to_owned()];
            assert_eq!(
                by_vec(ids).await,
                HashMap::from([("one".into(), 3), ("three".into(), 5)])
            );
            assert_eq!(by_borrowed_vec(&vec![(1, 2)]).await, HashMap::from([((1, 2), 2)]));
            assert_eq!(by_set(HashSet::from([4, 5])).await, BTreeMap::from([(4, 4), (5, 5)]));
            assert_eq!(by_ordered_set(BTreeSet::from([7, 6])).await, [Some(6), Some(7)]);
            assert_eq!(
                by_borrowed_ordered_set(&BTreeSet::from(["b", "aa"])).await,
                [Some(2), Some(1)]
            );
        }
        assert_eq!((cache.stats().misses, cache.stats().hits), (9, 9));
    })
    .await;
}

#[tokio::test]
async fn the_other_arguments_are_part_of_each_key() {
    isolated(async |_| {
        let table = Table::default();
        let of = |owner: u32, ids: &[u32]| ids.iter().map(|id| (*id, format!("row {id} of {owner}"))).collect();
        assert_eq!(table.of(1, vec![1, 2]).await, Ok(of(1, &[1, 2])));
        assert_eq!(table.of(2, vec![2, 3]).await, Ok(of(2, &[2, 3])));
        assert_eq!(table.of(1, vec![1, 2]).await, Ok(of(1, &[1, 2])));
        assert_eq!(table.queries(), [[1, 2], [2, 3]]);
    })
    .await;
}

#[tokio::test]
async fn an_error_is_the_error_of_the_whole_call_and_nothing_of_it_is_stored() {
    isolated(async |cache| {
        let table = Table::default();
        table.of(1, vec![1]).await.unwrap();
        assert_eq!(table.of(1, vec![1, 13, 2]).await, Err("no luck".to_owned()));
        table.of(1, vec![1, 2]).await.unwrap();
        assert_eq!(table.queries(), [[1], [2]]);
        assert_eq!(cache.stats().fills, 2);
    })
    .await;
}

#[tokio::test]
async fn an_id_without_a_value_is_not_stored() {
    isolated(async |_| {
        let table = Table::default();
        assert_eq!(table.find(&[1, 200]).await, rows(&[1]));
        assert_eq!(table.find(&[1, 200]).await, rows(&[1]));
        assert_eq!(table.queries(), [vec![1, 200], vec![200]]);
    })
    .await;
}

#[tokio::test]
async fn a_value_that_nobody_has_asked_for_is_neither_returned_nor_stored() {
    #[cached(resource = "rows", each = ids)]
    async fn generous(ids: &[u32]) -> HashMap<u32, u32> {
        ids.iter().map(|id| (*id, *id)).chain([(99, 99)]).collect()
    }

    isolated(async |cache| {
        assert_eq!(generous(&[1]).await, HashMap::from([(1, 1)]));
        assert_eq!(cache.stats().fills, 1);
        expect_outcomes(&[Hit, Miss], generous(&[1, 99])).await;
    })
    .await;
}

#[tokio::test]
async fn a_scope_of_one_id_is_invalidated_and_the_others_stay() {
    isolated(async |_| {
        let table = Table::default();
        let ids = HashSet::from([1, 2, 3]);
        table.scoped(&ids).await;
        table.change(2).await;
        assert_eq!(table.scoped(&ids).await, rows(&[1, 2, 3]));
        let queries = table.queries();
        assert_eq!((queries[0].len(), &queries[1..]), (3, &[vec![2]][..]));
    })
    .await;
}

#[tokio::test]
async fn what_was_loaded_before_an_invalidation_is_not_served_after_it() {
    isolated(async |_| {
        let table = Table::default();
        table.find(&[1, 2]).await;
        table.change_all().await;
        table.find(&[1, 2]).await;
        assert_eq!(table.queries(), [[1, 2], [1, 2]]);
    })
    .await;
}

#[tokio::test]
async fn an_id_is_the_same_call_whichever_others_it_is_asked_for_with() {
    let (_, cache) = watched();
    isolated_in(cache, async |_| {
        let table = Table::default();
        until("the near cache answers", async || {
            let (_, outcomes) = observe(table.near(&[1])).await;
            outcomes.iter().all(|call| call.outcome == NearHit)
        })
        .await;
        for tenant in ["a", "b"] {
            expect_outcomes(&[Miss, Miss], table.of_tenant(tenant, &[1, 2])).await;
            let found = expect_outcomes(&[NearHit], table.of_tenant(tenant, &[2])).await;
            assert_eq!(found[&2], format!("row 2 of {tenant}"));
        }
        // Of lengths for which there are different places.
        for len in [0, 10, 300, 3000, 20_000] {
            let before = "x".repeat(len);
            for (tenant, zone) in [("a", None), ("b", None), ("a", Some(1)), ("b", Some(1))] {
                let row = |id: u32| (id, format!("row {id}, {len} {zone:?}"));
                let call = async |ids: &[u32]| with_tenant(tenant, table.between(&before, ids, zone)).await;
                expect_outcomes(&[Miss, Miss, Miss], call(&[1, 2, 3])).await;
                for ids in [&[3][..], &[2, 1], &[1, 2, 3], &[3, 1]] {
                    let known = vec![NearHit; ids.len()];
                    let found = expect_outcomes(&known, call(ids)).await;
                    assert_eq!(found, ids.iter().copied().map(row).collect());
                }
                expect_outcomes(&[NearHit, Miss], call(&[4, 1])).await;
                expect_outcomes(&[NearHit], call(&[4])).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_kept_in_the_process_is_not_asked_for_and_the_rest_is() {
    let (spy, cache) = watched();
    isolated_in(cache, async |_| {
        let table = Table::default();
        until("the near cache answers", async || {
            let (_, outcomes) = observe(table.near(&[1, 2])).await;
            outcomes.iter().all(|call| call.outcome == NearHit)
        })
        .await;
        let before = spy.count(ReadMany);
        assert_eq!(table.near(&[1, 2]).await, rows(&[1, 2]));
        assert_eq!(spy.count(ReadMany), before);
        expect_outcomes(&[NearHit, NearHit, Miss], table.near(&[2, 3, 1])).await;
        let operations = spy.operations();
        let last = operations.iter().rfind(|operation| operation.kind == ReadMany);
        assert_eq!(last.unwrap().keys.len(), 2, "a stamp and the entry of one id: {last:?}");
    })
    .await;
}

#[tokio::test]
async fn a_checked_value_is_used_as_long_as_the_store_has_its_stamps() {
    isolated(async |_| {
        let table = Table::default();
        table.checked(&[1, 2]).await;
        expect_outcomes(&[NearHit, NearHit], table.checked(&[1, 2])).await;
        table.change_all().await;
        expect_outcomes(&[Miss, Miss], table.checked(&[1, 2])).await;
    })
    .await;
}

#[tokio::test]
async fn what_became_of_each_id_is_observed_and_counted() {
    isolated(async |cache| {
        let table = Table::default();
        expect_outcomes(&[Miss, Miss], table.find(&[1, 2])).await;
        expect_outcomes(&[Hit, Miss], table.find(&[2, 3])).await;
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.fills), (1, 3, 3));
        assert_eq!(stats.loads, 2, "runs of the body");
    })
    .await;
}

#[tokio::test]
async fn with_a_disabled_cache_the_body_is_given_all_ids() {
    isolated_in(Cache::builder().enabled(false).build(), async |_| {
        let table = Table::default();
        for _ in 0..2 {
            expect_outcomes(&[Bypass, Bypass], async {
                assert_eq!(table.find(&[2, 1, 2]).await, rows(&[1, 2]));
            })
            .await;
        }
        assert_eq!(table.queries(), [[2, 1], [2, 1]]);
    })
    .await;
}

#[tokio::test]
async fn without_a_cache_a_list_of_results_is_the_same() {
    let table = Table::default();
    let row = |id: u32| Some(format!("row {id}"));
    let disabled = Cache::builder().enabled(false).build();
    let listed = with_cache(disabled, table.in_order(&[2, 300, 2, 1])).await;
    assert_eq!(listed, [row(2), None, row(2), row(1)]);
    assert_eq!(table.queries(), [[2, 300, 1]]);
}

#[tokio::test]
async fn with_a_store_that_fails_the_body_is_given_all_ids() {
    let (spy, cache) = watched();
    isolated_in(cache, async |_| {
        let table = Table::default();
        table.find(&[1, 2]).await;
        spy.fail_all(StoreErrorKind::Unavailable);
        assert_eq!(table.find(&[1, 2, 3]).await, rows(&[1, 2, 3]));
        assert_eq!(table.queries(), [vec![1, 2], vec![1, 2, 3]]);
    })
    .await;
}

#[tokio::test]
async fn a_fill_that_fails_is_no_error_of_the_call() {
    let (spy, cache) = watched();
    isolated_in(cache, async |cache| {
        let table = Table::default();
        spy.fail_next(FillMany, 1, StoreErrorKind::Other);
        assert_eq!(table.find(&[1, 2]).await, rows(&[1, 2]));
        assert_eq!((cache.stats().fills, cache.stats().failed_fills), (0, 2));
        expect_outcomes(&[Miss, Miss], table.find(&[1, 2])).await;
    })
    .await;
}

#[tokio::test]
async fn inside_a_mutation_only_the_ids_that_it_changes_are_loaded_anew() {
    #[derive(Clone)]
    struct Service(Table);

    impl Service {
        #[invalidates("each_row"(row))]
        async fn change_and_read(&self, row: u32, ids: &HashSet<u32>) -> HashMap<u32, String> {
            let _ = row;
            self.0.scoped(ids).await
        }
    }

    isolated(async |_| {
        let service = Service(Table::default());
        let ids = HashSet::from([1, 2, 3]);
        service.0.scoped(&ids).await;
        service.0.queries();
        service.change_and_read(2, &ids).await;
        assert_eq!(service.0.queries(), [[2]]);
    })
    .await;
}

#[tokio::test]
async fn results_that_cannot_be_told_apart_by_the_ids_are_used_for_none_of_them() {
    #[cached(resource = "rows", each = ids)]
    async fn too_few(ids: &[u32]) -> Vec<Option<u32>> {
        ids.iter().skip(1).map(|id| Some(*id)).collect()
    }

    isolated(async |cache| {
        assert_eq!(too_few(&[1, 2, 3]).await, [None, None, None]);
        assert_eq!(cache.stats().fills, 0);
    })
    .await;
}

#[tokio::test]
async fn values_that_unless_is_true_of_are_not_stored_and_the_others_are() {
    #[cached(resource = "rows", each = ids, unless = |value| value % 2 == 0)]
    async fn odd(ids: &[u32]) -> HashMap<u32, u32> {
        ids.iter().map(|id| (*id, *id)).collect()
    }

    isolated(async |cache| {
        odd(&[1, 2, 3, 4]).await;
        assert_eq!(cache.stats().fills, 2);
        expect_outcomes(&[Hit, Miss, Hit, Miss], odd(&[1, 2, 3, 4])).await;
    })
    .await;
}

#[tokio::test]
async fn with_when_false_the_body_is_given_all_ids() {
    #[cached(resource = "rows", each = ids, when = ids.len() > 1)]
    async fn several(ids: &[u32]) -> HashMap<u32, u32> {
        ids.iter().map(|id| (*id, *id)).collect()
    }

    isolated(async |_| {
        several(&[1, 2]).await;
        expect_outcomes(&[Bypass], several(&[1])).await;
        expect_outcomes(&[Hit, Hit], several(&[1, 2])).await;
    })
    .await;
}

#[tokio::test]
async fn a_refresh_loads_all_ids_by_one_run_of_the_body_and_fills_them() {
    isolated(async |cache| {
        let table = Table::default();
        table.find(&[1, 2]).await;
        expect_outcomes(&[Refreshed, Refreshed, Refreshed], refresh(table.find(&[2, 1, 3]))).await;
        assert_eq!(table.queries(), [vec![1, 2], vec![2, 1, 3]]);
        assert_eq!(cache.stats().fills, 5);
        expect_outcomes(&[Hit, Hit, Hit], table.find(&[1, 2, 3])).await;
    })
    .await;
}

#[tokio::test]
async fn past_the_cache_the_body_is_given_all_ids_and_nothing_is_stored() {
    isolated(async |cache| {
        let table = Table::default();
        table.find(&[1]).await;
        expect_outcomes(&[Bypass, Bypass], bypass(table.find(&[1, 2]))).await;
        assert_eq!(table.queries(), [vec![1], vec![1, 2]]);
        assert_eq!(cache.stats().fills, 1);
    })
    .await;
}

#[tokio::test]
async fn a_look_at_what_is_there_is_answered_if_all_ids_are() {
    isolated(async |_| {
        let table = Table::default();
        table.find(&[1, 2]).await;
        assert_eq!(peek(table.find(&[2, 1])).await, Some(rows(&[1, 2])));
        assert_eq!(peek(table.find(&[2, 3])).await, None);
        assert_eq!(table.queries().len(), 1);
    })
    .await;
}

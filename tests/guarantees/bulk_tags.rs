//! Tags of functions with `each`: they are found in the value of each id, and hold for that id alone.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss, NearHit, StaleHit},
    cached, invalidates, observe, refresh, with_cache,
};
use cache_testkit::{
    Gate, LoadCounter,
    OperationKind::{CreateStamps, Fill, FillMany, ReadMany, ReadStamps},
    RedisServer, expect_outcomes, isolated, isolated_in, isolated_on, until,
};
use serde::{Deserialize, Serialize};
use support::{Log, spy, two_caches};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    version: u64,
    authors: Vec<i64>,
}

/// Pages each of which has the authors that it is given. A load reads the version, and waits for the gate before it returns.
#[derive(Clone)]
struct Library {
    version: Arc<AtomicU64>,
    authors: Arc<BTreeMap<u32, Vec<i64>>>,
    loads: LoadCounter,
    answer: Gate,
}

type Pages = HashMap<u32, Page>;

impl Library {
    fn closed<const N: usize>(authors: [(u32, &[i64]); N]) -> Self {
        let authors = authors.map(|(id, authors)| (id, authors.to_vec()));
        Self {
            version: Arc::default(),
            authors: Arc::new(authors.into()),
            loads: LoadCounter::new(),
            answer: Gate::closed(),
        }
    }

    fn of<const N: usize>(authors: [(u32, &[i64]); N]) -> Self {
        let library = Self::closed(authors);
        library.answer.open();
        library
    }

    async fn load(&self, ids: &[u32]) -> Pages {
        let version = self.version.load(Ordering::SeqCst);
        self.loads.record();
        self.answer.pass().await;
        let page = |id: &u32| {
            let authors = self.authors.get(id)?.clone();
            Some((*id, Page { version, authors }))
        };
        ids.iter().filter_map(page).collect()
    }

    #[cached(resource = "tagged_page", each = ids, tags(author = result.authors))]
    async fn pages(&self, ids: &[u32]) -> Pages {
        self.load(ids).await
    }

    #[cached(resource = "checked_page", each = ids, near = "checked", tags(author = result.authors.iter().copied()))]
    async fn checked(&self, ids: &[u32]) -> Pages {
        self.load(ids).await
    }

    #[cached(resource = "near_page", each = ids, near = "tracked", tags(author = result.authors))]
    async fn near(&self, ids: &[u32]) -> Pages {
        self.load(ids).await
    }

    #[cached(resource = "tagged_page", each = ids, tags(author = by), key(kind = "by"))]
    async fn pages_by(&self, ids: &[u32], by: i64) -> Pages {
        let _ = by;
        self.load(ids).await
    }

    #[cached(resource = "tagged_page", each = ids, ttl = "1ms", stale_while_revalidate = "1h", tags(author = by, series = result.version.to_string()), key(kind = "old"))]
    async fn old_pages(&self, ids: Vec<u32>, by: i64) -> Pages {
        self.load(&ids).await
    }

    #[invalidates(tag("author", author))]
    async fn rename(&self, author: i64) {
        let _ = author;
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    fn versions(pages: &Pages) -> Vec<(u32, u64)> {
        let mut versions: Vec<_> = pages.iter().map(|(id, page)| (*id, page.version)).collect();
        versions.sort_unstable();
        versions
    }

    fn call(&self, cache: &Cache, ids: &'static [u32]) -> tokio::task::JoinHandle<Pages> {
        let library = self.clone();
        tokio::spawn(with_cache(cache.clone(), async move { library.pages(ids).await }))
    }
}

#[tokio::test]
async fn an_invalidation_of_a_tag_makes_unusable_the_ids_whose_values_have_it_and_no_others() {
    isolated(async |_| {
        let library = Library::of([(1, &[7]), (2, &[7, 8]), (3, &[9]), (4, &[])]);
        library.pages(&[1, 2, 3, 4]).await;
        expect_outcomes(&[Hit, Hit, Hit, Hit], library.pages(&[1, 2, 3, 4])).await;
        library.rename(8).await;
        let pages = expect_outcomes(&[Hit, Miss, Hit, Hit], library.pages(&[1, 2, 3, 4])).await;
        assert_eq!(Library::versions(&pages), [(1, 0), (2, 1), (3, 0), (4, 0)]);
        library.rename(7).await;
        expect_outcomes(&[Miss, Miss, Hit, Hit], library.pages(&[1, 2, 3, 4])).await;
    })
    .await;
}

#[tokio::test]
async fn on_a_real_server_it_is_the_same() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let library = Library::of([(1, &[7]), (2, &[7, 8]), (3, &[9]), (4, &[])]);
        let ids = [1, 2, 3, 4];
        expect_outcomes(&[Miss, Miss, Miss, Miss], library.pages(&ids)).await;
        expect_outcomes(&[Hit, Hit, Hit, Hit], library.pages(&ids)).await;
        library.rename(8).await;
        expect_outcomes(&[Hit, Miss, Hit, Hit], library.pages(&ids)).await;
        expect_outcomes(&[Hit, Hit, Hit, Hit], library.pages(&ids)).await;
    })
    .await;
}

/// The tag's stamp is not there when the load begins, nor when it is invalidated: the epoch alone tells.
#[tokio::test]
async fn a_load_that_an_invalidation_of_a_tag_overtook_is_stored_for_no_id_with_that_tag() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::closed([(1, &[7]), (2, &[]), (3, &[7])]);
    let reading = library.call(&here, &[1, 2, 3]);
    library.loads.until(1).await;
    library.version.store(1, Ordering::SeqCst);
    elsewhere.invalidate_tag("author", 7).await.unwrap();
    library.answer.open();
    assert_eq!(Library::versions(&reading.await.unwrap()), [(1, 0), (2, 0), (3, 0)]);
    let after = with_cache(here, expect_outcomes(&[Miss, Hit, Miss], library.pages(&[1, 2, 3]))).await;
    assert_eq!(Library::versions(&after), [(1, 1), (2, 0), (3, 1)]);
}

#[tokio::test]
async fn a_call_after_an_invalidation_elsewhere_does_not_join_a_load_from_before_it() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::closed([(1, &[7]), (2, &[7])]);
    let before = library.call(&here, &[1, 2]);
    library.loads.until(1).await;
    library.version.store(1, Ordering::SeqCst);
    elsewhere.invalidate_tag("author", 7).await.unwrap();
    let after = library.call(&here, &[2, 1]);
    library.loads.until(2).await;
    library.answer.open();
    assert_eq!(Library::versions(&before.await.unwrap()), [(1, 0), (2, 0)]);
    assert_eq!(Library::versions(&after.await.unwrap()), [(1, 1), (2, 1)]);
}

#[tokio::test]
async fn the_epochs_of_all_ids_are_read_once_and_what_was_loaded_is_stored_in_one_round_trip() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::of([(1, &[7]), (2, &[8]), (3, &[])]);
    with_cache(here.clone(), library.pages(&[1, 2, 3])).await;
    assert_eq!(
        (store.count(ReadMany), store.count(FillMany), store.count(Fill)),
        (1, 1, 0)
    );
    assert_eq!(store.count(ReadStamps), 1, "the epochs");
    let asked = async |cache: &Cache| {
        let before = store.operations().len();
        with_cache(
            cache.clone(),
            expect_outcomes(&[Hit, Hit, Hit], library.pages(&[1, 2, 3])),
        )
        .await;
        let operations = store.operations();
        let kinds = operations[before..].iter().map(|operation| operation.kind);
        kinds.collect::<Vec<_>>()
    };
    assert_eq!(asked(&here).await, [ReadMany], "it has loaded them itself");
    // At the same time, those of each entry that has tags.
    assert_eq!(asked(&elsewhere).await, [ReadMany, ReadStamps, ReadStamps]);
    assert_eq!(asked(&elsewhere).await, [ReadMany]);
    assert!(store.count(CreateStamps) > 0);
}

#[tokio::test]
async fn a_value_in_the_near_cache_is_no_near_hit_after_an_invalidation_of_its_tag_anywhere() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::of([(1, &[7]), (2, &[8]), (3, &[])]);
    with_cache(here, async {
        let ids = [1, 2, 3];
        let all_near = async || {
            let (_, outcomes) = observe(library.near(&ids)).await;
            outcomes.iter().all(|call| call.outcome == NearHit)
        };
        for by in [None, Some(&elsewhere)] {
            until("changes are reported", all_near).await;
            library.checked(&ids).await;
            expect_outcomes(&[NearHit, NearHit, NearHit], library.checked(&ids)).await;
            match by {
                None => library.rename(7).await,
                Some(elsewhere) => {
                    library.version.fetch_add(1, Ordering::SeqCst);
                    elsewhere.invalidate_tag("author", 7).await.unwrap();
                }
            }
            let version = library.version.load(Ordering::SeqCst);
            for pages in [
                expect_outcomes(&[NearHit, Miss, NearHit], library.checked(&[2, 1, 3])).await,
                library.near(&ids).await,
            ] {
                assert_eq!(pages[&1].version, version);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_tag_can_be_an_argument_which_is_that_of_all_ids() {
    isolated(async |_| {
        let library = Library::of([(1, &[]), (2, &[])]);
        library.pages_by(&[1, 2], 7).await;
        library.pages_by(&[1, 2], 8).await;
        library.rename(7).await;
        expect_outcomes(&[Miss, Miss], library.pages_by(&[1, 2], 7)).await;
        expect_outcomes(&[Hit, Hit], library.pages_by(&[1, 2], 8)).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_loaded_again_in_the_background_is_stored_under_its_tags() {
    isolated(async |cache| {
        let library = Library::of([(1, &[]), (2, &[])]);
        library.old_pages(vec![1, 2], 7).await;
        library.version.store(5, Ordering::SeqCst);
        until("both are loaded again, and old once more", async || {
            let (pages, outcomes) = observe(library.old_pages(vec![1, 2], 7)).await;
            let all_new = pages.values().all(|page| page.version == 5);
            all_new && outcomes.iter().all(|call| call.outcome == StaleHit)
        })
        .await;
        cache.invalidate_tag("series", "0").await.unwrap();
        expect_outcomes(&[StaleHit, StaleHit], library.old_pages(vec![1, 2], 7)).await;
        cache.invalidate_tag("series", "5").await.unwrap();
        expect_outcomes(&[Miss, Miss], library.old_pages(vec![1, 2], 7)).await;
        library.rename(7).await;
        expect_outcomes(&[Miss, Miss], library.old_pages(vec![1, 2], 7)).await;
    })
    .await;
}

#[tokio::test]
async fn a_refresh_stores_what_it_loads_under_the_tags_that_it_finds() {
    isolated(async |_| {
        let (before, after) = (Library::of([(1, &[7])]), Library::of([(1, &[8])]));
        before.pages(&[1]).await;
        refresh(after.pages(&[1])).await;
        after.rename(7).await;
        expect_outcomes(&[Hit], after.pages(&[1])).await;
        after.rename(8).await;
        expect_outcomes(&[Miss], after.pages(&[1])).await;
    })
    .await;
}

#[tokio::test]
async fn an_id_whose_value_has_more_than_32_tags_is_not_stored_and_the_others_are() {
    let (log, _logging) = Log::start();
    let cache = Cache::builder().jitter(0.0).build();
    isolated_in(cache, async |cache| {
        let (most, more): (Vec<i64>, Vec<i64>) = ((0..32).collect(), (0..33).collect());
        let library = Library::of([(1, &more), (2, &most)]);
        library.pages(&[1, 2]).await;
        assert_eq!(cache.stats().fills, 1);
        expect_outcomes(&[Miss, Hit], library.pages(&[1, 2])).await;
    })
    .await;
    let said = log.at(tracing::Level::WARN);
    let more = said.iter().filter(|said| said.contains("has more than 32 tags"));
    assert_eq!(more.count(), 1, "{said:?}");
}

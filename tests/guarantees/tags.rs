//! Tags that a load finds: an invalidation of one makes unusable what was loaded before it, whoever loads it and whenever the load is
//! stored. See `docs/guarantees.md`; the model is `tags` in `tests/models`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, InvalidateError, Invalidated,
    Outcome::{Bypass, Hit, Miss, NearHit},
    cached, invalidates,
    store::{RedisStore, Store as _, StoreErrorKind},
    with_cache, with_tenant,
};
use cache_testkit::{
    Gate, LoadCounter, OperationKind, RedisServer, expect_outcomes, isolated, isolated_in, isolated_on, patient,
    reaching, until,
};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use support::{Log, spy, two_caches};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    version: u64,
    authors: Vec<i64>,
    series: Option<String>,
}

/// A load reads the version, and waits for the gate before it returns.
#[derive(Clone)]
struct Library {
    version: Arc<AtomicU64>,
    authors: Arc<Vec<i64>>,
    loads: LoadCounter,
    answer: Gate,
}

impl Library {
    fn closed(authors: &[i64]) -> Self {
        Self {
            version: Arc::default(),
            authors: Arc::new(authors.to_vec()),
            loads: LoadCounter::new(),
            answer: Gate::closed(),
        }
    }

    fn by(authors: &[i64]) -> Self {
        let library = Self::closed(authors);
        library.answer.open();
        library
    }

    async fn load(&self) -> Page {
        let version = self.version.load(Ordering::SeqCst);
        self.loads.record();
        self.answer.pass().await;
        Page {
            version,
            authors: self.authors.to_vec(),
            series: Some("a series".to_owned()),
        }
    }

    #[cached(resource = "tagged_page", tags(author = result.authors, series = result.series))]
    async fn page(&self, id: u32) -> Page {
        let _ = id;
        self.load().await
    }

    #[cached(resource = "near_page", near = "tracked", tags(author = result.authors.iter().copied()))]
    async fn near_page(&self) -> Page {
        self.load().await
    }

    #[cached(resource = "checked_page", near = "checked", tags(author = result.authors))]
    async fn checked_page(&self) -> Page {
        self.load().await
    }

    #[cached(resource = "led_page", lease, tags(author = result.authors))]
    async fn led_page(&self) -> Page {
        self.load().await
    }

    #[cached(resource = "tagged_page", tags(author))]
    async fn page_of(&self, author: i64) -> Page {
        let _ = author;
        self.load().await
    }

    #[cached(resource = "ahead_page", refresh_ahead = 1000000000000.0, tags(author = result.authors))]
    async fn ahead_page(&self) -> Page {
        self.load().await
    }

    #[cached(resource = "verified_page", verify = 1.0, tags(author = result.authors))]
    async fn verified_page(&self) -> Page {
        self.load().await
    }

    #[cached(resource = "shared_page", tags(author = result.authors))]
    async fn shared_page(&self) -> Page {
        self.load().await
    }

    #[invalidates(tag("author", author))]
    async fn rename(&self, author: i64) {
        let _ = author;
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    #[invalidates(tag(author = result.authors))]
    async fn rewrite(&self) -> Page {
        self.version.fetch_add(1, Ordering::SeqCst);
        self.load().await
    }

    #[invalidates(tag(author = result.authors))]
    async fn fail(&self) -> Result<Page, String> {
        self.version.fetch_add(1, Ordering::SeqCst);
        Err("no such page".to_owned())
    }

    #[invalidates(tag(crate::cache_resources::author, by))]
    async fn rename_by_word(&self, by: i64) {
        let _ = by;
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    #[invalidates(tag(author, when = really))]
    async fn rename_if(&self, author: i64, really: bool) {
        let _ = author;
        self.version.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_invalidation_of_one_tag_makes_unusable_what_has_it_and_nothing_else() {
    isolated(async |_| {
        let (both, other) = (Library::by(&[1, 2]), Library::by(&[3]));
        both.page(1).await;
        other.page(2).await;
        expect_outcomes(&[Hit, Hit], async { (both.page(1).await, other.page(2).await) }).await;
        both.rename(2).await;
        assert_eq!(expect_outcomes(&[Miss], both.page(1)).await.version, 1);
        expect_outcomes(&[Hit, Hit], async { (both.page(1).await, other.page(2).await) }).await;
    })
    .await;
}

#[tokio::test]
async fn a_tag_of_another_kind_is_another_tag() {
    isolated(async |cache| {
        let library = Library::by(&[1]);
        library.page(1).await;
        cache.invalidate_tag("author", "a series").await.unwrap();
        expect_outcomes(&[Hit], library.page(1)).await;
        cache.invalidate_tag("series", "a series").await.unwrap();
        expect_outcomes(&[Miss], library.page(1)).await;
    })
    .await;
}

#[tokio::test]
async fn what_has_no_tags_is_stored_all_the_same() {
    isolated(async |_| {
        let library = Library::by(&[]);
        library.checked_page().await;
        expect_outcomes(&[NearHit], library.checked_page()).await;
        library.led_page().await;
        expect_outcomes(&[Hit], library.led_page()).await;
    })
    .await;
}

#[tokio::test]
async fn a_tag_can_be_an_argument_and_be_given_under_a_condition() {
    isolated(async |_| {
        let library = Library::by(&[]);
        library.page_of(7).await;
        library.rename_if(7, false).await;
        expect_outcomes(&[Hit], library.page_of(7)).await;
        library.rename_if(7, true).await;
        expect_outcomes(&[Miss], library.page_of(7)).await;
        library.rename_by_word(7).await;
        expect_outcomes(&[Miss], library.page_of(7)).await;
    })
    .await;
}

#[tokio::test]
async fn the_tags_of_a_mutation_can_be_those_of_its_result_and_without_one_all_are_meant_if_it_was_dropped() {
    isolated(async |_| {
        let library = Library::by(&[1, 2]);
        library.page(1).await;
        library.rewrite().await;
        expect_outcomes(&[Miss], library.page(1)).await;
        library.fail().await.unwrap_err();
        expect_outcomes(&[Hit], library.page(1)).await;

        let other = Library::closed(&[9]);
        {
            let mut dropped = std::pin::pin!(other.rewrite());
            assert!(dropped.as_mut().now_or_never().is_none());
        }
        until("all authors are invalidated", async || {
            support::outcome_of(library.page(1)).await.1 == Miss
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_loaded_ahead_of_its_time_is_stored_under_its_tags_and_not_if_one_was_invalidated_meanwhile() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::by(&[1]);
    with_cache(here, async {
        library.ahead_page().await;
        library.version.store(1, Ordering::SeqCst);
        assert_eq!(expect_outcomes(&[Hit], library.ahead_page()).await.version, 0);
        until("it is loaded again", async || library.ahead_page().await.version == 1).await;
        library.answer.close();
        let loads = library.loads.count();
        library.ahead_page().await;
        library.loads.until(loads + 1).await;
        library.version.store(2, Ordering::SeqCst);
        elsewhere.invalidate_tag("author", 1).await.unwrap();
        library.answer.open();
        until("the load that was overtaken is over", async || {
            library.ahead_page().await.version == 2
        })
        .await;
    })
    .await;
}

/// The tag's stamp is not there when the load begins, nor when it is invalidated: the epoch alone tells.
#[tokio::test]
async fn a_load_that_an_invalidation_of_its_tag_overtook_is_never_served() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::closed(&[1]);
    let reading = tokio::spawn(with_cache(here.clone(), page(library.clone())));
    library.loads.until(1).await;
    library.version.store(1, Ordering::SeqCst);
    assert_eq!(
        elsewhere.invalidate_tag("author", 1).await,
        Ok(Invalidated::Acknowledged)
    );
    library.answer.open();
    assert_eq!(reading.await.unwrap().version, 0);
    let after = with_cache(here, expect_outcomes(&[Miss], page(library))).await;
    assert_eq!(after.version, 1);
}

async fn page(library: Library) -> Page {
    library.page(1).await
}

#[tokio::test]
async fn a_load_is_stored_although_a_tag_in_another_bucket_was_invalidated_elsewhere_meanwhile() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let mut epochs = Vec::new();
    for author in 0..64 {
        elsewhere.invalidate_tag("author", author).await.unwrap();
        let removed = store.operations().pop().unwrap().keys;
        epochs.push(removed.into_iter().find(is_epoch).unwrap());
    }
    let same = (1..64).find(|author| epochs[*author] == epochs[0]).unwrap();
    let other = (1..64).find(|author| epochs[*author] != epochs[0]).unwrap();
    for (author, after) in [(same, Miss), (other, Hit)] {
        let library = Library::closed(&[0]);
        let read = async |library: Library| library.led_page().await;
        let reading = tokio::spawn(with_cache(here.clone(), read(library.clone())));
        library.loads.until(1).await;
        elsewhere.invalidate_tag("author", author).await.unwrap();
        library.answer.open();
        reading.await.unwrap();
        with_cache(here.clone(), expect_outcomes(&[after], library.led_page())).await;
        elsewhere.invalidate("led_page").await.unwrap();
    }
}

#[tokio::test]
async fn a_call_after_an_invalidation_elsewhere_does_not_join_a_load_from_before_it() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::closed(&[1]);
    let before = tokio::spawn(with_cache(here.clone(), page(library.clone())));
    library.loads.until(1).await;
    library.version.store(1, Ordering::SeqCst);
    elsewhere.invalidate_tag("author", 1).await.unwrap();
    let after = tokio::spawn(with_cache(here, page(library.clone())));
    library.loads.until(2).await;
    library.answer.open();
    assert_eq!((before.await.unwrap().version, after.await.unwrap().version), (0, 1));
}

#[tokio::test]
async fn calls_at_once_share_a_load() {
    isolated(async |cache| {
        let library = Library::closed(&[1]);
        let calls: Vec<_> = (0..10)
            .map(|_| tokio::spawn(with_cache(cache.clone(), page(library.clone()))))
            .collect();
        library.loads.until(1).await;
        until("the others wait", async || cache.stats().misses == 10).await;
        tokio::task::yield_now().await;
        library.answer.open();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(library.loads.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_epochs_are_removed_before_the_stamps_of_the_tags_and_read_after_them() {
    let store = spy();
    isolated_in(patient().store(store.clone()).build(), async |cache| {
        let library = Library::by(&[1]);
        library.page(1).await;
        cache.invalidate_tag("author", 1).await.unwrap();
        let operations = store.operations();
        let created = operations
            .iter()
            .rfind(|operation| operation.kind == OperationKind::CreateStamps);
        let removed = operations
            .iter()
            .find(|operation| operation.kind == OperationKind::RemoveStamps);
        let created: Vec<bool> = created.unwrap().keys.iter().map(is_epoch).collect();
        assert!(created.is_sorted() && created.contains(&true), "{created:?}");
        let removed: Vec<bool> = removed.unwrap().keys.iter().map(is_epoch).collect();
        assert!(
            removed.iter().rev().is_sorted() && removed.contains(&true),
            "{removed:?}"
        );
    })
    .await;
}

#[expect(clippy::ptr_arg, reason = "as the keys of an operation are")]
fn is_epoch(key: &String) -> bool {
    key.rsplit_once(":~").is_some_and(|(_, bucket)| bucket.len() == 1)
}

#[tokio::test]
async fn a_hit_takes_a_second_round_trip_until_its_tags_are_known() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::by(&[1, 2]);
    let read = || page(library.clone());
    let asked = async |cache: &Cache| {
        let before = store.operations().len();
        with_cache(cache.clone(), expect_outcomes(&[Hit], read())).await;
        let operations = store.operations();
        operations[before..]
            .iter()
            .map(|operation| operation.kind)
            .collect::<Vec<_>>()
    };
    with_cache(here.clone(), read()).await;
    assert_eq!(asked(&here).await, [OperationKind::Read], "it has loaded it itself");
    assert_eq!(
        asked(&elsewhere).await,
        [OperationKind::Read, OperationKind::ReadStamps]
    );
    assert_eq!(asked(&elsewhere).await, [OperationKind::Read]);
}

#[tokio::test]
async fn a_value_in_the_near_cache_is_no_near_hit_after_an_invalidation_of_its_tag_anywhere() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let library = Library::by(&[1]);
    with_cache(here, async {
        let is_near = async || support::outcome_of(library.near_page()).await.1 == NearHit;
        until("changes are reported", is_near).await;
        for by in [None, Some(&elsewhere)] {
            library.checked_page().await;
            expect_outcomes(&[NearHit], library.checked_page()).await;
            until("it is kept again", is_near).await;
            match by {
                None => library.rename(1).await,
                Some(elsewhere) => {
                    library.version.fetch_add(1, Ordering::SeqCst);
                    elsewhere.invalidate_tag("author", 1).await.unwrap();
                }
            }
            let version = library.version.load(Ordering::SeqCst);
            assert_eq!(expect_outcomes(&[Miss], library.near_page()).await.version, version);
            assert_eq!(expect_outcomes(&[Miss], library.checked_page()).await.version, version);
        }
    })
    .await;
}

/// The call has asked for the changes of the tag that the value had before, and keeps one that has another.
#[tokio::test]
async fn a_value_in_the_near_cache_that_has_another_tag_than_before_is_no_near_hit_after_an_invalidation_of_that() {
    let store = spy();
    let [here, elsewhere] = two_caches(&store);
    let (before, after) = (Library::by(&[1]), Library::by(&[2]));
    with_cache(here, async {
        until("changes are reported", async || {
            support::outcome_of(before.near_page()).await.1 == NearHit
        })
        .await;
        elsewhere.invalidate_tag("author", 1).await.unwrap();
        expect_outcomes(&[Miss], after.near_page()).await;
        after.version.store(1, Ordering::SeqCst);
        elsewhere.invalidate_tag("author", 2).await.unwrap();
        assert_eq!(expect_outcomes(&[Miss], after.near_page()).await.version, 1);
    })
    .await;
}

#[tokio::test]
async fn while_an_invalidation_is_not_acknowledged_nothing_with_such_tags_is_read() {
    let store = spy();
    isolated_in(patient().store(store.clone()).build(), async |_| {
        let library = Library::by(&[1]);
        library.page(1).await;
        store.fail_next(OperationKind::RemoveStamps, 1, StoreErrorKind::Unavailable);
        let gate = store.hold(OperationKind::Probe);
        library.rename(1).await;
        assert_eq!(expect_outcomes(&[Bypass], library.page(1)).await.version, 1);
        gate.open();
    })
    .await;
}

#[tokio::test]
async fn inside_of_a_mutation_nothing_with_such_tags_is_read() {
    #[invalidates(tag("author", 1))]
    async fn save(library: &Library) -> Page {
        library.version.fetch_add(1, Ordering::SeqCst);
        library.page(1).await
    }
    isolated(async |_| {
        let library = Library::by(&[1]);
        library.page(1).await;
        assert_eq!(save(&library).await.version, 1);
    })
    .await;
}

#[tokio::test]
async fn inside_of_a_transaction_it_waits_for_the_commit() {
    isolated(async |cache| {
        let library = Library::by(&[1]);
        library.page(1).await;
        cache_runtime::transaction(async {
            library.rename(1).await;
            let elsewhere = tokio::spawn(with_cache(cache.clone(), page(library.clone())));
            assert_eq!(elsewhere.await.unwrap().version, 0);
            Ok::<_, String>(())
        })
        .await
        .unwrap();
        assert_eq!(library.page(1).await.version, 1);
    })
    .await;
}

#[tokio::test]
async fn a_tag_is_of_its_tenant_and_of_what_tenants_share() {
    isolated(async |_| {
        let (one, shared) = (Library::by(&[1]), Library::by(&[1]));
        with_tenant("a", one.page(1)).await;
        with_tenant("a", shared.shared_page()).await;
        with_tenant("b", one.rename(1)).await;
        expect_outcomes(&[Hit], with_tenant("a", one.page(1))).await;
        expect_outcomes(&[Miss], with_tenant("a", shared.shared_page())).await;
        with_tenant("a", one.rename(1)).await;
        expect_outcomes(&[Miss], with_tenant("a", one.page(1))).await;
    })
    .await;
}

#[tokio::test]
async fn a_result_with_more_than_32_tags_is_not_stored_and_that_is_said_once() {
    let (log, _logging) = Log::start();
    isolated(async |_| {
        let (most, more) = (
            Library::by(&(0..31).collect::<Vec<_>>()),
            Library::by(&(0..32).collect::<Vec<_>>()),
        );
        most.page(1).await;
        expect_outcomes(&[Hit], most.page(1)).await;
        more.page(2).await;
        expect_outcomes(&[Miss], more.page(2)).await;
    })
    .await;
    let said = log.at(tracing::Level::WARN);
    assert_eq!(
        said.iter()
            .filter(|said| said.contains("has more than 32 tags"))
            .count(),
        1,
        "{said:?}"
    );
}

#[tokio::test]
async fn a_kind_that_is_not_declared_is_refused_with_the_nearest_one() {
    isolated(async |cache| {
        assert!(matches!(
            cache.invalidate_tag("autor", 1).await,
            Err(InvalidateError::UnknownTag {
                similar: Some("author"),
                ..
            })
        ));
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_of_the_resource_or_the_tenant_makes_tagged_entries_unusable_too() {
    isolated(async |cache| {
        let library = Library::by(&[1]);
        library.page(1).await;
        cache.invalidate("tagged_page").await.unwrap();
        expect_outcomes(&[Miss], library.page(1)).await;
        cache.invalidate_tenant("default").await.unwrap();
        expect_outcomes(&[Miss], library.page(1)).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_failover_has_lost_is_invalidated_again() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let library = Library::by(&[1]);
        library.page(1).await;
        let keys = |pattern: &str| support::keys(&server, pattern);
        let tags: Vec<(String, Vec<u8>)> = keys("cachestamp:default:~author:*")
            .into_iter()
            .map(|key| (key.clone(), support::get(&server, &key)))
            .collect();
        library.rename(1).await;
        // As a server that is promoted, or comes back, without the last writes: over a new connection.
        let () = server.command(["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        for (key, stamp) in &tags {
            let () = server.command([b"SET", key.as_bytes(), stamp]).unwrap();
        }
        cache_testkit::recovered(&cache).await;
        assert_eq!(library.page(1).await.version, 1);
    })
    .await;
}

#[tokio::test]
async fn too_many_pending_invalidations_of_tags_become_one_of_their_kind() {
    let store = spy();
    let cache = patient().store(store.clone()).journal_limit(8).build();
    isolated_in(cache, async |cache| {
        let library = Library::by(&[1]);
        library.page(1).await;
        store.fail_all(StoreErrorKind::Unavailable);
        for author in 100..120 {
            library.rename(author).await;
        }
        store.heal();
        cache_testkit::recovered(&cache).await;
        until("the journal is empty", async || {
            cache.stats().pending_invalidations == 0
        })
        .await;
        let removed = store.operations();
        let kind = |key: &String| key == "cachestamp:default:~author";
        assert!(
            removed
                .iter()
                .any(|operation| operation.kind == OperationKind::RemoveStamps && operation.keys.iter().any(kind))
        );
        let version = library.version.load(Ordering::SeqCst);
        assert_eq!(library.page(1).await.version, version);
    })
    .await;
}

#[tokio::test]
async fn what_is_dead_by_its_resource_is_swept_with_as_many_tags_as_may_be() {
    let server = RedisServer::start().unwrap();
    let store = RedisStore::new(support::at(&server));
    until("the server is reached", async || store.probe().await.is_ok()).await;
    isolated_on(&server, async |_| {
        let library = Library::by(&(0..31).collect::<Vec<_>>());
        library.page(1).await;
        library.near_page().await;
        let swept = store.sweep(&["cache:*".to_owned()]).await.unwrap();
        assert_eq!(swept.removed, 0);
        let () = server.command(["UNLINK", "cachestamp:default:tagged_page"]).unwrap();
        let swept = store.sweep(&["cache:*".to_owned()]).await.unwrap();
        assert_eq!(swept.removed, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_difference_that_an_invalidation_of_a_tag_explains_is_not_taken_for_an_old_value() {
    isolated(async |cache| {
        let library = Library::by(&[1]);
        let read = || library.verified_page();
        read().await;
        library.version.store(1, Ordering::SeqCst);
        assert_eq!(expect_outcomes(&[Hit], read()).await.version, 1, "it was loaded, too");
        // The mutation that has made the difference comes to its end.
        cache.invalidate_tag("author", 1).await.unwrap();
        expect_outcomes(&[Miss], read()).await;
        library.version.store(2, Ordering::SeqCst);
        expect_outcomes(&[Hit], read()).await;
        // By the paused clock: both differences have been looked at by then.
        tokio::time::sleep(Duration::from_secs(2)).await;
        until("nobody explains the second one", async || {
            cache.stats().stale_detected > 0
        })
        .await;
        assert_eq!(cache.stats().stale_detected, 1);
    })
    .await;
}

/// Writers invalidate tags in two processes while readers read. Whatever is returned was loaded after every invalidation that had
/// been acknowledged when the call began.
async fn race(reads: impl AsyncFn(&Library) -> Page + Send + Sync + Copy + 'static) {
    const ROUNDS: u64 = 80;
    let server = RedisServer::start().expect("a server");
    let here = reaching(&server, patient()).await;
    let elsewhere = reaching(&server, patient()).await;
    let library = Library::by(&[1, 2, 3]);
    let (floor, hits) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let write = async |cache: &Cache| {
        for round in 0..ROUNDS {
            let version = library.version.fetch_add(1, Ordering::SeqCst) + 1;
            let invalidated = cache.invalidate_tag("author", round % 3 + 1).await;
            invalidated.expect("the kind is declared");
            floor.fetch_max(version, Ordering::SeqCst);
            if round % 16 == 0 {
                // The race is about hits, too.
                let before = hits.load(Ordering::SeqCst);
                until("a hit", async || hits.load(Ordering::SeqCst) > before).await;
            }
            for _ in 0..fastrand::u8(0..30) {
                tokio::task::yield_now().await;
            }
        }
    };
    let read = async |cache: &Cache| {
        while !done.load(Ordering::SeqCst) {
            let floor = floor.load(Ordering::SeqCst);
            let (page, outcome) = with_cache(cache.clone(), support::outcome_of(reads(&library))).await;
            hits.fetch_add(u64::from(matches!(outcome, Hit | NearHit)), Ordering::SeqCst);
            assert!(page.version >= floor, "{} is older than {floor}", page.version);
            tokio::task::yield_now().await;
        }
    };
    let writes = async {
        tokio::join!(write(&here), write(&elsewhere));
        done.store(true, Ordering::SeqCst);
    };
    tokio::join!(
        writes,
        futures_util::future::join_all([&here, &here, &elsewhere, &elsewhere].map(read))
    );
}

#[tokio::test]
async fn racing_with_invalidations_of_tags_on_a_real_server_nothing_old_is_returned() {
    race(async |library: &Library| library.page(1).await).await;
}

#[tokio::test]
async fn racing_with_invalidations_of_tags_nothing_old_is_returned_under_leases() {
    race(async |library: &Library| library.led_page().await).await;
}

#[tokio::test]
async fn racing_with_invalidations_of_tags_nothing_old_is_returned_of_checked_near_values() {
    race(async |library: &Library| library.checked_page().await).await;
}

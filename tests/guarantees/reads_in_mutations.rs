//! What a mutation names is not read from the cache inside its own body.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use cache_runtime::{
    Cache,
    Outcome::{Bypass, Hit, Miss, NearHit},
    cached, invalidates, observe, with_cache, with_tenant,
};
use cache_testkit::{Gate, expect_outcomes, isolated};

/// A database of one number, and the functions over it.
#[derive(Default)]
struct Service {
    row: AtomicU32,
}

impl Service {
    fn store(&self, value: u32) {
        self.row.store(value, Ordering::SeqCst);
    }

    fn load(&self) -> u32 {
        self.row.load(Ordering::SeqCst)
    }

    #[cached(resource = "item", scope(id))]
    async fn item(&self, id: u32) -> u32 {
        self.load()
    }

    #[cached(resource = "item", scope(id), tenant = owner)]
    async fn item_of(&self, owner: &str, id: u32) -> u32 {
        self.load()
    }

    #[cached(resource = "stock", scope(warehouse, product))]
    async fn stock(&self, warehouse: &str, product: u32) -> u32 {
        self.load()
    }

    #[cached(resource = "watched", near = "tracked")]
    async fn watched(&self) -> u32 {
        self.load()
    }

    #[cached(resource = "checked", near = "checked")]
    async fn checked(&self) -> u32 {
        self.load()
    }

    #[cached(resource = "safe")]
    async fn safe(&self) -> u32 {
        self.load()
    }

    #[cached(resource = "rates")]
    async fn rates(&self) -> u32 {
        self.load()
    }

    #[cached(resource = "other")]
    async fn other(&self) -> u32 {
        self.load()
    }

    /// What everybody writes: save, then return what is there.
    #[invalidates("item"(id))]
    async fn update(&self, id: u32, value: u32) -> u32 {
        self.store(value);
        self.item(id).await
    }
}

#[tokio::test]
async fn what_is_read_back_is_what_was_stored() {
    isolated(async |cache| {
        let service = Service::default();
        assert_eq!(service.item(1).await, 0);
        let stored_before = cache.stats().fills;
        assert_eq!(expect_outcomes(&[Bypass], service.update(1, 7)).await, 7);
        assert_eq!(cache.stats().fills, stored_before, "what it loaded was stored");
        assert_eq!(expect_outcomes(&[Miss], service.item(1)).await, 7);
        assert_eq!(expect_outcomes(&[Hit], service.item(1)).await, 7);
    })
    .await;
}

#[invalidates("item"(id))]
async fn item_changed<T>(id: u32, inside: impl Future<Output = T>) -> T {
    inside.await
}

#[tokio::test]
async fn other_scope_values_and_other_resources_are_answered_by_the_cache() {
    isolated(async |_| {
        let service = Service::default();
        service.item(1).await;
        service.item(2).await;
        service.other().await;
        let inside = async { (service.item(1).await, service.item(2).await, service.other().await) };
        expect_outcomes(&[Bypass, Hit, Hit], item_changed(1, inside)).await;
        expect_outcomes(&[Miss, Hit], async { (service.item(1).await, service.item(2).await) }).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_not_there_yet_is_not_stored_either() {
    isolated(async |cache| {
        let service = Service::default();
        expect_outcomes(
            &[Bypass, Bypass],
            item_changed(1, async { (service.item(1).await, service.item(1).await) }),
        )
        .await;
        assert_eq!(cache.stats().fills, 0);
    })
    .await;
}

#[invalidates("item"(id = result.id))]
async fn known_by_its_result(inside: impl Future<Output = u32>) -> Result<Created, ()> {
    inside.await;
    Ok(Created { id: 1 })
}

struct Created {
    id: u32,
}

#[tokio::test]
async fn a_scope_from_the_result_is_every_value_until_there_is_a_result() {
    isolated(async |_| {
        let service = Service::default();
        service.item(1).await;
        service.item(2).await;
        let inside = async { service.item(1).await + service.item(2).await };
        expect_outcomes(&[Bypass, Bypass], known_by_its_result(inside))
            .await
            .unwrap();
        expect_outcomes(&[Miss, Hit], async { (service.item(1).await, service.item(2).await) }).await;
    })
    .await;
}

#[invalidates("stock"(warehouse))]
async fn warehouse_changed<T>(warehouse: &str, inside: impl Future<Output = T>) -> T {
    inside.await
}

#[tokio::test]
async fn one_of_several_scopes_is_enough() {
    isolated(async |_| {
        let service = Service::default();
        service.stock("a", 1).await;
        service.stock("b", 2).await;
        let inside = async { (service.stock("a", 1).await, service.stock("b", 2).await) };
        expect_outcomes(&[Bypass, Hit], warehouse_changed("a", inside)).await;
    })
    .await;
}

#[invalidates("near_ones")]
async fn group_changed<T>(inside: impl Future<Output = T>) -> T {
    inside.await
}

#[invalidates("*ched", "rates")]
async fn pattern_changed<T>(inside: impl Future<Output = T>) -> T {
    inside.await
}

/// Calls until the near cache answers both.
async fn until_near(service: &Service) {
    loop {
        let (_, outcomes) = observe(async { (service.watched().await, service.checked().await) }).await;
        if outcomes.iter().all(|call| call.outcome == NearHit) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_near_cache_does_not_answer_what_a_group_names() {
    isolated(async |_| {
        let service = Service::default();
        until_near(&service).await;
        let inside = async {
            service.store(3);
            (service.watched().await, service.checked().await)
        };
        let read = expect_outcomes(&[Bypass, Bypass], group_changed(inside)).await;
        assert_eq!(read, (3, 3));
        assert_eq!((service.watched().await, service.checked().await), (3, 3));
    })
    .await;
}

#[tokio::test]
async fn patterns_and_what_tenants_share_are_named_like_the_rest() {
    isolated(async |_| {
        let service = Service::default();
        until_near(&service).await;
        service.rates().await;
        let inside = async {
            service.store(3);
            (service.watched().await, with_tenant("a", service.rates()).await)
        };
        let read = expect_outcomes(&[Bypass, Bypass], pattern_changed(inside)).await;
        assert_eq!(read, (3, 3));
    })
    .await;
}

#[invalidates("item"(id), tenant = owner)]
async fn item_of_changed<T>(owner: &str, id: u32, inside: impl Future<Output = T>) -> T {
    inside.await
}

#[tokio::test]
async fn the_tenant_of_the_mutation_counts_and_not_that_of_the_task() {
    isolated(async |_| {
        let service = Service::default();
        for tenant in ["a", "b"] {
            service.item_of(tenant, 1).await;
        }
        let inside = async {
            (
                service.item_of("a", 1).await,
                service.item_of("b", 1).await,
                with_tenant("a", service.item(1)).await,
            )
        };
        expect_outcomes(
            &[Bypass, Hit, Bypass],
            with_tenant("b", item_of_changed("a", 1, inside)),
        )
        .await;
    })
    .await;
}

#[invalidates("safe")]
async fn safe_changed<T>(inside: impl Future<Output = T>) -> T {
    inside.await
}

#[tokio::test]
async fn a_crash_safe_resource_is_no_exception() {
    isolated(async |cache| {
        let service = Service::default();
        service.safe().await;
        let inside = async {
            service.store(2);
            service.safe().await
        };
        assert_eq!(expect_outcomes(&[Bypass], safe_changed(inside)).await, 2);
        assert_eq!(cache.stats().fills, 1);
        assert_eq!(expect_outcomes(&[Miss], service.safe()).await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_an_outer_mutation_names_holds_in_an_inner_one_and_not_the_other_way_round() {
    isolated(async |_| {
        let service = Service::default();
        service.item(1).await;
        service.item(2).await;
        let both = async { (service.item(1).await, service.item(2).await) };
        let inside = async {
            expect_outcomes(&[Hit], service.item(2)).await;
            expect_outcomes(&[Bypass, Bypass], item_changed(2, both)).await;
            expect_outcomes(&[Bypass, Miss], async {
                (service.item(1).await, service.item(2).await)
            })
            .await;
        };
        item_changed(1, Box::pin(inside)).await;
        expect_outcomes(&[Miss, Hit], async { (service.item(1).await, service.item(2).await) }).await;
    })
    .await;
}

#[invalidates("other")]
async fn refused(service: &Service) -> Result<u32, u32> {
    Err(service.other().await)
}

#[tokio::test]
async fn a_failed_mutation_reads_past_the_cache_too_and_leaves_it_as_it_was() {
    isolated(async |_| {
        let service = Service::default();
        service.other().await;
        expect_outcomes(&[Bypass], refused(&service)).await.unwrap_err();
        expect_outcomes(&[Hit], service.other()).await;
    })
    .await;
}

#[invalidates("other", cache = cache)]
async fn other_changed_in<T>(cache: &Cache, inside: impl Future<Output = T>) -> T {
    inside.await
}

#[tokio::test]
async fn a_mutation_with_a_cache_of_its_own_is_one_like_any_other() {
    isolated(async |cache| {
        let service = Service::default();
        service.other().await;
        expect_outcomes(&[Bypass], other_changed_in(&cache, service.other())).await;
        expect_outcomes(&[Miss], service.other()).await;
        expect_outcomes(&[Hit], other_changed_in(&Cache::disabled(), service.other())).await;
    })
    .await;
}

impl serde::Serialize for Shared<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

struct Shared<'a>(&'a Gate, &'a AtomicU32);

#[cached(resource = "other")]
async fn read_at(shared: Shared<'_>) -> u32 {
    let Shared(gate, row) = shared;
    let read = row.load(Ordering::SeqCst);
    gate.pass().await;
    read
}

#[tokio::test]
async fn no_load_is_shared_with_callers_outside() {
    isolated(async |cache| {
        let row = Arc::new(AtomicU32::new(1));
        let (theirs, ours) = (Gate::closed(), Gate::closed());
        // Began before the write: what it is about to return is old.
        let reader = |gate: &Gate| {
            let (gate, row, cache) = (gate.clone(), Arc::clone(&row), cache.clone());
            tokio::spawn(with_cache(cache, async move { read_at(Shared(&gate, &row)).await }))
        };
        let before = reader(&theirs);
        theirs.until_waiting(1).await;

        let mutation = tokio::spawn(with_cache(cache.clone(), {
            let (ours, row) = (ours.clone(), Arc::clone(&row));
            async move {
                other_changed_in_task(async {
                    row.store(2, Ordering::SeqCst);
                    read_at(Shared(&ours, &row)).await
                })
                .await
            }
        }));
        // It loads for itself, although a load is under way.
        ours.until_waiting(1).await;
        // And nobody joins its load, which may see what was not committed.
        theirs.open();
        assert_eq!(before.await.unwrap(), 1);
        cache.invalidate("other").await.unwrap();
        let during = Gate::closed();
        let beside = reader(&during);
        during.until_waiting(1).await;
        during.open();
        assert_eq!(beside.await.unwrap(), 2);
        ours.open();
        assert_eq!(mutation.await.unwrap(), 2);
    })
    .await;
}

#[invalidates("other")]
async fn other_changed_in_task<T>(inside: impl Future<Output = T>) -> T {
    inside.await
}

#[tokio::test]
async fn values_by_key_are_named_by_no_mutation() {
    isolated(async |cache| {
        cache.set("settings", &1_u32, std::time::Duration::from_mins(1)).await;
        assert_eq!(pattern_changed(cache.get::<u32>("settings")).await, Some(1));
    })
    .await;
}

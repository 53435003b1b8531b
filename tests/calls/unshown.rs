//! Tenants and scope values whose `Display` returns an error: nothing is cached under them, nothing old is served because of them, and
//! nobody panics.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{Bypass, Hit, Miss},
    cached, current_tenant, invalidates, with_tenant,
};
use cache_testkit::{PATIENCE, expect_outcomes, isolated, until};
use serde::{Serialize, Serializer};

/// A company that can be displayed only as long as it is told to.
#[derive(Debug, Clone)]
pub(crate) struct Company {
    id: i64,
    shown: Arc<AtomicBool>,
}

impl Company {
    fn new(id: i64) -> Self {
        Self {
            id,
            shown: Arc::new(AtomicBool::new(true)),
        }
    }

    fn hide(&self) {
        self.shown.store(false, Ordering::SeqCst);
    }
}

impl fmt::Display for Company {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if self.shown.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

impl Serialize for Company {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.id)
    }
}

#[cached(resource = "companies", scope(owner = company))]
async fn list(company: &Company) -> i64 {
    company.id
}

#[cached(resource = "pages", tenant = tenant)]
async fn page(tenant: &Company, id: u32) -> u32 {
    id
}

#[cached(resource = "pages")]
async fn page_of_task(id: u32) -> u32 {
    id
}

#[cached(resource = "rates")]
async fn rate(id: u32) -> u32 {
    id
}

#[invalidates("companies"(owner = company))]
async fn change(company: &Company) {}

#[invalidates("companies"(owner = result))]
async fn change_and_tell(company: &Company) -> Company {
    company.hide();
    company.clone()
}

#[invalidates("pages", tenant = tenant)]
async fn change_page(tenant: &Company) {}

#[invalidates("pages")]
async fn change_page_of_task() {}

#[tokio::test]
async fn a_call_with_such_a_scope_value_or_tenant_runs_its_body() {
    isolated(async |cache| {
        let hidden = Company::new(1);
        hidden.hide();
        for _ in 0..2 {
            assert_eq!(expect_outcomes(&[Bypass], list(&hidden)).await, 1);
            assert_eq!(expect_outcomes(&[Bypass], page(&hidden, 1)).await, 1);
            assert_eq!(
                expect_outcomes(&[Bypass], with_tenant(&hidden, page_of_task(1))).await,
                1
            );
        }
        assert_eq!(cache.stats().fills, 0);
        assert_eq!(with_tenant(&hidden, async { current_tenant() }).await, None);
        // What tenants share is nobody's.
        expect_outcomes(
            &[Miss, Hit],
            with_tenant(&hidden, async {
                rate(1).await;
                rate(1).await;
            }),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_mutation_with_such_a_scope_value_invalidates_the_whole_resource_also_if_it_is_the_result() {
    isolated(async |_| {
        let (one, other) = (Company::new(1), Company::new(2));
        list(&one).await;
        list(&other).await;
        let hidden = Company::new(1);
        hidden.hide();
        change(&hidden).await;
        expect_outcomes(&[Miss, Miss], async {
            list(&one).await;
            list(&other).await;
        })
        .await;
        change_and_tell(&Company::new(1)).await;
        expect_outcomes(&[Miss, Miss], async {
            list(&one).await;
            list(&other).await;
        })
        .await;
    })
    .await;
}

async fn nothing_is_left(cache: &Cache) {
    // In the background, and not read from until then.
    assert!(cache.ready(PATIENCE).await);
    until("nothing is pending", async || cache.stats().pending_invalidations == 0).await;
    expect_outcomes(&[Miss, Miss], async {
        with_tenant("a", page_of_task(1)).await;
        with_tenant("b", page_of_task(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_mutation_with_such_a_tenant_invalidates_all_of_them() {
    isolated(async |cache| {
        let hidden = Company::new(1);
        hidden.hide();
        let fill = async || {
            with_tenant("a", page_of_task(1)).await;
            with_tenant("b", page_of_task(1)).await;
        };
        fill().await;
        change_page(&hidden).await;
        nothing_is_left(&cache).await;
        fill().await;
        with_tenant(&hidden, change_page_of_task()).await;
        nothing_is_left(&cache).await;
        fill().await;
        cache.invalidate("pages").tenant(&hidden).await.unwrap();
        nothing_is_left(&cache).await;
        fill().await;
        cache.invalidate_tenant(&hidden).await.unwrap();
        nothing_is_left(&cache).await;
    })
    .await;
}

#[tokio::test]
async fn by_hand_such_a_scope_value_means_the_whole_resource_and_values_by_key_have_no_such_tenant() {
    isolated(async |cache| {
        let hidden = Company::new(7);
        hidden.hide();
        let one = Company::new(1);
        list(&one).await;
        cache.invalidate("companies").scope("owner", &hidden).await.unwrap();
        expect_outcomes(&[Miss], list(&one)).await;
        let set = cache.set("k", &1, Duration::from_mins(1));
        assert!(!with_tenant(&hidden, set).await);
        assert_eq!(with_tenant(&hidden, cache.get::<i32>("k")).await, None);
    })
    .await;
}

/// An argument or a key expression whose `Serialize` returns an error.
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("by order of the test"))
    }
}

#[cached(resource = "pages")]
async fn of_unwritable(value: &Unwritable) -> u32 {
    1
}

#[tokio::test]
async fn an_argument_that_cannot_be_written_makes_a_bypass() {
    isolated(async |_| {
        expect_outcomes(&[Bypass, Bypass], async {
            of_unwritable(&Unwritable).await;
            of_unwritable(&Unwritable).await;
        })
        .await;
    })
    .await;
}

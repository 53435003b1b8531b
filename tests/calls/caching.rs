//! What `#[cached]` keeps, under which key, and when it does not.

use std::{collections::BTreeMap, time::Duration};

use cache_runtime::{Cache, Outcome::*, cached, observe, store::MemoryStore, with_cache, with_tenant};
use cache_testkit::{LoadCounter, assert_loads, assert_outcomes, expect_outcomes, isolated, isolated_in};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    company: i64,
    lines: BTreeMap<String, f64>,
}

#[derive(Debug, Default)]
struct Reports {
    loads: LoadCounter,
}

impl Reports {
    #[cached(resource = "reports", scope(company))]
    async fn report(&self, company: i64, month: &str, username: &str) -> Result<Report, String> {
        self.loads.record();
        let lines = BTreeMap::from([(month.to_owned(), 1.5)]);
        Ok(Report { company, lines })
    }

    #[cached(resource = "plain")]
    async fn fails_first(&self, id: u32) -> Result<u64, String> {
        match self.loads.record() {
            1 => Err("the database is away".to_owned()),
            load => Ok(load),
        }
    }

    #[cached(resource = "plain")]
    async fn find(&self, id: u32) -> Option<u32> {
        self.loads.record();
        (id > 0).then_some(id)
    }

    #[cached(resource = "plain", unless = |rows: &Vec<u32>| rows.is_empty())]
    async fn rows(&self, count: u32) -> Vec<u32> {
        self.loads.record();
        (0..count).collect()
    }

    #[cached(resource = "plain", when = id > 10)]
    async fn only_large(&self, id: u32) -> u32 {
        self.loads.record();
        id
    }

    #[cached(resource = "plain", key(username))]
    async fn greeting(&self, username: &str) -> String {
        self.loads.record();
        format!("hello {username}")
    }

    #[cached(resource = "plain", independent(context))]
    async fn with_context(&self, id: u32, context: &std::sync::Mutex<u32>) -> u32 {
        self.loads.record();
        *context.lock().expect("no panic holds it") += 1;
        id
    }

    #[cached(resource = "plain")]
    async fn of_tenant(&self, tenant_id: &str) -> String {
        self.loads.record();
        tenant_id.to_owned()
    }

    #[cached(resource = "rates")]
    async fn rate(&self, currency: &str) -> u32 {
        self.loads.record();
        7
    }

    #[cached(resource = "briefly")]
    async fn brief(&self) -> u32 {
        self.loads.record();
        1
    }

    #[cached(resource = "by_default")]
    async fn default_ttl(&self) -> u32 {
        self.loads.record();
        1
    }

    #[cached(resource = "by_default", ttl = "1h")]
    async fn own_ttl(&self, id: u32) -> u32 {
        self.loads.record();
        1
    }

    #[cached(resource = "plain")]
    async fn unencodable_key(&self, pairs: BTreeMap<(u8, u8), u8>) -> usize {
        self.loads.record();
        pairs.len()
    }
}

#[tokio::test]
async fn a_second_call_with_the_same_arguments_is_a_hit_with_the_same_value() {
    isolated(async |cache| {
        let reports = Reports::default();
        let first = expect_outcomes(&[Miss], reports.report(1, "2026-11", "ana")).await;
        let second = expect_outcomes(&[Hit], reports.report(1, "2026-11", "ana")).await;
        assert_eq!(first, second);
        assert_loads(&reports.loads, 1);
        assert!((cache.stats().hit_rate() - 0.5).abs() < f64::EPSILON);
    })
    .await;
}

#[tokio::test]
async fn other_arguments_are_other_entries() {
    isolated(async |_| {
        let reports = Reports::default();
        for (company, month) in [(1, "2026-10"), (1, "2026-11"), (2, "2026-11")] {
            expect_outcomes(&[Miss], reports.report(company, month, "ana"))
                .await
                .unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn users_share_a_result_that_does_not_name_them() {
    isolated(async |_| {
        let reports = Reports::default();
        expect_outcomes(&[Miss], reports.report(1, "2026-11", "ana"))
            .await
            .unwrap();
        expect_outcomes(&[Hit], reports.report(1, "2026-11", "bo"))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_user_in_the_key_gets_an_entry_of_their_own() {
    isolated(async |_| {
        let reports = Reports::default();
        assert_eq!(reports.greeting("ana").await, "hello ana");
        assert_eq!(reports.greeting("bo").await, "hello bo");
        assert_eq!(expect_outcomes(&[Hit], reports.greeting("ana")).await, "hello ana");
    })
    .await;
}

#[tokio::test]
async fn an_error_is_returned_and_never_stored() {
    isolated(async |_| {
        let reports = Reports::default();
        reports.fails_first(1).await.unwrap_err();
        assert_eq!(expect_outcomes(&[Miss], reports.fails_first(1)).await, Ok(2));
        assert_eq!(expect_outcomes(&[Hit], reports.fails_first(1)).await, Ok(2));
    })
    .await;
}

#[tokio::test]
async fn none_is_not_stored_and_some_is() {
    isolated(async |_| {
        let reports = Reports::default();
        for expected in [Miss, Miss] {
            assert_eq!(expect_outcomes(&[expected], reports.find(0)).await, None);
        }
        for expected in [Miss, Hit] {
            assert_eq!(expect_outcomes(&[expected], reports.find(3)).await, Some(3));
        }
    })
    .await;
}

#[tokio::test]
async fn unless_keeps_a_value_out_of_the_store() {
    isolated(async |_| {
        let reports = Reports::default();
        for expected in [Miss, Miss] {
            expect_outcomes(&[expected], reports.rows(0)).await;
        }
        for expected in [Miss, Hit] {
            expect_outcomes(&[expected], reports.rows(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn when_false_neither_reads_nor_fills() {
    isolated(async |cache| {
        let reports = Reports::default();
        for _ in 0..2 {
            expect_outcomes(&[Bypass], reports.only_large(1)).await;
        }
        for expected in [Miss, Hit] {
            expect_outcomes(&[expected], reports.only_large(11)).await;
        }
        assert_eq!(cache.stats().fills, 1);
    })
    .await;
}

#[tokio::test]
async fn a_skipped_argument_is_not_part_of_the_key() {
    isolated(async |_| {
        let (reports, context, another) = (Reports::default(), std::sync::Mutex::new(0), std::sync::Mutex::new(0));
        expect_outcomes(&[Miss], reports.with_context(1, &context)).await;
        expect_outcomes(&[Hit], reports.with_context(1, &another)).await;
        assert_eq!((*context.lock().unwrap(), *another.lock().unwrap()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn tenants_have_entries_of_their_own() {
    isolated(async |_| {
        let reports = Reports::default();
        for tenant in ["client-a", "client-b"] {
            with_tenant(tenant, expect_outcomes(&[Miss], reports.report(1, "2026-11", "ana")))
                .await
                .unwrap();
            with_tenant(tenant, expect_outcomes(&[Hit], reports.report(1, "2026-11", "ana")))
                .await
                .unwrap();
        }
        expect_outcomes(&[Miss], reports.report(1, "2026-11", "ana"))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_argument_named_tenant_id_is_the_tenant() {
    isolated(async |_| {
        let reports = Reports::default();
        assert_eq!(reports.of_tenant("client-a").await, "client-a");
        assert_eq!(
            expect_outcomes(&[Miss], reports.of_tenant("client-b")).await,
            "client-b"
        );
        assert_eq!(
            with_tenant("client-b", expect_outcomes(&[Hit], reports.of_tenant("client-a"))).await,
            "client-a"
        );
    })
    .await;
}

#[tokio::test]
async fn hostile_tenants_never_meet() {
    isolated(async |_| {
        let reports = Reports::default();
        let tenants = [
            "a",
            "a:plain",
            "*",
            "a%3Aplain",
            "~shared",
            "",
            " ",
            "a\n",
            "é",
            "%C3%A9",
        ];
        for tenant in tenants {
            assert_eq!(expect_outcomes(&[Miss], reports.of_tenant(tenant)).await, tenant);
        }
        for tenant in tenants {
            assert_eq!(expect_outcomes(&[Hit], reports.of_tenant(tenant)).await, tenant);
        }
    })
    .await;
}

#[tokio::test]
async fn tenants_share_what_is_declared_shared() {
    isolated(async |_| {
        let reports = Reports::default();
        with_tenant("client-a", expect_outcomes(&[Miss], reports.rate("EUR"))).await;
        with_tenant("client-b", expect_outcomes(&[Hit], reports.rate("EUR"))).await;
        expect_outcomes(&[Hit], reports.rate("EUR")).await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_tenant_is_a_bypass_where_one_is_required() {
    isolated_in(Cache::builder().require_tenant(true).build(), async |_| {
        let reports = Reports::default();
        expect_outcomes(&[Bypass], reports.report(1, "2026-11", "ana"))
            .await
            .unwrap();
        with_tenant("a", expect_outcomes(&[Miss], reports.report(1, "2026-11", "ana")))
            .await
            .unwrap();
        expect_outcomes(&[Miss], reports.rate("EUR")).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_lives_as_long_as_its_resource_says() {
    isolated(async |_| {
        let reports = Reports::default();
        expect_outcomes(&[Miss], reports.brief()).await;
        tokio::time::advance(Duration::from_millis(49)).await;
        expect_outcomes(&[Hit], reports.brief()).await;
        tokio::time::advance(Duration::from_millis(1)).await;
        expect_outcomes(&[Miss], reports.brief()).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_attribute_s_ttl_goes_before_the_resource_s_and_that_before_the_default() {
    isolated_in(
        Cache::builder().default_ttl(Duration::from_secs(10)).build(),
        async |_| {
            let reports = Reports::default();
            reports.default_ttl().await;
            reports.own_ttl(1).await;
            tokio::time::advance(Duration::from_secs(10)).await;
            expect_outcomes(&[Miss], reports.default_ttl()).await;
            expect_outcomes(&[Hit], reports.own_ttl(1)).await;
        },
    )
    .await;
}

#[tokio::test]
async fn functions_that_share_a_resource_never_decode_each_other_s_entries() {
    #[cached(resource = "plain")]
    async fn number(id: u32) -> u64 {
        u64::from(id)
    }
    mod elsewhere {
        #[cache_runtime::cached(resource = "plain")]
        pub(crate) async fn number(id: u32) -> u64 {
            u64::from(id) + 1000
        }
    }
    isolated(async |_| {
        assert_eq!(expect_outcomes(&[Miss], number(1)).await, 1);
        assert_eq!(expect_outcomes(&[Rejected], elsewhere::number(1)).await, 1001);
        assert_eq!(expect_outcomes(&[Rejected], number(1)).await, 1);
    })
    .await;
}

#[tokio::test]
async fn instances_of_a_generic_function_never_decode_each_other_s_entries() {
    trait Kind {
        const NAME: &str;
    }
    struct A;
    struct B;
    impl Kind for A {
        const NAME: &str = "a";
    }
    impl Kind for B {
        const NAME: &str = "b";
    }
    #[cached(resource = "plain")]
    async fn name<K: Kind>(id: u32) -> String {
        format!("{}{id}", K::NAME)
    }
    isolated(async |_| {
        assert_eq!(name::<A>(1).await, "a1");
        assert_eq!(name::<B>(1).await, "b1");
        assert_eq!(name::<A>(1).await, "a1");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_cannot_be_encoded_makes_the_call_run_uncached() {
    isolated(async |_| {
        let reports = Reports::default();
        let pairs = BTreeMap::from([((1, 2), 3)]);
        for _ in 0..2 {
            assert_eq!(
                expect_outcomes(&[Bypass], reports.unencodable_key(pairs.clone())).await,
                1
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_result_over_the_size_limit_is_returned_counted_and_not_stored() {
    isolated_in(Cache::builder().max_value_size(8).build(), async |cache| {
        let reports = Reports::default();
        for expected in [Miss, Miss] {
            assert_eq!(expect_outcomes(&[expected], reports.rows(100)).await.len(), 100);
        }
        assert_eq!((cache.stats().fills, cache.stats().failed_fills), (0, 2));
    })
    .await;
}

#[tokio::test]
async fn without_a_cache_every_call_runs_its_body() {
    let reports = Reports::default();
    with_cache(Cache::disabled(), async {
        for _ in 0..2 {
            expect_outcomes(&[Bypass], reports.report(1, "2026-11", "ana"))
                .await
                .unwrap();
        }
    })
    .await;
    assert_loads(&reports.loads, 2);
}

#[tokio::test]
async fn a_cache_is_enabled_or_not_whatever_else_is_said_before_and_after() {
    let builder = Cache::builder;
    for disabled in [
        builder().enabled(false).memory(1 << 20),
        builder().store(MemoryStore::new(1 << 20)).enabled(false),
        builder().enabled(false).store(MemoryStore::new(1 << 20)),
    ] {
        let reports = Reports::default();
        isolated_in(disabled.build(), async |_| {
            expect_outcomes(&[Bypass, Bypass], async {
                reports.report(1, "2026-11", "ana").await.unwrap();
                reports.report(1, "2026-11", "ana").await.unwrap();
            })
            .await;
        })
        .await;
    }
    let reports = Reports::default();
    isolated_in(builder().enabled(false).enabled(true).build(), async |_| {
        expect_outcomes(&[Miss, Hit], async {
            reports.report(1, "2026-11", "ana").await.unwrap();
            reports.report(1, "2026-11", "ana").await.unwrap();
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_closed_cache_answers_nothing_and_stops_nobody() {
    isolated(async |cache| {
        let reports = Reports::default();
        reports.report(1, "2026-11", "ana").await.unwrap();
        assert!(cache.close().await);
        expect_outcomes(&[Bypass], reports.report(1, "2026-11", "ana"))
            .await
            .unwrap();
    })
    .await;
}

#[test]
fn outside_of_tokio_a_call_runs_uncached() {
    let reports = Reports::default();
    let cache = Cache::builder().build();
    let call = with_cache(cache, observe(reports.report(1, "2026-11", "ana")));
    let (report, outcomes) = futures_util::FutureExt::now_or_never(call).expect("nothing to wait for");
    assert_eq!(report.unwrap().company, 1);
    assert_outcomes(&outcomes, &[Bypass]);
}

#[tokio::test]
async fn an_observer_sees_the_calls_of_its_own_future_and_an_outer_one_sees_them_too() {
    isolated(async |_| {
        let reports = Reports::default();
        let (inner, outer) = observe(async {
            reports.rate("EUR").await;
            observe(reports.rate("EUR")).await.1
        })
        .await;
        assert_outcomes(&inner, &[Hit]);
        assert_outcomes(&outer, &[Miss, Hit]);
        assert_eq!(outer.iter().next().map(|call| call.resource), Some("rates"));
    })
    .await;
}

#[tokio::test]
async fn values_by_key_are_set_got_and_deleted_for_each_tenant_and_type() {
    isolated(async |cache| {
        let minute = Duration::from_mins(1);
        assert_eq!(cache.get::<u32>("answer").await, None);
        assert!(cache.set("answer", &42_u32, minute).await);
        assert_eq!(cache.get::<u32>("answer").await, Some(42));
        assert_eq!(cache.get::<String>("answer").await, None, "another type");
        assert_eq!(
            with_tenant("a", cache.get::<u32>("answer")).await,
            None,
            "another tenant"
        );
        let _ = cache.delete("answer").await;
        assert_eq!(cache.get::<u32>("answer").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_time_to_live_without_an_end_keeps_a_result() {
    #[cached(resource = "plain", ttl = Duration::MAX)]
    async fn for_ever(id: u32) -> u32 {
        id
    }
    #[cached(resource = "plain", ttl = Duration::from_secs(u64::MAX - 1), near = "tracked")]
    async fn nearly_for_ever(id: u32) -> u32 {
        id
    }
    isolated(async |cache| {
        expect_outcomes(&[Miss, Hit], async {
            for_ever(1).await;
            for_ever(1).await;
        })
        .await;
        nearly_for_ever(2).await;
        nearly_for_ever(2).await;
        assert!(cache.set("k", &1, Duration::MAX).await);
        assert_eq!(cache.get::<i32>("k").await, Some(1));
        assert_eq!((cache.stats().loads, cache.stats().fills), (2, 3));
    })
    .await;
    let server = cache_testkit::RedisServer::start().unwrap();
    cache_testkit::isolated_on(&server, async |cache| {
        expect_outcomes(&[Miss, Hit], async {
            for_ever(1).await;
            for_ever(1).await;
        })
        .await;
        assert!(cache.set("k", &1, Duration::MAX).await);
        assert_eq!(cache.get::<i32>("k").await, Some(1));
    })
    .await;
}

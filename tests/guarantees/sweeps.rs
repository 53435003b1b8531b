//! When a sweep walks over a store, for what, and how often: the store is in the process, so that nothing but the clock decides.
//! Servers are in `tests/redis`.

use std::time::Duration;

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss},
    cached, invalidates,
    store::{MemoryStore, StoreErrorKind},
};
use cache_testkit::{Ended, OperationKind, SpyStore, expect_outcomes, isolated_in};
use support::spy;
use tokio::{
    runtime::Handle,
    task::yield_now,
    time::{Instant, sleep},
};

#[cached(resource = "invoices_list", scope(company))]
async fn invoices(company: i64, page: u32) -> u32 {
    page
}

#[cached(resource = "companies_list")]
async fn companies() -> u32 {
    4
}

#[cached(resource = "fleeting")]
async fn fleeting() -> u32 {
    5
}

#[invalidates("invoice_data"(company), "companies_list")]
async fn pay(company: i64) {}

#[invalidates("companies_list")]
async fn rename() {}

#[invalidates("fleeting")]
async fn fleet() {}

#[invalidates("fleeting", "companies_list")]
async fn rename_and_fleet() {}

/// Longer than anything that a test waits for.
const LONG: Duration = Duration::from_hours(1);

/// Entries in memory, under the default settings.
async fn swept(test: impl AsyncFnOnce(&Cache, &SpyStore)) {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        test(&cache, &spy).await;
    })
    .await;
}

/// The patterns of each sweep.
fn sweeps(spy: &SpyStore) -> Vec<Vec<String>> {
    let operations = spy.operations().into_iter();
    let sweeps = operations.filter(|operation| operation.kind == OperationKind::Sweep);
    sweeps.map(|sweep| sweep.keys).collect()
}

#[tokio::test(start_paused = true)]
async fn one_sweep_is_made_for_all_that_a_mutation_names() {
    swept(async |cache, spy| {
        for page in 0..10 {
            invoices(1, page).await;
            invoices(2, page).await;
        }
        companies().await;
        pay(1).await;
        invoices(1, 3).await;
        spy.until_ended(OperationKind::Sweep, 1).await;
        assert_eq!(cache.stats().swept, 10, "nine invoices and the companies");
        assert_eq!(
            sweeps(spy),
            [[
                "cache:default:companies_list:*",
                "cache:default:dashboard_summary:*company-1:*",
                "cache:default:dashboard_trends:*company-1:*",
                "cache:default:invoices_list:*company-1:*",
            ]]
        );
        expect_outcomes(&[Hit, Hit], async { (invoices(1, 3).await, invoices(2, 3).await) }).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn more_scope_values_than_are_worth_a_pattern_each_become_their_resource() {
    let spy = SpyStore::new(MemoryStore::new(16 << 20));
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        for company in 0..10_000 {
            if company % 1_000 == 0 {
                invoices(company, 1).await;
            }
            let one = cache.invalidate("invoices_list").scope("company", company);
            one.await.unwrap();
        }
        spy.until_ended(OperationKind::Sweep, 1).await;
        assert_eq!(sweeps(&spy), [["cache:default:invoices_list:*"]]);
        assert_eq!(cache.stats().swept, 10, "all the dead ones");
        invoices(1, 1).await;
        expect_outcomes(&[Hit], invoices(1, 1)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn sweeps_can_be_switched_off() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).sweep(false).build(), async |_| {
        companies().await;
        rename().await;
        expect_outcomes(&[Miss], companies()).await;
        sleep(LONG).await;
    })
    .await;
    assert_eq!(spy.count(OperationKind::Sweep), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_not_answered_is_begun_again_until_one_is() {
    swept(async |cache, spy| {
        companies().await;
        spy.fail_next(OperationKind::Sweep, 8, StoreErrorKind::Timeout);
        rename().await;
        sleep(LONG).await;
        assert_eq!(sweeps(spy), [["cache:default:companies_list:*"]].repeat(9));
        let stats = cache.stats();
        assert_eq!((stats.sweeps, stats.failed_sweeps, stats.swept), (1, 8, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_refused_is_given_up_until_the_next_invalidation() {
    swept(async |cache, spy| {
        for refusal in [
            StoreErrorKind::Denied,
            StoreErrorKind::Unsupported,
            StoreErrorKind::Other,
        ] {
            companies().await;
            let before = spy.count(OperationKind::Sweep);
            spy.fail_next(OperationKind::Sweep, 1, refusal);
            rename().await;
            sleep(LONG).await;
            assert_eq!(spy.count(OperationKind::Sweep), before + 1, "{refusal:?}");
            let swept = cache.stats().swept;
            rename().await;
            sleep(LONG).await;
            assert_eq!(cache.stats().swept, swept + 1, "{refusal:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_there_is_nothing_to_sweep_no_task_waits_for_the_end_of_the_rest() {
    swept(async |_, spy| {
        companies().await;
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        rename().await;
        assert!(tasks() > before);
        spy.until_ended(OperationKind::Sweep, 1).await;
        let walked = Instant::now();
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(tasks(), before);
        assert_eq!(Instant::now(), walked);
        // The rest is kept all the same.
        companies().await;
        rename().await;
        spy.until_ended(OperationKind::Sweep, 2).await;
        assert!(walked.elapsed() >= Duration::from_secs(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_expires_before_a_sweep_could_begin_is_left_to_expire() {
    swept(async |_, spy| {
        fleeting().await;
        fleet().await;
        sleep(LONG).await;
        assert_eq!(spy.count(OperationKind::Sweep), 0);
        rename_and_fleet().await;
        sleep(LONG).await;
        assert_eq!(sweeps(spy), [["cache:default:companies_list:*"]]);
    })
    .await;
}

/// A mutation that comes all the time, with entries that it makes unusable, or without any.
#[tokio::test(start_paused = true)]
async fn a_mutation_that_comes_all_the_time_is_swept_for_now_and_then_and_rarely_in_vain() {
    for (reads, most) in [(true, 60), (false, 9)] {
        swept(async |cache, spy| {
            let started = Instant::now();
            while started.elapsed() < Duration::from_mins(1) {
                if reads {
                    companies().await;
                }
                rename().await;
                sleep(Duration::from_millis(10)).await;
            }
            let sweeps = spy.count(OperationKind::Sweep);
            assert!((most / 3..=most).contains(&sweeps), "{sweeps} of {most} at the most");
            assert_eq!(cache.stats().swept > 0, reads);
            sleep(LONG).await;
            let after = spy.count(OperationKind::Sweep);
            assert!(after <= sweeps + 1, "nothing is swept for that is over");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_closed_sweeps_no_more() {
    swept(async |cache, spy| {
        companies().await;
        let sweeping = spy.hold(OperationKind::Sweep);
        rename().await;
        sweeping.until_waiting(1).await;
        assert!(cache.close().await);
        let sweep = spy
            .operations()
            .into_iter()
            .find(|one| one.kind == OperationKind::Sweep);
        assert_eq!(sweep.and_then(|sweep| sweep.ended), Some(Ended::Dropped));
        sweeping.open();
        rename().await;
        sleep(LONG).await;
        assert_eq!(spy.count(OperationKind::Sweep), 1);
    })
    .await;
}

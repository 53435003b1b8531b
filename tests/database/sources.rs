//! Changes from elsewhere: a replication slot, a queue, whatever implements `ChangeSource`.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, cached,
    changes::{Backlog, Change, ChangeError, ChangeSource, RelayState, SourceFuture, Taken},
    with_cache,
};
use cache_testkit::{LoadCounter, isolated};
use tokio::sync::Notify;

/// A queue in the process.
#[derive(Debug, Clone, Default)]
struct Queue(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    steps: Mutex<VecDeque<Step>>,
    taken: Mutex<Vec<Change>>,
    acknowledged: AtomicUsize,
    pushed: Notify,
}

#[derive(Debug, Clone)]
enum Step {
    Change(Change),
    Fail(&'static str),
    Panic,
}

impl Queue {
    fn push(&self, step: Step) {
        self.steps().push_back(step);
        self.0.pushed.notify_one();
    }

    fn steps(&self) -> MutexGuard<'_, VecDeque<Step>> {
        self.0.steps.lock().expect("nobody panics with it")
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Change>> {
        self.0.taken.lock().expect("nobody panics with it")
    }
}

impl ChangeSource for Queue {
    fn description(&self) -> String {
        "a queue".to_owned()
    }

    fn take(&mut self) -> SourceFuture<'_, Taken> {
        Box::pin(async {
            let step = self.steps().pop_front();
            match step {
                None => Ok(Taken::Changes(Vec::new())),
                Some(Step::Change(change)) => {
                    self.taken().push(change.clone());
                    Ok(Taken::Changes(vec![change]))
                }
                Some(Step::Fail(why)) => Err(ChangeError::new(why)),
                Some(Step::Panic) => panic!("a source with a mistake"),
            }
        })
    }

    fn acknowledge(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(async {
            let count = self.taken().drain(..).count();
            self.0.acknowledged.fetch_add(count, Ordering::Relaxed);
            Ok(())
        })
    }

    fn stand_down(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(async {
            let taken: Vec<Change> = self.taken().drain(..).collect();
            self.steps().extend(taken.into_iter().map(Step::Change));
            Ok(())
        })
    }

    fn wait(&mut self, at_most: Duration) -> SourceFuture<'_, ()> {
        Box::pin(async move {
            drop(tokio::time::timeout(at_most, self.0.pushed.notified()).await);
            Ok(())
        })
    }

    fn backlog(&mut self) -> SourceFuture<'_, Backlog> {
        Box::pin(async { Ok(Backlog::new(None)) })
    }
}

#[cached(resource = "invoices_list", scope(company), skip(loads))]
async fn invoices(company: i64, loads: &LoadCounter) -> u64 {
    loads.record()
}

#[tokio::test]
async fn changes_are_found_by_the_table_with_or_without_its_schema_and_by_the_columns() {
    isolated(async |cache| {
        let (queue, loads) = (Queue::default(), LoadCounter::new());
        let relay = cache.follow(queue.clone()).start().unwrap();
        let changes = [
            (Change::of_rows("events", [("company_id", Some("1"))]), true, false),
            (
                Change::of_rows("public.events", [("company_id", Some("2")), ("day", None)]),
                false,
                true,
            ),
            // What is not given may be anything.
            (Change::of_rows("events", [("day", Some("2026-11-30"))]), true, true),
            (Change::of_table("events"), true, true),
            (Change::of_table("nobody_declares_this"), false, false),
        ];
        for (relayed, (change, is_of_one, is_of_two)) in (1..).zip(changes) {
            let before = (invoices(1, &loads).await, invoices(2, &loads).await);
            queue.push(Step::Change(change.clone().since(Duration::from_secs(3))));
            let status = relay.until(|status| status.relayed == relayed).await;
            assert!(status.last_lag.is_some_and(|lag| lag >= Duration::from_secs(3)));
            let after = (invoices(1, &loads).await, invoices(2, &loads).await);
            assert_eq!(
                (before.0 != after.0, before.1 != after.1),
                (is_of_one, is_of_two),
                "{change:?}"
            );
        }
        assert_eq!(queue.0.acknowledged.load(Ordering::Relaxed), 5);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_tried_again() {
    isolated(async |cache| {
        let queue = Queue::default();
        for _ in 0..3 {
            queue.push(Step::Fail("the slot is in use"));
        }
        queue.push(Step::Change(Change::of_table("events")));
        let relay = cache.follow(queue).start().unwrap();
        let status = relay.until(|status| status.state == RelayState::WithoutSource).await;
        assert_eq!(status.error.as_deref(), Some("the slot is in use"));
        let status = relay.until(|status| status.relayed == 1).await;
        assert_eq!((status.state, status.error), (RelayState::Active, None));
    })
    .await;
}

#[tokio::test]
async fn a_source_that_panics_ends_its_relay_which_says_so() {
    isolated(async |cache| {
        let queue = Queue::default();
        queue.push(Step::Panic);
        let relay = cache.follow(queue).start().unwrap();
        relay.until(|status| status.state == RelayState::Stopped).await;
        assert!(relay.status().is_behind(Duration::from_mins(1)));
    })
    .await;
}

#[tokio::test]
async fn a_relay_ends_with_its_cache_and_none_begins_after_that() {
    let cache = Cache::builder().build();
    let relay = cache.follow(Queue::default()).start().unwrap();
    cache.close().await;
    relay.until(|status| status.state == RelayState::Stopped).await;
    let error = cache.follow(Queue::default()).start().unwrap_err().to_string();
    assert!(
        error.starts_with("the relay cannot be started: the cache is closed"),
        "{error}"
    );
}

#[test]
fn a_relay_wants_a_runtime() {
    let cache = Cache::builder().build();
    let error = cache.follow(Queue::default()).start().unwrap_err().to_string();
    assert_eq!(error, "the relay cannot be started: this is not inside a tokio runtime");
}

#[tokio::test]
async fn a_disabled_cache_takes_no_changes() {
    let queue = Queue::default();
    queue.push(Step::Change(Change::of_table("events")));
    let cache = Cache::disabled();
    let relay = cache.follow(queue.clone()).start().unwrap();
    relay.until(|status| status.state == RelayState::WithoutStore).await;
    assert_eq!(queue.steps().len(), 1);
    with_cache(cache, async {}).await;
}

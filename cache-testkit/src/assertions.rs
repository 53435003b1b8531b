//! Assertions whose messages show what happened.

use std::panic::Location;

use cache_runtime::{Outcome, Outcomes, observe};

use crate::LoadCounter;

/// Checks what became of the `#[cached]` calls that were observed, in order.
///
/// # Panics
///
/// If it was something else; the message shows each call with its resource.
#[track_caller]
pub fn assert_outcomes(outcomes: &Outcomes, expected: &[Outcome]) {
    check(outcomes, expected, Location::caller());
}

/// Runs a future, checks what became of the `#[cached]` calls in it, and returns its output.
///
/// ```
/// # use cache_runtime::Outcome;
/// # use cache_testkit::expect_outcomes;
/// # mod cache_resources { cache_runtime::resources! { answers { ttl = 60 } } }
/// # #[cache_runtime::cached(resource = "answers")]
/// # async fn answer() -> u32 { 42 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// cache_testkit::isolated(async |_cache| {
///     expect_outcomes(&[Outcome::Miss], answer()).await;
///     expect_outcomes(&[Outcome::Hit], answer()).await;
/// })
/// .await;
/// # }
/// ```
///
/// # Panics
///
/// As [`assert_outcomes`].
#[track_caller]
pub fn expect_outcomes<F: Future>(expected: &[Outcome], future: F) -> impl Future<Output = F::Output> {
    let caller = Location::caller();
    async move {
        let (output, outcomes) = observe(Box::pin(future)).await;
        check(&outcomes, expected, caller);
        output
    }
}

/// Checks how many loads have begun so far.
///
/// # Panics
///
/// If it was another number.
#[track_caller]
pub fn assert_loads(loads: &LoadCounter, expected: u64) {
    let count = loads.count();
    assert!(
        count == expected,
        "expected {expected} loads so far, there were {count}"
    );
}

fn check(outcomes: &Outcomes, expected: &[Outcome], caller: &Location<'_>) {
    if !outcomes.iter().map(|call| call.outcome).eq(expected.iter().copied()) {
        let happened: Vec<_> = outcomes
            .iter()
            .map(|call| format!("{} {}", call.resource, call.outcome))
            .collect();
        let expected: Vec<_> = expected.iter().map(|outcome| outcome.as_str()).collect();
        panic!(
            "{caller}: expected the outcomes [{}], there were [{}]",
            expected.join(", "),
            happened.join(", "),
        );
    }
}

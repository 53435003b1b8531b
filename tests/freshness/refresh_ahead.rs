//! `refresh_ahead`: a hot value is loaded again before its time is over, so that nobody waits.

use std::{sync::Arc, time::Duration};

use cache_runtime::{
    Cache,
    Outcome::{self, Miss},
    cached,
};
use cache_testkit::{LoadCounter, isolated};
use futures_util::future::join_all;
use support::outcome_of;
use tokio::time::{Instant, sleep};

const LOAD: Duration = Duration::from_millis(200);
const CALLERS: usize = 256;

#[derive(Clone)]
struct Page {
    loads: LoadCounter,
}

impl Page {
    async fn render(&self) -> u64 {
        sleep(LOAD).await;
        self.loads.record()
    }

    #[cached(resource = "hot", refresh_ahead)]
    async fn ahead(&self) -> u64 {
        self.render().await
    }

    #[cached(resource = "hot", refresh_ahead, near = "tracked")]
    async fn near(&self) -> u64 {
        self.render().await
    }

    /// So early that the load has ended long before the value's time is over, whatever is drawn.
    #[cached(resource = "hot", refresh_ahead = 5.0)]
    async fn early(&self) -> u64 {
        self.render().await
    }

    #[cached(resource = "hot", refresh_ahead = 5.0, lease)]
    async fn leased(&self) -> u64 {
        self.render().await
    }

    #[cached(resource = "hot")]
    async fn plain(&self) -> u64 {
        self.render().await
    }
}

/// How many calls waited for a load, of callers who each call every 100 ms for fifty seconds, after the first load.
async fn waits(call: impl AsyncFn() -> u64) -> usize {
    call().await;
    let end = Instant::now() + Duration::from_secs(50);
    let call = Arc::new(call);
    let callers = (0..CALLERS).map(|_| {
        let call = Arc::clone(&call);
        async move {
            let mut waits = 0;
            while Instant::now() < end {
                let began = Instant::now();
                let (_, outcome) = outcome_of(call()).await;
                waits += usize::from(outcome == Miss || began.elapsed() >= LOAD / 2);
                sleep(Duration::from_millis(100)).await;
            }
            waits
        }
    });
    join_all(callers).await.into_iter().sum()
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_when_a_hot_value_expires() {
    isolated(async |cache: Cache| {
        let page = Page {
            loads: LoadCounter::new(),
        };
        let without = waits(async || page.plain().await).await;
        let ahead = waits(async || page.ahead().await).await;
        let near = waits(async || page.near().await).await;
        println!(
            "calls of 256 callers that waited in fifty seconds: {without}; with refresh_ahead {ahead}, and near {near}"
        );
        assert!(without >= 4 * CALLERS, "{without}");
        assert!(ahead * 100 <= without, "{ahead} of {without}");
        assert!(near * 100 <= without, "{near} of {without}");
        assert!(cache.stats().refreshes >= 8);
    })
    .await;
}

/// Calls until another value is returned than the first, while all calls are hits.
async fn replaced(call: impl AsyncFn() -> u64) {
    let first = call().await;
    let mut last = first;
    while last == first {
        sleep(Duration::from_millis(10)).await;
        let (value, outcome) = outcome_of(call()).await;
        assert_eq!(outcome, Outcome::Hit);
        last = value;
    }
    assert_eq!(last, first + 1);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_loaded_early_is_replaced_and_its_time_begins_anew() {
    isolated(async |cache: Cache| {
        let page = Page {
            loads: LoadCounter::new(),
        };
        replaced(async || page.early().await).await;
        assert_eq!(cache.stats().fills, 2);
    })
    .await;
}

/// Who has the lease looks whether somebody has filled meanwhile: the value that is to be replaced is not that.
#[tokio::test(start_paused = true)]
async fn with_a_lease_it_is_replaced_too() {
    isolated(async |cache: Cache| {
        let page = Page {
            loads: LoadCounter::new(),
        };
        replaced(async || page.leased().await).await;
        assert_eq!(cache.stats().fills, 2);
    })
    .await;
}

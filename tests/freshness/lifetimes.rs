//! `ttl = |value| …` and `jitter`: how long an entry lives.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_runtime::{
    Cache, Lifetime,
    Outcome::{Hit, Miss, StaleHit},
    cached,
};
use cache_testkit::{LoadCounter, isolated, isolated_in};
use serde::{Deserialize, Serialize};
use support::outcome_of;
use tokio::time::advance;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Token {
    text: String,
    expires_in: Duration,
}

#[derive(Clone)]
struct Issuer {
    expires_in: Arc<Mutex<Duration>>,
    loads: LoadCounter,
}

impl Issuer {
    fn new(seconds: u64) -> Self {
        Self {
            expires_in: Arc::new(Mutex::new(Duration::from_secs(seconds))),
            loads: LoadCounter::new(),
        }
    }

    fn issue(&self) -> Token {
        let number = self.loads.record();
        Token {
            text: format!("token {number}"),
            expires_in: *self.expires_in.lock().expect("nobody panics"),
        }
    }

    #[cached(resource = "tokens", ttl = |token| token.expires_in)]
    async fn token(&self) -> Token {
        self.issue()
    }

    #[cached(
        resource = "tokens",
        ttl = |token| Lifetime::new(token.expires_in / 2).stale_while_revalidate(token.expires_in / 2),
        stale_while_revalidate = "1s"
    )]
    async fn renewed(&self) -> Token {
        self.issue()
    }

    #[cached(resource = "spread")]
    async fn page(&self, number: u32) -> u32 {
        self.loads.record();
        number
    }

    #[cached(resource = "spread", jitter = "off")]
    async fn exact(&self, number: u32) -> u32 {
        self.loads.record();
        number
    }

    #[cached(resource = "spread", jitter = "50%")]
    async fn wide(&self, number: u32) -> u32 {
        self.loads.record();
        number
    }
}

#[tokio::test(start_paused = true)]
async fn the_value_says_how_long_it_lives() {
    isolated(async |_| {
        let issuer = Issuer::new(30);
        issuer.token().await;
        advance(Duration::from_secs(29)).await;
        assert_eq!(outcome_of(issuer.token()).await.1, Hit);
        advance(Duration::from_secs(1)).await;
        assert_eq!(outcome_of(issuer.token()).await.1, Miss);
    })
    .await;
}

#[tokio::test]
async fn a_value_that_lives_for_no_time_is_not_stored() {
    isolated(async |cache: Cache| {
        let issuer = Issuer::new(0);
        issuer.token().await;
        assert_eq!(outcome_of(issuer.token()).await.1, Miss);
        let stats = cache.stats();
        assert_eq!((stats.fills, stats.failed_fills), (0, 0), "and that is no failure");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_value_says_for_how_long_it_is_returned_after_that() {
    isolated(async |_| {
        let issuer = Issuer::new(60);
        issuer.renewed().await;
        advance(Duration::from_secs(30)).await;
        assert_eq!(outcome_of(issuer.renewed()).await.1, StaleHit);
        let slow = Issuer::new(600);
        slow.renewed().await;
    })
    .await;
}

/// How many of a hundred pages that were stored together are hits after this share of their time, in per cent.
async fn hits_after(per_cent: u32, load: impl AsyncFn(u32)) -> u32 {
    for number in 0..100 {
        load(number).await;
    }
    advance(Duration::from_secs(100) * per_cent / 100).await;
    let mut hits = 0;
    for number in 0..100 {
        let ((), outcome) = outcome_of(load(number)).await;
        hits += u32::from(outcome == Hit);
    }
    hits
}

fn jittery() -> Cache {
    Cache::builder().build()
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_together_does_not_expire_together() {
    let issuer = Issuer::new(1);
    let page = async |number| assert_eq!(issuer.page(number).await, number);
    // Within the last twentieth of the time, each at its own moment.
    assert_eq!(isolated_in(jittery(), async |_| hits_after(94, page).await).await, 100);
    let left = isolated_in(jittery(), async |_| hits_after(97, page).await).await;
    assert!((1..100).contains(&left), "{left} of 100 are left");
    assert_eq!(isolated_in(jittery(), async |_| hits_after(100, page).await).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_function_says_how_far_apart_they_expire() {
    let issuer = Issuer::new(1);
    let exact = async |number| assert_eq!(issuer.exact(number).await, number);
    assert_eq!(isolated_in(jittery(), async |_| hits_after(99, exact).await).await, 100);
    let wide = async |number| assert_eq!(issuer.wide(number).await, number);
    assert_eq!(isolated_in(jittery(), async |_| hits_after(49, wide).await).await, 100);
    let left = isolated_in(jittery(), async |_| hits_after(75, wide).await).await;
    assert!((20..80).contains(&left), "{left} of 100 are left");
}

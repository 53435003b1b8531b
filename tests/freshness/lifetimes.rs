//! `ttl = |value| …` and `jitter`: how long an entry lives.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, Lifetime,
    Outcome::{self, Hit, Miss, StaleHit},
    cached,
};
use cache_testkit::{LoadCounter, isolated, isolated_in};
use serde::{Deserialize, Serialize};
use support::outcome_of;
use tokio::time::advance;

use crate::source::Failure;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Token {
    text: String,
    expires_in: Duration,
}

#[derive(Clone)]
struct Issuer {
    expires_in: Arc<Mutex<Duration>>,
    is_down: Arc<AtomicBool>,
    loads: LoadCounter,
}

/// Half of its time a token is fresh; for the other half it is returned while it is issued anew.
fn renewed_for_half(time: Duration) -> Lifetime {
    Lifetime::new(time / 2).stale_while_revalidate(time / 2)
}

/// For the other half it is returned if none can be issued.
fn kept_for_half(time: Duration) -> Lifetime {
    Lifetime::new(time / 2).stale_if_error(time / 2)
}

impl Issuer {
    fn new(seconds: u64) -> Self {
        Self {
            expires_in: Arc::new(Mutex::new(Duration::from_secs(seconds))),
            is_down: Arc::default(),
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

    fn try_issue(&self) -> Result<Token, Failure> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(Failure::Database);
        }
        Ok(self.issue())
    }

    fn go_down(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    #[cached(resource = "tokens", ttl = |token| renewed_for_half(token.expires_in), stale_while_revalidate = "1s")]
    async fn renewed(&self) -> Token {
        self.issue()
    }

    #[cached(resource = "tokens", ttl = |token| renewed_for_half(token.expires_in), stale_while_revalidate = "1h")]
    async fn renewed_for_hours(&self) -> Token {
        self.issue()
    }

    #[cached(resource = "tokens", ttl = |token| kept_for_half(token.expires_in), stale_if_error = "1s")]
    async fn kept(&self) -> Result<Token, Failure> {
        self.try_issue()
    }

    #[cached(resource = "tokens", ttl = |token| kept_for_half(token.expires_in), stale_if_error = "1h")]
    async fn kept_for_hours(&self) -> Result<Token, Failure> {
        self.try_issue()
    }

    /// Its values say nothing of errors.
    #[cached(
        resource = "tokens",
        ttl = |token| renewed_for_half(token.expires_in),
        stale_while_revalidate = "1s",
        stale_if_error = "40s"
    )]
    async fn renewed_and_kept(&self) -> Result<Token, Failure> {
        self.try_issue()
    }

    #[cached(resource = "tokens", ttl = |token| renewed_for_half(token.expires_in))]
    async fn never_old(&self) -> Token {
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
    // Longer than the second that the function says, and shorter than the hour.
    let renewed = async |issuer: &Issuer| issuer.renewed().await;
    expect_past_its_time(60, [(0, StaleHit), (29, StaleHit), (30, Miss)], renewed).await;
    expect_past_its_time(600, [(299, StaleHit)], renewed).await;
    expect_past_its_time(10, [(4, StaleHit), (5, Miss), (10, Miss)], async |issuer| {
        issuer.renewed_for_hours().await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_value_says_for_how_long_it_makes_up_for_errors() {
    expect_past_its_time(60, [(0, StaleHit), (29, StaleHit), (30, Miss)], async |issuer| {
        issuer.kept().await
    })
    .await;
    expect_past_its_time(10, [(4, StaleHit), (5, Miss), (10, Miss)], async |issuer| {
        issuer.kept_for_hours().await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_what_the_value_does_not_say_the_function_does() {
    expect_past_its_time(60, [(39, StaleHit), (40, Miss)], async |issuer| {
        issuer.renewed_and_kept().await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_value_gives_itself_no_window_that_its_function_does_not_have() {
    expect_past_its_time(60, [(0, Miss)], async |issuer| issuer.never_old().await).await;
}

/// Calls with a token for so many seconds, so many seconds after half of its time is over, when no new one is to be had for those
/// functions that can fail; what becomes of the call is given with each.
async fn expect_past_its_time<T>(
    expires_in: u64,
    pasts: impl IntoIterator<Item = (u64, Outcome)>,
    token: impl AsyncFn(&Issuer) -> T,
) {
    for (past, expected) in pasts {
        let outcome = isolated(async |_| {
            let issuer = Issuer::new(expires_in);
            token(&issuer).await;
            advance(Duration::from_secs(expires_in / 2 + past)).await;
            issuer.go_down();
            outcome_of(token(&issuer)).await.1
        })
        .await;
        assert_eq!(outcome, expected, "{past} s after half of {expires_in} s");
    }
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

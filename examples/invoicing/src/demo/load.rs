//! The requests that are measured, and what came of them.
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use super::instance::{Answer, Instance};

/// How many requests a measurement consists of.
pub(super) const REQUESTS: usize = 100;
/// How many of them are under way at a time.
pub(super) const AT_A_TIME: usize = 10;

/// What a user's browser asks for again and again; answered one after the other in this order.
pub(super) fn pages(companies: u32) -> Vec<String> {
    let other = companies.min(2);
    vec![
        "/api/dashboard/summary?company=1".to_owned(),
        "/api/dashboard/trends?company=1&period=12m&compare=true".to_owned(),
        "/api/dashboard/detailed?company=1&page=1&page_size=50".to_owned(),
        "/api/dashboard/performance?company=1".to_owned(),
        "/api/dashboard/cashflow?company=1".to_owned(),
        "/api/dashboard/maturity?company=1".to_owned(),
        "/api/invoices?company=1&unpaid=true&page=1&page_size=50".to_owned(),
        "/api/invoices/summary?company=1".to_owned(),
        "/api/treasury?company=1".to_owned(),
        format!("/api/dashboard/summary?company={other}"),
    ]
}

/// What came of a number of requests.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) total: Duration,
    pub(super) queries: u64,
    answers: Vec<Answer>,
    /// What went wrong, request by request.
    pub(super) errors: Vec<String>,
}

impl Load {
    /// Sends `count` requests for `pages` in turn, some at a time. `halfway` is told once when half of them are
    /// answered.
    pub(super) async fn run(instance: &Instance, pages: &[String], count: usize, halfway: impl AsyncFnOnce()) -> Self {
        let (queries, started) = (instance.queries(), Instant::now());
        let mut load = Self::default();
        let mut halfway = Some(halfway);
        let mut answers = stream::iter(pages.iter().cycle().take(count))
            .map(|page| async move { (page, instance.get(page).await) })
            .buffer_unordered(AT_A_TIME);
        while let Some((page, answer)) = answers.next().await {
            match answer {
                Ok(answer) if answer.status == 200 => load.answers.push(answer),
                Ok(answer) => load.errors.push(format!("{page}: {}", answer.status)),
                Err(error) => load.errors.push(format!("{page}: {error:#}")),
            }
            if load.answers.len() + load.errors.len() == count / 2
                && let Some(halfway) = halfway.take()
            {
                halfway().await;
            }
        }
        drop(answers);
        load.total = started.elapsed();
        load.queries = instance.queries() - queries;
        load
    }

    /// How many were answered from the cache.
    pub(super) fn hits(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_hit()).count()
    }

    /// How many were answered at all.
    pub(super) fn answered(&self) -> usize {
        self.answers.len()
    }

    /// The time within which `percent` percent of the requests were answered.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut times: Vec<Duration> = self.answers.iter().map(|answer| answer.took).collect();
        times.sort_unstable();
        let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(index).copied().unwrap_or_default()
    }
}

/// By how much `slower` takes longer than `faster`, request by request in turn, so that whatever else the machine does
/// hits both alike: the median of the differences, zero when it is negative.
///
/// # Errors
/// When a request fails.
pub(super) async fn added_latency(faster: &Instance, slower: &Instance, pages: &[String]) -> anyhow::Result<Duration> {
    let mut differences = Vec::new();
    for page in pages.iter().cycle().take(2 * pages.len()) {
        let without = faster.get(page).await?;
        let with = slower.get(page).await?;
        anyhow::ensure!(with.status == 200, "{page} was answered with {}", with.status);
        differences.push(with.took.as_secs_f64() - without.took.as_secs_f64());
    }
    differences.sort_by(f64::total_cmp);
    Ok(Duration::from_secs_f64(differences[differences.len() / 2].max(0.0)))
}

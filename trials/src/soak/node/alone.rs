use std::time::{Duration, Instant};

use cache_testkit::redis::cmd;

use super::{documents::Subject, site::Site};
use crate::{lab::redis::Redis, soak::orders::Alone};

/// Calls of each kind.
const CALLS: usize = 100;

/// What is read without the cache: as long as what is read with it.
const BARE: &str = "soak:bare";

/// Makes the same call again and again, which Redis answers, in turns with a bare `GET`; `None` without answers to that.
pub(super) async fn call(site: &Site, redis: &Redis) -> Option<Alone> {
    let document = site.read_through(0, Subject::FIRST, 0).await;
    let text = serde_json::to_string(&document).ok()?;
    redis.ask::<()>(cmd("SET").arg(BARE).arg(text)).await?;
    let (mut cached, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        let began = Instant::now();
        site.read_through(0, Subject::FIRST, 0).await;
        cached.push(began.elapsed());
        let began = Instant::now();
        if redis.ask::<String>(cmd("GET").arg(BARE)).await.is_some() {
            bare.push(began.elapsed());
        }
    }
    // On a busy machine a single answer may be late.
    (bare.len() > CALLS / 2).then(|| Alone {
        cached: median_micros(cached),
        bare: median_micros(bare),
    })
}

fn median_micros(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

#[path = "common/mod.rs"]
mod cache_resources;

use std::{borrow::Cow, pin::Pin};

use cache_runtime::cached;

#[derive(Clone)]
struct Service(u32);

impl Service {
    #[cached(resource = "companies_list", stale_while_revalidate = "30s", skip(log))]
    async fn mutably(&mut self, log: &mut Vec<u32>, fine: &str) -> u32 {
        log.push(self.0);
        fine.len() as u32
    }

    #[cached(resource = "companies_list", refresh_ahead, skip(own))]
    async fn inside(self: Pin<&Self>, name: Option<&str>, text: Cow<'_, str>, names: &[&str], own: &mut u8) -> usize {
        usize::from(self.0 > 0) + name.map_or(0, str::len) + text.len() + names.len()
    }

    #[cached(resource = "companies_list", load_timeout(soft = "1s"), stale_if_error = "1m")]
    async fn in_patterns(&self, (one, two): (&mut u32, Option<&u32>), &three: &&str) -> Result<u32, String> {
        *one += self.0;
        Ok(*one + two.copied().unwrap_or_default() + three.len() as u32)
    }

    #[cached(resource = "companies_list", stale_while_revalidate = "30s", skip(clock, store))]
    async fn handles(clock: &dyn Fn() -> u32, store: &(dyn std::error::Error + Send + Sync)) -> String {
        format!("{} {store}", clock())
    }

    #[cached(resource = "companies_list", stale_while_revalidate = "30s")]
    async fn captured(&self, n: u32) -> String {
        if n > 1 {
            return format!("{n} of {self}");
        }
        format!("{n} of {self}")
    }
}

#[cached(resource = "companies_list", stale_while_revalidate = "30s")]
async fn names_a_lifetime<'a>(name: &'a str, n: usize) -> usize {
    let rest: &'a str = &name[n..];
    'a: loop {
        break 'a rest.len();
    }
}

#[cached(resource = "companies_list", stale_while_revalidate = "30s", unless = above(limit), ttl = |n| lifetime(limit, *n))]
async fn no_closure(n: u32, limit: &u32) -> u32 {
    n + limit
}

fn above(limit: &u32) -> impl FnOnce(&u32) -> bool {
    move |n| n > limit
}

fn lifetime(limit: &u32, n: u32) -> std::time::Duration {
    std::time::Duration::from_secs((limit + n).into())
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn main() {}

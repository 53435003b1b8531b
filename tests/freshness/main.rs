//! Freshness: for how long results are used, what is returned meanwhile, and what happens when nobody waits.

mod background;
mod cache_resources;
mod errors;
mod lifetimes;
mod negative;
mod races;
mod refresh_ahead;
mod revalidate;
mod source;
mod timeouts;

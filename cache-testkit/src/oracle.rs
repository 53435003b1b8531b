//! The consistency oracle: was an old value served after everybody had been told?
//!
//! The values under test are *versions*: each mutation commits a higher one. What is recorded of every call is when it
//! began and ended, and the version that it read or committed. Then the rule is that of `docs/guarantees.md`: a read that
//! begins after an acknowledged invalidation of version 7 has ended returns 7 or newer, on whatever node.
//!
//! [`check`] is a pure function over such a history, however it came about: in one process with a [`Recorder`], or in
//! several that write their [`Event`]s down (they are `serde` types, and [`Moment`]s of one machine can be compared).
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use cache_testkit::{isolated, oracle::Recorder};
//!
//! mod cache_resources {
//!     cache_runtime::resources! { price { ttl = 60 } }
//! }
//!
//! static DATABASE: AtomicU64 = AtomicU64::new(0);
//!
//! #[cache_runtime::cached(resource = "price")]
//! async fn price() -> u64 {
//!     DATABASE.load(Ordering::SeqCst)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cache_runtime::InvalidateError> {
//! let recorder = Recorder::new();
//! isolated(async |cache| {
//!     for _ in 0..100 {
//!         let call = recorder.begin("price");
//!         call.read(price().await);
//!
//!         let call = recorder.begin("price");
//!         let committed = DATABASE.fetch_add(1, Ordering::SeqCst) + 1;
//!         call.invalidated(committed, cache.invalidate("price").await?.into());
//!     }
//!     Ok(())
//! })
//! .await?;
//! recorder.verdict().assert_stale_for_at_most(std::time::Duration::ZERO);
//! # Ok(())
//! # }
//! ```
//!
//! One thread at a time finds nothing: let many tasks do this at once, over several caches or processes, with
//! [`FaultProxy`](crate::FaultProxy) and [`RedisServer`](crate::RedisServer) for the faults. And let it find something: a
//! version of the service without its `#[invalidates]` must fail, or the test proves nothing.

mod check;
mod history;
mod moment;
mod recorder;
mod verdict;

pub use self::{
    check::check,
    history::{Event, Reach, What},
    moment::Moment,
    recorder::{Recorder, Underway},
    verdict::{Stale, Verdict},
};

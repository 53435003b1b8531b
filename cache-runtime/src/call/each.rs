//! What `#[cached(each = …)]` expands to: an entry for each of several ids, and one run of the body for those that are missing.
//!
//! | stage | file |
//! |---|---|
//! | what the ids come in, and what the body is given | `ids.rs` |
//! | what a body returns, taken apart by id and put together again | `returns.rs` |
//! | each id is recognised as a call of its own, and the near cache is asked | `call.rs` |
//! | the store is asked for all of them at once | `look.rs` |
//! | what is missing is loaded by one run of the body, or waited for where another call loads it | `load.rs`, `run.rs` |
//!
//! An id's lookup, policies and fill are those of a call of its own: `lookup.rs` and `fill.rs` of the folder above.

mod call;
mod ids;
mod load;
mod look;
mod returns;
mod run;

pub use self::{
    call::EachCall,
    ids::{Ids, Missing},
    returns::{EachReturns, EachTerms},
};
use self::{load::EachLoad, returns::SplitEach};
use super::terms::{LoadTerms, ValueOf};
use crate::near::tier::Tier;

/// Answers each id from the cache, runs `body` for those that are missing, and fills.
///
/// `body` may be run again, for ids that another call was to load and has not.
pub async fn cached_each<R, S, C, G, T, N, B, F>(
    call: EachCall<C>,
    _returns: EachReturns<R, S>,
    terms: G,
    _tier: N,
    body: B,
) -> R
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<Option<S::Value>>,
    N: Tier<ValueOf<Option<S::Value>, T>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    let (asked, members) = call.begin::<S::Value, T, N>();
    let mut load = EachLoad::<R, S, C, G, T, N, B, F>::new(asked, members, terms, body);
    let missing = load.look().await;
    match load.load(missing).await {
        Ok(()) => load.into_return(),
        Err(failed) => failed,
    }
}

//! What `#[cached(each = …)]` expands to: an entry for each of several ids, and one run of the body for those that are missing.
//!
//! | stage | file |
//! |---|---|
//! | what the ids come in, and what the body is given | `ids.rs` |
//! | what a body returns, taken apart by id and put together again | `returns.rs` |
//! | each id is recognised as a call of its own, and the near cache is asked | `call.rs` |
//! | the store is asked for all of them at once | `look.rs` |
//! | what is missing is loaded by one run of the body, or waited for where another call loads it | `load.rs`, `run.rs`, `work.rs` |
//! | old values that were returned are loaded again in the background | `refresh.rs` |
//!
//! An id's lookup, policies and fill are those of a call of its own: `lookup.rs` and `fill.rs` of the folder above.

mod call;
mod ids;
mod load;
mod look;
mod refresh;
mod returns;
mod run;
mod work;

pub use self::{
    call::EachCall,
    ids::{Ids, Missing},
    returns::{EachReturns, EachTerms},
};
use self::{
    load::EachLoad,
    returns::SplitEach,
    work::{OwnedWork, Work},
};
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
    let mut load = EachLoad::<R, S, C, T, N, F, _>::new(asked, members, Work { terms, body });
    let missing = load.look().await;
    match load.load(missing).await {
        Ok(()) => load.into_return(),
        Err(failed) => failed,
    }
}

/// As [`cached_each`], of a function whose body may run when its caller has gone. `prepare` makes the body and what is said of its
/// values, and is called only if there is something to load: what they have of the call is their own.
pub async fn cached_each_owned<R, S, C, P, G, T, N, B, F>(
    call: EachCall<C>,
    _returns: EachReturns<R, S>,
    _tier: N,
    prepare: P,
) -> R
where
    R: Send + 'static,
    C: Ids<Id: Send> + ?Sized + 'static,
    S: SplitEach<R, C::Id, Value: Send> + 'static,
    P: FnOnce() -> (G, B),
    G: Fn(EachTerms<R, S, C>) -> T + Send + 'static,
    T: LoadTerms<Option<S::Value>> + 'static,
    N: Tier<ValueOf<Option<S::Value>, T>, Held: Send> + 'static,
    B: FnMut(Missing<C>) -> F + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let (asked, members) = call.begin::<S::Value, T, N>();
    let mut load = EachLoad::<R, S, C, T, N, F, _>::new(asked, members, OwnedWork::ToBeMade(prepare));
    let missing = load.look().await;
    let loaded = load.load(missing).await;
    load.refresh();
    match loaded {
        Ok(()) => load.into_return(),
        Err(failed) => failed,
    }
}

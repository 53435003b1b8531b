//! What `#[cached(each = …)]` expands to: an entry for each of several ids, and one run of the body for those that are missing.
//!
//! | stage | file |
//! |---|---|
//! | what the ids come in, and what the body is given | `ids.rs` |
//! | what a body returns, taken apart by id and put together again | `returns.rs` |
//! | each id is recognised as a call of its own, and the near cache is asked | `call.rs` |
//! | what is known of each id | `batch.rs` |
//! | the store is asked for all of them at once | `look.rs` |
//! | what is missing is loaded by one run of the body, or waited for where another call loads it | `load.rs`, `run.rs`, `work.rs` |
//! | or where another process does, with `lease` | `lease.rs` |
//! | old values that were returned are loaded again in the background, at once or after a timeout | `refresh.rs`, `soft.rs` |
//!
//! An id's lookup, policies and fill are those of a call of its own: `lookup.rs` and `fill.rs` of the folder above.

mod batch;
mod call;
mod ids;
mod lease;
mod load;
mod look;
mod refresh;
mod returns;
mod run;
mod soft;
mod work;

use std::sync::Arc;

pub use self::{
    call::EachCall,
    ids::{Ids, Missing},
    returns::{EachReturns, EachTerms},
};
use self::{
    load::EachLoad,
    refresh::Refreshes,
    returns::{IdReturn, SplitEach},
    work::{OwnedWork, Work},
};
use super::terms::{LoadTerms, ValueOf};
use crate::near::tier::Tier;

/// Answers each id from the cache, runs `body` for those that are missing, and fills.
///
/// `body` may be run again, for ids that another call was to load and has not.
pub async fn cached_each<R, S, C, G, T, N, B, F>(
    call: EachCall<C>,
    returns: EachReturns<R, S>,
    terms: G,
    _tier: N,
    body: B,
) -> R
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<IdReturn<S::Value, S::IdError>>,
    N: Tier<ValueOf<IdReturn<S::Value, S::IdError>, T>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    let mut batch = call.begin::<S::Value, S::IdError, T, N>();
    let missing = batch.look::<T, N>(None).await;
    let work = Work { terms, body };
    let mut load = EachLoad::<R, S, C, T, N, F, _>::new(Arc::new(batch), returns.late(), work);
    let loaded = load.load(missing).await;
    load.into_return(loaded)
}

/// As [`cached_each`], of a function whose body may run when its caller has gone. `prepare` makes the body and what is said of its
/// values, and is called only if there is something to load: what they have of the call is their own.
pub async fn cached_each_owned<R, S, C, P, G, T, N, B, F>(
    call: EachCall<C>,
    returns: EachReturns<R, S>,
    _tier: N,
    prepare: P,
) -> R
where
    R: Send + 'static,
    C: Ids<Id: Send> + ?Sized + 'static,
    S: SplitEach<R, C::Id, Value: Send, IdError: Send> + 'static,
    P: FnOnce() -> (G, B),
    G: Fn(EachTerms<R, S, C>) -> T + Send + 'static,
    T: LoadTerms<IdReturn<S::Value, S::IdError>> + 'static,
    N: Tier<ValueOf<IdReturn<S::Value, S::IdError>, T>, Held: Send> + 'static,
    B: FnMut(Missing<C>) -> F + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut batch = call.begin::<S::Value, S::IdError, T, N>();
    let mut refreshes = Refreshes::default();
    let missing = batch.look::<T, N>(Some(&mut refreshes)).await;
    let work = OwnedWork::new(prepare);
    let mut load = EachLoad::<R, S, C, T, N, F, _>::new(Arc::new(batch), returns.late(), work);
    let loaded = load.load_within_soft_timeout(missing).await;
    load.refresh(refreshes);
    load.into_return(loaded)
}

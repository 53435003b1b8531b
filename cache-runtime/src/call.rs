//! What `#[cached]` expands to: a call is recognised by its arguments, looked up, loaded if it must be, and what was loaded is
//! filled in.
//!
//! | stage | file |
//! |---|---|
//! | the thread answers by itself, or the call begins: which cache, and may it answer | `at_hand.rs`, `start.rs`, `admission.rs` |
//! | the arguments are written, and what is known of such a call is found | `arguments.rs`, `compact.rs`, `recognition.rs` |
//! | the near cache and the store are asked | `lookup.rs` |
//! | what was found is decoded: it is an answer, or there is to be a load | `answer.rs`, `plan.rs` |
//! | the load is shared, waits its turn and its lease, and has the body run | `load.rs`, `lease.rs` |
//! | it asks the call for what depends on the function's types | `requests.rs`, `loading.rs` |
//! | what was loaded in vain is made up for by an old value; values are loaded again in the background | `refresh.rs` |
//! | what was loaded is encoded, handed on and stored | `fill.rs` |
//!
//! `cached.rs` is all of it on one page; `each.rs` is the same of several entries at once.

mod admission;
mod answer;
mod arguments;
mod at_hand;
mod by_key;
mod cacheable;
mod cached;
mod compact;
mod each;
mod entry_ref;
mod fill;
mod lease;
mod load;
mod loading;
mod lookup;
mod mode;
mod nowhere;
mod owned;
mod plan;
mod recognition;
mod refresh;
mod requests;
mod results;
mod site;
mod skip;
mod start;
mod terms;
mod timeout;
mod value;
mod verify;

pub use self::{
    arguments::{KeyArg, KeyWriter, in_key},
    cached::{cached, cached_owned, cached_with, never},
    each::{EachCall, EachReturns, EachTerms, Ids, Missing, cached_each, cached_each_owned},
    mode::{bypass, peek, refresh},
    nowhere::nowhere,
    owned::{ByMove, Ownership},
    site::Site,
    skip::{Probe, skippable},
    start::Call,
    terms::{GivenTags, LoadTimeout, Terms},
    timeout::{HardTimeout, timed_out},
    value::CacheValue,
};

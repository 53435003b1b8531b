//! Connections to one server: who opens and owns them, who shares them, and how a lost one is replaced.
//!
//! From the bottom up: a `pool` owns them, by `deadpool-redis`; a `connector` knows to which server a new one leads; a `link` is one
//! that is established; a `lane` is the place of one, which callers share. `query` asks something over one of its own.

mod connector;
mod generations;
mod lane;
mod link;
mod pool;
mod query;

use std::time::Duration;

pub(super) use self::{
    connector::Connector,
    generations::Generations,
    lane::{FIRST_PAUSE, LAST_PAUSE, Lane},
    link::Era,
    query::query_once,
};

/// A background task that has not moved for this long, in another runtime than the one that needs it, is not waited for.
pub(super) const STUCK: Duration = Duration::from_secs(1);

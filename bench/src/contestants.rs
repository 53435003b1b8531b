//! Those who keep the function's results in Redis: this project and its peers, each with its own best documented settings.

mod by_cached;
mod by_deadpool;
mod by_hitbox;
mod ours;
mod raw;

pub(crate) use self::{
    by_cached::ByCached,
    by_deadpool::ByDeadpool,
    by_hitbox::ByHitbox,
    ours::Ours,
    raw::{Raw, RawOfTwo, get_or_load, keys, without_delay},
};

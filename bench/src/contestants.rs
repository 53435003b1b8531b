//! Those who keep the function's results in Redis: this project and its peers, each with its own best documented settings.

mod ours;
mod raw;

pub(crate) use self::{ours::Ours, raw::Raw};

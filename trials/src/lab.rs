//! The laboratory: what the trials have in common.

pub(crate) mod process;
pub(crate) mod reach;
pub(crate) mod redis;
pub(crate) mod runtime;
pub(crate) mod servers;
pub(crate) mod strike;

//! The primitives of the small concurrent cores, in one place, so that tests can run these cores under a scheduler that
//! tries interleavings.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic};

pub(crate) use tokio::sync::Notify;

//! How long after the acknowledgement of an invalidation the values in near caches end, as the watch of this process sees it, which is
//! a client of the store like that of any other process.
//!
//! Only of stamps that values here depend on: of one that is not in the store its removal tells nobody, and the next that is told of
//! it is that it was made.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::{
    key::StampKey,
    recorder::{Durations, Timed},
    sync::Mutex,
};

/// So many removals are followed at once. What is not reported any more gives its place up then.
const MOST: usize = 1024;

/// The removals that are not both acknowledged and reported.
#[derive(Debug)]
pub(super) struct InvalidationLags {
    open: Mutex<HashMap<StampKey, Half>>,
    durations: Durations,
}

/// What has come of a removal; the one may come before the other.
#[derive(Debug, Clone, Copy)]
enum Half {
    Nothing,
    Acknowledged(Instant),
    Reported,
}

impl InvalidationLags {
    /// A stamp is going to be removed that values here depend on.
    pub(super) fn begin(&self, stamp: &StampKey) {
        let mut open = self.open.lock();
        if open.len() >= MOST {
            open.clear();
        }
        open.insert(stamp.clone(), Half::Nothing);
    }

    /// The removal of these stamps is acknowledged.
    pub(super) fn acknowledged(&self, stamps: &[StampKey]) {
        let mut open = self.open.lock();
        for stamp in stamps {
            match open.get_mut(stamp) {
                Some(half @ Half::Nothing) => *half = Half::Acknowledged(Instant::now()),
                Some(Half::Reported) => {
                    open.remove(stamp);
                    self.durations.add(Duration::ZERO, 1);
                }
                Some(Half::Acknowledged(_)) | None => {}
            }
        }
    }

    /// It is reported that a stamp has changed.
    pub(super) fn reported(&self, stamp: &str) {
        let mut open = self.open.lock();
        match open.get_mut(stamp) {
            Some(half @ Half::Nothing) => *half = Half::Reported,
            Some(Half::Acknowledged(at)) => {
                let lag = at.elapsed();
                open.remove(stamp);
                self.durations.add(lag, 1);
            }
            Some(Half::Reported) | None => {}
        }
    }

    /// What was not reported until now will not be.
    pub(super) fn end_session(&self) {
        self.open.lock().clear();
    }
}

impl Default for InvalidationLags {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            durations: Durations::new(Timed::InvalidationLag, None),
        }
    }
}

//! Where the values of these tests come from: a number that changes, and loads that can be held up and made to fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use cache_runtime::LoadTimeout;
use cache_testkit::{Gate, LoadCounter};
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    Database,
    NotFound(u32),
    Late(Duration),
}

impl From<LoadTimeout> for Failure {
    fn from(timeout: LoadTimeout) -> Self {
        Self::Late(timeout.after())
    }
}

/// A number that is read from a database.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    figure: Arc<AtomicI64>,
    fails: Arc<AtomicBool>,
    pub(crate) loads: LoadCounter,
    /// What every load passes after it has looked at the number.
    pub(crate) gate: Gate,
}

impl Source {
    pub(crate) fn new(figure: i64) -> Self {
        let gate = Gate::closed();
        gate.open();
        Self {
            figure: Arc::new(AtomicI64::new(figure)),
            fails: Arc::default(),
            loads: LoadCounter::new(),
            gate,
        }
    }

    pub(crate) fn set(&self, figure: i64) {
        self.figure.store(figure, Ordering::SeqCst);
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// The number, as a body reads it.
    pub(crate) async fn load(&self) -> Result<i64, Failure> {
        let figure = self.figure.load(Ordering::SeqCst);
        self.loads.record();
        self.gate.pass().await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(Failure::Database);
        }
        Ok(figure)
    }
}

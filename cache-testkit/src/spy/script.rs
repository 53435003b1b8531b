use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cache_runtime::store::StoreErrorKind;

use super::OperationKind;
use crate::Gate;

/// What the test has ordered.
#[derive(Debug, Default)]
pub(super) struct Script {
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    failures: HashMap<OperationKind, (usize, StoreErrorKind)>,
    gates: HashMap<OperationKind, Gate>,
    answer_gates: HashMap<OperationKind, Gate>,
}

impl Script {
    pub(super) fn fail(&self, kind: OperationKind, times: usize, error: StoreErrorKind) {
        self.orders().failures.insert(kind, (times, error));
    }

    pub(super) fn heal(&self) {
        self.orders().failures.clear();
    }

    /// Takes one of the ordered failures.
    pub(super) fn failure(&self, kind: OperationKind) -> Option<StoreErrorKind> {
        let mut orders = self.orders();
        let (times, error) = orders.failures.get_mut(&kind)?;
        *times = times.checked_sub(1)?;
        Some(*error)
    }

    pub(super) fn hold(&self, kind: OperationKind) -> Gate {
        let gate = Gate::closed();
        self.orders().gates.insert(kind, gate.clone());
        gate
    }

    pub(super) fn hold_answer(&self, kind: OperationKind) -> Gate {
        let gate = Gate::closed();
        self.orders().answer_gates.insert(kind, gate.clone());
        gate
    }

    pub(super) fn gate(&self, kind: OperationKind) -> Option<Gate> {
        self.orders().gates.get(&kind).cloned()
    }

    pub(super) fn answer_gate(&self, kind: OperationKind) -> Option<Gate> {
        self.orders().answer_gates.get(&kind).cloned()
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

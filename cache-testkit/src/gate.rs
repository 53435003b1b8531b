//! Holds whoever comes, until it is opened: for tests of what happens in between.

use std::sync::Arc;

use tokio::sync::watch;

use crate::patience::within_patience;

/// A gate in the path of a load or of a store's operation. Clones are the same gate.
///
/// ```
/// # use cache_testkit::Gate;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let gate = Gate::closed();
/// let load = tokio::spawn({
///     let gate = gate.clone();
///     async move {
///         gate.pass().await;
///         "loaded"
///     }
/// });
/// gate.until_waiting(1).await;
/// // ... the load has begun and has not ended: invalidate, cancel, look ...
/// gate.open();
/// assert_eq!(load.await.unwrap(), "loaded");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Gate {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A gate that lets nobody pass.
    pub fn closed() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }

    /// Lets everybody pass, from now on.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Lets nobody pass any more who comes from now on.
    pub fn close(&self) {
        self.state.send_modify(|state| state.open = false);
    }

    /// Returns once the gate is open.
    pub async fn pass(&self) {
        let _waiting = Waiting::at(self);
        // The sender is alive in `self`.
        let _ = self.state.subscribe().wait_for(|state| state.open).await;
    }

    /// How many stand at the gate.
    pub fn waiting(&self) -> usize {
        self.state.borrow().waiting
    }

    /// Returns once at least `count` stand at the gate.
    ///
    /// # Panics
    ///
    /// If that takes longer than ten seconds.
    #[track_caller]
    pub fn until_waiting(&self, count: usize) -> impl Future<Output = ()> + use<> {
        let mut state = self.state.subscribe();
        within_patience(
            async move {
                // An error means that the gate is gone, and with it everybody who could have come.
                while state.wait_for(|state| state.waiting >= count).await.is_err() {
                    std::future::pending::<()>().await;
                }
            },
            move || format!("{count} callers at the gate"),
        )
    }
}

/// Counts a caller for as long as it stands at the gate, even if it is cancelled there.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn at(gate: &'a Gate) -> Self {
        gate.state.send_modify(|state| state.waiting += 1);
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.waiting -= 1);
    }
}

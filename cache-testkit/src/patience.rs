use std::{panic::Location, time::Duration};

/// How long a test waits for something that should have happened long ago.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Awaits an event of a test, and says what was awaited if it does not come.
///
/// With tokio's clock paused this panics as soon as nothing else can happen, without waiting.
#[track_caller]
pub(crate) fn within_patience<T>(
    event: impl Future<Output = T>,
    awaited: impl FnOnce() -> String,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let Ok(output) = tokio::time::timeout(PATIENCE, event).await else {
            panic!("{caller}: waited {PATIENCE:?} in vain for {}", awaited());
        };
        output
    }
}

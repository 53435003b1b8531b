use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use cache_runtime::changes::{Backlog, ChangeSource, SourceFuture, Taken};
use rustix::process::{Signal, getpid, kill_process};
use tokio::time::sleep;

/// A step of a relay, at which its process may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::consistency::sql) enum Step {
    /// Changes are taken, and nothing is invalidated yet.
    Taken,
    /// Somewhere in the middle of invalidating.
    Invalidating,
    /// The invalidation is acknowledged, and the changes are there.
    Invalidated,
    /// Somewhere in the middle of removing them.
    Removing,
    /// They are removed, and the relay does not know yet.
    Removed,
}

impl Step {
    pub(in crate::consistency::sql) const EVERY: [Self; 5] = [
        Self::Taken,
        Self::Invalidating,
        Self::Invalidated,
        Self::Removing,
        Self::Removed,
    ];
}

/// The step at which the relay at work is to be killed, wherever that is: a file in a folder that all processes know. Whoever
/// removes it is the one.
#[derive(Debug, Clone)]
pub(in crate::consistency::sql) struct Orders(PathBuf);

impl Orders {
    pub(in crate::consistency::sql) fn in_folder(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(in crate::consistency::sql) fn give(&self, step: Step) -> std::io::Result<()> {
        fs::write(self.file(step), [])
    }

    /// Whether nobody else has taken it.
    pub(in crate::consistency::sql) fn take(&self, step: Step) -> bool {
        fs::remove_file(self.file(step)).is_ok()
    }

    async fn reach(&self, step: Step) {
        if self.take(step) {
            fall().await;
        }
    }

    /// Within a millisecond, whatever happens until then.
    fn soon(&self, step: Step) {
        if self.take(step) {
            tokio::spawn(async {
                sleep(Duration::from_micros(fastrand::u64(0..1_000))).await;
                fall().await;
            });
        }
    }

    fn file(&self, step: Step) -> PathBuf {
        self.0.join(format!("{step:?}"))
    }
}

/// A source of changes whose process is killed where it was ordered.
pub(super) struct Steps<S> {
    source: S,
    orders: Orders,
    /// Known to be wrong: what is taken is removed before it is invalidated.
    acknowledges_first: bool,
}

impl<S: ChangeSource> Steps<S> {
    pub(super) fn new(source: S, orders: Orders, acknowledges_first: bool) -> Self {
        Self {
            source,
            orders,
            acknowledges_first,
        }
    }
}

/// Ends this process as a crash would.
async fn fall() {
    let _ = kill_process(getpid(), Signal::KILL);
    std::future::pending::<()>().await;
}

impl<S: ChangeSource> ChangeSource for Steps<S> {
    fn description(&self) -> String {
        self.source.description()
    }

    fn take(&mut self) -> SourceFuture<'_, Taken> {
        Box::pin(async {
            let taken = self.source.take().await?;
            if matches!(&taken, Taken::Changes(changes) if !changes.is_empty()) {
                if self.acknowledges_first {
                    self.source.acknowledge().await?;
                }
                self.orders.reach(Step::Taken).await;
                self.orders.soon(Step::Invalidating);
            }
            Ok(taken)
        })
    }

    fn acknowledge(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(async {
            self.orders.reach(Step::Invalidated).await;
            self.orders.soon(Step::Removing);
            if !self.acknowledges_first {
                self.source.acknowledge().await?;
            }
            self.orders.reach(Step::Removed).await;
            Ok(())
        })
    }

    fn stand_down(&mut self) -> SourceFuture<'_, ()> {
        self.source.stand_down()
    }

    fn wait(&mut self, at_most: Duration) -> SourceFuture<'_, ()> {
        self.source.wait(at_most)
    }

    fn backlog(&mut self) -> SourceFuture<'_, Backlog> {
        self.source.backlog()
    }
}

impl<S: fmt::Debug> fmt::Debug for Steps<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

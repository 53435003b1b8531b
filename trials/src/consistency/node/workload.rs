use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Result, ensure};
use cache_testkit::oracle::{Event, Moment, Reach, What};
use fastrand::Rng;
use tokio::{sync::watch, time::timeout};

use super::{
    Subject,
    notes::Notebook,
    service::{Found, Hit, How, Service},
};
use crate::consistency::database::{Committed, ITEMS};

/// From this item on, items are a resource that is `crash_safe`.
const FIRST_CRASH_SAFE: u32 = 5;

/// Whether writers of the item hold readers off while they write.
pub(super) fn is_crash_safe(item: u32) -> bool {
    item >= FIRST_CRASH_SAFE
}

/// How many views of each item are cached.
pub(super) const VIEWS: u32 = 12;

/// How many items there are where writers and readers are apart.
const ITEMS_APART: u32 = 4;

/// What is done with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// One caller of the service, who makes one call after the other.
pub(super) struct Worker<S> {
    pub(super) service: Arc<S>,
    pub(super) random: Rng,
    pub(super) node: u64,
    /// Whether there are few items and few writes, none of everything, and the node reads other items than it writes, one view of
    /// each. Nearly all values are near then.
    pub(super) apart: bool,
    pub(super) notebook: Notebook,
}

impl<S: Service> Worker<S> {
    pub(super) async fn run(mut self, stopping: watch::Receiver<bool>) -> Result<()> {
        while !*stopping.borrow() {
            let writes = if self.apart { 98 } else { 93 };
            match self.random.u8(0..100) {
                0..85 => self.read_item().await?,
                call if call < writes => self.read_total().await?,
                call if call < 99 => self.write().await?,
                _ => self.abandon_a_write().await?,
            }
            tokio::time::sleep(Duration::from_micros(self.random.u64(0..4_000))).await;
        }
        Ok(())
    }

    async fn read_item(&mut self) -> Result<()> {
        // Most look at the same view; the entries of the others live through many writes.
        let view = if self.random.u8(0..10) < 7 || self.apart {
            0
        } else {
            self.random.u32(1..VIEWS)
        };
        let (item, began) = (self.item(Access::Read), Moment::now());
        let found = self.service.item(item, view).await?;
        self.note_read(began, Subject::Item(item), view, found)
    }

    async fn read_total(&mut self) -> Result<()> {
        let began = Moment::now();
        let found = self.service.total().await?;
        self.note_read(began, Subject::Total, 0, found)
    }

    async fn write(&mut self) -> Result<()> {
        let how = match self.random.u8(0..100) {
            0..3 if !self.apart => How::Everything,
            3..30 => How::ByHand,
            _ => How::Annotated,
        };
        let item = self.item(Access::Write);
        // An invalidation by hand comes after the commit, and holds nobody off before.
        let how = if is_crash_safe(item) { How::Annotated } else { how };
        let (began, committed) = (Moment::now(), OnceLock::new());
        let reach = self.service.write(item, how, &committed).await?;
        self.note_write(began, item, &committed, reach)
    }

    /// As when a client hangs up: the future is dropped half-way.
    async fn abandon_a_write(&mut self) -> Result<()> {
        let (item, began, committed) = (self.item(Access::Write), Moment::now(), OnceLock::new());
        let patience = Duration::from_micros(self.random.u64(0..20_000));
        let write = self.service.write(item, How::Annotated, &committed);
        let reach = match timeout(patience, write).await {
            Ok(reach) => reach?,
            Err(_) => Some(Reach::OwnNode),
        };
        self.note_write(began, item, &committed, reach)
    }

    /// One of the items, the first ones more often.
    fn item(&mut self, access: Access) -> u32 {
        if self.apart {
            // Nodes of even numbers write the even ones and read the odd ones; the others the other way round.
            let is_odd = u64::from(access == Access::Read) ^ (self.node % 2);
            return self.random.u32(0..ITEMS_APART / 2) * 2 + u32::from(is_odd == 1);
        }
        self.random.u32(0..ITEMS).min(self.random.u32(0..ITEMS))
    }

    fn note_read(&self, began: Moment, subject: Subject, view: u32, found: Found) -> Result<()> {
        let value = found.value;
        ensure!(
            value.subject == subject && value.view == view,
            "a read of {subject:?}, view {view}, was given {value:?}"
        );
        let version = value.version;
        self.note(began, subject, What::Read { version }, found.hit)
    }

    fn note_write(
        &self,
        began: Moment,
        item: u32,
        committed: &OnceLock<Committed>,
        reach: Option<Reach>,
    ) -> Result<()> {
        let Some((commit, reach)) = committed.get().zip(reach) else {
            return Ok(());
        };
        for (subject, version) in [(Subject::Item(item), commit.version), (Subject::Total, commit.total)] {
            self.note(began, subject, What::Invalidation { version, reach }, None)?;
        }
        Ok(())
    }

    fn note(&self, began: Moment, key: Subject, what: What, hit: Option<Hit>) -> Result<()> {
        let ended = Moment::now();
        let node = self.node;
        self.notebook.note(
            Event {
                node,
                key,
                began,
                ended,
                what,
            },
            hit,
        )
    }
}

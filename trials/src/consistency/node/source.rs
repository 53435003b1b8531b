use std::{collections::HashMap, fmt};

use anyhow::{Result, bail};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::{Subject, pace::Pace};
use crate::consistency::database::{Committed, Database};

/// What is cached. It says what it is of, so that somebody else's is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Value {
    pub(super) subject: Subject,
    /// Which view of it; 0 for the total.
    pub(super) view: u32,
    pub(super) version: u64,
}

/// A load was made to fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadFailed;

impl fmt::Display for LoadFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this load was made to fail")
    }
}

impl std::error::Error for LoadFailed {}

/// How a read is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// As most are.
    Call,
    /// Loaded anew, and filled.
    Refresh,
    /// Loaded, and not filled.
    Bypass,
    /// What is there; a call, if nothing is.
    Peek,
}

/// What the bodies of the service do: the same under every protocol.
#[derive(Debug)]
pub(super) struct Source {
    database: Database,
    pace: Pace,
}

impl Source {
    pub(super) fn new(database: Database, random: Rng) -> Self {
        Self {
            database,
            pace: Pace::new(random),
        }
    }

    pub(super) async fn item(&self, item: u32, view: u32) -> Result<Value> {
        self.pace.pause().await;
        let version = self.database.read(item).await?;
        // Between load and fill: what makes an old value arrive late.
        self.pace.pause().await;
        Ok(Value {
            subject: Subject::Item(item),
            view,
            version,
        })
    }

    /// Several items, one after the other: the last may be newer than the first.
    pub(super) async fn items(&self, items: &[u32], view: u32) -> Result<HashMap<u32, Value>> {
        let mut found = HashMap::new();
        for item in items {
            found.insert(*item, self.item(*item, view).await?);
        }
        Ok(found)
    }

    /// As [`item`](Self::item), of which one in eight fails.
    pub(super) async fn item_if_it_succeeds(&self, item: u32, view: u32) -> Result<Value> {
        let value = self.item(item, view).await?;
        self.may_fail().map(|()| value)
    }

    /// As [`items`](Self::items), of which one in eight fails.
    pub(super) async fn items_if_they_succeed(&self, items: &[u32], view: u32) -> Result<HashMap<u32, Value>> {
        let values = self.items(items, view).await?;
        self.may_fail().map(|()| values)
    }

    fn may_fail(&self) -> Result<()> {
        if self.pace.one_in(8) {
            bail!(LoadFailed);
        }
        Ok(())
    }

    /// Whether a total is read that only its tag invalidates.
    pub(super) fn is_found_by_tag(&self) -> bool {
        self.pace.one_in(2)
    }

    /// One of several ways, at random.
    pub(super) fn way(&self) -> Way {
        match () {
            () if self.pace.one_in(16) => Way::Refresh,
            () if self.pace.one_in(16) => Way::Bypass,
            () if self.pace.one_in(8) => Way::Peek,
            () => Way::Call,
        }
    }

    pub(super) async fn total(&self) -> Result<Value> {
        self.pace.pause().await;
        let version = self.database.total().await?;
        self.pace.pause().await;
        Ok(Value {
            subject: Subject::Total,
            view: 0,
            version,
        })
    }

    /// `held` says whether all nodes hold off until the invalidation has come.
    pub(super) async fn write(&self, item: u32, held: bool) -> Result<Committed> {
        self.pace.pause().await;
        let committed = self.database.write(item, held).await?;
        self.pace.pause().await;
        Ok(committed)
    }
}

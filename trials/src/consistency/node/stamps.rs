//! The framework itself: what its users write.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use anyhow::{Context as _, Result};
use cache_runtime::{Cache, Invalidated, bypass, invalidates, peek, refresh};
use cache_testkit::oracle::Reach;

use super::{
    TTL,
    service::{Found, How, Service, found},
    source::{LoadFailed, Source, Value, Way},
    workload::{VIEWS, is_crash_safe},
};
use crate::{
    consistency::{
        database::{Committed, ITEMS},
        options::Near,
    },
    lab::reach,
};

mod resources {
    cache_runtime::resources! {
        item { ttl = super::TTL, scope(item: u32) }
        crash_safe_item { ttl = super::TTL, scope(item: u32), crash_safe }
        total { ttl = super::TTL }

        tag view: u32;
        /// Invalidated by its tag alone.
        tagged_total { ttl = super::TTL }
    }
}

/// The view of a total, which is its tag.
const TOTAL: u32 = 0;

/// From this view on, an item is read together with others.
const FIRST_TOGETHER: u32 = VIEWS / 2;

/// The cached reads, with one kind of near cache: an attribute takes its name and no variable.
macro_rules! reads {
    ($module:ident, $near:literal) => {
        mod $module {
            use std::collections::HashMap;

            use anyhow::Result;
            use cache_runtime::cached;

            use super::{Source, Value, resources};

            #[cached(resource = resources::item, scope(item), skip(source), near = $near)]
            pub(super) async fn item(source: &Source, item: u32, view: u32) -> Result<Value> {
                source.item(item, view).await
            }

            #[cached(resource = resources::crash_safe_item, scope(item), skip(source), near = $near)]
            pub(super) async fn crash_safe_item(source: &Source, item: u32, view: u32) -> Result<Value> {
                source.item(item, view).await
            }

            #[cached(
                                        resource = resources::item, each = item in items, scope(item), skip(source), near = $near,
                                        lease = "500ms",
                                    )]
            pub(super) async fn items(source: &Source, items: &[u32], view: u32) -> Result<HashMap<u32, Value>> {
                source.items(items, view).await
            }

            #[cached(
                                        resource = resources::crash_safe_item, each = item in items, scope(item), skip(source),
                                        near = $near, lease = "500ms",
                                    )]
            pub(super) async fn crash_safe_items(
                source: &Source,
                items: &[u32],
                view: u32,
            ) -> Result<HashMap<u32, Value>> {
                source.items(items, view).await
            }

            #[cached(
                                        resource = resources::tagged_total, skip(source), near = $near, lease = "500ms",
                                        tags(view = result.view),
                                    )]
            pub(super) async fn total(source: &Source) -> Result<Value> {
                source.total().await
            }
        }
    };
}

reads!(off, "off");
reads!(tracked, "tracked");
reads!(checked, "checked");

/// The same under every policy that returns old values: of entries that are past their time-to-live most of the time, with loads
/// that fail.
macro_rules! reads_with_policies {
    ($module:ident, $near:literal) => {
        mod $module {
            use std::{collections::HashMap, sync::Arc, time::Duration};

            use anyhow::Result;
            use cache_runtime::{Lifetime, cached};

            use super::{Source, Value, resources};

            #[cached(
                resource = resources::item, scope(item), skip(source), near = $near, ttl = "100ms",
                stale_while_revalidate = "300ms", stale_if_error = "4s", refresh_ahead, load_timeout(soft = "2ms"),
            )]
            pub(super) async fn item(source: Arc<Source>, item: u32, view: u32) -> Result<Value> {
                source.item_if_it_succeeds(item, view).await
            }

            #[cached(
                resource = resources::crash_safe_item, scope(item), skip(source), near = $near,
                ttl = |value| lifetime(value), stale_while_revalidate = "300ms", stale_if_error = "4s",
                load_timeout(soft = "2ms", hard = "5s"), verify = 0.05,
            )]
            pub(super) async fn crash_safe_item(source: Arc<Source>, item: u32, view: u32) -> Result<Value> {
                source.item_if_it_succeeds(item, view).await
            }

            /// Of some values shorter than of others, with shorter windows.
            fn lifetime(value: &Value) -> Lifetime {
                let tenths = u32::try_from(value.version % 3).unwrap_or_default();
                let tenth = Duration::from_millis(100);
                Lifetime::new(tenth * tenths)
                    .stale_while_revalidate(tenth * (tenths + 1))
                    .stale_if_error(tenth * 10 * (tenths + 1))
            }

            #[cached(
                resource = resources::item, each = item in items, scope(item), skip(source), near = $near,
                ttl = "100ms", stale_while_revalidate = "300ms", stale_if_error = "4s", refresh_ahead,
                load_timeout(soft = "2ms"), lease = "500ms",
            )]
            pub(super) async fn items(
                source: Arc<Source>,
                items: Vec<u32>,
                view: u32,
            ) -> Result<HashMap<u32, Value>> {
                source.items_if_they_succeed(&items, view).await
            }

            #[cached(
                resource = resources::crash_safe_item, each = item in items, scope(item), skip(source), near = $near,
                ttl = "100ms", stale_if_error = "4s", verify = 0.05,
            )]
            pub(super) async fn crash_safe_items(
                source: Arc<Source>,
                items: Vec<u32>,
                view: u32,
            ) -> Result<HashMap<u32, Value>> {
                source.items_if_they_succeed(&items, view).await
            }

            #[cached(
                resource = resources::total, skip(source), near = $near, lease = "500ms", ttl = "100ms",
                stale_while_revalidate = "4s",
            )]
            pub(super) async fn total(source: Arc<Source>) -> Result<Value> {
                source.total().await
            }

            #[cached(
                resource = resources::tagged_total, skip(source), near = $near, ttl = "100ms",
                stale_while_revalidate = "4s", refresh_ahead, tags(view = result.view),
            )]
            pub(super) async fn tagged_total(source: Arc<Source>) -> Result<Value> {
                source.total().await
            }
        }
    };
}

reads_with_policies!(policies_off, "off");
reads_with_policies!(policies_tracked, "tracked");
reads_with_policies!(policies_checked, "checked");

/// Calls a function of the one of three modules whose functions have this near cache.
macro_rules! with_near {
    ($near:expr, [$off:ident, $tracked:ident, $checked:ident], $function:ident $arguments:tt) => {
        match $near {
            Near::Off => $off::$function $arguments.await,
            Near::Tracked => $tracked::$function $arguments.await,
            Near::Checked => $checked::$function $arguments.await,
        }
    };
}

/// An item and others of its resource.
fn together(item: u32) -> Vec<u32> {
    let is_crash_safe = is_crash_safe(item);
    let others = [item ^ 1, item ^ 2];
    let others = others
        .into_iter()
        .filter(|other| *other < ITEMS && self::is_crash_safe(*other) == is_crash_safe);
    std::iter::once(item).chain(others).collect()
}

pub(super) struct Stamps {
    cache: Cache,
    source: Arc<Source>,
    near: Near,
    policies: bool,
}

impl Stamps {
    pub(super) fn new(cache: Cache, source: Source, near: Near, policies: bool) -> Self {
        Self {
            cache,
            source: Arc::new(source),
            near,
            policies,
        }
    }

    async fn cached_item(&self, item: u32, view: u32) -> Result<Value> {
        if self.policies {
            return self.read_with_policies(|| self.item_with_policies(item, view)).await;
        }
        if view >= FIRST_TOGETHER {
            let together = self.items_together(item, view).await?;
            return together.get(&item).copied().context("the item was left out");
        }
        let source = &self.source;
        if is_crash_safe(item) {
            with_near!(self.near, [off, tracked, checked], crash_safe_item(source, item, view))
        } else {
            with_near!(self.near, [off, tracked, checked], item(source, item, view))
        }
    }

    /// An item and others of its resource, of which calls of other items name some, too, in the order in which they come.
    async fn items_together(&self, item: u32, view: u32) -> Result<HashMap<u32, Value>> {
        let (items, source) = (together(item), &self.source);
        if is_crash_safe(item) {
            with_near!(
                self.near,
                [off, tracked, checked],
                crash_safe_items(source, &items, view)
            )
        } else {
            with_near!(self.near, [off, tracked, checked], items(source, &items, view))
        }
    }

    /// Reads in one of several ways.
    async fn read_with_policies<F: Future<Output = Result<Value>>>(&self, read: impl Fn() -> F) -> Result<Value> {
        match self.source.way() {
            Way::Call => read().await,
            Way::Refresh => refresh(read()).await,
            Way::Bypass => bypass(read()).await,
            Way::Peek => match peek(read()).await {
                Some(found) => found,
                None => read().await,
            },
        }
    }

    async fn item_with_policies(&self, item: u32, view: u32) -> Result<Value> {
        let source = Arc::clone(&self.source);
        if view >= FIRST_TOGETHER {
            let together = self.items_with_policies(together(item), view).await?;
            return together.get(&item).copied().context("the item was left out");
        }
        if is_crash_safe(item) {
            with_near!(
                self.near,
                [policies_off, policies_tracked, policies_checked],
                crash_safe_item(source, item, view)
            )
        } else {
            with_near!(
                self.near,
                [policies_off, policies_tracked, policies_checked],
                item(source, item, view)
            )
        }
    }

    async fn items_with_policies(&self, items: Vec<u32>, view: u32) -> Result<HashMap<u32, Value>> {
        let source = Arc::clone(&self.source);
        if is_crash_safe(items[0]) {
            with_near!(
                self.near,
                [policies_off, policies_tracked, policies_checked],
                crash_safe_items(source, items, view)
            )
        } else {
            with_near!(
                self.near,
                [policies_off, policies_tracked, policies_checked],
                items(source, items, view)
            )
        }
    }

    async fn cached_total(&self) -> Result<Value> {
        if self.policies {
            return self.read_with_policies(|| self.total_with_policies()).await;
        }
        with_near!(self.near, [off, tracked, checked], total(&self.source))
    }

    /// By its resource or by its tag.
    async fn total_with_policies(&self) -> Result<Value> {
        let source = Arc::clone(&self.source);
        if self.source.is_found_by_tag() {
            with_near!(
                self.near,
                [policies_off, policies_tracked, policies_checked],
                tagged_total(source)
            )
        } else {
            with_near!(
                self.near,
                [policies_off, policies_tracked, policies_checked],
                total(source)
            )
        }
    }

    #[invalidates(resources::item(item), resources::total, tag(resources::view = TOTAL))]
    async fn write_item(&self, item: u32, committed: &OnceLock<Committed>) -> Result<()> {
        self.commit(item, false, committed).await
    }

    #[invalidates(resources::crash_safe_item(item), resources::total, tag(resources::view = TOTAL))]
    async fn write_crash_safe_item(&self, item: u32, committed: &OnceLock<Committed>) -> Result<()> {
        self.commit(item, reach::is_held(), committed).await
    }

    async fn commit(&self, item: u32, held: bool, committed: &OnceLock<Committed>) -> Result<()> {
        let commit = self.source.write(item, held).await?;
        // The last thing the body does: from here on nothing is awaited before the invalidation is written down.
        committed.get_or_init(|| commit);
        Ok(())
    }

    async fn write_by_hand(&self, item: u32, how: How, committed: &OnceLock<Committed>) -> Result<Reach> {
        let commit = self.source.write(item, false).await?;
        let invalidated = if how == How::Everything {
            vec![self.cache.invalidate("*").await?]
        } else {
            let item = self.cache.invalidate("item").scope("item", item).await?;
            let tag = self.cache.invalidate_tag("view", TOTAL).await?;
            vec![item, self.cache.invalidate("total").await?, tag]
        };
        committed.get_or_init(|| commit);
        let pending = invalidated
            .into_iter()
            .find(|&invalidated| invalidated == Invalidated::Pending);
        Ok(pending.unwrap_or(Invalidated::Acknowledged).into())
    }
}

impl Service for Stamps {
    async fn item(&self, item: u32, view: u32) -> Result<Found> {
        loop {
            match found(self.cached_item(item, view)).await {
                // There was no old value to return.
                Err(error) if error.is::<LoadFailed>() => {}
                found => return Ok(found?.into()),
            }
        }
    }

    async fn total(&self) -> Result<Found> {
        Ok(found(self.cached_total()).await?.into())
    }

    async fn write(&self, item: u32, how: How, committed: &OnceLock<Committed>) -> Result<Option<Reach>> {
        if how != How::Annotated {
            return self.write_by_hand(item, how, committed).await.map(Some);
        }
        let (written, reach) = if is_crash_safe(item) {
            reach::of(self.write_crash_safe_item(item, committed)).await
        } else {
            reach::of(self.write_item(item, committed)).await
        };
        written?;
        let reach = reach.context("the log did not say whether an invalidation was acknowledged")?;
        Ok(Some(reach))
    }
}

//! All pages of a scan, one after the other, with a sign of life for those who wait.

use std::time::Duration;

use indicatif::ProgressBar;

use super::CommandError;
use crate::{
    inspect::{Inspector, Key, KeyFilter, KeyPage, KeySummary},
    store::{ScanCursor, StoreError, StoreErrorKind},
};

/// Keys that a page looks at.
const PAGE: usize = 2_000;

/// How often a page is asked for again while a lost connection is being replaced: for six seconds. A server that takes no writes
/// loses them again and again, as it is no longer used for calls, and what lies between is short. To ask while none is there costs
/// nothing.
const ATTEMPTS: u32 = 3_000;
const BETWEEN: Duration = Duration::from_millis(2);

pub(super) struct Pages<'a> {
    inspector: &'a Inspector,
    filter: KeyFilter,
    place: Place,
    seen: u64,
    progress: ProgressBar,
}

enum Place {
    Beginning,
    At(ScanCursor),
    End,
}

impl<'a> Pages<'a> {
    pub(super) fn new(inspector: &'a Inspector, filter: KeyFilter) -> Self {
        // On standard error, and only if that is a terminal.
        let progress = ProgressBar::new_spinner();
        progress.enable_steady_tick(Duration::from_millis(100));
        Self {
            inspector,
            filter,
            place: Place::Beginning,
            seen: 0,
            progress,
        }
    }

    /// The next page; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<KeyPage>, CommandError> {
        let from = match &self.place {
            Place::Beginning => None,
            Place::At(cursor) => Some(cursor),
            Place::End => return Ok(None),
        };
        let (inspector, filter) = (self.inspector, &self.filter);
        let page = patiently(async || inspector.keys(filter, from, PAGE).await).await?;
        self.seen += page.keys.len() as u64;
        self.progress.set_message(format!("{} keys", self.seen));
        self.place = match &page.next {
            Some(cursor) => Place::At(cursor.clone()),
            None => Place::End,
        };
        Ok(Some(page))
    }

    /// The next page, with what stands under the keys.
    pub(super) async fn next_summaries(&mut self) -> Result<Option<Summaries>, CommandError> {
        let Some(page) = self.next().await? else {
            return Ok(None);
        };
        let summaries = summaries(self.inspector, &page.keys).await?;
        Ok(Some(Summaries {
            summaries,
            unreadable: page.unreadable,
        }))
    }

    /// Whether there is nothing more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.place, Place::End)
    }
}

impl Drop for Pages<'_> {
    fn drop(&mut self) {
        self.progress.finish_and_clear();
    }
}

/// What stands under the keys of one page.
pub(super) struct Summaries {
    pub(super) summaries: Vec<KeySummary>,
    pub(super) unreadable: u64,
}

pub(super) async fn summaries(inspector: &Inspector, keys: &[Key]) -> Result<Vec<KeySummary>, CommandError> {
    Ok(patiently(async || inspector.summaries(keys).await).await?)
}

/// Asks again while a connection is being replaced.
pub(super) async fn patiently<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut attempts = 1;
    loop {
        match ask().await {
            Err(error) if attempts < ATTEMPTS && is_passing(&error) => {
                attempts += 1;
                tokio::time::sleep(BETWEEN).await;
            }
            answer => return answer,
        }
    }
}

fn is_passing(error: &StoreError) -> bool {
    matches!(
        error.kind(),
        StoreErrorKind::Connecting | StoreErrorKind::Unavailable | StoreErrorKind::RefusesWrites
    )
}

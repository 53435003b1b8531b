//! `ls`: entries, or other keys.

use std::{cmp::Reverse, process::ExitCode, time::Duration};

use serde::Serialize;

use super::{
    CommandContext, CommandError, format,
    output::Column,
    pages::Pages,
    selection::Selection,
    tally::{Tallies, TallyRow},
};
use crate::inspect::{KeyFilter, KeySummary};

/// List entries: size, age, what is left of the time-to-live, how long the store keeps them, and whether a read would take them.
///
/// The state is by the stamps that a key names. That an entry was invalidated by a tag, or softly, `get` shows.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "options are given or not")]
pub struct LsCommand {
    #[command(flatten)]
    selection: Selection,
    /// Only keys that match, all of the key; a * stands for any characters.
    #[arg(long, value_name = "PATTERN")]
    pattern: Option<String>,
    /// Stamps in place of entries.
    #[arg(long, conflicts_with_all = ["all", "summary"])]
    stamps: bool,
    /// Every key in the namespace, or, without one, in the database.
    #[arg(long, conflicts_with = "summary")]
    all: bool,
    /// Counts by resource in place of entries.
    #[arg(long)]
    summary: bool,
    /// The order.
    #[arg(long, value_enum, default_value = "key")]
    sort: Order,
    /// No more than this many; 0 for all.
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Order {
    /// By the key.
    Key,
    /// The largest first.
    Size,
    /// The oldest first.
    Age,
    /// What ends next first.
    Ttl,
}

/// What `ls --json` prints.
#[derive(Debug, Serialize)]
struct Listing {
    keys: Vec<KeySummary>,
    /// Whether these are all.
    is_complete: bool,
}

/// What `ls --summary --json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    resources: Vec<TallyRow>,
}

impl LsCommand {
    pub(super) async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        let inspector = context.reached().await?;
        let pages = Pages::new(&inspector, self.filter());
        if self.summary {
            self.summarise(pages, context).await?;
        } else {
            self.list(pages, context).await?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn filter(&self) -> KeyFilter {
        let kinds = match self {
            Self { all: true, .. } => KeyFilter::everything(),
            Self { stamps: true, .. } => KeyFilter::stamps(),
            _ => KeyFilter::entries(),
        };
        let filter = self.selection.narrow(kinds);
        match &self.pattern {
            Some(pattern) => filter.pattern(pattern),
            None => filter,
        }
    }

    async fn summarise(&self, mut pages: Pages<'_>, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
        let mut tallies = Tallies::default();
        while let Some(page) = pages.next_summaries().await? {
            for entry in &page.summaries {
                tallies.add(entry);
            }
        }
        drop(pages);
        let summary = Summary {
            resources: tallies.by_resource(),
        };
        context.say(self.json).either(&summary, |output| {
            output.table(&TallyRow::COLUMNS, summary.resources.iter().map(TallyRow::cells))
        })
    }

    async fn list(&self, mut pages: Pages<'_>, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut keys = Vec::new();
        // What comes first in another order may be found last.
        while (keys.len() <= limit || self.sort != Order::Key)
            && let Some(page) = pages.next_summaries().await?
        {
            keys.extend(page.summaries);
            if self.sort != Order::Key && keys.len() > limit.saturating_mul(4).max(10_000) {
                self.sort.apply(&mut keys);
                keys.truncate(limit + 1);
            }
        }
        self.sort.apply(&mut keys);
        let is_complete = keys.len() <= limit && pages.is_over();
        keys.truncate(limit);
        drop(pages);
        let listing = Listing { keys, is_complete };
        context.say(self.json).either(&listing, |output| {
            output.table(&COLUMNS, listing.keys.iter().map(cells))?;
            if !listing.is_complete {
                output.line(&format!("There are more than {limit}: see --limit, --summary."))?;
            }
            Ok(())
        })
    }
}

impl Order {
    fn apply(self, keys: &mut Vec<KeySummary>) {
        match self {
            Self::Key => {}
            Self::Size => keys.sort_by_key(|key| Reverse(key.size)),
            Self::Age => keys.sort_by_key(|key| Reverse(key.head.as_ref().map(|head| head.age))),
            Self::Ttl => keys.sort_by_key(|key| (ttl_left(key).is_none(), ttl_left(key))),
        }
        if self == Self::Key {
            keys.sort_by(|one, other| one.key.text.cmp(&other.key.text));
        }
        // A scan may bring a key more than once.
        keys.dedup_by(|one, other| one.key.text == other.key.text);
    }
}

pub(super) const COLUMNS: [Column; 6] = [
    Column::Text("KEY"),
    Column::Number("SIZE"),
    Column::Number("AGE"),
    Column::Number("TTL LEFT"),
    Column::Number("KEPT FOR"),
    Column::Text("STATE"),
];

/// What is left of an entry's time-to-live.
fn ttl_left(key: &KeySummary) -> Option<Duration> {
    key.head.as_ref().map(|head| head.ttl_left)
}

/// Of a key that is no entry: its kind in place of the state.
pub(super) fn cells(key: &KeySummary) -> Vec<String> {
    let age = key.head.as_ref().map(|head| format::duration(head.age));
    let state = if key.key.kind.is_entry() {
        key.state.as_str()
    } else {
        key.key.kind.as_str()
    };
    vec![
        key.key.text.clone(),
        format::bytes(key.size),
        age.unwrap_or_default(),
        ttl_left(key).map(format::duration).unwrap_or_default(),
        format::option_duration(key.time_left),
        state.to_owned(),
    ]
}

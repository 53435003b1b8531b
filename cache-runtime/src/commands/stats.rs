//! `stats`: keys and bytes by what they are of.

use std::{collections::BTreeMap, process::ExitCode};

use serde::Serialize;

use super::{
    CommandContext, CommandError, format,
    output::Column,
    pages::Pages,
    tally::{Tallies, TallyRow, bytes_of},
};
use crate::inspect::{KeyFilter, KeyKind};

/// Count keys and bytes by resource and tenant.
///
/// Of what is in the store, namespace by namespace. How many calls hit, each process knows of its own.
#[derive(Debug, Clone, clap::Args)]
pub struct StatsCommand {
    /// Only of this tenant.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `stats --json` prints.
#[derive(Debug, Serialize)]
struct Statistics {
    /// What takes most bytes first.
    resources: Vec<TallyRow>,
    kinds: Vec<KindRow>,
}

/// Keys of one kind.
#[derive(Debug, Serialize)]
struct KindRow {
    kind: KeyKind,
    keys: u64,
    /// Of keys and values; of what is no string, of the keys alone.
    bytes: u64,
}

impl StatsCommand {
    pub(super) async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        let inspector = context.reached().await?;
        let mut filter = KeyFilter::everything();
        if let Some(tenant) = &self.tenant {
            filter = filter.tenant(tenant);
        }
        let mut pages = Pages::new(&inspector, filter);
        let mut tallies = Tallies::default();
        let mut kinds: BTreeMap<KeyKind, (u64, u64)> = BTreeMap::new();
        while let Some(page) = pages.next_summaries().await? {
            for key in &page.summaries {
                let (keys, bytes) = kinds.entry(key.key.kind).or_default();
                *keys += 1;
                *bytes += bytes_of(key);
                if key.key.kind.is_entry() {
                    tallies.add(key);
                }
            }
            if page.unreadable > 0 {
                kinds.entry(KeyKind::Foreign).or_default().0 += page.unreadable;
            }
        }
        drop(pages);
        let kinds = kinds.into_iter();
        let statistics = Statistics {
            resources: tallies.by_tenant(),
            kinds: kinds
                .map(|(kind, (keys, bytes))| KindRow { kind, keys, bytes })
                .collect(),
        };
        context.say(self.json).either(&statistics, |output| {
            let rows = statistics.resources.iter().map(TallyRow::cells);
            output.table(&TallyRow::COLUMNS_WITH_TENANT, rows)?;
            if !statistics.resources.is_empty() {
                output.line("")?;
            }
            let columns = [Column::Text("KIND"), Column::Number("KEYS"), Column::Number("BYTES")];
            output.table(&columns, statistics.kinds.iter().map(KindRow::cells))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl KindRow {
    fn cells(&self) -> Vec<String> {
        vec![self.kind.to_string(), self.keys.to_string(), format::bytes(self.bytes)]
    }
}

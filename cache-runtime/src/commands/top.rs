//! `top`: what is called most, and what takes most.

use std::{cmp::Reverse, process::ExitCode};

use serde::Serialize;

use super::{
    CommandContext, CommandError, ls,
    output::{Column, Output},
    pages::{Pages, patiently},
    selection::Selection,
    tally::{Tallies, TallyRow},
};
use crate::inspect::{HotCall, KeyFilter, KeySummary};

/// Show the calls that are made most, the largest entries, and the resources that take most memory.
///
/// Calls are counted of the resources that a process warms (`Cache::warm`), and saved every minute.
#[derive(Debug, Clone, clap::Args)]
pub struct TopCommand {
    #[command(flatten)]
    selection: Selection,
    /// So many of each.
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `top --json` prints.
#[derive(Debug, Serialize)]
struct Top {
    calls: Vec<HotCall>,
    largest: Vec<KeySummary>,
    resources: Vec<TallyRow>,
}

impl TopCommand {
    pub(super) async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        let inspector = context.reached().await?;
        let mut calls = patiently(async || inspector.hot_calls().await).await?;
        calls.truncate(self.limit);
        let mut pages = Pages::new(&inspector, self.selection.narrow(KeyFilter::entries()));
        let (mut tallies, mut largest) = (Tallies::default(), Vec::new());
        while let Some(page) = pages.next_summaries().await? {
            for entry in page.summaries {
                tallies.add(&entry);
                largest.push(entry);
            }
            largest.sort_by_key(|entry: &KeySummary| Reverse(entry.size));
            largest.dedup_by(|one, other| one.key.text == other.key.text);
            largest.truncate(self.limit);
        }
        drop(pages);
        let mut resources = tallies.by_resource();
        resources.truncate(self.limit);
        let top = Top {
            calls,
            largest,
            resources,
        };
        context.say(self.json).either(&top, |output| top.show(output))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Top {
    fn show(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        if self.calls.is_empty() {
            output.line(
                "No calls are recorded: no process warms a resource (Cache::warm), or none has saved them yet.",
            )?;
        } else {
            let columns = [
                Column::Text("MOST CALLED"),
                Column::Text("FUNCTION"),
                Column::Text("TENANT"),
                Column::Text("ARGUMENTS"),
                Column::Number("WEIGHT"),
            ];
            output.table(&columns, self.calls.iter().map(call_cells))?;
        }
        output.line("")?;
        output.table(&ls::COLUMNS, self.largest.iter().map(ls::cells))?;
        output.line("")?;
        output.table(&TallyRow::COLUMNS, self.resources.iter().map(TallyRow::cells))
    }
}

fn call_cells(call: &HotCall) -> Vec<String> {
    vec![
        call.resource.clone(),
        call.function.clone(),
        call.tenant.clone().unwrap_or_default(),
        call.arguments.clone(),
        call.weight.to_string(),
    ]
}

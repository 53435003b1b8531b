//! `sweep`: the memory of what was invalidated.

use std::{process::ExitCode, time::Duration};

use indicatif::ProgressBar;
use serde::Serialize;

use super::{
    CommandContext, CommandError,
    format::{bytes, counted},
    pages::Pages,
    selection::Selection,
    tally::bytes_of,
};
use crate::{
    inspect::{EntryState, KeyFilter},
    key::{ENTRY, SHARED_TENANT, escape},
};

/// Remove what was invalidated, which gives its memory back. What a read would still take stays.
///
/// A service sweeps by itself, after each invalidation; this is for what was left, by a process that was killed or has no right to
/// sweep. It takes a small share of the server's time, and a while.
#[derive(Debug, Clone, clap::Args)]
pub struct SweepCommand {
    #[command(flatten)]
    selection: Selection,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `sweep --json` prints.
#[derive(Debug, Serialize)]
struct Outcome {
    dry_run: bool,
    /// Entries that were looked at.
    matched: u64,
    /// Of them, those that were removed, or would be.
    removed: u64,
    /// What these take; only of a dry run.
    bytes: Option<u64>,
}

impl SweepCommand {
    pub(super) async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        let outcome = if self.dry_run {
            self.look(context).await?
        } else {
            self.sweep(context).await?
        };
        context.say(self.json).either(&outcome, |output| {
            let (matched, removed) = (counted(outcome.matched, "entry", "entries"), outcome.removed);
            let line = match outcome.bytes {
                Some(size) => format!("{matched}; {removed} would be removed, {}.", bytes(size)),
                None => format!("{matched}; {removed} removed."),
            };
            output.line(&line)
        })?;
        Ok(ExitCode::SUCCESS)
    }

    async fn look(&self, context: &CommandContext<'_>) -> Result<Outcome, CommandError> {
        let inspector = context.reached().await?;
        let mut pages = Pages::new(&inspector, self.selection.narrow(KeyFilter::entries()));
        let (mut matched, mut removed, mut size) = (0, 0, 0);
        while let Some(page) = pages.next_summaries().await? {
            matched += page.summaries.len() as u64;
            for entry in page
                .summaries
                .iter()
                .filter(|entry| entry.state == EntryState::Invalidated)
            {
                removed += 1;
                size += bytes_of(entry);
            }
        }
        Ok(Outcome {
            dry_run: true,
            matched,
            removed,
            bytes: Some(size),
        })
    }

    async fn sweep(&self, context: &CommandContext<'_>) -> Result<Outcome, CommandError> {
        drop(context.reached().await?);
        let progress = ProgressBar::new_spinner().with_message("sweeping");
        progress.enable_steady_tick(Duration::from_millis(100));
        let swept = context.store()?.sweep(&[self.pattern(context)]).await;
        progress.finish_and_clear();
        let swept = swept?;
        Ok(Outcome {
            dry_run: false,
            matched: swept.matched,
            removed: swept.removed,
            bytes: None,
        })
    }

    /// It may match more than is meant: what is removed is dead.
    fn pattern(&self, context: &CommandContext<'_>) -> String {
        let namespace = context.cache().engine.namespace.prefix();
        let tenant = match &self.selection.tenant {
            _ if self.selection.shared => SHARED_TENANT.to_owned(),
            Some(tenant) => escape(tenant),
            None => "*".to_owned(),
        };
        let resource = self.selection.resource.as_deref().unwrap_or("*");
        let scopes = self.selection.scopes.iter();
        let scopes = scopes.map(|scope| format!("*{}-{}:", scope.name, escape(&scope.value)));
        format!("{namespace}{ENTRY}{tenant}:{resource}:{}*", scopes.collect::<String>())
    }
}

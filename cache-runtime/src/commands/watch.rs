//! `watch`: invalidations as they happen.

use std::{
    convert::Infallible,
    fmt,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::{CommandContext, CommandError, selection::Selection};
use crate::{
    entry::Stamp,
    inspect::{Key, KeyFilter, KeyKind},
    store::{Coherent, StampWatcher, Store, StoreError},
};

/// Show invalidations as they happen, whoever makes them, until Ctrl-C.
///
/// By what the server reports of stamps, as near = "tracked" does. A stamp that runs out or is evicted looks the same.
#[derive(Debug, Clone, clap::Args)]
pub struct WatchCommand {
    #[command(flatten)]
    selection: Selection,
    /// Show stamps that are created, too: the first load after each invalidation.
    #[arg(long)]
    created: bool,
    /// End after so many events.
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// End after this time, as in 30s.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    lasting: Option<Duration>,
    /// Print JSON, a line for each event.
    #[arg(long)]
    json: bool,
}

/// What `watch --json` prints, a line each.
#[derive(Debug, Serialize)]
struct Event {
    /// RFC 3339.
    at: String,
    #[serde(rename = "event")]
    kind: EventKind,
    #[serde(flatten)]
    key: Option<Key>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum EventKind {
    /// From here on nothing is missed.
    Watching,
    Invalidated,
    Created,
    /// Any stamp may have gone: the server was flushed, or is another one.
    Everything,
}

enum Report {
    Began,
    Changed(String),
    AllChanged,
}

impl WatchCommand {
    pub(super) async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        drop(context.reached().await?);
        let store = context.store()?;
        let (reports, received) = mpsc::unbounded_channel();
        let watch = store.watch_stamps(Arc::new(Listener(reports)));
        let ends_by_itself = async {
            match self.lasting {
                Some(lasting) => tokio::time::sleep(lasting).await,
                None => std::future::pending().await,
            }
        };
        let ended: Result<Infallible, StoreError> = tokio::select! {
            // Said before the watch is asked to go on, so that the last events are not lost.
            biased;
            shown = self.show(received, store, context) => {
                shown?;
                return Ok(ExitCode::SUCCESS);
            }
            () = ends_by_itself => return Ok(ExitCode::SUCCESS),
            ended = watch => ended,
        };
        match ended {
            Ok(never) => match never {},
            Err(cause) => Err(cause.into()),
        }
    }

    async fn show(
        &self,
        mut received: UnboundedReceiver<Report>,
        store: &dyn Store,
        context: &mut CommandContext<'_>,
    ) -> Result<(), CommandError> {
        let filter = self.selection.narrow(KeyFilter::stamps());
        let mut shown = 0;
        while self.count.is_none_or(|count| shown < count) {
            let Some(first) = received.recv().await else {
                return Ok(());
            };
            // A removal is reported twice: what stood there is replaced, and then removed.
            let mut changed: Vec<String> = Vec::new();
            let mut next = Some(first);
            while let Some(report) = next {
                match report {
                    Report::Began => self.say(context, EventKind::Watching, None)?,
                    Report::AllChanged => {
                        self.say(context, EventKind::Everything, None)?;
                        shown += 1;
                    }
                    Report::Changed(stamp) if !changed.contains(&stamp) => changed.push(stamp),
                    Report::Changed(_) => {}
                }
                next = received.try_recv().ok();
            }
            for (key, event) in self.events(&filter, &changed, store).await? {
                if self.count.is_none_or(|count| shown < count) {
                    self.say(context, event, Some(key))?;
                    shown += 1;
                }
            }
        }
        Ok(())
    }

    /// Which of the stamps that have changed are gone, and which are new.
    async fn events(
        &self,
        filter: &KeyFilter,
        changed: &[String],
        store: &dyn Store,
    ) -> Result<Vec<(Key, EventKind)>, CommandError> {
        let is_shown = |key: &Key| filter.accepts(key) && key.kind != KeyKind::Epoch;
        let keys: Vec<Key> = changed.iter().map(|key| Key::parse(key)).filter(is_shown).collect();
        let texts: Vec<String> = keys.iter().map(|key| key.text.clone()).collect();
        let values = store.look_at(&texts, Stamp::TEXT_LEN + 1).await?;
        let events = keys.into_iter().zip(values).map(|(key, value)| {
            // What a removal leaves for a moment is no stamp.
            let is_there = value.is_some_and(|value| Stamp::from_text(&value.bytes).is_some());
            let event = if is_there {
                EventKind::Created
            } else {
                EventKind::Invalidated
            };
            (key, event)
        });
        Ok(events
            .filter(|(_, event)| self.created || *event != EventKind::Created)
            .collect())
    }

    fn say(&self, context: &mut CommandContext<'_>, event: EventKind, key: Option<Key>) -> Result<(), CommandError> {
        let at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let line = match &key {
            Some(key) => format!("{at}  {event:<11}  {}", described(key)),
            None => format!("{at}  {event}"),
        };
        context.say(self.json).event(&Event { at, kind: event, key }, &line)
    }
}

/// A stamp by what depends on it.
fn described(key: &Key) -> String {
    let tenant = key.tenant.as_deref().unwrap_or_default();
    let resource = key.resource.as_deref().unwrap_or_default();
    let scopes = key
        .scopes
        .iter()
        .map(|scope| format!(" {}={}", scope.name, scope.value));
    let rest: String = match key.kind {
        KeyKind::Tag => format!("={}", key.hash.as_deref().unwrap_or_default()),
        KeyKind::SoftStamp => scopes.chain([" (softly)".to_owned()]).collect(),
        _ => scopes.collect(),
    };
    let tag = if matches!(key.kind, KeyKind::Tag | KeyKind::TagKind) {
        "tag "
    } else {
        ""
    };
    format!("{tenant}  {tag}{resource}{rest}")
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Watching => "watching",
            Self::Invalidated => "invalidated",
            Self::Created => "created",
            Self::Everything => "everything",
        })
    }
}

#[derive(Debug)]
struct Listener(UnboundedSender<Report>);

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Began => "Began",
            Self::Changed(stamp) => stamp,
            Self::AllChanged => "AllChanged",
        })
    }
}

impl Listener {
    fn tell(&self, report: Report) {
        // Whoever would show it has ended.
        drop(self.0.send(report));
    }
}

impl StampWatcher for Listener {
    fn began(&self) {
        self.tell(Report::Began);
    }

    fn coherent(&self, _coherent: Coherent) {}

    fn changed(&self, stamp: &str) {
        self.tell(Report::Changed(stamp.to_owned()));
    }

    fn all_changed(&self) {
        self.tell(Report::AllChanged);
    }
}

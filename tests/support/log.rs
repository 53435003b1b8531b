use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{
    Dispatch, Event, Level, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry};

/// A second subscriber, which hears nothing. Where there is one alone, a thread that has none and comes to an event first turns that off
/// for all threads (<https://github.com/tokio-rs/tracing/issues/3611>).
static OTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(registry()));

/// What the runtime logs on one thread, in order: each event's level, and its fields.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    /// Collects what this thread logs, for as long as the guard lives.
    pub fn start() -> (Self, DefaultGuard) {
        LazyLock::force(&OTHER);
        let log = Self::default();
        let guard = tracing::subscriber::set_default(registry().with(log.clone()));
        (log, guard)
    }

    /// Everything.
    ///
    /// # Panics
    ///
    /// If somebody panicked while they logged.
    pub fn events(&self) -> Vec<(Level, String)> {
        self.0.lock().expect("no panic holds it").clone()
    }

    /// What was said at this level.
    ///
    /// # Panics
    ///
    /// As [`events`](Self::events).
    pub fn at(&self, level: Level) -> Vec<String> {
        let events = self.events().into_iter();
        events
            .filter(|(at, _)| *at == level)
            .map(|(_, fields)| fields)
            .collect()
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target().starts_with("cache_runtime") {
            let said = (*event.metadata().level(), fields(event));
            self.0.lock().expect("no panic holds it").push(said);
        }
    }
}

/// The fields of an event, as words: `field=value field=value`.
pub fn fields(event: &Event<'_>) -> String {
    recorded(|fields| event.record(fields))
}

/// What is recorded, as text.
pub fn recorded(record: impl FnOnce(&mut dyn Visit)) -> String {
    let mut fields = Fields::default();
    record(&mut fields);
    fields.0
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).expect("a String takes everything");
    }
}

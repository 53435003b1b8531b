//! Whether the invalidation of an annotated function was acknowledged, and whether its hold was taken before its body. The
//! function returns what its body returns; it is the log that says so (docs/guarantees.md).

use std::cell::Cell;

use cache_runtime::Invalidated;
use cache_testkit::oracle::Reach;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Where the runtime says that.
const TARGET: &str = "cache_runtime::invalidation";
const FIELD: &str = "acknowledged";

/// Where it warns that a mutation goes on without its hold.
const HOLDS: &str = "cache_runtime::mutation::hold";

tokio::task_local! {
    static HEARD: Heard;
}

#[derive(Debug, Default)]
struct Heard {
    reach: Cell<Option<Reach>>,
    unheld: Cell<bool>,
}

/// Listens to the log of this process from now on.
pub(crate) fn listen() {
    tracing::subscriber::set_global_default(Listener).expect("nobody else listens in this process");
}

/// Runs a mutation, and returns whom its invalidation reached; `None` if it invalidated nothing.
pub(crate) async fn of<F: Future>(mutation: F) -> (F::Output, Option<Reach>) {
    HEARD
        .scope(Heard::default(), async {
            let output = mutation.await;
            (output, HEARD.with(|heard| heard.reach.get()))
        })
        .await
}

/// Inside the body of a mutation of `crash_safe` resources: whether its hold was taken.
pub(crate) fn is_held() -> bool {
    HEARD.try_with(|heard| !heard.unheld.get()).unwrap_or(false)
}

/// A subscriber that hears two events.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match metadata.target() {
            TARGET => metadata.is_event() && metadata.fields().field(FIELD).is_some(),
            HOLDS => metadata.is_event() && *metadata.level() == Level::WARN,
            _ => false,
        }
    }

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == HOLDS {
            let _ = HEARD.try_with(|heard| heard.unheld.set(true));
        } else {
            event.record(&mut Acknowledged);
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Acknowledged;

impl Visit for Acknowledged {
    fn record_bool(&mut self, field: &Field, acknowledged: bool) {
        if field.name() == FIELD {
            let invalidated = if acknowledged {
                Invalidated::Acknowledged
            } else {
                Invalidated::Pending
            };
            // Nobody asked about an invalidation by hand.
            let _ = HEARD.try_with(|heard| heard.reach.set(Some(invalidated.into())));
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

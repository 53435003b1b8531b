//! Whether the invalidation of an annotated function was acknowledged. The function returns what its body returns; it is
//! the log that says so (docs/guarantees.md).

use std::cell::Cell;

use cache_runtime::Invalidated;
use cache_testkit::oracle::Reach;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Where the runtime says it.
const TARGET: &str = "cache_runtime::invalidate";
const FIELD: &str = "acknowledged";

tokio::task_local! {
    static HEARD: Cell<Option<Reach>>;
}

/// Listens to the log of this process from now on.
pub(super) fn listen() {
    tracing::subscriber::set_global_default(Listener).expect("nobody else listens in this process");
}

/// Runs a mutation, and returns whom its invalidation reached; `None` if it invalidated nothing.
pub(super) async fn of<F: Future>(mutation: F) -> (F::Output, Option<Reach>) {
    HEARD
        .scope(Cell::new(None), async {
            let output = mutation.await;
            (output, HEARD.get().get())
        })
        .await
}

/// A subscriber that hears one field of one event.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == TARGET && metadata.fields().field(FIELD).is_some()
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Heard);
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Heard;

impl Visit for Heard {
    fn record_bool(&mut self, field: &Field, acknowledged: bool) {
        if field.name() == FIELD {
            let invalidated = if acknowledged {
                Invalidated::Acknowledged
            } else {
                Invalidated::Pending
            };
            // Nobody asked about an invalidation by hand.
            let _ = HEARD.try_with(|heard| heard.set(Some(invalidated.into())));
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

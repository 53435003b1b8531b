//! Changes that any program makes to a database, and the invalidations that follow from them.
//!
//! Tables are declared in [`resources!`](crate::resources), triggers write down what changes, and a [`Relay`] in one of the
//! service's processes invalidates what was cached of it. What fires and what does not, the lag, the failures and the rights
//! needed are [in the book](crate::manual::database).
//!
//! - [`PostgresOutbox`] and [`SqliteOutbox`] are the databases there are, each with a feature of its own.
//! - [`Triggers`] prints, installs, checks and removes what has to be in a database.
//! - [`Relay`] takes the changes from a [`ChangeSource`], invalidates, waits for the acknowledgement, and has them removed.
//! - [`ChangeSource`] is what another way to learn of changes implements: logical replication, a message queue.

mod declaration;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod outbox;
#[cfg(feature = "postgres")]
mod postgres;
mod relay;
mod source;
#[cfg(feature = "sqlite")]
mod sqlite;
mod triggers;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresOutbox;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteOutbox;
pub use self::{
    relay::{Relay, RelayBuilder, RelayError, RelayState, RelayStatus},
    source::{Backlog, Change, ChangeError, ChangeSource, SourceFuture, Taken},
    triggers::{Triggers, TriggersError, TriggersFuture},
};

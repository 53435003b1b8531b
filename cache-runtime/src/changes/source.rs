//! Where changes come from.

use std::{collections::BTreeMap, error, fmt, pin::Pin, sync::Arc, time::Duration};

use super::declaration::{Declaration, Values};

/// What the methods of a source return.
pub type SourceFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, ChangeError>> + Send + 'a>>;

/// Where a [`Relay`](super::Relay) learns of changes: an outbox that triggers fill, a replication slot, a queue.
///
/// A relay calls the methods one after the other, and never two at a time. It drops a future half-way only to end. After an
/// error it waits, longer each time, and begins again with [`take`](Self::take): a source that has lost its connection connects
/// there.
///
/// What is taken is given once more until it is [acknowledged](Self::acknowledge), to this process or to another one: an
/// invalidation may be made twice, and must not be left out. A change is not to be given before what it changed can be read, or
/// what is loaded again is the old row.
pub trait ChangeSource: fmt::Debug + Send + 'static {
    /// What it is, for the log. Without a password.
    fn description(&self) -> String;

    /// Takes the next changes, as many as are invalidated at once; an empty list if there are none. If another process has
    /// taken the work on, that is what is returned.
    fn take(&mut self) -> SourceFuture<'_, Taken>;

    /// What was taken last is invalidated, and is not to be given again.
    fn acknowledge(&mut self) -> SourceFuture<'_, ()>;

    /// What was taken last, if anything was, is not invalidated, and this process cannot do the work: another one may.
    fn stand_down(&mut self) -> SourceFuture<'_, ()>;

    /// Returns when there may be something to take, after `at_most` at the latest.
    fn wait(&mut self, at_most: Duration) -> SourceFuture<'_, ()>;

    /// How much waits. Asked for while nothing can be invalidated; a source whose changes pile up makes less of them here, by
    /// leaving out what another change covers.
    fn backlog(&mut self) -> SourceFuture<'_, Backlog>;
}

/// What [`ChangeSource::take`] has found.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a process has the work or has not, and who writes a relay must not forget either"
)]
pub enum Taken {
    /// These changes, the oldest first.
    Changes(Vec<Change>),
    /// Another process does the work; so much waits for it.
    Standby(Backlog),
}

/// How much waits to be invalidated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// How long the oldest change has been waiting, since it was written down; `None` if none waits.
    pub oldest: Option<Duration>,
}

impl Backlog {
    /// Of changes the oldest of which has been waiting for so long.
    pub const fn new(oldest: Option<Duration>) -> Self {
        Self { oldest }
    }
}

/// That rows of a table have changed.
#[derive(Debug, Clone)]
pub struct Change {
    pub(super) table: String,
    /// What says what it invalidates, if the source knows; else what the program declares for a table of this name.
    pub(super) declarations: Vec<Arc<Declaration>>,
    pub(super) values: Option<Values>,
    pub(super) age: Duration,
}

impl Change {
    /// Rows with these values of columns, `None` for NULL; of a change that alters a value one with the old and one with the new one.
    /// What is not given may be anything. Values are written as `Display` writes them in the service: that is what is compared.
    ///
    /// The table is named as it is declared, or with its schema in front: `public.invoices`. One that no declaration names
    /// invalidates nothing.
    pub fn of_rows<C: Into<String>, V: Into<String>>(
        table: impl Into<String>,
        values: impl IntoIterator<Item = (C, Option<V>)>,
    ) -> Self {
        let values = values
            .into_iter()
            .map(|(column, value)| (column.into(), value.map(Into::into)));
        Self {
            values: Some(values.collect::<BTreeMap<_, _>>()),
            ..Self::of_table(table)
        }
    }

    /// Any rows of a table, all of them perhaps.
    pub fn of_table(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            declarations: Vec::new(),
            values: None,
            age: Duration::ZERO,
        }
    }

    /// How long ago it was written down, for [`RelayStatus::lag`](super::RelayStatus::lag).
    #[must_use]
    pub fn since(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Whether a table that is declared so is meant.
    pub(super) fn is_of(&self, declared: &str) -> bool {
        let qualified = self.table.rsplit_once('.');
        self.table == declared || qualified.is_some_and(|(_, name)| name == declared)
    }
}

/// Why a source could not do something.
pub struct ChangeError(Box<dyn error::Error + Send + Sync>);

impl ChangeError {
    /// Because of this.
    pub fn new(cause: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Debug for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl error::Error for ChangeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source()
    }
}

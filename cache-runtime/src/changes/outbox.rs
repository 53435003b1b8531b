//! What the outboxes of all databases have in common: declarations as they stand in a database, and what is wrong with them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{
    declaration::{Declaration, Values},
    source::{Backlog, Change, ChangeError, Taken},
    triggers::TriggersError,
};
use crate::resource::{Registry, Table, declared, distance};

/// More values than this of one statement are written down as one change of all rows.
pub(super) const WIDEN_ABOVE: u32 = 100;

/// So many changes are taken at once.
pub(super) const BATCH: i64 = 256;

/// So many different keys of one source wait at most while nothing can be invalidated; of more, all rows are meant.
pub(super) const WAITING: i64 = 10_000;

/// What these registries declare, or all that are linked into the program, if none is given.
pub(super) fn declarations(registries: &[&'static Registry]) -> Result<Vec<Declaration>, TriggersError> {
    let declarations = if registries.is_empty() {
        Declaration::of_tables(declared::tables())
    } else {
        Declaration::of_tables(registries.iter().flat_map(|registry| registry.tables()))
    }?;
    if declarations.is_empty() {
        return Err(TriggersError::NothingDeclared);
    }
    Ok(declarations)
}

/// What is written down refers to, by its name there: what was declared when it was installed, and what this program declares for
/// the same table, if that is something else.
#[derive(Debug, Default)]
pub(super) struct Sources {
    declared: Vec<Arc<Declaration>>,
    installed: HashMap<String, Vec<Arc<Declaration>>>,
}

impl Sources {
    /// Of a program that declares these registries, or all that are linked into it.
    pub(super) fn of(registries: &[&'static Registry]) -> Self {
        // What cannot be declared is not installed either, and is said there.
        let declared = declarations(registries).unwrap_or_default();
        Self {
            declared: declared.into_iter().map(Arc::new).collect(),
            installed: HashMap::new(),
        }
    }

    /// Takes note of what is installed: names, and declarations in JSON.
    pub(super) fn read(&mut self, installed: Vec<(String, String)>) -> Result<(), ChangeError> {
        self.installed.clear();
        for (id, json) in installed {
            let declaration: Declaration = serde_json::from_str(&json).map_err(ChangeError::new)?;
            let own = self
                .declared
                .iter()
                .filter(|own| own.table == declaration.table && ***own != declaration);
            let own: Vec<_> = own.cloned().collect();
            let both = std::iter::once(Arc::new(declaration)).chain(own);
            self.installed.insert(id, both.collect());
        }
        Ok(())
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.installed.contains_key(id)
    }

    /// A change of rows with the values that `values` gives for the columns of the source, `None` for any; and how long ago.
    pub(super) fn change(
        &self,
        id: &str,
        values: impl FnOnce(&[String]) -> Option<Values>,
        age: Duration,
    ) -> Result<Change, ChangeError> {
        let unknown = || {
            ChangeError::new(format!(
                "a change names `{id}`, which is not among the sources of the outbox"
            ))
        };
        let declarations = self.installed.get(id).ok_or_else(unknown)?;
        let first = declarations.first().ok_or_else(unknown)?;
        Ok(Change {
            table: first.table.clone(),
            values: values(&first.columns),
            declarations: declarations.clone(),
            age,
        })
    }

    /// A change of any rows of every table.
    pub(super) fn changes_of_all(&self) -> impl Iterator<Item = Change> + '_ {
        self.installed.values().filter_map(|declarations| {
            let table = declarations.first()?.table.clone();
            Some(Change {
                declarations: declarations.clone(),
                ..Change::of_table(table)
            })
        })
    }
}

/// The connection of a relay to a database, and what it holds there.
pub(super) trait Session: Sized + Send {
    type Settings: Sync;

    fn begin(settings: &Self::Settings) -> impl Future<Output = Result<Self, ChangeError>> + Send;

    /// As [`ChangeSource`](super::source::ChangeSource) has them.
    fn take(&mut self) -> impl Future<Output = Result<Taken, ChangeError>> + Send;
    fn acknowledge(&mut self) -> impl Future<Output = Result<(), ChangeError>> + Send;
    fn stand_down(&mut self) -> impl Future<Output = Result<(), ChangeError>> + Send;
    fn wait(&mut self, at_most: Duration) -> impl Future<Output = Result<(), ChangeError>> + Send;
    fn backlog(&mut self) -> impl Future<Output = Result<Backlog, ChangeError>> + Send;
}

/// An outbox whose session is begun when a relay asks for something, and given up when a step fails, with what it holds.
pub(super) struct Outbox<S: Session> {
    pub(super) settings: S::Settings,
    session: Option<S>,
}

impl<S: Session> Outbox<S> {
    pub(super) const fn new(settings: S::Settings) -> Self {
        Self {
            settings,
            session: None,
        }
    }

    pub(super) async fn take(&mut self) -> Result<Taken, ChangeError> {
        let taken = self.session().await?.take().await;
        self.keep(taken)
    }

    pub(super) async fn acknowledge(&mut self) -> Result<(), ChangeError> {
        // Without the session that took them they were given back.
        let Some(session) = &mut self.session else {
            return Err(ChangeError::new("the connection is lost"));
        };
        let acknowledged = session.acknowledge().await;
        self.keep(acknowledged)
    }

    pub(super) async fn stand_down(&mut self) -> Result<(), ChangeError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let done = session.stand_down().await;
        self.keep(done)
    }

    pub(super) async fn wait(&mut self, at_most: Duration) -> Result<(), ChangeError> {
        let waited = self.session().await?.wait(at_most).await;
        self.keep(waited)
    }

    pub(super) async fn backlog(&mut self) -> Result<Backlog, ChangeError> {
        let backlog = self.session().await?.backlog().await;
        self.keep(backlog)
    }

    async fn session(&mut self) -> Result<&mut S, ChangeError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => S::begin(&self.settings).await?,
        };
        Ok(self.session.insert(session))
    }

    fn keep<T>(&mut self, outcome: Result<T, ChangeError>) -> Result<T, ChangeError> {
        if outcome.is_err() {
            self.session = None;
        }
        outcome
    }
}

/// The same outbox, with a session of its own.
impl<S: Session<Settings: Clone>> Clone for Outbox<S> {
    fn clone(&self) -> Self {
        Self::new(self.settings.clone())
    }
}

impl From<sqlx::Error> for ChangeError {
    fn from(error: sqlx::Error) -> Self {
        let is_missing = error.as_database_error().is_some_and(|error| {
            let code = error.code();
            // PostgreSQL knows no such table or schema; SQLite has one code for all that is wrong with a statement.
            code.is_some_and(|code| code == "42P01" || code == "3F000") || error.message().starts_with("no such table")
        });
        if is_missing {
            let text = format!("the outbox is not there: install the triggers, or run their migration ({error})");
            return Self::new(text);
        }
        Self::new(error)
    }
}

/// The name that is most like this one, unless there is none that is like it at all.
pub(super) fn most_similar<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names = names.into_iter().map(|name| (distance(wanted, name), name));
    let nearest = names
        .filter(|(distance, name)| *distance <= wanted.len().max(name.len()) / 2)
        .min();
    nearest.map(|(_, name)| name.to_owned())
}

/// What is said of a column that a declaration names, and its table does not have: it has these.
pub(super) fn missing_column<'a>(
    declaration: &Declaration,
    missing: &str,
    columns: impl Iterator<Item = &'a str> + Clone,
) -> TriggersError {
    TriggersError::NoColumn {
        table: declaration.table.clone(),
        column: missing.to_owned(),
        similar: most_similar(missing, columns.clone()),
        columns: columns.map(str::to_owned).collect(),
    }
}

/// A time as databases tell it; none, if it is before the one that it is counted from.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Two declarations of one table that contradict each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TenantConflict {
    pub(super) table: String,
    pub(super) columns: [Option<String>; 2],
}

impl From<TenantConflict> for TriggersError {
    fn from(TenantConflict { table, columns }: TenantConflict) -> Self {
        let [first, second] = columns.map(|column| match column {
            Some(column) => format!("`tenant = {column}`"),
            None => "no tenant".to_owned(),
        });
        Self::TenantConflict { table, first, second }
    }
}

impl Declaration {
    /// What these tables declare, one declaration for each table, in the order of the names.
    ///
    /// # Errors
    ///
    /// If two of one table name another column as the tenant's.
    pub(super) fn of_tables<'a>(tables: impl Iterator<Item = &'a Table>) -> Result<Vec<Self>, TenantConflict> {
        let mut declarations: BTreeMap<String, Self> = BTreeMap::new();
        for table in tables {
            let declaration = Self::of(table);
            match declarations.get_mut(&declaration.table) {
                Some(known) => known.merge(declaration)?,
                None => _ = declarations.insert(declaration.table.clone(), declaration),
            }
        }
        Ok(declarations.into_values().collect())
    }

    fn merge(&mut self, other: Self) -> Result<(), TenantConflict> {
        if self.tenant != other.tenant {
            return Err(TenantConflict {
                table: other.table,
                columns: [self.tenant.clone(), other.tenant],
            });
        }
        add_new(&mut self.columns, other.columns);
        add_new(&mut self.resources, other.resources);
        add_new(&mut self.tags, other.tags);
        Ok(())
    }

    /// As it stands in the database.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A name for it that no other declaration has.
    pub(super) fn id(&self) -> String {
        let digest = blake3::hash(self.to_json().as_bytes()).to_hex();
        digest[..16].to_owned()
    }
}

fn add_new<T: PartialEq>(known: &mut Vec<T>, others: Vec<T>) {
    for other in others {
        if !known.contains(&other) {
            known.push(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Resource, Tenancy};

    static LIST: Resource = Resource::__new("invoices_list", None, &["company"], Tenancy::PerTenant);
    static INVOICES: Table = Table::__new(
        None,
        "invoices",
        Some("tenant_id"),
        &[(&LIST, &[("company", "company_id")])],
        &[("author", "author_id")],
    );

    #[test]
    fn a_declaration_survives_its_json_and_has_a_name_of_its_own() {
        let declaration = Declaration::of(&INVOICES);
        let read: Declaration = serde_json::from_str(&declaration.to_json()).expect("it is JSON");
        assert_eq!(read, declaration);
        assert_eq!(read.id(), declaration.id());
        let mut other = declaration.clone();
        other.tags.clear();
        assert_ne!(other.id(), declaration.id());
    }

    #[test]
    fn two_declarations_of_one_table_are_one() {
        static TAGS: Table = Table::__new(
            None,
            "invoices",
            Some("tenant_id"),
            &[(&LIST, &[])],
            &[("reader", "reader_id")],
        );
        static OTHER: Table = Table::__new(None, "invoices", None, &[(&LIST, &[])], &[]);
        let merged = Declaration::of_tables([&INVOICES, &TAGS].into_iter()).expect("they agree");
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].tags.len(), 2);
        assert_eq!(merged[0].columns.last().map(String::as_str), Some("reader_id"));
        let conflict = Declaration::of_tables([&INVOICES, &OTHER].into_iter());
        assert_eq!(
            conflict,
            Err(TenantConflict {
                table: "invoices".to_owned(),
                columns: [Some("tenant_id".to_owned()), None]
            })
        );
    }
}

//! What has to be in a database, so that its changes are written down.

use std::{fmt, pin::Pin};

/// What the methods of [`Triggers`] return.
pub type TriggersFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, TriggersError>> + Send + 'a>>;

/// The triggers and tables in a database that write its changes down: printed for a migration, or installed, checked and removed.
///
/// What is declared is compared with the database first: a table or column that is not there is an error that names the nearest
/// one.
pub trait Triggers: fmt::Debug + Send + Sync {
    /// The statements that install what is declared. They may be run again and again, in one transaction, and bring whatever was
    /// installed before up to date.
    fn sql(&self) -> TriggersFuture<'_, String>;

    /// Runs these statements, all or none of them.
    fn install(&self) -> TriggersFuture<'_, ()>;

    /// How what is installed differs from what is declared, a sentence for each difference. Empty if it does not.
    fn check(&self) -> TriggersFuture<'_, Vec<String>>;

    /// Removes everything, and with it the changes that were not relayed yet.
    fn remove(&self) -> TriggersFuture<'_, ()>;
}

/// Why triggers could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TriggersError {
    /// No registry in this program declares a table.
    #[error("no table is declared: write `table invoices => invoices_list;` into `resources!`")]
    NothingDeclared,
    /// Two registries name another column as the tenant's.
    #[error("the table `{table}` is declared twice, with {first} and with {second}: use one of the two")]
    TenantConflict {
        /// The table.
        table: String,
        /// What one declaration says of the tenant.
        first: String,
        /// What another one says.
        second: String,
    },
    /// There is no such table.
    #[error("there is no table `{table}` in the database{}", did_you_mean(.similar.as_deref()))]
    NoTable {
        /// As it is declared.
        table: String,
        /// The name most like it.
        similar: Option<String>,
    },
    /// What is called so has no rows of its own.
    #[error("`{table}` is {kind}, which has no triggers of this kind: declare the tables that its rows come from")]
    NotATable {
        /// As it is declared.
        table: String,
        /// What it is: a view, for example.
        kind: String,
    },
    /// The table has no such column.
    #[error("the table `{table}` has no column `{column}`; it has {}{}", list(.columns), did_you_mean(.similar.as_deref()))]
    NoColumn {
        /// The table.
        table: String,
        /// As it is declared.
        column: String,
        /// The name most like it.
        similar: Option<String>,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// Values of the column are equal, and written differently.
    #[error(
        "the column `{column}` of the table `{table}` is `{kind}`: {reason}\nhelp: a scope is filled from an integer, a text, a \
         uuid, a boolean, a date or an enum; leave the column out, and the whole resource is invalidated"
    )]
    ColumnType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The type of the column.
        kind: String,
        /// Why it cannot fill a scope.
        reason: &'static str,
    },
    /// The database has refused something, or is not there.
    #[error("{what}: {cause}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// What the database says.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TriggersError {
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn database(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |cause| Self::Database {
            what,
            cause: cause.into(),
        }
    }
}

fn did_you_mean(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |similar| format!("\nhelp: did you mean `{similar}`?"))
}

fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

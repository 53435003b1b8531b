//! The data set of a database: made once, reused while its size is the one asked for.
use anyhow::Context as _;
use sqlx::{AnyConnection, Connection as _, Executor as _};

use super::{Database, Outbox, Target, generate, query, schema};
use crate::day::Day;

/// How much data to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Companies of the tenant `default`.
    pub companies: u32,
    /// Invoices of the tenant `default`.
    pub invoices: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            companies: 5,
            invoices: 400_000,
        }
    }
}

/// An open database and the day on which its data ends.
#[derive(Clone, Debug)]
pub struct Books {
    /// The database.
    pub db: Database,
    /// The "today" of the data: what is overdue does not depend on the day the program runs.
    pub today: Day,
    /// How much data there is.
    pub size: Size,
    /// What sees the changes that others make.
    pub outbox: Outbox,
    /// Whether the data was made just now, so that whatever a cache knows about it is out of date.
    pub fresh: bool,
}

/// Opens the database and sees to it that it holds a data set: of the given number of companies and invoices where
/// they are given, of whatever size is there otherwise, and of the default size when there is none.
///
/// # Errors
/// When the database cannot be reached, or holds tables that this program did not make.
pub async fn open(target: &Target, companies: Option<u32>, invoices: Option<u32>) -> anyhow::Result<Books> {
    let mut connection = target.exclusive().await?;
    let found = read(&mut connection, target).await?;
    let base = found.as_ref().map(|found| found.size).unwrap_or_default();
    let size = Size {
        companies: companies.unwrap_or(base.companies),
        invoices: invoices.unwrap_or(base.invoices),
    };

    let today = match found {
        Some(Found {
            size: there,
            today,
            is_current: true,
        }) if there == size => today,
        _ => {
            if let Some(Found { size: there, .. }) = found {
                eprintln!(
                    "{} holds {} companies and {} invoices, or tables of an earlier version; making it anew with {} and {}",
                    target.shown(),
                    there.companies,
                    there.invoices,
                    size.companies,
                    size.invoices
                );
                run(&mut connection, schema::DROP).await?;
            }
            run(&mut connection, schema::TABLES).await?;
            generate::fill(&mut connection, size)
                .await
                .context("filling the database")?;
            run(&mut connection, schema::INDICES).await?;
            generate::LAST_DAY
        }
    };
    connection.execute("COMMIT").await?;
    connection.close().await?;
    let fresh = found.is_none_or(|found| !(found.is_current && found.size == size));
    let outbox = target.outbox()?;
    // A service whose tables are made by migrations has a migration for this, too: `invoicing cache triggers` prints it.
    let triggers = outbox.triggers();
    if fresh || !triggers.check().await?.is_empty() {
        triggers.install().await?;
    }
    Ok(Books {
        db: Database::new(target.pool().await?),
        outbox,
        today,
        size,
        fresh,
    })
}

/// What is in the database, if it is one of ours.
async fn read(connection: &mut AnyConnection, target: &Target) -> anyhow::Result<Option<Found>> {
    let tables: Vec<(String,)> = sqlx::query_as(target.list_tables()).fetch_all(&mut *connection).await?;
    let has = |name: &str| tables.iter().any(|(table,)| table == name);
    if !has("invoicing_dataset") {
        for name in [
            "counters",
            "companies",
            "partners",
            "invoices",
            "payments",
            "treasury_movements",
        ] {
            anyhow::ensure!(
                !has(name),
                "{} has a table `{name}` that this program did not make; name an empty database instead",
                target.shown()
            );
        }
        return Ok(None);
    }
    let (companies, invoices) = (
        number(connection, "companies").await?,
        number(connection, "invoices").await?,
    );
    let sql = "SELECT value FROM invoicing_dataset WHERE name = 'today'";
    let (today,) = query::<(Day,)>(sql)
        .fetch_one(&mut *connection)
        .await
        .context("reading the data set's last day")?;
    let sql = "SELECT value FROM invoicing_dataset WHERE name = 'layout'";
    let layout = query::<(String,)>(sql).fetch_optional(connection).await?;
    Ok(Some(Found {
        size: Size { companies, invoices },
        today,
        is_current: layout.is_some_and(|(layout,)| layout == generate::LAYOUT),
    }))
}

/// The data set of a database as it is found.
struct Found {
    size: Size,
    today: Day,
    /// Whether its tables are those of this version.
    is_current: bool,
}

async fn number(connection: &mut AnyConnection, name: &'static str) -> anyhow::Result<u32> {
    let sql = "SELECT value FROM invoicing_dataset WHERE name = $1";
    let (value,) = query::<(String,)>(sql).bind(name).fetch_one(connection).await?;
    value
        .parse()
        .with_context(|| format!("the data set's number of {name} is `{value}`"))
}

async fn run(connection: &mut AnyConnection, statements: &[&'static str]) -> anyhow::Result<()> {
    for &statement in statements {
        connection
            .execute(statement)
            .await
            .with_context(|| statement.to_owned())?;
    }
    Ok(())
}

//! What is in the database, and what should be.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, SqliteConnection};

use super::{
    Settings, SqliteOutbox,
    statements::{self, Column, Kind, REMOVE_TABLES, Source, TRIGGER, Trigger, ident},
};
use crate::changes::{
    declaration::Declaration,
    outbox::{declarations, missing_column, most_similar},
    triggers::{Triggers, TriggersError, TriggersFuture},
};

impl Triggers for SqliteOutbox {
    fn sql(&self) -> TriggersFuture<'_, String> {
        Box::pin(async {
            let mut connection = self.0.settings.connected().await?;
            self.0.settings.statements(&mut connection).await
        })
    }

    fn install(&self) -> TriggersFuture<'_, ()> {
        Box::pin(async {
            let mut connection = self.0.settings.connected().await?;
            let sql = self.0.settings.statements(&mut connection).await?;
            let installed = run_all(&mut connection, sql).await;
            installed.map_err(TriggersError::database("the triggers cannot be installed"))
        })
    }

    fn check(&self) -> TriggersFuture<'_, Vec<String>> {
        Box::pin(async {
            let mut connection = self.0.settings.connected().await?;
            let sources = self.0.settings.sources(&mut connection).await?;
            let differences = differences(&mut connection, &sources).await;
            differences.map_err(unreadable())
        })
    }

    fn remove(&self) -> TriggersFuture<'_, ()> {
        Box::pin(async {
            let mut connection = self.0.settings.connected().await?;
            let removing = async {
                let triggers = installed(&mut connection).await?;
                let names = triggers.iter().map(|trigger| ident(&trigger.name));
                let drops: Vec<String> = names.map(|name| format!("DROP TRIGGER {name};\n")).collect();
                // First the triggers: without the tables they would let statements fail.
                run_all(&mut connection, drops.concat() + REMOVE_TABLES).await
            };
            let removed = removing.await;
            removed.map_err(TriggersError::database("the triggers cannot be removed"))
        })
    }
}

/// Runs statements in one transaction.
async fn run_all(connection: &mut SqliteConnection, sql: String) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    transaction.commit().await
}

impl Settings {
    async fn connected(&self) -> Result<SqliteConnection, TriggersError> {
        let connecting = self.connect().await;
        connecting.map_err(TriggersError::database("the database cannot be opened"))
    }

    async fn statements(&self, connection: &mut SqliteConnection) -> Result<String, TriggersError> {
        let sources = self.sources(connection).await?;
        let installed = installed(connection).await.map_err(unreadable())?;
        let wanted: Vec<Trigger> = sources.iter().flat_map(statements::triggers).collect();
        let names = installed.into_iter().map(|trigger| trigger.name);
        let surplus: Vec<String> = names
            .filter(|name| !wanted.iter().any(|wanted| wanted.name == *name))
            .collect();
        Ok(statements::install(&sources, &surplus))
    }

    /// What is declared, each with the table that it is about.
    async fn sources(&self, connection: &mut SqliteConnection) -> Result<Vec<Source>, TriggersError> {
        let mut sources = Vec::new();
        for declaration in declarations(&self.registries)? {
            sources.push(source(connection, declaration).await?);
        }
        Ok(sources)
    }
}

fn unreadable() -> impl FnOnce(sqlx::Error) -> TriggersError {
    TriggersError::database("what is in the database cannot be read")
}

/// The triggers of an outbox that there are.
async fn installed(connection: &mut SqliteConnection) -> Result<Vec<Trigger>, sqlx::Error> {
    let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, $1) = $2";
    let length = i64::try_from(TRIGGER.len()).unwrap_or_default();
    let rows = connection
        .fetch_all(sqlx::query(sql).bind(length).bind(TRIGGER))
        .await?;
    let trigger = |row: &sqlx::sqlite::SqliteRow| {
        Ok(Trigger {
            name: row.try_get("name")?,
            sql: row.try_get("sql")?,
        })
    };
    rows.iter().map(trigger).collect()
}

async fn differences(connection: &mut SqliteConnection, sources: &[Source]) -> Result<Vec<String>, sqlx::Error> {
    let tables = ["cache_runtime_outbox", "cache_runtime_sources", "cache_runtime_relay"];
    for table in tables {
        if find_table(connection, table).await?.is_none() {
            return Ok(vec![format!("nothing is installed: there is no table `{table}`")]);
        }
    }
    let mut differences = Vec::new();
    let installed = installed(connection).await?;
    let wanted: Vec<Trigger> = sources.iter().flat_map(statements::triggers).collect();
    for Trigger { name, sql } in &wanted {
        match installed.iter().find(|installed| installed.name == *name) {
            None => differences.push(format!("the trigger `{name}` is missing")),
            Some(installed) if installed.sql != *sql => {
                differences.push(format!(
                    "the trigger `{name}` is another one than what is declared needs"
                ));
            }
            Some(_) => {}
        }
    }
    for Trigger { name, .. } in &installed {
        if !wanted.iter().any(|wanted| wanted.name == *name) {
            differences.push(format!("the trigger `{name}` is of a table that is not declared"));
        }
    }
    for Source { declaration, .. } in sources {
        let sql = "SELECT 1 FROM cache_runtime_sources WHERE id = $1 AND relation IS NOT NULL";
        let known = connection
            .fetch_optional(sqlx::query(sql).bind(declaration.id()))
            .await?;
        if known.is_none() && differences.is_empty() {
            differences.push(format!(
                "what is installed for the table `{}` is of another declaration",
                declaration.table
            ));
        }
    }
    Ok(differences)
}

/// The table that a declaration is about, if it has the columns.
async fn source(connection: &mut SqliteConnection, declaration: Declaration) -> Result<Source, TriggersError> {
    let table = &declaration.table;
    let name = table.strip_prefix("main.").unwrap_or(table);
    let Some((relation, kind)) = find_table(connection, name).await.map_err(unreadable())? else {
        return Err(no_table(connection, declaration.table)
            .await
            .unwrap_or_else(unreadable()));
    };
    if let Some(kind) = kind {
        return Err(TriggersError::NotATable {
            table: table.clone(),
            kind: kind.to_owned(),
        });
    }
    let known = columns(connection, &relation).await.map_err(unreadable())?;
    let mut filling = Vec::with_capacity(declaration.columns.len());
    for named in &declaration.columns {
        // Names are the same there in whatever case.
        let Some(column) = known.iter().find(|known| known.name.eq_ignore_ascii_case(named)) else {
            let names = known.iter().map(|column| column.name.as_str());
            return Err(missing_column(&declaration, named, names));
        };
        filling.push(column.clone());
    }
    let unique = unique(connection, &relation).await.map_err(unreadable())?;
    Ok(Source {
        declaration,
        relation,
        columns: filling,
        unique,
    })
}

/// A table by its name, in whatever case, and what it is if it is none that has triggers.
async fn find_table(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<(String, Option<&'static str>)>, sqlx::Error> {
    let sql = "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name = $1 COLLATE NOCASE";
    let Some(row) = connection.fetch_optional(sqlx::query(sql).bind(name)).await? else {
        return Ok(None);
    };
    let (name, kind): (String, String) = (row.try_get("name")?, row.try_get("type")?);
    let sql: Option<String> = row.try_get("sql")?;
    let is_virtual = sql.is_some_and(|sql| sql.to_ascii_uppercase().starts_with("CREATE VIRTUAL"));
    let kind = match kind.as_str() {
        "view" => Some("a view"),
        _ if is_virtual => Some("a virtual table"),
        _ => None,
    };
    Ok(Some((name, kind)))
}

async fn no_table(connection: &mut SqliteConnection, table: String) -> Result<TriggersError, sqlx::Error> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'
                   AND name NOT LIKE 'cache@_runtime@_%' ESCAPE '@'";
    let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(connection).await?;
    Ok(TriggersError::NoTable {
        similar: most_similar(&table, names.iter().map(String::as_str)),
        table,
    })
}

async fn columns(connection: &mut SqliteConnection, table: &str) -> Result<Vec<Column>, sqlx::Error> {
    let rows = sqlx::query("SELECT name, upper(type) AS kind FROM pragma_table_xinfo($1)")
        .bind(table)
        .fetch_all(connection)
        .await?;
    let column = |row: &sqlx::sqlite::SqliteRow| {
        let declared: String = row.try_get("kind")?;
        let kind = match () {
            () if declared.contains("BOOL") => Kind::Boolean,
            () if declared.contains("UUID") || declared.contains("GUID") => Kind::Uuid,
            () => Kind::Plain,
        };
        let name = row.try_get("name")?;
        Ok(Column { name, kind })
    };
    rows.iter().map(column).collect()
}

/// The columns of the primary key and of what else is unique. Without those of expressions, which nobody can name.
async fn unique(connection: &mut SqliteConnection, table: &str) -> Result<Vec<Vec<String>>, sqlx::Error> {
    let mut unique: Vec<Vec<String>> = Vec::new();
    let primary = "SELECT name FROM pragma_table_xinfo($1) WHERE pk > 0 ORDER BY pk";
    let primary: Vec<String> = sqlx::query_scalar(primary)
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
    if !primary.is_empty() {
        unique.push(primary);
    }
    let indices = "SELECT name FROM pragma_index_list($1) WHERE \"unique\" AND origin <> 'pk' ORDER BY name";
    let indices: Vec<String> = sqlx::query_scalar(indices)
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
    for index in indices {
        let columns = "SELECT name FROM pragma_index_info($1) ORDER BY seqno";
        let columns: Vec<Option<String>> = sqlx::query_scalar(columns)
            .bind(index)
            .fetch_all(&mut *connection)
            .await?;
        let columns: Option<Vec<String>> = columns.into_iter().collect();
        unique.extend(columns);
    }
    Ok(unique)
}

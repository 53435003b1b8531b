//! What is in the database, and what should be.

use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _,
    postgres::{PgRow, types::Oid},
};

use super::{
    PostgresOutbox, Settings,
    statements::{self, Source},
};
use crate::changes::{
    declaration::Declaration,
    outbox::{declarations, missing_column, most_similar},
    triggers::{Triggers, TriggersError, TriggersFuture},
};

/// Others do not wait longer for a table whose triggers wait for somebody.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";

impl Triggers for PostgresOutbox {
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
            run_all(&mut connection, sql)
                .await
                .map_err(TriggersError::database("the triggers cannot be installed"))
        })
    }

    fn check(&self) -> TriggersFuture<'_, Vec<String>> {
        Box::pin(async {
            let mut connection = self.0.settings.connected().await?;
            let sources = self.0.settings.sources(&mut connection).await?;
            let differences = self.0.settings.differences(&mut connection, &sources).await;
            differences.map_err(TriggersError::database("what is installed cannot be read"))
        })
    }

    fn remove(&self) -> TriggersFuture<'_, ()> {
        Box::pin(async {
            let mut connection = self.0.settings.connected().await?;
            let removing = async {
                run_all(&mut connection, statements::remove(&self.0.settings.names)).await?;
                self.0.settings.drop_empty_schema(&mut connection).await
            };
            removing
                .await
                .map_err(TriggersError::database("the triggers cannot be removed"))
        })
    }
}

/// Runs statements in one transaction.
async fn run_all(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    transaction.execute(LOCK_TIMEOUT).await?;
    transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    transaction.commit().await
}

impl Settings {
    async fn connected(&self) -> Result<PgConnection, TriggersError> {
        let connecting = self.connect().await;
        connecting.map_err(TriggersError::database("the database cannot be reached"))
    }

    async fn drop_empty_schema(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let sql = "SELECT EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = \
                   to_regnamespace({literal}))";
        let has_more: bool = self.scalar(connection, sql).await?;
        if !has_more {
            let sql = self.names.within("DROP SCHEMA IF EXISTS {schema}");
            connection.execute(AssertSqlSafe(sql)).await?;
        }
        Ok(())
    }

    async fn scalar<T>(&self, connection: &mut PgConnection, sql: &str) -> Result<T, sqlx::Error>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let query = sqlx::query_scalar(AssertSqlSafe(self.names.within(sql)));
        query.fetch_one(connection).await
    }

    async fn rows(&self, connection: &mut PgConnection, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        let query = sqlx::query(AssertSqlSafe(self.names.within(sql)));
        query.fetch_all(connection).await
    }

    async fn statements(&self, connection: &mut PgConnection) -> Result<String, TriggersError> {
        let sources = self.sources(connection).await?;
        Ok(statements::install(self, &sources))
    }

    /// What is declared, each with the table that it is about.
    async fn sources(&self, connection: &mut PgConnection) -> Result<Vec<Source>, TriggersError> {
        let mut sources = Vec::new();
        for declaration in declarations(&self.registries)? {
            sources.push(source(connection, declaration).await?);
        }
        Ok(sources)
    }

    async fn differences(&self, connection: &mut PgConnection, sources: &[Source]) -> Result<Vec<String>, sqlx::Error> {
        let schema = self.names.schema();
        let sql = "SELECT to_regclass({literal} || '.outbox') IS NOT NULL AND to_regclass({literal} || '.members') IS NOT NULL";
        if !self.scalar::<bool>(connection, sql).await? {
            return Ok(vec![format!("nothing is installed in the schema `{schema}`")]);
        }
        let mut differences = Vec::new();
        self.compare_functions(connection, sources, &mut differences).await?;
        self.compare_sources(connection, sources, &mut differences).await?;
        // Of functions that are not as they should be nothing is asked.
        if differences.is_empty() {
            self.compare_triggers(connection, &mut differences).await?;
        }
        Ok(differences)
    }

    async fn compare_functions(
        &self,
        connection: &mut PgConnection,
        sources: &[Source],
        differences: &mut Vec<String>,
    ) -> Result<(), sqlx::Error> {
        let sql =
            "SELECT proname::text AS name, prosrc AS body FROM pg_proc WHERE pronamespace = {literal}::regnamespace";
        let rows = self.rows(connection, sql).await?;
        let mut installed: Vec<(String, String)> = Vec::new();
        for row in rows {
            installed.push((row.try_get("name")?, row.try_get("body")?));
        }
        let text = statements::install(self, sources);
        for (name, body) in statements::bodies(&text) {
            let place = format!("the function `{}.{name}`", self.names.schema());
            match installed.iter().find(|(installed, _)| installed == name) {
                None => differences.push(format!("{place} is missing")),
                Some((_, installed)) if installed.trim() != body.trim() => {
                    differences.push(format!("{place} is another one than what is declared needs"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn compare_sources(
        &self,
        connection: &mut PgConnection,
        sources: &[Source],
        differences: &mut Vec<String>,
    ) -> Result<(), sqlx::Error> {
        let sql =
            "SELECT id, declaration ->> 'table' AS name, relation FROM {schema}.sources WHERE relation IS NOT NULL";
        let rows = self.rows(connection, sql).await?;
        let mut installed: Vec<(String, String, String)> = Vec::new();
        for row in rows {
            installed.push((row.try_get("id")?, row.try_get("name")?, row.try_get("relation")?));
        }
        for Source {
            declaration, relation, ..
        } in sources
        {
            let table = &declaration.table;
            match installed.iter().find(|(_, _, installed)| installed == relation) {
                None => differences.push(format!(
                    "the table `{table}` is declared, and nothing is installed for it"
                )),
                Some((id, ..)) if *id != declaration.id() => {
                    differences.push(format!(
                        "what is installed for the table `{table}` is of another declaration"
                    ));
                }
                Some(_) => {}
            }
        }
        for (_, table, installed) in installed {
            if !sources.iter().any(|source| source.relation == installed) {
                differences.push(format!(
                    "triggers are installed for the table `{table}`, which is not declared"
                ));
            }
        }
        Ok(())
    }

    async fn compare_triggers(
        &self,
        connection: &mut PgConnection,
        differences: &mut Vec<String>,
    ) -> Result<(), sqlx::Error> {
        let sql = "
            SELECT t.member::regclass::text AS name, w.event, g.tgenabled IS NULL AS is_missing
            FROM {schema}.tree() t CROSS JOIN {schema}.wanted() w
            LEFT JOIN pg_trigger g ON g.tgrelid = t.member AND g.tgname = {literal} || '_' || w.event || '_' || right(t.function, 8)
            WHERE g.tgenabled IS DISTINCT FROM w.state ORDER BY 1, 2";
        let rows = self.rows(connection, sql).await?;
        for row in rows {
            let (name, event): (String, String) = (row.try_get("name")?, row.try_get("event")?);
            let what = if row.try_get("is_missing")? {
                "is missing"
            } else {
                "is not enabled as it should be"
            };
            differences.push(format!("the trigger for `{event}` of the table `{name}` {what}"));
        }
        Ok(())
    }
}

/// The table that a declaration is about, if it has the columns, and these can fill scopes.
async fn source(connection: &mut PgConnection, declaration: Declaration) -> Result<Source, TriggersError> {
    let unreadable = || TriggersError::database("the tables of the database cannot be read");
    let (schema, name) = match declaration.table.split_once('.') {
        Some((schema, name)) => (Some(schema.to_owned()), name.to_owned()),
        None => (None, declaration.table.clone()),
    };
    // As the database looks for a table whose schema is not named.
    let found = sqlx::query(
        "SELECT c.oid, c.relkind::text AS kind, format('%I.%I', n.nspname, c.relname) AS relation
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND (n.nspname = $1 OR $1 IS NULL AND pg_table_is_visible(c.oid))",
    )
    .bind(schema)
    .bind(name)
    .fetch_optional(&mut *connection)
    .await
    .map_err(unreadable())?;
    let Some(found) = found else {
        return Err(no_table(connection, declaration.table)
            .await
            .unwrap_or_else(unreadable()));
    };
    let (oid, kind, relation) = read_table(&found).map_err(unreadable())?;
    check_kind(&declaration, &kind)?;
    let columns = columns(connection, oid).await.map_err(unreadable())?;
    let mut has_dates = false;
    for named in &declaration.columns {
        let Some(column) = columns.iter().find(|column| column.name == *named) else {
            let names = columns.iter().map(|column| column.name.as_str());
            return Err(missing_column(&declaration, named, names));
        };
        column.check(&declaration.table)?;
        has_dates |= column.kind == "date";
    }
    Ok(Source {
        declaration,
        relation,
        has_dates,
    })
}

fn read_table(row: &PgRow) -> Result<(Oid, String, String), sqlx::Error> {
    Ok((row.try_get("oid")?, row.try_get("kind")?, row.try_get("relation")?))
}

fn check_kind(declaration: &Declaration, kind: &str) -> Result<(), TriggersError> {
    let kind = match kind {
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        _ => return Ok(()),
    };
    Err(TriggersError::NotATable {
        table: declaration.table.clone(),
        kind: kind.to_owned(),
    })
}

async fn no_table(connection: &mut PgConnection, table: String) -> Result<TriggersError, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text ELSE format('%s.%s', n.nspname, c.relname) END
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'",
    )
    .fetch_all(connection)
    .await?;
    Ok(TriggersError::NoTable {
        similar: most_similar(&table, names.iter().map(String::as_str)),
        table,
    })
}

/// A column of a table.
struct Column {
    name: String,
    /// The type, that of a domain the one below it.
    kind: String,
    /// `e` for an enum.
    type_type: String,
    /// Whether equal texts are the same.
    is_exact: bool,
}

async fn columns(connection: &mut PgConnection, table: Oid) -> Result<Vec<Column>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT a.attname::text AS name, format_type(b.oid, NULL) AS kind, b.typtype::text AS type_type,
             COALESCE(c.collisdeterministic, true) AS is_exact
         FROM pg_attribute a
         JOIN pg_type t ON t.oid = a.atttypid
         JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
         LEFT JOIN pg_collation c ON c.oid = a.attcollation
         WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attnum",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    let column = |row: &PgRow| {
        Ok(Column {
            name: row.try_get("name")?,
            kind: row.try_get("kind")?,
            type_type: row.try_get("type_type")?,
            is_exact: row.try_get("is_exact")?,
        })
    };
    rows.iter().map(column).collect()
}

impl Column {
    /// Whether values that the database takes for equal are written the same way, and as Rust writes them.
    fn check(&self, table: &str) -> Result<(), TriggersError> {
        let reason = match self.kind.as_str() {
            "smallint" | "integer" | "bigint" | "uuid" | "boolean" | "date" => return Ok(()),
            "text" | "character varying" if self.is_exact => return Ok(()),
            _ if self.type_type == "e" => return Ok(()),
            "text" | "character varying" | "citext" => "texts are equal there that are not written the same way",
            "character" => "it is filled up with spaces, which are there or not",
            "numeric" => "1.5 and 1.50 are equal there, and not written the same way",
            _ => "its values can be written in more than one way",
        };
        Err(TriggersError::ColumnType {
            table: table.to_owned(),
            column: self.name.clone(),
            kind: self.kind.clone(),
            reason,
        })
    }
}

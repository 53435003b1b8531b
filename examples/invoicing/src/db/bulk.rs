//! Many rows in few statements.
use std::mem;

use sqlx::{Any, AnyConnection, Arguments as _, AssertSqlSafe, Encode, Type, any::AnyArguments};

/// Rows on their way into one table, sent by the dozen. [`Bulk::send`] has to be called at the end.
pub(super) struct Bulk {
    insert: String,
    columns: usize,
    full: String,
    rows: usize,
    arguments: AnyArguments,
}

/// Rows of one statement: enough to make the round trip cheap, and few enough for SQLite, where binding takes time that
/// grows with the square of the number of arguments.
const ROWS: usize = 25;

impl Bulk {
    pub(super) fn into(table: &str, columns: &[&str]) -> Self {
        let insert = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
        let full = statement(&insert, columns.len(), ROWS);
        Self {
            insert,
            columns: columns.len(),
            full,
            rows: 0,
            arguments: AnyArguments::default(),
        }
    }

    /// Adds one value; the columns of a row one after the other.
    pub(super) fn value<'t, T: Encode<'t, Any> + Type<Any>>(&mut self, value: T) -> Result<&mut Self, sqlx::Error> {
        self.arguments.add(value).map_err(sqlx::Error::Encode)?;
        Ok(self)
    }

    /// Ends a row. Returns whether it is time to [`Bulk::send`].
    pub(super) fn end_row(&mut self) -> bool {
        self.rows += 1;
        self.rows == ROWS
    }

    /// Sends the rows that have not been sent yet.
    pub(super) async fn send(&mut self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        if self.rows > 0 {
            let partial = (self.rows < ROWS).then(|| statement(&self.insert, self.columns, self.rows));
            let sql = AssertSqlSafe(partial.as_deref().unwrap_or(&self.full));
            self.rows = 0;
            sqlx::query_with(sql, mem::take(&mut self.arguments))
                .execute(connection)
                .await?;
        }
        Ok(())
    }
}

/// `INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)`; made of constants and numbers alone.
fn statement(insert: &str, columns: usize, rows: usize) -> String {
    let mut sql = insert.to_owned();
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=columns {
            let comma = if column == 1 { "" } else { ", " };
            sql.push_str(comma);
            sql.push('$');
            sql.push_str(&(row * columns + column).to_string());
        }
        sql.push(')');
    }
    sql
}

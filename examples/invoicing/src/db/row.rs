//! Rows, and what they are read into.

use sqlx::{FromRow, any::AnyRow};

/// What a row can be read into.
pub trait Row: for<'r> FromRow<'r, AnyRow> + Send + Unpin {}

impl<T: for<'r> FromRow<'r, AnyRow> + Send + Unpin> Row for T {}

/// Reads rows into a struct, whose fields are called as the columns are.
///
/// `#[derive(sqlx::FromRow)]` would do so, too. But sqlx's derives come with the drivers of all databases once more, built for
/// the compiler, SQLite's C among them.
macro_rules! read_from_row {
    ($row:ident { $($column:ident),+ $(,)? }) => {
        impl<'r> sqlx::FromRow<'r, sqlx::any::AnyRow> for $row {
            fn from_row(row: &'r sqlx::any::AnyRow) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: sqlx::Row::try_get(row, stringify!($column))?),+ })
            }
        }
    };
}

pub(crate) use read_from_row;

//! What the triggers add to statements.

use std::time::Instant;

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, Executor as _, postgres::PgConnection};
use tokio::runtime::Runtime;

use super::books::{Books, DECLARED, ROWS, UNDECLARED};
use crate::{
    bench::{Bench, say},
    figure::{Figure, Must, Series, Spread, Unit},
    measure::{Contender, interleaved, nanoseconds},
};

/// What a statement may take, of the time that it takes without a trigger.
const MOST: f64 = 1.25;

pub(super) fn figures(bench: Bench, runtime: &Runtime, books: &Books) -> Result<Vec<Figure>> {
    say("triggers");
    let compare = |rows| compare(bench, runtime, books, rows);
    let figure = |name, [with, without]: [Series; 2]| books.figure(name, Unit::Nanoseconds, with).against(without);
    let judged = |figure| books.judged(figure, Must::RatioAtMost(MOST));
    let one = judged(figure("UPDATE of one row", compare(1)?));
    let many = judged(figure("UPDATE of 10,000 rows", compare(ROWS)?));
    let relayed = runtime.block_on(books.relayed())?;
    let relaying = figure("UPDATE of one row, a relay at work", compare(1)?);
    runtime.block_on(relayed.end());
    Ok(vec![one, many, relaying])
}

/// The times of a statement that changes so many rows, with a trigger and without.
fn compare(bench: Bench, runtime: &Runtime, books: &Books, rows: i64) -> Result<[Series; 2]> {
    let contender = |name, table| {
        let mut connection = runtime.block_on(books.connect())?;
        let measure = move || {
            runtime.block_on(async {
                let time = median(bench, &mut connection, table, rows).await?;
                books.forget().await?;
                Ok(time)
            })
        };
        anyhow::Ok(Contender::new(name, measure))
    };
    let mut contenders = [
        contender("with a trigger", DECLARED)?,
        contender("without", UNDECLARED)?,
    ];
    let series = interleaved(bench.rounds(), &mut contenders)?;
    Ok(series.try_into().expect("two contenders"))
}

async fn median(bench: Bench, connection: &mut PgConnection, table: &str, rows: i64) -> Result<f64> {
    let statement = format!("UPDATE {table} SET amount = amount + 1 WHERE id BETWEEN $1 AND $2");
    let mut times = Vec::new();
    let over = Instant::now() + bench.window();
    let firsts = (1..=ROWS + 1 - rows).step_by(7).cycle();
    for first in firsts {
        let update = sqlx::query(AssertSqlSafe(statement.as_str()))
            .bind(first)
            .bind(first + rows - 1);
        let started = Instant::now();
        let updated = connection.execute(update).await?;
        let ended = Instant::now();
        times.push(nanoseconds(ended - started));
        ensure!(i64::try_from(updated.rows_affected())? == rows, "{updated:?}");
        if ended > over {
            break;
        }
    }
    Ok(Spread::of(times).map_or(f64::NAN, |spread| spread.median))
}

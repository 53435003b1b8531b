//! What the triggers add to statements.

use std::time::Instant;

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, Executor as _, postgres::PgConnection};
use tokio::runtime::Runtime;

use super::books::{Books, INVOICES, LINES, Pair, ROWS};
use crate::{
    bench::{Bench, one_thread, say},
    figure::{Figure, Must, Series, Spread, Unit},
    measure::nanoseconds,
};

/// What a statement may take, of the time that it takes without a trigger.
const MOST: f64 = 1.25;

/// How often each of the two statements is timed in a round, at least.
const FEWEST: usize = 12;

pub(super) fn figures(bench: Bench, runtime: &Runtime, books: &Books) -> Result<Vec<Figure>> {
    say("triggers");
    let compare = |name, pair, rows| {
        let [with, without] = compare(bench, books, pair, rows)?;
        anyhow::Ok(books.figure(name, Unit::Nanoseconds, with).against(without))
    };
    let judged = |figure| books.judged(figure, Must::RatioAtMost(MOST));
    let mut figures = vec![
        judged(compare("UPDATE of one row", &INVOICES, 1)?),
        judged(compare("UPDATE of 10,000 rows", &INVOICES, ROWS)?),
        compare("UPDATE of one narrow row", &LINES, 1)?,
        compare("UPDATE of 10,000 narrow rows", &LINES, ROWS)?,
    ];
    let relayed = runtime.block_on(books.relayed())?;
    figures.push(compare("UPDATE of one row, a relay at work", &INVOICES, 1)?);
    runtime.block_on(relayed.end());
    Ok(figures)
}

/// The times of a statement that changes so many rows, with a trigger and without.
///
/// The two take turns, on one connection and with tables as they were at first: what is slow for a while, and a table that grows, is so
/// for both. Their plans are made once: otherwise the server plans a prepared statement anew each time if it takes that for cheaper, which
/// it did for one of two tables alike. The client has one thread, so that the server keeps the other core.
fn compare(bench: Bench, books: &Books, pair: &Pair, rows: i64) -> Result<[Series; 2]> {
    let runtime = one_thread()?;
    runtime.block_on(books.rewrite(pair))?;
    let mut connection = runtime.block_on(books.connect())?;
    runtime.block_on(connection.execute("SET plan_cache_mode = force_generic_plan"))?;
    let mut series = ["with a trigger", "without"].map(|name| Series {
        name: name.to_owned(),
        samples: Vec::with_capacity(bench.rounds()),
    });
    for _ in 0..bench.rounds() {
        let medians = runtime.block_on(async {
            let medians = medians(bench, &mut connection, pair, rows).await?;
            books.forget().await?;
            anyhow::Ok(medians)
        })?;
        for (series, median) in series.iter_mut().zip(medians) {
            series.samples.push(median);
        }
    }
    Ok(series)
}

/// What the statement takes in one round, for the table with triggers and for the other one.
async fn medians(bench: Bench, connection: &mut PgConnection, pair: &Pair, rows: i64) -> Result<[f64; 2]> {
    let tables = [pair.declared, pair.undeclared];
    let mut times = [Vec::new(), Vec::new()];
    let over = Instant::now() + bench.window() * 2;
    let firsts = (1..=ROWS + 1 - rows).step_by(7).cycle();
    for (nth, first) in firsts.enumerate() {
        for turn in 0..tables.len() {
            let table = (nth + turn) % tables.len();
            times[table].push(update(connection, tables[table], first, rows).await?);
        }
        if nth >= FEWEST && Instant::now() > over {
            break;
        }
    }
    Ok(times.map(|times| Spread::of(times).map_or(f64::NAN, |spread| spread.median)))
}

/// What one statement takes that changes so many rows from this one on.
async fn update(connection: &mut PgConnection, table: &str, first: i64, rows: i64) -> Result<f64> {
    let statement = format!("UPDATE {table} SET amount = amount + 1 WHERE id BETWEEN $1 AND $2");
    let update = sqlx::query(AssertSqlSafe(statement)).bind(first).bind(first + rows - 1);
    let started = Instant::now();
    let updated = connection.execute(update).await?;
    let took = nanoseconds(started.elapsed());
    ensure!(i64::try_from(updated.rows_affected())? == rows, "{updated:?}");
    Ok(took)
}

//! How many changes a relay gets through.

use std::time::Instant;

use anyhow::Result;
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::runtime::Runtime;

use super::books::{Books, INVOICES, Relayed};
use crate::{
    bench::{Bench, say},
    figure::{Figure, OURS, Unit},
    measure::{Contender, interleaved},
};

pub(super) fn figures(bench: Bench, runtime: &Runtime, books: &Books) -> Result<Vec<Figure>> {
    say("changes relayed");
    let relayed = runtime.block_on(books.relayed())?;
    let rate = |companies| runtime.block_on(rate(books, &relayed, companies));
    let series = interleaved(
        bench.rounds(),
        &mut [Contender::new(OURS, || rate(1)), Contender::new(OURS, || rate(CHANGES))],
    )?;
    runtime.block_on(relayed.end());
    let [of_one, of_each] = series.try_into().expect("two contenders");
    Ok(vec![
        books.figure("changes relayed, all of one company", Unit::PerSecond, of_one),
        books.figure("changes relayed, each of another company", Unit::PerSecond, of_each),
    ])
}

/// So many are written down at once, as by as many statements.
const CHANGES: u32 = 20_000;

/// Changes of this many companies a second, from the first batch to the last.
async fn rate(books: &Books, relayed: &Relayed, companies: u32) -> Result<f64> {
    books.forget().await?;
    let mut connection = books.connect().await?;
    let relay = relayed.relay.clone();
    let before = relay.status().relayed;
    let all = before + u64::from(CHANGES);
    let watch = tokio::spawn(async move {
        let first = relay.until(|status| status.relayed > before).await.relayed;
        let started = Instant::now();
        relay.until(|status| status.relayed >= all).await;
        (all - first, started.elapsed())
    });
    let write = format!(
        "INSERT INTO cache_runtime.outbox (source, key)
         SELECT id, ARRAY[(n % {companies})::text] FROM cache_runtime.sources, generate_series(1, {CHANGES}) AS n
         WHERE relation = 'public.{}';
         NOTIFY cache_runtime",
        INVOICES.declared
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(write))).await?;
    let (changes, took) = watch.await?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    Ok(changes as f64 / took.as_secs_f64())
}

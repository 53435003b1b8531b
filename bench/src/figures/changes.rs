//! What it costs that changes of a database are seen, and how soon they are.

mod books;
mod lag;
mod relayed;
mod triggers;

use anyhow::Result;

use self::books::{Books, Flushes};
use super::Measurement;
use crate::{
    bench::{Bench, runtime, say},
    figure::Figure,
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "changes",
    title: "Changes of a database (PostgreSQL)",
    run,
};

mod resources {
    cache_runtime::resources! {
        /// What is cached of the invoices of a company.
        ledgers { ttl = "1h", scope(company: i64) }

        table invoices => ledgers(company = company_id);
        table lines => ledgers(company = company_id);
    }
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = runtime(2)?;
    let mut figures = Vec::new();
    for flushes in [Flushes::Each, Flushes::Never] {
        say(&flushes.to_string());
        let books = runtime.block_on(Books::open(flushes))?;
        figures.extend(lag::figures(bench, &runtime, &books)?);
        figures.extend(triggers::figures(bench, &runtime, &books)?);
        figures.extend(relayed::figures(bench, &runtime, &books)?);
    }
    Ok(figures)
}

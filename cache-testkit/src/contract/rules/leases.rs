use std::time::Duration;

use super::super::bench::{Bench, Broken, LONG, ensure, until};

/// Short enough to wait for.
const BRIEF: Duration = Duration::from_millis(40);

pub(in crate::contract) async fn a_lease_has_one_holder(bench: &Bench) -> Result<(), Broken> {
    let key = bench.lease("a");
    ensure!(bench.store.acquire_lease(&key, 1, LONG).await?, "nobody has it");
    ensure!(!bench.store.acquire_lease(&key, 2, LONG).await?, "another one has it");
    ensure!(bench.store.acquire_lease(&key, 1, LONG).await?, "its holder has it");
    ensure!(
        bench.store.acquire_lease(&bench.lease("b"), 2, LONG).await?,
        "it is another lease"
    );
    Ok(())
}

pub(in crate::contract) async fn a_lease_that_was_given_back_is_free(bench: &Bench) -> Result<(), Broken> {
    let key = bench.lease("a");
    bench.store.acquire_lease(&key, 1, LONG).await?;
    bench.store.drop_lease(&key).await?;
    ensure!(bench.store.acquire_lease(&key, 2, LONG).await?, "it was given back");
    Ok(())
}

pub(in crate::contract) async fn a_lease_that_is_not_extended_runs_out(bench: &Bench) -> Result<(), Broken> {
    let key = bench.lease("a");
    bench.store.acquire_lease(&key, 1, BRIEF).await?;
    until!("a lease has run out", bench.store.acquire_lease(&key, 2, LONG).await?);
    // Too late: it is another one's by now.
    bench.store.extend_lease(&bench.lease("b"), 1, LONG).await?;
    ensure!(
        bench.store.acquire_lease(&bench.lease("b"), 2, LONG).await?,
        "extending a lease that nobody has must not take it"
    );
    Ok(())
}

pub(in crate::contract) async fn an_extended_lease_lasts(bench: &Bench) -> Result<(), Broken> {
    let (key, beside) = (bench.lease("a"), bench.lease("b"));
    bench.store.acquire_lease(&key, 1, BRIEF).await?;
    bench.store.extend_lease(&key, 1, LONG).await?;
    // A brief one beside it, to know when the time has passed.
    bench.store.acquire_lease(&beside, 1, BRIEF).await?;
    until!(
        "a lease has run out",
        bench.store.acquire_lease(&beside, 2, LONG).await?
    );
    ensure!(
        !bench.store.acquire_lease(&key, 2, LONG).await?,
        "it was extended, and ended with its first term"
    );
    Ok(())
}

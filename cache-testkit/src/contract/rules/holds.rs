use std::time::Duration;

use super::super::bench::{Bench, Broken, LONG, ensure, until};

/// Short enough to wait for.
const BRIEF: Duration = Duration::from_millis(40);

pub(in crate::contract) async fn a_hold_is_seen_until_its_writer_leaves(bench: &Bench) -> Result<(), Broken> {
    let address = bench.scoped("r", &[("a", "1")], "h");
    let (resource, scope) = (&address.stamps()[..1], &address.stamps()[1..]);
    ensure!(!bench.store.is_held(address.stamps()).await?, "nobody has come yet");
    bench.store.hold(scope, 1, LONG).await?;
    ensure!(
        bench.store.is_held(address.stamps()).await?,
        "a writer is in the hold of one of the stamps"
    );
    ensure!(!bench.store.is_held(resource).await?, "the other stamp is held, too");
    bench.store.release(scope, 1, Duration::ZERO).await?;
    ensure!(!bench.store.is_held(address.stamps()).await?, "its writer has left");
    Ok(())
}

pub(in crate::contract) async fn writers_come_and_go_independently(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let stamps = address.stamps();
    bench.store.hold(stamps, 1, LONG).await?;
    bench.store.hold(stamps, 2, LONG).await?;
    bench.store.release(stamps, 2, Duration::ZERO).await?;
    ensure!(
        bench.store.is_held(stamps).await?,
        "the first of two writers is still there"
    );
    bench.store.hold(stamps, 2, LONG).await?;
    bench.store.release(stamps, 1, Duration::ZERO).await?;
    ensure!(
        bench.store.is_held(stamps).await?,
        "the second of two writers is still there"
    );
    Ok(())
}

pub(in crate::contract) async fn a_writer_that_does_not_renew_is_gone_when_its_lease_is_over(
    bench: &Bench,
) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let stamps = address.stamps();
    bench.store.hold(stamps, 1, BRIEF).await?;
    // Another one's coming and leaving does not keep it there.
    bench.store.hold(stamps, 2, LONG).await?;
    bench.store.release(stamps, 2, Duration::ZERO).await?;
    until!("the lease of a writer is over", !bench.store.is_held(stamps).await?);
    bench.store.hold(stamps, 3, LONG).await?;
    bench.store.release(stamps, 3, Duration::ZERO).await?;
    ensure!(
        !bench.store.is_held(stamps).await?,
        "a writer whose lease is over has come back with another one"
    );
    Ok(())
}

pub(in crate::contract) async fn a_renewed_hold_lasts(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let stamps = address.stamps();
    bench.store.hold(stamps, 1, BRIEF).await?;
    bench.store.hold(stamps, 1, LONG).await?;
    // A brief one beside it, to know when the time has passed.
    let beside = bench.address("r2", "h");
    bench.store.hold(beside.stamps(), 2, BRIEF).await?;
    until!(
        "the lease of a writer is over",
        !bench.store.is_held(beside.stamps()).await?
    );
    ensure!(
        bench.store.is_held(stamps).await?,
        "it was renewed, and ended with its first lease"
    );
    Ok(())
}

pub(in crate::contract) async fn a_hold_that_settles_ends_by_itself(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let stamps = address.stamps();
    bench.store.hold(stamps, 1, LONG).await?;
    bench.store.release(stamps, 1, LONG).await?;
    ensure!(bench.store.is_held(stamps).await?, "it has not settled yet");
    bench.store.release(stamps, 1, BRIEF).await?;
    until!("a hold has settled", !bench.store.is_held(stamps).await?);
    Ok(())
}

use super::super::bench::{Bench, Broken, ensure, random_stamp};

pub(in crate::contract) async fn an_address_that_nobody_used_reads_as_nothing(bench: &Bench) -> Result<(), Broken> {
    let address = bench.scoped("r", &[("a", "1"), ("b", "2")], "h");
    let snapshot = bench.snapshot(&address).await?;
    ensure!(
        snapshot.stamps.len() == address.stamps().len(),
        "{} stamps, not {}",
        snapshot.stamps.len(),
        address.stamps().len()
    );
    ensure!(
        snapshot.stamps.iter().all(Option::is_none) && snapshot.entry.is_none(),
        "{snapshot:?}"
    );
    Ok(())
}

pub(in crate::contract) async fn a_created_stamp_is_what_reads_see(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let fresh = random_stamp()?;
    let created = bench.store.create_stamps(&[(&address.stamps()[0], fresh)]).await?;
    ensure!(created == [Some(fresh)], "creating {fresh:?} returned {created:?}");
    let read = bench.snapshot(&address).await?.stamps;
    ensure!(read == [Some(fresh)], "created {fresh:?}, read {read:?}");
    Ok(())
}

pub(in crate::contract) async fn a_stamp_is_created_once(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let key = &address.stamps()[0];
    let (first, second) = (random_stamp()?, random_stamp()?);
    bench.store.create_stamps(&[(key, first)]).await?;
    let created = bench.store.create_stamps(&[(key, second)]).await?;
    ensure!(
        created == [Some(first)],
        "the current stamp is {first:?}, creating again returned {created:?}"
    );
    let read = bench.snapshot(&address).await?.stamps;
    ensure!(
        read == [Some(first)],
        "the first stamp {first:?} was replaced by {read:?}"
    );
    Ok(())
}

pub(in crate::contract) async fn the_stamps_of_an_address_keep_their_order(bench: &Bench) -> Result<(), Broken> {
    let address = bench.scoped("r", &[("a", "1"), ("b", "2"), ("c", "3")], "h");
    let mut fresh = Vec::new();
    for key in address.stamps() {
        fresh.push((key, random_stamp()?));
    }
    // In another order than that of the address, and in two calls, so that some of them are there already.
    bench.store.create_stamps(&fresh[2..3]).await?;
    let backwards: Vec<_> = fresh.iter().rev().copied().collect();
    let created = bench.store.create_stamps(&backwards).await?;
    ensure!(
        created
            .iter()
            .eq(&backwards.iter().map(|(_, stamp)| Some(*stamp)).collect::<Vec<_>>()),
        "asked for {backwards:?}, got {created:?}"
    );
    let read = bench.snapshot(&address).await?.stamps;
    ensure!(
        read.iter()
            .eq(&fresh.iter().map(|(_, stamp)| Some(*stamp)).collect::<Vec<_>>()),
        "created {fresh:?}, read {read:?}"
    );
    Ok(())
}

pub(in crate::contract) async fn a_removed_stamp_is_missing_and_its_successor_is_another(
    bench: &Bench,
) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let before = bench.ticket(&address).await?;
    bench.store.remove_stamps(address.stamps()).await?;
    let read = bench.snapshot(&address).await?.stamps;
    ensure!(read == [None], "a removed stamp still reads as {read:?}");
    let after = bench.ticket(&address).await?;
    ensure!(
        before.stamps() != after.stamps(),
        "the stamp {:?} came back after its removal",
        before.stamps()
    );
    Ok(())
}

pub(in crate::contract) async fn several_stamps_are_removed_together_and_the_others_stay(
    bench: &Bench,
) -> Result<(), Broken> {
    let address = bench.scoped("r", &[("a", "1"), ("b", "2")], "h");
    let other = bench.scoped("r", &[("a", "1"), ("b", "3")], "h");
    bench.ticket(&address).await?;
    let kept = bench.ticket(&other).await?;
    // `r:b-2` and `r:a-1:b-2`: what the two addresses do not share.
    bench.store.remove_stamps(&address.stamps()[2..]).await?;
    let read = bench.snapshot(&address).await?.stamps;
    ensure!(
        read[..2].iter().all(Option::is_some) && read[2..].iter().all(Option::is_none),
        "removed the last two of {:?}, read {read:?}",
        address.stamps()
    );
    let others = bench.snapshot(&other).await?.stamps;
    ensure!(
        others.iter().flatten().eq(kept.stamps()),
        "stamps of {other:?} were touched: {others:?}"
    );
    Ok(())
}

pub(in crate::contract) async fn removing_what_is_missing_is_no_error(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    bench.store.remove_stamps(address.stamps()).await?;
    bench.store.remove_stamps(&[]).await?;
    Ok(())
}

pub(in crate::contract) async fn a_probe_succeeds_and_changes_nothing(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    bench.fill(&address, b"value").await?;
    let before = bench.snapshot(&address).await?;
    bench.store.probe().await?;
    let after = bench.snapshot(&address).await?;
    ensure!(before == after, "before the probe {before:?}, after it {after:?}");
    Ok(())
}

pub(in crate::contract) async fn stamps_read_alone_are_the_same(bench: &Bench) -> Result<(), Broken> {
    let address = bench.scoped("r", &[("a", "1"), ("b", "2")], "h");
    bench.fill(&address, b"value").await?;
    bench.store.remove_stamps(&address.stamps()[1..2]).await?;
    let (alone, with_entry) = (
        bench.store.read_stamps(&address).await?,
        bench.snapshot(&address).await?.stamps,
    );
    ensure!(alone == with_entry, "alone {alone:?}, with the entry {with_entry:?}");
    Ok(())
}

pub(in crate::contract) async fn all_stamps_are_removed_at_once_if_need_be(bench: &Bench) -> Result<(), Broken> {
    let mut addresses = Vec::new();
    for company in 0..700 {
        let address = bench.scoped("r", &[("company", &company.to_string())], "h");
        bench.ticket(&address).await?;
        addresses.push(address);
    }
    bench.store.remove_all_stamps().await?;
    for address in &addresses {
        let read = bench.store.read_stamps(address).await?;
        ensure!(
            read.iter().all(Option::is_none),
            "after the removal of all stamps {:?} are {read:?}",
            address.stamps()
        );
    }
    Ok(())
}

use std::sync::Arc;

use cache_runtime::store::{Address, Swept};

use super::super::bench::{Bench, Broken, ensure};

/// Stores an entry and takes its resource's stamp away, so that a sweep may have it.
async fn leave_dead(bench: &Bench, address: &Arc<Address>) -> Result<(), Broken> {
    bench.fill(address, b"dead").await?;
    bench.store.remove_stamps(address.stamps()).await?;
    Ok(())
}

pub(in crate::contract) async fn a_sweep_removes_dead_entries_and_leaves_living_ones(
    bench: &Bench,
) -> Result<(), Broken> {
    // More than one page of a scan.
    const ENTRIES: usize = 300;
    let addresses = |company: &'static str| {
        (0..ENTRIES).map(move |n| bench.scoped("r", &[("company", company)], &format!("{n:012x}")))
    };
    for address in addresses("1").chain(addresses("2")) {
        bench.fill(&address, b"value").await?;
    }
    let company = bench.scoped("r", &[("company", "1")], "h");
    bench.store.remove_stamps(&company.stamps()[1..]).await?;
    let swept = bench.store.sweep(&[bench.pattern("r:*")]).await?;
    ensure!(
        swept.matched >= 2 * ENTRIES as u64 && swept.removed == ENTRIES as u64,
        "of {} entries, half of them dead, a sweep reports {swept:?}",
        2 * ENTRIES
    );
    for address in addresses("1") {
        ensure!(
            bench.entry(&address).await?.is_none(),
            "{} is dead and was left",
            address.entry()
        );
    }
    for address in addresses("2") {
        ensure!(
            bench.hit(&address).await?.is_some(),
            "{} was alive and is gone",
            address.entry()
        );
    }
    Ok(())
}

pub(in crate::contract) async fn a_sweep_touches_only_what_matches(bench: &Bench) -> Result<(), Broken> {
    let (one, other) = (bench.address("one", "h"), bench.address("other", "h"));
    leave_dead(bench, &one).await?;
    leave_dead(bench, &other).await?;
    bench.store.sweep(&[bench.pattern("one:*")]).await?;
    ensure!(
        bench.entry(&one).await?.is_none(),
        "{} matches and was left",
        one.entry()
    );
    ensure!(
        bench.entry(&other).await?.is_some(),
        "{} does not match and is gone",
        other.entry()
    );
    Ok(())
}

pub(in crate::contract) async fn a_star_matches_any_run_of_characters(bench: &Bench) -> Result<(), Broken> {
    let scopes = [("company", "1"), ("region", "eu")];
    for pattern in [
        "*",
        "r:*",
        "r:*region-eu:*",
        "r:company-1:*",
        "r:company-1:region-eu:h",
        "r:company-1:region-eu:*h",
        "*:*:*:h",
    ] {
        let address = bench.scoped("r", &scopes, "h");
        leave_dead(bench, &address).await?;
        bench.store.sweep(&[bench.pattern(pattern)]).await?;
        ensure!(
            bench.entry(&address).await?.is_none(),
            "{} is not matched by {:?}",
            address.entry(),
            bench.pattern(pattern)
        );
    }
    Ok(())
}

pub(in crate::contract) async fn no_character_but_the_star_widens_a_sweep(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    leave_dead(bench, &address).await?;
    for pattern in [
        "?:h", "[a-z]:h", "[^x]:h", "[r]:*", "\\r:*", "r:\\h", "r:[h]", "r:?", "", "r", "{r}:h", "R:*", "x*",
    ] {
        let swept = bench.store.sweep(&[bench.pattern(pattern)]).await?;
        let left = bench.entry(&address).await?.is_some();
        ensure!(
            left && swept.removed == 0,
            "{:?} matched {}",
            bench.pattern(pattern),
            address.entry()
        );
    }
    Ok(())
}

pub(in crate::contract) async fn a_sweep_leaves_what_was_filled_again(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    leave_dead(bench, &address).await?;
    bench.fill(&address, b"new").await?;
    bench.store.sweep(&[bench.pattern("r:*")]).await?;
    let hit = bench.hit(&address).await?;
    ensure!(hit.as_deref() == Some(b"new"), "{hit:?}");
    Ok(())
}

pub(in crate::contract) async fn a_sweep_leaves_what_has_lost_a_soft_stamp_alone(bench: &Bench) -> Result<(), Broken> {
    let address = bench.scoped("r", &[("company", "1")], "h");
    let soft = Arc::new(Address::clone(&address).with_soft_stamps(true));
    bench.fill(&soft, b"old").await?;
    let strict = soft.strict_stamps().len();
    bench.store.remove_stamps(&soft.stamps()[strict..]).await?;
    bench.store.sweep(&[bench.pattern("r:*")]).await?;
    ensure!(
        bench.entry(&soft).await?.is_some(),
        "{} may be returned while it is replaced, and is gone",
        soft.entry()
    );
    bench.store.remove_stamps(&soft.stamps()[..1]).await?;
    bench.store.sweep(&[bench.pattern("r:*")]).await?;
    ensure!(
        bench.entry(&soft).await?.is_none(),
        "{} is dead and was left",
        soft.entry()
    );
    Ok(())
}

pub(in crate::contract) async fn a_sweep_of_several_patterns_takes_what_matches_any_of_them(
    bench: &Bench,
) -> Result<(), Broken> {
    let (one, two, other) = (
        bench.address("one", "h"),
        bench.scoped("two", &[("company", "1")], "h"),
        bench.address("other", "h"),
    );
    for address in [&one, &two, &other] {
        leave_dead(bench, address).await?;
    }
    let nothing = bench.store.sweep(&[]).await?;
    ensure!(nothing == Swept::default(), "without a pattern: {nothing:?}");
    let patterns = ["one:*", "none:*", "two:*company-1:*", "two:*"].map(|rest| bench.pattern(rest));
    let swept = bench.store.sweep(&patterns).await?;
    // A scan may come across a key twice.
    ensure!(
        swept.matched >= 2 && swept.removed >= 2,
        "two entries match, one of them twice: {swept:?}"
    );
    for address in [&one, &two] {
        ensure!(
            bench.entry(address).await?.is_none(),
            "{} matches one of the patterns and was left",
            address.entry()
        );
    }
    ensure!(
        bench.entry(&other).await?.is_some(),
        "{} matches none of the patterns and is gone",
        other.entry()
    );
    Ok(())
}

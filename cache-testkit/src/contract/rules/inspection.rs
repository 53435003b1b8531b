use std::{collections::BTreeSet, time::Duration};

use cache_runtime::store::StoredValue;

use super::super::bench::{Bench, Broken, LONG, ensure, sealed, until};

/// More than one page of a scan.
const ENTRIES: usize = 300;

/// Few enough that [`ENTRIES`] take several pages, whatever else stands in the store.
const PAGE: usize = 50;

/// Goes through all pages of a scan: what they have found, and how many keys were in the largest one.
async fn scan(bench: &Bench, pattern: &str) -> Result<(BTreeSet<String>, usize), Broken> {
    let (mut found, mut largest, mut next) = (BTreeSet::new(), 0, None);
    loop {
        let page = bench.store.scan(pattern, next.as_ref(), PAGE).await?;
        largest = largest.max(page.keys.len());
        found.extend(page.keys);
        match page.next {
            Some(cursor) => next = Some(cursor),
            None => return Ok((found, largest)),
        }
    }
}

async fn look(bench: &Bench, key: &str, most: usize) -> Result<Option<StoredValue>, Broken> {
    let mut values = bench.store.look_at(&[key.to_owned()], most).await?;
    ensure!(values.len() == 1, "{} values for one key", values.len());
    Ok(values.remove(0))
}

pub(in crate::contract) async fn a_scan_finds_every_key_page_by_page(bench: &Bench) -> Result<(), Broken> {
    let addresses: Vec<_> = (0..ENTRIES).map(|n| bench.address("r", &format!("{n:012x}"))).collect();
    for address in &addresses {
        bench.fill(address, b"value").await?;
    }
    let (found, largest) = scan(bench, &bench.pattern("*")).await?;
    let expected: BTreeSet<String> = addresses.iter().map(|address| address.entry().to_owned()).collect();
    ensure!(
        found == expected,
        "of {ENTRIES} entries a scan has found {}",
        found.intersection(&expected).count()
    );
    // As `SCAN` does, a page may bring some more than it was to look at.
    ensure!(
        largest < ENTRIES / 2,
        "a page of {PAGE} keys brings {largest} of {ENTRIES} at once"
    );
    let stamp = &addresses[0].stamps()[0];
    let (found, _) = scan(bench, stamp).await?;
    ensure!(
        found.iter().eq([stamp.as_str()]),
        "a scan for the stamp {stamp} has found {found:?}"
    );
    Ok(())
}

pub(in crate::contract) async fn a_scan_finds_only_what_its_pattern_matches(bench: &Bench) -> Result<(), Broken> {
    let (one, other) = (bench.address("one", "h"), bench.address("other", "h"));
    bench.fill(&one, b"value").await?;
    bench.fill(&other, b"value").await?;
    for (pattern, is_found) in [
        ("one:*", true),
        ("*ne:h", true),
        ("one:h", true),
        ("on?:h", false),
        ("[o]ne:h", false),
        ("one\\:h", false),
        ("ONE:h", false),
        ("one", false),
    ] {
        let (found, _) = scan(bench, &bench.pattern(pattern)).await?;
        let expected = is_found.then_some(one.entry());
        ensure!(
            found.iter().map(String::as_str).eq(expected),
            "a scan for {:?} has found {found:?}",
            bench.pattern(pattern)
        );
    }
    Ok(())
}

pub(in crate::contract) async fn what_stands_under_keys_is_looked_at_in_their_order(
    bench: &Bench,
) -> Result<(), Broken> {
    let (one, other) = (bench.address("one", "h"), bench.address("other", "h"));
    let ticket = bench.fill(&one, b"value").await?;
    let stamp = &ticket.address().stamps()[0];
    let keys = [stamp.to_string(), other.entry().to_owned(), one.entry().to_owned()];
    let values = bench.store.look_at(&keys, usize::MAX).await?;
    ensure!(values.len() == 3, "{} values for three keys", values.len());
    let bytes = |place: usize| values[place].as_ref().map(|value| value.bytes.clone());
    ensure!(
        bytes(0).as_deref() == Some(ticket.stamps()[0].to_string().as_bytes()),
        "under {stamp} stands {}, and {:?} was seen",
        ticket.stamps()[0],
        values[0]
    );
    ensure!(values[1].is_none(), "under {} stands nothing", other.entry());
    let entry = bench.entry(&one).await?;
    ensure!(
        entry.is_some() && bytes(2) == entry,
        "what is looked at under {} is not what is read there",
        one.entry()
    );
    ensure!(
        bench.store.look_at(&[], 10).await?.is_empty(),
        "there is something under no key"
    );
    Ok(())
}

pub(in crate::contract) async fn no_more_is_looked_at_than_was_asked_for(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    bench.fill(&address, &[b'x'; 1000]).await?;
    let entry = bench.entry(&address).await?.unwrap_or_default();
    for most in [0, 1, 100, entry.len(), entry.len() + 1] {
        let Some(value) = look(bench, address.entry(), most).await? else {
            return Err(Broken(format!("{} is not there", address.entry())));
        };
        ensure!(
            value.bytes == entry[..most.min(entry.len())] && value.len == entry.len() as u64,
            "of {} bytes the first {most} are asked for: {} bytes of {}",
            entry.len(),
            value.bytes.len(),
            value.len
        );
    }
    Ok(())
}

pub(in crate::contract) async fn to_look_at_an_entry_changes_nothing(bench: &Bench) -> Result<(), Broken> {
    /// Short enough to wait for.
    const BRIEF: Duration = Duration::from_millis(40);
    let (lasting, brief) = (bench.address("r", "lasting"), bench.address("r", "brief"));
    bench.fill(&lasting, b"value").await?;
    let left = look(bench, lasting.entry(), 10)
        .await?
        .and_then(|value| value.time_left);
    ensure!(
        left.is_some_and(|left| left <= LONG && left > LONG / 2),
        "of {LONG:?} there are left {left:?}"
    );
    let ticket = bench.ticket(&brief).await?;
    bench.store.fill(&ticket, sealed(&ticket, b"value")?, BRIEF).await?;
    until!(
        "an entry expires though it is looked at",
        look(bench, brief.entry(), 10).await?.is_none()
    );
    let (found, _) = scan(bench, &bench.pattern("*")).await?;
    ensure!(
        found.iter().map(String::as_str).eq([lasting.entry()]),
        "of an entry and an expired one a scan has found {found:?}"
    );
    let hit = bench.hit(&lasting).await?;
    ensure!(
        hit.as_deref() == Some(b"value"),
        "it was looked at, and reads as {hit:?}"
    );
    Ok(())
}

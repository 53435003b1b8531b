use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::super::bench::{Bench, Broken, LONG, ensure, sealed};

/// An entry is looked at again and again until it is gone, at most for this long.
const EXPIRY_DEADLINE: Duration = Duration::from_secs(20);

pub(in crate::contract) async fn an_entry_reads_back_byte_for_byte(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let ticket = bench.ticket(&address).await?;
    let every_byte: Bytes = (0..=u8::MAX).chain(*b"\r\n$-1\r\n").collect();
    bench.store.fill(&ticket, every_byte.clone(), LONG).await?;
    let read = bench.entry(&address).await?;
    ensure!(
        read.as_ref() == Some(&every_byte),
        "stored {every_byte:?}, read {read:?}"
    );
    Ok(())
}

pub(in crate::contract) async fn an_entry_of_a_mebibyte_reads_back(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let ticket = bench.ticket(&address).await?;
    // A period of 251, a prime, so that a piece that is lost or moved does not go unnoticed.
    let large: Bytes = (0..=250).cycle().take(1 << 20).collect();
    bench.store.fill(&ticket, large.clone(), LONG).await?;
    let read = bench.entry(&address).await?;
    ensure!(
        read.as_ref() == Some(&large),
        "stored {} bytes, read {:?} other ones",
        large.len(),
        read.map(|read| read.len())
    );
    Ok(())
}

pub(in crate::contract) async fn a_fill_replaces_the_entry_before(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    bench.fill(&address, b"a long value that comes first").await?;
    bench.fill(&address, b"second").await?;
    let hit = bench.hit(&address).await?;
    ensure!(hit.as_deref() == Some(b"second"), "{hit:?}");
    Ok(())
}

pub(in crate::contract) async fn a_fill_leaves_the_stamps(bench: &Bench) -> Result<(), Broken> {
    let address = bench.scoped("r", &[("a", "1")], "h");
    let ticket = bench.fill(&address, b"value").await?;
    let read = bench.snapshot(&address).await?.stamps;
    ensure!(
        read.iter().flatten().eq(ticket.stamps()),
        "stamps before the fill {:?}, after it {read:?}",
        ticket.stamps()
    );
    Ok(())
}

pub(in crate::contract) async fn an_entry_is_a_hit_until_a_stamp_is_removed(bench: &Bench) -> Result<(), Broken> {
    let stamps = bench.scoped("r", &[("a", "1")], "h").stamps().to_vec();
    for stamp in stamps {
        let address = bench.scoped("r", &[("a", "1")], "h");
        bench.fill(&address, b"value").await?;
        let hit = bench.hit(&address).await?;
        ensure!(hit.as_deref() == Some(b"value"), "after the fill: {hit:?}");
        bench.store.remove_stamps(std::slice::from_ref(&stamp)).await?;
        let hit = bench.hit(&address).await?;
        ensure!(hit.is_none(), "still a hit after the removal of {stamp}");
    }
    Ok(())
}

pub(in crate::contract) async fn a_fill_that_lost_a_race_is_dead_on_arrival(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let old = bench.ticket(&address).await?;
    bench.store.remove_stamps(address.stamps()).await?;
    bench.ticket(&address).await?;
    bench.store.fill(&old, sealed(&old, b"old")?, LONG).await?;
    let hit = bench.hit(&address).await?;
    ensure!(
        hit.is_none(),
        "a value loaded before the invalidation is served after it"
    );
    Ok(())
}

pub(in crate::contract) async fn an_entry_expires_and_its_stamps_stay(bench: &Bench) -> Result<(), Broken> {
    let (short, long) = (bench.address("r", "short"), bench.address("r", "long"));
    let ticket = bench.fill(&long, b"long").await?;
    let ticket_of_short = bench.ticket(&short).await?;
    bench
        .store
        .fill(
            &ticket_of_short,
            sealed(&ticket_of_short, b"short")?,
            Duration::from_millis(50),
        )
        .await?;
    let deadline = Instant::now() + EXPIRY_DEADLINE;
    while bench.entry(&short).await?.is_some() {
        ensure!(
            Instant::now() < deadline,
            "an entry stored for 50 ms is still there after {EXPIRY_DEADLINE:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let read = bench.snapshot(&long).await?;
    ensure!(read.entry.is_some(), "an entry stored for {LONG:?} is gone as well");
    ensure!(
        read.stamps.iter().flatten().eq(ticket.stamps()),
        "the stamps went with the entry: {:?}",
        read.stamps
    );
    Ok(())
}

pub(in crate::contract) async fn several_addresses_read_as_each_of_them_does_alone(
    bench: &Bench,
) -> Result<(), Broken> {
    let (first, second) = (
        bench.scoped("r", &[("a", "1")], "x"),
        bench.scoped("r", &[("a", "2")], "x"),
    );
    let (other, empty, unused) = (
        bench.address("s", "x"),
        bench.address("r", "y"),
        bench.address("t", "x"),
    );
    for (address, payload) in [(&first, "first"), (&second, "second"), (&other, "other")] {
        bench.fill(address, payload.as_bytes()).await?;
    }
    bench.ticket(&empty).await?;
    // One of them twice, and in an order in which nobody would sort them.
    let addresses = [&other, &first, &unused, &second, &empty, &first].map(Arc::clone);
    let read = bench.store.read_many(&addresses).await?;
    let mut alone = Vec::new();
    for address in &addresses {
        alone.push(bench.snapshot(address).await?);
    }
    ensure!(read == alone, "read together {read:?}, alone {alone:?}");
    let nothing = bench.store.read_many(&[]).await?;
    ensure!(nothing.is_empty(), "of no address: {nothing:?}");
    Ok(())
}

pub(in crate::contract) async fn several_entries_are_filled_together(bench: &Bench) -> Result<(), Broken> {
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let mut tickets = Vec::new();
    for name in &names {
        tickets.push(bench.ticket(&bench.scoped("r", &[("a", name)], name)).await?);
    }
    let mut entries = Vec::new();
    for (ticket, name) in tickets.iter().zip(&names) {
        entries.push((ticket, sealed(ticket, name.as_bytes())?, LONG));
    }
    bench.store.fill_many(&entries).await?;
    for (ticket, name) in tickets.iter().zip(&names) {
        let hit = bench.hit(ticket.address()).await?;
        ensure!(
            hit.as_deref() == Some(name.as_bytes()),
            "under {} stands {hit:?}",
            ticket.address().entry()
        );
    }
    bench.store.fill_many(&[]).await?;
    Ok(())
}

pub(in crate::contract) async fn extreme_times_to_live_are_no_errors(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    let ticket = bench.ticket(&address).await?;
    for ttl in [Duration::from_nanos(1), Duration::from_secs(u64::MAX), Duration::MAX] {
        let filled = bench.store.fill(&ticket, sealed(&ticket, b"value")?, ttl).await;
        ensure!(filled.is_ok(), "a fill for {ttl:?} failed: {filled:?}");
    }
    Ok(())
}

pub(in crate::contract) async fn hostile_values_are_keys_of_their_own(bench: &Bench) -> Result<(), Broken> {
    let long = "x".repeat(100_000);
    let values = [
        "1",
        "1:2",
        "*",
        "?",
        "[a-z]",
        "{1}",
        "a\nb",
        "a\r\nDEL x",
        "\0",
        "",
        " ",
        "é",
        "%31",
        "~",
        "a",
        "A",
        &long,
    ];
    for value in values {
        bench
            .fill(&bench.scoped("r", &[("a", value)], "h"), value.as_bytes())
            .await?;
    }
    for value in values {
        let hit = bench.hit(&bench.scoped("r", &[("a", value)], "h")).await?;
        ensure!(
            hit.as_deref() == Some(value.as_bytes()),
            "under the scope value {:?} stands {hit:?}",
            &value[..value.len().min(20)]
        );
    }
    Ok(())
}

use std::sync::Arc;

use cache_runtime::store::{Address, Snapshot, StoreError, StoreFuture};
use futures_util::future::{MaybeDone, join_all, maybe_done, poll_immediate, try_join_all};
use tokio::task::JoinSet;

use super::super::bench::{Bench, Broken, LONG, ensure, random_stamp, sealed};

pub(in crate::contract) async fn concurrent_creators_agree(bench: &Bench) -> Result<(), Broken> {
    for round in 0..20 {
        let address = bench.address("r", &round.to_string());
        bench.store.remove_stamps(address.stamps()).await?;
        let mut creators = JoinSet::new();
        for _ in 0..16 {
            let (store, key, fresh) = (Arc::clone(&bench.store), address.stamps()[0].clone(), random_stamp()?);
            creators.spawn(async move { store.create_stamps(&[(&key, fresh)]).await });
        }
        let mut created = Vec::new();
        for outcome in creators.join_all().await {
            created.extend(outcome?);
        }
        ensure!(
            created.iter().all(|stamp| stamp.is_some() && *stamp == created[0]),
            "creators were given {created:?}"
        );
        let read = bench.snapshot(&address).await?.stamps;
        ensure!(
            read[0] == created[0],
            "creators were given {:?}, readers {read:?}",
            created[0]
        );
    }
    Ok(())
}

pub(in crate::contract) async fn concurrent_readers_get_their_own_entries(bench: &Bench) -> Result<(), Broken> {
    const ADDRESSES: usize = 100;
    let addresses: Vec<_> = (0..ADDRESSES)
        .map(|n| {
            bench.scoped(
                &format!("r{}", n % 7),
                &[("company", &(n % 3).to_string())],
                &format!("{n:012x}"),
            )
        })
        .collect();
    // Every fifth stays empty: a batch must not fill the gap with its neighbour.
    for (n, address) in addresses.iter().enumerate().filter(|(n, _)| n % 5 != 0) {
        bench.fill(address, n.to_string().as_bytes()).await?;
    }
    let mut readers = JoinSet::new();
    for n in (0..ADDRESSES).cycle().take(20 * ADDRESSES) {
        let (store, address) = (Arc::clone(&bench.store), Arc::clone(&addresses[n]));
        readers.spawn(async move { (n, store.read(&address).await) });
    }
    for (n, read) in readers.join_all().await {
        let entry = read?.entry;
        let expected = (n % 5 != 0).then(|| n.to_string());
        let own = match (&entry, &expected) {
            (Some(entry), Some(expected)) => entry.ends_with(expected.as_bytes()),
            (None, None) => true,
            _ => false,
        };
        ensure!(own, "reader {n} expected {expected:?} and got {entry:?}");
    }
    Ok(())
}

pub(in crate::contract) async fn concurrent_readers_of_several_addresses_get_their_own_entries(
    bench: &Bench,
) -> Result<(), Broken> {
    const ADDRESSES: usize = 60;
    const TOGETHER: usize = 7;
    let address = |n: usize| {
        bench.scoped(
            &format!("r{}", n % 3),
            &[("company", &(n % 2).to_string())],
            &n.to_string(),
        )
    };
    let addresses: Vec<_> = (0..ADDRESSES).map(address).collect();
    // Every fifth stays empty.
    for (n, address) in addresses.iter().enumerate().filter(|(n, _)| n % 5 != 0) {
        bench.fill(address, n.to_string().as_bytes()).await?;
    }
    let mut own = Vec::new();
    for address in &addresses {
        own.push(bench.snapshot(address).await?);
    }
    let mut readers = JoinSet::new();
    for begin in (0..ADDRESSES).cycle().take(10 * ADDRESSES) {
        let store = Arc::clone(&bench.store);
        let places: Vec<_> = (0..TOGETHER).map(|i| (begin + i * begin) % ADDRESSES).collect();
        let wanted: Vec<_> = places.iter().map(|n| Arc::clone(&addresses[*n])).collect();
        // Among those who read one.
        readers.spawn(async move {
            let read = match &wanted[..1] {
                alone if begin % 4 == 0 => vec![store.read(&alone[0]).await?],
                _ => store.read_many(&wanted).await?,
            };
            Ok::<_, StoreError>((places, read))
        });
    }
    for read in readers.join_all().await {
        let (places, read) = read?;
        for (n, read) in places.into_iter().zip(read) {
            ensure!(
                read == own[n],
                "of the address {n} was read {read:?}, and it is {:?}",
                own[n]
            );
        }
    }
    Ok(())
}

pub(in crate::contract) async fn a_read_sees_what_was_acknowledged_before_it(bench: &Bench) -> Result<(), Broken> {
    let address = bench.address("r", "h");
    for round in 0..50 {
        bench.fill(&address, round.to_string().as_bytes()).await?;
        let earlier = Reads::begin(bench, &address).await;
        bench.store.remove_stamps(address.stamps()).await?;
        let (read, ()) = tokio::join!(bench.store.read(&address), earlier.end());
        let stamps = read?.stamps;
        ensure!(stamps == [None], "round {round}: removed, and then read as {stamps:?}");

        let fresh = random_stamp()?;
        let earlier = Reads::begin(bench, &address).await;
        bench.store.create_stamps(&[(&address.stamps()[0], fresh)]).await?;
        let (read, ()) = tokio::join!(bench.store.read(&address), earlier.end());
        let stamps = read?.stamps;
        ensure!(
            stamps == [Some(fresh)],
            "round {round}: created {fresh:?}, and then read {stamps:?}"
        );
    }
    Ok(())
}

/// Reads that are under way: the next one is tempted to share their answer.
struct Reads<'a>(Vec<MaybeDone<StoreFuture<'a, Snapshot>>>);

impl<'a> Reads<'a> {
    async fn begin(bench: &'a Bench, address: &'a Arc<Address>) -> Self {
        let mut reads: Vec<_> = (0..4).map(|_| maybe_done(bench.store.read(address))).collect();
        for read in &mut reads {
            poll_immediate(read).await;
        }
        Self(reads)
    }

    async fn end(self) {
        join_all(self.0).await;
    }
}

pub(in crate::contract) async fn a_dropped_call_harms_nobody(bench: &Bench) -> Result<(), Broken> {
    let addresses: Vec<_> = (0..20).map(|n| bench.address("r", &format!("{n:012x}"))).collect();
    for (n, address) in addresses.iter().enumerate() {
        bench.fill(address, n.to_string().as_bytes()).await?;
    }
    let ticket = bench.ticket(&addresses[0]).await?;
    for _ in 0..20 {
        let mut reads: Vec<_> = addresses.iter().map(|address| bench.store.read(address)).collect();
        for read in &mut reads {
            // Done already is fine: then there is nothing to drop half-way.
            drop(poll_immediate(read).await);
        }
        drop(reads);
        drop(poll_immediate(bench.store.fill(&ticket, sealed(&ticket, b"0")?, LONG)).await);
        drop(poll_immediate(bench.store.probe()).await);
        drop(poll_immediate(bench.store.sweep(&[bench.pattern("none:*")])).await);
        let hits = try_join_all(addresses.iter().map(|address| bench.hit(address))).await?;
        for (n, hit) in hits.iter().enumerate() {
            ensure!(
                hit.as_deref() == Some(n.to_string().as_bytes()),
                "reader {n} got {hit:?} after calls were dropped"
            );
        }
    }
    Ok(())
}
